package processing

import (
	"context"
	"crypto/subtle"
	"errors"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"tolem/simulators/parts"
)

// maxBody is the longest request, in bytes; the document's longest example has
// less than one KiB.
const maxBody = 1 << 20

func (c *Centre) routes() http.Handler {
	e := echo.New()
	e.HTTPErrorHandler = parts.WriteError
	e.Any("/api/v20/:call", func(ec echo.Context) error { return c.serve(ec, false) })
	e.Any("/api/v20/redirected/:call", func(ec echo.Context) error { return c.serve(ec, true) })
	c.controlRoutes(e)
	return e
}

// turn is one request and what it is going to get.
type turn struct {
	request Request
	account string
	body    []byte
	refused int    // HTTP status of a transport mistake; 0 = none
	answer  Answer // the zero Answer behaves normally
	reply   reply
	gate    *parts.Gate // that the answer waits at; nil = none
}

// processed reports whether anything is going to be processed for the request.
func (t *turn) processed() bool { return t.refused == 0 && natures[t.answer.Fault].processed }

// serve takes one protocol request from its first byte to its last fault.
func (c *Centre) serve(ec echo.Context, redirected bool) error {
	r := ec.Request()
	t := turn{refused: c.refuse(r, ec.Param("call"))}
	body, err := io.ReadAll(http.MaxBytesReader(ec.Response(), r.Body, maxBody))
	if tooLong := new(http.MaxBytesError); errors.As(err, &tooLong) {
		t.refused, body = http.StatusRequestEntityTooLarge, nil
	} else if err != nil {
		return parts.Abort(ec) // the request never came whole: there is nothing to process
	}
	t.body = body
	t.request = newRequest(ec.Param("call"), body, c.now())
	t.request.Redirected = redirected
	t.request.AgentTransactionID, t.account = addressed(body)
	if err := c.take(&t); err != nil {
		return parts.Abort(ec)
	}
	c.log.Debug("request", "number", t.request.Number, "call", t.request.Call, "agentTransactionId", t.request.AgentTransactionID,
		"code", t.request.Code, "fault", t.answer.Fault, "moved", t.request.Moved)
	if !c.gates.Pass(r.Context(), t.gate) {
		return parts.Abort(ec)
	}
	return c.deliver(ec, t)
}

// refuse finds transport mistakes («Назначение документа», «Авторизация»); the
// document is silent about their answers.
func (c *Centre) refuse(r *http.Request, call string) int {
	switch {
	case !knownCall(call):
		return http.StatusNotFound
	case r.Method != http.MethodPost:
		return http.StatusMethodNotAllowed
	case c.token != "" && subtle.ConstantTimeCompare([]byte(r.Header.Get("Authorization")), []byte("Bearer "+c.token)) != 1:
		return http.StatusUnauthorized
	case !isJSON(r.Header.Get("Content-Type")):
		return http.StatusUnsupportedMediaType
	}
	for _, accepted := range strings.Split(strings.Join(r.Header.Values("Accept"), ","), ",") {
		if isJSON(accepted) {
			return 0
		}
	}
	return http.StatusNotAcceptable
}

func isJSON(mediaType string) bool {
	kind, parameters, err := mime.ParseMediaType(mediaType)
	charset, named := parameters["charset"]
	return err == nil && kind == "application/json" && (!named || strings.EqualFold(charset, "utf-8"))
}

// take numbers a request, finds out what it gets, processes it once and writes
// all of that down; only then may anything be answered. Everything happens under
// one lock, except for the waits of a gate before processing and of delay_before,
// which begin with the arrival written down and the script's answer used up.
func (c *Centre) take(t *turn) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	var r record
	t.request.Number = len(c.books.requests) + 1
	switch {
	case c.down:
		t.answer = Answer{Fault: ResetBefore}
	case t.refused == 0 && !t.request.Redirected:
		t.answer, r.Used = c.books.next(t.request.Call, t.request.AgentTransactionID, t.account)
	}
	t.request.Fault = t.answer.Fault
	arrived := t.request // a copy: the journal's line must not see later changes
	r.Arrived = &arrived
	if closed := t.processed() && c.gates.Closed(passage{Call: t.request.Call, Mode: ModeBefore}); closed || t.answer.Fault == DelayBefore {
		if err := c.commit(r); err != nil {
			return err
		}
		r = record{}
		if !c.linger(*t) {
			return parts.ErrClosed
		}
	}
	c.decide(t, &r)
	r.Answered = &answered{t.request.Number, t.request.Code, t.request.Status, t.request.Moved}
	if err := c.commit(r); err != nil {
		return err
	}
	if t.processed() {
		t.gate = c.gates.Enter(passage{Call: t.request.Call, Mode: ModeAfter})
	}
	return nil
}

// linger lets a request wait before it is processed, whether or not its agent
// stays, and gives up the lock meanwhile; false when the centre was closed.
func (c *Centre) linger(t turn) bool {
	g := c.gates.Enter(passage{Call: t.request.Call, Mode: ModeBefore})
	c.mu.Unlock()
	defer c.mu.Lock()
	if !c.gates.Pass(context.Background(), g) {
		return false
	}
	return t.answer.Fault != DelayBefore || c.wait(context.Background(), t.answer.delay())
}

// decide processes the request, unless its fate is not to be; the caller holds
// the lock.
func (c *Centre) decide(t *turn, r *record) {
	t.request.Status = t.answer.status()
	if t.refused != 0 && t.answer.Fault == "" {
		t.request.Status = t.refused
		return
	}
	if !t.processed() {
		return
	}
	t.request.Code, t.reply = c.books.process(work{call: t.request.Call, body: t.body, answer: t.answer, at: c.now(), record: r})
	t.request.Moved = r.Move != nil
	c.distort(t)
}

// distort makes the answer's content strange; how it travels is deliver's.
func (c *Centre) distort(t *turn) {
	id := t.request.AgentTransactionID
	switch t.answer.Fault {
	case MissingResult:
		t.reply.Result = nil
	case TextResult:
		t.reply.Result = strconv.Itoa(t.request.Code)
	case WrongEcho:
		t.reply.AgentTransactionID = id + 1
	case DuplicateTransactionID:
		if other, there := c.books.anotherTransaction(id); there {
			t.reply.TransactionID = other
		}
	case Oversize:
		t.reply.ResultMessage += strings.Repeat(".", maxBody)
	}
	if len(t.answer.TransactionID) > 0 {
		t.reply.TransactionID = t.answer.TransactionID
	}
	if len(t.answer.AgentTransactionID) > 0 {
		t.reply.AgentTransactionID = t.answer.AgentTransactionID
	}
}
