package workers

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"tolem/workflows"
)

// Replayed is what came of replaying one workflow's histories.
type Replayed struct {
	Workflow string   `json:"workflow"`
	Open     int      `json:"open"`   // that replayed
	Closed   int      `json:"closed"` // that replayed
	Failed   []Failed `json:"failed,omitempty"`
}

// Failed is a history that this code cannot go on with.
type Failed struct {
	WorkflowID string `json:"workflowId"`
	RunID      string `json:"runId"`
	Error      string `json:"error"`
}

// Replay has this program's workflows replay histories of the cluster, of each workflow up
// to limit open ones and as many closed ones, the newest first, and tells how it went. It
// changes nothing. A history that fails would stand still under this code, its process
// neither lost nor ended, until code comes that can go on with it.
func (c Cluster) Replay(ctx context.Context, limit int, logger log.Logger) ([]Replayed, error) {
	found, err := c.namespace(ctx)
	if err != nil {
		return nil, fmt.Errorf("describe namespace %s: %w", c.Namespace, err)
	}
	if found == nil {
		return nil, errors.New(c.noNamespace())
	}
	var all []Replayed
	known := workflows.All()
	for _, name := range slices.Sorted(maps.Keys(known)) {
		replayer := worker.NewWorkflowReplayer()
		replayer.RegisterWorkflowWithOptions(known[name], workflow.RegisterOptions{Name: name})
		of := Replayed{Workflow: name}
		for _, part := range []struct {
			condition string
			count     *int
		}{{"ExecutionStatus = 'Running'", &of.Open}, {"ExecutionStatus != 'Running'", &of.Closed}} {
			runs, err := c.runs(ctx, fmt.Sprintf("WorkflowType = '%s' AND %s", name, part.condition), limit)
			if err != nil {
				return nil, fmt.Errorf("list %s: %w", name, err)
			}
			for _, run := range runs {
				history, err := c.completedTasks(ctx, run)
				if gone := new(serviceerror.NotFound); errors.As(err, &gone) {
					continue // its retention has ended meanwhile
				}
				if err != nil {
					return nil, fmt.Errorf("read %s: %w", run.ID, err)
				}
				if history != nil {
					err = replayer.ReplayWorkflowHistoryWithOptions(logger, history, worker.ReplayWorkflowHistoryOptions{OriginalExecution: run})
				}
				if err != nil {
					of.Failed = append(of.Failed, Failed{run.ID, run.RunID, firstLine(err)})
					continue
				}
				*part.count++
			}
		}
		all = append(all, of)
	}
	return all, nil
}

// completedTasks is a run's history up to the end of its last completed workflow task: what
// is under way the next task decides, whoever gets it, and the replayer takes some of it for
// commands that are missing. It is nil before a task was completed.
func (c Cluster) completedTasks(ctx context.Context, run workflow.Execution) (*historypb.History, error) {
	history, end := &historypb.History{}, 0
	events := c.Temporal.GetWorkflowHistory(ctx, run.ID, run.RunID, false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		event, err := events.Next()
		if err != nil {
			return nil, err
		}
		history.Events = append(history.Events, event)
		last := len(history.Events)
		if event.GetEventType() == enumspb.EVENT_TYPE_WORKFLOW_TASK_COMPLETED || end == last-1 && end > 0 && decided(event) {
			end = last
		}
	}
	if end == 0 {
		return nil, nil
	}
	history.Events = history.Events[:end]
	return history, nil
}

// decided says whether an event came of a workflow task's commands or messages; they follow
// its completion at once.
func decided(event *historypb.HistoryEvent) bool {
	switch event.GetEventType() {
	case enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED, enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_COMPLETED,
		enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_REJECTED:
		return true
	}
	m := event.ProtoReflect()
	attributes := m.WhichOneof(m.Descriptor().Oneofs().ByName("attributes"))
	if attributes == nil {
		return false
	}
	task := attributes.Message().Fields().ByName("workflow_task_completed_event_id")
	return task != nil && m.Get(attributes).Message().Get(task).Int() > 0
}

func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}

// runs are the newest ones that a search finds.
func (c Cluster) runs(ctx context.Context, search string, limit int) ([]workflow.Execution, error) {
	var found []workflow.Execution
	request := &workflowservice.ListWorkflowExecutionsRequest{Namespace: c.Namespace, Query: search, PageSize: int32(min(limit, 1000))}
	for {
		page, err := c.Temporal.ListWorkflow(ctx, request)
		if err != nil {
			return nil, err
		}
		for _, e := range page.GetExecutions() {
			found = append(found, workflow.Execution{ID: e.GetExecution().GetWorkflowId(), RunID: e.GetExecution().GetRunId()})
			if len(found) == limit {
				return found, nil
			}
		}
		if request.NextPageToken = page.GetNextPageToken(); len(request.NextPageToken) == 0 {
			return found, nil
		}
	}
}
