package workflows

import (
	"slices"
	"time"

	"go.temporal.io/sdk/workflow"

	"tolem/activities"
	"tolem/domain"
)

// ActionInput is a person's order as an update brings it; the update's name is
// the domain.Action. Who ordered it, and why, is in the ledger under OrderID.
type ActionInput struct {
	OrderID int64        `json:"orderId"`
	Outcome domain.State `json:"outcome,omitempty"` // resolve: resolved_succeeded or resolved_refused
	// Evidence is what a resolve cites beside its free text.
	Evidence domain.EvidenceKind `json:"evidence,omitempty"`
}

// ActionResult answers an order with what it really did, or why it did nothing.
// An attempt may have been made and the order refused all the same.
type ActionResult struct {
	Effect  domain.Effect  `json:"effect,omitempty"`
	Refusal domain.Refusal `json:"refusal,omitempty"`
	State   domain.State   `json:"state"`
}

// people is what persons said of a payment, and what they still wait for.
type people struct {
	orders  []*paymentAction // not heard yet, the oldest first
	noticed int              // of those: they wait until the ledger tells where the payment stands
	asked   []*paymentAction // wait for the attempt that they asked for
	freed   bool             // a release asked for an attempt
	nudge   domain.Cause     // a signal's; "" when there was none
	known   bool             // the ledger has told where the payment stands
	acted   bool             // a person's action is in the ledger, and not read from there yet

	held          bool
	restored      bool // by a restored ledger: no answer ends it
	proposed      domain.State
	proposedBy    int64 // the order
	proposedUntil time.Time
	proposedCites domain.EvidenceKind

	chosen     bool // a choice of the payer is recorded
	choiceHeld bool // and the ledger commits no intent for it until the payment is released
	looks      int  // times that the ledger was asked for the choice
	payerUntil time.Time
	since      time.Time // from when the payment's age counts
}

// paymentAction is one update that waits for its answer.
type paymentAction struct {
	ActionInput
	action domain.Action
	tried  bool // an attempt was made since it asked for one
	done   bool
	result ActionResult
}

// listen opens the doors: handlers only set fields, the main loop acts.
func (p *payment) listen(ctx workflow.Context) error {
	for _, action := range domain.Actions() {
		err := workflow.SetUpdateHandlerWithOptions(ctx, string(action),
			func(ctx workflow.Context, in ActionInput) (ActionResult, error) {
				o := &paymentAction{ActionInput: in, action: action}
				p.orders = append(p.orders, o)
				ctx, done := workflow.NewDisconnectedContext(ctx) // a Cancel of the run leaves people their say
				defer done()
				err := workflow.Await(ctx, func() bool { return o.done })
				return o.result, err
			},
			workflow.UpdateHandlerOptions{
				Description: "a person's order: " + string(action),
				Validator:   func(in ActionInput) error { return p.refusal(action, in) },
			})
		if err != nil {
			return err
		}
	}
	onNudge(ctx, func(n activities.Nudge) {
		switch {
		case n.Cause == domain.CauseOperator:
			p.acted = true
		case p.nudge != activities.CauseChoice: // somebody waits for the look that it asks for
			p.nudge = n.Cause
		}
	})
	return p.listenToPayer(ctx)
}

// refusal rejects an order at the door. Until the ledger has told where the
// payment stands, orders wait inside.
func (p *payment) refusal(action domain.Action, in ActionInput) error {
	if !p.known && !p.closed() {
		return nil
	}
	if why := p.refuses(action, in); why != "" {
		return Refused{Refusal: why, State: p.state}.asError()
	}
	return nil
}

// refuses says why an action may not be taken where the payment stands.
func (p *payment) refuses(action domain.Action, in ActionInput) domain.Refusal {
	if action == domain.ActionResolve {
		return p.standing().RefusesResolve(in.Outcome, in.Evidence)
	}
	return p.standing().Refuses(action, in.Outcome)
}

func (p *payment) standing() domain.Standing {
	return domain.Standing{
		State: p.state, PaySent: p.paySent, Held: p.held, Proposed: p.proposed,
		NeedsOperator: p.reason != "", Code: p.code, PaymentCode: p.word, HeldID: p.heldID, ProposedEvidence: p.proposedCites, Restored: p.restored,
	}
}

