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

// ordered is a person's order and what came of it.
type ordered struct {
	accepted bool
	done     bool
	refused  error // at the door
	err      error
	workflows.ActionResult
}

// orders lays down that a person orders something at a moment of the skipped
// time: first the ledger's row, then the workflow's update, as the API does.
func (e *execution) orders(after time.Duration, who string, action domain.Action, outcome domain.State) *ordered {
	e.b.t.Helper()
	o := &ordered{}
	e.RegisterDelayedCallback(func() { e.order(o, who, action, outcome) }, after)
	return o
}

func (e *execution) order(o *ordered, who string, action domain.Action, outcome domain.State) {
	e.b.t.Helper()
	e.orderWith(o, who, action, outcome, func(storage.Action) {})
}

// orderWith is order, and what another did between the ledger's row and the update.
func (e *execution) orderWith(o *ordered, who string, action domain.Action, outcome domain.State, between func(storage.Action)) {
	e.b.t.Helper()
	e.b.keys++
	key := fmt.Sprintf("%s-%s-%d", who, action, e.b.keys)
	row, err := e.b.ledger.PlaceAction(e.b.t.Context(), storage.Action{
		Process: e.id.WorkflowID(), Action: action, Outcome: outcome, Caller: who, IdempotencyKey: key, RequestSHA256: "-",
		Reason: "the client calls", Evidence: "letter 12/3", RequestedAt: storage.At(e.Now()),
	})
	require.NoError(e.b.t, err)
	between(row)
	e.UpdateWorkflow(string(action), key, o, workflows.ActionInput{OrderID: row.ID, Outcome: outcome})
}

func (o *ordered) Accept()          { o.accepted = true }
func (o *ordered) Reject(err error) { o.refused = err }
func (o *ordered) Complete(success any, err error) {
	o.done, o.err = true, err
	if err == nil {
		o.ActionResult, _ = success.(workflows.ActionResult)
	}
}

// effect asserts what an order did.
func (o *ordered) effect(t *testing.T, want domain.Effect) {
	t.Helper()
	require.NoError(t, o.refused)
	require.NoError(t, o.err)
	require.True(t, o.done, "the order was never answered")
	require.Equal(t, want, o.Effect)
	require.Empty(t, o.Refusal)
}

// refusal asserts that an order did nothing, at the door or inside.
func (o *ordered) refusal(t *testing.T, want domain.Refusal) {
	t.Helper()
	if o.refused != nil {
		r, ok := workflows.RefusedAction(o.refused)
		require.True(t, ok, "%v", o.refused)
		require.Equal(t, want, r.Refusal)
		return
	}
	require.True(t, o.done, "the order was never answered")
	require.NoError(t, o.err)
	require.Equal(t, want, o.Refusal)
}

// effects are what the ledger keeps of all orders for a payment.
func (b *bank) effects(id domain.AgentTransactionID) (effects []domain.Effect) {
	b.t.Helper()
	orders, err := b.ledger.Actions(b.t.Context(), id.WorkflowID(), 0, 100)
	require.NoError(b.t, err)
	for _, o := range orders {
		require.Equal(b.t, "the client calls", o.Reason)
		require.Equal(b.t, o.Effect != "", o.DoneAt != nil)
		effects = append(effects, o.Effect)
	}
	return effects
}

// causes are those of the attempts, in order.
func (b *bank) causes(id domain.AgentTransactionID) (causes []domain.Cause) {
	b.t.Helper()
	attempts, err := b.ledger.Attempts(b.t.Context(), id.WorkflowID(), 0, 100)
	require.NoError(b.t, err)
	for _, a := range attempts {
		causes = append(causes, a.Cause)
	}
	return causes
}

// scheduledWaitsGrow asserts money rule and seed: "постоянно увеличивая интервал".
func (b *bank) scheduledWaitsGrow(id domain.AgentTransactionID) {
	b.t.Helper()
	attempts, err := b.ledger.Attempts(b.t.Context(), id.WorkflowID(), 0, 1000)
	require.NoError(b.t, err)
	before := map[string]time.Duration{}
	for _, a := range attempts {
		if a.Waited == 0 {
			continue
		}
		require.Equal(b.t, domain.CauseScheduled, a.Cause)
		require.Greater(b.t, a.Waited, before[a.Call])
		before[a.Call] = a.Waited
	}
}

