package storage_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tolem/domain"
	"tolem/storage"
)

// orderOf is what a person orders for a payment, as the API hands it over.
func orderOf(id domain.AgentTransactionID, who, key string, action domain.Action) storage.Action {
	return storage.Action{
		Process: id.WorkflowID(), Action: action, Caller: who, IdempotencyKey: key, RequestSHA256: "sha-" + key,
		Reason: "the client calls", RequestedAt: storage.At(noon),
	}
}

func place(t *testing.T, l *storage.Ledger, o storage.Action) storage.Action {
	t.Helper()
	placed, err := l.PlaceAction(t.Context(), o)
	require.NoError(t, err)
	return placed
}

// resolves places a resolve by one operator.
func resolves(t *testing.T, l *storage.Ledger, id domain.AgentTransactionID, who, key string, outcome domain.State) storage.Action {
	t.Helper()
	o := orderOf(id, who, key, domain.ActionResolve)
	o.Outcome, o.Evidence = outcome, "letter 12/3"
	return place(t, l, o)
}

func follow(t *testing.T, l *storage.Ledger, o storage.Action, effect domain.Effect) {
	t.Helper()
	require.NoError(t, l.Follow(t.Context(), storage.Following{
		PaymentID: paymentOf(t, o), OrderID: o.ID, Effect: effect, Outcome: o.Outcome, Until: noon.Add(24 * time.Hour), Execution: "run-1",
	}))
}

// paymentOf is the payment that an action is for.
func paymentOf(t *testing.T, a storage.Action) domain.AgentTransactionID {
	t.Helper()
	id, err := domain.PaymentOf(a.Process)
	require.NoError(t, err)
	return id
}

func placedOrder(t *testing.T, l *storage.Ledger, o storage.Action) storage.Action {
	t.Helper()
	found, err := l.Actions(t.Context(), o.Process, o.ID-1, 1)
	require.NoError(t, err)
	require.Len(t, found, 1)
	require.Equal(t, o.ID, found[0].ID)
	return found[0]
}

// onBothWithJournal is onBoth for tests that also count the journal's events.
func onBothWithJournal(t *testing.T, test func(t *testing.T, l *storage.Ledger, events func(domain.AgentTransactionID) []string)) {
	t.Helper()
	for name, address := range addresses(t) {
		t.Run(name, func(t *testing.T) {
			l := open(t, address)
			test(t, l, func(id domain.AgentTransactionID) []string { return events(t, address, id) })
		})
	}
}

// events are a payment's events in the journal, with the order that each followed.
func events(t *testing.T, address string, id domain.AgentTransactionID) (events []string) {
	t.Helper()
	db, _ := database(t, address)
	rows, err := db.QueryContext(t.Context(), `SELECT call || ' ' || cause || ' ' || CAST(COALESCE(action_id, 0) AS TEXT) FROM journal
		WHERE phase = 'event' AND process = '`+id.WorkflowID()+`' ORDER BY id`)
	require.NoError(t, err)
	defer func() { require.NoError(t, rows.Close()) }()
	for rows.Next() {
		var event string
		require.NoError(t, rows.Scan(&event))
		events = append(events, event)
	}
	require.NoError(t, rows.Err())
	return events
}

func TestOrderIsPlacedOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		p, _ := paying(t, l, "k")
		want := orderOf(p.ID, "aigul", "o-1", domain.ActionResolve)
		want.Outcome, want.Evidence = domain.StateResolvedRefused, "letter 12/3"
		first := place(t, l, want)
		want.ID = first.ID
		require.Equal(t, want, first)
		require.Equal(t, want, place(t, l, want), "again")

		other := orderOf(p.ID, "aigul", "o-1", domain.ActionHold)
		other.RequestSHA256 = "another"
		_, err := l.PlaceAction(t.Context(), other)
		require.ErrorIs(t, err, storage.ErrKeyReused)
		require.NotEqual(t, first.ID, place(t, l, orderOf(p.ID, "marat", "o-1", domain.ActionHold)).ID, "keys are each caller's own")

		require.Equal(t, domain.StatePaying, read(t, l, p.ID).State)
		require.Equal(t, p.UpdatedAt, read(t, l, p.ID).UpdatedAt, "an order alone changes no payment")
	})
}

