package storage_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tolem/domain"
	"tolem/storage"
)

// orderRequest is an instalment order as the API hands it over.
func orderRequest(id domain.StoreOrderID) storage.InstalmentOrder {
	return storage.InstalmentOrder{
		ID: id, Caller: "till", RequestSHA256: "sha-" + string(id), Request: `{"invoice":{}}`, ClientPhone: "+77010000017", PointID: "A-1",
		TotalSum: 100_000, CallbackToken: "token-" + string(id), CreateBody: []byte(`{"create":1}`),
		RetryInitial: time.Second, RetryFactorMilli: 2000, CreatedAt: storage.At(noon),
	}
}

func acceptOrder(t *testing.T, l *storage.Ledger, id domain.StoreOrderID) storage.InstalmentOrder {
	t.Helper()
	o, created, err := l.AcceptOrder(t.Context(), orderRequest(id))
	require.NoError(t, err)
	require.True(t, created)
	return o
}

func readOrder(t *testing.T, l *storage.Ledger, id domain.StoreOrderID) storage.InstalmentOrder {
	t.Helper()
	o, err := l.InstalmentOrder(t.Context(), id)
	require.NoError(t, err)
	return o
}

// orderCall is a call to the bank as the activities order it.
func orderCall(id domain.StoreOrderID, name string, step int) storage.Call {
	return storage.Call{Process: id.WorkflowID(), Name: name, Step: step, Execution: "run-1", Cause: domain.CauseScheduled, At: noon, Body: []byte("{}")}
}

func told(state, subState string) *storage.BankStanding {
	s := domain.BankState{State: state, SubState: subState}
	return &storage.BankStanding{BankState: s, Meaning: domain.BankWords{}.Means(s), Message: "m"}
}

var bankAnswered = storage.Outcome{Kind: storage.Answered, HTTPStatus: 200, TraceID: "trace-1", Duration: time.Millisecond}

// begins commits the started row of a call.
func begins(t *testing.T, l *storage.Ledger, id domain.StoreOrderID, name string, step int, to domain.OrderState, from ...domain.OrderState) storage.BegunOrder {
	t.Helper()
	begun, err := l.BeginOrderCall(t.Context(), storage.OrderCall{ID: id, Call: orderCall(id, name, step), To: to, From: from})
	require.NoError(t, err)
	return begun
}

func records(t *testing.T, l *storage.Ledger, id domain.StoreOrderID, name string, step int, started int64, after storage.OrderAfter) bool {
	t.Helper()
	changed, err := l.RecordOrderCall(t.Context(), storage.OrderRecord{
		ID: id, Call: orderCall(id, name, step), Started: started, Outcome: bankAnswered, After: after,
	})
	require.NoError(t, err)
	return changed
}

// waitingForStore takes an order to where its store decides.
func waitingForStore(t *testing.T, l *storage.Ledger, id domain.StoreOrderID) storage.InstalmentOrder {
	t.Helper()
	acceptOrder(t, l, id)
	begun := begins(t, l, id, "create", 1, domain.OrderCreating, domain.OrderAccepted)
	require.True(t, begun.OK)
	require.True(t, records(t, l, id, "create", 1, begun.Started, storage.OrderAfter{State: domain.OrderWaitingForClient, BankOrderID: "bank-" + string(id)}))
	require.True(t, records(t, l, id, "state", 2, 0, storage.OrderAfter{State: domain.OrderWaitingForStore, Bank: told("IN_PROCESS", "WAITING_FOR_STORE_CONFIRM")}))
	return readOrder(t, l, id)
}

// activeOrder takes an order to where the bank has confirmed it.
func activeOrder(t *testing.T, l *storage.Ledger, id domain.StoreOrderID) storage.InstalmentOrder {
	t.Helper()
	waitingForStore(t, l, id)
	_, err := l.Decide(t.Context(), id, domain.DecisionConfirm, "till")
	require.NoError(t, err)
	begun := begins(t, l, id, "confirm", 3, domain.OrderConfirming, domain.OrderWaitingForStore)
	require.True(t, records(t, l, id, "confirm", 3, begun.Started, storage.OrderAfter{State: domain.OrderActive, Bank: told("SUCCESS", "ACTIVE")}))
	return readOrder(t, l, id)
}

func TestAcceptOrderOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		first := acceptOrder(t, l, "чек 1/2")
		require.Equal(t, first, readOrder(t, l, "чек 1/2"))
		require.Equal(t, domain.OrderAccepted, first.State)

		again, created, err := l.AcceptOrder(t.Context(), orderRequest("чек 1/2"))
		require.NoError(t, err)
		require.False(t, created)
		require.Equal(t, first, again)

		for _, change := range []func(*storage.InstalmentOrder){
			func(o *storage.InstalmentOrder) { o.RequestSHA256 = "another" },
			func(o *storage.InstalmentOrder) { o.Caller = "another till" },
		} {
			other := orderRequest("чек 1/2")
			change(&other)
			_, _, err = l.AcceptOrder(t.Context(), other)
			require.ErrorIs(t, err, storage.ErrOrderIDTaken)
		}
		_, err = l.InstalmentOrder(t.Context(), "nobody's")
		require.ErrorIs(t, err, storage.ErrNotFound)

		byToken, err := l.OrderOfToken(t.Context(), first.CallbackToken)
		require.NoError(t, err)
		require.Equal(t, first.ID, byToken.ID)
		_, err = l.OrderOfToken(t.Context(), "guessed")
		require.ErrorIs(t, err, storage.ErrNotFound)
	})
}

// From acceptance to the pay-out, every column on its way.
func TestOrderIsRecordedStepByStep(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		o := acceptOrder(t, l, "o")
		begun := begins(t, l, o.ID, "create", 1, domain.OrderCreating, domain.OrderAccepted, domain.OrderCreating)
		require.Equal(t, storage.BegunOrder{OK: true, Started: begun.Started, Attempt: 1, First: true}, begun)
		require.Equal(t, noon, readOrder(t, l, o.ID).CreateSentAt.Time)
		require.True(t, records(t, l, o.ID, "create", 1, begun.Started, storage.OrderAfter{Waits: 1, NextWait: time.Minute, OperatorReason: domain.ReasonRejected}))
		o = readOrder(t, l, o.ID)
		require.Equal(t, domain.OrderCreating, o.State)
		require.True(t, o.NeedsOperator)
		require.Equal(t, noon.Add(time.Minute+time.Millisecond), o.NextAttemptAt.Time)

		again := begins(t, l, o.ID, "create", 2, domain.OrderCreating, domain.OrderAccepted, domain.OrderCreating)
		require.False(t, again.First, "an earlier one may have created it")
		require.Equal(t, 2, again.Attempt)
		require.True(t, records(t, l, o.ID, "create", 2, again.Started, storage.OrderAfter{State: domain.OrderWaitingForClient, BankOrderID: "b-1"}))
		o = readOrder(t, l, o.ID)
		require.Equal(t, "b-1", o.BankOrderID)
		require.False(t, o.NeedsOperator, "it moves again")
		require.Nil(t, o.NextAttemptAt)
		require.Equal(t, noon, o.CreateSentAt.Time, "of the first")

		yes := true
		require.True(t, records(t, l, o.ID, "state", 3, 0, storage.OrderAfter{Bank: told("STRANGE", "x"), OperatorReason: domain.ReasonUnknownBankState}))
		require.True(t, readOrder(t, l, o.ID).NeedsOperator)
		require.True(t, records(t, l, o.ID, "state", 4, 0, storage.OrderAfter{Bank: told("IN_PROCESS", "WAITING_FOR_CLIENT")}))
		require.False(t, readOrder(t, l, o.ID).NeedsOperator, "the bank speaks legibly again")
		require.True(t, records(t, l, o.ID, "state", 5, 0, storage.OrderAfter{State: domain.OrderWaitingForStore, Bank: told("IN_PROCESS", "WAITING_FOR_STORE_CONFIRM")}))
		require.True(t, records(t, l, o.ID, "letter_data", 6, 0, storage.OrderAfter{ContractNumber: "17/3", ContractDate: "2026-02-17"}))
		require.True(t, records(t, l, o.ID, "validate", 7, 0, storage.OrderAfter{ClientFound: &yes}))
		require.False(t, records(t, l, o.ID, "state", 7, 0, storage.OrderAfter{State: domain.OrderFailed}), "the same step again")

		require.True(t, records(t, l, o.ID, "state", 8, 0, storage.OrderAfter{State: domain.OrderActive, Bank: told("SUCCESS", "ACTIVE")}))
		o = readOrder(t, l, o.ID)
		require.Equal(t, noon.Add(time.Millisecond), o.ActiveAt.Time)
		require.Equal(t, "17/3", o.ContractNumber)
		require.True(t, *o.ClientFound)
		require.True(t, records(t, l, o.ID, "check_paid", 9, 0, storage.OrderAfter{State: domain.OrderPaidOut, ToCard: &yes}))
		o = readOrder(t, l, o.ID)
		require.Equal(t, domain.OrderPaidOut, o.State)
		require.True(t, *o.ToCard)
		require.NotNil(t, o.EndedAt)
		require.Equal(t, domain.BankState{State: "SUCCESS", SubState: "ACTIVE"}, o.Bank)
		require.Equal(t, domain.BankActive, o.BankMeaning)

		require.False(t, records(t, l, o.ID, "state", 99, 0, storage.OrderAfter{State: domain.OrderFailed}), "nothing leaves the end")
		require.False(t, begins(t, l, o.ID, "confirm", 99, domain.OrderConfirming, domain.OpenOrderStates()...).OK)
		calls, err := l.Attempts(t.Context(), o.ID.WorkflowID(), 0, 99)
		require.NoError(t, err)
		require.Len(t, calls, 11, "every call is in the journal, also those that changed nothing")
		require.Equal(t, "trace-1", calls[0].TraceID)
	})
}

