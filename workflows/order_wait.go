package workflows

import (
	"fmt"
	"slices"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"tolem/activities"
	"tolem/domain"
)

// DecideResult answers the news of a decision with where it led.
type DecideResult struct {
	State domain.OrderState `json:"state"`
}

// OrderActionResult answers a person's action on an order with what it really did, or
// why it did nothing.
type OrderActionResult struct {
	Effect  domain.Effect     `json:"effect,omitempty"`
	Refusal domain.Refusal    `json:"refusal,omitempty"`
	State   domain.OrderState `json:"state"`
}

// orderAction is one update of a person that waits for its answer.
type orderAction struct {
	ActionInput
	action domain.Action
	heard  bool // a retry: the call that it asked for is due
	done   bool
	result OrderActionResult
}

// listen opens the doors: handlers only set fields, the main loop acts.
func (o *order) listen(ctx workflow.Context) error {
	for _, action := range domain.OrderActions() {
		err := workflow.SetUpdateHandlerWithOptions(ctx, string(action),
			func(ctx workflow.Context, in ActionInput) (OrderActionResult, error) {
				a := &orderAction{ActionInput: in, action: action}
				o.asked = append(o.asked, a)
				ctx, done := workflow.NewDisconnectedContext(ctx) // a Cancel of the run leaves people their say
				defer done()
				err := workflow.Await(ctx, func() bool { return a.done })
				return a.result, err
			},
			workflow.UpdateHandlerOptions{
				Description: "a person's action: " + string(action),
				Validator: func(ActionInput) error {
					if why := o.standing().Refuses(action); o.now.State != "" && why != "" {
						return Refused{Refusal: why, State: domain.State(o.now.State)}.asError()
					}
					return nil
				},
			})
		if err != nil {
			return err
		}
	}
	onNudge(ctx, func(activities.Nudge) { o.news = true })
	return workflow.SetUpdateHandlerWithOptions(ctx, activities.UpdateDecide,
		func(ctx workflow.Context) (DecideResult, error) {
			before := o.tries
			o.news = true
			ctx, done := workflow.NewDisconnectedContext(ctx)
			defer done()
			err := workflow.Await(ctx, func() bool { return o.tries > before || o.now.State.Terminal() })
			return DecideResult{State: o.now.State}, err
		},
		workflow.UpdateHandlerOptions{Description: "the store's decision is recorded in the ledger"})
}

func (o *order) standing() domain.OrderStanding {
	return domain.OrderStanding{State: o.now.State, Held: o.now.Held}
}

// interrupted says that somebody spoke.
func (o *order) interrupted() bool { return o.news || o.cancelled || o.unheard() }

// unheard says that a person's action waits to be carried out.
func (o *order) unheard() bool {
	return slices.ContainsFunc(o.asked, func(a *orderAction) bool { return !a.heard })
}

// hear carries out what people ordered. While a person holds the order it waits for
// the release: nothing is sent meanwhile.
func (o *order) hear(ctx workflow.Context) {
	for {
		if o.cancelled { // Cancel from Temporal's UI ends nothing: a sale may be under way
			o.cancelled = false
			o.raise(ctx, domain.ReasonCancelledRun)
		}
		for _, a := range slices.Clone(o.asked) {
			if !a.heard {
				o.carryOut(ctx, a)
			}
		}
		if !o.now.Held || !o.open() {
			return
		}
		o.nextAt = time.Time{}
		o.show(ctx)
		o.rest(ctx)
	}
}

// rest waits, while a person holds the order, for another action or for news in the
// ledger, which is then read: people may have ended the order there.
func (o *order) rest(ctx workflow.Context) {
	spoken := func() bool { return o.cancelled || o.unheard() }
	_ = workflow.Await(ctx, func() bool { return spoken() || o.news }) // ctx cannot be cancelled
	switch {
	case spoken():
	case readsWhileHeld(ctx):
		o.news = false
		o.read(ctx)
	default:
		_ = workflow.Await(ctx, spoken) // as above
	}
}

// carryOut does what a person ordered; a retry is answered after its call.
func (o *order) carryOut(ctx workflow.Context, a *orderAction) {
	a.heard = true
	switch why := o.standing().Refuses(a.action); {
	case why != "":
		o.answer(a, OrderActionResult{Refusal: why})
		return
	case !lookUp(ctx, o, o.input.OrderID.WorkflowID(), a.action, &a.ActionInput):
		o.answer(a, OrderActionResult{Refusal: domain.RefusalUnknownAction})
		return
	case a.action == domain.ActionHold:
		o.follow(ctx, a, domain.EffectHeld)
		return
	case a.action == domain.ActionRelease:
		o.follow(ctx, a, domain.EffectReleased)
	}
	o.cause, o.news = domain.CauseOperator, true
}