// flagged makes a payment that needs an operator: its first pay has no answer, and its
// second one a code that refuses nothing and says nothing of the payment.
func (b *bank) flagged(last ...centre.Answer) domain.AgentTransactionID {
	b.t.Helper()
	answers := append([]centre.Answer{fault(centre.HTML502), once(domain.CodeNumberExists)}, last...)
	b.scripted("pay", answers...)
	return b.accepted(nil)
}

// A retry is made at once, and the growing interval goes on from where it was.
func TestRetry(t *testing.T) {
	b := newBank(t)
	b.scripted("pay", centre.Answer{Code: 1, Times: 6})
	id := b.accepted(nil)
	run := b.execution(id)
	// pays at 0, 1, 3, 7; the wait of 8 s ends at 15
	retry := run.orders(10*time.Second, "aigul", domain.ActionRetry, "")
	p := run.finish()

	require.Equal(t, domain.StateSucceeded, p.State)
	b.moved(id, 1)
	b.sameBytes(id, "pay")
	retry.effect(t, domain.EffectAttempted)
	require.Equal(t, domain.StatePaying, retry.State)
	require.Equal(t, []domain.Effect{domain.EffectAttempted}, b.effects(id))
	b.scheduledWaitsGrow(id)
	pays := b.requests(id, "pay")
	require.Equal(t, 3*time.Second, pays[4].Time.Sub(pays[3].Time).Round(time.Second), "at once")
	require.Equal(t, 8*time.Second, pays[5].Time.Sub(pays[4].Time).Round(time.Second), "the interrupted wait, whole")
	require.Equal(t, domain.CauseOperator, b.causes(id)[5])
}

// A retry that ends the payment is answered with the end.
func TestRetryThatEndsThePayment(t *testing.T) {
	for _, c := range []struct {
		answer centre.Answer
		ends   domain.State
	}{{centre.Answer{}, domain.StateSucceeded}, {code(domain.CodeOtherError), domain.StateRefused}} {
		t.Run(string(c.ends), func(t *testing.T) {
			b := newBank(t)
			b.scripted("pay", code(1), c.answer)
			id := b.accepted(nil)
			run := b.execution(id)
			retry := run.orders(500*time.Millisecond, "aigul", domain.ActionRetry, "")
			p := run.finish()

			require.Equal(t, c.ends, p.State)
			retry.effect(t, domain.EffectAttempted)
			require.Equal(t, c.ends, retry.State)
			require.Len(t, b.requests(id, "pay"), 2)
			require.Equal(t, []domain.Effect{domain.EffectAttempted}, b.effects(id))
		})
	}
}

// Nothing is sent while a payment is held; release attempts at once.
func TestHoldAndRelease(t *testing.T) {
	b := newBank(t)
	b.scripted("pay", centre.Answer{Code: 1, Times: 4})
	id := b.accepted(nil)
	run := b.execution(id)
	hold := run.orders(2*time.Second, "aigul", domain.ActionHold, "")
	again := run.orders(3*time.Second, "marat", domain.ActionHold, "")
	retry := run.orders(time.Hour, "aigul", domain.ActionRetry, "")
	sent := 0
	run.RegisterDelayedCallback(func() {
		sent = len(b.requests(id, "pay"))
		p := b.payment(id)
		require.True(t, p.Held)
		require.Nil(t, p.NextAttemptAt)
	}, 2*time.Hour)
	release := run.orders(50*time.Hour, "marat", domain.ActionRelease, "")
	twice := run.orders(50*time.Hour+100*time.Millisecond, "marat", domain.ActionRelease, "")
	p := run.finish()

	require.Equal(t, domain.StateSucceeded, p.State)
	b.moved(id, 1)
	hold.effect(t, domain.EffectHeld)
	again.effect(t, domain.EffectHeld)
	retry.refusal(t, domain.RefusalHeld)
	release.effect(t, domain.EffectReleased)
	twice.refusal(t, domain.RefusalNotHeld)
	require.Equal(t, 2, sent, "pays before the hold")
	pays := b.requests(id, "pay")
	require.Equal(t, 50*time.Hour, pays[2].Time.Sub(pays[1].Time).Round(time.Hour), "the release's attempt")
	require.False(t, p.Held)
	b.scheduledWaitsGrow(id)
	require.Equal(t, []domain.Effect{domain.EffectHeld, domain.EffectHeld, "", domain.EffectReleased, ""}, b.effects(id))
}

