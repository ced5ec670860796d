package workflows_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tolem/activities"
	"tolem/domain"
	centre "tolem/simulators/processing"
	"tolem/storage"
	"tolem/workflows"
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

// "refused" is not believed while the centre's last word on the payment is a temporary
// one: not when it is the last answer, and not when 202, 215 or an unknown code, which
// speak of the last request, have followed it.
func TestResolveRefusedWhileInProgress(t *testing.T) {
	for _, word := range []domain.Code{1, 153, 220, 255} {
		for _, later := range []domain.Code{202, 215, 999} {
			t.Run(fmt.Sprint(word, " then ", later), func(t *testing.T) {
				b := newBank(t)
				id := b.flagged(code(word), centre.Answer{Code: int(later), Transient: true, Times: 2})
				run := b.execution(id)
				// pays at 0, 1 (215, flagged), 3 (the word), 7 and 15 (the later code)
				early := run.orders(4*time.Second, "aigul", domain.ActionResolve, domain.StateResolvedRefused)
				late := run.orders(8*time.Second, "aigul", domain.ActionResolve, domain.StateResolvedRefused)
				run.RegisterDelayedCallback(func() {
					require.Equal(t, later, *b.payment(id).ResultCode)
					require.Equal(t, word, *b.payment(id).PaymentCode)
				}, 9*time.Second)
				p := run.finish()

				early.refusal(t, domain.RefusalInProgress)
				late.refusal(t, domain.RefusalInProgress)
				require.Equal(t, domain.StateSucceeded, p.State, "the payment went on by itself")
				b.moved(id, 1)
				b.scheduledWaitsGrow(id)
			})
		}
	}
}

