package api_test

import (
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"tolem/api"
	simulator "tolem/simulators/processing"
)

func TestServices(t *testing.T) {
	b := newBank(t)
	var services struct {
		Items []struct {
			ServiceID string
			Inputs    []struct{ Name, Regexp string }
		}
		Age *int
	}
	b.status(b.get(secretAgent, "/v1/services"), http.StatusOK).decode(t, &services)
	if len(services.Items) < 4 || services.Age == nil {
		t.Fatalf("%+v", services)
	}
	var one struct {
		ServiceID, Name string
		Age             *int
	}
	b.status(b.get(secretAgent, "/v1/services/P1012"), http.StatusOK).decode(t, &one)
	if one.ServiceID != "P1012" || one.Name == "" || one.Age == nil {
		t.Errorf("%+v", one)
	}
	b.status(b.get(secretAgent, "/v1/services/%501012"), http.StatusOK) // P is %50
	for _, id := range []string{"P9999", "p1012", "P1012%2F", "%D0%9F"} {
		b.status(b.get(secretAgent, "/v1/services/"+id), http.StatusNotFound)
	}
}

// clock is a time that tests move.
type clock struct{ offset atomic.Int64 }

func (c *clock) now() time.Time           { return time.Now().Add(time.Duration(c.offset.Load())) }
func (c *clock) advance(by time.Duration) { c.offset.Add(int64(by)) }

func (b *bank) catalogueCalls() (n int) {
	for _, r := range b.centre.Requests(0) {
		if r.Call == "services" {
			n++
		}
	}
	return n
}

func TestCatalogueIsKeptAndServedStale(t *testing.T) {
	b := newBank(t)
	var c clock
	b.server.SetClock(c.now)
	age := func() int {
		var answer struct{ Age int }
		b.status(b.get(secretAgent, "/v1/services"), http.StatusOK).decode(t, &answer)
		return answer.Age
	}
	age()
	c.advance(4 * time.Minute)
	if got := age(); got < 240 || got > 299 || b.catalogueCalls() != 1 {
		t.Errorf("age %d after %d calls, want 240 after 1", got, b.catalogueCalls())
	}
	c.advance(2 * time.Minute)
	if got := age(); got > 60 || b.catalogueCalls() != 2 {
		t.Errorf("age %d after %d calls, want a new one after 2", got, b.catalogueCalls())
	}
	b.centre.SetDown(true)
	c.advance(time.Hour)
	for range 3 {
		if got := age(); got < 3600 {
			t.Errorf("age %d while the centre is down, want an hour", got)
		}
	}
	if n := b.catalogueCalls(); n != 3 {
		t.Errorf("%d calls, want a failing centre asked once in a while", n)
	}
	b.status(b.pay(simple, nil), http.StatusAccepted) // the old catalogue is good enough
	b.centre.SetDown(false)
	c.advance(10 * time.Second)
	if got := age(); got > 60 {
		t.Errorf("age %d after the centre came back", got)
	}
}

func TestNoCatalogue(t *testing.T) {
	b := newBank(t)
	b.centre.SetDown(true)
	for _, a := range []answer{b.get(secretAgent, "/v1/services"), b.get(secretAgent, "/v1/services/P1011"), b.pay(simple, nil)} {
		b.status(a, http.StatusServiceUnavailable)
		if p := a.problem(t); p.Code != "catalogue_unavailable" || a.Header.Get("Retry-After") != "5" {
			t.Errorf("%s, Retry-After %q", a.body, a.Header.Get("Retry-After"))
		}
	}
	b.status(b.pay(`{}`, nil), http.StatusBadRequest) // wrong with any catalogue
	if b.rows() != 0 || b.catalogueCalls() != 1 {
		t.Errorf("%d rows, %d calls", b.rows(), b.catalogueCalls())
	}
}

func TestOneFlightForTheCatalogue(t *testing.T) {
	b := newBank(t)
	answers := make(chan answer, 20)
	for range cap(answers) {
		go func() { answers <- b.get(secretAgent, "/v1/services") }()
	}
	for range cap(answers) {
		b.status(<-answers, http.StatusOK)
	}
	if n := b.catalogueCalls(); n != 1 {
		t.Errorf("%d calls for one catalogue", n)
	}
}

