package workflows

import (
	"context"
	"fmt"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"tolem/activities"
	"tolem/domain"
)

// PaymentTerms are the settings that every payment carries with it.
type PaymentTerms struct {
	PartnerTimeout time.Duration // of one call to a partner
	PayerDeadline  time.Duration // how long the payer may decide between check and pay
	RaiseAfter     time.Duration // the age at which a person is asked to look; nothing ends a payment for it
}

// Input is what a payment's workflow is started with. Its age counts from since:
// when it was accepted, or its payer chose.
func (t PaymentTerms) Input(id domain.AgentTransactionID, serviceID string, ladder domain.Ladder, since time.Time) PaymentInput {
	return PaymentInput{
		PaymentID: id, ServiceID: serviceID, Ladder: ladder, PartnerTimeout: t.PartnerTimeout,
		PayerDeadline: t.PayerDeadline, Since: since.UTC(), RaiseAfter: t.RaiseAfter,
	}
}

// StartPayment starts the workflow of a payment that the ledger holds. A running one
// is left alone and returned; one that closed, in whatever way, is started again.
//
// The ledger alone says whether a payment has ended. One that is open there although
// its workflow completed comes from a ledger that was restored from a backup, and goes
// on from its row; the run of a payment that has ended finds that and ends at once.
//
// There is no execution or run time-out: nothing ends a payment for being old.
func StartPayment(ctx context.Context, c client.Client, in PaymentInput) (client.WorkflowRun, error) {
	return startOpen(ctx, c, startOptions(in), activities.WorkflowPayment, in)
}

func startOptions(in PaymentInput) client.StartWorkflowOptions {
	return restartable(client.StartWorkflowOptions{
		ID: in.PaymentID.WorkflowID(), StaticSummary: "payment " + in.PaymentID.String() + " to " + in.ServiceID,
		TypedSearchAttributes: temporal.NewSearchAttributes(
			TolemState.ValueSet(string(domain.StateAccepted)), ServiceID.ValueSet(in.ServiceID), NeedsOperator.ValueSet(false)),
	})
}

// WakePayment has a payment's workflow read what a person's action changed in the ledger:
// the running one, or a new one, which begins with that.
func WakePayment(ctx context.Context, c client.Client, in PaymentInput) error {
	o := startOptions(in)
	_, err := c.SignalWithStartWorkflow(ctx, o.ID, activities.NudgeSignal, activities.Nudge{Cause: domain.CauseOperator}, o, activities.WorkflowPayment, in)
	if err != nil {
		return fmt.Errorf("wake %s: %w", o.ID, err)
	}
	return nil
}

// OrderTerms are the settings that every instalment order carries with it.
type OrderTerms struct {
	PartnerTimeout   time.Duration // of one call to the bank
	Poll             Poll          // while client and store decide
	PayoutPoll       Poll          // for the pay-out
	RaiseAfter       time.Duration // how long create, a decision or a return may be unknown until a person is asked to look
	PayoutRaiseAfter time.Duration // the same for the pay-out
}

// OrderOptions are what a store wants of one order.
type OrderOptions struct {
	ValidateClient bool // ask for the client before create
	AutoConfirm    bool // confirm as soon as the client agreed
}

// Order is what an order's workflow is started with.
func (t OrderTerms) Order(id domain.StoreOrderID, ladder domain.Ladder, o OrderOptions) OrderInput {
	return OrderInput{
		OrderID: id, Ladder: ladder, PartnerTimeout: t.PartnerTimeout, Poll: t.Poll, PayoutPoll: t.PayoutPoll,
		ValidateClient: o.ValidateClient, AutoConfirm: o.AutoConfirm, RaiseAfter: t.RaiseAfter, PayoutRaiseAfter: t.PayoutRaiseAfter,
	}
}

// Return is what a return's workflow is started with.
func (t OrderTerms) Return(order domain.StoreOrderID, id domain.StoreReturnID, ladder domain.Ladder) ReturnInput {
	return ReturnInput{OrderID: order, ReturnID: id, Ladder: ladder, PartnerTimeout: t.PartnerTimeout, RaiseAfter: t.RaiseAfter}
}