// Fifty equal orders at once are one.
func TestOrdersAtOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		p, _ := paying(t, l, "k")
		ids := make([]int64, 50)
		for _, err := range atOnce(50, func(i int) error {
			o, err := l.PlaceAction(context.Background(), orderOf(p.ID, "aigul", "o", domain.ActionHold))
			ids[i] = o.ID
			return err
		}) {
			require.NoError(t, err)
		}
		for _, id := range ids {
			require.Equal(t, ids[0], id)
		}
	})
}

func TestOrdersAreListedInOrder(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		p, _ := paying(t, l, "k")
		other, _ := paying(t, l, "other")
		var want []int64
		for _, key := range []string{"a", "b", "c"} {
			want = append(want, place(t, l, orderOf(p.ID, "aigul", key, domain.ActionRetry)).ID)
			place(t, l, orderOf(other.ID, "aigul", "other-"+key, domain.ActionRetry))
		}
		page, err := l.Actions(t.Context(), p.ID.WorkflowID(), 0, 2)
		require.NoError(t, err)
		require.Equal(t, want[:2], []int64{page[0].ID, page[1].ID})
		page, err = l.Actions(t.Context(), p.ID.WorkflowID(), want[1], 2)
		require.NoError(t, err)
		require.Len(t, page, 1)
		require.Equal(t, want[2], page[0].ID)
		require.Equal(t, orderOf(p.ID, "aigul", "c", domain.ActionRetry).Reason, page[0].Reason)
	})
}

// Each effect, and what it changes of the payment.
func TestEffects(t *testing.T) {
	onBothWithJournal(t, func(t *testing.T, l *storage.Ledger, events func(domain.AgentTransactionID) []string) {
		p, started := paying(t, l, "k")
		changed, err := l.RecordPay(t.Context(), call(p.ID, "pay", 2), started, answered(215), storage.After{
			State: domain.StatePaying, OperatorReason: domain.ReasonLateRefusal, Waits: 1, NextWait: time.Minute,
		})
		require.NoError(t, err)
		require.True(t, changed)

		retry := place(t, l, orderOf(p.ID, "aigul", "retry", domain.ActionRetry))
		before := read(t, l, p.ID)
		follow(t, l, retry, domain.EffectAttempted)
		require.Equal(t, before, read(t, l, p.ID), "the attempt has written what it found")
		require.Equal(t, domain.EffectAttempted, placedOrder(t, l, retry).Effect)
		require.NotNil(t, placedOrder(t, l, retry).DoneAt)

		hold := place(t, l, orderOf(p.ID, "aigul", "hold", domain.ActionHold))
		follow(t, l, hold, domain.EffectHeld)
		held := read(t, l, p.ID)
		require.True(t, held.Held)
		require.Nil(t, held.NextAttemptAt, "nothing is due while it is held")
		require.True(t, held.Standing().Stopped())
		require.True(t, held.UpdatedAt.After(before.UpdatedAt.Time))

		resolve := resolves(t, l, p.ID, "aigul", "resolve", domain.StateResolvedSucceeded)
		follow(t, l, resolve, domain.EffectProposed)
		proposed := read(t, l, p.ID)
		require.Equal(t, domain.StateResolvedSucceeded, proposed.Proposed)
		require.Equal(t, resolve.ID, *proposed.ProposedAction)
		require.Equal(t, noon.Add(24*time.Hour), proposed.ProposedUntil.Time)
		require.True(t, proposed.Held, "a hold stands beside a proposal")
		require.Equal(t, domain.StatePaying, proposed.State)

		release := place(t, l, orderOf(p.ID, "marat", "release", domain.ActionRelease))
		follow(t, l, release, domain.EffectReleased)
		free := read(t, l, p.ID)
		require.False(t, free.Standing().Stopped())
		require.Nil(t, free.ProposedAction)
		require.Nil(t, free.ProposedUntil)
		require.Equal(t, before.Step, free.Step, "nothing of this is a state write")

		id := func(o storage.Action) string { return " operator " + domain.AgentTransactionID(o.ID).String() }
		require.Equal(t, []string{"attempted" + id(retry), "held" + id(hold), "proposed" + id(resolve), "released" + id(release)}, events(p.ID))
	})
}

