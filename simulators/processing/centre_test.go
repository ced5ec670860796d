package processing_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"tolem/simulators/processing"
)

// stand is a centre behind a real server; its connections are used once, so that
// net/http cannot repeat a request behind the test's back.
type stand struct {
	*processing.Centre
	t      *testing.T
	url    string
	client *http.Client
}

// noon is the time that the centre's clock shows: one millisecond later at every look.
func noon() func() time.Time {
	start := time.Date(2020, 10, 19, 12, 0, 0, 0, time.UTC)
	var looks atomic.Int64
	return func() time.Time { return start.Add(time.Duration(looks.Add(1)) * time.Millisecond) }
}

func start(t *testing.T, o processing.Options) *stand {
	t.Helper()
	if o.Now == nil {
		o.Now = time.Now
	}
	c, err := processing.New(o)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(c.Handler())
	t.Cleanup(server.Close)
	t.Cleanup(func() { // before the server's, which waits for its connections
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	return &stand{Centre: c, t: t, url: server.URL, client: client}
}

func (s *stand) request(ctx context.Context, method, path, body string) *http.Request {
	s.t.Helper()
	r, err := http.NewRequestWithContext(ctx, method, s.url+path, io.NopCloser(strings.NewReader(body)))
	if err != nil {
		s.t.Fatal(err)
	}
	r.ContentLength = int64(len(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json")
	return r
}

// try sends a call and returns status, header and body, or how it failed.
func (s *stand) try(ctx context.Context, call, body string) (int, http.Header, string, error) {
	s.t.Helper()
	answer, err := s.client.Do(s.request(ctx, http.MethodPost, "/api/v20/"+call, body))
	if err != nil {
		return 0, nil, "", err
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	return answer.StatusCode, answer.Header, string(text), err
}

// call sends a call that must be answered with HTTP 200.
func (s *stand) call(call, body string) string {
	s.t.Helper()
	status, _, text, err := s.try(s.t.Context(), call, body)
	if err != nil || status != http.StatusOK {
		s.t.Fatalf("%s: status %d, error %v", call, status, err)
	}
	return text
}

// code sends a call and returns its result.
func (s *stand) code(call, body string) int {
	s.t.Helper()
	return decode(s.t, s.call(call, body)).Result
}

type answer struct {
	Result             int
	ResultMessage      string
	TransactionID      int64
	AgentTransactionID int64
	TransactionDate    string
	StatusDate         string
}

func decode(t *testing.T, text string) answer {
	t.Helper()
	var a answer
	if err := json.Unmarshal([]byte(text), &a); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return a
}

// control sends a control call and returns its status and body.
func (s *stand) control(method, path, body string) (int, string) {
	s.t.Helper()
	answer, err := s.client.Do(s.request(s.t.Context(), method, "/control"+path, body))
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return answer.StatusCode, string(text)
}

func (s *stand) script(call string, id int64, answers ...processing.Answer) {
	s.t.Helper()
	if err := s.Script(processing.Script{Call: call, AgentTransactionID: id, Answers: answers}); err != nil {
		s.t.Fatal(err)
	}
}

// effects asserts where the money is, from the centre's books.
func (s *stand) effects(id int64, want int) {
	s.t.Helper()
	if got := s.Effects(id); got != want {
		s.t.Errorf("money of %d moved %d times, want %d", id, got, want)
	}
}

// until waits for something that other goroutines bring about.
func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-t.Context().Done():
			t.Fatal("never happened: " + what)
		}
	}
}

// phone is the document's example of check and pay.
func phone(id int64) string {
	return `{"serviceId":"P1011","account":"7770017711","agentTransactionId":` + strconv.FormatInt(id, 10) +
		`,"agentTransactionDate":"2015-02-17T16:48:37","amountTo":200.00,"amountFrom":200.00}`
}

// with replaces one text by another, which must be there.
func with(t *testing.T, body, old, replacement string) string {
	t.Helper()
	if !strings.Contains(body, old) {
		t.Fatalf("%q is not in %s", old, body)
	}
	return strings.Replace(body, old, replacement, 1)
}

func equalJSON(t *testing.T, got, want string) {
	t.Helper()
	if g, w := normal(t, got), normal(t, want); g != w {
		t.Errorf("got  %s\nwant %s", g, w)
	}
}

// normal keeps number literals: 200.00 is not 200.0 on the wire.
func normal(t *testing.T, text string) string {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
