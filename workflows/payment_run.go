package workflows

import (
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
	// PayerDeadline is how long the payer may decide; 0 is 24 h.
	PayerDeadline time.Duration `json:"payerDeadline,omitempty"`
	// Since is when the payment was accepted, or its payer chose, and RaiseAfter
	// the age from there at which a person is asked to look; 0 never asks.
	Since      time.Time     `json:"since,omitzero"`
	RaiseAfter time.Duration `json:"raiseAfter,omitempty"`
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
	attempt activities.Activity[activities.AttemptInput, activities.AttemptResult]
}

// payment is what the workflow knows of its payment. The ledger is the truth:
// learn and end copy from there.
type payment struct {
	in       PaymentInput
	step     int           // of the last order given; counts up for ever, across runs
	waits    int           // scheduled waits so far, across runs
	waited   time.Duration // what the last scheduled wait took
	pauses   int           // in a row, of the attempt that is due
	attempts int
	state    domain.State
	paySent  bool
	code     *domain.Code
	word     *domain.Code // the last that spoke of the payment itself
	heldID   bool         // the centre holds this id since before a pay of ours: nothing is sent by itself
	resumed  bool         // and an operator's retry of check said 0 since: its pay follows
	reason   domain.OperatorReason
	nextAt   time.Time
	// shownNext says that people were shown a next attempt, so that it is taken away.
	shownNext bool
	behind    bool  // an earlier execution had moved the payment on: attempts now are recovery
	lost      error // the ledger has no such payment: only a bug, a stranger or a restore starts this run
	last      activities.AttemptResult

	people
}

// begin checks the input, because intervals that do not grow are a bug that must
// not reach the partner, and listens.
func begin(ctx workflow.Context, in PaymentInput) (*payment, error) {
	if err := in.Ladder.Check(); err != nil {
		return nil, temporal.NewNonRetryableApplicationError("payment "+in.PaymentID.String(), "BadInput", err)
	}
	p := &payment{in: in, state: domain.StateAccepted}
	p.since = in.Since
	if err := p.listen(ctx); err != nil {
		return nil, err
	}
	return p, nil
}

// closed says that nothing more is to be done.
func (p *payment) closed() bool { return p.state.Terminal() || p.lost != nil }

// lose ends the run: the ledger has no such payment.
func (p *payment) lose(err error) { p.lost = err }

// until makes attempts of one step, with the same bytes, until an answer ends
// it, the ledger says that the payment has moved past it, a person ends the
// payment, or the context ends. The waits between attempts grow for ever.
func (p *payment) until(ctx workflow.Context, s step) {
	cause, first := p.firstCause(s), true
	for !p.closed() && ctx.Err() == nil {
		if p.known && (p.interrupted() || p.standing().Stopped() || p.silent(cause)) { // before the attempt that is due
			if cause = p.wait(ctx, s, turn{cause: cause}); cause == "" {
				return
			}
		}
		p.attempt(ctx, s, cause, first)
		p.answerAsked(ctx, s)
		switch {
		case ctx.Err() != nil, p.last.Behind && p.past(s):
			return
		case p.last.Behind:
			cause, first = domain.CauseRecovery, false
			continue
		case p.last.Verdict.Final() && (s.name == check.name || p.closed() || !asksAgain(ctx)):
			return
		case p.last.Verdict.Final(): // the ledger could not take it: see asksAgain
			p.pauses++
			first = false
			if cause = p.wait(ctx, s, turn{cause: p.recovering(), after: activities.GrowingPause(unreportedPause, p.pauses-1)}); cause == "" {
				return
			}
			continue
		}
		first = first && p.last.NotSent != ""
		if cause = p.wait(ctx, s, p.due(cause)); cause == "" {
			return
		}
	}
}

// firstCause is why a step's first attempt is made.
func (p *payment) firstCause(s step) domain.Cause {
	switch {
	case p.resumed && s.name == pay.name:
		p.resumed = false
		return domain.CauseOperator
	case p.behind:
		return domain.CauseRecovery
	}
	return domain.CauseScheduled
}

// recovering is the cause of an attempt that repeats one whose answer the ledger could not
// take. Of a payment whose id the centre holds it is still the operator's.
func (p *payment) recovering() domain.Cause {
	if p.heldID {
		return domain.CauseOperator
	}
	return domain.CauseRecovery
}

