package workflows

import (
	"context"
	"fmt"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

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

// StartPayment starts the workflow of a payment that the ledger holds. A running
// one is left alone and returned. One that failed, was terminated or cancelled
// is started again; one that completed is an error, because a completed payment
// is terminal in the ledger.
//
// There is no execution or run time-out: nothing ends a payment for being old.
func StartPayment(ctx context.Context, c client.Client, in PaymentInput) (client.WorkflowRun, error) {
	run, err := c.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID:                       in.PaymentID.WorkflowID(),
		TaskQueue:                MainQueue,
		WorkflowIDReusePolicy:    enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE_FAILED_ONLY,
		WorkflowIDConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
		// Without it a completed one would be returned as if it had been started.
		WorkflowExecutionErrorWhenAlreadyStarted: true,
		EnableEagerStart:                         true, // saves a round trip when this process has a worker
		StaticSummary:                            "payment " + in.PaymentID.String() + " to " + in.ServiceID,
		TypedSearchAttributes: temporal.NewSearchAttributes(
			TolemState.ValueSet(string(domain.StateAccepted)), ServiceID.ValueSet(in.ServiceID), NeedsOperator.ValueSet(false)),
	}, PaymentWorkflow, in)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", in.PaymentID.WorkflowID(), err)
	}
	return run, nil
}
