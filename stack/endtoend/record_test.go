package endtoend

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/temporalproto"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
	"google.golang.org/protobuf/proto"

	"tolem/workflows"
)

// recordTo is set to keep new histories in workflows/testdata/histories, for
// replay by later versions of the code. One that is there is never written over:
// it is evidence of what runs in production.
const recordTo = "RECORD_HISTORIES_TO"

// ends waits for a payment's workflow to end and keeps its history.
func (i *infra) ends(id, name string) {
	i.t.Helper()
	i.keep(i.closedHistory("payment/"+id, ""), "payment-"+name)
}

// closedHistory waits for a workflow's end and reads all events of one run; the
// run "" is the last one.
func (i *infra) closedHistory(id, run string) *historypb.History {
	i.t.Helper()
	ctx := context.Background()
	require.NoError(i.t, i.temporal.GetWorkflow(ctx, id, run).Get(ctx, nil))
	history := &historypb.History{}
	events := i.temporal.GetWorkflowHistory(ctx, id, run, false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		event, err := events.Next()
		require.NoError(i.t, err)
		history.Events = append(history.Events, event)
	}
	return history
}

// keep replays a history, looks for what must not be in it, and records it if
// that is asked for. A history's name begins with its workflow's.
func (i *infra) keep(history *historypb.History, name string) {
	i.t.Helper()
	replayer := worker.NewWorkflowReplayer()
	for workflowName, w := range workflows.All() {
		replayer.RegisterWorkflowWithOptions(w, workflow.RegisterOptions{Name: workflowName})
	}
	require.NoError(i.t, replayer.ReplayWorkflowHistory(log.NewStructuredLogger(slog.New(slog.DiscardHandler)), history), name)

	everything, err := proto.Marshal(history) // protobuf's bytes hold every text as it is
	require.NoError(i.t, err)
	for _, secret := range append(private(), i.token) {
		require.False(i.t, strings.Contains(string(everything), secret), "%s is in the history %s", secret, name)
	}
	if dir := os.Getenv(recordTo); dir != "" {
		record(i.t, history, filepath.Join(dir, name+".json"))
	}
}

// The names of a machine in a history: of processes, and of their own queues.
var machines = []*regexp.Regexp{
	regexp.MustCompile(`"(identity)": *"[^"]*"`),
	regexp.MustCompile(`"(name)": *"[^"]*:[0-9a-f-]{36}"`),
}

func record(t *testing.T, history *historypb.History, path string) {
	t.Helper()
	raw, err := temporalproto.CustomJSONMarshalOptions{Indent: " "}.Marshal(history)
	require.NoError(t, err)
	for _, machine := range machines {
		raw = machine.ReplaceAll(raw, []byte(`"$1": "worker"`))
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if os.IsExist(err) {
		return
	}
	require.NoError(t, err)
	_, err = file.Write(append(raw, '\n'))
	require.NoError(t, err)
	require.NoError(t, file.Close())
}

// trigger has a schedule's workflow run now, waits for its end, and returns its
// history.
func (i *infra) trigger(schedule string) *historypb.History {
	i.t.Helper()
	ctx := context.Background()
	handle := i.temporal.ScheduleClient().GetHandle(ctx, schedule)
	i.quiet(schedule)
	before, err := handle.Describe(ctx)
	require.NoError(i.t, err)
	require.NoError(i.t, handle.Trigger(ctx, client.ScheduleTriggerOptions{}))
	var ran *client.ScheduleWorkflowExecution
	eventually(i.t, "the schedule "+schedule+" starts its workflow", func() bool {
		now, err := handle.Describe(ctx)
		require.NoError(i.t, err)
		if n := len(now.Info.RecentActions); n > 0 && now.Info.NumActions > before.Info.NumActions {
			ran = now.Info.RecentActions[n-1].StartWorkflowResult
		}
		return ran != nil
	})
	return i.closedHistory(ran.WorkflowID, ran.FirstExecutionRunID)
}

// quiet waits until a schedule has no workflow under way.
func (i *infra) quiet(schedule string) {
	i.t.Helper()
	eventually(i.t, schedule+" is quiet", func() bool {
		now, err := i.temporal.ScheduleClient().GetHandle(context.Background(), schedule).Describe(context.Background())
		return err == nil && now.Info.NumActions > 0 && len(now.Info.RunningWorkflows) == 0
	})
}

// result decodes what a workflow's last event says that it returned.
func result[T any](t *testing.T, history *historypb.History) (got T) {
	t.Helper()
	last := history.Events[len(history.Events)-1].GetWorkflowExecutionCompletedEventAttributes()
	require.NotNil(t, last, "it completed")
	require.NoError(t, converter.GetDefaultDataConverter().FromPayloads(last.GetResult(), &got))
	return got
}
