package abs

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/labstack/echo/v4"

	"tolem/simulators/parts"
)

const jsonType = "application/json"

func (s *System) routes() http.Handler {
	e := echo.New()
	e.HTTPErrorHandler = parts.WriteError
	for _, call := range calls {
		e.GET("/"+call, func(ec echo.Context) error { return s.serve(ec, call) })
	}
	s.controlRoutes(e)
	return e
}

// reply is what a call is answered with.
type reply struct {
	status      int
	kind        string // of the body
	disposition string
	body        []byte
	around      [2]string // of padding behind the body
	code        int       // error_code; not 0 for a scan that is not there
}

// turn is one request and what it is going to get.
type turn struct {
	request Request
	answer  Answer
	reply   reply
	gate    *parts.Gate
}

// question is what a request asks, and its day as it was understood.
type question struct {
	request Request
	day     time.Time
	mistake string // "" = well-formed
	// redirected requests followed a redirect, and get no second fault.
	redirected bool
}

// serve takes one request from its first byte to its last fault.
func (s *System) serve(ec echo.Context, call string) error {
	t, err := s.take(call, ec.Request().URL.RawQuery)
	if err != nil {
		return parts.Abort(ec)
	}
	s.log.Debug("request", "number", t.request.Number, "call", call, "status", t.request.Status, "fault", t.answer.Fault)
	if !s.gates.Pass(ec.Request().Context(), t.gate) {
		return parts.Abort(ec)
	}
	return s.deliver(ec, t)
}

// forms are how the parameters look; dates have a layout.
var forms = map[string]*regexp.Regexp{
	"iinbin":  regexp.MustCompile(`^[0-9]{12}$`),
	"iban":    regexp.MustCompile(`^KZ[0-9]{5}[0-9A-Z]{13}$`),
	"dbz_num": regexp.MustCompile(`^[^\p{C}\p{Z}]([^\p{C}]{0,62}[^\p{C}\p{Z}])?$`),
}

// parameters of each call: whom it is about, then the rest.
var parameters = map[string][]string{
	CallClient: {"iinbin"}, CallAccounts: {"iinbin"}, CallStatement: {"iban", "dt"}, CallScan: {"dbz_num", "dbz_dt", "iinbin"},
}

// read understands a query, as far as it can be understood.
func read(call, query, layout string) question {
	values, err := url.ParseQuery(query)
	q := question{redirected: values.Has("redirected"), request: Request{Call: call, About: values.Get(parameters[call][0]), Day: values.Get("dt") + values.Get("dbz_dt")}}
	if call == CallScan {
		q.request.IINBIN = values.Get("iinbin")
	}
	if err != nil {
		q.mistake = "Запрос не читается"
	}
	for _, name := range parameters[call] {
		value, form := values[name], forms[name]
		var wrong error
		switch {
		case q.mistake != "":
		case len(value) == 0 || value[0] == "":
			q.mistake = "Не указан параметр " + name
		case len(value) > 1:
			q.mistake = "Параметр " + name + " указан дважды"
		case form == nil:
			q.day, wrong = time.Parse(layout, value[0])
		case !utf8.ValidString(value[0]) || !form.MatchString(value[0]):
			wrong = strconv.ErrSyntax
		}
		if wrong != nil {
			q.mistake = "Неверный формат параметра " + name
		}
	}
	return q
}

// take numbers a request, finds out what it gets and writes that down; only then may anything
// be answered.
func (s *System) take(call, query string) (turn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := read(call, query, s.books.settings.DateLayout)
	t := turn{request: q.request}
	t.request.Number, t.request.Time = len(s.books.requests)+1, s.now()
	var r record
	switch {
	case s.down:
		t.answer = Answer{Fault: ResetBefore}
	case q.mistake != "":
		t.request.Malformed = true
		t.reply = refuses(CodeMalformed, q.mistake)
		if call == CallScan {
			t.reply.status = http.StatusNotFound
		}
	case !q.redirected:
		t.answer, r.Used = s.books.next(q.request)
	}
	trait := traits[t.answer.Fault]
	t.request.Fault, t.request.Processed = t.answer.Fault, trait.processed && !t.request.Malformed
	if t.request.Processed {
		t.reply = s.process(q, t.answer)
	}
	t.request.Status, t.request.ErrorCode = t.reply.status, t.reply.code
	t.request.Whole = t.request.Processed && trait.whole
	r.Request = &t.request
	if err := s.commit(r); err != nil {
		return turn{}, err
	}
	if t.request.Processed {
		t.gate = s.gates.Enter(parts.Passage{Call: call, Mode: parts.ModeAfter})
	}
	return t, nil
}