// A hold survives the loss of Temporal's memory, before and after the first pay.
func TestHoldSurvivesALostRun(t *testing.T) {
	for _, made := range []int{0, 1, 3} {
		t.Run(fmt.Sprint(made), func(t *testing.T) {
			b := newBank(t)
			b.scripted("pay", centre.Answer{Code: 1, Times: 9})
			id := b.accepted(nil)
			b.attemptsOfALostRun(id, made)
			b.orderOfALostRun(id, "aigul", domain.ActionHold, storage.Following{Effect: domain.EffectHeld})
			before := len(b.centre.Requests(int64(id)))
			require.NoError(t, b.centre.ClearScripts())

			run := b.execution(id)
			run.RegisterDelayedCallback(func() { require.Len(t, b.centre.Requests(int64(id)), before) }, time.Hour)
			release := run.orders(2*time.Hour, "marat", domain.ActionRelease, "")
			p := run.finish()
			release.effect(t, domain.EffectReleased)
			require.Equal(t, domain.StateSucceeded, p.State)
			b.moved(id, 1)
		})
	}
}

// cancel ends a payment only while no pay was ever sent.
func TestCancelOrder(t *testing.T) {
	t.Run("at check", func(t *testing.T) {
		b := newBank(t)
		b.scripted("check", centre.Answer{Code: 1, Times: 100})
		id := b.accepted(nil)
		run := b.execution(id)
		cancel := run.orders(10*time.Second, "aigul", domain.ActionCancel, "")
		p := run.finish()
		cancel.effect(t, domain.EffectCancelled)
		require.Equal(t, domain.StateCancelled, p.State)
		require.Empty(t, b.requests(id, "pay"))
		require.Equal(t, []domain.Effect{domain.EffectCancelled}, b.effects(id))
	})
	t.Run("while the payer thinks", func(t *testing.T) {
		b := newBank(t)
		id := b.accepted(func(p *storage.Payment) { p.AutoPay = false })
		run := b.execution(id)
		retry := run.orders(time.Minute, "aigul", domain.ActionRetry, "")
		hold := run.orders(time.Minute, "aigul", domain.ActionHold, "")
		cancel := run.orders(time.Hour, "aigul", domain.ActionCancel, "")
		p := run.finish()
		retry.refusal(t, domain.RefusalAwaitsPayer)
		hold.refusal(t, domain.RefusalAwaitsPayer)
		cancel.effect(t, domain.EffectCancelled)
		require.Equal(t, domain.StateCancelled, p.State)
		require.Empty(t, b.requests(id, "pay"))
	})
	t.Run("after pay", func(t *testing.T) {
		b := newBank(t)
		b.scripted("pay", fault(centre.LostAnswer), code(1))
		id := b.accepted(nil)
		run := b.execution(id)
		cancel := run.orders(500*time.Millisecond, "aigul", domain.ActionCancel, "")
		p := run.finish()
		cancel.refusal(t, domain.RefusalPaySent)
		require.Equal(t, domain.StateSucceeded, p.State)
		b.moved(id, 1)
	})
	t.Run("of a run that does not know that another paid", func(t *testing.T) {
		b := newBank(t)
		id := b.accepted(nil)
		b.dieAfterEffect(id)
		run := b.execution(id)
		cancel := run.orders(0, "aigul", domain.ActionCancel, "")
		p := run.finish()
		cancel.refusal(t, domain.RefusalPaySent)
		require.Equal(t, domain.StateSucceeded, p.State)
		b.moved(id, 1)
	})
}

// Orders that arrive in the first moment wait until the ledger has told where the
// payment stands.
func TestOrderBeforeTheFirstAttempt(t *testing.T) {
	b := newBank(t)
	b.scripted("pay", code(1))
	id := b.accepted(nil)
	run := b.execution(id)
	hold := run.orders(0, "aigul", domain.ActionHold, "")
	release := run.orders(time.Hour, "aigul", domain.ActionRelease, "")
	p := run.finish()
	hold.effect(t, domain.EffectHeld)
	release.effect(t, domain.EffectReleased)
	require.Equal(t, domain.StateSucceeded, p.State)
	b.moved(id, 1)
}