// A call begun twice by one step is an execution that died in between.
func TestBegunOrderCallsAreRecovered(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		acceptOrder(t, l, "o")
		require.True(t, begins(t, l, "o", "create", 1, domain.OrderCreating, domain.OrderAccepted, domain.OrderCreating).First)
		require.False(t, begins(t, l, "o", "create", 1, domain.OrderCreating, domain.OrderAccepted, domain.OrderCreating).First)
		calls, err := l.Attempts(t.Context(), "order/o", 0, 99)
		require.NoError(t, err)
		require.Equal(t, []domain.Cause{domain.CauseScheduled, domain.CauseRecovery}, []domain.Cause{calls[0].Cause, calls[1].Cause})
		require.False(t, calls[0].Reported)
		require.False(t, begins(t, l, "o", "confirm", 2, domain.OrderConfirming, domain.OrderWaitingForStore).OK, "not from here")
	})
}

// The store decides once; the other decision is told who decided and when.
func TestDecideOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		o := waitingForStore(t, l, "o")
		var all sync.WaitGroup
		var took [20]domain.Decision
		for n := range 20 {
			all.Go(func() {
				d := []domain.Decision{domain.DecisionConfirm, domain.DecisionReject}[n%2]
				now, err := l.Decide(t.Context(), o.ID, d, fmt.Sprint("till-", n))
				took[n] = now.Decision
				if now.Decision == d {
					require.NoError(t, err)
				} else {
					require.ErrorIs(t, err, storage.ErrDecided)
				}
			})
		}
		all.Wait()
		now := readOrder(t, l, o.ID)
		require.NotEmpty(t, now.Decision)
		for _, d := range took {
			require.Equal(t, now.Decision, d, "one decision for everybody")
		}
		require.NotEmpty(t, now.DecidedBy)
		require.Equal(t, o.Step, now.Step, "it is no state write")

		acceptOrder(t, l, "early")
		_, err := l.Decide(t.Context(), "early", domain.DecisionConfirm, "till")
		require.ErrorIs(t, err, storage.ErrNotDeciding)
		_, err = l.Decide(t.Context(), "early", domain.DecisionReject, "till")
		require.NoError(t, err)
		require.False(t, begins(t, l, "early", "create", 1, domain.OrderCreating, domain.OrderAccepted).OK, "nothing is sent for an order that is rejected")
		ended, err := l.EndOrder(t.Context(), storage.OrderEnding{ID: "early", Step: 1, State: domain.OrderFailed, FailReason: domain.FailRejectedByStore, Unsent: true})
		require.NoError(t, err)
		require.Equal(t, domain.OrderFailed, ended.State)
		require.Equal(t, domain.FailRejectedByStore, ended.FailReason)
		_, err = l.Decide(t.Context(), "early", domain.DecisionReject, "till")
		require.NoError(t, err, "the recorded decision again, after the end")
		_, err = l.Decide(t.Context(), "nobody's", domain.DecisionReject, "till")
		require.ErrorIs(t, err, storage.ErrNotFound)

		acceptOrder(t, l, "sent")
		begins(t, l, "sent", "create", 1, domain.OrderCreating, domain.OrderAccepted)
		_, err = l.Decide(t.Context(), "sent", domain.DecisionReject, "till")
		require.NoError(t, err)
		require.True(t, begins(t, l, "sent", "create", 2, domain.OrderCreating, domain.OrderCreating).OK, "the bank may have it: its number is needed to reject")
		open, err := l.EndOrder(t.Context(), storage.OrderEnding{ID: "sent", Step: 9, State: domain.OrderFailed, Unsent: true})
		require.NoError(t, err)
		require.Equal(t, domain.OrderCreating, open.State)
	})
}

