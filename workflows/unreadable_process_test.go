package workflows_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/testsuite"

	"tolem/activities"
	"tolem/domain"
	"tolem/partners/abs"
	"tolem/partners/processing"
	absystem "tolem/simulators/abs"
	centre "tolem/simulators/processing"
	"tolem/storage"
	"tolem/storage/files"
)

// body is an answer with HTTP 200 that the centre's books know nothing of.
func body(text string) centre.Answer {
	return centre.Answer{Fault: centre.Status, Status: http.StatusOK, Body: text}
}

// failures are what the journal says of one call's attempts.
func (b *bank) failures(id domain.AgentTransactionID, call string) (all []string) {
	b.t.Helper()
	attempts, err := b.ledger.Attempts(b.t.Context(), id.WorkflowID(), 0, 100)
	require.NoError(b.t, err)
	for _, a := range attempts {
		if a.Call == call {
			all = append(all, a.Failure)
		}
	}
	return all
}

// An answer that fails twice for the same reason raises a person, who is asked no longer when
// one can be read; the payment goes on meanwhile, and the journal names the field.
func TestUnreadableAnswers(t *testing.T) {
	const contracts = `{"result":0,"contracts":[{"contractId":"1"},{}]}`
	for name, c := range map[string]struct {
		call    string
		answers []centre.Answer
		raised  []domain.OperatorReason // after two of them
		failure string                  // of the second
	}{
		"check, the same field":          {"check", []centre.Answer{body(contracts), body(contracts)}, []domain.OperatorReason{domain.ReasonUnreadableAnswer}, "bad_details contracts[1].contractId"},
		"check, another text":            {"check", []centre.Answer{body("<html>1"), body("<html>2")}, []domain.OperatorReason{domain.ReasonUnreadableAnswer}, "not_json"},
		"check, another field":           {"check", []centre.Answer{body(contracts), body(`{"result":0,"invoice":7}`)}, nil, "bad_details invoice"},
		"check, a page of a 502":         {"check", []centre.Answer{fault(centre.HTML502), fault(centre.HTML502)}, nil, "status"},
		"pay, no result":                 {"pay", []centre.Answer{body(`{"result":"0"}`), body(`{"result":"0"}`)}, []domain.OperatorReason{domain.ReasonUnreadableAnswer}, "no_result result"},
		"pay, a number that is none":     {"pay", []centre.Answer{body(`{"result":0,"transactionId":"x"}`), body(`{"result":0,"transactionId":"x"}`)}, []domain.OperatorReason{domain.ReasonUnreadableAnswer}, "bad_id transactionId"},
		"pay, one that was read between": {"pay", []centre.Answer{body(`{}`), once(domain.CodeInProgress)}, nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBank(t)
			id := b.accepted(nil)
			b.scripted(c.call, c.answers...)
			e := b.execution(id)
			activity, looked := map[string]string{"check": "Check", "pay": "Pay"}[c.call], 0
			e.during(activity, 2, func() { looked++; require.Empty(t, b.openReasons(id), "one is not enough") })
			e.during(activity, 3, func() { looked++; require.Equal(t, c.raised, b.openReasons(id)) })
			p := e.finish()
			require.Equal(t, 2, looked)
			require.Equal(t, domain.StateSucceeded, p.State)
			require.False(t, p.NeedsOperator)
			require.Empty(t, b.openReasons(id))
			require.Equal(t, c.failure, b.failures(id, c.call)[1])
			b.moved(id, 1)
			b.sameBytes(id, c.call)
		})
	}
}

// What decides nothing blocks nothing, and the journal names what was dropped.
func TestDroppedFieldsAreJournalled(t *testing.T) {
	b := newBank(t)
	id := b.accepted(nil)
	b.scripted("check", body(`{"result":0.0,"transactionId":7,"agentTransactionId":`+id.String()+`,"rate":"2 000,00","currency":{},"finalAmount":2.0E2}`))
	p := b.execution(id).finish()
	require.Equal(t, domain.StateSucceeded, p.State)
	attempts, err := b.ledger.Attempts(t.Context(), id.WorkflowID(), 0, 100)
	require.NoError(t, err)
	require.Equal(t, "rate, currency", attempts[0].Dropped)
	require.Empty(t, attempts[1].Dropped)
}

