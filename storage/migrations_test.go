package storage_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"tolem/storage"
)

// What people ordered before rows named the process stays theirs.
func TestActionsOfOlderLedgers(t *testing.T) {
	for name, address := range addresses(t) {
		t.Run(name, func(t *testing.T) {
			l, err := storage.Open(t.Context(), address)
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, l.Close()) })
			require.NoError(t, l.MigrateTo(t.Context(), 7))
			require.NoError(t, l.Exec(t.Context(), `INSERT INTO actions
				(payment_id, action, outcome, caller, idempotency_key, request_sha256, reason, evidence, bulk, requested_at, effect)
				VALUES (12, 'hold', '', 'aigul', 'k', 'sha', 'the client calls', '', '', 1, 'held')`))
			_, err = l.Migrate(t.Context())
			require.NoError(t, err)
			found, err := l.Actions(t.Context(), "payment/12", 0, 9)
			require.NoError(t, err)
			require.Len(t, found, 1)
			require.Equal(t, "aigul", found[0].Caller)
		})
	}
}