// Held orders begin no call but what a person asks for; the effect is written once.
func TestHoldOrder(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		acceptOrder(t, l, "o")
		act := func(key string, action domain.Action) int64 {
			placed, err := l.PlaceAction(t.Context(), storage.Action{Process: "order/o", Action: action, Caller: "aigul", IdempotencyKey: key, RequestSHA256: key, RequestedAt: storage.At(noon)})
			require.NoError(t, err)
			return placed.ID
		}
		follow := func(id int64, effect domain.Effect) {
			require.NoError(t, l.FollowOrder(t.Context(), storage.OrderFollowing{ID: "o", ActionID: id, Effect: effect, Execution: "run-1"}))
		}
		hold, release := act("h", domain.ActionHold), act("r", domain.ActionRelease)
		follow(hold, domain.EffectHeld)
		require.True(t, readOrder(t, l, "o").Held)
		require.False(t, begins(t, l, "o", "create", 1, domain.OrderCreating, domain.OrderAccepted).OK)
		call := orderCall("o", "create", 1)
		call.Cause = domain.CauseOperator
		begun, err := l.BeginOrderCall(t.Context(), storage.OrderCall{ID: "o", Call: call, To: domain.OrderCreating, From: []domain.OrderState{domain.OrderAccepted}})
		require.NoError(t, err)
		require.True(t, begun.OK)
		follow(release, domain.EffectReleased)
		require.False(t, readOrder(t, l, "o").Held)
		follow(hold, domain.EffectHeld) // a frozen execution wakes late
		require.False(t, readOrder(t, l, "o").Held)

		late := act("l", domain.ActionHold)
		require.True(t, records(t, l, "o", "create", 5, begun.Started, storage.OrderAfter{State: domain.OrderFailed, FailReason: domain.FailRefusedByBank}))
		follow(late, domain.EffectHeld)
		require.False(t, readOrder(t, l, "o").Held)
		placed, err := l.Action(t.Context(), "order/o", late)
		require.NoError(t, err)
		require.Empty(t, placed.Effect, "an order that has ended is not held")

		require.NoError(t, l.FlagOrder(t.Context(), "o", domain.ReasonCreateUnknown, "run-1"))
		require.False(t, readOrder(t, l, "o").NeedsOperator)
		acceptOrder(t, l, "p")
		require.NoError(t, l.FlagOrder(t.Context(), "p", domain.ReasonCreateUnknown, "run-1"))
		require.True(t, readOrder(t, l, "p").NeedsOperator)
	})
}

// News is kept once, and is seen when the state was asked after it came.
func TestCallbacksAreKeptOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		o := waitingForStore(t, l, "o")
		news := storage.Callback{OrderID: o.ID, State: "FAIL", SubState: "REJECTED_BY_CLIENT", BankOrderID: "b", At: storage.At(noon.Add(time.Second))}
		fresh, err := l.RecordCallback(t.Context(), news)
		require.NoError(t, err)
		require.True(t, fresh)
		fresh, err = l.RecordCallback(t.Context(), news)
		require.NoError(t, err)
		require.False(t, fresh)
		unseen := func() []domain.StoreOrderID {
			ids, err := l.UnseenCallbacks(t.Context(), noon.Add(time.Hour), "", 10)
			require.NoError(t, err)
			return ids
		}
		require.Equal(t, []domain.StoreOrderID{"o"}, unseen())
		early, err := l.UnseenCallbacks(t.Context(), noon, "", 10)
		require.NoError(t, err)
		require.Empty(t, early, "the workflow is being told")

		require.True(t, records(t, l, o.ID, "state", 10, 0, storage.OrderAfter{Bank: told("IN_PROCESS", "WAITING_FOR_STORE_CONFIRM")}))
		require.Equal(t, []domain.StoreOrderID{"o"}, unseen(), "asked before the news came")
		call := orderCall(o.ID, "state", 11)
		call.At = noon.Add(2 * time.Second)
		_, err = l.RecordOrderCall(t.Context(), storage.OrderRecord{ID: o.ID, Call: call, Outcome: storage.Outcome{Kind: "unknown"}})
		require.NoError(t, err)
		require.Equal(t, []domain.StoreOrderID{"o"}, unseen(), "the bank did not answer")
		_, err = l.RecordOrderCall(t.Context(), storage.OrderRecord{ID: o.ID, Call: call, Outcome: bankAnswered, After: storage.OrderAfter{Bank: told("FAIL", "REJECTED_BY_CLIENT")}})
		require.NoError(t, err)
		require.Empty(t, unseen())
	})
}

