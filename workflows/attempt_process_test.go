package workflows_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/testsuite"

	"tolem/activities"
	"tolem/domain"
	centre "tolem/simulators/processing"
	"tolem/storage"
)

// gated puts a gate before the centre: a pay has happened there, and its answer
// waits until the test lets it through.
func (b *bank) gated() (answered chan struct{}, open func()) {
	b.t.Helper()
	target, err := url.Parse(b.url)
	require.NoError(b.t, err)
	answered, gate := make(chan struct{}, 10), make(chan struct{})
	open = sync.OnceFunc(func() { close(gate) })
	proxy := httputil.NewSingleHostReverseProxy(target)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		recorder := httptest.NewRecorder()
		proxy.ServeHTTP(recorder, r)
		if r.URL.Path == "/api/v20/pay" {
			answered <- struct{}{}
			<-gate
		}
		for name, values := range recorder.Header() {
			w.Header()[name] = values
		}
		w.WriteHeader(recorder.Code)
		_, _ = w.Write(recorder.Body.Bytes()) // the client may have gone
	}))
	b.t.Cleanup(func() { open(); server.Close() })
	b.url = server.URL
	return answered, open
}

// activity runs one attempt outside any workflow.
func (b *bank) activity(ctx context.Context, attempt func(context.Context, activities.AttemptInput) (activities.AttemptResult, error),
	of *activities.Processing, in activities.AttemptInput,
) (got activities.AttemptResult, err error) {
	env := (&testsuite.WorkflowTestSuite{}).NewTestActivityEnvironment()
	env.SetWorkerOptions(workerContext(ctx))
	env.RegisterActivity(of)
	value, err := env.ExecuteActivity(attempt, in)
	if err != nil {
		return got, err
	}
	require.NoError(b.t, value.Get(&got))
	return got, nil
}

func step(id domain.AgentTransactionID, n int) activities.AttemptInput {
	return activities.AttemptInput{PaymentID: id, Step: n, Cause: domain.CauseScheduled, NextWait: time.Second}
}

// An attempt that was cancelled, or timed out, while the partner was answering is
// journalled all the same, and what it learnt is recorded.
func TestCancelledAttemptIsJournalled(t *testing.T) {
	b := newBank(t)
	id := b.accepted(nil)
	process := b.process()
	_, err := b.activity(t.Context(), process.Check, process, step(id, 1))
	require.NoError(t, err)

	ctx, cancel := context.WithCancel(t.Context())
	answered, open := b.gated()
	defer open()
	slow := b.process()
	go func() { <-answered; cancel() }()
	got, err := b.activity(ctx, slow.Pay, slow, step(id, 2))
	require.NoError(t, err, "after the first byte there is a result, never an error")
	require.Equal(t, domain.Repeat, got.Verdict.Means)
	require.Nil(t, got.Code)

	b.moved(id, 1)
	require.Equal(t, domain.StatePaying, b.payment(id).State)
	attempts, err := b.ledger.Attempts(t.Context(), id.WorkflowID(), 0, 9)
	require.NoError(t, err)
	last := attempts[len(attempts)-1]
	require.True(t, last.Reported)
	require.Equal(t, string(domain.Unknown), last.Outcome)
}

// A pay that is ordered after the payment ended calls nobody.
func TestLatePayCallsNobody(t *testing.T) {
	b := newBank(t)
	p := b.run(nil)
	before, asked := b.payment(p.ID), len(b.centre.Requests(int64(p.ID)))
	process := b.process()
	for _, attempt := range []func(context.Context, activities.AttemptInput) (activities.AttemptResult, error){process.Check, process.Pay} {
		got, err := b.activity(t.Context(), attempt, process, step(p.ID, 99))
		require.NoError(t, err)
		require.True(t, got.Behind)
		require.Equal(t, domain.StateSucceeded, got.State)
	}
	require.Equal(t, before, b.payment(p.ID))
	require.Len(t, b.centre.Requests(int64(p.ID)), asked)
}

// Nor does a first pay whose payment another execution has ended since the intent.
func TestFirstPayAfterTheEndCallsNobody(t *testing.T) {
	b := newBank(t)
	id := b.accepted(nil)
	process := b.process()
	_, err := b.activity(t.Context(), process.Check, process, step(id, 1))
	require.NoError(t, err)
	require.Equal(t, domain.StateSucceeded, b.execution(id).finish().State)

	asked := len(b.centre.Requests(int64(id)))
	got, err := b.activity(t.Context(), process.Pay, process, step(id, 2))
	require.NoError(t, err)
	require.True(t, got.Behind)
	require.Len(t, b.centre.Requests(int64(id)), asked)
}

// An answer that arrives after another execution ended the payment changes
// nothing but the journal.
func TestLateAnswerChangesNothing(t *testing.T) {
	b := newBank(t)
	id := b.accepted(nil)
	b.scripted("pay", centre.Answer{Code: 1})
	process := b.process()
	_, err := b.activity(t.Context(), process.Check, process, step(id, 1))
	require.NoError(t, err)
	direct := b.url
	answered, open := b.gated()
	frozen := b.process()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, err := b.activity(context.WithoutCancel(t.Context()), frozen.Pay, frozen, step(id, 2))
		require.NoError(t, err)
	}()
	<-answered
	b.url = direct
	require.Equal(t, domain.StateSucceeded, b.execution(id).finish().State)
	before := b.payment(id)
	open()
	<-done
	require.Equal(t, before, b.payment(id))
	b.moved(id, 1)
}

