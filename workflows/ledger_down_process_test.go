package workflows_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tolem/domain"
	centre "tolem/simulators/processing"
	"tolem/storage"
)

// An order whose effect the ledger cannot take is followed when it can, however
// long that takes, once; nothing is sent meanwhile.
func TestOrderFollowedWhenTheLedgerIsBack(t *testing.T) {
	for action, effect := range map[domain.Action]domain.Effect{
		domain.ActionHold: domain.EffectHeld, domain.ActionRetry: domain.EffectAttempted, domain.ActionResolve: domain.EffectProposed,
	} {
		t.Run(string(action), func(t *testing.T) {
			b := newBank(t)
			id := b.flagged(centre.Answer{Code: 215, Transient: true, Times: 2})
			run := b.execution(id)
			var mend func()
			run.RegisterDelayedCallback(func() { mend = b.broken("INSERT ON journal WHEN NEW.phase = 'event'") }, time.Second+500*time.Millisecond)
			o := run.orders(2*time.Second, "aigul", action, domain.StateResolvedSucceeded)
			sent := 0
			run.RegisterDelayedCallback(func() { sent = len(b.requests(id, "pay")) }, 10*time.Second)
			run.RegisterDelayedCallback(func() {
				require.Len(t, b.requests(id, "pay"), sent)
				require.False(t, o.done, "what the ledger does not have did not happen")
				mend()
			}, 5*time.Hour)
			run.RegisterDelayedCallback(func() { require.True(t, o.done) }, 5*time.Hour+2*time.Minute)
			run.orders(6*time.Hour, "marat", domain.ActionRelease, "")
			p := run.finish()
			o.effect(t, effect)
			require.Equal(t, domain.StateSucceeded, p.State)
			require.Equal(t, effect, b.effects(id)[0])
			b.moved(id, 1)
		})
	}
}

// A person is asked to look although the ledger was down when it was time.
func TestFlagWhenTheLedgerIsBack(t *testing.T) {
	b := newBank(t)
	b.scripted("pay", centre.Answer{Code: 1, Times: 14})
	id := b.accepted(nil)
	run := b.execution(id)
	run.input.Since, run.input.RaiseAfter = run.Now(), time.Hour
	mend := b.broken("UPDATE OF needs_operator ON payments WHEN NEW.needs_operator")
	run.RegisterDelayedCallback(func() { mend() }, 90*time.Minute)
	run.RegisterDelayedCallback(func() {
		require.True(t, b.payment(id).NeedsOperator)
		require.Equal(t, []domain.OperatorReason{domain.ReasonLedgerLate, domain.ReasonTooOld}, b.openReasons(id))
	}, 92*time.Minute)
	require.Equal(t, domain.StateSucceeded, run.finish().State)
	b.moved(id, 1)
}

// A payer's choice that could not be committed is committed when the ledger is
// back, not when somebody speaks again.
func TestChoiceCommittedWhenTheLedgerIsBack(t *testing.T) {
	b := newBank(t)
	id := b.accepted(contracts().change)
	run := b.execution(id)
	mend := b.broken("UPDATE OF pay_sent_at ON payments")
	news := run.chooses(time.Hour, contracts().choice)
	run.RegisterDelayedCallback(func() { mend() }, 2*time.Hour)
	run.RegisterDelayedCallback(func() { require.Equal(t, domain.StateSucceeded, b.payment(id).State) }, 2*time.Hour+2*time.Minute)
	require.Equal(t, domain.StateSucceeded, run.finish().State)
	require.Equal(t, domain.StatePaying, news.state)
	b.moved(id, 1)
}

// A run that takes over while the ledger is down cannot know where the payment
// stands: what people order meanwhile waits, and is then judged by what the ledger
// says. It does not wait for the next rung.
func TestOrdersBeforeTheLedgerTells(t *testing.T) {
	b := newBank(t)
	b.scripted("pay", fault(centre.HTML502), centre.Answer{Code: 215, Transient: true, Times: 2})
	id := b.accepted(nil)
	b.attemptsOfALostRun(id, 3)
	b.sql("UPDATE payments SET held = TRUE")
	run := b.execution(id)
	up := b.down()
	// tried at 0, 1, 3, 7, 15, 31 and 63 s, and then at 127
	early := run.orders(64*time.Second, "aigul", domain.ActionResolve, domain.StateResolvedRefused)
	run.RegisterDelayedCallback(func() {
		require.Equal(t, 8, run.started["Check"], "who spoke was worth one more look")
		up()
	}, 70*time.Second)
	retry := run.orders(80*time.Second, "marat", domain.ActionRetry, "")
	run.RegisterDelayedCallback(func() {
		require.True(t, retry.done)
		require.True(t, early.done)
		require.Len(t, b.requests(id, "pay"), 3, "the one that resolve asked for")
		require.Equal(t, domain.StateResolvedRefused, b.payment(id).Proposed)
	}, 90*time.Second)
	release := run.orders(time.Hour, "dina", domain.ActionRelease, "")
	p := run.finish()
	early.effect(t, domain.EffectProposed)
	retry.refusal(t, domain.RefusalHeld)
	release.effect(t, domain.EffectReleased)
	require.Equal(t, domain.StateSucceeded, p.State)
	b.moved(id, 1)
	b.scheduledWaitsGrow(id)
}

