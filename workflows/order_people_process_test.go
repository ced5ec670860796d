package workflows_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/testsuite"

	"tolem/activities"
	"tolem/domain"
	simulated "tolem/simulators/cfront"
	"tolem/storage"
)

// inLedger is a person's action that takes effect in the ledger, as the API commits it.
func (w *till) inLedger(process, who string, action domain.Action, outcome string) storage.Action {
	w.keys++
	return storage.Action{
		Process: process, Action: action, Outcome: domain.State(outcome), Caller: who, IdempotencyKey: fmt.Sprint("k-", w.keys),
		RequestSHA256: "-", Reason: "the store asks", Evidence: "the bank's letter", RequestedAt: storage.At(time.Now()),
	}
}

// resolves lays down that two people say at a moment how an order ended, and that its
// workflow is nudged.
func (s *sale) resolves(after time.Duration, outcome domain.OrderState) {
	s.after(after, func() {
		for _, who := range []string{"aigul", "berik"} {
			_, _, _, err := s.w.ledger.ActOnOrder(context.Background(), s.id, s.w.inLedger(s.id.WorkflowID(), who, domain.ActionResolve, string(outcome)))
			require.NoError(s.w.t, err)
		}
		s.SignalWorkflow(activities.NudgeSignal, activities.Nudge{Cause: domain.CauseNews})
	})
}

// The first create was reset, and the bank refuses every later one; the till has rejected.
// Nobody knows whether the bank has the order, so it goes on asking, ever less often, for a
// year; two people end it, and nothing is sent afterwards.
func TestTwoPeopleEndAnOrderThatTheBankRefusesForEver(t *testing.T) {
	for name, outcome := range map[string]domain.OrderState{"failed": domain.OrderFailed, "paid out, as its statement says": domain.OrderPaidOut} {
		t.Run(name, func(t *testing.T) {
			w := newTill(t)
			w.scripted(simulated.CallCreate, simulated.Answer{Fault: simulated.ResetBefore}, refuses(400, 1_000_000))
			s := w.sale(w.accepted(agrees, nil))
			s.SetTestTimeout(time.Minute)
			s.decides(time.Minute, domain.DecisionReject)
			const year = 365 * 24 * time.Hour
			made := 0
			s.after(year, func() {
				require.Equal(t, domain.OrderCreating, w.order(s.id).State)
				require.True(t, w.order(s.id).NeedsOperator)
				made, _ = w.calls(s.id, simulated.CallCreate)
			})
			s.resolves(year+time.Second, outcome)
			s.ExecuteWorkflow("Order", s.input)
			require.NoError(t, s.GetWorkflowError())
			o := w.order(s.id)
			require.Equal(t, outcome, o.State)
			require.NotNil(t, o.ResolvedAction)
			require.Less(t, made, 40)
			after, _ := w.calls(s.id, simulated.CallCreate)
			require.Equal(t, made, after)
		})
	}
}

// Two people end an order that is held: its workflow, which is deaf to the bank meanwhile,
// reads the ledger. So it does while it waits for anybody else.
func TestTwoPeopleEndAnOrderAnywhere(t *testing.T) {
	t.Run("held", func(t *testing.T) {
		w := newTill(t)
		w.scripted(simulated.CallCreate, simulated.Answer{Fault: simulated.HTML502, Times: 1_000_000})
		s := w.sale(w.accepted(agrees, nil))
		s.acts(10*time.Second, domain.ActionHold)
		s.calledBack(time.Minute, domain.BankState{State: "IN_PROCESS", SubState: "WAITING_FOR_CLIENT"}) // wakes it, and nothing has changed
		s.after(time.Hour, func() { require.True(t, w.order(s.id).Held) })
		s.resolves(2*time.Hour, domain.OrderFailed)
		o := s.finish()
		require.Equal(t, domain.FailResolved, o.FailReason)
		require.False(t, o.Held)
	})
	t.Run("rejecting", func(t *testing.T) {
		w := newTill(t)
		s := w.sale(w.accepted(thinks, nil))
		s.after(30*time.Second, func() {
			for _, call := range []string{simulated.CallState, simulated.CallReject} {
				w.scripted(call, simulated.Answer{Fault: simulated.HTML502, Times: 1_000_000})
			}
		})
		s.decides(time.Minute, domain.DecisionReject)
		s.after(20*time.Minute, func() { require.Equal(t, domain.ReasonDecisionOpen, w.order(s.id).OperatorReason) })
		s.resolves(21*time.Minute, domain.OrderFailed)
		s.ExecuteWorkflow("Order", s.input)
		require.NoError(t, s.GetWorkflowError())
		o := w.order(s.id)
		require.Equal(t, domain.FailResolved, o.FailReason)
		require.False(t, o.NeedsOperator)
	})
	t.Run("active", func(t *testing.T) {
		w := newTill(t)
		s := w.sale(w.accepted(agrees, func(o *storage.InstalmentOrder) { o.AutoConfirm = true }))
		w.scripted(simulated.CallCheckPaid, simulated.Answer{Fault: simulated.HTML502, Times: 1_000_000})
		s.resolves(48*time.Hour, domain.OrderPaidOut)
		require.NotNil(t, s.finish().ResolvedAction)
	})
}

