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

// OrderInput starts an instalment order. It names nobody: the request is in the
// ledger.
type OrderInput struct {
	OrderID        domain.StoreOrderID `json:"orderId"`
	Ladder         domain.Ladder       `json:"ladder"`         // between attempts that may change something; copied at acceptance
	PartnerTimeout time.Duration       `json:"partnerTimeout"` // of one call
	Poll           Poll                `json:"poll"`           // between looks while client and store decide
	PayoutPoll     Poll                `json:"payoutPoll"`     // between looks for the pay-out
	ValidateClient bool                `json:"validateClient,omitempty"`
	AutoConfirm    bool                `json:"autoConfirm,omitempty"`
	// RaiseAfter is how long it may be unknown whether the bank has the order, or
	// what became of the decision, until a person is asked to look; 0 never asks.
	RaiseAfter       time.Duration `json:"raiseAfter,omitempty"`
	PayoutRaiseAfter time.Duration `json:"payoutRaiseAfter,omitempty"` // the same for the pay-out
}

// Poll is the growing pause between questions that change nothing: each twice the
// last, up to Most.
type Poll struct {
	First time.Duration `json:"first"`
	Most  time.Duration `json:"most"`
}

// Pause is the n-th pause, n counted from 0.
func (p Poll) Pause(n int) time.Duration {
	return max(time.Millisecond, min(p.First<<min(n, 20), p.Most))
}

// OrderResult is how an order ended.
type OrderResult struct {
	State      domain.OrderState `json:"state"`
	FailReason string            `json:"failReason,omitempty"`
	Bank       domain.BankState  `json:"bank,omitzero"`
}

// order is what the workflow knows of its order. The ledger is the truth: learn
// copies from there.
type order struct {
	input  OrderInput
	now    activities.OrderStanding
	step   int           // of the last call ordered; counts up for ever, across runs
	trying string        // the request that is being repeated
	waits  int           // scheduled waits of that request so far, across runs
	waited time.Duration // what the last of them took
	cause  domain.Cause  // of the next call
	polls  int           // pauses in a row
	nextAt time.Time
	last   string        // the last failure; "" when the bank answered
	asksTo time.Duration // wait: the longest that the bank asked for since the last wait

	asked     []*orderAction // of persons, not answered yet
	news      bool           // the bank called back, or the store decided
	tries     int            // calls made; who brought news waits for one
	cancelled bool           // Cancel from Temporal's UI, not noted yet
	lost      error          // the ledger has no such order
}

// beginOrder checks the input, reads where the ledger has the order, and listens.
// ctx is the one to work under, outside the one that a Cancel from outside ends.
func beginOrder(ctx, outside workflow.Context, in OrderInput) (*order, error) {
	if err := in.Ladder.Check(); err != nil {
		return nil, temporal.NewNonRetryableApplicationError(in.OrderID.WorkflowID(), "BadInput", err)
	}
	o := &order{input: in, cause: domain.CauseScheduled}
	if err := o.listen(ctx); err != nil {
		return nil, err
	}
	workflow.GoNamed(ctx, "cancel", func(ctx workflow.Context) {
		outside.Done().Receive(ctx, nil)
		o.cancelled = true
	})
	o.read(ctx)
	if o.now.State != domain.OrderAccepted { // another run was here before
		o.cause, o.waits = domain.CauseRecovery, o.now.Waits
		o.trying = map[domain.OrderState]string{domain.OrderCreating: "create",
			domain.OrderConfirming: string(domain.DecisionConfirm), domain.OrderRejecting: string(domain.DecisionReject)}[o.now.State]
	}
	return o, nil
}

// open says whether the order has not ended.
func (o *order) open() bool { return o.lost == nil && !o.now.State.Terminal() }

// lose ends the run: the ledger has no such order.
func (o *order) lose(err error) { o.lost = err }

// in says whether the order is in one of the states, when everything that people
// ordered has been heard.
func (o *order) in(ctx workflow.Context, states ...domain.OrderState) bool {
	o.hear(ctx)
	return o.lost == nil && slices.Contains(states, o.now.State)
}

// full says that the history has grown long and nobody waits for this run.
func (o *order) full(ctx workflow.Context) bool {
	return workflow.GetInfo(ctx).GetContinueAsNewSuggested() && !o.interrupted() && workflow.AllHandlersFinished(ctx)
}

// read takes over where the ledger has the order; nobody is called.
func (o *order) read(ctx workflow.Context) {
	o.take(insist(ctx, o, "read the order", activities.ReadOrder, activities.OrderCallInput{OrderID: o.input.OrderID, Step: o.step}).OrderStanding)
}

