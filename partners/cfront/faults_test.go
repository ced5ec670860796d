package cfront

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tolem/domain"
	"tolem/partners/call"
)

// personal stands in the bodies that the faulty bank sends, next to what is secret: no
// error may show any of it.
var personal = []string{secret, "+77010000011", "Примерова", "900101400011", "9f0c", "message", "elsewhere", "КД-1"}

// noSecrets looks at the error and everything it wraps.
func noSecrets(t *testing.T, err error) {
	t.Helper()
	for ; err != nil; err = errors.Unwrap(err) {
		text := err.Error()
		var rejection *Rejection
		if !errors.As(err, &rejection) { // its Message is the bank's, for the journal
			text += fmt.Sprintf("%+v %#v", err, err)
		}
		for _, s := range personal {
			require.NotContains(t, text, s)
		}
	}
}

const told = `{"message":"+77010000011 Примерова 900101400011 9f0c КД-1"}`

func answers(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Trace-Id", "t-9")
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// hijacked takes the connection over, writes text and hangs up.
func hijacked(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(err)
		}
		_, _ = io.WriteString(conn, text)
		_ = conn.Close()
	}
}

// fault is one way for an answer not to come.
type fault struct {
	answer http.HandlerFunc
	reason string
	status int
	traced bool
}

func faults() map[string]fault {
	half := "HTTP/1.1 200 OK\r\nTrace-Id: t-9\r\nContent-Length: 99\r\n\r\n" + told[:40]
	list := map[string]fault{
		"closed without a byte": {hijacked(""), call.ReasonReset, 0, false},
		"half a header":         {hijacked("HTTP/1.1 200 OK\r\nTrace-Id: t-9"), call.ReasonTruncated, 0, false},
		"half a body":           {hijacked(half), call.ReasonTruncated, 200, true},
		"half a refusal":        {hijacked(strings.Replace(half, "200 OK", "400 No", 1)), call.ReasonTruncated, 400, true},
		"no HTTP":               {hijacked("+77010000011 " + secret + "\r\n\r\n"), call.ReasonTransport, 0, false},
		"hangs":                 {func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, call.ReasonTimeout, 0, false},
		"302":                   {answers(302, told), call.ReasonRedirect, 302, true},
		"307":                   {answers(307, told), call.ReasonRedirect, 307, true},
		"endless refusal":       {answers(400, `{"message":"`+strings.Repeat("a", 64<<10)+`"}`), call.ReasonTooLarge, 400, true},
		"endless answer":        {answers(200, `{"message":"`+strings.Repeat("a", 16<<20)+`"}`), call.ReasonTooLarge, 200, true},
	}
	for _, status := range []int{408, 429, 500, 502, 503, 504, 599} {
		list[strconv.Itoa(status)] = fault{answers(status, told), call.ReasonStatus, status, true}
	}
	for _, body := range []string{"", "null", "[]", "{}", told, told[:40], told + "}", "<html>" + told, "7"} {
		list["200 "+body] = fault{answers(200, body), ReasonBadAnswer, 200, true}
	}
	return list
}

// Every fault, at every operation: a failure of unknown outcome that names partner,
// operation, reason and trace, nothing sent twice, and nothing personal in any error.
func TestFaults(t *testing.T) {
	for name, f := range faults() {
		t.Run(name, func(t *testing.T) {
			timeout := 10 * time.Second
			if f.reason == call.ReasonTimeout {
				timeout = 100 * time.Millisecond
			}
			for operation, x := range exchanges(t) {
				if operation == opLetterData && (name == "200 {}" || name == "200 "+told) {
					continue // "all fields optional in the schema": a letter that says nothing
				}
				reason := f.reason
				if operation == opReturn && reason == ReasonBadAnswer {
					reason = ReasonNotOK // "anything else = failure"
				}
				c, asked := faulty(t, timeout, f.answer)
				_, err := x.call(c, t.Context())
				var failure *call.Failure
				require.ErrorAs(t, err, &failure, operation)
				trace := ""
				if f.traced {
					trace = "t-9"
				}
				want := call.Failure{Partner: "cfront", Operation: operation, Host: failure.Host, Kind: domain.Unknown, Status: f.status, Reason: reason, Field: failure.Field, TraceID: trace, Err: failure.Err}
				require.Equal(t, want, *failure)
				require.Equal(t, f.status == 200 && reason != call.ReasonTruncated, failure.Unreadable())
				require.True(t, strings.HasPrefix(err.Error(), "cfront: "+operation+" at 127.0.0.1:"), err.Error())
				require.EqualValues(t, 1, asked.Load(), operation)
				noSecrets(t, err)
			}
		})
	}
}

