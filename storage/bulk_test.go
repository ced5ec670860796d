package storage_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tolem/domain"
	"tolem/storage"
)

// bulkOf is a bulk order as the API hands it over.
func bulkOf(who, key string) storage.Action {
	return storage.Action{Action: domain.ActionHold, Caller: who, IdempotencyKey: key, RequestSHA256: "sha-" + key, Reason: "outage", RequestedAt: storage.At(noon)}
}

func ids(t *testing.T, orders []storage.Action) (ids []domain.AgentTransactionID) {
	for _, o := range orders {
		ids = append(ids, paymentOf(t, o))
	}
	return ids
}

// One order for each open payment that matches, and for no other.
func TestPlaceBulk(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		var want []domain.AgentTransactionID
		for i := range 3 {
			p, _ := paying(t, l, fmt.Sprint("paying ", i))
			want = append(want, p.ID)
		}
		over := accept(t, l, request("over"))
		_, err := end(l, over.ID, 1, domain.StateCancelled)
		require.NoError(t, err)
		other := request("other")
		other.ServiceID = "P9"
		accept(t, l, other)

		filter := storage.PaymentFilter{ServiceID: "P1011"}
		orders, err := l.PlaceBulk(t.Context(), filter, bulkOf("aigul", "b"), 3)
		require.NoError(t, err)
		require.Equal(t, want, ids(t, orders))
		for i, o := range orders {
			row := bulkOf("aigul", "b "+want[i].String())
			row.ID, row.Process, row.Bulk, row.RequestSHA256 = o.ID, want[i].WorkflowID(), "b", "sha-b"
			require.Equal(t, row, o)
			require.Equal(t, row, placedOrder(t, l, o))
		}
		matching, err := l.Matching(t.Context(), filter, 3)
		require.NoError(t, err)
		require.Len(t, matching, 3)
		for i, p := range matching {
			require.Equal(t, want[i], p.ID)
		}
	})
}

// The same key again returns the orders that are there with their effects,
// whatever matches by now. Another request under the key is refused; another
// caller's key is another key.
func TestPlaceBulkAgain(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		for i := range 3 {
			paying(t, l, fmt.Sprint("k", i))
		}
		first, err := l.PlaceBulk(t.Context(), storage.PaymentFilter{}, bulkOf("aigul", "b"), 10)
		require.NoError(t, err)
		follow(t, l, first[1], domain.EffectHeld)
		_, err = end(l, paymentOf(t, first[2]), 9, domain.StateSucceeded)
		require.NoError(t, err)
		paying(t, l, "later")

		again, err := l.PlaceBulk(t.Context(), storage.PaymentFilter{}, bulkOf("aigul", "b"), 1)
		require.NoError(t, err)
		require.Equal(t, ids(t, first), ids(t, again))
		require.Equal(t, []domain.Effect{"", domain.EffectHeld, ""}, []domain.Effect{again[0].Effect, again[1].Effect, again[2].Effect})

		other := bulkOf("aigul", "b")
		other.RequestSHA256 = "another"
		orders, err := l.PlaceBulk(t.Context(), storage.PaymentFilter{}, other, 10)
		require.ErrorIs(t, err, storage.ErrKeyReused)
		require.Empty(t, orders)
		theirs, err := l.PlaceBulk(t.Context(), storage.PaymentFilter{}, bulkOf("marat", "b"), 10)
		require.NoError(t, err)
		require.Len(t, theirs, 3)
		for _, o := range theirs {
			require.Equal(t, "marat", o.Caller)
			require.Empty(t, o.Effect)
		}
	})
}

func TestPlaceBulkLimits(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		for i := range 3 {
			paying(t, l, fmt.Sprint("k", i))
		}
		orders, err := l.PlaceBulk(t.Context(), storage.PaymentFilter{}, bulkOf("aigul", "b"), 2)
		require.ErrorIs(t, err, storage.ErrTooMany)
		require.Empty(t, orders)
		_, err = l.Matching(t.Context(), storage.PaymentFilter{}, 2)
		require.ErrorIs(t, err, storage.ErrTooMany)
		orders, err = l.PlaceBulk(t.Context(), storage.PaymentFilter{ServiceID: "none"}, bulkOf("aigul", "b"), 2)
		require.NoError(t, err)
		require.Empty(t, orders)
		orders, err = l.PlaceBulk(t.Context(), storage.PaymentFilter{}, bulkOf("aigul", "b"), 3)
		require.NoError(t, err)
		require.Len(t, orders, 3, "nothing was placed under the key before")
	})
}

