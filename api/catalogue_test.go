package api_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"tolem/api"
	"tolem/partners/processing"
	simulator "tolem/simulators/processing"
	"tolem/storage"
)

// services is the answer to GET /v1/services.
type services struct {
	Items []struct {
		ServiceID string
		Problems  []struct{ Field, Problem string }
	}
	Age       int
	FetchedAt time.Time
	Broken    int
}

func (b *bank) services(query string) (s services) {
	b.t.Helper()
	b.status(b.get(secretAgent, "/v1/services"+query), http.StatusOK).decode(b.t, &s)
	return s
}

// copied is the ledger's copy.
func (b *bank) copied() storage.Catalogue {
	b.t.Helper()
	c, err := b.ledger.Catalogue(b.t.Context(), processing.Partner, time.Time{})
	must(b.t, err)
	return c
}

// saved is a copy that another process saved.
func (b *bank) saved(c storage.Catalogue) {
	b.t.Helper()
	c.Partner = processing.Partner
	if ok, err := b.ledger.SaveCatalogue(b.t.Context(), c); err != nil || !ok {
		b.t.Fatal(ok, err)
	}
}

// restarted is another process over the same ledger; its centre is down.
func (b *bank) restarted(change ...func(*api.Options)) *bank {
	b.t.Helper()
	again := newBank(b.t, append([]func(*api.Options){func(o *api.Options) { o.Ledger = b.ledger }}, change...)...)
	again.ledger = b.ledger
	again.centre.SetDown(true)
	return again
}

// tells is a centre that answers services with what list says, and nothing else;
// "" breaks the connection.
func tells(t *testing.T, list func() string) *processing.Client {
	t.Helper()
	partner := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body := list()
		if r.URL.Path != "/api/v20/services" || body == "" {
			panic(http.ErrAbortHandler)
		}
		_, _ = io.WriteString(w, `{"result":0,"resultMessage":"ok","services":[`+body+`]}`) // the client has gone otherwise
	}))
	t.Cleanup(partner.Close)
	return newCentre(t, partner.URL)
}

// entry is a service as a centre tells it, whose account must match a pattern.
func entry(id, pattern string) string {
	quoted, err := json.Marshal(pattern)
	if err != nil {
		panic(err) // a string always has a JSON form
	}
	return fmt.Sprintf(`{"serviceId":%q,"type":0,"name":"a service","inputs":[{"name":"account","required":true,"regexp":%s}]}`, id, quoted)
}

// An API that starts while the partner is down validates, accepts and shows from
// the ledger's copy, and says how old it is.
func TestRestartWithThePartnerDown(t *testing.T) {
	b := newBank(t)
	before := b.services("")
	again := b.restarted()
	var c clock
	again.server.SetClock(c.now)
	c.advance(time.Hour)
	now := again.services("")
	if len(now.Items) != len(before.Items) || now.Age < 3600 || !now.FetchedAt.Equal(before.FetchedAt) {
		t.Errorf("%d services of age %d from %v, want %d of an hour from %v", len(now.Items), now.Age, now.FetchedAt, len(before.Items), before.FetchedAt)
	}
	var one struct {
		Age       int
		FetchedAt time.Time
	}
	again.status(again.get(secretAgent, "/v1/services/P1012"), http.StatusOK).decode(t, &one)
	if one.Age < 3600 || !one.FetchedAt.Equal(before.FetchedAt) {
		t.Errorf("%+v", one)
	}
	again.status(again.pay(simple, nil), http.StatusAccepted)
	wrong := again.status(again.pay(strings.Replace(simple, account, "12", 1), nil), http.StatusBadRequest).problem(t)
	if wrong.Errors[0].Field != "account" || wrong.Errors[0].Code != "pattern" {
		t.Errorf("%+v", wrong)
	}
	if n := again.catalogueCalls(); n != 1 {
		t.Errorf("%d calls, want a centre that is down asked once in a while", n)
	}
}

