package verification

import (
	"context"
	"errors"
	"fmt"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"

	"tolem/workflows"
)

func (v *verifier) readRuns(ctx context.Context) error {
	if v.Temporal == nil {
		v.report.Skipped = append(v.report.Skipped, "Temporal")
		return nil
	}
	v.running = map[string]bool{}
	return v.list(ctx, "Running", func(id string, _ time.Time) { v.running[id] = true })
}

// list visits the workflow ids of all processes with an execution status.
func (v *verifier) list(ctx context.Context, status string, visit func(id string, started time.Time)) error {
	for _, name := range workflows.ProcessTypes() {
		request := &workflowservice.ListWorkflowExecutionsRequest{
			PageSize: 1000, Query: fmt.Sprintf("WorkflowType = '%s' AND ExecutionStatus = '%s'", name, status),
		}
		for {
			page, err := v.Temporal.ListWorkflow(ctx, request)
			if err != nil {
				return fmt.Errorf("list %s workflows of type %s: %w", status, name, err)
			}
			for _, e := range page.GetExecutions() {
				visit(e.GetExecution().GetWorkflowId(), e.GetStartTime().AsTime())
			}
			if request.NextPageToken = page.GetNextPageToken(); len(request.NextPageToken) == 0 {
				break
			}
		}
	}
	return nil
}

// Visibility lags, and a workflow closes some moments after its row: what looks wrong is
// looked at again.
const (
	lookAgain = 500 * time.Millisecond
	looks     = 20
)

// oneRun checks that an open row has a running workflow and a closed row has none. A row
// written within the grace may still wait for its start.
func (v *verifier) oneRun(ctx context.Context, id string, terminal bool, changed time.Time) error {
	if v.running == nil {
		return nil
	}
	holds, problem := v.running[id] != terminal, ""
	for n := 0; !holds && n < looks; n++ {
		running, err := v.runsNow(ctx, id)
		if err != nil {
			return err
		}
		holds = running != terminal
		switch {
		case terminal:
			problem = "its row has ended, and its workflow is running"
		case v.began.Sub(changed) < v.Grace:
			holds = true // the sweep will start it
		default:
			problem = "its row is open, and no workflow is running"
		}
		if !holds {
			select {
			case <-time.After(lookAgain):
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
	v.report.check(OneRun, id, holds, "%s", problem)
	return nil
}

// runsNow asks Temporal itself whether a workflow runs.
func (v *verifier) runsNow(ctx context.Context, id string) (bool, error) {
	found, err := v.Temporal.DescribeWorkflowExecution(ctx, id, "")
	var missing *serviceerror.NotFound
	if errors.As(err, &missing) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("describe %s: %w", id, err)
	}
	return found.GetWorkflowExecutionInfo().GetStatus() == enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING, nil
}

// failedRuns finds workflows that returned an error: they do so from a bug, or because a restore
// lost their rows.
func (v *verifier) failedRuns(ctx context.Context) error {
	if v.running == nil {
		return nil
	}
	for _, status := range []string{"Failed", "TimedOut"} {
		err := v.list(ctx, status, func(id string, started time.Time) {
			v.report.check(OneRun, id, v.restores.lostRow(id, started), "one of its runs has status %s", status)
		})
		if err != nil {
			return err
		}
	}
	return nil
}