func TestBalance(t *testing.T) {
	b := newBank(t)
	a := b.status(b.get(secretAgent, "/v1/balance"), http.StatusOK)
	if !strings.Contains(string(a.body), `"balance":1000000000.0000`) {
		t.Errorf("balance %s", a.body)
	}
}

func TestOperatorLookup(t *testing.T) {
	b := newBank(t)
	ask := func(body string) answer {
		return b.send(call{method: "POST", path: "/v1/operators/lookup", token: secretAgent, body: body})
	}
	if a := b.status(ask(`{"phone":"7777731414"}`), 200); string(a.body) != "{\"known\":true,\"serviceId\":\"P1011\"}\n" {
		t.Errorf("%s", a.body)
	}
	if a := b.status(ask(`{"phone":"`+phone+`"}`), 200); string(a.body) != "{\"known\":false}\n" {
		t.Errorf("%s", a.body)
	}
	before := len(b.centre.Requests(0))
	for body, code := range map[string]string{
		`{}`: "required", `{"phone":` + phone + `}`: "type", `{"phone":"+7` + phone + `"}`: "format", `{"phone":"8` + phone + `"}`: "format",
		`{"phone":""}`: "format", `{"phone":"701765432x"}`: "format", `{"phone":"` + phone + `","phone":"` + phone + `"}`: "duplicate",
		`{"number":"` + phone + `"}`: "unknown", `[]`: "json", `{"phone":null}`: "type",
	} {
		p := b.status(ask(body), 400).problem(t)
		if p.Code != "invalid_request" || p.Errors[0].Code != code {
			t.Errorf("%s: %+v", body, p)
		}
	}
	if n := len(b.centre.Requests(0)); n != before {
		t.Errorf("%d bad look-ups reached the centre", n-before)
	}
}

func TestPartnerFailures(t *testing.T) {
	for name, c := range map[string]struct {
		answer simulator.Answer
		status int
		code   string
	}{
		"refused":   {simulator.Answer{Code: 7}, 422, "partner_refused"},
		"502":       {simulator.Answer{Fault: simulator.HTML502}, 502, "partner_unavailable"},
		"reset":     {simulator.Answer{Fault: simulator.ResetBefore}, 502, "partner_unavailable"},
		"garbage":   {simulator.Answer{Fault: simulator.Garbage}, 502, "partner_unavailable"},
		"401":       {simulator.Answer{Fault: simulator.Status, Status: 401}, 502, "partner_unavailable"},
		"redirect":  {simulator.Answer{Fault: simulator.Redirect}, 502, "partner_unavailable"},
		"no result": {simulator.Answer{Fault: simulator.MissingResult}, 502, "partner_unavailable"},
		"hang":      {simulator.Answer{Fault: simulator.Hang}, 504, "partner_timeout"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBank(t, func(o *api.Options) { o.PartnerTimeout = 300 * time.Millisecond })
			for _, s := range []string{"balance", "operatorByPhone"} {
				must(t, b.centre.Script(simulator.Script{Call: s, Answers: []simulator.Answer{c.answer}}))
			}
			for _, a := range []answer{
				b.get(secretViewer, "/v1/balance"),
				b.send(call{method: "POST", path: "/v1/operators/lookup", token: secretAgent, body: `{"phone":"` + phone + `"}`}),
			} {
				p := b.status(a, c.status).problem(t)
				if p.Code != c.code || (c.status >= 500) != (a.Header.Get("Retry-After") != "") {
					t.Errorf("%s, Retry-After %q", a.body, a.Header.Get("Retry-After"))
				}
				if c.status == 422 && (p.ResultCode == nil || *p.ResultCode != 7) {
					t.Errorf("%s misses the code", a.body)
				}
			}
		})
	}
}

func TestCatalogueOfABrokenCentre(t *testing.T) {
	nobody, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	address := nobody.Addr().String()
	must(t, nobody.Close())
	refusing := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"result":7,"resultMessage":"no"}`)) // the client has gone otherwise
	}))
	t.Cleanup(refusing.Close)
	for _, url := range []string{"http://" + address, refusing.URL} {
		b := newBank(t, func(o *api.Options) { o.Centre = newCentre(t, url) })
		a := b.status(b.get(secretAgent, "/v1/services"), http.StatusServiceUnavailable)
		if p := a.problem(t); p.Code != "catalogue_unavailable" {
			t.Errorf("%s", a.body)
		}
	}
}
