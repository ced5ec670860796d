package workflows_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/testsuite"

	"tolem/activities"
	"tolem/domain"
	simulated "tolem/simulators/cfront"
	"tolem/storage"
)

// sweeps runs the sweep once and says whom it nudged, "process cause", and what it started.
func (w *till) sweeps(f *frontend) (nudged, started []string) {
	w.t.Helper()
	start := func(process string) error {
		started = append(started, process)
		return nil
	}
	sweep := &activities.Sweep{Ledger: w.ledger, Temporal: f.client, Orders: &activities.OrderSweep{
		Ledger: w.ledger, Temporal: f.client,
		StartOrder:  func(_ context.Context, o storage.InstalmentOrder) error { return start(o.ID.WorkflowID()) },
		StartReturn: func(_ context.Context, r storage.OrderReturn) error { return start(r.WorkflowID()) },
		Move:        func(_ context.Context, id domain.StoreOrderID) error { return start(id.MoveWorkflowID()) },
	}}
	env := (&testsuite.WorkflowTestSuite{}).NewTestActivityEnvironment()
	activities.Register(env, sweep)
	_, err := env.ExecuteActivity(activities.StartMissing.Name, activities.SweepInput{OlderThan: -time.Hour}) // also what came just now
	require.NoError(w.t, err)
	taken, _ := f.news()
	for _, s := range taken {
		nudged = append(nudged, s.Workflow+" "+string(s.Nudge.Cause))
	}
	slices.Sort(nudged)
	return nudged, started
}

// The sweep tells workflows what they were not told, and nobody twice who cannot act on it:
// a decision that cannot be sent yet would cut create's growing interval short every minute,
// and a held order is deaf to the bank.
func TestSweepOfOrders(t *testing.T) {
	w, f := newTill(t), newFrontend(t)
	a := w.activities()
	waiting := func() domain.StoreOrderID {
		id := w.accepted(agrees, nil)
		w.runs(activities.OrderCallInput{OrderID: id, Step: 1}, a.CreateAtBank)
		return id
	}
	decides := func(id domain.StoreOrderID) {
		_, err := w.ledger.Decide(t.Context(), id, domain.DecisionReject, "till-1")
		require.NoError(t, err)
	}
	holds := func(id domain.StoreOrderID) {
		row, err := w.ledger.PlaceAction(t.Context(), w.inLedger(id.WorkflowID(), "aigul", domain.ActionHold, ""))
		require.NoError(t, err)
		require.NoError(t, w.ledger.FollowOrder(t.Context(), storage.OrderFollowing{ID: id, ActionID: row.ID, Effect: domain.EffectHeld}))
	}
	callsBack := func(id domain.StoreOrderID, state, sub string) {
		_, err := w.ledger.RecordCallback(t.Context(), storage.Callback{OrderID: id, State: state, SubState: sub, At: storage.At(time.Now())})
		require.NoError(t, err)
	}
	resolve := func(id domain.StoreOrderID) {
		for _, who := range []string{"aigul", "berik"} {
			_, _, _, err := w.ledger.ActOnOrder(t.Context(), id, w.inLedger(id.WorkflowID(), who, domain.ActionResolve, "failed"))
			require.NoError(t, err)
		}
	}
	decided, heldDecided, called, heldCalled := waiting(), waiting(), waiting(), waiting()
	decides(decided)
	decides(heldDecided)
	holds(heldDecided)
	callsBack(called, "IN_PROCESS", "WAITING_FOR_STORE_CONFIRM")
	callsBack(heldCalled, "IN_PROCESS", "WAITING_FOR_STORE_CONFIRM")
	holds(heldCalled)
	w.scripted(simulated.CallCreate, simulated.Answer{Fault: simulated.ResetBefore, Times: 3})
	creating, resolved, gone := waiting(), waiting(), waiting()
	decides(creating)
	require.Equal(t, domain.OrderCreating, w.order(creating).State)
	resolve(resolved)
	resolve(gone)
	refused := w.accepted(agrees, nil)
	decides(refused) // nothing was sent: it has ended
	callsBack(refused, "SUCCESS", "ACTIVE")

	var all []string
	for _, id := range []domain.StoreOrderID{decided, heldDecided, called, heldCalled, creating, resolved} {
		all = append(all, id.WorkflowID())
	}
	f.runs(all...)
	for range 2 {
		nudged, started := w.sweeps(f)
		want := []string{decided.WorkflowID() + " news", called.WorkflowID() + " news", resolved.WorkflowID() + " news"}
		slices.Sort(want)
		require.Equal(t, want, nudged)
		require.Empty(t, started)
	}
	f.runs(all[:len(all)-1]...) // the resolved one's has ended
	for n := range 2 {
		nudged, _ := w.sweeps(f)
		require.Len(t, nudged, 2, "sweep %d", n)
		require.False(t, w.order(resolved).Wake || w.order(gone).Wake || w.order(refused).Wake)
	}
}

// What people did to a return reaches its workflow, also when nobody could tell it.
func TestSweepOfReturns(t *testing.T) {
	w, f := newTill(t), newFrontend(t)
	order := w.sold()
	w.acceptedReturn(order, "r", 3_000_000)
	process := order.ReturnWorkflowID("r")
	act := func(who string, action domain.Action, outcome string) {
		_, _, _, err := w.ledger.ActOnReturn(t.Context(), order, "r", w.inLedger(process, who, action, outcome))
		require.NoError(t, err)
	}
	f.runs(process)
	nudged, _ := w.sweeps(f)
	require.Empty(t, nudged)
	act("aigul", domain.ActionHold, "")
	for range 2 {
		nudged, _ = w.sweeps(f)
		require.Equal(t, []string{process + " operator"}, nudged)
	}
	_, err := w.ledger.ReturnAwake(t.Context(), order, "r") // its workflow has read it
	require.NoError(t, err)
	nudged, _ = w.sweeps(f)
	require.Empty(t, nudged)

	act("aigul", domain.ActionResolve, "failed")
	nudged, _ = w.sweeps(f)
	require.Empty(t, nudged, "a proposal concerns no workflow")
	act("berik", domain.ActionResolve, "failed")
	nudged, _ = w.sweeps(f)
	require.Equal(t, []string{process + " operator"}, nudged)
	f.runs()
	nudged, started := w.sweeps(f)
	require.Empty(t, nudged)
	require.Empty(t, started)
	require.False(t, w.goods(order, "r").Wake)
}