// A service whose payer chooses, and whose check offers nothing to choose from, never pays by
// itself.
func TestNothingOffered(t *testing.T) {
	for name, c := range map[string]struct {
		kind  *int
		waits bool
	}{
		"choice": {pointer(processing.TypeChoice), true}, "receipt": {pointer(processing.TypeReceipt), true},
		"simple": {pointer(0), false}, "unknown": {nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBank(t)
			id := b.accepted(func(p *storage.Payment) { p.ServiceType = c.kind })
			e := b.execution(id)
			looked := false
			e.RegisterDelayedCallback(func() {
				looked = true
				p := b.payment(id)
				require.Equal(t, domain.StateAwaitingPayer, p.State)
				require.True(t, p.NeedsOperator)
				require.Equal(t, []domain.OperatorReason{domain.ReasonNothingOffered}, b.openReasons(id))
				b.moved(id, 0)
			}, time.Hour)
			if c.waits {
				e.chooses(2*time.Hour, processing.Choice{})
			}
			p := e.finish()
			require.Equal(t, c.waits, looked)
			require.Equal(t, domain.StateSucceeded, p.State)
			require.Empty(t, b.openReasons(id))
			b.moved(id, 1)
		})
	}
	b := newBank(t) // nobody goes ahead
	id := b.accepted(func(p *storage.Payment) { p.ServiceType = pointer(processing.TypeChoice) })
	e := b.execution(id)
	e.RegisterDelayedCallback(b.deadlinePasses, 23*time.Hour)
	require.Equal(t, domain.StateExpired, e.finish().State)
	b.moved(id, 0)
}

// Retry-After lengthens a wait and never shortens one; later waits go on growing.
func TestRetryAfterLengthensWaits(t *testing.T) {
	for after, want := range map[string]time.Duration{"120": 2 * time.Minute, "0": time.Second, "99999999": time.Hour, "nonsense": time.Second} {
		b := newBank(t)
		refusals := 0
		b.url = impatient(t, b.centre.Handler(), func(w http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path != "/api/v20/pay" || refusals == 3 {
				return false
			}
			refusals++
			if refusals == 1 {
				w.Header().Set("Retry-After", after)
			}
			w.WriteHeader(http.StatusServiceUnavailable)
			return true
		})
		id := b.accepted(nil)
		require.Equal(t, domain.StateSucceeded, b.execution(id).finish().State)
		attempts, err := b.ledger.Attempts(t.Context(), id.WorkflowID(), 0, 100)
		require.NoError(t, err)
		require.Len(t, attempts, 5)
		require.GreaterOrEqual(t, attempts[2].Waited, want, after)
		require.Less(t, attempts[2].Waited, want+10*time.Second, after)
		require.Greater(t, attempts[3].Waited, attempts[2].Waited)
		require.Greater(t, attempts[4].Waited, attempts[3].Waited)
		b.moved(id, 1)
	}
}

// impatient is a server before a handler that may answer in its place.
func impatient(t *testing.T, handler http.Handler, answers func(http.ResponseWriter, *http.Request) bool) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !answers(w, r) {
			handler.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// gathering is a contract whose dossier is gathered from a simulated ABS.
type gathering struct {
	*demand
	system *absystem.System
	abs    *activities.Collection
	step   int
}

func newGathering(t *testing.T, o abs.Options) *gathering {
	t.Helper()
	g := &gathering{demand: &demand{t: t, contract: "KD0000000001"}}
	var err error
	g.ledger, err = storage.Open(t.Context(), "sqlite://"+t.TempDir()+"/ledger.db")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, g.ledger.Close()) })
	_, err = g.ledger.Migrate(t.Context())
	require.NoError(t, err)
	_, err = g.ledger.TakeLoans(t.Context(), storage.LoanBatch{Caller: "eko", Day: "2026-02-17", Digest: "x", At: time.Now(),
		Loans: []storage.Loan{{Contract: g.contract, IBAN: "KZ000000000000000000", Currency: "KZT", IINBIN: "900101300011", Debt: 1000}}})
	require.NoError(t, err)
	g.system, err = absystem.New(absystem.Options{})
	require.NoError(t, err)
	server := httptest.NewServer(g.system.Handler())
	t.Cleanup(server.Close)
	t.Cleanup(func() { require.NoError(t, g.system.Close()) })
	o.ClientURL, o.AccountsURL, o.StatementURL, o.ScanURL = server.URL+"/client", server.URL+"/accounts", server.URL+"/statement", server.URL+"/scan"
	client, err := abs.New(o)
	require.NoError(t, err)
	store, err := files.Open(t.TempDir())
	require.NoError(t, err)
	g.abs = &activities.Collection{Ledger: g.ledger, ABS: client, Files: store, Zone: time.UTC, GuessDate: true}
	return g
}

