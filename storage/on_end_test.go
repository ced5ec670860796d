package storage_test

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"tolem/domain"
	"tolem/storage"
)

// Every end is told once, after its commit, whatever runs late or twice.
func TestEndsAreToldOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		var mu sync.Mutex
		var told []string
		l.OnEnd(func(process domain.Process, state string) {
			mu.Lock()
			defer mu.Unlock()
			told = append(told, string(process)+" "+state)
		})
		p, started := paying(t, l, "k")
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				_, err := l.RecordPay(t.Context(), call(p.ID, "pay", 2), started, answered(domain.CodeSuccess), storage.After{State: domain.StateSucceeded})
				require.NoError(t, err)
			})
		}
		all.Wait()
		_, err := end(l, p.ID, 9, domain.StateRefused)
		require.NoError(t, err)
		require.Equal(t, []string{"payment succeeded"}, told)

		q := accept(t, l, request("q"))
		for range 2 {
			_, err = end(l, q.ID, 1, domain.StateCancelled)
			require.NoError(t, err)
		}
		activeOrder(t, l, "o")
		_, _, err = l.AcceptReturn(t.Context(), returnOf("o", "r", 1))
		require.NoError(t, err)
		for range 2 {
			_, err = l.RecordReturn(t.Context(), returnCall("o", "r", "return", 1), 0, bankAnswered, storage.ReturnAfter{State: domain.ReturnReturned})
			require.NoError(t, err)
		}
		records(t, l, "o", "order", 9, 0, storage.OrderAfter{State: domain.OrderPaidOut})
		take(t, l, today, "d", loan("KD1", 100))
		o := sent(t, l, "KD1")
		_, _, _, err = l.ReportStatus(t.Context(), status(o, "n", domain.StatusNotAccepted, 0))
		require.NoError(t, err)
		require.Equal(t, []string{"payment succeeded", "payment cancelled", "return returned", "order paid_out", "payment_order not_accepted"}, told)
	})
}