// An answer that comes after two people ended an order contradicts them: a person sees it.
func TestCreateAnswersAfterTheEnd(t *testing.T) {
	w := newTill(t)
	s := w.sale(w.accepted(agrees, nil))
	s.during("CreateAtBank", func() {
		for _, who := range []string{"aigul", "berik"} {
			_, _, _, err := w.ledger.ActOnOrder(context.Background(), s.id, w.inLedger(s.id.WorkflowID(), who, domain.ActionResolve, "failed"))
			require.NoError(t, err)
		}
	})
	require.Equal(t, domain.FailResolved, s.finish().FailReason)
	require.Empty(t, w.bank.Orders(), "it had ended before a byte left")

	w = newTill(t)
	id := w.accepted(agrees, nil)
	begun, err := w.ledger.BeginOrderCall(t.Context(), storage.OrderCall{
		ID: id, To: domain.OrderCreating, From: []domain.OrderState{domain.OrderAccepted},
		Call: storage.Call{Process: id.WorkflowID(), Name: "create", Step: 1, At: time.Now(), Body: w.order(id).CreateBody},
	})
	require.NoError(t, err)
	require.True(t, begun.OK)
	created, err := w.client().Create(t.Context(), w.order(id).CreateBody)
	require.NoError(t, err)
	s = w.sale(id)
	w.scripted(simulated.CallCreate, refuses(400, 1_000_000))
	s.resolves(time.Minute, domain.OrderFailed)
	s.after(2*time.Minute, func() {})
	s.ExecuteWorkflow("Order", s.input)
	require.Equal(t, domain.OrderFailed, w.order(id).State)
	_, err = w.ledger.RecordCallback(t.Context(), storage.Callback{OrderID: id, State: "SUCCESS", SubState: "ACTIVE", BankOrderID: created.OrderID, At: storage.At(time.Now())})
	require.NoError(t, err)
	require.Equal(t, domain.ReasonSaleAfterEnd, w.order(id).OperatorReason)
	unseen, err := w.ledger.UnseenCallbacks(t.Context(), time.Now().Add(time.Hour), "", 9)
	require.NoError(t, err)
	require.Empty(t, unseen, "no process is started for it again and again")
}

// onReturn lays down that people act on a return at a moment, and that its workflow is
// nudged.
func (w *till) onReturn(env *testsuite.TestWorkflowEnvironment, after time.Duration, order domain.StoreOrderID, actions ...storage.Action) {
	env.RegisterDelayedCallback(func() {
		for _, a := range actions {
			_, _, _, err := w.ledger.ActOnReturn(context.Background(), order, "r", a)
			require.NoError(w.t, err)
		}
		env.SignalWorkflow(activities.NudgeSignal, activities.Nudge{Cause: domain.CauseOperator})
	}, after)
}