// What another process has fetched just now is not fetched again.
func TestAFreshCopyOfTheLedgerIsGoodEnough(t *testing.T) {
	b := newBank(t)
	before := b.services("")
	again := b.restarted()
	if now := again.services(""); !now.FetchedAt.Equal(before.FetchedAt) {
		t.Errorf("from %v, want the copy of %v", now.FetchedAt, before.FetchedAt)
	}
	if n := again.catalogueCalls(); n != 0 {
		t.Errorf("%d calls", n)
	}

	var c clock // and so when what memory holds has become old
	again.server.SetClock(c.now)
	c.advance(6 * time.Minute)
	newer := b.copied()
	newer.FetchedAt = storage.At(c.now())
	b.saved(newer)
	if now := again.services(""); !now.FetchedAt.Equal(newer.FetchedAt.Time) || again.catalogueCalls() != 0 {
		t.Errorf("from %v after %d calls, want the copy of %v after none", now.FetchedAt, again.catalogueCalls(), newer.FetchedAt)
	}
}

// With a fresh list in memory nothing is read: another copy in the ledger is not
// noticed, and none at all is not missed.
func TestAFreshCatalogueReadsNothing(t *testing.T) {
	b := newBank(t)
	b.services("")
	b.saved(storage.Catalogue{Content: `{"services":[{"serviceId":"P9999"}]}`, Services: 1, FetchedAt: storage.At(time.Now())})
	b.status(b.pay(simple, nil), http.StatusAccepted)
	if s := b.services(""); len(s.Items) < 4 || b.catalogueCalls() != 1 {
		t.Errorf("%d services after %d calls", len(s.Items), b.catalogueCalls())
	}
	must(t, b.ledger.Close())
	b.services("")
}

// A ledger that fails takes nothing from memory, and nothing from the centre.
func TestTheCatalogueWithoutALedger(t *testing.T) {
	b := newBank(t)
	var c clock
	b.server.SetClock(c.now)
	b.services("")
	must(t, b.ledger.Close())
	c.advance(time.Hour)
	if s := b.services(""); s.Age > 60 || b.catalogueCalls() != 2 {
		t.Errorf("age %d after %d calls, want a new list", s.Age, b.catalogueCalls())
	}
	b.centre.SetDown(true)
	c.advance(time.Hour)
	for _, query := range []string{"", "?refresh=true"} {
		if s := b.services(query); s.Age < 3600 || len(s.Items) < 4 {
			t.Errorf("%d services of age %d, want the old list", len(s.Items), s.Age)
		}
	}
}

func TestRefresh(t *testing.T) {
	b := newBank(t)
	began := time.Now().Truncate(time.Microsecond)
	first := b.services("")
	second := b.services("?refresh=true")
	if first.FetchedAt.Before(began) {
		t.Errorf("fetched at %v, before it was asked for", first.FetchedAt)
	}
	if b.catalogueCalls() != 2 || !second.FetchedAt.After(first.FetchedAt) {
		t.Errorf("%d calls, from %v and then %v", b.catalogueCalls(), first.FetchedAt, second.FetchedAt)
	}
	if b.services("?refresh=false"); b.catalogueCalls() != 2 {
		t.Error("refresh=false asks the centre")
	}
	if got := b.copied().FetchedAt; !got.Equal(second.FetchedAt) {
		t.Errorf("the ledger has the list of %v, want %v", got, second.FetchedAt)
	}
	for _, token := range []string{secretViewer, secretOp} {
		b.status(b.get(token, "/v1/services?refresh=true"), http.StatusOK)
	}
	b.centre.SetDown(true)
	calls := b.catalogueCalls()
	for range 2 { // asked each time, however short ago it failed
		if s := b.services("?refresh=true"); len(s.Items) != len(first.Items) || s.FetchedAt.Before(second.FetchedAt) {
			t.Errorf("%+v", s)
		}
	}
	if n := b.catalogueCalls() - calls; n != 2 {
		t.Errorf("%d calls for two refreshes", n)
	}
	for _, bad := range []string{"?refresh=", "?refresh=1", "?refresh=TRUE", "?refresh=true&refresh=true"} {
		if p := b.status(b.get(secretAgent, "/v1/services"+bad), http.StatusBadRequest).problem(t); p.Errors[0].Field != "refresh" {
			t.Errorf("%s: %+v", bad, p)
		}
	}
	b.status(b.get(secretAgent, "/v1/services/P1011?refresh=true"), http.StatusBadRequest)
}

