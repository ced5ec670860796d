package storage_test

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tolem/domain"
	"tolem/storage"
)

func incidentsOf(t *testing.T, l *storage.Ledger, f storage.IncidentFilter) []storage.Incident {
	t.Helper()
	found, next, err := l.Incidents(t.Context(), f, "", 50)
	require.NoError(t, err)
	require.Empty(t, next)
	return found
}

// closing is a person's action on an incident.
func closing(who, key string, action domain.Action, at time.Time) storage.Action {
	return storage.Action{Action: action, Caller: who, IdempotencyKey: key, RequestSHA256: "sha-" + key, Reason: "the centre's letter", RequestedAt: storage.At(at)}
}

func entries(i storage.Incident) (all []domain.IncidentEntry) {
	for _, e := range i.Entries {
		all = append(all, e.Entry)
	}
	return all
}

// What contradicts an end is kept, flags the ended row, and is one incident for each
// reason however many facts come.
func TestIncidentOfAnEndedPayment(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		p, _ := paying(t, l, "k")
		now, err := end(l, p.ID, 3, domain.StateRefused)
		require.NoError(t, err)
		require.Equal(t, domain.StateRefused, now.State)
		for _, fact := range []string{"pay answered code 0", "pay answered code 0", "another fact"} {
			require.NoError(t, l.RaisePayment(t.Context(), p.ID, domain.ReasonPaidAfterEnd, fact))
		}
		now = read(t, l, p.ID)
		require.True(t, now.NeedsOperator)
		require.Equal(t, domain.ReasonPaidAfterEnd, now.OperatorReason)
		require.Equal(t, domain.StateRefused, now.State)
		yes := true
		found := incidentsOf(t, l, storage.IncidentFilter{Process: domain.ProcessPayment, Subject: p.ID.String(), Open: &yes})
		require.Len(t, found, 1)
		require.Equal(t, []domain.IncidentEntry{domain.IncidentOpened, domain.IncidentFact}, entries(found[0]))
		flagged, _, err := l.Payments(t.Context(), storage.PaymentFilter{NeedsOperator: &yes}, "", 9)
		require.NoError(t, err)
		require.Len(t, flagged, 1)
	})
}

// Where the money is takes two people who say the same; a fact in between starts it again.
func TestIncidentAboutMoneyIsClosedByTwo(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		p, _ := paying(t, l, "k")
		_, err := end(l, p.ID, 3, domain.StateRefused)
		require.NoError(t, err)
		require.NoError(t, l.RaisePayment(t.Context(), p.ID, domain.ReasonPaidAfterEnd, "pay answered code 0"))
		id := incidentsOf(t, l, storage.IncidentFilter{})[0].ID
		moved := storage.IncidentClosing{Money: domain.MoneyMoved, TransactionNumber: "77"}
		now := time.Now()
		act := func(who, key string, action domain.Action, c storage.IncidentClosing, at time.Time) (domain.Effect, error) {
			done, err := l.ActOnIncident(t.Context(), id, closing(who, key, action, at), c)
			return done.Effect, err
		}
		refused := func(why domain.Refusal, err error) {
			t.Helper()
			require.Equal(t, storage.ErrActionRefused{Refusal: why}, err)
		}

		effect, err := act("aigul", "a", domain.ActionAcknowledge, storage.IncidentClosing{}, now)
		require.NoError(t, err)
		require.Equal(t, domain.EffectAcknowledged, effect)
		effect, err = act("aigul", "b", domain.ActionClose, moved, now)
		require.NoError(t, err)
		require.Equal(t, domain.EffectProposed, effect)
		_, err = act("aigul", "c", domain.ActionClose, moved, now)
		refused(domain.RefusalSecondOperator, err)
		_, err = act("berik", "d", domain.ActionClose, storage.IncidentClosing{Money: domain.MoneyNotMoved}, now)
		refused(domain.RefusalOtherOutcome, err)

		require.NoError(t, l.RaisePayment(t.Context(), p.ID, domain.ReasonPaidAfterEnd, "a new fact"))
		effect, err = act("berik", "e", domain.ActionClose, moved, now) // the first again: the fact cleared what aigul said
		require.NoError(t, err)
		require.Equal(t, domain.EffectProposed, effect)
		effect, err = act("aigul", "f", domain.ActionDecline, storage.IncidentClosing{}, now)
		require.NoError(t, err)
		require.Equal(t, domain.EffectDeclined, effect)
		_, err = act("aigul", "g", domain.ActionDecline, storage.IncidentClosing{}, now)
		refused(domain.RefusalNotProposed, err)
		effect, err = act("berik", "h", domain.ActionClose, moved, now)
		require.NoError(t, err)
		require.Equal(t, domain.EffectProposed, effect)
		effect, err = act("aigul", "i", domain.ActionClose, moved, now.Add(25*time.Hour)) // it lapsed
		require.NoError(t, err)
		require.Equal(t, domain.EffectProposed, effect)
		effect, err = act("berik", "j", domain.ActionClose, moved, now)
		require.NoError(t, err)
		require.Equal(t, domain.EffectClosed, effect)
		again, err := act("berik", "j", domain.ActionClose, moved, now)
		require.NoError(t, err)
		require.Equal(t, domain.EffectClosed, again)
		_, err = act("berik", "k", domain.ActionClose, moved, now)
		refused(domain.RefusalIncidentClosed, err)

		require.False(t, read(t, l, p.ID).NeedsOperator)
		found, err := l.Incident(t.Context(), id)
		require.NoError(t, err)
		require.False(t, found.Open)
		corrected, err := l.Corrections(t.Context(), domain.ProcessPayment, []string{p.ID.String(), "12"})
		require.NoError(t, err)
		require.Len(t, corrected, 1)
		require.Equal(t, domain.MoneyMoved, corrected[p.ID.String()].Money)
		require.Equal(t, "77", corrected[p.ID.String()].TransactionNumber)
	})
}