// Retry asks now, hold stops everything, release goes on at once, and the ladder goes on
// behind them.
func TestOperatorsActOnReturns(t *testing.T) {
	w := newTill(t)
	order := w.sold()
	w.scripted(simulated.CallReturn, simulated.Answer{Fault: simulated.HTML502, Times: 20})
	w.acceptedReturn(order, "r", 3_000_000)
	process := order.ReturnWorkflowID("r")
	made := func() int { n, _ := w.calls(order, simulated.CallReturn); return n }
	before, held := 0, 0
	r := w.comesBack(order, "r", func(env *testsuite.TestWorkflowEnvironment) {
		env.RegisterDelayedCallback(func() { before = made() }, time.Hour-time.Second)
		w.onReturn(env, time.Hour, order, w.inLedger(process, "aigul", domain.ActionRetry, ""))
		env.RegisterDelayedCallback(func() { require.Equal(t, before+1, made(), "at once") }, time.Hour+time.Second)
		w.onReturn(env, time.Hour+2*time.Second, order, w.inLedger(process, "aigul", domain.ActionHold, ""))
		env.RegisterDelayedCallback(func() { held = made() }, time.Hour+3*time.Second)
		env.RegisterDelayedCallback(func() {
			require.Equal(t, held, made(), "nothing is sent while it is held")
			require.True(t, w.goods(order, "r").Held)
		}, 100*time.Hour)
		w.onReturn(env, 100*time.Hour+time.Second, order, w.inLedger(process, "aigul", domain.ActionRelease, ""))
		env.RegisterDelayedCallback(func() { require.Equal(t, held+1, made(), "at once") }, 100*time.Hour+2*time.Second)
	})
	require.Equal(t, domain.ReturnReturned, r.State)
	require.False(t, r.Wake, "it has read what people did")
	calls, err := w.ledger.Attempts(t.Context(), process, 0, 1000)
	require.NoError(t, err)
	causes := map[domain.Cause]int{}
	for _, c := range calls {
		if c.Call == "return" {
			causes[c.Cause]++
			require.True(t, c.Cause == domain.CauseScheduled || c.Waited == 0)
		}
	}
	require.Equal(t, 2, causes[domain.CauseOperator])
}

// A nudge that was lost delays what people did until the return reads the ledger by itself.
func TestReturnsReadTheLedgerWithoutNudges(t *testing.T) {
	w := newTill(t)
	order := w.sold()
	w.acceptedReturn(order, "r", 3_000_000)
	process := order.ReturnWorkflowID("r")
	quietly := func(a storage.Action) {
		_, _, _, err := w.ledger.ActOnReturn(context.Background(), order, "r", a)
		require.NoError(t, err)
	}
	quietly(w.inLedger(process, "aigul", domain.ActionHold, ""))
	r := w.comesBack(order, "r", func(env *testsuite.TestWorkflowEnvironment) {
		env.RegisterDelayedCallback(func() { quietly(w.inLedger(process, "aigul", domain.ActionRelease, "")) }, 10*time.Hour+time.Minute)
		env.RegisterDelayedCallback(func() { require.Equal(t, domain.ReturnReturned, w.goods(order, "r").State) }, 11*time.Hour+time.Minute)
	})
	require.Equal(t, domain.ReturnReturned, r.State)
}

// A return that the bank refuses for ever after a lost answer is ended by two people; the
// next one of the order is taken, and so is a return that could never be sent.
func TestTwoPeopleEndAReturn(t *testing.T) {
	for name, lay := range map[string]func(w *till){
		"sent": func(w *till) {
			w.scripted(simulated.CallReturn, simulated.Answer{Fault: simulated.ResetBefore}, refuses(400, 1_000_000))
		},
		"the order's card cannot be read": func(w *till) { w.scripted(simulated.CallData, refuses(400, 1_000_000)) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newTill(t)
			order := w.sold()
			lay(w)
			w.acceptedReturn(order, "r", 3_000_000)
			process := order.ReturnWorkflowID("r")
			r := w.comesBack(order, "r", func(env *testsuite.TestWorkflowEnvironment) {
				env.RegisterDelayedCallback(func() { require.True(t, w.goods(order, "r").NeedsOperator) }, 99*time.Hour)
				w.onReturn(env, 100*time.Hour, order,
					w.inLedger(process, "aigul", domain.ActionResolve, "failed"), w.inLedger(process, "berik", domain.ActionResolve, "failed"))
			})
			require.Equal(t, domain.ReturnFailed, r.State)
			require.NotNil(t, r.ResolvedAction)
			w.acceptedReturn(order, "next", 3_000_000)
		})
	}
}