// StartOrder starts the workflow of an instalment order that the ledger holds, as
// StartPayment does for payments.
func StartOrder(ctx context.Context, c client.Client, in OrderInput) (client.WorkflowRun, error) {
	return startOpen(ctx, c, client.StartWorkflowOptions{
		ID: in.OrderID.WorkflowID(), StaticSummary: "instalment order",
		TypedSearchAttributes: temporal.NewSearchAttributes(TolemState.ValueSet(string(domain.OrderAccepted)), NeedsOperator.ValueSet(false)),
	}, activities.WorkflowOrder, in)
}

// StartReturn starts the workflow of a return that the ledger holds, as StartPayment
// does for payments.
func StartReturn(ctx context.Context, c client.Client, in ReturnInput) (client.WorkflowRun, error) {
	return startOpen(ctx, c, client.StartWorkflowOptions{
		ID: in.OrderID.ReturnWorkflowID(in.ReturnID), StaticSummary: "return of goods",
		TypedSearchAttributes: temporal.NewSearchAttributes(TolemState.ValueSet(string(domain.ReturnAccepted)), NeedsOperator.ValueSet(false)),
	}, activities.WorkflowReturn, in)
}

// startOpen starts a process that is open in the ledger: a running one is left alone
// and returned, one that closed runs again.
func startOpen(ctx context.Context, c client.Client, o client.StartWorkflowOptions, workflow string, in any) (client.WorkflowRun, error) {
	o = restartable(o)
	o.EnableEagerStart = true // saves a round trip when this process has a worker
	run, err := c.ExecuteWorkflow(ctx, o, workflow, in)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", o.ID, err)
	}
	return run, nil
}

// restartable are the options of whatever starts a process that is open in the ledger.
func restartable(o client.StartWorkflowOptions) client.StartWorkflowOptions {
	o.TaskQueue = activities.QueueMain
	o.WorkflowIDReusePolicy = enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE
	o.WorkflowIDConflictPolicy = enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING
	return o
}

// StartMove has an order that has ended taken forward: the bank has news of it. One
// that is under way may have asked before the news came; the sweep looks again.
func StartMove(ctx context.Context, c client.Client, id domain.StoreOrderID) error {
	_, err := c.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID: id.MoveWorkflowID(), TaskQueue: activities.QueueMain, StaticSummary: "news of a settled order",
		WorkflowIDReusePolicy:    enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
		WorkflowIDConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
	}, activities.WorkflowMove, activities.MoveInput{OrderID: id})
	if err != nil {
		return fmt.Errorf("start %s: %w", id.MoveWorkflowID(), err)
	}
	return nil
}

// TellDecision tells an order's workflow that the store's decision is in the ledger,
// and returns when the workflow has acted on it. Errors as of TellChoice.
func TellDecision(ctx context.Context, c client.Client, id domain.StoreOrderID, updateID string) error {
	return update(ctx, c, client.UpdateWorkflowOptions{WorkflowID: id.WorkflowID(), UpdateID: updateID, UpdateName: activities.UpdateDecide}, nil)
}

// TellNews wakes an order's workflow: the bank called back. News that finds nothing to
// do changes nothing, so it may come late, twice or never.
func TellNews(ctx context.Context, c client.Client, id domain.StoreOrderID) error {
	return c.SignalWorkflow(ctx, id.WorkflowID(), "", activities.NudgeSignal, activities.Nudge{Cause: domain.CauseNews})
}

// TellReturn wakes a return's workflow: people changed something in the ledger. As
// TellNews.
func TellReturn(ctx context.Context, c client.Client, order domain.StoreOrderID, id domain.StoreReturnID) error {
	return c.SignalWorkflow(ctx, order.ReturnWorkflowID(id), "", activities.NudgeSignal, activities.Nudge{Cause: domain.CauseOperator})
}

// All are the workflows by their names on the wire.
func All() map[string]any {
	return map[string]any{
		activities.WorkflowPayment: Payment, activities.WorkflowSweep: Sweep, activities.WorkflowBalance: Balance, activities.WorkflowCatalogue: Catalogue, activities.WorkflowIntake: Intake,
		activities.WorkflowOrder: Order, activities.WorkflowReturn: Return, activities.WorkflowMove: OrderMove, activities.WorkflowPaymentOrder: PaymentOrder, activities.WorkflowLoanIntake: LoanIntake,
	}
}

// ProcessTypes lists the workflow types whose workflow id is that of a process in the ledger.
func ProcessTypes() []string {
	return []string{activities.WorkflowPayment, activities.WorkflowOrder, activities.WorkflowReturn, activities.WorkflowPaymentOrder}
}
