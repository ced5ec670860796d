package workflows

import (
	"context"
	"errors"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"tolem/activities"
	"tolem/domain"
)

// Refused is an order that the workflow turned away at the door.
type Refused struct {
	Refusal domain.Refusal `json:"refusal,omitempty"`
	State   domain.State   `json:"state"`
}

// refusedType names Refused among the errors of an update, on the wire.
const refusedType = "Refused"

func (r Refused) asError() error {
	return temporal.NewApplicationError(string(r.Refusal)+" in state "+string(r.State), refusedType, r)
}

// RefusedAction reads the error of an order: ok when the workflow turned it away.
func RefusedAction(err error) (r Refused, ok bool) {
	var application *temporal.ApplicationError
	if !errors.As(err, &application) || application.Type() != refusedType {
		return Refused{}, false
	}
	return r, application.Details(&r) == nil
}

// Act sends a person's order to a process's workflow and waits for what it did.
// The same updateID again waits for the same answer. The error is Temporal's, or
// one that RefusedAction reads.
func Act[Result ActionResult | OrderActionResult](
	ctx context.Context, c client.Client, process string, action domain.Action, updateID string, in ActionInput,
) (result Result, err error) {
	err = update(ctx, c, client.UpdateWorkflowOptions{
		WorkflowID: process, UpdateID: updateID, UpdateName: string(action), Args: []any{in},
	}, &result)
	return result, err
}

// TellChoice tells a payment's workflow that the payer's choice is in the ledger,
// and returns when the workflow has acted on it. The same updateID again is the
// same update: it gets the same answer.
//
// An error is Temporal's as it is and says nothing about the choice, which is
// durable without it: no such workflow, no answer within ctx, an update that the
// workflow refused.
func TellChoice(ctx context.Context, c client.Client, id domain.AgentTransactionID, updateID string) error {
	return update(ctx, c, client.UpdateWorkflowOptions{WorkflowID: id.WorkflowID(), UpdateID: updateID, UpdateName: activities.UpdateChoose}, nil)
}

// update sends an update and waits for the answer of its handler.
func update(ctx context.Context, c client.Client, o client.UpdateWorkflowOptions, answer any) error {
	o.WaitForStage = client.WorkflowUpdateStageCompleted
	handle, err := c.UpdateWorkflow(ctx, o)
	if err != nil {
		return err
	}
	return handle.Get(ctx, answer)
}