// silent says that an attempt of this cause is not made, because the centre holds the
// payment's id: only an operator's are.
func (p *payment) silent(cause domain.Cause) bool { return p.heldID && cause != domain.CauseOperator }

// checked says that check is behind the payment: it ended, may be paid, or waits
// for its payer.
func (p *payment) checked() bool { return p.closed() || p.paySent || p.asksPayer() }

// commitIntent commits the intent to pay after a check that left that open,
// because it was not made where the first pay will be, or somebody stopped the payment
// while it ran. The ledger commits nothing while people hold the payment: then the
// answer to check is kept, and the intent follows when it is released.
func (p *payment) commitIntent(ctx workflow.Context) {
	for !p.checked() && p.last.Verdict.Means == domain.GoOn && ctx.Err() == nil {
		if p.hear(ctx); p.closed() { // cancelled by a person at the last moment
			return
		}
		p.step++
		got, ok := persist(ctx, p, "commit the intent to pay", activities.CommitIntent,
			activities.AttemptInput{PaymentID: p.in.PaymentID, Step: p.step})
		if !ok { // the run was cancelled meanwhile
			return
		}
		if got.State != domain.StateChecking || !(got.Held || got.Proposed != "") {
			p.learn(got)
			return
		}
		p.step = max(p.step, got.Step)
		p.takeOver(got.Standing)
		p.awaitRelease(ctx)
	}
}

// awaitRelease waits while people hold the payment, and hears them.
func (p *payment) awaitRelease(ctx workflow.Context) {
	for p.hear(ctx); p.standing().Stopped() && !p.closed() && ctx.Err() == nil; p.hear(ctx) {
		if reached(p.oldAt(), workflow.Now(ctx)) {
			p.raise(ctx, domain.ReasonTooOld)
			continue
		}
		p.sleep(ctx, check)
	}
}

// past says whether the ledger has the payment beyond a step: an earlier
// execution took it there.
func (p *payment) past(s step) bool {
	return s.name == check.name && (p.paySent || p.state == domain.StateAwaitingPayer)
}

// notReported is the failure of an attempt whose activity failed.
const notReported = "not_reported"

// attempt orders one attempt. An error means that no outcome was reported: our
// ledger was down and nothing was sent, or the activity timed out and nothing is
// known. Either way the next wait and the same bytes follow.
//
// The first attempt of a step is a local activity, but not a pay that a run makes
// while taking over from another, nor one that this worker's limit held back: that
// one joins the queue whose limit holds across workers.
func (p *payment) attempt(ctx workflow.Context, s step, cause domain.Cause, first bool) {
	p.step++
	in := activities.AttemptInput{PaymentID: p.in.PaymentID, Step: p.step, Cause: cause, Waits: p.waits, Pauses: p.pauses}
	if !p.held { // else none follows by itself
		in.NextWait = p.rung()
	}
	if cause == domain.CauseScheduled && !first {
		in.Waited = p.waited
	}
	local := first && (cause == domain.CauseScheduled || s.name == check.name || p.heldID) && p.last.NotSent != activities.RefusedByLimit
	in.First = local
	if s.name == check.name {
		in.PayerDeadline, in.AskOnly = p.in.PayerDeadline, !local
	}
	summary := fmt.Sprintf("%s · attempt %d of this payment · %s", s.name, p.attempts+1, cause)
	policy := attemptPolicy{timeout: p.in.PartnerTimeout + attemptMargin, local: local, summary: summary}
	got, err := attempt(ctx, policy, s.attempt, in)
	if activities.IsFinal(err) {
		p.lose(err)
		return
	}
	if err != nil {
		workflow.GetLogger(ctx).Warn("attempt reported no outcome", "call", s.name, "error", err)
		got = activities.AttemptResult{Verdict: domain.Verdict{Means: domain.Repeat}, Failure: notReported}
	}
	p.learn(got)
	switch {
	case got.NotSent != "":
		p.step-- // the same attempt is ordered again
	case !got.Behind:
		p.noteTried()
	}
}