// take copies the ledger's standing.
func (o *order) take(s activities.OrderStanding) {
	if s.State != o.now.State {
		o.polls = 0
	}
	o.now, o.step = s, max(o.step, s.Step)
}

// orderCall is an activity that calls the bank, or would.
type orderCall = activities.Activity[activities.OrderCallInput, activities.OrderCallResult]

// local makes one call that changes nothing at the bank; no answer changes nothing.
func (o *order) local(ctx workflow.Context, activity orderCall, summary string) {
	o.step++
	got, err := do(ctx, workflow.LocalActivityOptions{
		StartToCloseTimeout: o.input.PartnerTimeout + attemptMargin, Summary: summary,
		RetryPolicy: &temporal.RetryPolicy{MaximumAttempts: 1}, // the next look asks again
	}, activity, activities.OrderCallInput{OrderID: o.input.OrderID, Step: o.step, Cause: o.cause})
	o.report(ctx, got, err)
}

// look asks the bank where the order stands.
func (o *order) look(ctx workflow.Context) {
	o.news = false
	o.local(ctx, activities.AskState, "ask the bank for the order's state")
	o.cause = domain.CauseScheduled
}

// regular makes one call that may change something at the bank. It is a regular
// activity, so that the decision to make it is in the history before a byte leaves.
func (o *order) regular(ctx workflow.Context, activity orderCall, summary string, in activities.OrderCallInput) {
	o.step++
	in.OrderID, in.Step, in.Decision = o.input.OrderID, o.step, o.now.Decision
	got, err := regular(ctx, workflow.ActivityOptions{
		TaskQueue: activities.QueueCFRONT, StartToCloseTimeout: o.input.PartnerTimeout + attemptMargin, Summary: summary,
		RetryPolicy: &temporal.RetryPolicy{MaximumAttempts: 1}, // the ladder repeats it
	}, activity, in)
	o.report(ctx, got, err)
}

// report takes over a call's result. An error means that no outcome was reported:
// the ledger was down, or a worker died in the call; nothing is known but what the
// ledger says.
func (o *order) report(ctx workflow.Context, got activities.OrderCallResult, err error) {
	if err != nil {
		workflow.GetLogger(ctx).Warn("call reported no outcome", "error", err)
		o.read(ctx) // a final error comes out here too
		o.last = notReported
		return
	}
	o.take(got.OrderStanding)
	o.asksTo = max(o.asksTo, got.RetryAfter)
	if !got.Behind {
		o.last = got.Failure
	}
}

// attempt makes one attempt of a request that changes something at the bank, in the
// same bytes as those before. Each request has a ladder of its own.
func (o *order) attempt(ctx workflow.Context, activity orderCall, name string) {
	if o.trying != name {
		o.trying, o.waits, o.waited = name, 0, 0
	}
	in := activities.OrderCallInput{Cause: o.cause, Waits: o.waits + 1, NextWait: o.rung()}
	if o.cause == domain.CauseScheduled {
		in.Waited = o.waited
	}
	o.news = false
	o.regular(ctx, activity, fmt.Sprintf("%s · attempt %d of this order · %s", name, o.now.Attempts+1, o.cause), in)
	o.cause = domain.CauseScheduled
	o.tried(ctx)
}

// endUnsent ends an order that its store rejected before anything was sent.
func (o *order) endUnsent(ctx workflow.Context) {
	o.step++
	o.take(insist(ctx, o, "rejected before anything was sent", activities.EndUnsentOrder, activities.EndOrderInput{
		OrderID: o.input.OrderID, Step: o.step, FailReason: domain.FailRejectedByStore,
	}))
}

// autoConfirm lets the order confirm itself, as its store asked.
func (o *order) autoConfirm(ctx workflow.Context) {
	o.take(insist(ctx, o, "confirm as the store asked in advance", activities.AutoConfirm, activities.AutoConfirmInput{OrderID: o.input.OrderID}))
}

// result answers whoever still waits, shows the end and returns it.
func (o *order) result(ctx workflow.Context) OrderResult {
	o.tried(ctx)
	o.hear(ctx)
	_ = workflow.Await(ctx, func() bool { return workflow.AllHandlersFinished(ctx) }) // ctx cannot be cancelled
	o.nextAt = time.Time{}
	o.show(ctx)
	return OrderResult{State: o.now.State, FailReason: o.now.FailReason, Bank: o.now.Bank}
}
