package workflows

import (
	"time"

	"go.temporal.io/sdk/workflow"

	"tolem/activities"
	"tolem/domain"
)

// Order takes one accepted instalment order to its end.
//
// When it returns, the bank has one order at most for the store's number, heard one
// decision of the store at most, confirm or reject, and the order is paid_out (the
// bank paid the store) or failed (there is no sale on credit); the ledger says the
// same. It returns an error only from a bug.
func Order(ctx workflow.Context, in OrderInput) (OrderResult, error) {
	outside := ctx
	ctx, done := workflow.NewDisconnectedContext(ctx) // a sale may be under way: no cancel from outside
	defer done()
	o, err := beginOrder(ctx, outside, in)
	if err != nil {
		return OrderResult{}, err
	}

	o.askClient(ctx)
	for o.in(ctx, domain.OrderAccepted, domain.OrderCreating) && !o.full(ctx) {
		o.create(ctx)
	}
	for o.undecided(ctx) && !o.full(ctx) {
		o.lookForDecisions(ctx)
	}
	for o.deciding(ctx) && !o.full(ctx) {
		o.decide(ctx)
	}
	for o.in(ctx, domain.OrderActive) && !o.full(ctx) {
		o.lookForPayout(ctx)
	}
	if o.lost != nil {
		return OrderResult{}, o.lost
	}
	if o.open() { // the history has grown long; the next run goes on from the ledger
		return OrderResult{}, workflow.NewContinueAsNewError(ctx, activities.WorkflowOrder, in)
	}
	return o.result(ctx), nil
}

// askClient asks the bank for the client, if the store wanted that: an unknown one
// ends the order before anything is created.
func (o *order) askClient(ctx workflow.Context) {
	if o.input.ValidateClient && !o.now.Validated && o.in(ctx, domain.OrderAccepted) {
		o.regular(ctx, activities.AskClient, "ask the bank for the client", activities.OrderCallInput{Cause: domain.CauseScheduled})
	}
}

// create makes one attempt to have the order created. A lost answer makes no second
// order: the bank knows the store's number.
func (o *order) create(ctx workflow.Context) {
	if o.now.Decision == domain.DecisionReject && o.now.CreateSentAt == nil { // the store changed its mind in time
		o.endUnsent(ctx)
		return
	}
	o.attempt(ctx, activities.CreateAtBank, "create")
	if o.in(ctx, domain.OrderAccepted, domain.OrderCreating) {
		o.wait(ctx, "create")
	}
}

// undecided says that the bank, the client or the store still has to decide.
func (o *order) undecided(ctx workflow.Context) bool {
	return o.in(ctx, domain.OrderWaitingForClient, domain.OrderWaitingForStore) && !o.decidable()
}

// decidable says that the store's decision may be sent where the order stands.
func (o *order) decidable() bool { return o.now.Decision != "" && o.now.Decision.Takes(o.now.State) }

// lookForDecisions looks once where bank, client and store are, and waits for news of
// any of them: a callback, the store's decision, or the next look by itself.
func (o *order) lookForDecisions(ctx workflow.Context) {
	o.look(ctx)
	if o.in(ctx, domain.OrderWaitingForStore) && !o.now.Contract {
		o.local(ctx, activities.AskContract, "fetch number and date of the credit contract")
	}
	if o.in(ctx, domain.OrderWaitingForStore) && o.input.AutoConfirm && o.now.Decision == "" {
		o.autoConfirm(ctx)
	}
	if o.undecided(ctx) {
		o.pause(ctx, o.input.Poll)
	}
}

// deciding says that the store's decision is to be sent, or may have been.
func (o *order) deciding(ctx workflow.Context) bool {
	return o.in(ctx, domain.OrderConfirming, domain.OrderRejecting) || o.decidable()
}

// decide sends the store's decision, or asks what became of it: one that may have
// been sent is sent again only when the bank still waits for it.
func (o *order) decide(ctx workflow.Context) {
	cause := o.cause // of the attempt; the look before it is part of it
	if o.now.DecisionSentAt != nil {
		o.look(ctx)
	}
	if o.deciding(ctx) && (o.now.DecisionSentAt == nil || o.bankWaits()) {
		if o.cause == domain.CauseScheduled { // nobody spoke meanwhile
			o.cause = cause
		}
		o.attempt(ctx, activities.DecideAtBank, string(o.now.Decision))
	}
	if o.deciding(ctx) {
		o.wait(ctx, string(o.now.Decision))
	}
}

// bankWaits says that by its last word the bank still waits for the decision.
func (o *order) bankWaits() bool {
	return o.now.Meaning == domain.BankReady || o.now.Decision == domain.DecisionReject && o.now.Meaning == domain.BankPending
}

// lookForPayout asks once whether the bank has paid, and whether the order was taken
// further or back meanwhile; then it waits for news, or the next look.
func (o *order) lookForPayout(ctx workflow.Context) {
	o.local(ctx, activities.AskPayout, "ask whether the bank has paid the store")
	if o.in(ctx, domain.OrderActive) {
		o.look(ctx)
	}
	if o.in(ctx, domain.OrderActive) {
		o.pause(ctx, o.input.PayoutPoll)
	}
}

// lateAt is when a person is asked to look at an order that stands still, and why;
// zero when never.
func (o *order) lateAt() (at time.Time, why domain.OperatorReason) {
	var since *time.Time
	limit := o.input.RaiseAfter
	switch o.now.State {
	case domain.OrderCreating:
		since, why = o.now.CreateSentAt, domain.ReasonCreateUnknown
	case domain.OrderConfirming, domain.OrderRejecting:
		since, why = o.now.DecisionSentAt, domain.ReasonDecisionOpen
	case domain.OrderActive:
		since, why, limit = o.now.ActiveAt, domain.ReasonNoPayout, o.input.PayoutRaiseAfter
	}
	if since == nil || limit == 0 || o.now.Reason != "" {
		return time.Time{}, ""
	}
	return since.Add(limit), why
}