// gather asks once for all that is missing.
func (g *gathering) gather() (now activities.CollectionStanding) {
	g.t.Helper()
	env := (&testsuite.WorkflowTestSuite{}).NewTestActivityEnvironment()
	activities.Register(env, g.abs)
	g.step++
	got, err := env.ExecuteActivity(g.abs.GatherDossier, activities.CollectionInput{Contract: g.contract, Step: g.step, Cause: domain.CauseScheduled, NextWait: time.Second})
	require.NoError(g.t, err)
	require.NoError(g.t, got.Get(&now))
	return now
}

func (g *gathering) script(call string, answers ...absystem.Answer) {
	g.t.Helper()
	require.NoError(g.t, g.system.Script(absystem.Script{Call: call, Answers: answers}))
}

// A part of a dossier that cannot be read is asked for all the while, and raises a person at
// the second time; one that can be read asks nobody any longer.
func TestUnreadableParts(t *testing.T) {
	bad := absystem.Answer{Fault: absystem.Status, Status: http.StatusOK, Body: `{"error_code":0,"stmt":[{"DC":"D","amount":"900 000,00"}]}`}
	g := newGathering(t, abs.Options{})
	g.script("statement", bad, bad, bad)
	now := g.gather()
	require.Equal(t, 1, now.Missing)
	require.Equal(t, "bad_answer stmt[0].amount", now.Failure)
	require.Empty(t, now.Raised)
	for range 2 {
		now = g.gather()
		require.Equal(t, []domain.OperatorReason{domain.ReasonUnreadableAnswer}, now.Raised)
		require.Equal(t, []int{1, 0}, []int{now.Missing, now.Blocked}, "it is asked for all the while")
	}
	attempts, err := g.ledger.Attempts(t.Context(), g.contract.WorkflowID(), 0, 100)
	require.NoError(t, err)
	require.Equal(t, "bad_answer stmt[0].amount", attempts[len(attempts)-1].Failure)
	now = g.gather()
	require.Empty(t, now.Raised)
	require.Zero(t, now.Missing+now.Blocked)
}

// A document is not downloaded once more for a reason that cannot change.
func TestUnreadableScans(t *testing.T) {
	for name, c := range map[string]struct {
		answer absystem.Answer
		asked  int
	}{
		"a page in its place": {absystem.Answer{Fault: absystem.HTML200, Times: 9}, 2},
		"larger than we take": {absystem.Answer{Fault: absystem.Oversize, Bytes: 200_000, Times: 9}, 1},
		"JSON in its place":   {absystem.Answer{Fault: absystem.Status, Status: http.StatusOK, Body: `{}`, Times: 9}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGathering(t, abs.Options{MaxScan: 100_000})
			g.script("scan", c.answer)
			for range 4 {
				g.gather()
			}
			now := g.gather()
			require.Equal(t, []domain.OperatorReason{domain.ReasonUnreadableAnswer}, now.Raised)
			require.Equal(t, []int{0, 1}, []int{now.Missing, now.Blocked}, "it waits for a person")
			require.Equal(t, c.asked, g.system.Scan(string(g.contract)).Asked)
		})
	}
	g := newGathering(t, abs.Options{})
	g.script("scan", absystem.Answer{Fault: absystem.HTML502, Times: 4})
	for range 4 {
		require.Equal(t, 1, g.gather().Missing, "no connection is no answer")
	}
	require.Zero(t, g.gather().Missing)
	require.Equal(t, 5, g.system.Scan(string(g.contract)).Asked)
}
