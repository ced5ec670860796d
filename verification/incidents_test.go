package verification

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tolem/domain"
)

// raised is a payment that needs an operator, while it goes on.
func raised(why domain.OperatorReason) func(*books) string {
	return func(b *books) string {
		p := b.accepts().checks(0).pays(noConnection, domain.StatePaying)
		b.do(b.RaisePayment(b.Context(), p.id, why, "pay answered code 9"))
		return p.id.WorkflowID()
	}
}

// closedIncident is a payment that ended as refused, and an incident about its money that two
// people closed.
func closedIncident(b *books) string {
	process := keepRefused(b)
	id, err := domain.PaymentOf(process)
	b.do(err)
	b.do(b.RaisePayment(b.Context(), id, domain.ReasonPaidAfterEnd, "pay answered code 0"))
	b.closes(domain.MoneyMoved, "ayan", "dina")
	return process
}

// corrected is one that was answered 0 after its end, as the incident says.
func corrected(b *books) string {
	process := closedIncident(b)
	answersLastPay(0)(b, process)
	return process
}

func TestIncidentFindings(t *testing.T) {
	t.Parallel()
	raise := func(why domain.OperatorReason) func(*books, string) {
		return func(b *books, process string) {
			id, err := domain.PaymentOf(process)
			b.do(err)
			b.do(b.RaisePayment(b.Context(), id, why, "pay answered code 9"))
		}
	}
	sql := func(statement string) func(*books, string) {
		return func(b *books, _ string) { b.plant(statement) }
	}
	run(t, map[string]planted{
		"a process that goes on needs a person": {keep: raised(domain.ReasonUnknownCode)},
		"corrected by two people":               {keep: corrected},

		"a contradiction waits for a person":  {keepSucceeded, raise(domain.ReasonRefusedAfterEnd), OpenIncident},
		"an open process is contradicted":     {keepPaying, raise(domain.ReasonPaidAfterEnd), OpenIncident},
		"a passing one outlived its process":  {keepSucceeded, raise(domain.ReasonUnknownCode), OpenIncident},
		"flagged without an incident":         {keepPaying, sql(`UPDATE payments SET needs_operator = TRUE`), Flagged},
		"flagged, and the incident is closed": {keepRefused, sql(`UPDATE payments SET needs_operator = TRUE`), Flagged},
		"an open incident without a flag":     {raised(domain.ReasonUnknownCode), sql(`UPDATE payments SET needs_operator = FALSE`), Flagged},
		"closed by one person":                {corrected, sql(`UPDATE incident_entries SET caller = 'ayan' WHERE entry = 'closed'`), TwoPeople},
		"closed by nobody":                    {corrected, sql(`UPDATE incident_entries SET caller = '' WHERE entry = 'closed'`), TwoPeople},
		"closed without a first person":       {corrected, sql(`DELETE FROM incident_entries WHERE entry = 'proposed'`), TwoPeople},
		"closed after the proposal was declined": {corrected, func(b *books, _ string) {
			b.plant(`UPDATE incident_entries SET id = id + 100 WHERE entry = 'closed'`)
			b.plant(`INSERT INTO incident_entries SELECT id - 50, incident, process, subject, part, reason, 'declined', '', caller, why, '', '', action_id, at FROM incident_entries WHERE entry = 'closed'`)
		}, TwoPeople},
		"closed as something else":         {corrected, sql(`UPDATE incident_entries SET money = 'not_moved' WHERE entry = 'proposed'`), TwoPeople},
		"closed with another number":       {corrected, sql(`UPDATE incident_entries SET transaction_number = '7' WHERE entry = 'closed'`), TwoPeople},
		"closed, and no entry says so":     {closedIncident, sql(`UPDATE incident_entries SET entry = 'acknowledged' WHERE entry = 'closed'`), TwoPeople},
		"about a payment that is not here": {func(b *books) string { _ = keepSucceeded(b); return "payment/1" }, sql(`INSERT INTO open_incidents (process, subject, part, reason, facts, acknowledged, opened_at, changed_at) VALUES ('payment', '1', '', 'paid_after_end', 1, FALSE, 1, 1)`), OpenIncident},
	})
}

// A contradiction of an older ledger is a finding that nobody could close: the migration opens
// an incident for it, which two people close, and then the recorded correction counts.
func TestContradictedEndsOfOlderLedgers(t *testing.T) {
	t.Parallel()
	b := newBooks(t)
	process := keepRefused(b)
	answersLastPay(0)(b, process)
	require.Equal(t, []string{"state_follows " + process}, b.verify())
	migration, err := os.ReadFile("../storage/migrations/sqlite/00024_contradicted_ends.sql")
	require.NoError(t, err)
	up, _, found := strings.Cut(string(migration), "-- +goose Down")
	require.True(t, found)
	for range 2 { // once more opens nothing
		_, err = b.raw.ExecContext(t.Context(), up)
		require.NoError(t, err)
		require.Equal(t, []string{"open_incident " + process}, b.verify())
	}
	b.closes(domain.MoneyMoved, "ayan", "dina")
	require.Empty(t, b.verify())
}
