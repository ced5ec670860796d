package workflows_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"tolem/domain"
	centre "tolem/simulators/processing"
)

// A check that was retried may have been made by any worker. The intent is then
// committed by the worker that makes the first pay, whose final codes refuse.
func TestFirstPayAfterARetriedCheck(t *testing.T) {
	b := newBank(t)
	id := b.accepted(nil)
	elsewhere, here := b.process(), b.process()
	in := step(id, 1)
	in.AskOnly = true
	got, err := b.activity(t.Context(), elsewhere.Check, elsewhere, in)
	require.NoError(t, err)
	require.Equal(t, domain.GoOn, got.Verdict.Means)
	require.Equal(t, domain.StateChecking, got.State)
	require.False(t, got.PaySent)
	require.Nil(t, b.payment(id).PaySentAt)

	got, err = b.activity(t.Context(), here.CommitIntent, here, step(id, 2))
	require.NoError(t, err)
	require.True(t, got.PaySent)
	require.Equal(t, 2, b.payment(id).Attempts)
	again, err := b.activity(t.Context(), elsewhere.CommitIntent, elsewhere, step(id, 9))
	require.NoError(t, err)
	require.True(t, again.Behind)

	b.scripted("pay", code(domain.CodeBadRequest))
	got, err = b.activity(t.Context(), here.Pay, here, step(id, 3))
	require.NoError(t, err)
	require.Equal(t, domain.Refused, got.Verdict.Means)
	require.Equal(t, domain.StateRefused, b.payment(id).State)
	b.moved(id, 0)
	attempts, err := b.ledger.Attempts(t.Context(), id.WorkflowID(), 0, 9)
	require.NoError(t, err)
	require.Len(t, attempts, 2)
	require.True(t, attempts[1].Reported)
}

// An execution that died between check's answer and the intent has sent no pay:
// the next one checks again.
func TestTakeOverBetweenCheckAndIntent(t *testing.T) {
	b := newBank(t)
	id := b.accepted(nil)
	process := b.process()
	in := step(id, 1)
	in.AskOnly = true
	_, err := b.activity(t.Context(), process.Check, process, in)
	require.NoError(t, err)

	p := b.execution(id).finish()
	require.Equal(t, domain.StateSucceeded, p.State)
	b.moved(id, 1)
	require.Len(t, b.requests(id, "check"), 2)
	require.Len(t, b.requests(id, "pay"), 1)
}

// Through the whole workflow, every attempt of a payment whose check was retried is
// one that was made, and its first pay is the first.
func TestRetriedCheckCountsWhatWasMade(t *testing.T) {
	b := newBank(t)
	b.scripted("check", code(domain.CodeInProgress), fault(centre.HTML502))
	b.scripted("pay", code(domain.CodeBadRequest))
	p := b.run(nil)
	require.Equal(t, domain.StateRefused, p.State)
	require.Equal(t, 4, p.Attempts)
	b.moved(p.ID, 0)
	attempts, err := b.ledger.Attempts(t.Context(), p.ID.WorkflowID(), 0, 9)
	require.NoError(t, err)
	require.Len(t, attempts, 4)
	for _, a := range attempts {
		require.True(t, a.Reported)
	}
}

// Without check's 0 there is no intent.
func TestCommitIntentLooksAtTheLedger(t *testing.T) {
	b := newBank(t)
	b.scripted("check", code(domain.CodeSecurityReview))
	id := b.accepted(nil)
	process := b.process()
	in := step(id, 1)
	in.AskOnly = true
	_, err := b.activity(t.Context(), process.Check, process, in)
	require.NoError(t, err)
	got, err := b.activity(t.Context(), process.CommitIntent, process, step(id, 2))
	require.NoError(t, err)
	require.True(t, got.Behind, "check's last answer was not 0")
	require.Nil(t, b.payment(id).PaySentAt)
}
