package storage_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tolem/domain"
	"tolem/storage"
)

// commit commits a recorded choice as the workflow's order with this step does.
func commit(t *testing.T, l *storage.Ledger, id domain.AgentTransactionID, step int) (changed bool, started int64) {
	t.Helper()
	changed, started, err := l.CommitIntent(t.Context(), id, chosenIntent(step))
	require.NoError(t, err)
	return changed, started
}

func chosenIntent(step int) storage.IntentRecord {
	return storage.IntentRecord{From: domain.StateAwaitingPayer, Attempt: 2, Execution: "run-1", Pay: *intent(step + 1)}
}

// The intent, the state and the started row of the first pay are committed
// together.
func TestChoiceIsCommitted(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		p := awaiting(t, l, "k")
		_, err := l.Choose(t.Context(), p.ID, choice("1"))
		require.NoError(t, err)
		changed, started := commit(t, l, p.ID, 2)
		require.True(t, changed)
		require.NotZero(t, started)

		now := read(t, l, p.ID)
		require.Equal(t, domain.StatePaying, now.State)
		require.Equal(t, 2, now.Step)
		require.Equal(t, 2, now.Attempts)
		require.Empty(t, now.AsksPayer)
		require.Nil(t, now.PayerUntil)
		require.Equal(t, intent(3).Body, now.PayBody)
		require.Equal(t, noon, now.PaySentAt.Time)
		require.Equal(t, amount, *now.AmountTo)
		require.Equal(t, amount+100, *now.AmountFrom)
		require.Equal(t, "sha-1", now.ChoiceSHA256)
		attempts, err := l.Attempts(t.Context(), p.ID.WorkflowID(), 0, 9)
		require.NoError(t, err)
		require.Len(t, attempts, 2)
		require.Equal(t, storage.Attempt{
			ID: started, Call: "pay", Attempt: 2, Cause: domain.CauseScheduled, At: storage.At(noon), BodySHA256: storage.Digest(intent(3).Body),
			Outcome: string(domain.Unknown),
		}, attempts[1])

		changed, started = commit(t, l, p.ID, 3)
		require.False(t, changed, "paid already")
		require.Zero(t, started)
		require.Equal(t, now, read(t, l, p.ID))
	})
}

// Without a recorded choice, before an answer, after the end, and with a step
// that was written, nothing is committed.
func TestChoiceIsNotCommitted(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		unchosen, early, ended, stale := awaiting(t, l, "unchosen"), accept(t, l, request("early")), awaiting(t, l, "ended"), awaiting(t, l, "stale")
		for _, p := range []storage.Payment{ended, stale} {
			_, err := l.Choose(t.Context(), p.ID, choice("1"))
			require.NoError(t, err)
		}
		_, err := end(l, ended.ID, 2, domain.StateCancelled)
		require.NoError(t, err)
		for id, step := range map[domain.AgentTransactionID]int{unchosen.ID: 2, early.ID: 1, ended.ID: 3, stale.ID: stale.Step} {
			before := read(t, l, id)
			changed, started := commit(t, l, id, step)
			require.False(t, changed)
			require.Zero(t, started)
			require.Equal(t, before, read(t, l, id))
			attempts, err := l.Attempts(t.Context(), id.WorkflowID(), 0, 9)
			require.NoError(t, err)
			for _, a := range attempts {
				require.Equal(t, "check", a.Call)
			}
		}
	})
}

// Many executions that commit one choice at once make one intent.
func TestChoiceIsCommittedOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		p := awaiting(t, l, "k")
		_, err := l.Choose(t.Context(), p.ID, choice("1"))
		require.NoError(t, err)
		committed := make([]bool, 20)
		for _, err := range atOnce(len(committed), func(i int) (err error) {
			committed[i], _, err = l.CommitIntent(context.Background(), p.ID, chosenIntent(2))
			return err
		}) {
			require.NoError(t, err)
		}
		n := 0
		for _, c := range committed {
			if c {
				n++
			}
		}
		require.Equal(t, 1, n)
		attempts, err := l.Attempts(t.Context(), p.ID.WorkflowID(), 0, 99)
		require.NoError(t, err)
		require.Len(t, attempts, 2)
	})
}

