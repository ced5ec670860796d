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

// pageLimit bounds one page: 500 starts, 8 at once, each at most 15 s.
const pageLimit = 20 * time.Minute

// pageHeartbeat notices a dead worker; a page reports after every start.
const pageHeartbeat = time.Minute

// IntakeInput says where an intake stands. A batch's payments are in the ledger;
// none travels here.
type IntakeInput struct {
	BatchID domain.BatchID            `json:"batchId"`
	After   domain.AgentTransactionID `json:"after,omitempty"` // the last id that was read; 0 begins
	// Again is set when rows were committed behind After: the batch is read from
	// its beginning once more.
	Again bool         `json:"again,omitempty"`
	SoFar IntakeResult `json:"soFar"`
}

// IntakeResult counts an intake's starts. One that was running already counts too.
type IntakeResult struct {
	Started int `json:"started"`
	Failed  int `json:"failed"`
}

// Intake starts the payments of a batch, a page in each run.
//
// When it returns, every payment of the batch that was committed before the last
// SignalMore signal had its workflow, or is counted in Failed and left to the
// sweep. A payment may be started twice, which is once.
func Intake(ctx workflow.Context, in IntakeInput) (IntakeResult, error) {
	more := signalled(ctx, activities.SignalMore)
	if in.After == 0 {
		more() // what is committed by now is read from the beginning anyway
	}
	page, err := nextPage(ctx, in)
	if err != nil {
		return in.SoFar, err
	}
	in.After = page.Last
	in.SoFar.Started += page.Started
	in.SoFar.Failed += page.Failed
	in.Again = more() || in.Again
	switch {
	case page.Full:
	case in.Again:
		in.After, in.Again = 0, false
	default:
		return in.SoFar, nil
	}
	return in.SoFar, workflow.NewContinueAsNewError(ctx, activities.WorkflowIntake, in)
}

// nextPage starts one page. It is repeated for as long as the ledger is down: the
// repetition changes nothing.
func nextPage(ctx workflow.Context, in IntakeInput) (activities.IntakePageResult, error) {
	return regular(ctx, workflow.ActivityOptions{
		StartToCloseTimeout: pageLimit, HeartbeatTimeout: pageHeartbeat,
		RetryPolicy: &temporal.RetryPolicy{InitialInterval: time.Second, BackoffCoefficient: 2, MaximumInterval: time.Minute},
		Summary:     fmt.Sprintf("start payments of batch %s · %d so far", in.BatchID, in.SoFar.Started),
	}, activities.StartPage, activities.IntakePageInput{BatchID: in.BatchID, After: in.After})
}

// signalled takes the signals of one name that have come and says whether there
// were any. Temporal closes no run while one has come that was not taken.
func signalled(ctx workflow.Context, name string) func() bool {
	channel := workflow.GetSignalChannel(ctx, name)
	return func() (came bool) {
		for channel.ReceiveAsync(nil) {
			came = true
		}
		return came
	}
}

// StartIntake has the payments of a batch started that were committed before the
// call. A completed intake runs again, for a batch that was resumed. One that runs
// may have passed the new rows' ids, which callers may choose, and may be about to
// end: so it is told with a signal, which it cannot miss, to read from the
// beginning once more.
func StartIntake(ctx context.Context, c client.Client, batch domain.BatchID) error {
	_, err := c.SignalWithStartWorkflow(ctx, batch.WorkflowID(), activities.SignalMore, nil, client.StartWorkflowOptions{
		ID:                       batch.WorkflowID(),
		TaskQueue:                activities.QueueMain,
		WorkflowIDReusePolicy:    enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
		WorkflowIDConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
		StaticSummary:            "batch " + batch.String(),
	}, activities.WorkflowIntake, IntakeInput{BatchID: batch})
	if err != nil {
		return fmt.Errorf("start %s: %w", batch.WorkflowID(), err)
	}
	return nil
}