// takeOver copies what the ledger knows of people's decisions.
func (p *payment) takeOver(s activities.Standing) {
	p.held, p.proposed, p.proposedBy, p.proposedCites, p.chosen = s.Held, s.Proposed, s.ProposedBy, s.ProposedEvidence, s.Chosen
	p.heldID, p.restored = p.heldID || s.HeldID, s.Restored
	if s.PaymentCode != nil {
		p.word = s.PaymentCode
	}
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

// interrupted says that somebody spoke, to some effect: a nudge that changes
// nothing would cost a timer and its place in the history each time.
func (p *payment) interrupted() bool {
	return len(p.orders) > p.noticed || p.acted || p.nudge == activities.CauseChoice && p.asksPayer() || p.balanceMatters()
}

// hear carries out what was ordered, and says whether an attempt is due for it.
// Before the ledger has told where the payment stands nothing can be carried out;
// who spoke since the last attempt is then worth another one.
func (p *payment) hear(ctx workflow.Context) (attempt bool) {
	if !p.known && !p.closed() {
		attempt = len(p.orders) > p.noticed
		p.noticed, p.acted = len(p.orders), false // the attempt brings what the ledger has
		return attempt
	}
	p.noticed = 0
	p.reread(ctx)
	p.lapse(ctx)
	for len(p.orders) > 0 {
		o := p.orders[0]
		p.orders = p.orders[1:]
		p.carryOut(ctx, o)
		p.lapse(ctx) // a proposal must not be confirmed late, however long that order took
	}
	attempt = p.freed && !p.heldID || slices.ContainsFunc(p.asked, func(o *paymentAction) bool { return !o.tried })
	p.freed = false
	return attempt && !p.closed()
}

// carryOut does what an order says, or leaves it with those that wait for an
// attempt.
func (p *payment) carryOut(ctx workflow.Context, o *paymentAction) {
	if why := p.refuses(o.action, o.ActionInput); why != "" {
		p.refuse(ctx, o, why)
		return
	}
	if p.lost != nil || !lookUp(ctx, p, p.in.PaymentID.WorkflowID(), o.action, &o.ActionInput) {
		p.answer(o, ActionResult{Refusal: domain.RefusalUnknownAction})
		return
	}
	switch {
	case o.action == domain.ActionHold:
		p.follow(ctx, o, activities.FollowInput{Effect: domain.EffectHeld})
		if p.standing().Stopped() {
			p.freed = false
			p.refuseRetries(ctx)
		}
	case o.action == domain.ActionRelease:
		p.follow(ctx, o, activities.FollowInput{Effect: domain.EffectReleased})
		p.freed = !p.standing().Stopped()
	case o.action == domain.ActionCancel:
		p.cancel(ctx, o)
	case o.action == domain.ActionResolve && p.proposed != "":
		p.confirm(ctx, o)
	case o.action == domain.ActionResolve && (p.heldID || p.restored): // only a retry sends anything
		p.propose(ctx, o)
	default: // retry, and a first operator's resolve: asking is an attempt
		p.asked = append(p.asked, o)
	}
}

func (p *payment) answer(o *paymentAction, r ActionResult) {
	r.State = p.state
	o.result, o.done = r, true
}

// refuse answers an order that is not followed. An attempt may have been made for
// it all the same; one that the end overtook is then its whole effect.
func (p *payment) refuse(ctx workflow.Context, o *paymentAction, why domain.Refusal) {
	if !o.tried {
		p.answer(o, ActionResult{Refusal: why})
		return
	}
	p.follow(ctx, o, activities.FollowInput{Effect: domain.EffectAttempted})
	if why != domain.RefusalEnded {
		o.result.Refusal = why
	}
}

// follow commits the effect of an order, takes over where the payment then
// stands, and answers. The ledger has the last word: an order that had its effect
// in an earlier run has none now, and a payment that has ended is not held.
func (p *payment) follow(ctx workflow.Context, o *paymentAction, in activities.FollowInput) {
	in.PaymentID, in.OrderID = p.in.PaymentID, o.OrderID
	got := insist(ctx, p, "order followed: "+string(in.Effect), activities.FollowOrder, in)
	if p.lost != nil {
		p.answer(o, ActionResult{Refusal: domain.RefusalUnknownAction})
		return
	}
	p.takeOver(got.Standing)
	if got.State.Terminal() {
		p.state = got.State
	}
	if got.Unknown {
		p.answer(o, ActionResult{Refusal: domain.RefusalUnknownAction})
		return
	}
	if got.Effect == "" {
		p.answer(o, ActionResult{Refusal: domain.RefusalEnded})
		return
	}
	p.answer(o, ActionResult{Effect: got.Effect})
}

// cancel ends the payment, unless the ledger says that a pay was sent.
func (p *payment) cancel(ctx workflow.Context, o *paymentAction) {
	barred := p.end(ctx, activities.EndInput{State: domain.StateCancelled, UnlessPaid: true, OrderID: o.OrderID})
	switch {
	case p.state == domain.StateCancelled:
		p.answer(o, ActionResult{Effect: domain.EffectCancelled})
		return
	case barred != "", p.lost != nil:
		p.answer(o, ActionResult{Refusal: domain.RefusalUnknownAction})
		return
	}
	p.answer(o, ActionResult{Refusal: p.standing().Refuses(domain.ActionCancel, "")})
}

// confirm ends the payment by the word of a second operator. Nobody is called.
func (p *payment) confirm(ctx workflow.Context, o *paymentAction) {
	for {
		p.step++
		got := insist(ctx, p, "a second operator resolves", activities.ConfirmOrder,
			activities.ConfirmInput{PaymentID: p.in.PaymentID, Step: p.step, OrderID: o.OrderID})
		if got.State.Terminal() {
			p.state = got.State
		}
		p.step = max(p.step, got.Step)
		switch {
		case p.lost != nil:
			p.answer(o, ActionResult{Refusal: domain.RefusalUnknownAction})
			return
		case got.Refusal != "":
			p.refuse(ctx, o, got.Refusal)
			return
		case got.Effect != "":
			p.answer(o, ActionResult{Effect: got.Effect})
			return
		} // else another execution has written a later step: again, with a later one
	}
}

// noteTried marks those who asked for the attempt that was made just now.
func (p *payment) noteTried() {
	for _, o := range p.asked {
		o.tried = true
	}
}

// answerAsked tells those who asked for an attempt what came of it. One that
// ended the payment is answered at the end, when the ledger has it; one that
// nobody reported is made again. Where nobody was called because the ledger knew
// more, they are heard again, by what it knew.
func (p *payment) answerAsked(ctx workflow.Context, s step) {
	switch {
	case p.last.NotSent != "", p.last.Failure == notReported, p.closed(), s.name == pay.name && p.last.Verdict.Final():
		return
	case p.last.Behind:
		p.orders, p.asked = append(p.asked, p.orders...), nil
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
func (p *payment) propose(ctx workflow.Context, o *paymentAction) {
	if p.proposed == o.Outcome { // two operators waited for the same attempt
		p.confirm(ctx, o)
		return
	}
	if why := p.refuses(domain.ActionResolve, o.ActionInput); why != "" {
		p.refuse(ctx, o, why)
		return
	}
	until := workflow.Now(ctx).Add(confirmDeadline)
	p.follow(ctx, o, activities.FollowInput{Effect: domain.EffectProposed, Outcome: o.Outcome, Until: until})
}

// refuseRetries answers those who asked for an attempt that will not be made now.
func (p *payment) refuseRetries(ctx workflow.Context) {
	asked := p.asked
	p.asked = nil
	for _, o := range asked {
		if o.action == domain.ActionRetry {
			p.refuse(ctx, o, domain.RefusalHeld)
			continue
		}
		p.asked = append(p.asked, o)
	}
}

// lapsesAt is when an unconfirmed proposal lapses; zero without one.
func (p *payment) lapsesAt() time.Time {
	if p.proposed == "" {
		return time.Time{}
	}
	return p.proposedUntil
}

// lapse drops a proposal whose time has come, and an attempt is due. A hold that
// somebody ordered beside it stays.
func (p *payment) lapse(ctx workflow.Context) {
	if p.closed() || !reached(p.lapsesAt(), workflow.Now(ctx)) {
		return
	}
	insist(ctx, p, "the proposal lapses", activities.LapseProposal, activities.LapseInput{PaymentID: p.in.PaymentID, OrderID: p.proposedBy})
	p.proposed = ""
	p.freed = !p.held
}

// reread takes over what a person's action changed in the ledger. When nothing stops the
// payment any more, an attempt is due, as after a release.
func (p *payment) reread(ctx workflow.Context) {
	if !p.acted || p.closed() {
		return
	}
	p.acted = false
	stopped := p.standing().Stopped()
	now := insist(ctx, p, "a person acted in the ledger", activities.ReadPayment, activities.ReadInput{PaymentID: p.in.PaymentID})
	if p.lost != nil {
		return
	}
	p.takeOver(now.Standing)
	if now.State.Terminal() {
		p.state = now.State
	}
	p.freed = p.freed || stopped && !p.standing().Stopped()
}

// balanceMatters says whether a nudge is a reason for an attempt now.
func (p *payment) balanceMatters() bool {
	return p.nudge == domain.CauseBalance && !p.standing().Stopped() && !p.heldID && !p.asksPayer() &&
		p.code != nil && *p.code == domain.CodeAgentLacksFunds
}

// balanceRose takes a nudge, and says whether it is a reason for an attempt now.
func (p *payment) balanceRose() bool {
	matters := p.balanceMatters()
	if p.nudge != activities.CauseChoice || p.paySent { // the payer's is for later
		p.nudge = ""
	}
	return matters
}

// dismiss answers everybody who still waits, at the end.
func (p *payment) dismiss(ctx workflow.Context) {
	ctx, done := workflow.NewDisconnectedContext(ctx)
	defer done()
	p.orders, p.asked = append(p.asked, p.orders...), nil
	p.hear(ctx)
	_ = workflow.Await(ctx, func() bool { return workflow.AllHandlersFinished(ctx) }) // ctx cannot be cancelled
}