// faulty is a client of a bank that answers every call alike.
func faulty(t *testing.T, timeout time.Duration, answer http.HandlerFunc) (*Client, *atomic.Int64) {
	t.Helper()
	var asked atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		_, _ = io.Copy(io.Discard, r.Body)
		answer(w, r)
	}))
	t.Cleanup(server.Close)
	c, err := New(Options{URL: server.URL, StoreID: "store-1", Secret: secret, Timeout: timeout})
	require.NoError(t, err)
	t.Cleanup(c.calls.CloseIdle)
	return c, &asked
}

// Every refusal, at every operation: the bank's text beside the error and not in it
// ("never branch on it"), the trace, and what the status says.
func TestRejections(t *testing.T) {
	for _, status := range []int{400, 401, 403, 404, 405, 409, 413, 422} {
		for operation, x := range exchanges(t) {
			if operation == opValidate && status == 404 {
				continue // a client whom the bank does not know
			}
			c, asked := faulty(t, 0, answers(status, told))
			_, err := x.call(c, t.Context())
			var rejection *Rejection
			require.ErrorAs(t, err, &rejection, "%s %d", operation, status)
			require.Equal(t, Rejection{
				Operation: operation, Status: status, Message: "+77010000011 Примерова 900101400011 9f0c КД-1", TraceID: "t-9",
				NotFound: status == 404, Unauthorized: status == 401 || status == 403, Duplicate: operation == opCreate && status == 409,
			}, *rejection)
			require.Equal(t, fmt.Sprintf("cfront: %s was refused with HTTP %d (trace t-9)", operation, status), err.Error())
			require.EqualValues(t, 1, asked.Load())
			noSecrets(t, err)
		}
	}
	for body, message := range map[string]string{
		"": "", "<html>": "", `{"message":null}`: "", `{"message":{}}`: "", `{"message":7}`: "7", `{"errors":["no"]}`: "", "{\"message\":\"a\\u0000b\"}": "a\ufffdb",
	} {
		c, _ := faulty(t, 0, answers(400, body))
		_, err := c.State(t.Context(), "9f0c")
		var rejection *Rejection
		require.ErrorAs(t, err, &rejection, body)
		require.Equal(t, message, rejection.Message, body)
	}
	require.Equal(t, "cfront: order/state was refused with HTTP 400", (&Rejection{Operation: opState, Status: 400}).Error())
}

// Banks of the old generation have no 404 (cfront.md 9.13).
func TestNotFoundOfADialect(t *testing.T) {
	d := &desk{status: 400, body: told}
	c := d.client(t, Dialect{NotFoundStatus: []int{400}, ClientNotFoundStatus: []int{400, 422}})
	_, err := c.State(t.Context(), "9f0c")
	var rejection *Rejection
	require.ErrorAs(t, err, &rejection)
	require.True(t, rejection.NotFound)
	found, err := c.Validate(t.Context(), "+77010000011")
	require.NoError(t, err)
	require.Equal(t, ClientFound{Meta: Meta{HTTPStatus: 400}}, found)
	d.status = 404
	_, err = c.Validate(t.Context(), "+77010000011")
	require.ErrorAs(t, err, &rejection)
	require.False(t, rejection.NotFound)
}