// A refresh by a process that knows nothing: the ledger's copy will do where the
// centre fails, and without one there is no catalogue.
func TestRefreshAfterARestart(t *testing.T) {
	b := newBank(t)
	empty := b.restarted()
	empty.status(empty.get(secretAgent, "/v1/services?refresh=true"), http.StatusServiceUnavailable)
	first := b.services("")
	again := b.restarted()
	if s := again.services("?refresh=true"); !s.FetchedAt.Equal(first.FetchedAt) || again.catalogueCalls() != 1 {
		t.Errorf("from %v after %d calls", s.FetchedAt, again.catalogueCalls())
	}
}

// Refreshes at once, and whoever comes without a catalogue meanwhile, share one
// question, also when the first of them hangs up.
func TestRefreshesShareOneFlight(t *testing.T) {
	var asked atomic.Int64
	first, answering := make(chan struct{}, 20), make(chan struct{})
	b := newBank(t, func(o *api.Options) {
		o.Centre = tells(t, func() string { asked.Add(1); first <- struct{}{}; <-answering; return entry("P1011", `^\d{10}$`) })
	})
	status := func(ctx context.Context, query string) int {
		request := httptest.NewRequestWithContext(ctx, http.MethodGet, "/v1/services"+query, nil)
		request.Header.Set("Authorization", "Bearer "+secretAgent)
		recorder := httptest.NewRecorder()
		b.server.Handler().ServeHTTP(recorder, request)
		return recorder.Code
	}
	hangingUp, hangUp := context.WithCancel(t.Context())
	gone := make(chan int)
	go func() { gone <- status(hangingUp, "?refresh=true") }()
	<-first
	hangUp()
	if code := <-gone; code != http.StatusServiceUnavailable {
		t.Errorf("status %d for who hung up", code)
	}
	for _, query := range []string{"?refresh=true", "", "?refresh=true", ""} { // they have less patience than the centre
		impatient, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		if code := status(impatient, query); code != http.StatusServiceUnavailable {
			t.Errorf("status %d before the centre answered", code)
		}
		cancel()
	}
	close(answering)
	b.services("")
	if n := asked.Load(); n != 1 {
		t.Errorf("%d questions", n)
	}
}

// An old copy is served while the centre takes its time, and its answer when it
// comes.
func TestASlowCentreIsNotWaitedFor(t *testing.T) {
	b := newBank(t)
	first := b.services("")
	var asked atomic.Int64
	answering := make(chan struct{})
	again := b.restarted(func(o *api.Options) {
		o.Centre = tells(t, func() string { asked.Add(1); <-answering; return entry("P1011", `^\d{10}$`) })
	})
	var c clock
	again.server.SetClock(c.now)
	c.advance(time.Hour)
	if s := again.services(""); !s.FetchedAt.Equal(first.FetchedAt) {
		t.Errorf("from %v, want the copy of %v", s.FetchedAt, first.FetchedAt)
	}
	close(answering)
	for again.services("").FetchedAt.Equal(first.FetchedAt) {
		continue // until its answer, to that very question, is served
	}
	if n := asked.Load(); n != 1 {
		t.Errorf("asked %d times: the first request waited until it gave up", n)
	}
}

// A list that comes late does not replace one that another process got after it.
func TestTheNewestListStays(t *testing.T) {
	asked, answering := make(chan struct{}, 1), make(chan struct{})
	b := newBank(t, func(o *api.Options) {
		o.Centre = tells(t, func() string { asked <- struct{}{}; <-answering; return entry("LATE", "") })
	})
	answers := make(chan answer, 1)
	go func() { answers <- b.get(secretAgent, "/v1/services?refresh=true") }()
	<-asked
	newer := storage.Catalogue{Content: `{"services":[` + entry("NEWER", "") + `]}`, Services: 1, FetchedAt: storage.At(time.Now().Add(time.Minute))}
	b.saved(newer)
	if s := b.services(""); s.Age != 0 { // from the ledger; the other's clock is ahead of ours
		t.Errorf("age %d", s.Age)
	}
	close(answering)
	var s services
	b.status(<-answers, http.StatusOK).decode(t, &s)
	if s.Items[0].ServiceID != "NEWER" || !s.FetchedAt.Equal(newer.FetchedAt.Time) {
		t.Errorf("%+v", s)
	}
}

