package parts

import (
	"crypto/tls"
	"hash/fnv"
	"math/rand/v2"
	"net"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"
)

// ErrorPage is what a proxy in front of a partner says.
const ErrorPage = "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body><center><h1>502 Bad Gateway</h1></center></body>\r\n</html>\r\n"

// Cut sends some bytes as they are and closes the connection.
func Cut(ec echo.Context, text []byte) error {
	conn, err := hijack(ec)
	if err != nil {
		return err
	}
	if len(text) > 0 {
		_ = conn.SetWriteDeadline(time.Now().Add(time.Second)) // the client may not read; the answer is lost anyway
		_, _ = conn.Write(text)
	}
	_ = conn.Close()
	return nil
}

// Abort resets the connection: TCP RST instead of an orderly end.
func Abort(ec echo.Context) error {
	conn, err := hijack(ec)
	if err != nil {
		return err
	}
	raw := conn
	if secured, ok := conn.(*tls.Conn); ok {
		raw = secured.NetConn()
	}
	if tcp, ok := raw.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // Close then sends RST
	}
	_ = raw.Close()
	return nil
}

// hijack takes the connection away from net/http; where that is impossible
// (HTTP/2, a connection already gone), net/http is told to drop it.
func hijack(ec echo.Context) (net.Conn, error) {
	conn, _, err := http.NewResponseController(ec.Response()).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	return conn, nil
}

// Draw is a number of at least 0 and below 1 that follows from a seed and a name, so that
// a storm repeats itself whatever the order in which requests arrive.
func Draw(seed uint64, name string) float64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(name)) // a hash takes everything
	return rand.New(rand.NewPCG(seed, h.Sum64())).Float64()
}