// Every answer has a limit: what is just within is read, a byte more is a failure.
func TestLimits(t *testing.T) {
	fill := func(around string, size int) string {
		return fmt.Sprintf(around, strings.Repeat("a", size-len(around)+len("%s")))
	}
	for operation, limit := range map[string]struct {
		around string
		size   int
	}{
		opLetterPDF: {"%%PDF-%s", 8 << 20}, opReport: {`{"orders":[],"x":"%s"}`, 16 << 20},
		opCreate: {`{"order_id":"9f0c","x":"%s"}`, 1 << 20}, opLetterData: {`{"x":"%s"}`, 1 << 20},
	} {
		body := fill(limit.around, limit.size)
		if operation == opLetterPDF {
			body += "a" // its %% is one byte
		}
		require.Len(t, body, limit.size)
		for extra, fails := range map[string]bool{"": false, "\n": true} {
			c, _ := faulty(t, 0, answers(200, body+extra))
			_, err := exchanges(t)[operation].call(c, t.Context())
			var failure *call.Failure
			require.Equal(t, fails, errors.As(err, &failure), "%s %v", operation, err)
			if fails {
				require.Equal(t, call.ReasonTooLarge, failure.Reason)
			}
		}
	}
}

// A context that was over sends nothing, and only then the kind is Unavailable; one that
// ends during the call leaves the outcome unknown.
func TestContextOver(t *testing.T) {
	over, cancel := context.WithCancel(t.Context())
	cancel()
	late, cancelLate := context.WithDeadline(t.Context(), time.Unix(0, 0))
	defer cancelLate()
	for reason, ctx := range map[string]context.Context{call.ReasonCancelled: over, call.ReasonTimeout: late} {
		for operation, x := range exchanges(t) {
			c, asked := faulty(t, 0, answers(200, x.answer))
			_, err := x.call(c, ctx)
			var failure *call.Failure
			require.ErrorAs(t, err, &failure, operation)
			require.Equal(t, domain.Unavailable, failure.Kind)
			require.Equal(t, reason, failure.Reason)
			require.Zero(t, asked.Load())
		}
	}
	during, cancelDuring := context.WithCancel(t.Context())
	c, _ := faulty(t, 0, func(_ http.ResponseWriter, r *http.Request) { cancelDuring(); <-r.Context().Done() })
	_, err := c.Confirm(during, []byte(`{"order_id":"9f0c"}`))
	var failure *call.Failure
	require.ErrorAs(t, err, &failure)
	require.Equal(t, domain.Unknown, failure.Kind)
	require.Equal(t, call.ReasonCancelled, failure.Reason)
}

// Nobody listens: "connection refused" does not prove that nothing was sent.
func TestRefusedConnection(t *testing.T) {
	server := httptest.NewServer(nil)
	server.Close()
	c, err := New(Options{URL: server.URL, StoreID: "store-1", Secret: secret})
	require.NoError(t, err)
	_, err = c.Confirm(t.Context(), []byte(`{"order_id":"9f0c"}`))
	var failure *call.Failure
	require.ErrorAs(t, err, &failure)
	require.Equal(t, domain.Unknown, failure.Kind)
	require.Equal(t, call.ReasonRefused, failure.Reason)
}

// Without bytes there is nothing to sign or send.
func TestNoBody(t *testing.T) {
	c, asked := faulty(t, 0, answers(200, told))
	for _, send := range []func(context.Context, []byte) error{
		func(ctx context.Context, b []byte) error { _, err := c.Create(ctx, b); return err },
		func(ctx context.Context, b []byte) error { _, err := c.Confirm(ctx, b); return err },
		func(ctx context.Context, b []byte) error { _, err := c.Reject(ctx, b); return err },
		func(ctx context.Context, b []byte) error { _, err := c.Return(ctx, b); return err },
	} {
		var failure *call.Failure
		require.ErrorAs(t, send(t.Context(), nil), &failure)
		require.Equal(t, call.ReasonNoBody, failure.Reason)
	}
	require.Zero(t, asked.Load())
}

// A kept-alive connection dies under every operation in turn: it is sent once.
func TestDyingConnectionSendsOnce(t *testing.T) {
	for operation, x := range exchanges(t) {
		var requests int
		c, asked := faulty(t, 0, func(w http.ResponseWriter, r *http.Request) {
			if requests++; requests == 1 {
				answers(200, x.answer)(w, r)
				return
			}
			hijacked("")(w, r)
		})
		_, err := x.call(c, t.Context())
		require.NoError(t, err, operation)
		_, err = x.call(c, t.Context())
		var failure *call.Failure
		require.ErrorAs(t, err, &failure, operation)
		require.Equal(t, call.ReasonReset, failure.Reason, operation)
		require.EqualValues(t, 2, asked.Load(), "%s: two calls", operation)
	}
}
