package storage_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tolem/domain"
	"tolem/storage"
)

// Rows from before keys lost their quotes hold "abc" with them. The key abc, as either spelling
// is read now, finds each, and a key that is there in both spellings is the one without.
func TestKeysStoredWithQuotes(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		ctx := t.Context()
		old := accept(t, l, request(`"abc"`))
		same := request("abc")
		same.RequestSHA256 = old.RequestSHA256
		for range 2 {
			again, created, err := l.Accept(ctx, same)
			require.NoError(t, err)
			require.False(t, created)
			require.Equal(t, old.ID, again.ID)
			before, err := l.AcceptedBefore(ctx, same)
			require.NoError(t, err)
			require.Equal(t, old.ID, before.ID)
		}
		_, _, err := l.Accept(ctx, request("abc"))
		require.ErrorIs(t, err, storage.ErrKeyReused)
		stranger := same
		stranger.Caller = "another"
		require.NotEqual(t, old.ID, accept(t, l, stranger).ID)
		both := request("both")
		quoted := request("both")
		quoted.IdempotencyKey = `"both"`
		accept(t, l, quoted)
		require.NoError(t, l.Exec(ctx, "UPDATE payments SET idempotency_key = 'x' WHERE idempotency_key = ?", `"both"`))
		plain := accept(t, l, both)
		require.NoError(t, l.Exec(ctx, "UPDATE payments SET idempotency_key = ? WHERE idempotency_key = 'x'", `"both"`))
		again, _, err := l.Accept(ctx, both)
		require.NoError(t, err)
		require.Equal(t, plain.ID, again.ID)

		row := request("row")
		first, batch, err := l.AcceptBatch(ctx, "shop", `"rows"`, []storage.BatchRow{{Payment: row}})
		require.NoError(t, err)
		repeated, of, err := l.AcceptBatch(ctx, "shop", "rows", []storage.BatchRow{{Payment: row}})
		require.NoError(t, err)
		require.Equal(t, batch, of)
		require.Equal(t, first[0].ID, repeated[0].ID)
		require.False(t, repeated[0].Created)
		accepted, err := l.AcceptedRows(ctx, "shop", "rows")
		require.NoError(t, err)
		require.Equal(t, map[int]bool{0: true}, accepted)
	})
}

// The same of what people ask for, and of reported statuses.
func TestKeysOfActionsAndEventsStoredWithQuotes(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		ctx := t.Context()
		take(t, l, today, "a", loan("KD1", 1000))
		o := sent(t, l, "KD1")
		status := func(key string) (storage.PaymentOrderEvent, bool, error) {
			e, _, created, err := l.ReportStatus(ctx, storage.ReportedStatus{Contract: "KD1", Reference: o.OrderRef, Caller: "bank", Key: key, RequestSHA256: "300",
				Status: domain.StatusExecuted, PaidIncrement: 300, EventAt: noon, At: noon})
			return e, created, err
		}
		was, created, err := status(`"e1"`)
		require.NoError(t, err)
		require.True(t, created)
		again, created, err := status("e1")
		require.NoError(t, err)
		require.False(t, created, "booked once")
		require.Equal(t, was.ID, again.ID)
		require.Equal(t, domain.Money(300), order(t, l, "KD1").Paid)

		held, _, err := tries(t, l, "KD1", domain.ActionHold, "aigul", `"h1"`, storage.PaymentOrderAsk{})
		require.NoError(t, err)
		repeated, _, err := tries(t, l, "KD1", domain.ActionHold, "aigul", "h1", storage.PaymentOrderAsk{})
		require.NoError(t, err)
		require.Equal(t, held.ID, repeated.ID)

		id := accept(t, l, request("p")).ID
		action := storage.Action{Process: id.WorkflowID(), Action: domain.ActionHold, Caller: "aigul", IdempotencyKey: `"k1"`, RequestSHA256: "s", Reason: "r", RequestedAt: storage.At(time.Now())}
		placed, err := l.PlaceAction(ctx, action)
		require.NoError(t, err)
		action.IdempotencyKey = "k1"
		found, err := l.PlaceAction(ctx, action)
		require.NoError(t, err)
		require.Equal(t, placed.ID, found.ID)

		action.IdempotencyKey = `"b1"`
		many, err := l.PlaceBulk(ctx, storage.PaymentFilter{}, action, 10)
		require.NoError(t, err)
		require.Len(t, many, 1)
		action.IdempotencyKey = "b1"
		same, err := l.PlaceBulk(ctx, storage.PaymentFilter{}, action, 10)
		require.NoError(t, err)
		require.Equal(t, many[0].ID, same[0].ID)
	})
}
