package storage_test

import (
	"fmt"
	"strings"
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

// Ends that were contradicted before incidents were kept become incidents, once, by the
// rules that open them today; what people have closed stays closed.
func TestContradictedEndsOfOlderLedgers(t *testing.T) {
	for name, address := range addresses(t) {
		t.Run(name, func(t *testing.T) {
			l, err := storage.Open(t.Context(), address)
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, l.Close()) })
			require.NoError(t, l.MigrateTo(t.Context(), 23))
			want := plantContradictedEnds(t, l)
			require.NoError(t, l.Exec(t.Context(), `INSERT INTO incident_entries (incident, process, subject, part, reason, entry, evidence, caller, why, money, transaction_number, at)
				VALUES (77, 'payment', '11', '', 'paid_after_end', 'closed', '', 'aigul', 'why', 'moved', '5', 1)`))
			_, err = l.Migrate(t.Context())
			require.NoError(t, err)
			yes := true
			var got []string
			for _, i := range incidentsOf(t, l, storage.IncidentFilter{Open: &yes}) {
				got = append(got, fmt.Sprintf("%s %s %s", i.Process, i.Subject, i.Reason))
				require.Len(t, i.Entries, 1)
				require.Equal(t, domain.IncidentOpened, i.Entries[0].Entry)
				require.True(t, i.Reason.AboutMoney())
			}
			require.ElementsMatch(t, want, got)
			for _, id := range []domain.AgentTransactionID{1, 12} {
				p, err := l.Payment(t.Context(), id)
				require.NoError(t, err)
				require.Equal(t, id == 1, p.NeedsOperator)
			}
			o, err := l.InstalmentOrder(t.Context(), "confirmed")
			require.NoError(t, err)
			require.True(t, o.NeedsOperator)
			require.Equal(t, domain.ReasonConfirmedFailed, o.OperatorReason)
		})
	}
}

// plantContradictedEnds writes ended payments and instalments of an older ledger, and returns
// the incidents that some of them need.
func plantContradictedEnds(t *testing.T, l *storage.Ledger) (want []string) {
	t.Helper()
	exec := func(statement string, args ...any) {
		require.NoError(t, l.Exec(t.Context(), fmt.Sprintf(statement, args...)))
	}
	for id, p := range map[int]struct {
		state string
		calls string // call and code of each, in their order
		needs string
	}{
		1: {"refused", "pay 0", "paid_after_end"}, 2: {"cancelled", "pay 0", "paid_after_end"}, 3: {"resolved_refused", "pay 300 pay 0", "paid_after_end"},
		4: {"succeeded", "pay 0 pay 300", "refused_after_end"}, 5: {"resolved_succeeded", "pay 7", "refused_after_end"},
		6: {"refused", "check 215", "ended_with_held_id"}, 7: {"refused", "check 0 pay 215", "ended_with_held_id"},
		8: {"cancelled", "check 215", "ended_with_held_id"}, 9: {"refused", "check 215 pay 0", "paid_after_end"},
		11: {"refused", "pay 0", ""}, // people have closed it
		12: {"refused", "check 0 pay 300", ""}, 13: {"succeeded", "check 0 pay 1 pay 215 pay 0", ""}, 14: {"refused", "pay 1 pay 215 pay 300", ""},
		15: {"resolved_refused", "check 215", ""}, 16: {"paying", "pay 0", ""}, 17: {"expired", "check 0", ""}, 18: {"refused", "check 5", ""},
	} {
		exec(`INSERT INTO payments (id, caller, idempotency_key, request_sha256, service_id, account, extras, identity_card, full_name, auto_pay,
			agent_transaction_date, retry_initial, retry_factor_milli, state, needs_operator, operator_reason, step, attempts, waits, result_message,
			transaction_date, status_date, check_body, check_answer, asks_payer, pay_body, created_at, updated_at)
			VALUES (%[1]d, 'till', '%[1]d', 'x', 'P1', '7', '{}', '', '', TRUE, '2026-01-31T12:00:00', 1, 2000, '%[2]s', FALSE, '', 3, 2, 0, '', '', '', '', '', '', '', 1, 1)`, id, p.state)
		words := strings.Fields(p.calls)
		for n := 0; n < len(words); n += 2 {
			row := `INSERT INTO journal (process, phase, started_id, call, step, attempt, execution, cause, waited, at, duration, body_sha256, outcome, failure, http_status, result_code, result_message)
				VALUES ('payment/%d', '%s', %s, '%s', 1, %d, '', 'scheduled', 0, 1, 1, '', '%s', '', 200, %s, '')`
			if words[n] == "check" {
				exec(row, id, "call", "NULL", "check", n, "answered", words[n+1])
				continue
			}
			exec(row, id, "started", "NULL", "pay", n, "", "NULL")
			exec(row, id, "outcome", fmt.Sprintf("(SELECT max(id) FROM journal WHERE process = 'payment/%d')", id), "pay", n, "answered", words[n+1])
		}
		if p.needs != "" {
			want = append(want, fmt.Sprintf("payment %d %s", id, p.needs))
		}
	}
	for id, o := range map[string]struct{ state, decision, callback, meaning, needs string }{
		"confirmed": {"failed", "confirm", "", "", "confirmed_and_failed"}, "rejected": {"paid_out", "reject", "", "", "decision_too_late"},
		"sale": {"failed", "", "SUCCESS", "", "sale_after_end"}, "no sale": {"paid_out", "confirm", "FAIL", "", "payout_contradicted"},
		"in our words": {"failed", "", "OTHER", "active", "sale_after_end"}, "failed": {"failed", "reject", "FAIL", "", ""}, "paid": {"paid_out", "confirm", "SUCCESS", "", ""},
	} {
		exec(`INSERT INTO instalment_orders (id, caller, request_sha256, request, client_phone, point_id, total_sum, validate_client, auto_confirm, callback_token, create_body,
			retry_initial, retry_factor_milli, state, fail_reason, needs_operator, operator_reason, held, step, attempts, waits, bank_order_id, bank_state, bank_sub_state,
			bank_meaning, bank_message, contract_number, contract_date, decision, decided_by, ended_at, returned_sum, created_at, updated_at)
			VALUES ('%[1]s', 'till', 'x', '{}', '', '', 100, FALSE, FALSE, '%[1]s', '', 1, 2000, '%[2]s', '', FALSE, '', FALSE, 1, 1, 0, '', '', '', '', '', '', '', '%[3]s', '', 5, 0, 1, 5)`, id, o.state, o.decision)
		if o.callback != "" {
			exec(`INSERT INTO order_callbacks (order_id, state, sub_state, bank_order_id, at, meaning) VALUES ('%s', '%s', '', '', 6, '%s')`, id, o.callback, o.meaning)
		}
		if o.needs != "" {
			want = append(want, fmt.Sprintf("order %s %s", id, o.needs))
		}
	}
	return want
}
