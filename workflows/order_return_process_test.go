package workflows_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/testsuite"

	"tolem/activities"
	"tolem/domain"
	"tolem/partners/cfront"
	simulated "tolem/simulators/cfront"
	"tolem/storage"
	"tolem/workflows"
)

// sold is an order that the bank has paid out.
func (w *till) sold() domain.StoreOrderID {
	w.t.Helper()
	id := w.accepted(agrees, func(o *storage.InstalmentOrder) { o.AutoConfirm = true })
	require.Equal(w.t, domain.OrderPaidOut, w.sale(id).finish().State)
	return id
}

// acceptedReturn commits a return as the API does.
func (w *till) acceptedReturn(order domain.StoreOrderID, id domain.StoreReturnID, sum domain.Money) {
	w.t.Helper()
	body, err := cfront.ReturnRequest{OrderID: w.order(order).BankOrderID, Sum: sum, StoreReturnID: string(id), ToCard: true}.Body(cfront.Dialect{})
	require.NoError(w.t, err)
	_, created, err := w.ledger.AcceptReturn(w.t.Context(), storage.OrderReturn{
		OrderID: order, ID: id, Caller: "till-1", RequestSHA256: "-", Sum: sum, ToCard: true, Body: body,
		RetryInitial: time.Second, RetryFactorMilli: 2000, CreatedAt: storage.At(time.Now()),
	})
	require.NoError(w.t, err)
	require.True(w.t, created)
}

// comesBack runs a return's workflow to its end and compares ledger and books.
func (w *till) comesBack(order domain.StoreOrderID, id domain.StoreReturnID, change func(*testsuite.TestWorkflowEnvironment)) storage.OrderReturn {
	w.t.Helper()
	env := w.environment()
	if change != nil {
		change(env)
	}
	terms := workflows.OrderTerms{PartnerTimeout: 2 * time.Second, RaiseAfter: 15 * time.Minute}
	r := w.goods(order, id)
	env.ExecuteWorkflow(workflows.Return, terms.Return(order, id, r.Ladder()))
	require.NoError(w.t, env.GetWorkflowError())
	var result workflows.ReturnResult
	require.NoError(w.t, env.GetWorkflowResult(&result))
	r = w.goods(order, id)
	require.Equal(w.t, r.State, result.State)
	require.False(w.t, r.NeedsOperator)
	booked, _ := w.bank.Order(string(order))
	taken := domain.Money(0)
	for _, b := range booked.Returns {
		if b.StoreReturnID == string(id) {
			taken += domain.Money(b.Sum)
		}
	}
	want := domain.Money(0)
	if r.State == domain.ReturnReturned {
		want = r.Sum
	}
	require.Equal(w.t, want, taken, "what the bank took back, once or not at all")
	w.journalled(r.WorkflowID(), order, map[string]string{"return": simulated.CallReturn})
	return r
}

func (w *till) goods(order domain.StoreOrderID, id domain.StoreReturnID) storage.OrderReturn {
	w.t.Helper()
	r, err := w.ledger.OrderReturn(context.Background(), order, id)
	require.NoError(w.t, err)
	return r
}

// In part, and then the rest: the ledger's sum is the bank's, and the order is RETURNED.
func TestReturns(t *testing.T) {
	w := newTill(t)
	order := w.sold()
	w.acceptedReturn(order, "r/1", 4_000_000)
	require.Equal(t, domain.ReturnReturned, w.comesBack(order, "r/1", nil).State)
	o := w.order(order)
	require.EqualValues(t, 4_000_000, o.ReturnedSum)
	require.Equal(t, "SUCCESS/ACTIVE", o.Bank.String())
	w.acceptedReturn(order, "r/2", 5_000_000)
	require.Equal(t, domain.ReturnReturned, w.comesBack(order, "r/2", nil).State)
	o = w.order(order)
	require.EqualValues(t, 9_000_000, o.ReturnedSum)
	require.Equal(t, domain.OrderPaidOut, o.State, "the end stays")
	require.Equal(t, "SUCCESS/RETURNED", o.Bank.String())
}

// What the bank itself takes back between two attempts is not taken for ours.
func TestBankTakesBackMeanwhile(t *testing.T) {
	for name, fault := range map[string]simulated.Answer{"taken": {Fault: simulated.LostAnswer}, "not taken": {Fault: simulated.ResetBefore}} {
		t.Run(name, func(t *testing.T) {
			w := newTill(t)
			order := w.sold()
			w.scripted(simulated.CallReturn, fault)
			w.acceptedReturn(order, "r", 3_000_000)
			asked := 0
			r := w.comesBack(order, "r", func(env *testsuite.TestWorkflowEnvironment) {
				env.SetOnLocalActivityStartedListener(func(info *activity.Info, _ context.Context, _ []any) {
					if info.ActivityType.Name == "AskReturned" {
						if asked++; asked == 2 { // the first one asks before anything was sent
							require.NoError(t, w.bank.TakeBack(string(order), 4_000_000))
						}
					}
				})
			})
			require.Equal(t, domain.ReturnReturned, r.State)
			made, _ := w.calls(order, simulated.CallReturn)
			require.Equal(t, 2, made)
			require.EqualValues(t, 3_000_000, w.order(order).ReturnedSum)
		})
	}
}