// expired is never written over a recorded choice, cancelled is: no pay was sent.
func TestEndUnlessChosen(t *testing.T) {
	onBothWithJournal(t, func(t *testing.T, l *storage.Ledger, events func(domain.AgentTransactionID) []string) {
		expiry := func(id domain.AgentTransactionID, step int) storage.Payment {
			now, _, err := l.End(t.Context(), storage.Ending{PaymentID: id, Step: step, State: domain.StateExpired, Execution: "run-1"})
			require.NoError(t, err)
			require.Equal(t, read(t, l, id), now)
			return now
		}
		chosen := awaiting(t, l, "chosen")
		_, err := l.Choose(t.Context(), chosen.ID, choice("1"))
		require.NoError(t, err)
		before := read(t, l, chosen.ID)
		require.Equal(t, before, expiry(chosen.ID, 2))
		require.Equal(t, []string{"chosen  0"}, events(chosen.ID))
		now, err := end(l, chosen.ID, 3, domain.StateCancelled)
		require.NoError(t, err)
		require.Equal(t, domain.StateCancelled, now.State)

		unchosen := awaiting(t, l, "unchosen")
		require.Equal(t, domain.StateExpired, expiry(unchosen.ID, 2).State)
		require.Equal(t, []string{"expired  0"}, events(unchosen.ID))
	})
}

// A person's cancel keeps its effect with the end, and only with it.
func TestEndByOrder(t *testing.T) {
	onBothWithJournal(t, func(t *testing.T, l *storage.Ledger, events func(domain.AgentTransactionID) []string) {
		cancel := func(p storage.Payment, o storage.Action, step int) storage.Payment {
			now, _, err := l.End(t.Context(), storage.Ending{PaymentID: p.ID, Step: step, State: domain.StateCancelled, OrderID: o.ID, Execution: "run-1"})
			require.NoError(t, err)
			return now
		}
		p := awaiting(t, l, "k")
		require.NoError(t, l.Follow(t.Context(), storage.Following{PaymentID: p.ID, OrderID: place(t, l, orderOf(p.ID, "aigul", "h", domain.ActionHold)).ID, Effect: domain.EffectHeld}))
		o := place(t, l, orderOf(p.ID, "aigul", "c", domain.ActionCancel))
		now := cancel(p, o, 2)
		require.Equal(t, domain.StateCancelled, now.State)
		require.False(t, now.Held)
		done := placedOrder(t, l, o)
		require.Equal(t, domain.EffectCancelled, done.Effect)
		require.NotNil(t, done.DoneAt)
		journal := events(p.ID)
		require.Equal(t, "cancelled operator "+domain.AgentTransactionID(o.ID).String(), journal[len(journal)-1])
		require.Equal(t, now, cancel(p, o, 3))
		require.Equal(t, done, placedOrder(t, l, o))

		paid, _ := paying(t, l, "paid")
		o = place(t, l, orderOf(paid.ID, "aigul", "late", domain.ActionCancel))
		require.Equal(t, paid, cancel(paid, o, 9))
		require.Empty(t, placedOrder(t, l, o).Effect)
		require.Empty(t, events(paid.ID))
	})
}

// What is open for too long is counted; a payer's time is not.
func TestOpenSince(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		paying(t, l, "paying")                // accepted at noon
		awaiting(t, l, "awaiting")            // its payer thinks
		over := accept(t, l, request("over")) // ended
		_, err := end(l, over.ID, 1, domain.StateCancelled)
		require.NoError(t, err)
		chosen := awaiting(t, l, "chosen") // its payer chose at 12:01
		_, err = l.Choose(t.Context(), chosen.ID, choice("1"))
		require.NoError(t, err)
		changed, _ := commit(t, l, chosen.ID, 2)
		require.True(t, changed)
		for at, want := range map[time.Duration]int64{0: 0, time.Microsecond: 1, time.Minute: 1, time.Minute + time.Microsecond: 2, time.Hour: 2} {
			n, err := l.OpenSince(t.Context(), noon.Add(at))
			require.NoError(t, err)
			require.Equal(t, want, n, "%s after noon", at)
		}
	})
}

// After check's 0 the intent may be committed on its own, once; after any other
// answer, or once the payment has moved on, it may not.
func TestIntentAfterCheck(t *testing.T) {
	for name, c := range map[string]struct {
		code domain.Code
		want bool
	}{"0": {domain.CodeSuccess, true}, "1": {domain.CodeInProgress, false}} {
		t.Run(name, func(t *testing.T) {
			onBoth(t, func(t *testing.T, l *storage.Ledger) {
				p := accept(t, l, request("k"))
				_, _, err := l.RecordCheck(t.Context(), storage.CheckRecord{
					Call: call(p.ID, "check", 1), Outcome: answered(c.code), After: storage.After{State: domain.StateChecking},
				})
				require.NoError(t, err)
				record := storage.IntentRecord{From: domain.StateChecking, Attempt: 2, Execution: "run-1", Pay: *intent(3)}
				for _, want := range []bool{c.want, false} {
					changed, started, err := l.CommitIntent(t.Context(), p.ID, record)
					require.NoError(t, err)
					require.Equal(t, want, changed)
					require.Equal(t, want, started != 0)
				}
				now := read(t, l, p.ID)
				require.Equal(t, c.want, now.PaySentAt != nil)
				require.Equal(t, c.want, now.State == domain.StatePaying)
				require.False(t, now.MayIntend(domain.StateChecking))
			})
		})
	}
}
