package workflows_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	sdkpb "go.temporal.io/api/sdk/v1"

	"tolem/domain"
	centre "tolem/simulators/processing"
	"tolem/storage"
)

// Two resolves at the same moment wait for one attempt. Two operators who agree
// end the payment by it; one operator twice is one word; two who differ are told.
func TestResolvesOfOneMoment(t *testing.T) {
	for name, c := range map[string]struct {
		who     string
		outcome domain.State
		effect  domain.Effect
		refusal domain.Refusal
		ends    domain.State
	}{
		"two who agree":  {"marat", domain.StateResolvedRefused, domain.EffectResolved, "", domain.StateResolvedRefused},
		"one, twice":     {"aigul", domain.StateResolvedRefused, domain.EffectAttempted, domain.RefusalSecondOperator, domain.StateSucceeded},
		"two who differ": {"marat", domain.StateResolvedSucceeded, domain.EffectAttempted, domain.RefusalOtherOutcome, domain.StateSucceeded},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBank(t)
			id := b.flagged(centre.Answer{Code: 215, Transient: true, Times: 2})
			run := b.execution(id)
			first, second := &ordered{}, &ordered{}
			sent := 0
			run.during("Pay", 3, func() { // both are heard after it; the fourth is theirs
				run.order(first, "aigul", domain.ActionResolve, domain.StateResolvedRefused)
				run.order(second, c.who, domain.ActionResolve, c.outcome)
				run.RegisterDelayedCallback(func() { sent = len(b.requests(id, "pay")) }, time.Hour)
			})
			p := run.finish()
			if c.ends == domain.StateSucceeded {
				require.Equal(t, 4, sent, "held after one attempt")
				b.moved(id, 1)
			} else {
				require.Len(t, b.requests(id, "pay"), 4)
			}
			first.effect(t, domain.EffectProposed)
			require.Equal(t, c.effect, second.Effect)
			require.Equal(t, c.refusal, second.Refusal)
			require.Equal(t, c.ends, p.State)
			require.Equal(t, []domain.Effect{domain.EffectProposed, c.effect}, b.effects(id))
		})
	}
}

// resolve asks once more although the payment is held; what follows leaves the
// hold in place, until somebody releases it.
func TestResolveWhileHeld(t *testing.T) {
	for name, c := range map[string]struct {
		answer   centre.Answer
		effect   domain.Effect
		refusal  domain.Refusal
		proposed domain.State
	}{
		"proposed":    {once(domain.CodeNumberExists), domain.EffectProposed, "", domain.StateResolvedRefused},
		"in progress": {code(domain.CodeInProgress), domain.EffectAttempted, domain.RefusalInProgress, ""},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBank(t)
			id := b.flagged(c.answer)
			run := b.execution(id)
			run.orders(1500*time.Millisecond, "aigul", domain.ActionHold, "")
			resolve := run.orders(time.Minute, "aigul", domain.ActionResolve, domain.StateResolvedRefused)
			run.RegisterDelayedCallback(func() {
				p := b.payment(id)
				require.True(t, p.Held)
				require.Equal(t, c.proposed, p.Proposed)
				require.Nil(t, p.NextAttemptAt, "nothing is due")
				require.Len(t, b.requests(id, "pay"), 3)
			}, 20*time.Hour)
			release := run.orders(20*time.Hour, "marat", domain.ActionRelease, "")
			p := run.finish()
			require.Equal(t, c.effect, resolve.Effect)
			require.Equal(t, c.refusal, resolve.Refusal)
			release.effect(t, domain.EffectReleased)
			require.Equal(t, domain.StateSucceeded, p.State)
			require.Len(t, b.requests(id, "pay"), 4)
			require.Equal(t, 20*time.Hour, b.intervals(id, "pay")[2].Round(time.Hour), "nothing more was sent before the release")
			b.moved(id, 1)
			b.scheduledWaitsGrow(id)
		})
	}
}