// A Cancel from Temporal after pay leaves operators their say.
func TestOrdersAfterACancelledRun(t *testing.T) {
	b := newBank(t)
	b.scripted("pay", fault(centre.HTML502), centre.Answer{Code: 215, Transient: true, Times: 100})
	id := b.accepted(nil)
	run := b.execution(id)
	run.RegisterDelayedCallback(run.CancelWorkflow, 10*time.Second)
	hold := run.orders(time.Minute, "aigul", domain.ActionHold, "")
	first := run.orders(2*time.Minute, "aigul", domain.ActionResolve, domain.StateResolvedRefused)
	second := run.orders(3*time.Minute, "marat", domain.ActionResolve, domain.StateResolvedRefused)
	p := run.finish()
	hold.effect(t, domain.EffectHeld)
	first.effect(t, domain.EffectProposed)
	second.effect(t, domain.EffectResolved)
	require.Equal(t, domain.StateResolvedRefused, p.State)
	b.moved(id, 0)
}

// A payment that is open for too long calls an operator, and goes on.
func TestOldPaymentCallsAnOperator(t *testing.T) {
	b := newBank(t)
	b.scripted("pay", centre.Answer{Code: 1, Times: 15})
	id := b.accepted(nil)
	run := b.execution(id)
	run.input.Since, run.input.RaiseAfter = run.Now(), 4*time.Hour
	run.RegisterDelayedCallback(func() { require.False(t, b.payment(id).NeedsOperator) }, 4*time.Hour-time.Minute)
	run.RegisterDelayedCallback(func() {
		require.True(t, b.payment(id).NeedsOperator)
		require.Equal(t, domain.ReasonTooOld, b.payment(id).OperatorReason)
		require.Equal(t, domain.StatePaying, b.payment(id).State)
	}, 4*time.Hour+time.Minute)
	p := run.finish()
	require.Equal(t, domain.StateSucceeded, p.State)
	b.moved(id, 1)
	b.scheduledWaitsGrow(id)
	require.Len(t, b.requests(id, "pay"), 16)
}

// A held payment grows old, too.
func TestHeldPaymentCallsAnOperator(t *testing.T) {
	b := newBank(t)
	b.scripted("pay", code(1))
	id := b.accepted(nil)
	run := b.execution(id)
	run.input.Since, run.input.RaiseAfter = run.Now(), 4*time.Hour
	run.orders(500*time.Millisecond, "aigul", domain.ActionHold, "")
	run.RegisterDelayedCallback(func() { require.True(t, b.payment(id).NeedsOperator) }, 5*time.Hour)
	release := run.orders(6*time.Hour, "aigul", domain.ActionRelease, "")
	require.Equal(t, domain.StateSucceeded, run.finish().State)
	release.effect(t, domain.EffectReleased)
	b.moved(id, 1)
}

// When the agent's balance rises, a payment that waits on 220 is tried at once; one
// that waits for something else, or is held, is not.
func TestBalanceNudge(t *testing.T) {
	for name, c := range map[string]struct {
		code domain.Code
		held bool
		want bool
	}{
		"lacks funds":          {domain.CodeAgentLacksFunds, false, true},
		"in progress":          {domain.CodeInProgress, false, false},
		"lacks funds but held": {domain.CodeAgentLacksFunds, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBank(t)
			b.scripted("pay", centre.Answer{Code: int(c.code), Times: 4}) // at 0, 1, 3, 7; then a wait of 8 s
			id := b.accepted(nil)
			run := b.execution(id)
			if c.held {
				run.orders(8*time.Second, "aigul", domain.ActionHold, "")
				run.orders(time.Hour, "aigul", domain.ActionRelease, "")
			}
			run.RegisterDelayedCallback(func() {
				run.SignalWorkflow(activities.NudgeSignal, activities.Nudge{Cause: domain.CauseBalance})
			}, 10*time.Second)
			p := run.finish()

			require.Equal(t, domain.StateSucceeded, p.State)
			b.moved(id, 1)
			causes := b.causes(id)
			require.Equal(t, c.want, causes[len(causes)-1] == domain.CauseBalance)
			b.scheduledWaitsGrow(id)
		})
	}
}
