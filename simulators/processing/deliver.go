package processing

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"
)

const jsonType = "application/json"

// deliver sends what take decided, in the way the fault asks for.
func (c *Centre) deliver(ec echo.Context, t turn) error {
	ctx := ec.Request().Context()
	if t.answer.Fault != DelayBefore && !c.wait(ctx, t.answer.delay()) {
		return abort(ec)
	}
	if t.refused != 0 && t.answer.Fault == "" {
		return ec.String(t.refused, http.StatusText(t.refused)+"\n")
	}
	switch t.answer.Fault {
	case ResetBefore:
		return abort(ec)
	case LostAnswer:
		return cut(ec, nil)
	case Hang:
		c.waitForEver(ctx)
		return cut(ec, nil)
	case HTML502:
		return ec.HTML(http.StatusBadGateway, "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body><center><h1>502 Bad Gateway</h1></center></body>\r\n</html>\r\n")
	case Status, StatusAfter:
		return ec.Blob(t.answer.Status, bodyType(t.answer.Body), []byte(t.answer.Body))
	case Redirect:
		return ec.Redirect(http.StatusTemporaryRedirect, "redirected/"+t.request.Call)
	case Garbage:
		return ec.Blob(http.StatusOK, jsonType, []byte("<<< это не JSON >>>"))
	case Empty:
		return ec.Blob(http.StatusOK, jsonType, nil)
	}
	body, err := encode(t.reply)
	if err != nil {
		c.log.Error("answer cannot be written", "error", err)
		return abort(ec)
	}
	switch t.answer.Fault {
	case LostAnswerMidway:
		head := fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n", jsonType, len(body))
		return cut(ec, append([]byte(head), body[:len(body)/2]...))
	case TruncatedJSON:
		body = body[:len(body)/2]
	case NotUTF8:
		const field = `"resultMessage":"`
		body = bytes.Replace(body, []byte(field), []byte(field+"\xff\xfe"), 1)
	}
	return ec.Blob(http.StatusOK, jsonType, body)
}

// encode writes the answer without escaping HTML, as no document asks for that.
func encode(r reply) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(r); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

func bodyType(body string) string {
	if json.Valid([]byte(body)) {
		return jsonType
	}
	return "text/plain; charset=utf-8"
}

// waitForEver ends when the agent goes away or the centre is closed.
func (c *Centre) waitForEver(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-c.closed:
	}
}

// cut sends some bytes as they are and closes the connection.
func cut(ec echo.Context, text []byte) error {
	conn, err := hijack(ec)
	if err != nil {
		return err
	}
	if len(text) > 0 {
		_ = conn.SetWriteDeadline(time.Now().Add(time.Second)) // the agent may not read; the answer is lost anyway
		_, _ = conn.Write(text)
	}
	_ = conn.Close()
	return nil
}

// abort resets the connection: TCP RST instead of an orderly end.
func abort(ec echo.Context) error {
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
