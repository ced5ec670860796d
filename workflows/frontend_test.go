package workflows_test

import (
	"context"
	"log/slog"
	"net"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/log"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"

	"tolem/activities"
	"tolem/domain"
)

// frontend is a Temporal frontend that takes signals and runs nothing: the test
// suite's environment has no client to give to an activity. The tests with a
// real Temporal are in the stack.
type frontend struct {
	workflowservice.UnimplementedWorkflowServiceServer
	client client.Client

	mu      sync.Mutex
	running []string                      // workflow ids, of every type
	refuse  func(workflowID string) error // nil takes every signal
	taken   []signal
	refused []string // workflow ids
}

// signal is one that the frontend took.
type signal struct {
	Workflow, Run, Name string
	Nudge               activities.Nudge
}

func newFrontend(t *testing.T) *frontend {
	t.Helper()
	f := &frontend{}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	server := grpc.NewServer()
	workflowservice.RegisterWorkflowServiceServer(server, f)
	healthy := health.NewServer()
	healthy.SetServingStatus("temporal.api.workflowservice.v1.WorkflowService", grpc_health_v1.HealthCheckResponse_SERVING)
	grpc_health_v1.RegisterHealthServer(server, healthy)
	go func() { _ = server.Serve(listener) }() // ends with Stop
	t.Cleanup(server.Stop)
	f.client, err = client.NewLazyClient(client.Options{
		HostPort: listener.Addr().String(), Logger: log.NewStructuredLogger(slog.New(slog.DiscardHandler)),
	})
	require.NoError(t, err)
	t.Cleanup(f.client.Close)
	return f
}

// GetSystemInfo says that nothing special is supported.
func (f *frontend) GetSystemInfo(context.Context, *workflowservice.GetSystemInfoRequest) (*workflowservice.GetSystemInfoResponse, error) {
	return &workflowservice.GetSystemInfoResponse{Capabilities: &workflowservice.GetSystemInfoResponse_Capabilities{}}, nil
}

// SignalWorkflowExecution remembers the signal, unless it is refused.
func (f *frontend) SignalWorkflowExecution(_ context.Context, r *workflowservice.SignalWorkflowExecutionRequest) (*workflowservice.SignalWorkflowExecutionResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	id := r.GetWorkflowExecution().GetWorkflowId()
	if f.refuse != nil {
		if err := f.refuse(id); err != nil {
			f.refused = append(f.refused, id)
			return nil, serviceerror.ToStatus(err).Err()
		}
	}
	s := signal{Workflow: id, Run: r.GetWorkflowExecution().GetRunId(), Name: r.GetSignalName()}
	if err := converter.GetDefaultDataConverter().FromPayloads(r.GetInput(), &s.Nudge); err != nil {
		return nil, err
	}
	f.taken = append(f.taken, s)
	return &workflowservice.SignalWorkflowExecutionResponse{}, nil
}

// ListWorkflowExecutions lists what runs, whatever the query asks for: whoever asks knows
// its own ids.
func (f *frontend) ListWorkflowExecutions(context.Context, *workflowservice.ListWorkflowExecutionsRequest) (*workflowservice.ListWorkflowExecutionsResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	found := &workflowservice.ListWorkflowExecutionsResponse{}
	for _, id := range f.running {
		found.Executions = append(found.Executions, &workflowpb.WorkflowExecutionInfo{Execution: &commonpb.WorkflowExecution{WorkflowId: id}})
	}
	return found, nil
}

// runs sets what runs from now on.
func (f *frontend) runs(ids ...string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.running = ids
}

// refusing sets which signals are refused from now on.
func (f *frontend) refusing(refuse func(workflowID string) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.refuse = refuse
}

// news are the signals taken, and the ids of those refused, since it was asked
// last.
func (f *frontend) news() (taken []signal, refused []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	taken, refused = f.taken, f.refused
	f.taken, f.refused = nil, nil
	return taken, refused
}

// nudges are the signals that tell exactly these payments of a rise.
func nudges(ids ...domain.AgentTransactionID) (want []signal) {
	for _, id := range ids {
		want = append(want, signal{Workflow: id.WorkflowID(), Name: "nudge", Nudge: activities.Nudge{Cause: domain.CauseBalance}})
	}
	return want
}
