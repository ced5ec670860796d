package workflows

import (
	"time"

	"go.temporal.io/sdk/workflow"

	"tolem/activities"
	"tolem/domain"
)

// OrderInput is a person's order as an update brings it; the update's name is
// the domain.Action. Who ordered it, and why, is in the ledger under OrderID.
type OrderInput struct {
	OrderID int64        `json:"orderId"`
	Outcome domain.State `json:"outcome,omitempty"` // resolve: resolved_succeeded or resolved_refused
}

// OrderResult answers an order with what it really did, or why it did nothing.
// An attempt may have been made and the order refused all the same.
type OrderResult struct {
	Effect  domain.Effect  `json:"effect,omitempty"`
	Refusal domain.Refusal `json:"refusal,omitempty"`
	State   domain.State   `json:"state"`
}

// people is what persons said of a payment, and what they still wait for.
type people struct {
	orders []*order     // not heard yet, the oldest first
	asked  []*order     // wait for the attempt that they asked for
	freed  bool         // a release asked for an attempt
	nudge  domain.Cause // a signal's; "" when there was none
	known  bool         // the ledger has told where the payment stands

	held          bool
	proposed      domain.State
	proposedBy    int64 // the order
	proposedUntil time.Time

	chosen     bool // a choice of the payer is recorded
	looks      int  // times that the ledger was asked for the choice
	payerUntil time.Time
	since      time.Time // from when the payment's age counts
}

// order is one update that waits for its answer.
type order struct {
	OrderInput
	action domain.Action
	done   bool
	result OrderResult
}

// listen opens the doors: handlers only set fields, the main loop acts.
func (p *payment) listen(ctx workflow.Context) error {
	for _, action := range domain.Actions() {
		err := workflow.SetUpdateHandlerWithOptions(ctx, string(action),
			func(ctx workflow.Context, in OrderInput) (OrderResult, error) {
				o := &order{OrderInput: in, action: action}
				p.orders = append(p.orders, o)
				ctx, done := workflow.NewDisconnectedContext(ctx) // a Cancel of the run leaves people their say
				defer done()
				err := workflow.Await(ctx, func() bool { return o.done })
				return o.result, err
			},
			workflow.UpdateHandlerOptions{
				Description: "a person's order: " + string(action),
				Validator:   func(in OrderInput) error { return p.refusal(action, in) },
			})
		if err != nil {
			return err
		}
	}
	nudges := workflow.GetSignalChannel(ctx, activities.NudgeSignal)
	workflow.GoNamed(ctx, "nudges", func(ctx workflow.Context) {
		for {
			var n activities.Nudge
			if more := nudges.Receive(ctx, &n); !more {
				return
			}
			p.nudge = n.Cause
		}
	})
	return p.listenToPayer(ctx)
}

// refusal rejects an order at the door. Until the ledger has told where the
// payment stands, orders wait inside.
func (p *payment) refusal(action domain.Action, in OrderInput) error {
	if !p.known && !p.closed() {
		return nil
	}
	if why := p.standing().Refuses(action, in.Outcome); why != "" {
		return Refused{Refusal: why, State: p.state}.asError()
	}
	return nil
}

func (p *payment) standing() domain.Standing {
	return domain.Standing{
		State: p.state, PaySent: p.paySent, Held: p.held, Proposed: p.proposed,
		NeedsOperator: p.reason != "", Code: p.code,
	}
}

// takeOver copies what the ledger knows of people's decisions.
func (p *payment) takeOver(s activities.Standing) {
	p.held, p.proposed, p.proposedBy, p.chosen = s.Held, s.Proposed, s.ProposedBy, s.Chosen
	if s.ProposedUntil != nil {
		p.proposedUntil = *s.ProposedUntil
	}
	if s.PayerUntil != nil {
		p.payerUntil = *s.PayerUntil
	}
	if s.Reason != "" {
		p.reason = s.Reason
	}
}

// interrupted says that somebody spoke.
func (p *payment) interrupted() bool { return len(p.orders) > 0 || p.nudge != "" }

// hear carries out what was ordered, and says whether an attempt is due for it.
func (p *payment) hear(ctx workflow.Context) (attempt bool) {
	for len(p.orders) > 0 {
		o := p.orders[0]
		p.orders = p.orders[1:]
		p.carryOut(ctx, o)
	}
	attempt = !p.closed() && (len(p.asked) > 0 || p.freed)
	p.freed = false
	return attempt
}

// carryOut does what an order says, or leaves it with those that wait for an
// attempt.
func (p *payment) carryOut(ctx workflow.Context, o *order) {
	if why := p.standing().Refuses(o.action, o.Outcome); why != "" {
		p.answer(o, OrderResult{Refusal: why})
		return
	}
	switch {
	case o.action == domain.ActionHold:
		p.follow(ctx, o, activities.FollowInput{Effect: domain.EffectHeld})
		p.held, p.freed = true, false
		p.refuseRetries()
	case o.action == domain.ActionRelease:
		p.follow(ctx, o, activities.FollowInput{Effect: domain.EffectReleased})
		p.held, p.proposed, p.freed = false, "", true
	case o.action == domain.ActionCancel:
		p.cancel(ctx, o)
	case o.action == domain.ActionResolve && p.proposed != "":
		p.confirm(ctx, o)
	default: // retry, and a first operator's resolve: asking is an attempt
		p.asked = append(p.asked, o)
	}
}