// A settled order moves forward after its end, never back, and its own state stays.
func TestMoveSettledOrder(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		o := activeOrder(t, l, "o")
		move := func(state, subState string) bool {
			moved, err := l.MoveOrder(t.Context(), storage.OrderRecord{ID: o.ID, Call: orderCall(o.ID, "state", 4), Outcome: bankAnswered,
				After: storage.OrderAfter{Bank: told(state, subState)}})
			require.NoError(t, err)
			return moved
		}
		require.False(t, move("SUCCESS", "DONE"), "its own workflow moves an open order")
		require.True(t, records(t, l, o.ID, "check_paid", 5, 0, storage.OrderAfter{State: domain.OrderPaidOut}))
		require.False(t, move("SUCCESS", "ACTIVE"))
		require.True(t, move("SUCCESS", "DONE"))
		require.False(t, move("SUCCESS", "DONE"))
		require.False(t, move("IN_PROCESS", "WAITING_FOR_CLIENT"))
		require.False(t, move("FAIL", "FAIL"))
		require.True(t, move("SUCCESS", "RETURNED"))
		require.False(t, move("SUCCESS", "DONE"))
		now := readOrder(t, l, o.ID)
		require.Equal(t, domain.OrderPaidOut, now.State)
		require.Equal(t, "SUCCESS/RETURNED", now.Bank.String())
	})
}

func TestOrdersPageByCursorAndFilter(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		for n := range 25 {
			o := orderRequest(domain.StoreOrderID(fmt.Sprintf("чек/%02d", n)))
			o.CreatedAt = storage.At(noon.Add(time.Duration(n/5) * time.Minute)) // five share an instant
			o.PointID = fmt.Sprint("P-", n%2)
			_, _, err := l.AcceptOrder(t.Context(), o)
			require.NoError(t, err)
			if n%5 == 0 {
				_, err := l.EndOrder(t.Context(), storage.OrderEnding{ID: o.ID, Step: 1, State: domain.OrderFailed})
				require.NoError(t, err)
			}
		}
		seen, cursor := map[domain.StoreOrderID]bool{}, ""
		for {
			page, next, err := l.InstalmentOrders(t.Context(), storage.OrderFilter{}, cursor, 7)
			require.NoError(t, err)
			for i, o := range page {
				require.False(t, seen[o.ID])
				seen[o.ID] = true
				require.True(t, i == 0 || !page[i-1].CreatedAt.Before(o.CreatedAt.Time))
			}
			if cursor = next; next == "" {
				break
			}
		}
		require.Len(t, seen, 25)
		no := false
		for want, f := range map[int]storage.OrderFilter{
			5:  {States: []domain.OrderState{domain.OrderFailed}},
			20: {States: domain.OpenOrderStates(), NeedsOperator: &no, Held: &no},
			13: {PointID: "P-0", Caller: "till"},
			10: {CreatedBefore: noon.Add(2 * time.Minute)},
			15: {CreatedAfter: noon.Add(2 * time.Minute)},
			8:  {StuckSince: noon.Add(2 * time.Minute)}, // two of the ten have failed
			0:  {Caller: "nobody"},
		} {
			page, _, err := l.InstalmentOrders(t.Context(), f, "", 100)
			require.NoError(t, err)
			require.Len(t, page, want, "%+v", f)
		}
		for _, bad := range []string{"!", "bm90IGEgY3Vyc29y", "MS4"} {
			_, _, err := l.InstalmentOrders(t.Context(), storage.OrderFilter{}, bad, 7)
			require.ErrorIs(t, err, storage.ErrCursor)
		}
		open, err := l.OpenOrders(t.Context(), noon.Add(time.Hour), "", 8)
		require.NoError(t, err)
		require.Len(t, open, 8)
		rest, err := l.OpenOrders(t.Context(), noon.Add(time.Hour), open[7].ID, 100)
		require.NoError(t, err)
		require.Len(t, rest, 12)
		young, err := l.OpenOrders(t.Context(), noon, "", 100)
		require.NoError(t, err)
		require.Empty(t, young)
	})
}
