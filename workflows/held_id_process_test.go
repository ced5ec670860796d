package workflows_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tolem/domain"
	centre "tolem/simulators/processing"
	"tolem/storage"
)

// numberExists runs a payment whose first answer to a call is 215, as scripted: nothing
// more is sent by itself, however long it takes, and two people end it.
func (b *bank) numberExists(call string) {
	b.t.Helper()
	id := b.accepted(nil)
	run := b.execution(id)
	run.RegisterDelayedCallback(func() {
		p := b.payment(id)
		require.Equal(b.t, map[string]domain.State{"check": domain.StateChecking, "pay": domain.StatePaying}[call], p.State)
		require.True(b.t, p.NeedsOperator)
		require.Equal(b.t, domain.ReasonNumberExists, p.OperatorReason)
		require.True(b.t, p.HeldID)
		require.Nil(b.t, p.NextAttemptAt)
		require.Len(b.t, b.requests(id, call), 1)
	}, 240*time.Hour)
	cancel := run.orders(240*time.Hour, "aigul", domain.ActionCancel, "")
	first := run.orders(241*time.Hour, "aigul", domain.ActionResolve, domain.StateResolvedRefused)
	second := run.orders(242*time.Hour, "marat", domain.ActionResolve, domain.StateResolvedRefused)
	p := run.finish()
	cancel.refusal(b.t, map[string]domain.Refusal{"check": domain.RefusalNumberExists, "pay": domain.RefusalPaySent}[call])
	first.effect(b.t, domain.EffectProposed)
	second.effect(b.t, domain.EffectResolved)
	require.Equal(b.t, domain.StateResolvedRefused, p.State)
	require.Len(b.t, b.requests(id, call), 1, "only an operator's retry sends again")
	b.moved(id, 0)
}

// forgets makes the ledger forget a payment's pay, as one does that was restored from a
// backup: the row is as it was accepted.
func (b *bank) forgets(id domain.AgentTransactionID) {
	b.t.Helper()
	b.sql("UPDATE payments SET state = 'accepted', step = 0, attempts = 0, pay_sent_at = NULL, pay_body = NULL, check_body = NULL, check_answer = '', " +
		"result_code = NULL, payment_code = NULL, transaction_id = NULL")
}

// A restored ledger that has forgotten a payment which was paid checks it anew, and the
// centre says 215: that is no refusal. Two people resolve what the centre's books say.
func TestRestoredLedgerDoesNotRefuseWhatWasPaid(t *testing.T) {
	b := newBank(t)
	id := b.accepted(nil)
	require.Equal(t, domain.StateSucceeded, b.execution(id).finish().State)
	b.moved(id, 1)
	b.forgets(id)

	run := b.execution(id)
	run.RegisterDelayedCallback(func() {
		require.Equal(t, domain.StateChecking, b.payment(id).State)
		require.Nil(t, b.payment(id).PaySentAt)
	}, time.Hour)
	retry := run.orders(time.Hour, "aigul", domain.ActionRetry, "")
	hold := run.orders(2*time.Hour, "aigul", domain.ActionHold, "")
	release := run.orders(3*time.Hour, "aigul", domain.ActionRelease, "")
	run.RegisterDelayedCallback(func() { require.Len(t, b.requests(id, "check"), 3, "one by the retry, none by the release") }, 30*time.Hour)
	first := run.orders(30*time.Hour, "aigul", domain.ActionResolve, domain.StateResolvedSucceeded)
	second := run.orders(31*time.Hour, "marat", domain.ActionResolve, domain.StateResolvedSucceeded)
	p := run.finish()
	retry.effect(t, domain.EffectAttempted)
	hold.effect(t, domain.EffectHeld)
	release.effect(t, domain.EffectReleased)
	first.effect(t, domain.EffectProposed)
	second.effect(t, domain.EffectResolved)
	require.Equal(t, domain.StateResolvedSucceeded, p.State)
	require.Len(t, b.requests(id, "pay"), 1, "before the restore")
	b.moved(id, 1)
}

