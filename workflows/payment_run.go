package workflows

import (
	"context"
	"fmt"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"tolem/activities"
	"tolem/domain"
)

// PaymentInput starts a payment. It names nobody: the request is in the ledger.
type PaymentInput struct {
	PaymentID      domain.AgentTransactionID `json:"paymentId"`
	ServiceID      string                    `json:"serviceId"`
	Ladder         domain.Ladder             `json:"ladder"`         // copied at acceptance
	PartnerTimeout time.Duration             `json:"partnerTimeout"` // of one call
}

// PaymentResult is how a payment ended.
type PaymentResult struct {
	State    domain.State `json:"state"`
	Code     *domain.Code `json:"code,omitempty"`
	Attempts int          `json:"attempts"`
}

// step is one of the payment's two requests.
type step struct {
	name    string
	attempt func(context.Context, activities.AttemptInput) (activities.AttemptResult, error)
}

// payment is what the workflow knows of its payment. The ledger is the truth:
// learn and end copy from there.
type payment struct {
	in       PaymentInput
	step     int           // of the last order given; counts up for ever, across runs
	waits    int           // scheduled waits so far, across runs
	waited   time.Duration // what the last scheduled wait took
	attempts int
	state    domain.State
	paySent  bool
	code     *domain.Code
	reason   domain.OperatorReason
	nextAt   time.Time
	behind   bool // an earlier execution had moved the payment on: attempts now are recovery
	last     activities.AttemptResult
}

// begin checks the input: intervals that do not grow are a bug that must not
// reach the partner.
func begin(in PaymentInput) (*payment, error) {
	if err := in.Ladder.Check(); err != nil {
		return nil, temporal.NewNonRetryableApplicationError("payment "+in.PaymentID.String(), "BadInput", err)
	}
	return &payment{in: in, state: domain.StateAccepted}, nil
}

func (p *payment) closed() bool { return p.state.Terminal() }

// until makes attempts of one step, with the same bytes, until an answer ends
// it, the ledger says that the payment has moved past it, or the context ends.
// The waits between attempts grow for ever.
func (p *payment) until(ctx workflow.Context, s step) {
	cause := domain.CauseScheduled
	if p.behind {
		cause = domain.CauseRecovery
	}
	for first := true; !p.closed(); first = false {
		p.attempt(ctx, s, cause, first)
		switch {
		case ctx.Err() != nil, p.last.Behind && p.past(s):
			return
		case p.last.Behind:
			cause = domain.CauseRecovery
			continue
		case p.last.Verdict.Final():
			return
		}
		if p.wait(ctx, s); ctx.Err() != nil {
			return
		}
		cause = domain.CauseScheduled
	}
}

// past says whether the ledger has the payment beyond a step: an earlier
// execution took it there.
func (p *payment) past(s step) bool {
	return s.name == check.name && (p.paySent || p.state == domain.StateAwaitingPayer)
}

// attempt orders one attempt. An error means that no outcome was reported: our
// ledger was down and nothing was sent, or the activity timed out and nothing is
// known. Either way the next wait and the same bytes follow.
//
// The first attempt of a step is a local activity, but not a pay that a run makes
// while taking over from another.
func (p *payment) attempt(ctx workflow.Context, s step, cause domain.Cause, first bool) {
	p.step++
	in := activities.AttemptInput{PaymentID: p.in.PaymentID, Step: p.step, Cause: cause, Waits: p.waits, NextWait: p.rung()}
	if cause == domain.CauseScheduled && !first {
		in.Waited = p.waited
	}
	local := first && (cause == domain.CauseScheduled || s.name == check.name)
	summary := fmt.Sprintf("%s · attempt %d of this payment · %s", s.name, p.attempts+1, cause)
	policy := attemptPolicy{timeout: p.in.PartnerTimeout + attemptMargin, local: local, summary: summary}
	got, err := attempt(ctx, policy, s.attempt, in)
	if err != nil {
		workflow.GetLogger(ctx).Warn("attempt reported no outcome", "process", p.in.PaymentID.WorkflowID(), "call", s.name, "error", err)
		got = activities.AttemptResult{Verdict: domain.Verdict{Means: domain.Repeat}, Failure: "not_reported"}
	}
	p.learn(got)
}

// learn takes over what an attempt found.
func (p *payment) learn(got activities.AttemptResult) {
	p.last = got
	p.step = max(p.step, got.Step)
	p.attempts = max(p.attempts, got.Attempts)
	p.paySent = p.paySent || got.PaySent
	if got.State != "" {
		p.state = got.State
	}
	if got.Code != nil {
		p.code = got.Code
	}
	if got.Verdict.OperatorReason != "" {
		p.reason = got.Verdict.OperatorReason
	}
	if got.Behind {
		p.behind, p.waits = true, max(p.waits, got.Waits)
	}
}

