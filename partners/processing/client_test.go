package processing

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tolem/domain"
)

const (
	testToken = "s3cret-token"
	success   = `{"result":0,"resultMessage":"ok","transactionId":7,"agentTransactionId":1233355}`
)

// centre is a server that counts requests, and a client of it.
func centre(t *testing.T, timeout time.Duration, answer http.HandlerFunc) (*Client, *atomic.Int64) {
	t.Helper()
	var requests atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		_, _ = io.Copy(io.Discard, r.Body)
		answer(w, r)
	}))
	t.Cleanup(server.Close)
	return client(t, Options{URL: server.URL, Token: testToken, Timeout: timeout}), &requests
}

func client(t *testing.T, o Options) *Client {
	t.Helper()
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.calls.CloseIdle)
	return c
}

func payBody(t *testing.T) []byte {
	t.Helper()
	body, err := seedPay().Body()
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func says(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// raw takes the connection over and writes text; reset ends it with RST.
func raw(text string, reset bool) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(err)
		}
		if tcp, ok := conn.(*net.TCPConn); ok && reset {
			_ = tcp.SetLinger(0)
		}
		_, _ = io.WriteString(conn, text)
		_ = conn.Close()
	}
}

func hang(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

func stall(w http.ResponseWriter, r *http.Request) {
	_, _ = io.WriteString(w, success[:20])
	_ = http.NewResponseController(w).Flush()
	<-r.Context().Done()
}

func redirect(status int, location string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", location)
		w.WriteHeader(status)
	}
}

// Every fault, at every call: no code, no decision, nothing sent twice, and no
// secret in any error.
func TestFaultsBringNoCode(t *testing.T) {
	for name, f := range faults() {
		t.Run(name, func(t *testing.T) {
			timeout := 10 * time.Second
			if f.reason == ReasonTimeout {
				timeout = 100 * time.Millisecond
			}
			for operation, call := range calls(t) {
				c, requests := centre(t, timeout, f.answer)
				err := call(c, t.Context())
				var failure *Failure
				if !errors.As(err, &failure) {
					t.Fatalf("%s: %v is no Failure", operation, err)
				}
				if failure.Operation != operation || failure.Kind != domain.Unknown || failure.Reason != f.reason ||
					failure.Status != f.status || failure.Rejected() != f.rejected {
					t.Errorf("got %+v rejected=%v, want %s %d rejected=%v", failure, failure.Rejected(), f.reason, f.status, f.rejected)
				}
				if answer := AnswerOf(Reply{}, err, 1233355); answer != (domain.Answer{Rejected: f.rejected}) {
					t.Errorf("decides as %+v", answer)
				}
				if n := requests.Load(); n != 1 {
					t.Errorf("%s: %d requests were sent", operation, n)
				}
				noSecrets(t, err)
			}
		})
	}
}

// calls are the six calls.
func calls(t *testing.T) map[string]func(*Client, context.Context) error {
	body := payBody(t)
	return map[string]func(*Client, context.Context) error{
		opCheck:    func(c *Client, ctx context.Context) error { _, err := c.Check(ctx, body); return err },
		opPay:      func(c *Client, ctx context.Context) error { _, err := c.Pay(ctx, body); return err },
		opServices: func(c *Client, ctx context.Context) error { _, err := c.Services(ctx); return err },
		opService:  func(c *Client, ctx context.Context) error { _, err := c.Service(ctx, "P1011"); return err },
		opBalance:  func(c *Client, ctx context.Context) error { _, err := c.Balance(ctx); return err },
		opOperator: func(c *Client, ctx context.Context) error { _, err := c.OperatorByPhone(ctx, "7770017711"); return err },
	}
}

// noSecrets looks at the error and everything it wraps.
func noSecrets(t *testing.T, err error) {
	t.Helper()
	for ; err != nil; err = errors.Unwrap(err) {
		text := fmt.Sprintf("%v %+v %#v", err, err, err)
		for _, secret := range []string{"7770017711", testToken, "P1011", "resultMessage", "amountTo", "elsewhere", "?"} {
			if strings.Contains(text, secret) {
				t.Errorf("%q shows %q", text, secret)
			}
		}
	}
}

// A context that is over sends nothing, and only then the kind is Unavailable.
func TestContextOverBeforeTheCall(t *testing.T) {
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	late, cancel := context.WithDeadline(t.Context(), time.Unix(0, 0))
	defer cancel()
	for reason, ctx := range map[string]context.Context{ReasonCancelled: cancelled, ReasonTimeout: late} {
		for operation, call := range calls(t) {
			c, requests := centre(t, 0, says(200, success))
			var failure *Failure
			if err := call(c, ctx); !errors.As(err, &failure) || failure.Kind != domain.Unavailable || failure.Reason != reason || requests.Load() != 0 {
				t.Errorf("%s: %+v after %d requests", operation, failure, requests.Load())
			}
		}
	}
}

// A context that ends during the call leaves the outcome unknown.
func TestCancelDuringTheCall(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	c, _ := centre(t, 0, func(_ http.ResponseWriter, r *http.Request) {
		cancel(errors.New("cause with 7770017711"))
		<-r.Context().Done()
	})
	_, err := c.Pay(ctx, payBody(t))
	var failure *Failure
	if !errors.As(err, &failure) || failure.Kind != domain.Unknown || failure.Reason != ReasonCancelled || !errors.Is(err, context.Canceled) {
		t.Errorf("%+v", failure)
	}
	noSecrets(t, err)
}

