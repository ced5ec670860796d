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

// PaymentOrderInput starts the process of a loan contract in collection. It names nobody.
type PaymentOrderInput struct {
	Contract       domain.ContractNumber `json:"contract"`
	PartnerTimeout time.Duration         `json:"partnerTimeout"` // of one call
	Again          Poll                  `json:"again"`          // between attempts to gather, and to tell
	// RaiseAfter is how long a part or an event may be late until a person is asked to look;
	// 0 never asks.
	RaiseAfter time.Duration `json:"raiseAfter,omitempty"`
}

// PaymentOrderResult is how the contract's last payment order ended.
type PaymentOrderResult struct {
	OrderID int64                    `json:"orderId"`
	State   domain.PaymentOrderState `json:"state"`
}

// PaymentOrder takes a loan contract's payment order to its end, and tells Loxon of every
// status of the contract once and in order.
//
// When it returns, the contract's last payment order is executed in full, reversed, not
// accepted, or closed by two operators, the ledger says the same, and Loxon has every event
// that was numbered. A status after the end has it run again. It returns an error only from
// a bug.
func PaymentOrder(ctx workflow.Context, in PaymentOrderInput) (PaymentOrderResult, error) {
	outside := ctx
	ctx, done := workflow.NewDisconnectedContext(ctx) // money is collected: no cancel from outside
	defer done()
	c := beginContract(ctx, outside, in)
	for c.open() && !c.full(ctx) {
		switch {
		case c.news:
			c.read(ctx)
		case c.seeks(ctx):
			c.seek(ctx)
		case c.now.Held:
			c.rest(ctx, "held by an operator")
		case c.now.Untold > 0 && !c.aside(ctx) && c.due(ctx, c.tellAt):
			c.tell(ctx)
		case c.asks() && c.due(ctx, c.gatherAt):
			c.gather(ctx)
		case c.complete():
			c.take(insist(ctx, c, "the dossier is complete: request was sent", activities.SendRequest, c.input(domain.CauseScheduled)))
		default:
			c.rest(ctx, "waits")
		}
	}
	if c.lost != nil {
		return PaymentOrderResult{}, c.lost
	}
	if c.open() { // the history has grown long; the next run goes on from the ledger
		return PaymentOrderResult{}, workflow.NewContinueAsNewError(ctx, activities.WorkflowPaymentOrder, in)
	}
	c.show(ctx, time.Time{})
	return PaymentOrderResult{OrderID: c.now.OrderID, State: c.now.State}, nil
}

// contract is what the workflow knows of its contract. The ledger is the truth: take copies
// from there.
type contract struct {
	in               PaymentOrderInput
	now              activities.CollectionStanding
	step             int
	cause            domain.Cause
	tellAt, gatherAt time.Time // when the next attempt is due; zero is now
	seekAt           time.Time
	tells, gathers   int // failed in a row
	reads            int // of Loxon's topic, failed in a row
	news, cancelled  bool
	lost             error // the ledger has no such contract
}

// beginContract listens and reads where the ledger has the contract.
func beginContract(ctx, outside workflow.Context, in PaymentOrderInput) *contract {
	c := &contract{in: in, cause: domain.CauseScheduled}
	onNudge(ctx, func(n activities.Nudge) {
		c.news = true
		if n.Cause == domain.CauseOperator {
			c.cause, c.tellAt, c.gatherAt, c.seekAt = n.Cause, time.Time{}, time.Time{}, time.Time{}
		}
	})
	workflow.GoNamed(ctx, "cancel", func(ctx workflow.Context) {
		outside.Done().Receive(ctx, nil)
		c.news, c.cancelled = true, true
	})
	c.read(ctx)
	return c
}

// open says that the payment order has not ended, or that Loxon is still to be told.
func (c *contract) open() bool {
	return c.lost == nil && (c.news || !c.now.State.Terminal() || c.now.Untold > 0)
}

// lose ends the run: the ledger has no such contract.
func (c *contract) lose(err error) { c.lost = err }

// full says that the history has grown long and no news waits for this run.
func (c *contract) full(ctx workflow.Context) bool {
	return workflow.GetInfo(ctx).GetContinueAsNewSuggested() && !c.news
}

// asks says that ABS is to be asked for something.
func (c *contract) asks() bool { return !c.now.Sent && !c.now.State.Terminal() && c.now.Missing > 0 }

// complete says that the request can be sent.
func (c *contract) complete() bool {
	return !c.now.Sent && !c.now.State.Terminal() && c.now.Missing == 0 && c.now.Blocked == 0
}

