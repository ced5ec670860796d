package workflows_test

import (
	"context"
	"database/sql"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/testsuite"

	"tolem/activities"
	"tolem/domain"
	simulated "tolem/simulators/cfront"
	"tolem/storage"
)

// sql runs one statement beside the ledger.
func (w *till) sql(statement string) {
	w.t.Helper()
	db, err := sql.Open("sqlite", w.file+"?_pragma=busy_timeout(5000)")
	require.NoError(w.t, err)
	defer func() { require.NoError(w.t, db.Close()) }()
	_, err = db.ExecContext(context.Background(), statement)
	require.NoError(w.t, err)
}

// unrecorded lets no outcome of a call be recorded, until it is mended.
func (w *till) unrecorded(call string) (mend func()) {
	w.t.Helper()
	w.sql("CREATE TRIGGER broken BEFORE INSERT ON journal WHEN NEW.phase = 'outcome' AND NEW.call = '" + call + "' BEGIN SELECT RAISE(FAIL, 'no space left'); END")
	return func() { w.sql("DROP TRIGGER broken") }
}

// dies does what a worker did that was killed between the bank's effect and our record.
func (w *till) dies(in activities.OrderCallInput, call string, activity func(context.Context, activities.OrderCallInput) (activities.OrderCallResult, error)) {
	w.t.Helper()
	env := (&testsuite.WorkflowTestSuite{}).NewTestActivityEnvironment()
	env.RegisterActivity(activity)
	defer w.unrecorded(call)()
	in.Cause = domain.CauseScheduled
	_, err := env.ExecuteActivity(activity, in)
	require.Error(w.t, err)
}

// runs makes one call of a run that Temporal then lost.
func (w *till) runs(in activities.OrderCallInput, activity func(context.Context, activities.OrderCallInput) (activities.OrderCallResult, error)) {
	w.t.Helper()
	env := (&testsuite.WorkflowTestSuite{}).NewTestActivityEnvironment()
	env.RegisterActivity(activity)
	in.Cause = domain.CauseScheduled
	_, err := env.ExecuteActivity(activity, in)
	require.NoError(w.t, err)
}

// A worker killed between the bank's effect and our record, at each call that changes
// something: whoever takes over makes no second order and sends no second decision.
func TestKilledBetweenEffectAndRecord(t *testing.T) {
	for _, profile := range []simulated.Profile{simulated.OldGeneration, simulated.NewGeneration} {
		t.Run("create "+string(profile), func(t *testing.T) {
			w := newTill(t)
			w.set(func(s *simulated.Settings) { s.Profile = profile })
			id := w.accepted(agrees, func(o *storage.InstalmentOrder) { o.AutoConfirm = true })
			a := w.activities()
			w.dies(activities.OrderCallInput{OrderID: id, Step: 1}, "create", a.CreateAtBank)
			require.Equal(t, domain.OrderCreating, w.order(id).State)
			require.Equal(t, domain.OrderPaidOut, w.sale(id).finish().State)
			require.Len(t, w.bank.Orders(), 1)
			calls, err := w.ledger.Attempts(t.Context(), id.WorkflowID(), 0, 9)
			require.NoError(t, err)
			require.False(t, calls[0].Reported, "the dead worker's")
			require.Equal(t, domain.CauseRecovery, calls[1].Cause)
		})
	}
	for _, d := range []domain.Decision{domain.DecisionConfirm, domain.DecisionReject} {
		t.Run(string(d), func(t *testing.T) {
			w := newTill(t)
			id := w.accepted(agrees, nil)
			a := w.activities()
			w.runs(activities.OrderCallInput{OrderID: id, Step: 1}, a.CreateAtBank)
			require.NoError(t, w.bank.Approve(string(id)))
			w.runs(activities.OrderCallInput{OrderID: id, Step: 2}, a.AskState)
			_, err := w.ledger.Decide(t.Context(), id, d, "till-1")
			require.NoError(t, err)
			w.dies(activities.OrderCallInput{OrderID: id, Step: 3, Decision: d}, string(d), a.DecideAtBank)
			require.Equal(t, d.Deciding(), w.order(id).State)
			w.sale(id).finish()
			booked, _ := w.bank.Order(string(id))
			require.Equal(t, 1, booked.Confirms+booked.Rejects)
			made := len(w.bank.Requests(string(id)))
			calls, err := w.ledger.Attempts(t.Context(), id.WorkflowID(), 0, 99)
			require.NoError(t, err)
			require.Equal(t, made, len(calls), "one request for each row")
			sent := 0
			for _, c := range calls {
				if c.Call == string(d) {
					sent++
				}
			}
			require.Equal(t, 1, sent, "the state told that it was taken")
		})
	}
}