// An order takes effect once: a hold that comes late, after the release, changes
// nothing, and its effect stays what it was.
func TestOrderTakesEffectOnce(t *testing.T) {
	onBothWithJournal(t, func(t *testing.T, l *storage.Ledger, events func(domain.AgentTransactionID) []string) {
		p, _ := paying(t, l, "k")
		hold := place(t, l, orderOf(p.ID, "aigul", "hold", domain.ActionHold))
		follow(t, l, hold, domain.EffectHeld)
		done := placedOrder(t, l, hold)
		release := place(t, l, orderOf(p.ID, "marat", "release", domain.ActionRelease))
		follow(t, l, release, domain.EffectReleased)
		before := read(t, l, p.ID)

		follow(t, l, hold, domain.EffectHeld)
		follow(t, l, hold, domain.EffectAttempted)
		follow(t, l, release, domain.EffectReleased)
		require.Equal(t, before, read(t, l, p.ID))
		require.Equal(t, done, placedOrder(t, l, hold))
		require.Len(t, events(p.ID), 2)
	})
}

// An equal order that is followed by many at once has one event.
func TestOrderIsFollowedAtOnce(t *testing.T) {
	onBothWithJournal(t, func(t *testing.T, l *storage.Ledger, events func(domain.AgentTransactionID) []string) {
		p, _ := paying(t, l, "k")
		hold := place(t, l, orderOf(p.ID, "aigul", "hold", domain.ActionHold))
		for _, err := range atOnce(20, func(int) error {
			return l.Follow(context.Background(), storage.Following{PaymentID: p.ID, OrderID: hold.ID, Effect: domain.EffectHeld})
		}) {
			require.NoError(t, err)
		}
		require.Len(t, events(p.ID), 1)
		require.True(t, read(t, l, p.ID).Held)
	})
}

// A payment that has ended is neither held nor released, and the order keeps no
// effect; that an attempt was made stays true.
func TestFollowAfterTheEnd(t *testing.T) {
	onBothWithJournal(t, func(t *testing.T, l *storage.Ledger, events func(domain.AgentTransactionID) []string) {
		p := accept(t, l, request("k"))
		_, err := end(l, p.ID, 1, domain.StateCancelled)
		require.NoError(t, err)
		before := read(t, l, p.ID)
		for effect, action := range map[domain.Effect]domain.Action{
			domain.EffectHeld: domain.ActionHold, domain.EffectReleased: domain.ActionRelease, domain.EffectProposed: domain.ActionResolve,
		} {
			o := place(t, l, orderOf(p.ID, "aigul", string(action), action))
			follow(t, l, o, effect)
			require.Equal(t, before, read(t, l, p.ID))
			require.Empty(t, placedOrder(t, l, o).Effect)
		}
		require.Len(t, events(p.ID), 1)

		retry := place(t, l, orderOf(p.ID, "aigul", "retry", domain.ActionRetry))
		follow(t, l, retry, domain.EffectAttempted)
		require.Equal(t, before, read(t, l, p.ID))
		require.Equal(t, domain.EffectAttempted, placedOrder(t, l, retry).Effect)
	})
}

// confirms is a second operator's resolve of a payment that a first proposed to
// resolve as refused.
func confirms(t *testing.T, l *storage.Ledger, o storage.Action, step int) (storage.Payment, domain.Refusal) {
	t.Helper()
	now, refusal, err := l.Confirm(t.Context(), storage.Confirmation{PaymentID: paymentOf(t, o), Step: step, OrderID: o.ID, Execution: "run-1"})
	require.NoError(t, err)
	require.Equal(t, read(t, l, paymentOf(t, o)), now)
	return now, refusal
}

// proposed takes a payment to a first operator's proposal.
func proposed(t *testing.T, l *storage.Ledger, key string, outcome domain.State) (storage.Payment, storage.Action) {
	t.Helper()
	p, _ := paying(t, l, key)
	require.NoError(t, l.Flag(t.Context(), p.ID, domain.ReasonLateRefusal, "run-1"))
	first := resolves(t, l, p.ID, "aigul", key+"-first", outcome)
	follow(t, l, first, domain.EffectProposed)
	return read(t, l, p.ID), first
}