// unknown says that there is nobody of this number.
func unknown(call string) reply {
	switch call {
	case CallStatement:
		return refuses(CodeUnknown, "Счет не найден")
	case CallScan:
		r := refuses(CodeUnknown, "Скан не найден")
		r.status = http.StatusNotFound
		return r
	}
	return refuses(CodeUnknown, "Клиент не найден")
}

// process finds the answer to a well-formed question; the caller holds the lock.
func (s *System) process(q question, a Answer) reply {
	about, call := q.request.About, q.request.Call
	switch a.Fault {
	case Refused:
		return refuses(a.ErrorCode, a.ErrorText)
	case Unknown:
		return unknown(call)
	}
	switch call {
	case CallClient:
		client := InventClient(about)
		if a.Fault == Other {
			client = InventClient(about[:11] + string('0'+(about[11]-'0'+1)%10))
		}
		return says(struct {
			said
			Client
		}{Client: client})
	case CallAccounts:
		accounts := InventAccounts(about)
		if a.Fault == EmptyList {
			accounts = []Account{}
		}
		return says(struct {
			said
			IBANs []Account `json:"ibans"`
		}{IBANs: accounts})
	case CallStatement:
		lines := []Line{InventLine(about, q.day)}
		if a.Fault == EmptyList {
			lines = []Line{}
		}
		return says(struct {
			said
			Statement []Line `json:"stmt"`
		}{Statement: lines})
	}
	d := document(s.books.settings, about)
	return reply{status: http.StatusOK, kind: d.MediaType, disposition: d.disposition, body: d.Content, around: d.around}
}

// wait lets d pass; false when the system was closed or the caller went before.
func (s *System) wait(ec echo.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ec.Request().Context().Done():
	case <-s.closed:
	}
	return false
}

// deliver sends what take decided, in the way the fault asks for.
func (s *System) deliver(ec echo.Context, t turn) error {
	if d := t.answer.delay(); d > 0 && !s.wait(ec, d) {
		return parts.Abort(ec)
	}
	body := t.reply.body
	switch t.answer.Fault {
	case ResetBefore, ResetAfter:
		return parts.Abort(ec)
	case LostAnswer:
		return parts.Cut(ec, nil)
	case Hang:
		select {
		case <-ec.Request().Context().Done():
		case <-s.closed:
		}
		return parts.Cut(ec, nil)
	case HTML502:
		return ec.HTML(http.StatusBadGateway, parts.ErrorPage)
	case HTML200:
		return ec.HTML(http.StatusOK, "<html><body>Вход в систему</body></html>")
	case Status:
		return ec.Blob(t.answer.Status, jsonType, []byte(t.answer.Body))
	case Redirect:
		return ec.Redirect(http.StatusTemporaryRedirect, "?"+ec.Request().URL.RawQuery+"&redirected=1")
	case LostAnswerMidway:
		head := fmt.Sprintf("HTTP/1.1 %d OK\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n", t.reply.status, t.reply.kind, len(body))
		return parts.Cut(ec, append([]byte(head), body[:len(body)/2]...))
	case Truncated:
		body = body[:len(body)/2]
	case Garbage:
		body = []byte("<<< не то >>>")
	case Empty:
		body = nil
	case NotUTF8:
		body = []byte(windows1251(string(body)))
	}
	if t.reply.disposition != "" {
		ec.Response().Header().Set(echo.HeaderContentDisposition, t.reply.disposition)
	}
	if t.answer.Fault == Oversize {
		return padded(ec, t)
	}
	return ec.Blob(t.reply.status, t.reply.kind, body)
}

// padded sends an answer with so much behind it that it is as long as was asked for, or as
// it is if it is longer than that.
func padded(ec echo.Context, t turn) error {
	size := t.answer.Bytes
	switch {
	case size == 0 && t.request.Call == CallScan:
		size = 64 << 20
	case size == 0:
		size = 2 << 20
	}
	begins, ends := string(t.reply.body)+t.reply.around[0], t.reply.around[1]
	padding := size - int64(len(begins)+len(ends))
	if padding < 0 {
		return ec.Blob(t.reply.status, t.reply.kind, t.reply.body)
	}
	ec.Response().Header().Set(echo.HeaderContentLength, strconv.FormatInt(size, 10))
	return ec.Stream(t.reply.status, t.reply.kind, io.MultiReader(strings.NewReader(begins), io.LimitReader(spaces{}, padding), strings.NewReader(ends)))
}

// spaces are endless.
type spaces struct{}

// Read never fails.
func (spaces) Read(p []byte) (int, error) {
	return copy(p, bytes.Repeat([]byte(" "), len(p))), nil
}