// After an operator's retry 0 is believed as always; a refusing code is not, and nothing
// follows it by itself.
func TestRetryOfAHeldID(t *testing.T) {
	for name, c := range map[string]struct {
		answer centre.Answer
		want   domain.State
	}{
		"0":             {once(0), domain.StateSucceeded},
		"300":           {once(domain.CodeOtherError), domain.StatePaying},
		"5":             {once(domain.CodeAccountNotFound), domain.StatePaying},
		"202":           {once(domain.CodeBadRequest), domain.StatePaying},
		"1":             {once(domain.CodeInProgress), domain.StatePaying},
		"no connection": {fault(centre.HTML502), domain.StatePaying},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBank(t)
			second := c.answer
			if c.want == domain.StateSucceeded {
				second = centre.Answer{}
			}
			b.scripted("pay", once(domain.CodeNumberExists), second)
			id := b.accepted(nil)
			run := b.execution(id)
			retry := run.orders(time.Hour, "aigul", domain.ActionRetry, "")
			run.RegisterDelayedCallback(func() {
				p := b.payment(id)
				require.Equal(t, c.want, p.State)
				require.Nil(t, p.NextAttemptAt)
				require.Len(t, b.requests(id, "pay"), 2)
			}, 100*time.Hour)
			again := run.orders(100*time.Hour, "aigul", domain.ActionRetry, "")
			p := run.finish()
			retry.effect(t, domain.EffectAttempted)
			require.Equal(t, domain.StateSucceeded, p.State)
			b.moved(id, 1)
			b.sameBytes(id, "pay")
			if c.want == domain.StatePaying {
				again.effect(t, domain.EffectAttempted)
			}
		})
	}
}

// A retry of check that is answered 0 goes on: its pay follows at once, and once.
func TestRetriedCheckOfAHeldIDGoesOn(t *testing.T) {
	for name, c := range map[string]struct {
		pay  []centre.Answer
		pays int
	}{
		"paid":            {nil, 1},
		"refused, not so": {[]centre.Answer{once(domain.CodeOtherError)}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBank(t)
			b.scripted("check", once(domain.CodeNumberExists))
			if c.pay != nil {
				b.scripted("pay", c.pay...)
			}
			id := b.accepted(nil)
			run := b.execution(id)
			retry := run.orders(time.Hour, "aigul", domain.ActionRetry, "")
			run.RegisterDelayedCallback(func() {
				require.Len(t, b.requests(id, "pay"), 1)
				require.Equal(t, domain.StatePaying, b.payment(id).State)
			}, 50*time.Hour)
			run.orders(50*time.Hour, "aigul", domain.ActionRetry, "")
			p := run.finish()
			retry.effect(t, domain.EffectAttempted)
			require.Equal(t, domain.StateSucceeded, p.State)
			require.Len(t, b.requests(id, "pay"), c.pays)
			b.moved(id, 1)
		})
	}
}

// A payer's time does not expire such a payment, and its choice goes on with the retry.
func TestHeldIDDoesNotExpire(t *testing.T) {
	b := newBank(t)
	b.scripted("check", once(domain.CodeNumberExists))
	id := b.accepted(func(p *storage.Payment) { p.AutoPay = false })
	run := b.execution(id)
	run.orders(time.Hour, "aigul", domain.ActionRetry, "")
	run.RegisterDelayedCallback(func() { require.Equal(t, domain.StateAwaitingPayer, b.payment(id).State) }, 100*time.Hour)
	cancel := run.orders(101*time.Hour, "aigul", domain.ActionCancel, "")
	first := run.orders(102*time.Hour, "aigul", domain.ActionResolve, domain.StateResolvedRefused)
	second := run.orders(103*time.Hour, "marat", domain.ActionResolve, domain.StateResolvedRefused)
	p := run.finish()
	cancel.refusal(t, domain.RefusalNumberExists)
	first.effect(t, domain.EffectProposed)
	second.effect(t, domain.EffectResolved)
	require.Equal(t, domain.StateResolvedRefused, p.State)
	require.Empty(t, b.requests(id, "pay"))
	b.moved(id, 0)
}

