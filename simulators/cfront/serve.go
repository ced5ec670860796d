package cfront

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"tolem/simulators/parts"
)

const jsonType = "application/json"

func (b *Bank) routes() http.Handler {
	e := echo.New()
	e.HTTPErrorHandler = parts.WriteError
	e.Any("/api/*", b.serve)
	b.controlRoutes(e)
	return e
}

// reply is what a call is answered with.
type reply struct {
	status int
	kind   string // of the body; "" is JSON
	body   []byte
}

func says(status int, value any) reply {
	body, err := json.Marshal(value)
	if err != nil {
		panic(err) // a bug of the simulator
	}
	return reply{status: status, body: body}
}

// refuses is an error: {"message"}.
func refuses(status int, format string, args ...any) reply {
	return says(status, map[string]string{"message": fmt.Sprintf(format, args...)})
}

// turn is one request and what it is going to get.
type turn struct {
	request Request
	version int // 2 under /api/v2/
	body    []byte
	refused *reply // a transport mistake
	// redirected requests followed a redirect, and get no second fault.
	redirected bool
	answer     Answer
	reply      reply
	gate       *parts.Gate
}

// serve takes one request from its first byte to its last fault.
func (b *Bank) serve(ec echo.Context) error {
	r := ec.Request()
	body, err := io.ReadAll(http.MaxBytesReader(ec.Response(), r.Body, parts.MaxBody))
	if err != nil {
		return parts.Abort(ec) // the request never came whole: there is nothing to process
	}
	call, version := strings.TrimPrefix(r.URL.Path, "/api/"), 1
	if rest, ok := strings.CutPrefix(call, "v2/"); ok && (rest == CallValidate || rest == CallLetterData) {
		call, version = rest, 2
	}
	t := turn{version: version, body: body, refused: b.transport(r, call, body), redirected: r.URL.Query().Has("redirected")}
	if err := b.take(&t, call); err != nil {
		return parts.Abort(ec)
	}
	ec.Response().Header().Set("Trace-Id", t.request.TraceID)
	b.log.Debug("request", "number", t.request.Number, "call", call, "status", t.request.Status, "fault", t.answer.Fault)
	if !b.gates.Pass(r.Context(), t.gate) {
		return parts.Abort(ec)
	}
	return b.deliver(ec, t)
}

// transport finds what is wrong with a request before its content (cfront.md 1, 2).
func (b *Bank) transport(r *http.Request, call string, body []byte) *reply {
	mistake := func(status int, text string) *reply { no := refuses(status, "%s", text); return &no }
	switch {
	case !slices.Contains(calls, call):
		return mistake(http.StatusNotFound, "no such service")
	case r.Method != http.MethodPost:
		return mistake(http.StatusMethodNotAllowed, "POST only")
	case len(body) == 0:
		return mistake(http.StatusUnauthorized, "a body is needed, and its signature")
	case b.storeID != "" && r.Header.Get("store-id") != b.storeID:
		return mistake(http.StatusUnauthorized, "unknown store")
	case len(b.secret) > 0 && !hmac.Equal([]byte(b.Sign(body)), []byte(r.Header.Get("signature"))):
		return mistake(http.StatusUnauthorized, "wrong signature")
	}
	return nil
}

// Sign is the signature of some bytes, of requests and callbacks alike.
func (b *Bank) Sign(body []byte) string {
	mac := hmac.New(sha256.New, b.secret)
	mac.Write(body)
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// take numbers a request, finds out what it gets, processes it once and writes all of that
// down; only then may anything be answered.
func (b *Bank) take(t *turn, call string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	t.request = b.books.newRequest(call, t.body, b.time())
	t.request.Number = len(b.books.requests) + 1
	t.request.TraceID = fmt.Sprintf("trace-%08d", t.request.Number)
	arrived := record{}
	switch {
	case b.down:
		t.answer = Answer{Fault: ResetBefore}
	case t.refused == nil && !t.redirected:
		t.answer, arrived.Used = b.books.next(t.request)
	}
	t.request.Fault = t.answer.Fault
	copied := t.request
	arrived.Arrived = &copied
	if err := b.commit(arrived); err != nil {
		return err
	}
	process := t.refused == nil && processed[t.answer.Fault]
	if process && !b.linger(t) {
		return parts.ErrClosed
	}
	var effects record // written with the answer, or not at all
	switch {
	case t.refused != nil:
		t.reply = *t.refused
	case process:
		t.reply = b.process(t, &effects)
	}
	t.request.Processed, t.request.Status = process, t.reply.status
	answered := t.request
	effects.Answered = &answered
	if err := b.commit(effects); err != nil {
		return err
	}
	if process {
		t.gate = b.gates.Enter(parts.Passage{Call: call, Mode: parts.ModeAfter})
	}
	return nil
}

// linger lets a request wait before it is processed, whether or not its sender stays, and
// gives up the lock meanwhile; false when the bank was closed.
func (b *Bank) linger(t *turn) bool {
	g := b.gates.Enter(parts.Passage{Call: t.request.Call, Mode: parts.ModeBefore})
	if g == nil && t.answer.Fault != DelayBefore {
		return true
	}
	b.mu.Unlock()
	defer b.mu.Lock()
	if !b.gates.Pass(context.Background(), g) {
		return false
	}
	return t.answer.Fault != DelayBefore || b.wait(context.Background(), t.answer.delay())
}

// wait lets d pass; false when the bank was closed or ctx ended before.
func (b *Bank) wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
	case <-b.closed:
	}
	return false
}

// deliver sends what take decided, in the way the fault asks for.
func (b *Bank) deliver(ec echo.Context, t turn) error {
	ctx := ec.Request().Context()
	if d := t.answer.delay(); d > 0 && t.answer.Fault != DelayBefore && !b.wait(ctx, d) {
		return parts.Abort(ec)
	}
	kind := t.reply.kind
	if kind == "" {
		kind = jsonType
	}
	body := t.reply.body
	switch t.answer.Fault {
	case ResetBefore:
		return parts.Abort(ec)
	case LostAnswer:
		return parts.Cut(ec, nil)
	case Hang:
		select {
		case <-ctx.Done():
		case <-b.closed:
		}
		return parts.Cut(ec, nil)
	case HTML502:
		return ec.HTML(http.StatusBadGateway, parts.ErrorPage)
	case Redirect:
		return ec.Redirect(http.StatusTemporaryRedirect, "?redirected=1")
	case Status, StatusAfter:
		return ec.Blob(t.answer.Status, jsonType, []byte(t.answer.Body))
	case LostAnswerMidway:
		head := fmt.Sprintf("HTTP/1.1 %d OK\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n", t.reply.status, kind, len(body))
		return parts.Cut(ec, append([]byte(head), body[:len(body)/2]...))
	case Truncated:
		body = body[:len(body)/2]
	case Garbage:
		body = []byte("<<< це не JSON >>>")
	case Empty:
		body = nil
	case NotUTF8:
		body = bytes.Replace(body, []byte(`"`), []byte("\"\xff\xfe\":1,\""), 1)
	case Oversize:
		body = append(body, bytes.Repeat([]byte(" "), parts.MaxBody)...)
	case WrongEcho:
		body = []byte(strings.Replace(string(body), `"order_id":"`, `"order_id":"0`, 1))
	}
	if len(b.secret) > 0 {
		ec.Response().Header().Set("signature", b.Sign(body))
	}
	return ec.Blob(t.reply.status, kind, body)
}
