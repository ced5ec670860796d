package storage_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tolem/domain"
	"tolem/storage"
)

// lostAfterNoon are the commits of ten minutes, in which nearly everything here began.
var lostAfterNoon = storage.Window{From: noon.Add(-5 * time.Minute), To: noon.Add(5 * time.Minute)}

func holds(t *testing.T, l *storage.Ledger, w storage.Window) storage.Restored {
	t.Helper()
	did, err := l.HoldRestored(t.Context(), w, 0, false)
	require.NoError(t, err)
	return did
}

// releases is a person's release of a payment; the refusal is why not.
func releases(t *testing.T, l *storage.Ledger, id domain.AgentTransactionID, who string) (domain.Effect, domain.Refusal) {
	t.Helper()
	done, _, _, err := l.ReleasePayment(t.Context(), id, orderOf(id, who, "release-"+who, domain.ActionRelease))
	var refused storage.ErrActionRefused
	if err != nil {
		require.ErrorAs(t, err, &refused)
	}
	return done.Effect, refused.Refusal
}

// Every open process that began before the end of the window is held, of each kind, with an
// incident; what ended or began later stays as it was. Numbers skip what may have been given.
// The same window again changes nothing, and a dry run writes nothing at all.
func TestHoldRestored(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		p, _ := paying(t, l, "open")
		done, started := paying(t, l, "ended")
		changed, err := l.RecordPay(t.Context(), call(done.ID, "pay", 2), started, answered(0), storage.After{State: domain.StateSucceeded})
		require.NoError(t, err)
		require.True(t, changed)
		late := request("late")
		late.CreatedAt = storage.At(lostAfterNoon.To.Add(time.Second))
		later := accept(t, l, late)
		o := activeOrder(t, l, "o")
		_, _, err = l.AcceptReturn(t.Context(), returnOf("o", "r", 1))
		require.NoError(t, err)
		take(t, l, today, "d1", loan("KD/1", 500))
		demand := order(t, l, "KD/1")
		before := []any{read(t, l, done.ID), read(t, l, later.ID)}

		did, err := l.HoldRestored(t.Context(), lostAfterNoon, 0, true)
		require.NoError(t, err)
		require.Equal(t, p, read(t, l, p.ID), "dry")
		want := storage.Restored{Epoch: 1, Payments: 1, Orders: 1, Returns: 1, Demands: 1, Contracts: 1}
		require.Equal(t, want, did)
		require.Equal(t, want, holds(t, l, lostAfterNoon))

		held := read(t, l, p.ID)
		require.True(t, held.Restored && held.Held && held.NeedsOperator)
		require.Equal(t, domain.ReasonRestored, held.OperatorReason)
		require.True(t, readOrder(t, l, o.ID).Restored)
		require.True(t, order(t, l, "KD/1").Restored)
		require.Equal(t, before, []any{read(t, l, done.ID), read(t, l, later.ID)})
		ids, err := l.HeldByRestore(t.Context())
		require.NoError(t, err)
		require.Equal(t, []string{p.ID.WorkflowID(), "order/o", "return/o/r", "paymentorder/KD%2F1"}, ids)
		take(t, l, today, "d2", loan("KD/2", 500))
		require.Greater(t, order(t, l, "KD/2").ID, demand.ID+9_999)
		var seq int
		require.NoError(t, l.Count(t.Context(), "SELECT last_seq FROM collection_contracts WHERE contract = 'KD/1'", &seq))
		require.Equal(t, 1000, seq)

		record, err := l.Restores(t.Context())
		require.NoError(t, err)
		require.Equal(t, []int64{10_000}, record.Unused)
		require.Len(t, record.Runs, 1)
		require.EqualValues(t, []any{int64(1), lostAfterNoon.From.UnixMicro(), lostAfterNoon.To.UnixMicro()},
			[]any{record.Runs[0].Epoch, record.Runs[0].From.UnixMicro(), record.Runs[0].To.UnixMicro()})
		again := holds(t, l, lostAfterNoon)
		require.True(t, again.Before)
		require.Equal(t, held, read(t, l, p.ID))
		require.NoError(t, l.Count(t.Context(), "SELECT last_seq FROM collection_contracts WHERE contract = 'KD/1'", &seq))
		require.Equal(t, 1000, seq)
		_, err = l.CloseGate(t.Context(), "test")
		require.NoError(t, err)
		_, err = l.HoldRestored(t.Context(), lostAfterNoon, 0, false)
		require.ErrorIs(t, err, storage.ErrRestoredSince, "the gate was closed after that run")
		require.EqualValues(t, 2, holds(t, l, storage.Window{From: lostAfterNoon.From, To: time.Now()}).Epoch)
	})
}