// The word of two different operators ends a payment; nothing else does.
func TestConfirm(t *testing.T) {
	for _, outcome := range []domain.State{domain.StateResolvedSucceeded, domain.StateResolvedRefused} {
		onBothWithJournal(t, func(t *testing.T, l *storage.Ledger, events func(domain.AgentTransactionID) []string) {
			p, first := proposed(t, l, "k", outcome)
			hold := place(t, l, orderOf(p.ID, "aigul", "hold", domain.ActionHold))
			follow(t, l, hold, domain.EffectHeld)
			before := read(t, l, p.ID)

			_, refusal := confirms(t, l, resolves(t, l, p.ID, "aigul", "same", outcome), 9)
			require.Equal(t, domain.RefusalSecondOperator, refusal)
			opposite := domain.StateResolvedSucceeded
			if outcome == opposite {
				opposite = domain.StateResolvedRefused
			}
			_, refusal = confirms(t, l, resolves(t, l, p.ID, "marat", "opposite", opposite), 9)
			require.Equal(t, domain.RefusalOtherOutcome, refusal)
			now, refusal := confirms(t, l, first, 9)
			require.Empty(t, refusal, "the first order had its effect")
			require.Equal(t, before, now)

			second := resolves(t, l, p.ID, "marat", "second", outcome)
			now, refusal = confirms(t, l, second, 9)
			require.Empty(t, refusal)
			require.Equal(t, outcome, now.State)
			require.Equal(t, 9, now.Step)
			require.False(t, now.NeedsOperator)
			require.False(t, now.Standing().Stopped())
			require.Nil(t, now.ProposedAction)
			require.Nil(t, now.ProposedUntil)
			require.Equal(t, domain.EffectResolved, placedOrder(t, l, second).Effect)
			journal := events(p.ID)
			require.Equal(t, string(outcome)+" operator "+domain.AgentTransactionID(second.ID).String(), journal[len(journal)-1])

			again, refusal := confirms(t, l, second, 10)
			require.Empty(t, refusal)
			require.Equal(t, now, again)
			_, refusal = confirms(t, l, resolves(t, l, p.ID, "dina", "third", outcome), 11)
			require.Equal(t, domain.RefusalEnded, refusal)
			require.Len(t, events(p.ID), len(journal))
		})
	}
}

// A confirmation whose step another execution has overtaken does nothing, and
// says so by the payment; with a later step it does.
func TestConfirmBehind(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		p, _ := proposed(t, l, "k", domain.StateResolvedRefused)
		second := resolves(t, l, p.ID, "marat", "second", domain.StateResolvedRefused)
		now, refusal := confirms(t, l, second, p.Step)
		require.Empty(t, refusal)
		require.Equal(t, p, now)
		require.Empty(t, placedOrder(t, l, second).Effect)
		now, _ = confirms(t, l, second, p.Step+1)
		require.Equal(t, domain.StateResolvedRefused, now.State)
	})
}

// A proposal that was dropped cannot be confirmed: by lapse, or by release.
func TestConfirmAfterTheProposalIsGone(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		for name, drop := range map[string]func(p storage.Payment, first storage.Action){
			"lapsed": func(p storage.Payment, first storage.Action) {
				require.NoError(t, l.Lapse(t.Context(), p.ID, first.ID, "run-1"))
			},
			"released": func(p storage.Payment, _ storage.Action) {
				follow(t, l, place(t, l, orderOf(p.ID, "dina", "release", domain.ActionRelease)), domain.EffectReleased)
			},
		} {
			p, first := proposed(t, l, name, domain.StateResolvedRefused)
			drop(p, first)
			second := resolves(t, l, p.ID, "marat", name+"-second", domain.StateResolvedRefused)
			now, refusal := confirms(t, l, second, 9)
			require.Equal(t, domain.RefusalOtherOutcome, refusal)
			require.Equal(t, domain.StatePaying, now.State)
			require.Empty(t, placedOrder(t, l, second).Effect)
		}
	})
}

// A word on a payment that was never paid ends nothing: cancel is for that.
func TestConfirmNeedsAPay(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		p := accept(t, l, request("k"))
		follow(t, l, resolves(t, l, p.ID, "aigul", "first", domain.StateResolvedRefused), domain.EffectProposed)
		now, refusal := confirms(t, l, resolves(t, l, p.ID, "marat", "second", domain.StateResolvedRefused), 9)
		require.Equal(t, domain.RefusalNeverPaid, refusal)
		require.Equal(t, domain.StateAccepted, now.State)
	})
}