// A held payment is not even checked by the look that an order is worth.
func TestHeldCheckBeforeTheLedgerTells(t *testing.T) {
	b := newBank(t)
	b.scripted("check", code(1))
	id := b.accepted(nil)
	b.attemptsOfALostRun(id, 1)
	b.sql("UPDATE payments SET held = TRUE")
	run := b.execution(id)
	up := b.down()
	run.RegisterDelayedCallback(func() { up() }, 70*time.Second)
	retry := run.orders(80*time.Second, "aigul", domain.ActionRetry, "")
	run.RegisterDelayedCallback(func() {
		require.True(t, retry.done)
		require.Len(t, b.requests(id, "check"), 1)
	}, time.Hour)
	release := run.orders(time.Hour, "aigul", domain.ActionRelease, "")
	require.Equal(t, domain.StateSucceeded, run.finish().State)
	retry.refusal(t, domain.RefusalHeld)
	release.effect(t, domain.EffectReleased)
	b.moved(id, 1)
}

// A payment that is cancelled from Temporal before the ledger told anything
// answers those who spoke.
func TestCancelledBeforeTheLedgerTells(t *testing.T) {
	b := newBank(t)
	id := b.accepted(nil)
	run := b.execution(id)
	up := b.down()
	hold := run.orders(5*time.Second, "aigul", domain.ActionHold, "")
	run.RegisterDelayedCallback(run.CancelWorkflow, 10*time.Second)
	run.RegisterDelayedCallback(func() { up() }, time.Minute)
	require.Equal(t, domain.StateCancelled, run.finish().State)
	hold.refusal(t, domain.RefusalEnded)
	require.Empty(t, b.centre.Requests(int64(id)))
}

// An attempt that somebody asked for and that could not be made, because the
// ledger was down, is made when it is back: the answer never speaks of an attempt
// that was not, and nothing is proposed without having asked.
func TestAskedAttemptIsMadeWhenTheLedgerIsBack(t *testing.T) {
	for action, effect := range map[domain.Action]domain.Effect{
		domain.ActionRetry: domain.EffectAttempted, domain.ActionResolve: domain.EffectProposed,
	} {
		for _, held := range []bool{false, true} {
			if held && action == domain.ActionRetry {
				continue // refused
			}
			t.Run(string(action)+map[bool]string{true: " of a held payment"}[held], func(t *testing.T) {
				b := newBank(t)
				id := b.flagged(once(domain.CodeNumberExists))
				run := b.execution(id)
				if held {
					run.orders(1500*time.Millisecond, "aigul", domain.ActionHold, "")
				}
				var up func()
				run.during("Pay", 3, func() { up = b.down() })
				o := run.orders(2*time.Second, "aigul", action, domain.StateResolvedSucceeded)
				run.RegisterDelayedCallback(func() {
					require.False(t, o.done)
					require.Len(t, b.requests(id, "pay"), 2)
					up()
				}, 20*time.Minute)
				run.RegisterDelayedCallback(func() {
					o.effect(t, effect)
					require.Len(t, b.requests(id, "pay"), 3)
					require.Less(t, run.started["Pay"], 15)
				}, 26*time.Minute)
				release := run.orders(10*time.Hour, "marat", domain.ActionRelease, "")
				p := run.finish()
				require.Equal(t, action == domain.ActionResolve, release.Effect == domain.EffectReleased)
				require.Equal(t, domain.StateSucceeded, p.State)
				require.Equal(t, domain.CauseOperator, b.causes(id)[3])
				b.moved(id, 1)
				b.scheduledWaitsGrow(id)
			})
		}
	}
}

