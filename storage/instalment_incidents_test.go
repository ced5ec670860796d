package storage_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tolem/domain"
	"tolem/storage"
)

// about are the open incidents of an order, reason by reason, with their facts.
func about(t *testing.T, l *storage.Ledger, id domain.StoreOrderID) map[domain.OperatorReason][]string {
	t.Helper()
	yes := true
	facts := map[domain.OperatorReason][]string{}
	for _, i := range incidentsOf(t, l, storage.IncidentFilter{Process: domain.ProcessOrder, Subject: string(id), Open: &yes}) {
		for _, e := range i.Entries {
			facts[i.Reason] = append(facts[i.Reason], e.Evidence)
		}
	}
	return facts
}

func callsBack(t *testing.T, l *storage.Ledger, id domain.StoreOrderID, state, sub string) {
	t.Helper()
	_, err := l.RecordCallback(t.Context(), storage.Callback{OrderID: id, State: state, SubState: sub, BankOrderID: "b-7", At: storage.At(noon)})
	require.NoError(t, err)
}

func unseen(t *testing.T, l *storage.Ledger) int {
	t.Helper()
	ids, err := l.UnseenCallbacks(t.Context(), noon.Add(time.Hour), "", 99)
	require.NoError(t, err)
	return len(ids)
}

// A callback that contradicts the end of an order reaches a person, and starts no process
// again and again; one that does not, and that nobody can ask about, starts none either.
func TestCallbackAfterTheEnd(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		acceptOrder(t, l, "refused")
		require.Equal(t, domain.OrderFailed, creates(t, l, "refused", 1)(rejected(400, "no")))
		callsBack(t, l, "refused", "FAIL", "FAIL")
		require.Empty(t, about(t, l, "refused"), "it says what we know")
		callsBack(t, l, "refused", "SUCCESS", "ACTIVE")
		require.Equal(t, map[domain.OperatorReason][]string{domain.ReasonSaleAfterEnd: {
			"callback SUCCESS/ACTIVE of the bank's order b-7; the order ended failed (refused_by_bank)"}}, about(t, l, "refused"))
		callsBack(t, l, "refused", "SUCCESS", "ACTIVE")
		require.Len(t, about(t, l, "refused")[domain.ReasonSaleAfterEnd], 1, "the same news")
		callsBack(t, l, "refused", "SUCCESS", "DONE")
		require.Len(t, about(t, l, "refused")[domain.ReasonSaleAfterEnd], 2)
		o := readOrder(t, l, "refused")
		require.True(t, o.NeedsOperator)
		require.Equal(t, domain.OrderFailed, o.State)
		require.Equal(t, 0, unseen(t, l))

		waitingForStore(t, l, "failed")
		require.True(t, records(t, l, "failed", "state", 3, 0, storage.OrderAfter{State: domain.OrderFailed, FailReason: "FAIL", Bank: told("FAIL", "FAIL")}))
		callsBack(t, l, "failed", "IN_PROCESS", "WAITING_FOR_STORE_CONFIRM")
		require.Empty(t, about(t, l, "failed"), "old news")
		require.Equal(t, 1, unseen(t, l), "asked once, as its number is known")
		callsBack(t, l, "failed", "SUCCESS", "ACTIVE")
		require.Len(t, about(t, l, "failed"), 1)
		require.Equal(t, 0, unseen(t, l))
	})
}

// News of older ledgers, that came before the end and that nobody can ask about.
func TestCallbackBeforeTheEnd(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		acceptOrder(t, l, "o")
		callsBack(t, l, "o", "SUCCESS", "ACTIVE")
		require.NoError(t, l.SettleCallbacks(t.Context(), "o"))
		require.Equal(t, 1, unseen(t, l), "the order is open")
		o, err := l.Decide(t.Context(), "o", domain.DecisionReject, "till")
		require.NoError(t, err)
		require.Equal(t, domain.OrderAccepted, o.State, "the bank has called back: it may have it")
		_, err = l.EndOrder(t.Context(), storage.OrderEnding{ID: "o", Step: 1, State: domain.OrderFailed, FailReason: domain.FailRejectedByStore, Unsent: true})
		require.NoError(t, err)
		require.NoError(t, l.SettleCallbacks(t.Context(), "o"))
		require.Equal(t, 0, unseen(t, l))
		require.Contains(t, about(t, l, "o"), domain.ReasonSaleAfterEnd)
	})
}

// What a call learns, during and after: a person closes it, not the process going on.
func TestContradictionsOfCalls(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		only := func(id domain.StoreOrderID, why domain.OperatorReason, facts ...string) {
			t.Helper()
			require.Equal(t, map[domain.OperatorReason][]string{why: facts}, about(t, l, id))
			require.True(t, readOrder(t, l, id).NeedsOperator)
		}
		waitingForStore(t, l, "late")
		_, err := l.Decide(t.Context(), "late", domain.DecisionReject, "till")
		require.NoError(t, err)
		for step := 3; step < 5; step++ {
			require.True(t, records(t, l, "late", "state", step, 0, storage.OrderAfter{State: domain.OrderActive, Bank: told("SUCCESS", "ACTIVE")}))
		}
		require.True(t, records(t, l, "late", "check_paid", 5, 0, storage.OrderAfter{State: domain.OrderPaidOut}))
		require.Equal(t, domain.OrderPaidOut, readOrder(t, l, "late").State)
		only("late", domain.ReasonDecisionTooLate, "state answered SUCCESS/ACTIVE; the store decided reject")

		waitingForStore(t, l, "expired")
		_, err = l.Decide(t.Context(), "expired", domain.DecisionConfirm, "till")
		require.NoError(t, err)
		require.True(t, records(t, l, "expired", "state", 3, 0, storage.OrderAfter{
			State: domain.OrderFailed, FailReason: "CONFIRM_TIME_EXPIRED", Bank: told("FAIL", "CONFIRM_TIME_EXPIRED")}))
		only("expired", domain.ReasonConfirmedFailed, "state answered FAIL/CONFIRM_TIME_EXPIRED; the store decided confirm")

		activeOrder(t, l, "paid")
		require.True(t, records(t, l, "paid", "check_paid", 4, 0, storage.OrderAfter{State: domain.OrderPaidOut}))
		moved := storage.OrderRecord{ID: "paid", Call: orderCall("paid", "state", 4), Outcome: bankAnswered, After: storage.OrderAfter{Bank: told("FAIL", "FAIL")}}
		for range 2 {
			changed, err := l.MoveOrder(t.Context(), moved)
			require.NoError(t, err)
			require.False(t, changed)
		}
		only("paid", domain.ReasonPayoutContradicted, "state answered FAIL/FAIL; the order ended paid_out; the store decided confirm")

		acceptOrder(t, l, "resolved") // while a create was on its way
		answer := begins(t, l, "resolved", "create", 1, domain.OrderCreating, domain.OrderAccepted)
		p := &person{t: t, l: l, id: "resolved", now: noon}
		p.does("aigul", domain.ActionResolve, domain.OrderFailed)
		p.does("berik", domain.ActionResolve, domain.OrderFailed)
		require.False(t, records(t, l, "resolved", "create", 1, answer.Started, storage.OrderAfter{State: domain.OrderWaitingForClient, BankOrderID: "b-1"}))
		only("resolved", domain.ReasonSaleAfterEnd, "create answered the bank's order b-1; the order ended failed (resolved)")
	})
}