// No answer ends a held payment, whatever it is, and nothing is sent for it; a release by
// two people lets it go on, and its pay can be ended by an answer again.
func TestNoAnswerEndsAHeldPayment(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		p, started := paying(t, l, "k")
		holds(t, l, lostAfterNoon)
		for _, c := range []domain.Code{domain.CodeSuccess, domain.CodeOtherError} {
			word := c
			state := map[domain.Code]domain.State{domain.CodeSuccess: domain.StateSucceeded, domain.CodeOtherError: domain.StateRefused}[c]
			changed, err := l.RecordPay(t.Context(), call(p.ID, "pay", 2), started, answered(c), storage.After{State: state, PaymentCode: &word})
			require.NoError(t, err)
			require.False(t, changed)
		}
		now, barred, err := l.End(t.Context(), storage.Ending{PaymentID: p.ID, Step: 3, State: domain.StateCancelled})
		require.NoError(t, err)
		require.Empty(t, barred)
		require.Equal(t, domain.StatePaying, now.State)
		begun, err := l.BeginPay(t.Context(), call(p.ID, "pay", 3))
		require.NoError(t, err)
		require.False(t, begun.OK, "nothing is sent")
		found := incidentsOf(t, l, storage.IncidentFilter{})
		require.Len(t, found, 1)
		require.Equal(t, []domain.IncidentEntry{domain.IncidentOpened, domain.IncidentFact, domain.IncidentFact}, entries(found[0]))
		old := place(t, l, orderOf(p.ID, "aigul", "old", domain.ActionRelease))
		follow(t, l, old, domain.EffectReleased)
		require.True(t, read(t, l, p.ID).Held, "a release from before the restore is none")

		effect, _ := releases(t, l, p.ID, "aigul")
		require.Equal(t, domain.EffectProposed, effect)
		require.True(t, read(t, l, p.ID).Restored)
		done, _, _, err := l.ReleasePayment(t.Context(), p.ID, orderOf(p.ID, "aigul", "second", domain.ActionRelease))
		require.ErrorIs(t, err, storage.ErrActionRefused{Refusal: domain.RefusalSecondOperator}, done)
		effect, _ = releases(t, l, p.ID, "bolat")
		require.Equal(t, domain.EffectReleased, effect)
		now = read(t, l, p.ID)
		require.False(t, now.Restored || now.Held || now.NeedsOperator)
		require.EqualValues(t, 1, now.RestoredEpoch)
		_, refusal := releases(t, l, p.ID, "dana")
		require.Equal(t, domain.RefusalNotHeld, refusal)
		begun, err = l.BeginPay(t.Context(), call(p.ID, "pay", 4))
		require.NoError(t, err)
		require.True(t, begun.OK)
		changed, err := l.RecordPay(t.Context(), call(p.ID, "pay", 4), begun.Started, answered(0), storage.After{State: domain.StateSucceeded})
		require.NoError(t, err)
		require.True(t, changed)
	})
}

// Two people may resolve a held payment in every open state, also before any pay that the
// ledger knows of.
func TestHeldPaymentIsResolvedInEveryOpenState(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		for _, outcome := range []domain.State{domain.StateResolvedSucceeded, domain.StateResolvedRefused} {
			p := accept(t, l, request(string(outcome)))
			holds(t, l, storage.Window{From: noon, To: noon.Add(time.Duration(len(outcome)) * time.Minute)})
			require.Empty(t, read(t, l, p.ID).Standing().Refuses(domain.ActionResolve, outcome))
			require.Equal(t, domain.RefusalHeld, read(t, l, p.ID).Standing().Refuses(domain.ActionCancel, ""))
			follow(t, l, resolves(t, l, p.ID, "aigul", string(outcome)+"1", outcome), domain.EffectProposed)
			now, refusal := confirms(t, l, resolves(t, l, p.ID, "bolat", string(outcome)+"2", outcome), 5)
			require.Empty(t, refusal)
			require.Equal(t, outcome, now.State)
			require.False(t, now.Restored || now.NeedsOperator)
		}
	})
}