// More orders than one statement can insert are placed all.
func TestPlaceBulkOfMany(t *testing.T) {
	for name, address := range addresses(t) {
		t.Run(name, func(t *testing.T) {
			l := open(t, address)
			for i := range 41 {
				accept(t, l, request(fmt.Sprint("k", i)))
			}
			db, _ := database(t, address)
			for copies := range 6 { // each time as many again
				for _, statement := range []string{
					"CREATE TABLE copied AS SELECT * FROM payments",
					fmt.Sprintf("UPDATE copied SET id = id + 1000 * (1 << %d), idempotency_key = idempotency_key || ' %d'", copies, copies),
					"INSERT INTO payments SELECT * FROM copied",
					"DROP TABLE copied",
				} {
					_, err := db.ExecContext(t.Context(), statement)
					require.NoError(t, err)
				}
			}
			orders, err := l.PlaceBulk(t.Context(), storage.PaymentFilter{}, bulkOf("aigul", "b"), 10_000)
			require.NoError(t, err)
			require.Len(t, orders, 41*64)
			again, err := l.PlaceBulk(t.Context(), storage.PaymentFilter{}, bulkOf("aigul", "b"), 10_000)
			require.NoError(t, err)
			require.Equal(t, orders, again)
		})
	}
}

// Equal bulk orders at once are one; of two different ones under one key, for
// payments that have nothing to do with each other, one is refused.
func TestPlaceBulkAtOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		for i := range 30 {
			p := request(fmt.Sprint("k", i))
			p.ServiceID = fmt.Sprint("P", i%2)
			accept(t, l, p)
		}
		placed := make([][]storage.Action, 10)
		for _, err := range atOnce(len(placed), func(i int) (err error) {
			placed[i], err = l.PlaceBulk(context.Background(), storage.PaymentFilter{}, bulkOf("aigul", "b"), 100)
			return err
		}) {
			require.NoError(t, err)
		}
		require.Len(t, placed[0], 30)
		for _, orders := range placed {
			require.Equal(t, placed[0], orders)
		}

		for round := range 5 {
			key := fmt.Sprint("c", round)
			outcomes := atOnce(2, func(i int) error {
				bulk := bulkOf("aigul", key)
				bulk.RequestSHA256 = fmt.Sprint(i)
				_, err := l.PlaceBulk(context.Background(), storage.PaymentFilter{ServiceID: fmt.Sprint("P", i)}, bulk, 100)
				return err
			})
			loser := 0
			if outcomes[0] == nil {
				loser = 1
			}
			require.NoError(t, outcomes[1-loser])
			require.ErrorIs(t, outcomes[loser], storage.ErrKeyReused)
		}
	})
}

// Held by a person or by a proposal, and paused, can be looked for.
func TestFilterHeldAndPaused(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		free, _ := paying(t, l, "free")
		held, _ := paying(t, l, "held")
		follow(t, l, place(t, l, orderOf(held.ID, "aigul", "h", domain.ActionHold)), domain.EffectHeld)
		waiting, _ := proposed(t, l, "proposed", domain.StateResolvedRefused)
		paused, _ := paying(t, l, "paused")
		require.NoError(t, l.Pause(t.Context(), paused.ID, 2, noon.Add(time.Minute)))

		yes, no := true, false
		for name, c := range map[string]struct {
			filter storage.PaymentFilter
			want   []domain.AgentTransactionID
		}{
			"held":       {storage.PaymentFilter{Held: &yes}, []domain.AgentTransactionID{held.ID, waiting.ID}},
			"not held":   {storage.PaymentFilter{Held: &no}, []domain.AgentTransactionID{free.ID, paused.ID}},
			"paused":     {storage.PaymentFilter{Paused: &yes}, []domain.AgentTransactionID{paused.ID}},
			"not paused": {storage.PaymentFilter{Paused: &no}, []domain.AgentTransactionID{free.ID, held.ID, waiting.ID}},
			"neither":    {storage.PaymentFilter{Held: &no, Paused: &no}, []domain.AgentTransactionID{free.ID}},
		} {
			t.Run(name, func(t *testing.T) {
				matching, err := l.Matching(t.Context(), c.filter, 10)
				require.NoError(t, err)
				var found []domain.AgentTransactionID
				for _, p := range matching {
					found = append(found, p.ID)
				}
				require.Equal(t, c.want, found)
				listed, _, err := l.Payments(t.Context(), c.filter, "", 10)
				require.NoError(t, err)
				require.Len(t, listed, len(c.want))
			})
		}
	})
}
