package storage_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"tolem/domain"
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

// Events of several payment orders that came under one key do not fail the migration: the
// oldest keeps it, and a person has to look at the contract.
func TestSharedEventKeysOfOlderLedgers(t *testing.T) {
	for name, address := range addresses(t) {
		t.Run(name, func(t *testing.T) {
			l, err := storage.Open(t.Context(), address)
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, l.Close()) })
			require.NoError(t, l.MigrateTo(t.Context(), 12))
			for id, contract := range map[int]string{1: "KD1", 2: "KD1", 3: "KD2", 4: "KD2"} {
				require.NoError(t, l.Exec(t.Context(), fmt.Sprintf(`INSERT INTO collection_contracts (contract, last_seq) VALUES ('%s', 0) ON CONFLICT DO NOTHING`, contract)))
				require.NoError(t, l.Exec(t.Context(), fmt.Sprintf(`INSERT INTO payment_orders (id, contract, batch_id, caller, request_ref, order_ref, loan_number, iban,
					currency, full_name, iinbin, system, contract_date, debt, overdue_days, reported_on, paid_since, amount, paid, state, reached, needs_operator,
					operator_reason, held, close_caller, attempts, created_at, updated_at) VALUES (%[1]d, '%[2]s', 1, 'eko', 'EAR%[1]d', 'PTP%[1]d', '', '', 'KZT', '',
					'', '', '', 1000, 1, '2026-02-17', 0, 1000, 0, 'not_accepted', 'not_accepted', FALSE, '', FALSE, '', 0, 1, 1)`, id, contract)))
			}
			for id, e := range []struct {
				order       int
				caller, key string
			}{
				{1, "", "request was sent"}, {1, "eko", "status_code PC1"}, {1, "bank", "execution-1"}, {1, "bank", "execution-2"},
				{2, "", "request was sent"}, {2, "eko", "status_code PC1"}, {2, "bank", "execution-1"}, {2, "other", "execution-1"},
				{3, "", "request was sent"}, {3, "bank", "execution-1"}, {4, "bank", "execution-2"},
			} {
				require.NoError(t, l.Exec(t.Context(), fmt.Sprintf(`INSERT INTO payment_order_events (contract, order_id, caller, event_key, request_sha256, status,
					verdict, state_after, event_at, paid_increment, refuse_ref, bic, received_at, seq, debt, amount, paid, topic, topic_partition, topic_offset)
					VALUES ('KD%d', %d, '%s', '%s', 'sha', 'payment order executed', 'taken', 'executed', 1, 0, '', '', 1, %d, 0, 0, 0, '', 0, 0)`,
					(e.order+1)/2, e.order, e.caller, e.key, id+1)))
			}
			_, err = l.Migrate(t.Context())
			require.NoError(t, err)

			var keys []string
			events, err := l.PaymentOrderEvents(t.Context(), "KD1", 0, 100)
			require.NoError(t, err)
			for _, e := range events {
				keys = append(keys, e.Caller+" "+e.EventKey)
			}
			require.Equal(t, []string{
				" request was sent PTP1", "eko status_code PC1 PTP1", "bank execution-1", "bank execution-2",
				" request was sent PTP2", "eko status_code PC1 PTP2", "bank execution-1 PTP2", "other execution-1",
			}, keys)
			open := openReasons(t, l)
			require.Equal(t, []string{"KD1 event_key_shared: events under the key of an earlier payment order's: 7"}, open)
			require.True(t, order(t, l, "KD1").NeedsOperator)
			require.Equal(t, domain.ReasonEventKeyShared, order(t, l, "KD1").OperatorReason)
			require.False(t, order(t, l, "KD2").NeedsOperator)

			// The repeated event is found by its key, on the payment order that it was about.
			event, o, created, err := l.ReportStatus(t.Context(), storage.ReportedStatus{
				Contract: "KD1", Caller: "bank", Key: "execution-2", RequestSHA256: "sha", Status: domain.StatusExecuted, PaidIncrement: 10, EventAt: noon, At: noon})
			require.NoError(t, err)
			require.False(t, created)
			require.Equal(t, int64(1), o.ID)
			require.Equal(t, "execution-2", event.EventKey)
		})
	}
}