// Held orders, returns and payment orders send nothing and are ended by no answer, until two
// people release them.
func TestHeldInstalmentsAndCollections(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		waitingForStore(t, l, "o")
		activeOrder(t, l, "sold")
		_, _, err := l.AcceptReturn(t.Context(), returnOf("sold", "r", 1))
		require.NoError(t, err)
		take(t, l, today, "d1", loan("KD1", 500))
		sent(t, l, "KD1")
		holds(t, l, lostAfterNoon)

		require.False(t, begins(t, l, "o", "confirm", 7, domain.OrderConfirming, domain.OrderWaitingForStore).OK)
		require.False(t, records(t, l, "o", "state", 8, 0, storage.OrderAfter{State: domain.OrderFailed, Bank: told("FAIL", "REJECTED")}))
		begun, err := l.BeginReturn(t.Context(), returnCall("sold", "r", "return", 1))
		require.NoError(t, err)
		require.False(t, begun.OK)
		changed, err := l.RecordReturn(t.Context(), returnCall("sold", "r", "return", 1), 0, bankAnswered, storage.ReturnAfter{State: domain.ReturnReturned})
		require.NoError(t, err)
		require.False(t, changed)
		tell, err := l.BeginTelling(t.Context(), "KD1", storage.Call{Process: domain.ContractNumber("KD1").WorkflowID(), Name: "tell", At: noon}, nil)
		require.NoError(t, err)
		require.False(t, tell.OK)

		at := time.Now()
		for i, who := range []string{"aigul", "bolat"} {
			want := []domain.Effect{domain.EffectProposed, domain.EffectReleased}[i]
			done, _, _, err := l.ActOnOrder(t.Context(), "o", ordered("order/o", who, domain.ActionRelease, "", at))
			require.NoError(t, err)
			require.Equal(t, want, done.Effect)
			done, _, _, err = l.ActOnReturn(t.Context(), "sold", "r", ordered("return/sold/r", who, domain.ActionRelease, "", at))
			require.NoError(t, err)
			require.Equal(t, want, done.Effect)
			done, _, err = tries(t, l, "KD1", domain.ActionRelease, who, who, storage.PaymentOrderAsk{})
			require.NoError(t, err)
			require.Equal(t, want, done.Effect)
		}
		require.True(t, begins(t, l, "o", "confirm", 9, domain.OrderConfirming, domain.OrderWaitingForStore).OK)
		require.False(t, order(t, l, "KD1").Restored)
	})
}

// The gate goes from closed to reconciling, and open only by a person's word.
func TestGateIsOpenedByAPerson(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		require.NoError(t, l.Guard(t.Context(), 0))
		require.ErrorIs(t, l.Reconciled(t.Context(), "too early"), storage.ErrNotReconciling)
		closed, err := l.CloseGate(t.Context(), "by hand")
		require.NoError(t, err)
		require.True(t, closed)
		require.ErrorIs(t, l.Look(t.Context()), storage.ErrRestored)
	})
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		_, err := l.CloseGate(t.Context(), "by hand")
		require.NoError(t, err)
		holds(t, l, lostAfterNoon)
		changed, err := l.Reconcile(t.Context())
		require.NoError(t, err)
		require.True(t, changed)
		require.NoError(t, l.Guard(t.Context(), 0))
		require.Equal(t, domain.GateReconciling, l.Gate())
		require.NoError(t, l.Reconciled(t.Context(), "compared"))
		require.NoError(t, l.Look(t.Context()))
		require.Equal(t, domain.GateOpen, l.Gate())
		require.Greater(t, l.Mark(), int64(1)<<40-1)
	})
}

// What is missing is raised once, whatever became of its incident.
func TestMissingIsRaisedOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		about := storage.OpenIncident{Process: domain.ProcessPayment, Subject: "176000000000000000"}
		known, err := l.Knows(t.Context(), about)
		require.NoError(t, err)
		require.False(t, known)
		for i, want := range []bool{true, true, false} {
			fresh, err := l.RaiseMissing(t.Context(), about, "a register has it", i == 0)
			require.NoError(t, err)
			require.Equal(t, want, fresh)
		}
		found := incidentsOf(t, l, storage.IncidentFilter{})
		require.Len(t, found, 1)
		require.Equal(t, domain.ReasonMissingInLedger, found[0].Reason)
	})
}