// A final code ends a held payment, too, when a resolve asked for the attempt.
func TestResolveOfAHeldPaymentThatIsAnswered(t *testing.T) {
	b := newBank(t)
	id := b.flagged()
	run := b.execution(id)
	run.orders(1500*time.Millisecond, "aigul", domain.ActionHold, "")
	resolve := run.orders(time.Minute, "aigul", domain.ActionResolve, domain.StateResolvedRefused)
	p := run.finish()
	resolve.effect(t, domain.EffectAttempted)
	require.Equal(t, domain.StateSucceeded, p.State)
	require.False(t, p.Held)
	b.moved(id, 1)
}

// A word that comes after the 24 h confirms nothing, although no worker was there
// to let the proposal lapse: it is the first word again, with an attempt.
func TestLateWordIsTheFirstAgain(t *testing.T) {
	b := newBank(t)
	id := b.accepted(nil)
	b.scripted("pay", fault(centre.HTML502), centre.Answer{Code: 215, Transient: true, Times: 2})
	b.attemptsOfALostRun(id, 3)
	b.orderOfALostRun(id, "aigul", domain.ActionResolve, storage.Following{Effect: domain.EffectProposed,
		Outcome: domain.StateResolvedRefused, Until: time.Now().Add(24 * time.Hour)})

	run := b.execution(id)
	run.SetStartTime(time.Now().Add(30 * time.Hour))
	second := run.orders(0, "marat", domain.ActionResolve, domain.StateResolvedRefused)
	run.RegisterDelayedCallback(func() {
		require.Equal(t, domain.StatePaying, b.payment(id).State)
		require.Len(t, b.requests(id, "pay"), 3)
	}, time.Hour)
	third := run.orders(2*time.Hour, "aigul", domain.ActionResolve, domain.StateResolvedRefused)
	p := run.finish()
	second.effect(t, domain.EffectProposed)
	third.effect(t, domain.EffectResolved)
	require.Equal(t, domain.StateResolvedRefused, p.State)
	require.Len(t, b.requests(id, "pay"), 3)
}

// Another execution wrote a later step while a proposal waited: the second word
// counts all the same.
func TestConfirmThatWasOvertaken(t *testing.T) {
	b := newBank(t)
	id := b.flagged(once(domain.CodeNumberExists))
	run := b.execution(id)
	first := run.orders(2*time.Second, "aigul", domain.ActionResolve, domain.StateResolvedSucceeded)
	run.RegisterDelayedCallback(func() { b.sql("UPDATE payments SET step = step + 20") }, time.Minute)
	second := run.orders(time.Hour, "marat", domain.ActionResolve, domain.StateResolvedSucceeded)
	p := run.finish()
	first.effect(t, domain.EffectProposed)
	second.effect(t, domain.EffectResolved)
	require.Equal(t, domain.StateResolvedSucceeded, p.State)
	require.Equal(t, 2, run.started["ConfirmOrder"])
}

// details are what people read in Temporal's UI.
func (e *execution) details() string {
	e.b.t.Helper()
	value, err := e.QueryWorkflow("__temporal_workflow_metadata") // the name that the UI asks
	require.NoError(e.b.t, err)
	var metadata sdkpb.WorkflowMetadata
	require.NoError(e.b.t, value.Get(&metadata))
	return metadata.CurrentDetails
}

// The details say who or what stops a payment, and nothing of it once it has ended.
func TestDetailsSayWhatStopsAPayment(t *testing.T) {
	b := newBank(t)
	id := b.flagged(once(domain.CodeNumberExists))
	run := b.execution(id)
	run.orders(1500*time.Millisecond, "aigul", domain.ActionHold, "")
	run.RegisterDelayedCallback(func() { require.Contains(t, run.details(), "held by an operator") }, 10*time.Second)
	run.orders(time.Minute, "aigul", domain.ActionResolve, domain.StateResolvedRefused)
	run.RegisterDelayedCallback(func() {
		require.Contains(t, run.details(), "resolved_refused proposed, waits for a second operator")
		require.Contains(t, run.details(), "needs an operator: late_refusal")
	}, 2*time.Minute)
	run.orders(time.Hour, "marat", domain.ActionResolve, domain.StateResolvedRefused)
	require.Equal(t, domain.StateResolvedRefused, run.finish().State)
	require.Equal(t, "resolved_refused after 4 attempts · 215 transaction number already exists", run.details())
}
