package storage_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"tolem/storage"
)

// The first to name a time zone decides, of many at once too, until somebody changes it.
func TestTimezoneOfTheLedger(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		kept := make(chan string, 8)
		for i := range cap(kept) {
			go func() {
				zone, err := l.KeepTimezone(t.Context(), []string{"Asia/Almaty", "Asia/Dubai"}[i%2])
				if err != nil {
					zone = err.Error()
				}
				kept <- zone
			}()
		}
		first := <-kept
		require.Contains(t, []string{"Asia/Almaty", "Asia/Dubai"}, first)
		for range cap(kept) - 1 {
			require.Equal(t, first, <-kept)
		}
		before, err := l.ChangeTimezone(t.Context(), "UTC")
		require.NoError(t, err)
		require.Equal(t, first, before)
		now, err := l.KeepTimezone(t.Context(), first)
		require.NoError(t, err)
		require.Equal(t, "UTC", now)
	})
}

// A ledger that has none, as before it was recorded, is given one.
func TestTimezoneOfALedgerWithoutOne(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		before, err := l.ChangeTimezone(t.Context(), "Asia/Almaty")
		require.NoError(t, err)
		require.Empty(t, before)
		now, err := l.KeepTimezone(t.Context(), "UTC")
		require.NoError(t, err)
		require.Equal(t, "Asia/Almaty", now)
	})
}