// rung is the next scheduled wait: the ladder's, and longer than the last one
// really took.
func (p *payment) rung() time.Duration {
	return max(p.in.Ladder.Wait(p.waits+1), p.waited+time.Millisecond)
}

// timerGrain is how late Temporal fires a timer that was not delayed by an
// outage. A wait that came out longer by so much raises the next one, so that
// short waits grow too; an hour's outage does not.
const timerGrain = 2 * time.Second

// wait sleeps the next rung of the ladder. A cancelled context ends it early.
func (p *payment) wait(ctx workflow.Context, s step) {
	rung, began := p.rung(), workflow.Now(ctx)
	p.waits++
	p.nextAt = began.Add(rung)
	p.show(ctx)
	timer := workflow.NewTimerWithOptions(ctx, rung, workflow.TimerOptions{
		Summary: fmt.Sprintf("%s · attempt %d · %s · next at %s UTC", s.name, p.attempts, p.lastAnswer(), p.nextAt.UTC().Format(time.TimeOnly)),
	})
	_ = timer.Get(ctx, nil) // only a cancel, which the caller reads from ctx
	p.nextAt = time.Time{}
	p.waited = min(workflow.Now(ctx).Sub(began), rung+timerGrain)
}

// payerChooses waits for the payer until the deadline. Nothing is sent meanwhile.
func (p *payment) payerChooses(ctx workflow.Context) {
	p.show(ctx)
	timer := workflow.NewTimerWithOptions(ctx, payerDeadline, workflow.TimerOptions{
		Summary: fmt.Sprintf("waits for the payer (%s) · expires at %s UTC", p.last.Asks, workflow.Now(ctx).Add(payerDeadline).UTC().Format(time.DateTime)),
	})
	_ = timer.Get(ctx, nil) // only a cancel, which the caller reads from ctx
}

// endUnlessPaid writes a terminal state, unless the ledger says that a pay was
// sent: then the payment is paying, whatever was ordered, and goes on there.
func (p *payment) endUnlessPaid(ctx workflow.Context, state domain.State) {
	p.end(ctx, activities.EndInput{State: state, UnlessPaid: true})
}

// recordAnswer writes a final answer that its attempt could not record, because
// the ledger was down just then.
func (p *payment) recordAnswer(ctx workflow.Context) {
	if p.closed() {
		return
	}
	state := domain.StateRefused
	if p.last.Verdict.Means == domain.Succeeded {
		state = domain.StateSucceeded
	}
	p.end(ctx, activities.EndInput{
		State: state, Code: p.last.Code, TransactionID: p.last.TransactionID,
		TransactionDate: p.last.TransactionDate, StatusDate: p.last.StatusDate,
	})
}

// end orders a terminal state until the ledger has one, or has a pay that forbids
// the order. It runs to its end even when the run was cancelled.
func (p *payment) end(ctx workflow.Context, in activities.EndInput) {
	ctx, done := workflow.NewDisconnectedContext(ctx)
	defer done()
	in.PaymentID = p.in.PaymentID
	for !p.closed() && !(in.UnlessPaid && p.paySent) {
		p.step++
		in.Step = p.step
		now, err := do(ctx, ledgerPolicy("end as "+string(in.State)), ledger.EndPayment, in)
		if err != nil {
			continue // the policy retries for ever; a time-out of the activity itself lands here
		}
		p.behind = p.behind || now.PaySent && !p.paySent
		p.state, p.paySent, p.attempts = now.State, now.PaySent, now.Attempts
		p.step, p.waits = max(p.step, now.Step), max(p.waits, now.Waits)
		if now.Code != nil {
			p.code = now.Code
		}
	}
}

// flagCancel watches the run's own context: a Cancel after pay may have been sent
// changes nothing about the money; it is journalled, and a person is asked why.
func (p *payment) flagCancel(ctx, paying workflow.Context) {
	workflow.Go(paying, func(paying workflow.Context) {
		ctx.Done().Receive(paying, nil)
		p.reason = domain.ReasonCancelledRun
		in := activities.FlagInput{PaymentID: p.in.PaymentID, Reason: p.reason}
		_, _ = do(paying, ledgerPolicy("a Cancel came after pay was sent"), ledger.FlagPayment, in) // retried for ever
		p.show(paying)
	})
}

// result shows the end and returns it.
func (p *payment) result(ctx workflow.Context) PaymentResult {
	p.reason = ""
	p.show(ctx)
	return PaymentResult{State: p.state, Code: p.code, Attempts: p.attempts}
}
