package storage_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tolem/domain"
	"tolem/storage"
)

// rejected is an outcome by the bank's own refusal.
func rejected(status int, message string) storage.Outcome {
	return storage.Outcome{Kind: string(domain.Invalid), Failure: domain.FailureRejected, HTTPStatus: status, Message: message, Duration: time.Millisecond}
}

// creates begins a create and returns what records its outcome.
func creates(t *testing.T, l *storage.Ledger, id domain.StoreOrderID, step int) func(storage.Outcome) domain.OrderState {
	t.Helper()
	begun := begins(t, l, id, "create", step, domain.OrderCreating, domain.OrderAccepted, domain.OrderCreating)
	require.True(t, begun.OK)
	return func(o storage.Outcome) domain.OrderState {
		t.Helper()
		_, err := l.RecordOrderCall(t.Context(), storage.OrderRecord{
			ID: id, Call: orderCall(id, "create", step), Started: begun.Started, Outcome: o, After: storage.OrderAfter{OperatorReason: domain.ReasonRejected},
		})
		require.NoError(t, err)
		return readOrder(t, l, id).State
	}
}

// The journal decides whether a refusal ends an order: an attempt without an outcome leaves
// it open until that outcome is known.
func TestRefusalIsCertainByTheJournal(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		acceptOrder(t, l, "o")
		first := creates(t, l, "o", 1)
		second := creates(t, l, "o", 2)
		require.Equal(t, domain.OrderCreating, second(rejected(400, "no")), "the first may have created it")
		require.True(t, readOrder(t, l, "o").NeedsOperator)
		require.Equal(t, domain.OrderCreating, first(rejected(401, "who?")), "a late outcome changes no state")
		require.Equal(t, domain.OrderFailed, creates(t, l, "o", 3)(rejected(400, "no")))
		o := readOrder(t, l, "o")
		require.Equal(t, domain.FailRefusedByBank, o.FailReason)
		require.False(t, o.NeedsOperator)

		acceptOrder(t, l, "foreign")
		require.Equal(t, domain.OrderCreating, creates(t, l, "foreign", 1)(rejected(400, "")), "not the bank's own body")
		require.Equal(t, domain.OrderCreating, creates(t, l, "foreign", 2)(rejected(400, "no")))

		acceptOrder(t, l, "called")
		_, err := l.RecordCallback(t.Context(), storage.Callback{OrderID: "called", State: "IN_PROCESS", SubState: "WAITING_FOR_CLIENT", BankOrderID: "b", At: storage.At(noon)})
		require.NoError(t, err)
		require.Equal(t, domain.OrderCreating, creates(t, l, "called", 1)(rejected(400, "no")), "the bank has called back: it has the order")
	})
}

// Returns by the same rule.
func TestRefusedReturnIsCertainByTheJournal(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		o := activeOrder(t, l, "o")
		_, _, err := l.AcceptReturn(t.Context(), returnOf(o.ID, "r", 1000))
		require.NoError(t, err)
		record := func(step int, outcome storage.Outcome) domain.ReturnState {
			t.Helper()
			call := returnCall(o.ID, "r", "return", step)
			begun, err := l.BeginReturn(t.Context(), call)
			require.NoError(t, err)
			require.True(t, begun.OK)
			_, err = l.RecordReturn(t.Context(), call, begun.Started, outcome, storage.ReturnAfter{OperatorReason: domain.ReasonRejected, Message: outcome.Message})
			require.NoError(t, err)
			r, err := l.OrderReturn(t.Context(), o.ID, "r")
			require.NoError(t, err)
			return r.State
		}
		require.Equal(t, domain.ReturnReturning, record(1, rejected(404, "not here")))
		require.Equal(t, domain.ReturnFailed, record(2, rejected(400, "too late")))

		_, _, err = l.AcceptReturn(t.Context(), returnOf(o.ID, "r2", 1000))
		require.NoError(t, err)
		call := returnCall(o.ID, "r2", "return", 1)
		_, err = l.BeginReturn(t.Context(), call)
		require.NoError(t, err)
		call.Call.Step = 2
		begun, err := l.BeginReturn(t.Context(), call)
		require.NoError(t, err)
		_, err = l.RecordReturn(t.Context(), call, begun.Started, rejected(400, "no"), storage.ReturnAfter{OperatorReason: domain.ReasonRejected})
		require.NoError(t, err)
		r, err := l.OrderReturn(t.Context(), o.ID, "r2")
		require.NoError(t, err)
		require.Equal(t, domain.ReturnReturning, r.State, "the attempt that died may have been taken")
		require.True(t, r.NeedsOperator)
	})
}