// The operator's own attempt may bring that word: then it was made, and nothing more.
func TestResolveRefusedIsAnsweredInProgress(t *testing.T) {
	b := newBank(t)
	id := b.flagged(code(1))
	run := b.execution(id)
	resolve := run.orders(2*time.Second, "aigul", domain.ActionResolve, domain.StateResolvedRefused)
	p := run.finish()
	require.Equal(t, domain.RefusalInProgress, resolve.Refusal)
	require.Equal(t, domain.EffectAttempted, resolve.Effect)
	require.Equal(t, domain.StateSucceeded, p.State)
	b.moved(id, 1)
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
	b.scripted("pay", fault(centre.HTML502), centre.Answer{Code: 215, Transient: true, Times: 9})
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

// declines commits a decline as the API does, and wakes the workflow unless told is false.
func (e *execution) declines(after time.Duration, who string, told bool) {
	e.b.t.Helper()
	e.RegisterDelayedCallback(func() {
		e.b.keys++
		_, _, _, err := e.b.ledger.DeclineProposal(e.b.t.Context(), e.id, storage.Action{
			Process: e.id.WorkflowID(), Action: domain.ActionDecline, Caller: who, IdempotencyKey: fmt.Sprint(who, "-", e.b.keys), RequestSHA256: "-",
			Reason: "the client calls", RequestedAt: storage.At(e.Now()),
		})
		require.NoError(e.b.t, err)
		if told {
			e.SignalWorkflow(activities.NudgeSignal, activities.Nudge{Cause: domain.CauseOperator})
		}
	}, after)
}

// A declined proposal lets the payment go on at once and by itself; a hold beside it stays
// until it is released.
func TestDecline(t *testing.T) {
	for _, held := range []bool{false, true} {
		t.Run(fmt.Sprint("held before: ", held), func(t *testing.T) {
			b := newBank(t)
			id := b.flagged(once(215))
			run := b.execution(id)
			if held {
				run.orders(1500*time.Millisecond, "aigul", domain.ActionHold, "")
			}
			first := run.orders(2*time.Second, "aigul", domain.ActionResolve, domain.StateResolvedRefused)
			run.declines(time.Hour, "marat", true)
			run.RegisterDelayedCallback(func() {
				require.Empty(t, b.payment(id).Proposed)
				require.Equal(t, held, b.payment(id).Held)
				if held {
					require.Len(t, b.requests(id, "pay"), 3)
				}
			}, 2*time.Hour)
			release := run.orders(10*time.Hour, "dina", domain.ActionRelease, "")
			p := run.finish()
			first.effect(t, domain.EffectProposed)
			require.Equal(t, domain.StateSucceeded, p.State)
			b.moved(id, 1)
			require.Len(t, b.requests(id, "pay"), 4)
			wait := time.Hour
			if held {
				release.effect(t, domain.EffectReleased)
				wait = 10 * time.Hour
			}
			require.Equal(t, wait, b.intervals(id, "pay")[2].Round(time.Minute))
			b.scheduledWaitsGrow(id)
		})
	}
}

// A workflow that was not woken approves nothing that the ledger does not have, and goes on
// when the proposal would have lapsed.
func TestDeclineThatTheWorkflowWasNotToldOf(t *testing.T) {
	b := newBank(t)
	id := b.flagged(once(215))
	run := b.execution(id)
	run.orders(2*time.Second, "aigul", domain.ActionResolve, domain.StateResolvedRefused)
	run.declines(time.Hour, "marat", false)
	second := run.orders(2*time.Hour, "dina", domain.ActionResolve, domain.StateResolvedRefused)
	run.RegisterDelayedCallback(func() { require.Len(t, b.requests(id, "pay"), 3) }, 20*time.Hour)
	p := run.finish()
	second.refusal(t, domain.RefusalOtherOutcome)
	require.Equal(t, domain.StateSucceeded, p.State)
	b.moved(id, 1)
}

// A wake that finds nothing changed does nothing.
func TestWakeForNothing(t *testing.T) {
	b := newBank(t)
	b.scripted("pay", centre.Answer{Code: 1, Times: 4})
	id := b.accepted(nil)
	run := b.execution(id)
	for _, at := range []time.Duration{0, 500 * time.Millisecond, 5 * time.Second} {
		run.RegisterDelayedCallback(func() {
			run.SignalWorkflow(activities.NudgeSignal, activities.Nudge{Cause: domain.CauseOperator})
		}, at)
	}
	p := run.finish()
	require.Equal(t, domain.StateSucceeded, p.State)
	require.NotContains(t, b.causes(id), domain.CauseOperator)
	b.scheduledWaitsGrow(id)
	b.moved(id, 1)
}

// Two people who both cite evidence that outweighs the centre's temporary code resolve as
// refused; one of them is not enough.
func TestResolveAgainstTheCentresWord(t *testing.T) {
	b := newBank(t)
	id := b.flagged(code(153), centre.Answer{Code: 215, Transient: true, Times: 100})
	run := b.execution(id)
	citing := func(after time.Duration, who string, kind domain.EvidenceKind) *ordered {
		o := &ordered{}
		run.RegisterDelayedCallback(func() { run.resolveCiting(o, who, domain.StateResolvedRefused, kind) }, after)
		return o
	}
	bare := citing(time.Hour, "aigul", "")
	first := citing(2*time.Hour, "aigul", domain.EvidenceCentreCancelled)
	alone := citing(3*time.Hour, "marat", "")
	forged := citing(4*time.Hour, "marat", domain.EvidenceRegister) // the ledger has no such register
	second := citing(5*time.Hour, "marat", domain.EvidenceCentreCancelled)
	p := run.finish()
	bare.refusal(t, domain.RefusalInProgress)
	first.effect(t, domain.EffectProposed)
	alone.refusal(t, domain.RefusalInProgress)
	forged.refusal(t, domain.RefusalInProgress)
	second.effect(t, domain.EffectResolved)
	require.Equal(t, domain.StateResolvedRefused, p.State)
	b.moved(id, 0)
}

// resolveCiting is order for a resolve that cites evidence.
func (e *execution) resolveCiting(o *ordered, who string, outcome domain.State, kind domain.EvidenceKind) {
	e.b.t.Helper()
	e.b.keys++
	key := fmt.Sprint(who, "-resolve-", e.b.keys)
	row, err := e.b.ledger.PlaceAction(e.b.t.Context(), storage.Action{
		Process: e.id.WorkflowID(), Action: domain.ActionResolve, Outcome: outcome, Caller: who, IdempotencyKey: key, RequestSHA256: "-",
		Reason: "the client calls", Evidence: "letter 12/3", EvidenceKind: kind, RequestedAt: storage.At(e.Now()),
	})
	require.NoError(e.b.t, err)
	e.UpdateWorkflow(string(domain.ActionResolve), key, o, workflows.ActionInput{OrderID: row.ID, Outcome: outcome, Evidence: kind})
}