// "Connection refused" does not prove that nothing was sent: Unknown.
func TestRefusedAndTLS(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone := "http://" + listener.Addr().String()
	_ = listener.Close()
	quiet := log.New(io.Discard, "", 0) // the servers would complain about us
	stranger := httptest.NewUnstartedServer(says(200, success))
	stranger.Config.ErrorLog = quiet
	stranger.StartTLS()
	defer stranger.Close()
	plain := httptest.NewServer(says(200, success))
	defer plain.Close()
	old := httptest.NewUnstartedServer(says(200, success))
	old.TLS = &tls.Config{MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}
	old.Config.ErrorLog = quiet
	old.StartTLS()
	defer old.Close()
	for url, reason := range map[string]string{
		gone: ReasonRefused, stranger.URL: ReasonTLS, strings.Replace(plain.URL, "http", "https", 1): ReasonTLS, old.URL: ReasonTLS,
	} {
		_, err := client(t, Options{URL: url, Token: testToken}).Pay(t.Context(), payBody(t))
		var failure *Failure
		if !errors.As(err, &failure) || failure.Kind != domain.Unknown || failure.Reason != reason || failure.Rejected() {
			t.Errorf("%s: %+v", reason, failure)
		}
		noSecrets(t, err)
	}
}

// The request on the wire: POST, the path, JSON both ways, the token, the bytes
// as they were passed, and none of the headers that allow repeating.
func TestRequestOnTheWire(t *testing.T) {
	for operation, call := range calls(t) {
		seen := make(chan *http.Request, 1)
		bodies := make(chan string, 1)
		server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			seen <- r
			bodies <- string(body)
		}))
		_ = call(client(t, Options{URL: server.URL + "/agent/", Token: testToken}), t.Context()) // no JSON: judged elsewhere
		r, body := <-seen, <-bodies
		server.Close()
		want := map[string]string{
			opCheck: string(payBody(t)), opPay: string(payBody(t)),
			opService: `{"serviceId":"P1011"}`, opOperator: `{"phoneNumber":"7770017711"}`,
		}[operation]
		h := r.Header
		if r.Method != http.MethodPost || r.URL.String() != "/agent/api/v20/"+operation || body != want || r.ContentLength != int64(len(want)) {
			t.Errorf("%s %s %q (%d)", r.Method, r.URL, body, r.ContentLength)
		}
		if h.Get("Content-Type") != "application/json" || h.Get("Accept") != "application/json" || h.Get("Authorization") != "Bearer "+testToken ||
			h.Get("Idempotency-Key") != "" || h.Get("X-Idempotency-Key") != "" || h.Get("Accept-Encoding") != "" || h.Get("Expect") != "" {
			t.Errorf("%s: %v", operation, h)
		}
	}
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if _, sent := r.Header["Authorization"]; sent {
			t.Error("an Authorization without a token")
		}
	}))
	defer server.Close()
	_, _ = client(t, Options{URL: server.URL}).Balance(t.Context())
}

// A kept-alive connection that dies under a pay: one request, and no second one
// behind our back.
func TestDyingKeepAliveConnectionSendsOnce(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	var requests, connections atomic.Int64
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			connections.Add(1)
			serving.Go(func() { answerFirstOnly(conn, &requests) })
		}
	})
	c := client(t, Options{URL: "http://" + listener.Addr().String()})
	body := payBody(t)
	if _, err := c.Pay(t.Context(), body); err != nil {
		t.Fatal(err)
	}
	_, err = c.Pay(t.Context(), body)
	var failure *Failure
	if !errors.As(err, &failure) || failure.Reason != ReasonReset || failure.Kind != domain.Unknown {
		t.Errorf("the second pay: %v", err)
	}
	if requests.Load() != 2 || connections.Load() != 1 {
		t.Errorf("two pays sent %d requests over %d connections", requests.Load(), connections.Load())
	}
	c.calls.CloseIdle()
	_ = listener.Close()
	serving.Wait()
}

// answerFirstOnly answers the first request and dies of the second one, having
// read it whole.
func answerFirstOnly(conn net.Conn, requests *atomic.Int64) {
	defer func() { _ = conn.Close() }()
	in := bufio.NewReader(conn)
	for n := 1; ; n++ {
		r, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		_, _ = io.Copy(io.Discard, r.Body)
		requests.Add(1)
		if n == 2 {
			return
		}
		_, _ = fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(success), success)
	}
}

// HTTP/1.1 even where both sides could speak HTTP/2, whose transport repeats
// requests on its own account.
func TestNeverHTTP2(t *testing.T) {
	protocol := make(chan string, 1)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		protocol <- r.Proto
		says(200, success)(w, r)
	}))
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()
	config := server.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
	config.NextProtos = []string{"h2", "http/1.1"}
	reply, err := client(t, Options{URL: server.URL, TLS: config}).Pay(t.Context(), payBody(t))
	if err != nil || reply.TransactionID != 7 {
		t.Fatalf("%+v %v", reply, err)
	}
	if got := <-protocol; got != "HTTP/1.1" {
		t.Errorf("spoke %s", got)
	}
	if config.NextProtos[0] != "h2" {
		t.Error("the caller's configuration was changed")
	}
}

// Without bytes there is nothing to send, and a bodyless POST could be repeated.
func TestEmptyBodyIsNotSent(t *testing.T) {
	c, requests := centre(t, 0, says(200, success))
	_, err := c.Pay(t.Context(), nil)
	var failure *Failure
	if !errors.As(err, &failure) || failure.Reason != ReasonNoBody || requests.Load() != 0 {
		t.Errorf("%v after %d requests", err, requests.Load())
	}
}