// A condition of an open process goes with it; what only a person closes stays.
func TestEndClosesPassingIncidents(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		p, _ := paying(t, l, "k")
		require.NoError(t, l.Flag(t.Context(), p.ID, domain.ReasonTooOld, "run-1"))
		require.True(t, read(t, l, p.ID).NeedsOperator)
		_, err := end(l, p.ID, 3, domain.StateSucceeded)
		require.NoError(t, err)
		require.False(t, read(t, l, p.ID).NeedsOperator)
		found := incidentsOf(t, l, storage.IncidentFilter{})
		require.Len(t, found, 1)
		require.False(t, found[0].Open)
		require.Equal(t, []domain.IncidentEntry{domain.IncidentOpened, domain.IncidentClosed}, entries(found[0]))

		q, _ := paying(t, l, "l")
		require.NoError(t, l.RaisePayment(t.Context(), q.ID, domain.ReasonTooOld, "open for a day"))
		require.NoError(t, l.RaisePayment(t.Context(), q.ID, domain.ReasonRefusedAfterEnd, "pay answered code 300"))
		_, err = end(l, q.ID, 3, domain.StateSucceeded)
		require.NoError(t, err)
		require.True(t, read(t, l, q.ID).NeedsOperator)
		require.Equal(t, domain.ReasonRefusedAfterEnd, read(t, l, q.ID).OperatorReason)
	})
}

// Facts that are learned at once are one incident.
func TestIncidentsRaisedAtOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		p, _ := paying(t, l, "k")
		var all sync.WaitGroup
		errs := make([]error, 8)
		for i := range errs {
			all.Go(func() {
				errs[i] = l.RaisePayment(t.Context(), p.ID, domain.ReasonPaidAfterEnd, "fact "+string(rune('a'+i)))
			})
		}
		all.Wait()
		for _, err := range errs {
			require.NoError(t, err)
		}
		found := incidentsOf(t, l, storage.IncidentFilter{})
		require.Len(t, found, 1)
		require.Len(t, found[0].Entries, len(errs))
		counts, err := l.OpenIncidents(t.Context())
		require.NoError(t, err)
		require.Len(t, counts, 1)
		require.EqualValues(t, 1, counts[0].Number)
	})
}

// What was flagged before incidents were kept is an incident after the migration.
func TestFlagsOfOlderLedgersBecomeIncidents(t *testing.T) {
	for name, address := range addresses(t) {
		t.Run(name, func(t *testing.T) {
			l, err := storage.Open(t.Context(), address)
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, l.Close()) })
			require.NoError(t, l.MigrateTo(t.Context(), 11))
			require.NoError(t, l.Exec(t.Context(), `INSERT INTO payments (id, caller, idempotency_key, request_sha256, service_id, account, extras,
				identity_card, full_name, auto_pay, agent_transaction_date, retry_initial, retry_factor_milli, state, needs_operator, operator_reason,
				step, attempts, waits, result_message, transaction_date, status_date, check_answer, asks_payer, pay_sent_at, created_at, updated_at)
				VALUES (12, 'shop', 'k', 'sha', 'P1011', '7770017711', '{}', '', '', TRUE, '2026-02-17T17:00:00', 1, 2000, 'paying', TRUE, 'too_old',
				2, 2, 0, '', '', '', '', '', 1, 1, 1)`))
			_, err = l.Migrate(t.Context())
			require.NoError(t, err)
			found := incidentsOf(t, l, storage.IncidentFilter{Subject: "12"})
			require.Len(t, found, 1)
			require.True(t, found[0].Open)
			require.Equal(t, domain.ReasonTooOld, found[0].Reason)
			_, err = end(l, 12, 3, domain.StateSucceeded)
			require.NoError(t, err)
			require.False(t, read(t, l, 12).NeedsOperator)
		})
	}
}