// A hold takes the retry back that still waits for its attempt.
func TestHoldTakesBackAnUnmadeRetry(t *testing.T) {
	b := newBank(t)
	b.scripted("pay", code(1), code(1))
	id := b.accepted(nil)
	run := b.execution(id)
	var mend func()
	run.during("Pay", 3, func() { mend = b.broken("UPDATE OF attempts ON payments") })
	retry := run.orders(1500*time.Millisecond, "aigul", domain.ActionRetry, "")
	hold := run.orders(3*time.Second, "aigul", domain.ActionHold, "")
	run.RegisterDelayedCallback(func() {
		mend()
		require.True(t, retry.done)
	}, time.Minute)
	run.RegisterDelayedCallback(func() { require.Len(t, b.requests(id, "pay"), 2) }, time.Hour)
	release := run.orders(time.Hour, "aigul", domain.ActionRelease, "")
	require.Equal(t, domain.StateSucceeded, run.finish().State)
	require.Equal(t, domain.RefusalHeld, retry.Refusal)
	hold.effect(t, domain.EffectHeld)
	release.effect(t, domain.EffectReleased)
	require.Len(t, b.requests(id, "pay"), 3)
}

// An answer that ended the payment and could not be recorded answers those who
// asked for it when it is.
func TestAskedAnswerThatCouldNotBeRecorded(t *testing.T) {
	b := newBank(t)
	id := b.flagged()
	run := b.execution(id)
	var mend func()
	run.during("Pay", 3, func() { mend = b.broken("INSERT ON journal WHEN NEW.phase <> 'started'") })
	resolve := run.orders(2*time.Second, "aigul", domain.ActionResolve, domain.StateResolvedRefused)
	late := run.orders(time.Minute, "marat", domain.ActionRetry, "")
	run.RegisterDelayedCallback(func() { mend() }, time.Hour)
	p := run.finish()
	require.Equal(t, domain.StateSucceeded, p.State)
	resolve.effect(t, domain.EffectAttempted)
	require.Equal(t, domain.StateSucceeded, resolve.State)
	late.effect(t, domain.EffectAttempted)
	causes := b.causes(id)
	require.Equal(t, domain.CauseRecovery, causes[len(causes)-1], "asked again when the ledger was back")
	require.Less(t, len(causes), 25)
	b.sameBytes(id, "pay")
	b.moved(id, 1)
}

// Another execution ended the payment while this one waited: whatever is ordered
// then has no effect, and the run ends where the ledger stands.
func TestOrderForWhatAnotherExecutionEnded(t *testing.T) {
	for _, action := range []domain.Action{domain.ActionHold, domain.ActionRetry} {
		t.Run(string(action), func(t *testing.T) {
			b := newBank(t)
			b.scripted("pay", centre.Answer{Code: 1, Times: 10})
			id := b.accepted(nil)
			run := b.execution(id)
			run.input.Since = run.Now()
			run.RegisterDelayedCallback(func() {
				require.NoError(t, b.centre.ClearScripts())
				other := b.process()
				_, err := b.activity(t.Context(), other.Pay, other, step(id, 99))
				require.NoError(t, err)
			}, 260*time.Second) // pays at 0, 1, 3 and so on to 255; then at 511
			o := run.orders(5*time.Minute, "aigul", action, "")
			p := run.finish()
			o.refusal(t, domain.RefusalEnded)
			require.Empty(t, o.Effect)
			require.Equal(t, domain.StateSucceeded, o.State)
			require.Equal(t, domain.StateSucceeded, p.State)
			require.Equal(t, []domain.Effect{""}, b.effects(id))
			require.Less(t, run.Now().Sub(run.input.Since), 6*time.Minute)
			b.moved(id, 1)
		})
	}
}

// Another execution took the payment on while this one waited to check again: who
// asks for an attempt then is told where the payment stands.
func TestRetryOfWhatAnotherExecutionMovedOn(t *testing.T) {
	b := newBank(t)
	b.scripted("check", code(1))
	id := b.accepted(func(p *storage.Payment) { p.AutoPay = false })
	run := b.execution(id)
	run.RegisterDelayedCallback(func() {
		other := b.process()
		_, err := b.activity(t.Context(), other.Check, other, step(id, 9))
		require.NoError(t, err)
	}, 300*time.Millisecond)
	retry := run.orders(500*time.Millisecond, "aigul", domain.ActionRetry, "")
	cancel := run.orders(time.Hour, "aigul", domain.ActionCancel, "")
	require.Equal(t, domain.StateCancelled, run.finish().State)
	retry.refusal(t, domain.RefusalAwaitsPayer)
	require.Empty(t, retry.Effect)
	cancel.effect(t, domain.EffectCancelled)
	require.Len(t, b.requests(id, "check"), 2)
}