// The ledger dies between the answer and its commit: what the run remembers is no
// evidence. The same bytes are asked again when the ledger is back, as a recovery and a
// later pay, for which 202 refuses nothing.
func TestAnswerThatCouldNotBeRecorded(t *testing.T) {
	for name, c := range map[string]struct {
		pay  centre.Answer
		ends domain.State
		code domain.Code
	}{
		"0":   {code(domain.CodeSuccess), domain.StateSucceeded, domain.CodeSuccess},
		"300": {code(domain.CodeOtherError), domain.StateRefused, domain.CodeOtherError},
		"202": {once(domain.CodeBadRequest), domain.StateSucceeded, domain.CodeSuccess},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBank(t)
			b.scripted("pay", c.pay)
			id := b.accepted(nil)
			run := b.execution(id)
			fixed := b.broken("INSERT ON journal WHEN NEW.phase = 'outcome'")
			sent := 0
			run.RegisterDelayedCallback(func() { sent = len(b.requests(id, "pay")) }, 29*time.Minute)
			run.RegisterDelayedCallback(func() {
				require.Equal(t, domain.StatePaying, b.payment(id).State)
				require.Less(t, len(b.requests(id, "pay")), 20, "the centre is not asked without a pause")
				fixed()
			}, 30*time.Minute)
			p := run.finish()

			require.Equal(t, c.ends, p.State)
			require.Equal(t, c.code, *p.ResultCode)
			require.Greater(t, len(b.requests(id, "pay")), sent)
			b.sameBytes(id, "pay")
			causes := b.causes(id)
			require.Equal(t, domain.CauseRecovery, causes[len(causes)-1])
			require.Zero(t, run.started["EndPayment"])
			b.moved(id, map[domain.State]int{domain.StateSucceeded: 1}[c.ends])
			if c.ends == domain.StateSucceeded {
				booked, _ := b.centre.Payment(int64(id))
				require.Equal(t, booked.TransactionDate, p.TransactionDate)
				require.Equal(t, booked.TransactionID, *p.TransactionID)
			}
		})
	}
}

// Only the intent that this process has just committed makes a first pay. Where
// another may have paid meanwhile it is a later one, whose 215 refuses nothing.
func TestFirstPayIsUsedOnce(t *testing.T) {
	for name, c := range map[string]struct {
		between func(b *bank, id domain.AgentTransactionID, process *activities.Processing)
		step    int // of this process's pay
		lost    int // the attempt whose outcome nobody reported
	}{
		"another execution paid and recorded": {func(b *bank, id domain.AgentTransactionID, _ *activities.Processing) {
			b.scripted("pay", fault(centre.LostAnswer))
			other := b.process()
			_, err := b.activity(b.t.Context(), other.Pay, other, step(id, 2))
			require.NoError(b.t, err)
		}, 3, 2},
		"another execution paid and died": {func(b *bank, id domain.AgentTransactionID, process *activities.Processing) {
			begun, err := b.ledger.BeginPay(b.t.Context(), storage.Call{Process: id.WorkflowID(), Name: "pay", Step: 2, At: time.Now()})
			require.NoError(b.t, err)
			require.True(b.t, begun.OK)
			_, err = process.Centre.Pay(b.t.Context(), b.payment(id).PayBody)
			require.NoError(b.t, err)
		}, 2, 3},
		"this run was begun again": {func(b *bank, id domain.AgentTransactionID, process *activities.Processing) {
			_, err := process.Centre.Pay(b.t.Context(), b.payment(id).PayBody)
			require.NoError(b.t, err)
			got, err := b.activity(b.t.Context(), process.Check, process, step(id, 1))
			require.NoError(b.t, err)
			require.True(b.t, got.Behind)
		}, 2, 2},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBank(t)
			id := b.accepted(nil)
			process := b.process()
			_, err := b.activity(t.Context(), process.Check, process, step(id, 1))
			require.NoError(t, err)
			c.between(b, id, process)
			b.moved(id, 1)
			b.scripted("pay", once(domain.CodeNumberExists))

			got, err := b.activity(t.Context(), process.Pay, process, step(id, c.step))
			require.NoError(t, err)
			require.Equal(t, domain.Repeat, got.Verdict.Means)
			require.Equal(t, domain.ReasonLateRefusal, got.Verdict.OperatorReason)
			require.Equal(t, domain.StateSucceeded, b.execution(id).finish().State)
			b.moved(id, 1)
			attempts, err := b.ledger.Attempts(t.Context(), id.WorkflowID(), 0, 9)
			require.NoError(t, err)
			for _, a := range attempts {
				require.Equal(t, a.Attempt != c.lost, a.Reported, "attempt %d", a.Attempt)
			}
		})
	}
}
