package workflows_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tolem/domain"
)

// stoppedAtCheck asserts that check's answer is kept and nothing is committed or due.
func (b *bank) stoppedAtCheck(id domain.AgentTransactionID, checks int) {
	b.t.Helper()
	p := b.payment(id)
	require.Equal(b.t, domain.StateChecking, p.State)
	require.True(b.t, p.Held)
	require.NotEmpty(b.t, p.CheckAnswer)
	require.Nil(b.t, p.PaySentAt)
	require.Nil(b.t, p.PayBody)
	require.Nil(b.t, p.NextAttemptAt)
	require.Len(b.t, b.requests(id, "check"), checks)
	require.Empty(b.t, b.requests(id, "pay"))
}

// A hold that comes while check runs, the first or a repeated one, is answered held with
// nothing committed: cancel still works, and a release goes on from check's answer.
func TestHoldDuringCheck(t *testing.T) {
	for _, checks := range []int{1, 2} {
		for _, then := range []domain.Action{domain.ActionCancel, domain.ActionRelease} {
			t.Run(fmt.Sprint(then, " after check ", checks), func(t *testing.T) {
				b := newBank(t)
				if checks == 2 {
					b.scripted("check", code(domain.CodeInProgress))
				}
				id := b.accepted(nil)
				run := b.execution(id)
				hold := &ordered{}
				run.during("Check", checks, func() { run.order(hold, "aigul", domain.ActionHold, "") })
				run.RegisterDelayedCallback(func() { b.stoppedAtCheck(id, checks) }, time.Hour)
				retry := run.orders(time.Hour, "marat", domain.ActionRetry, "")
				next := run.orders(2*time.Hour, "marat", then, "")
				p := run.finish()

				hold.effect(t, domain.EffectHeld)
				retry.refusal(t, domain.RefusalHeld)
				require.Len(t, b.requests(id, "check"), checks)
				if then == domain.ActionCancel {
					next.effect(t, domain.EffectCancelled)
					require.Equal(t, domain.StateCancelled, p.State)
					require.Empty(t, b.requests(id, "pay"))
					b.moved(id, 0)
					return
				}
				next.effect(t, domain.EffectReleased)
				require.Equal(t, domain.StateSucceeded, p.State)
				require.Len(t, b.requests(id, "pay"), 1)
				require.Equal(t, checks+1, p.Attempts)
				b.moved(id, 1)
			})
		}
	}
}

// The ledger has the last word: a hold that another run wrote between check's answer and
// the intent stops the intent, although this run has not heard of it.
func TestHoldBetweenCheckAndIntent(t *testing.T) {
	b := newBank(t)
	b.scripted("check", code(domain.CodeInProgress)) // the second leaves the intent to CommitIntent
	id := b.accepted(nil)
	run := b.execution(id)
	run.during("CommitIntent", 1, func() { b.sql("UPDATE payments SET held = TRUE") })
	run.RegisterDelayedCallback(func() { b.stoppedAtCheck(id, 2) }, time.Hour)
	release := run.orders(time.Hour, "aigul", domain.ActionRelease, "")
	p := run.finish()
	release.effect(t, domain.EffectReleased)
	require.Equal(t, domain.StateSucceeded, p.State)
	require.Len(t, b.requests(id, "check"), 2)
	b.moved(id, 1)
}

// A payment that is held at check grows old as any other.
func TestHeldAtCheckCallsAnOperator(t *testing.T) {
	b := newBank(t)
	id := b.accepted(nil)
	run := b.execution(id)
	run.input.Since, run.input.RaiseAfter = run.Now(), 4*time.Hour
	run.during("Check", 1, func() { run.order(&ordered{}, "aigul", domain.ActionHold, "") })
	run.RegisterDelayedCallback(func() { require.Equal(t, domain.ReasonTooOld, b.payment(id).OperatorReason) }, 5*time.Hour)
	run.orders(6*time.Hour, "aigul", domain.ActionRelease, "")
	require.Equal(t, domain.StateSucceeded, run.finish().State)
	b.moved(id, 1)
}

// Where check asks the payer, a hold that another run wrote stands beside that: a choice is
// recorded and nothing is committed for it until the release, however long that takes.
func TestHoldBesideThePayersChoice(t *testing.T) {
	for _, then := range []domain.Action{domain.ActionCancel, domain.ActionRelease} {
		t.Run(string(then), func(t *testing.T) {
			b := newBank(t)
			id := b.accepted(contracts().change)
			run := b.execution(id)
			run.during("CommitChoice", 1, func() { b.sql("UPDATE payments SET held = TRUE") })
			news := run.chooses(time.Hour, contracts().choice)
			run.RegisterDelayedCallback(func() {
				p := b.payment(id)
				require.Equal(t, domain.StateAwaitingPayer, p.State)
				require.NotEmpty(t, p.ChoiceSHA256)
				require.Nil(t, p.PaySentAt)
				require.Equal(t, 1, run.started["CommitChoice"])
			}, 50*time.Hour)
			next := run.orders(50*time.Hour, "marat", then, "")
			p := run.finish()

			require.Equal(t, domain.StateAwaitingPayer, news.state)
			if then == domain.ActionCancel {
				next.effect(t, domain.EffectCancelled)
				require.Equal(t, domain.StateCancelled, p.State)
				require.Empty(t, b.requests(id, "pay"))
				return
			}
			next.effect(t, domain.EffectReleased)
			require.Equal(t, domain.StateSucceeded, p.State)
			require.Len(t, b.requests(id, "pay"), 1)
			b.moved(id, 1)
		})
	}
}

// A held payment whose payer never chooses expires: nothing was sent.
func TestHeldPaymentExpires(t *testing.T) {
	b := newBank(t)
	id := b.accepted(contracts().change)
	run := b.execution(id)
	run.RegisterDelayedCallback(func() { b.sql("UPDATE payments SET held = TRUE"); b.deadlinePasses() }, time.Hour)
	require.Equal(t, domain.StateExpired, run.finish().State)
	require.Empty(t, b.requests(id, "pay"))
}
