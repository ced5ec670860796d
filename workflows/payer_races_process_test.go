package workflows_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tolem/activities"
	"tolem/domain"
)

// Cancel from Temporal while the payer thinks, also when the choice is recorded
// and the workflow has not heard of it: nothing was sent, so the payment is
// cancelled.
func TestCancelRunWhileThePayerThinks(t *testing.T) {
	for _, recorded := range []bool{false, true} {
		b := newBank(t)
		id := b.accepted(contracts().change)
		run := b.execution(id)
		run.RegisterDelayedCallback(func() {
			if recorded {
				require.NoError(t, b.record(id, contracts().choice, run.Now()))
			}
			run.CancelWorkflow()
		}, time.Hour)
		require.Equal(t, domain.StateCancelled, run.finish().State)
		require.Empty(t, b.requests(id, "pay"))
		b.moved(id, 0)
	}
}

// Cancel, by Temporal or by a person, while the choice is being committed: the
// ledger decides, and the payment goes on from what it says.
func TestCancelWhileTheChoiceIsCommitted(t *testing.T) {
	t.Run("by Temporal", func(t *testing.T) {
		b := newBank(t)
		id := b.accepted(contracts().change)
		run := b.execution(id)
		run.during("CommitChoice", 1, run.CancelWorkflow)
		run.chooses(time.Hour, contracts().choice)
		p := run.finish()
		require.Equal(t, p.PaySentAt != nil, p.State == domain.StateSucceeded)
		require.Equal(t, p.PaySentAt == nil, p.State == domain.StateCancelled)
		b.moved(id, map[bool]int{true: 1, false: 0}[p.PaySentAt != nil])
	})
	t.Run("by a person", func(t *testing.T) {
		b := newBank(t)
		id := b.accepted(contracts().change)
		run := b.execution(id)
		cancel := &ordered{}
		run.during("CommitChoice", 1, func() { run.order(cancel, "aigul", domain.ActionCancel, "") })
		run.chooses(time.Hour, contracts().choice)
		p := run.finish()
		cancel.refusal(t, domain.RefusalPaySent)
		require.Equal(t, domain.StateSucceeded, p.State)
		b.moved(id, 1)
	})
}

// Another execution committed the choice while this one waited for the payer: a
// look at the ledger is enough to go on, at once.
func TestAnotherExecutionCommittedTheChoice(t *testing.T) {
	for name, look := range map[string]func(run *execution) *ordered{
		"by a refused cancel": func(run *execution) *ordered { return run.orders(2*time.Hour, "aigul", domain.ActionCancel, "") },
		"by a nudge": func(run *execution) *ordered {
			run.RegisterDelayedCallback(func() {
				run.SignalWorkflow(activities.NudgeSignal, activities.Nudge{Cause: activities.CauseChoice})
			}, 2*time.Hour)
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBank(t)
			id := b.accepted(contracts().change)
			run := b.execution(id)
			run.RegisterDelayedCallback(func() {
				require.NoError(t, b.record(id, contracts().choice, run.Now()))
				b.commitOfALostRun(id)
			}, time.Hour)
			cancel := look(run)
			run.RegisterDelayedCallback(func() { require.Equal(t, domain.StateSucceeded, b.payment(id).State) }, 2*time.Hour+time.Minute)
			require.Equal(t, domain.StateSucceeded, run.finish().State)
			if cancel != nil {
				cancel.refusal(t, domain.RefusalPaySent)
			}
			b.moved(id, 1)
			require.Equal(t, domain.CauseRecovery, b.causes(id)[2])
		})
	}
}

// A balance that rises in the same moment does not drown the news of a choice.
func TestChoiceAndBalanceInOneMoment(t *testing.T) {
	b := newBank(t)
	id := b.accepted(contracts().change)
	run := b.execution(id)
	news := &chosen{}
	run.during("CommitChoice", 1, func() { // a look for nothing; both are heard after it
		require.NoError(t, b.record(id, contracts().choice, run.Now()))
	})
	run.RegisterDelayedCallback(func() {
		run.UpdateWorkflow(activities.UpdateChoose, "x", news)
		run.SignalWorkflow(activities.NudgeSignal, activities.Nudge{Cause: domain.CauseBalance})
	}, time.Hour)
	run.RegisterDelayedCallback(func() { require.Equal(t, domain.StateSucceeded, b.payment(id).State) }, time.Hour+time.Minute)
	require.Equal(t, domain.StateSucceeded, run.finish().State)
	require.True(t, news.done)
	b.moved(id, 1)
}