// aside says that a second operator is to say whether the next event is set aside: it is not
// sent meanwhile.
func (c *contract) aside(ctx workflow.Context) bool {
	return c.now.AsideUntil != nil && !c.due(ctx, *c.now.AsideUntil)
}

// seeks says that Loxon's topic is to be read now for an event that people want to set aside.
func (c *contract) seeks(ctx workflow.Context) bool {
	return c.now.SeekAt != nil && c.due(ctx, *c.now.SeekAt) && c.due(ctx, c.seekAt)
}

func (c *contract) due(ctx workflow.Context, at time.Time) bool { return !workflow.Now(ctx).Before(at) }

func (c *contract) input(cause domain.Cause) activities.CollectionInput {
	c.step++
	return activities.CollectionInput{Contract: c.in.Contract, Step: c.step, Cause: cause}
}

// read takes over where the ledger has the contract. A Cancel from Temporal's UI ends
// nothing: a person is asked to look.
func (c *contract) read(ctx workflow.Context) {
	c.news = false
	if c.cancelled {
		c.cancelled = false
		c.raise(ctx, domain.ReasonCancelledRun)
		return
	}
	c.take(insist(ctx, c, "read the contract", activities.ReadContract, c.input(domain.CauseScheduled)))
}

func (c *contract) take(s activities.CollectionStanding) { c.now = s }

// gather asks ABS once for all that is missing.
func (c *contract) gather(ctx workflow.Context) {
	wait := c.in.Again.Pause(c.gathers)
	failed := c.call(ctx, activities.QueueABS, activities.GatherDossier, fmt.Sprintf("ask ABS for %d parts of the dossier", c.now.Missing), wait)
	c.gathers, c.gatherAt = later(ctx, failed, c.gathers, max(wait, c.now.RetryAfter))
}

// tell tells Loxon of what it was not told, in order.
func (c *contract) tell(ctx workflow.Context) {
	wait := c.in.Again.Pause(c.tells)
	failed := c.call(ctx, activities.QueueLoxon, activities.TellLoxon, fmt.Sprintf("tell Loxon of %d events", c.now.Untold), wait)
	if c.now.AsideUntil != nil { // by the worker's clock a proposal still stands
		failed = true
	}
	c.tells, c.tellAt = later(ctx, failed, c.tells, wait)
}

// The topic may be long: reading it is bounded by what a day's messages take many times over,
// and a worker that died is noticed by its missing heartbeats.
const (
	seekLimit = time.Hour
	seekBeats = 6 * activities.SeekBeat
)

// seek reads Loxon's topic once for what people want to set aside.
func (c *contract) seek(ctx workflow.Context) {
	wait := c.in.Again.Pause(c.reads)
	got, err := regular(ctx, workflow.ActivityOptions{
		TaskQueue: activities.QueueLoxon, StartToCloseTimeout: seekLimit, HeartbeatTimeout: seekBeats,
		Summary: "read Loxon's topic for an event to set aside", RetryPolicy: &temporal.RetryPolicy{MaximumAttempts: 1},
	}, activities.SeekEvents, c.input(domain.CauseScheduled))
	if err != nil {
		workflow.GetLogger(ctx).Warn("Loxon's topic was not read", "error", err)
		c.read(ctx)
		c.reads, c.seekAt = later(ctx, true, c.reads, wait)
		return
	}
	c.take(got)
	failed := got.Failure != "" || got.SeekAt != nil // by the worker's clock it is not due, maybe
	c.reads, c.seekAt = later(ctx, failed, c.reads, wait)
}

// later is when an attempt follows a failed one, and the how-manieth failure that was.
func later(ctx workflow.Context, failed bool, before int, wait time.Duration) (failures int, at time.Time) {
	if !failed {
		return 0, time.Time{}
	}
	return before + 1, workflow.Now(ctx).Add(wait)
}

// call makes one attempt. It is a regular activity, so that the decision to make it is in
// the history before a byte leaves; it runs once, and the workflow's own pauses repeat it.
func (c *contract) call(ctx workflow.Context, queue string,
	activity activities.Activity[activities.CollectionInput, activities.CollectionStanding], summary string, wait time.Duration,
) (failed bool) {
	in := c.input(c.cause)
	in.NextWait, c.cause = wait, domain.CauseScheduled
	got, err := regular(ctx, workflow.ActivityOptions{
		TaskQueue: queue, StartToCloseTimeout: c.in.PartnerTimeout + attemptMargin, Summary: summary,
		RetryPolicy: &temporal.RetryPolicy{MaximumAttempts: 1},
	}, activity, in)
	if err != nil { // the ledger was down, or a worker died: nothing is known but what the ledger says
		workflow.GetLogger(ctx).Warn("call reported no outcome", "error", err)
		c.read(ctx)
		return true
	}
	c.take(got)
	return got.Failure != ""
}

