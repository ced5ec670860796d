package workflows_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tolem/domain"
	centre "tolem/simulators/processing"
	"tolem/storage"
)

// Two operators, each with the same word: the first one's asks once more, the
// second one's decides without a call.
func TestResolveByTwoOperators(t *testing.T) {
	for _, outcome := range []domain.State{domain.StateResolvedSucceeded, domain.StateResolvedRefused} {
		t.Run(string(outcome), func(t *testing.T) {
			b := newBank(t)
			id := b.flagged(once(domain.CodeNumberExists), centre.Answer{Code: 215, Transient: true, Times: 100})
			run := b.execution(id)
			early := run.orders(500*time.Millisecond, "aigul", domain.ActionResolve, outcome) // not flagged yet
			first := run.orders(90*time.Minute, "aigul", domain.ActionResolve, outcome)
			var sent int
			run.RegisterDelayedCallback(func() {
				sent = len(b.requests(id, "pay"))
				p := b.payment(id)
				require.Equal(t, domain.StatePaying, p.State)
				require.Equal(t, outcome, p.Proposed)
				require.Nil(t, p.NextAttemptAt, "nothing is due")
				require.WithinDuration(t, run.Now().Add(24*time.Hour), p.ProposedUntil.Time, 2*time.Minute)
			}, 91*time.Minute)
			same := run.orders(2*time.Hour, "aigul", domain.ActionResolve, outcome)
			opposite := domain.StateResolvedSucceeded
			if outcome == opposite {
				opposite = domain.StateResolvedRefused
			}
			other := run.orders(3*time.Hour, "marat", domain.ActionResolve, opposite)
			retry := run.orders(4*time.Hour, "marat", domain.ActionRetry, "")
			second := run.orders(25*time.Hour, "marat", domain.ActionResolve, outcome)
			p := run.finish()

			early.refusal(t, domain.RefusalNoOperator)
			first.effect(t, domain.EffectProposed)
			same.refusal(t, domain.RefusalSecondOperator)
			other.refusal(t, domain.RefusalOtherOutcome)
			retry.refusal(t, domain.RefusalHeld)
			second.effect(t, domain.EffectResolved)
			require.Equal(t, outcome, p.State)
			require.Len(t, b.requests(id, "pay"), sent, "nothing is sent after the first operator's attempt")
			require.Equal(t, domain.CauseOperator, b.causes(id)[sent], "check and pays, the last by the operator")
			require.Equal(t, []domain.Effect{"", domain.EffectProposed, "", "", "", domain.EffectResolved}, b.effects(id))
		})
	}
}

// The first operator's attempt may bring the final code: that ends the payment,
// whatever the operator believed.
func TestResolveAsksFirst(t *testing.T) {
	b := newBank(t)
	id := b.flagged()
	run := b.execution(id)
	resolve := run.orders(2*time.Second, "aigul", domain.ActionResolve, domain.StateResolvedRefused)
	p := run.finish()

	resolve.effect(t, domain.EffectAttempted)
	require.Equal(t, domain.StateSucceeded, resolve.State)
	require.Equal(t, domain.StateSucceeded, p.State)
	b.moved(id, 1)
}

// "refused" is not believed while the centre's last word is that it works on it:
// neither before the operator's attempt nor after it.
func TestResolveRefusedWhileInProgress(t *testing.T) {
	b := newBank(t)
	id := b.flagged(code(153), once(215), code(1))
	run := b.execution(id)
	// pays at 0 (220), 1 (215, flagged), 3 (153), 7 (215); then the operator's, which is answered 1
	early := run.orders(4*time.Second, "aigul", domain.ActionResolve, domain.StateResolvedRefused)
	late := run.orders(8*time.Second, "aigul", domain.ActionResolve, domain.StateResolvedRefused)
	p := run.finish()

	early.refusal(t, domain.RefusalInProgress)
	require.Equal(t, domain.RefusalInProgress, late.Refusal)
	require.Equal(t, domain.EffectAttempted, late.Effect)
	require.Equal(t, domain.StateSucceeded, p.State, "the payment went on by itself")
	b.moved(id, 1)
	b.scheduledWaitsGrow(id)
}

// A proposal that nobody confirms lapses, and the payment goes on.
func TestProposalLapses(t *testing.T) {
	for _, held := range []bool{false, true} {
		t.Run(fmt.Sprint("held before: ", held), func(t *testing.T) {
			b := newBank(t)
			id := b.flagged(once(215))
			run := b.execution(id)
			if held {
				run.orders(1500*time.Millisecond, "aigul", domain.ActionHold, "")
			}
			first := run.orders(2*time.Second, "aigul", domain.ActionResolve, domain.StateResolvedSucceeded)
			run.RegisterDelayedCallback(func() {
				require.Len(t, b.requests(id, "pay"), 3)
				require.Equal(t, domain.StatePaying, b.payment(id).State)
			}, 24*time.Hour)
			run.RegisterDelayedCallback(func() {
				require.Equal(t, held, b.payment(id).Held)
				require.Empty(t, b.payment(id).Proposed)
			}, 24*time.Hour+3*time.Second)
			late := run.orders(25*time.Hour, "marat", domain.ActionRelease, "")
			p := run.finish()

			first.effect(t, domain.EffectProposed)
			require.Equal(t, domain.StateSucceeded, p.State, "by the centre's word")
			b.moved(id, 1)
			if held {
				late.effect(t, domain.EffectReleased)
			} else {
				require.Equal(t, 24*time.Hour, b.requests(id, "pay")[3].Time.Sub(b.requests(id, "pay")[2].Time).Round(time.Second))
			}
		})
	}
}

// The second operator confirms although Temporal lost its memory in between.
func TestProposalSurvivesALostRun(t *testing.T) {
	b := newBank(t)
	id := b.accepted(nil)
	b.scripted("pay", code(220), centre.Answer{Code: 215, Transient: true, Times: 9})
	b.attemptsOfALostRun(id, 3)
	b.orderOfALostRun(id, "aigul", domain.ActionResolve, storage.Following{Effect: domain.EffectProposed,
		Outcome: domain.StateResolvedRefused, Until: time.Now().Add(24 * time.Hour)})
	sent := len(b.requests(id, "pay"))

	run := b.execution(id)
	same := run.orders(time.Hour, "aigul", domain.ActionResolve, domain.StateResolvedRefused)
	second := run.orders(2*time.Hour, "marat", domain.ActionResolve, domain.StateResolvedRefused)
	p := run.finish()
	same.refusal(t, domain.RefusalSecondOperator)
	second.effect(t, domain.EffectResolved)
	require.Equal(t, domain.StateResolvedRefused, p.State)
	require.Len(t, b.requests(id, "pay"), sent)
	b.moved(id, 0)
}