// follow commits the effect of an action and answers it. The ledger has the last
// word: one that had its effect in an earlier run has none now.
func (o *order) follow(ctx workflow.Context, a *orderAction, effect domain.Effect) {
	got := insist(ctx, o, "action followed: "+string(effect), activities.FollowInstalmentAction,
		activities.FollowOrderInput{OrderID: o.input.OrderID, ActionID: a.OrderID, Effect: effect})
	if o.lost != nil {
		o.answer(a, OrderActionResult{Refusal: domain.RefusalUnknownAction})
		return
	}
	o.take(got.OrderStanding)
	if got.Unknown {
		o.answer(a, OrderActionResult{Refusal: domain.RefusalUnknownAction})
		return
	}
	if got.Effect == "" {
		o.answer(a, OrderActionResult{Refusal: domain.RefusalOrderEnded})
		return
	}
	o.answer(a, OrderActionResult{Effect: got.Effect})
}

func (o *order) answer(a *orderAction, r OrderActionResult) {
	r.State = o.now.State
	a.result, a.done = r, true
	o.asked = slices.DeleteFunc(o.asked, func(other *orderAction) bool { return other == a })
}

// tried tells those who asked for a call, or brought news, that one was made.
func (o *order) tried(ctx workflow.Context) {
	o.tries++
	for _, a := range slices.Clone(o.asked) {
		if a.heard {
			o.follow(ctx, a, domain.EffectAttempted)
		}
	}
}

func (o *order) rung() time.Duration { return rungAfter(o.input.Ladder, o.waits, o.waited) }

// lengthened is a wait, or the longer one that the bank asked for.
func (o *order) lengthened(wait time.Duration) time.Duration {
	wait, o.asksTo = max(wait, o.asksTo), 0
	return wait
}

// wait waits the next rung of the ladder, unless a person or the bank speaks before.
// Only a rung that ran its whole length counts.
func (o *order) wait(ctx workflow.Context, what string) {
	began, after := workflow.Now(ctx), o.lengthened(o.rung())
	if !o.sleep(ctx, after, what) {
		o.cause = domain.CauseNews
		return
	}
	o.waits++
	o.waited = waitedSince(ctx, began, after)
}

// pause waits until the next look of a poll, or news.
func (o *order) pause(ctx workflow.Context, p Poll) {
	o.tried(ctx)
	if o.sleep(ctx, o.lengthened(p.Pause(o.polls)), o.lastAnswer()) {
		o.polls++
		return
	}
	o.polls, o.cause = 0, domain.CauseNews // something happens: look more often
}

// sleep waits for a time, says whether it was not cut short, and asks a person to
// look when the order becomes late meanwhile.
func (o *order) sleep(ctx workflow.Context, after time.Duration, what string) (whole bool) {
	due := workflow.Now(ctx).Add(after)
	defer func() { o.nextAt = time.Time{} }()
	for {
		late, why := o.lateAt()
		switch now := workflow.Now(ctx); {
		case o.interrupted():
			return false
		case !now.Before(due):
			return true
		case reached(late, now):
			o.raise(ctx, why)
			continue
		}
		o.nextAt = due
		o.show(ctx)
		sleepUntil(ctx, earliest(due, late), fmt.Sprintf("%s · next at %s UTC", what, due.UTC().Format(time.TimeOnly)), o.interrupted)
	}
}

// raise asks a person to look, in the ledger and in Temporal.
func (o *order) raise(ctx workflow.Context, why domain.OperatorReason) {
	insist(ctx, o, "needs an operator: "+string(why), activities.FlagInstalmentOrder, activities.FlagOrderInput{OrderID: o.input.OrderID, Reason: why})
	o.now.Reason = why
	o.show(ctx)
}

// show is the one place that tells people in Temporal where the order stands.
func (o *order) show(ctx workflow.Context) {
	updates := []temporal.SearchAttributeUpdate{
		TolemState.ValueSet(string(o.now.State)), Attempts.ValueSet(int64(o.now.Attempts)), NeedsOperator.ValueSet(o.now.Reason != ""),
	}
	next := ""
	if o.nextAt.IsZero() {
		updates = append(updates, NextAttemptAt.ValueUnset())
	} else {
		updates = append(updates, NextAttemptAt.ValueSet(o.nextAt))
		next = " · next look at " + o.nextAt.UTC().Format(time.DateTime) + " UTC"
	}
	if err := workflow.UpsertTypedSearchAttributes(ctx, updates...); err != nil {
		workflow.GetLogger(ctx).Error("search attributes not written", "error", err)
	}
	details := fmt.Sprintf("%s · %s%s", o.now.State, o.lastAnswer(), next)
	if o.now.Decision != "" {
		details += " · the store decided: " + string(o.now.Decision)
	}
	if o.now.Held {
		details += " · held by an operator"
	}
	if o.now.Reason != "" {
		details += " · needs an operator: " + string(o.now.Reason)
	}
	workflow.SetCurrentDetails(ctx, details)
}

// lastAnswer is what the bank said last, in its own words.
func (o *order) lastAnswer() string {
	switch {
	case o.last != "":
		return "no answer from the bank (" + o.last + ")"
	case o.now.Bank.State != "":
		return "the bank says " + o.now.Bank.String()
	}
	return "the bank has said nothing yet"
}