// rest waits for news, for the next attempt, or until something is late.
func (c *contract) rest(ctx workflow.Context, what string) {
	if c.now.Undated && !c.now.State.Terminal() && !c.raised(domain.ReasonNoContractDate) {
		c.raise(ctx, domain.ReasonNoContractDate)
		return
	}
	late, why := c.lateAt()
	if reached(late, workflow.Now(ctx)) {
		c.raise(ctx, why)
		return
	}
	next := time.Time{}
	switch {
	case c.now.Held || c.now.Untold == 0:
	case c.aside(ctx):
		next = *c.now.AsideUntil
	default:
		next = c.tellAt
	}
	if c.now.SeekAt != nil {
		next = earliest(next, last(*c.now.SeekAt, c.seekAt))
	}
	if !c.now.Held && c.asks() {
		next = earliest(next, c.gatherAt)
	}
	c.show(ctx, next)
	interrupted := func() bool { return c.news }
	if wake := earliest(next, late); !wake.IsZero() {
		sleepUntil(ctx, wake, what+" · next at "+wake.UTC().Format(time.TimeOnly)+" UTC", interrupted)
		return
	}
	_ = workflow.Await(ctx, interrupted) // ctx cannot be cancelled
}

// lateAt is when a person is asked to look, and why; zero when never.
func (c *contract) lateAt() (time.Time, domain.OperatorReason) {
	ended := c.now.State.Terminal()
	switch {
	case c.in.RaiseAfter == 0 || c.now.Held:
	case c.now.UntoldSince != nil && (!ended || c.now.LateAfterEnd) && !c.raised(domain.ReasonEventLate) && !c.raised(domain.ReasonEventRejected):
		return c.now.UntoldSince.Add(c.in.RaiseAfter), domain.ReasonEventLate
	case !ended && !c.now.Sent && !c.raised(domain.ReasonDossierLate) && !c.raised(domain.ReasonDossierRefused) && !c.raised(domain.ReasonNoContractDate) && !c.raised(domain.ReasonUnreadableAnswer):
		return c.now.Began.Add(c.in.RaiseAfter), domain.ReasonDossierLate
	}
	return time.Time{}, ""
}

// raised says whether a person is asked to look for this reason. Results from before
// incidents were kept name one reason only: none was raised beside another then.
func (c *contract) raised(why domain.OperatorReason) bool {
	if len(c.now.Raised) == 0 {
		return c.now.Reason != ""
	}
	return slices.Contains(c.now.Raised, why)
}

// raise asks a person to look, in the ledger and in Temporal.
func (c *contract) raise(ctx workflow.Context, why domain.OperatorReason) {
	in := c.input(domain.CauseScheduled)
	in.Reason = why
	c.take(insist(ctx, c, "needs an operator: "+string(why), activities.FlagContract, in))
	c.show(ctx, time.Time{})
}

// show is the one place that tells people in Temporal where the contract stands.
func (c *contract) show(ctx workflow.Context, next time.Time) {
	updates := []temporal.SearchAttributeUpdate{
		TolemState.ValueSet(string(c.now.State)), Attempts.ValueSet(int64(c.now.Attempts)), NeedsOperator.ValueSet(c.now.Reason != ""),
	}
	details := fmt.Sprintf("%s · dossier: %d missing, %d wait for an operator · %d events to tell", c.now.State, c.now.Missing, c.now.Blocked, c.now.Untold)
	if next.IsZero() {
		updates = append(updates, NextAttemptAt.ValueUnset())
	} else {
		updates = append(updates, NextAttemptAt.ValueSet(next))
		details += " · next attempt at " + next.UTC().Format(time.DateTime) + " UTC"
	}
	if err := workflow.UpsertTypedSearchAttributes(ctx, updates...); err != nil {
		workflow.GetLogger(ctx).Error("search attributes not written", "error", err)
	}
	if c.now.Failure != "" {
		details += " · last failure: " + c.now.Failure
	}
	if c.now.AsideUntil != nil {
		details += " · a second operator is to say whether an event is set aside"
	}
	if c.now.Held {
		details += " · held by an operator"
	}
	if c.now.Reason != "" {
		details += " · needs an operator: " + string(c.now.Reason)
	}
	workflow.SetCurrentDetails(ctx, details)
}