// Twenty second operators at once: one of them ends the payment.
func TestConfirmAtOnce(t *testing.T) {
	onBothWithJournal(t, func(t *testing.T, l *storage.Ledger, events func(domain.AgentTransactionID) []string) {
		p, _ := proposed(t, l, "k", domain.StateResolvedRefused)
		orders := make([]storage.Action, 20)
		for i := range orders {
			orders[i] = resolves(t, l, p.ID, "operator "+string(rune('a'+i)), "key", domain.StateResolvedRefused)
		}
		before := len(events(p.ID))
		for _, err := range atOnce(len(orders), func(i int) error {
			_, _, err := l.Confirm(context.Background(), storage.Confirmation{PaymentID: p.ID, Step: 9, OrderID: orders[i].ID})
			return err
		}) {
			require.NoError(t, err)
		}
		require.Equal(t, domain.StateResolvedRefused, read(t, l, p.ID).State)
		require.Len(t, events(p.ID), before+1)
		effects := 0
		for _, o := range orders {
			if placedOrder(t, l, o).Effect == domain.EffectResolved {
				effects++
			}
		}
		require.Equal(t, 1, effects)
	})
}

// Only the proposal of that very order lapses, once, and a hold beside it stays.
func TestLapse(t *testing.T) {
	onBothWithJournal(t, func(t *testing.T, l *storage.Ledger, events func(domain.AgentTransactionID) []string) {
		p, first := proposed(t, l, "k", domain.StateResolvedRefused)
		follow(t, l, place(t, l, orderOf(p.ID, "aigul", "hold", domain.ActionHold)), domain.EffectHeld)
		before := read(t, l, p.ID)
		require.NoError(t, l.Lapse(t.Context(), p.ID, first.ID+99, "run-1"))
		require.Equal(t, before, read(t, l, p.ID), "another order's")

		require.NoError(t, l.Lapse(t.Context(), p.ID, first.ID, "run-1"))
		now := read(t, l, p.ID)
		require.Empty(t, now.Proposed)
		require.Nil(t, now.ProposedAction)
		require.Nil(t, now.ProposedUntil)
		require.True(t, now.Held)
		require.True(t, now.NeedsOperator)
		journal := events(p.ID)
		require.Equal(t, "proposal_lapsed operator "+domain.AgentTransactionID(first.ID).String(), journal[len(journal)-1])
		require.NoError(t, l.Lapse(t.Context(), p.ID, first.ID, "run-1"))
		require.Equal(t, now, read(t, l, p.ID))
		require.Len(t, events(p.ID), len(journal))
		require.Equal(t, domain.EffectProposed, placedOrder(t, l, first).Effect, "what it did, it did")
	})
}

// A pause is noted for the attempt that is due, and for no other; the next attempt
// that is made clears it, and so does the end.
func TestPause(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		until := noon.Add(10 * time.Second)
		p, started := paying(t, l, "k")
		require.NoError(t, l.Pause(t.Context(), p.ID, p.Step, until), "of a step that was written")
		require.Equal(t, p, read(t, l, p.ID))

		require.NoError(t, l.Pause(t.Context(), p.ID, 2, until))
		paused := read(t, l, p.ID)
		require.True(t, paused.Paused)
		require.Equal(t, until, paused.NextAttemptAt.Time)
		require.Equal(t, p.Step, paused.Step)
		require.Equal(t, p.Attempts, paused.Attempts, "a pause is no attempt")

		changed, err := l.RecordPay(t.Context(), call(p.ID, "pay", 2), started, answered(1), storage.After{State: domain.StatePaying, Waits: 1, NextWait: time.Minute})
		require.NoError(t, err)
		require.True(t, changed)
		require.False(t, read(t, l, p.ID).Paused)

		require.NoError(t, l.Pause(t.Context(), p.ID, 3, until))
		_, err = end(l, p.ID, 4, domain.StateSucceeded)
		require.NoError(t, err)
		over := read(t, l, p.ID)
		require.False(t, over.Paused)
		require.NoError(t, l.Pause(t.Context(), p.ID, 99, until), "after the end")
		require.Equal(t, over, read(t, l, p.ID))

		checking := accept(t, l, request("check"))
		require.NoError(t, l.Pause(t.Context(), checking.ID, 1, until))
		require.True(t, read(t, l, checking.ID).Paused)
		_, _, err = l.RecordCheck(t.Context(), storage.CheckRecord{
			Call: call(checking.ID, "check", 1), Outcome: answered(1), After: storage.After{State: domain.StateChecking, NextWait: time.Minute}})
		require.NoError(t, err)
		require.False(t, read(t, l, checking.ID).Paused)
	})
}