func (p *payment) answer(o *order, r OrderResult) {
	r.State = p.state
	o.result, o.done = r, true
}

// follow commits the effect of an order and answers it.
func (p *payment) follow(ctx workflow.Context, o *order, in activities.FollowInput) {
	in.PaymentID, in.OrderID = p.in.PaymentID, o.OrderID
	insist(ctx, "order followed: "+string(in.Effect), ledger.FollowOrder, in)
	p.answer(o, OrderResult{Effect: in.Effect})
}

// cancel ends the payment, unless the ledger says that a pay was sent.
func (p *payment) cancel(ctx workflow.Context, o *order) {
	p.end(ctx, activities.EndInput{State: domain.StateCancelled, UnlessPaid: true, OrderID: o.OrderID})
	if p.state == domain.StateCancelled {
		p.answer(o, OrderResult{Effect: domain.EffectCancelled})
		return
	}
	p.answer(o, OrderResult{Refusal: p.standing().Refuses(domain.ActionCancel, "")})
}

// confirm ends the payment by the word of a second operator. Nobody is called.
func (p *payment) confirm(ctx workflow.Context, o *order) {
	p.step++
	got := insist(ctx, "a second operator resolves", ledger.ConfirmOrder,
		activities.ConfirmInput{PaymentID: p.in.PaymentID, Step: p.step, OrderID: o.OrderID})
	if got.Refusal != "" {
		p.answer(o, OrderResult{Refusal: got.Refusal})
		return
	}
	p.state = got.State
	p.answer(o, OrderResult{Effect: domain.EffectResolved})
}

// answerAsked tells those who asked for an attempt what came of it. One that
// ended the payment is answered at the end, when the ledger has it.
func (p *payment) answerAsked(ctx workflow.Context, s step) {
	unfinished := p.last.NotSent != "" || p.last.Behind && !p.past(s)
	if unfinished || p.closed() || s.name == pay.name && p.last.Verdict.Final() {
		return
	}
	asked := p.asked
	p.asked = nil
	for _, o := range asked {
		if o.action == domain.ActionResolve {
			p.propose(ctx, o)
			continue
		}
		p.follow(ctx, o, activities.FollowInput{Effect: domain.EffectAttempted})
	}
}

// propose holds the payment until a second operator orders the same: the attempt
// that a first one's resolve made did not end it.
func (p *payment) propose(ctx workflow.Context, o *order) {
	if p.proposed == o.Outcome { // two operators waited for the same attempt
		p.confirm(ctx, o)
		return
	}
	if why := p.standing().Refuses(domain.ActionResolve, o.Outcome); why != "" {
		p.follow(ctx, o, activities.FollowInput{Effect: domain.EffectAttempted})
		o.result.Refusal = why
		return
	}
	until := workflow.Now(ctx).Add(confirmDeadline)
	p.follow(ctx, o, activities.FollowInput{Effect: domain.EffectProposed, Outcome: o.Outcome, Until: until})
	p.proposed, p.proposedBy, p.proposedUntil = o.Outcome, o.OrderID, until
	p.refuseRetries()
}

// refuseRetries answers those who asked for an attempt that will not be made now.
func (p *payment) refuseRetries() {
	var kept []*order
	for _, o := range p.asked {
		if o.action == domain.ActionRetry {
			p.answer(o, OrderResult{Refusal: domain.RefusalHeld})
			continue
		}
		kept = append(kept, o)
	}
	p.asked = kept
}

// lapsesAt is when an unconfirmed proposal lapses; zero without one.
func (p *payment) lapsesAt() time.Time {
	if p.proposed == "" {
		return time.Time{}
	}
	return p.proposedUntil
}

// lapse drops the proposal. A hold that somebody ordered beside it stays.
func (p *payment) lapse(ctx workflow.Context) {
	insist(ctx, "the proposal lapses", ledger.LapseProposal, activities.LapseInput{PaymentID: p.in.PaymentID, OrderID: p.proposedBy})
	p.proposed = ""
}

// balanceRose takes a nudge, and says whether it is a reason for an attempt now.
func (p *payment) balanceRose() bool {
	nudge := p.nudge
	p.nudge = ""
	return nudge == domain.CauseBalance && p.code != nil && *p.code == domain.CodeAgentLacksFunds
}

// dismiss answers everybody who still waits, at the end.
func (p *payment) dismiss(ctx workflow.Context) {
	ctx, done := workflow.NewDisconnectedContext(ctx)
	defer done()
	for _, o := range p.asked {
		p.follow(ctx, o, activities.FollowInput{Effect: domain.EffectAttempted})
	}
	p.asked = nil
	p.hear(ctx)
	_ = workflow.Await(ctx, func() bool { return workflow.AllHandlersFinished(ctx) }) // ctx cannot be cancelled
}