// learn takes over what an attempt found.
func (p *payment) learn(got activities.AttemptResult) {
	p.last = got
	p.known = p.known || got.State != "" || got.NotSent != ""
	p.step = max(p.step, got.Step)
	p.attempts = max(p.attempts, got.Attempts)
	p.paySent = p.paySent || got.PaySent
	if got.State != "" {
		p.state = got.State
	}
	if got.Code != nil {
		p.code = got.Code
	}
	if p.reason == domain.ReasonUnreadableAnswer && got.Code != nil || p.reason == domain.ReasonNothingOffered && got.PaySent {
		p.reason = "" // the ledger closed it
	}
	if got.PaymentCode != nil {
		p.word = got.PaymentCode
	}
	if got.Verdict.OperatorReason != "" {
		p.reason = got.Verdict.OperatorReason
	}
	p.heldID = p.heldID || got.HeldID
	p.resumed = p.heldID && (p.resumed || got.Verdict.Means == domain.GoOn)
	if got.Behind {
		p.behind, p.waits = true, max(p.waits, got.Waits)
		p.takeOver(got.Standing)
	}
	if got.PayerUntil != nil {
		p.payerUntil = *got.PayerUntil
	}
}

// recordAnswer is what older runs did with a final answer that its attempt could not
// record: what they remembered was written. Without an answer like it in the journal the
// ledger does not take it any more, and the same bytes are asked again.
func (p *payment) recordAnswer(ctx workflow.Context) {
	if p.closed() {
		return
	}
	p.behind = true // an attempt that follows is a recovery
	state := domain.StateRefused
	if p.last.Verdict.Means == domain.Succeeded {
		state = domain.StateSucceeded
	}
	p.end(ctx, activities.EndInput{
		State: state, Code: p.last.Code, TransactionID: p.last.TransactionID,
		TransactionDate: p.last.TransactionDate, StatusDate: p.last.StatusDate,
	})
}

// end asks for a terminal state until the ledger has one, or has a pay or a choice
// that forbids it, or the centre holds the payment's id: then the payment goes on from
// there, whatever was asked for. It runs to its end even when the run was cancelled. barred
// says that the ledger has no evidence for the end: asking again would not change that.
func (p *payment) end(ctx workflow.Context, in activities.EndInput) (barred domain.Barred) {
	in.PaymentID = p.in.PaymentID
	for !p.closed() && !(in.UnlessPaid && p.paySent) && !(in.UnlessChosen && p.chosen) && !(in.State.NotMoved() && (p.heldID || p.restored)) {
		p.step++
		in.Step = p.step
		now := insist(ctx, p, "end as "+string(in.State), activities.EndPayment, in)
		if p.lost != nil {
			return ""
		}
		p.known, p.behind = true, p.behind || now.PaySent && !p.paySent
		p.state, p.paySent, p.attempts = now.State, now.PaySent, now.Attempts
		p.step, p.waits = max(p.step, now.Step), max(p.waits, now.Waits)
		if now.Code != nil {
			p.code = now.Code
		}
		p.takeOver(now.Standing)
		if now.Barred != "" {
			return now.Barred
		}
	}
	return ""
}

// flagCancel watches the run's own context: a Cancel after pay may have been sent
// changes nothing about the money; it is journalled, and a person is asked why.
func (p *payment) flagCancel(ctx, paying workflow.Context) {
	workflow.Go(paying, func(paying workflow.Context) {
		ctx.Done().Receive(paying, nil)
		p.raise(paying, domain.ReasonCancelledRun)
	})
}

// raise asks a person to look, in the ledger and in Temporal.
func (p *payment) raise(ctx workflow.Context, reason domain.OperatorReason) {
	p.reason = reason
	insist(ctx, p, "needs an operator: "+string(reason), activities.FlagPayment, activities.FlagInput{PaymentID: p.in.PaymentID, Reason: reason})
	p.show(ctx)
}

// result answers whoever still waits, shows the end and returns it.
func (p *payment) result(ctx workflow.Context) PaymentResult {
	p.dismiss(ctx)
	if p.lost != nil {
		return PaymentResult{}
	}
	p.reason, p.held, p.proposed = "", false, ""
	p.show(ctx)
	return PaymentResult{State: p.state, Code: p.code, Attempts: p.attempts}
}
