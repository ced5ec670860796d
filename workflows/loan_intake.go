package workflows

import (
	"context"
	"fmt"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"tolem/activities"
	"tolem/domain"
)

// LoanIntakeInput says where an intake stands. A batch's loans are in the ledger; none
// travels here.
type LoanIntakeInput struct {
	BatchID domain.BatchID `json:"batchId"`
	After   int64          `json:"after,omitempty"` // the last payment order that was read; 0 begins
	SoFar   IntakeResult   `json:"soFar"`
}

// LoanIntake starts the processes of a batch's contracts, a page in each run.
//
// When it returns, every contract of the batch has a process that has read the report, or is
// counted in Failed and left to the sweep. One that is started twice is started once.
func LoanIntake(ctx workflow.Context, in LoanIntakeInput) (IntakeResult, error) {
	page, err := regular(ctx, workflow.ActivityOptions{
		StartToCloseTimeout: pageLimit, HeartbeatTimeout: pageHeartbeat,
		RetryPolicy: &temporal.RetryPolicy{InitialInterval: time.Second, BackoffCoefficient: 2, MaximumInterval: time.Minute},
		Summary:     fmt.Sprintf("start contracts of batch %s · %d so far", in.BatchID, in.SoFar.Started),
	}, activities.StartLoans, activities.LoanPageInput{BatchID: in.BatchID, After: in.After})
	if err != nil {
		return in.SoFar, err
	}
	in.After = page.Last
	in.SoFar.Started += page.Started
	in.SoFar.Failed += page.Failed
	if !page.Full {
		return in.SoFar, nil
	}
	return in.SoFar, workflow.NewContinueAsNewError(ctx, activities.WorkflowLoanIntake, in)
}

// StartLoanIntake has the contracts of a batch started. A batch whose intake runs, or has
// completed, is left alone.
func StartLoanIntake(ctx context.Context, c client.Client, batch domain.BatchID) error {
	_, err := c.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID: batch.WorkflowID(), TaskQueue: activities.QueueMain, StaticSummary: "batch of loans " + batch.String(),
		WorkflowIDReusePolicy:    enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE_FAILED_ONLY,
		WorkflowIDConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
		EnableEagerStart:         true,
	}, activities.WorkflowLoanIntake, LoanIntakeInput{BatchID: batch})
	if err != nil { // a completed one is none
		return fmt.Errorf("start %s: %w", batch.WorkflowID(), err)
	}
	return nil
}

// CollectionTerms are what every contract in collection carries with it.
type CollectionTerms struct {
	PartnerTimeout time.Duration
	Again          Poll
	RaiseAfter     time.Duration
}

// Input starts a contract's process.
func (t CollectionTerms) Input(contract domain.ContractNumber) PaymentOrderInput {
	return PaymentOrderInput{Contract: contract, PartnerTimeout: t.PartnerTimeout, Again: t.Again, RaiseAfter: t.RaiseAfter}
}

// WakeContract has a contract's process read the ledger: the running one, which cannot end
// before it has, or a new one.
func WakeContract(ctx context.Context, c client.Client, in PaymentOrderInput, cause domain.Cause) error {
	_, err := c.SignalWithStartWorkflow(ctx, in.Contract.WorkflowID(), activities.NudgeSignal, activities.Nudge{Cause: cause}, client.StartWorkflowOptions{
		ID: in.Contract.WorkflowID(), TaskQueue: activities.QueueMain, StaticSummary: "payment order of the card file",
		WorkflowIDReusePolicy:    enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
		WorkflowIDConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
		TypedSearchAttributes: temporal.NewSearchAttributes(
			TolemState.ValueSet(string(domain.PaymentOrderGathering)), NeedsOperator.ValueSet(false)),
	}, activities.WorkflowPaymentOrder, in)
	if err != nil {
		return fmt.Errorf("start %s: %w", in.Contract.WorkflowID(), err)
	}
	return nil
}