// A list without services is served only until the ledger can be read again.
func TestALedgerThatComesBack(t *testing.T) {
	ledger, err := storage.Open(t.Context(), "sqlite://"+filepath.Join(t.TempDir(), "ledger.db"))
	must(t, err)
	t.Cleanup(func() { must(t, ledger.Close()) })
	b := newBank(t, func(o *api.Options) {
		o.Ledger, o.Centre = ledger, tells(t, func() string { return "null" })
	})
	b.ledger = ledger
	var c clock
	b.server.SetClock(c.now)
	if s := b.services(""); len(s.Items) != 0 {
		t.Fatalf("%+v", s)
	}
	_, err = ledger.Migrate(t.Context())
	must(t, err)
	b.saved(storage.Catalogue{Content: `{"services":[` + entry("OLD", "") + `]}`, Services: 1, FetchedAt: storage.At(time.Now().Add(-time.Hour))})
	c.advance(10 * time.Second)
	if s := b.services(""); len(s.Items) != 1 || s.Age < 3600 {
		t.Errorf("%+v", s)
	}
}

// A list without services replaces none that has some, in memory or in the
// ledger, in whatever way it came.
func TestAnEmptyListReplacesNothing(t *testing.T) {
	var list atomic.Value
	list.Store(entry("P1011", `^\d{10}$`))
	var asked atomic.Int64
	told := func() string { asked.Add(1); return list.Load().(string) }
	b := newBank(t, func(o *api.Options) { o.Centre = tells(t, told) })
	var c clock
	b.server.SetClock(c.now)
	first := b.services("")
	list.Store(`{"serviceId":"broken"}`)
	for _, query := range []string{"?refresh=true", "", ""} {
		if query != "" {
			c.advance(time.Hour)
		}
		if s := b.services(query); len(s.Items) != 1 || !s.FetchedAt.Equal(first.FetchedAt) {
			t.Errorf("%+v, want the list before", s)
		}
	}
	if n := asked.Load(); n != 2 {
		t.Errorf("asked %d times, want a centre without services asked once in a while", n)
	}
	again := b.restarted(func(o *api.Options) { o.Centre = tells(t, told) })
	if s := again.services("?refresh=true"); len(s.Items) != 1 || !s.FetchedAt.Equal(first.FetchedAt) {
		t.Errorf("after a restart %+v, want the list before", s)
	}
	if copied := b.copied(); copied.Services != 1 || !copied.FetchedAt.Equal(first.FetchedAt) {
		t.Errorf("the ledger has %+v", copied)
	}

	nothing := newBank(t, func(o *api.Options) { o.Centre = tells(t, told) })
	nothing.server.SetClock(c.now)
	if s := nothing.services(""); s.Items == nil || len(s.Items) != 0 || s.Broken != 1 {
		t.Errorf("where nothing else is known: %+v", s)
	}
	list.Store(entry("P1011", `^\d{10}$`))
	c.advance(10 * time.Second)
	if s := nothing.services(""); len(s.Items) != 1 {
		t.Errorf("services came, and are not shown: %+v", s)
	}
}

// Every list of the simulated centre can be checked.
func TestTheSimulatedCatalogueHasNoProblems(t *testing.T) {
	b := newBank(t)
	must(t, b.centre.Script(simulator.Script{Call: "services", Answers: []simulator.Answer{{Fault: simulator.Garbage}}}))
	b.status(b.get(secretAgent, "/v1/services"), http.StatusServiceUnavailable)
	for _, s := range b.services("?refresh=true").Items {
		if s.Problems != nil {
			t.Errorf("%+v", s)
		}
	}
}