// Whatever becomes of the answer: the bank takes the sum once, and two returns of one sum
// are told apart.
func TestLostAnswersToReturns(t *testing.T) {
	for name, c := range map[string]struct {
		fault simulated.Answer
		sent  int
	}{
		"lost":               {simulated.Answer{Fault: simulated.LostAnswer}, 1},
		"status is not OK":   {simulated.Answer{Fault: simulated.Garbage}, 1},
		"never came":         {simulated.Answer{Fault: simulated.ResetBefore, Times: 2}, 3},
		"server error":       {simulated.Answer{Fault: simulated.StatusAfter, Status: 500, Body: "{}"}, 1},
		"refused afterwards": {simulated.Answer{Fault: simulated.Status, Status: 401, Body: "{}", Times: 2}, 3},
	} {
		t.Run(name, func(t *testing.T) {
			w := newTill(t)
			order := w.sold()
			w.acceptedReturn(order, "first", 3_000_000)
			w.comesBack(order, "first", nil)
			w.scripted(simulated.CallReturn, c.fault)
			w.acceptedReturn(order, "second", 3_000_000)
			require.Equal(t, domain.ReturnReturned, w.comesBack(order, "second", nil).State)
			made, _ := w.calls(order, simulated.CallReturn)
			require.Equal(t, 1+c.sent, made)
			require.EqualValues(t, 6_000_000, w.order(order).ReturnedSum)
		})
	}
}

// Killed between effect and record: whoever takes over reads what the bank took back.
func TestReturnKilledBetweenEffectAndRecord(t *testing.T) {
	w := newTill(t)
	order := w.sold()
	w.acceptedReturn(order, "r", 3_000_000)
	a := w.activities()
	env := (&testsuite.WorkflowTestSuite{}).NewTestActivityEnvironment()
	env.RegisterActivity(a)
	mend := w.unrecorded("return")
	_, err := env.ExecuteActivity(a.ReturnAtBank, activities.ReturnCallInput{OrderID: order, ReturnID: "r", Step: 1, Cause: domain.CauseScheduled})
	require.Error(t, err)
	mend()
	require.Equal(t, domain.ReturnReturned, w.comesBack(order, "r", nil).State)
	made, _ := w.calls(order, simulated.CallReturn)
	require.Equal(t, 1, made)
}

// Unknown for a quarter of an hour: a person is asked, and nothing is given up.
func TestReturnUnknownForTooLong(t *testing.T) {
	w := newTill(t)
	order := w.sold()
	w.scripted(simulated.CallReturn, simulated.Answer{Fault: simulated.HTML502, Times: 12})
	w.acceptedReturn(order, "r", 3_000_000)
	asked := domain.OperatorReason("")
	r := w.comesBack(order, "r", func(env *testsuite.TestWorkflowEnvironment) {
		env.RegisterDelayedCallback(func() { require.False(t, w.goods(order, "r").NeedsOperator) }, 14*time.Minute)
		env.RegisterDelayedCallback(func() { asked = w.goods(order, "r").OperatorReason }, 16*time.Minute)
	})
	require.Equal(t, domain.ReturnReturned, r.State)
	require.Equal(t, domain.ReasonReturnUnknown, asked)
}

// Returned in full before the pay-out was known: there is no sale and no pay-out to wait
// for.
func TestReturnedBeforeThePayout(t *testing.T) {
	w := newTill(t)
	w.set(func(s *simulated.Settings) { s.PayoutDelay = 3_600_000 })
	s := w.sale(w.accepted(agrees, func(o *storage.InstalmentOrder) { o.AutoConfirm = true }))
	s.after(5*time.Minute, func() {
		body, err := cfront.ReturnRequest{OrderID: w.order(s.id).BankOrderID, Sum: 9_000_000, StoreReturnID: "all"}.Body(cfront.Dialect{})
		require.NoError(t, err)
		_, err = w.client().Return(context.Background(), body)
		require.NoError(t, err)
	})
	o := s.finish()
	require.Equal(t, domain.OrderFailed, o.State)
	require.Equal(t, "RETURNED", o.FailReason)
}

// News after the end: forward, once, and never back.
func TestSettledOrderMovesOn(t *testing.T) {
	w := newTill(t)
	order := w.sold()
	move := func() activities.MoveResult {
		t.Helper()
		env := w.environment()
		env.ExecuteWorkflow(workflows.OrderMove, activities.MoveInput{OrderID: order})
		require.NoError(t, env.GetWorkflowError())
		var result activities.MoveResult
		require.NoError(t, env.GetWorkflowResult(&result))
		return result
	}
	require.False(t, move().Moved, "nothing new")
	require.NoError(t, w.bank.Repay(string(order)))
	w.scripted(simulated.CallState, simulated.Answer{Fault: simulated.HTML502, Times: 3}) // asked again until it answers
	require.True(t, move().Moved)
	require.Equal(t, "SUCCESS/DONE", w.order(order).Bank.String())
	require.NoError(t, w.bank.SetState(string(order), simulated.State{Main: "IN_PROCESS", Sub: "WAITING_FOR_CLIENT"}))
	require.False(t, move().Moved)
	require.Equal(t, "SUCCESS/DONE", w.order(order).Bank.String())
	require.Equal(t, domain.OrderPaidOut, w.order(order).State)
}