// A ledger that cannot record what the bank did, for a while: the same.
func TestLedgerDownWhileTheBankActs(t *testing.T) {
	for name, call := range map[string]string{"CreateAtBank": "create", "DecideAtBank": "confirm"} {
		t.Run(call, func(t *testing.T) {
			w := newTill(t)
			s := w.sale(w.accepted(agrees, func(o *storage.InstalmentOrder) { o.AutoConfirm = true }))
			mend := func() {}
			s.during(name, func() {
				if s.started[name] == 1 {
					mend = w.unrecorded(call)
				}
			})
			s.after(10*time.Second, func() { mend() })
			require.Equal(t, domain.OrderPaidOut, s.finish().State)
			require.Len(t, w.bank.Orders(), 1)
		})
	}
}

// A frozen execution that wakes late changes nothing: each write belongs to a step.
func TestLateCallsChangeNothing(t *testing.T) {
	w := newTill(t)
	id := w.accepted(agrees, func(o *storage.InstalmentOrder) { o.AutoConfirm = true })
	before := w.sale(id).finish()
	requests := len(w.bank.Requests(""))
	a := w.activities()
	for name, activity := range map[string]orderActivity{"create": a.CreateAtBank, "state": a.AskState, "decide": a.DecideAtBank, "payout": a.AskPayout, "client": a.AskClient, "contract": a.AskContract} {
		t.Run(name, func(t *testing.T) {
			w.runs(activities.OrderCallInput{OrderID: id, Step: 2, Decision: domain.DecisionConfirm}, activity)
			w.runs(activities.OrderCallInput{OrderID: id, Step: 9999, Decision: domain.DecisionReject}, activity)
		})
	}
	require.Equal(t, before, w.order(id))
	require.Len(t, w.bank.Requests(""), requests, "nobody was called")
}

type orderActivity = func(context.Context, activities.OrderCallInput) (activities.OrderCallResult, error)

// A create that is answered with the bank's number of another order of ours is no answer:
// nothing is taken from it, a person is asked to look, and create is repeated.
func TestCreateAnsweredWithAnotherOrdersNumber(t *testing.T) {
	w := newTill(t)
	first := w.accepted(agrees, func(o *storage.InstalmentOrder) { o.AutoConfirm = true })
	require.Equal(t, domain.OrderPaidOut, w.sale(first).finish().State)
	taken := w.order(first).BankOrderID
	w.scripted(simulated.CallCreate, simulated.Answer{Fault: simulated.Status, Status: 200, Body: `{"order_id":"` + taken + `"}`, Times: 3})

	id := w.accepted(agrees, func(o *storage.InstalmentOrder) { o.AutoConfirm = true })
	s := w.sale(id)
	s.contradicts = domain.ReasonBankOrderIDTaken // only a person closes it
	s.after(2*time.Second, func() {
		o := w.order(id)
		require.Equal(t, domain.OrderCreating, o.State)
		require.Empty(t, o.BankOrderID)
		require.Equal(t, domain.ReasonBankOrderIDTaken, o.OperatorReason)
	})
	require.Equal(t, domain.OrderPaidOut, s.finish().State)
	require.NotEqual(t, taken, w.order(id).BankOrderID)
	made, _ := w.calls(id, simulated.CallCreate)
	require.Equal(t, 4, made)
	require.Len(t, w.bank.Orders(), 2)
}