// Cancel from Temporal ends nothing: the money may have moved. People go on.
func TestCancelledRunOfAHeldID(t *testing.T) {
	b := newBank(t)
	b.scripted("check", once(domain.CodeNumberExists))
	id := b.accepted(nil)
	run := b.execution(id)
	run.RegisterDelayedCallback(run.CancelWorkflow, time.Minute)
	run.RegisterDelayedCallback(func() {
		require.Equal(t, domain.StateChecking, b.payment(id).State)
		require.Len(t, b.requests(id, "check"), 1)
	}, time.Hour)
	retry := run.orders(time.Hour, "aigul", domain.ActionRetry, "")
	p := run.finish()
	retry.effect(t, domain.EffectAttempted)
	require.Equal(t, domain.StateSucceeded, p.State)
	b.moved(id, 1)
}

// Whoever takes the payment over learns it from the ledger, and sends nothing either.
func TestHeldIDSurvivesALostRun(t *testing.T) {
	for _, call := range []string{"check", "pay"} {
		t.Run(call, func(t *testing.T) {
			b := newBank(t)
			b.scripted(call, once(domain.CodeNumberExists))
			id := b.accepted(nil)
			b.lostRun(id)
			require.True(t, b.payment(id).HeldID)

			run := b.execution(id)
			run.RegisterDelayedCallback(func() { require.Len(t, b.requests(id, call), 1) }, 48*time.Hour)
			retry := run.orders(48*time.Hour, "aigul", domain.ActionRetry, "")
			p := run.finish()
			retry.effect(t, domain.EffectAttempted)
			require.Equal(t, domain.StateSucceeded, p.State)
			require.Len(t, b.requests(id, call), 2)
			b.moved(id, 1)
		})
	}
}

// lostRun makes the first attempts of a run that Temporal then lost: check and, if that
// committed the intent, the first pay, in one process.
func (b *bank) lostRun(id domain.AgentTransactionID) {
	b.t.Helper()
	process := b.process()
	got, err := b.activity(b.t.Context(), process.Check, process, step(id, 1))
	require.NoError(b.t, err)
	if got.PaySent {
		_, err = b.activity(b.t.Context(), process.Pay, process, step(id, 2))
		require.NoError(b.t, err)
	}
}

// The rule binds an attempt that was ordered by a run which has not heard of it; what an
// operator asked for is made.
func TestHeldIDIsNotSentByItself(t *testing.T) {
	b := newBank(t)
	id := b.accepted(nil)
	b.sql("UPDATE payments SET id_held_by_centre = TRUE, needs_operator = TRUE, operator_reason = 'number_exists'")
	process := b.process()
	for n, cause := range []domain.Cause{domain.CauseScheduled, domain.CauseRecovery, domain.CauseBalance, domain.CauseOperator} {
		in := step(id, 1)
		in.Cause = cause
		got, err := b.activity(t.Context(), process.Check, process, in)
		require.NoError(t, err)
		require.Equal(t, cause != domain.CauseOperator, got.Behind)
		require.True(t, got.HeldID)
		require.Len(t, b.requests(id, "check"), n/3)
	}
	for n, cause := range []domain.Cause{domain.CauseScheduled, domain.CauseRecovery, domain.CauseBalance, domain.CauseOperator} {
		in := step(id, 2)
		in.Cause = cause
		got, err := b.activity(t.Context(), process.Pay, process, in)
		require.NoError(t, err)
		require.Equal(t, cause != domain.CauseOperator, got.Behind)
		require.Len(t, b.requests(id, "pay"), n/3)
	}
	require.Equal(t, domain.StateSucceeded, b.payment(id).State)
	b.moved(id, 1)
}
