package api_test

import (
	"context"
	"net"
	"sync"
	"testing"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	updatepb "go.temporal.io/api/update/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
)

// frontend is a Temporal frontend that takes starts and updates and runs nothing,
// so that payments stay where they are and tests see what was asked. The tests
// with a real Temporal are in the stack.
type frontend struct {
	workflowservice.UnimplementedWorkflowServiceServer
	client client.Client

	mu     sync.Mutex
	starts []*workflowservice.StartWorkflowExecutionRequest
	wakes  []*workflowservice.SignalWithStartWorkflowExecutionRequest
	told   []*workflowservice.UpdateWorkflowExecutionRequest
	act    func() error // what the workflow does about an update before it answers; nil: nothing
}

func newFrontend(t *testing.T) *frontend {
	t.Helper()
	f := &frontend{}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	server := grpc.NewServer()
	workflowservice.RegisterWorkflowServiceServer(server, f)
	healthy := health.NewServer()
	healthy.SetServingStatus("temporal.api.workflowservice.v1.WorkflowService", grpc_health_v1.HealthCheckResponse_SERVING)
	grpc_health_v1.RegisterHealthServer(server, healthy)
	go func() { _ = server.Serve(listener) }() // ends with Stop
	f.client = lazyClient(t, listener.Addr().String())
	t.Cleanup(server.Stop)
	return f
}

func lazyClient(t *testing.T, address string) client.Client {
	t.Helper()
	c, err := client.NewLazyClient(client.Options{HostPort: address, Logger: quiet{}})
	must(t, err)
	t.Cleanup(c.Close)
	return c
}

// noTemporal is a client of an address where nobody listens.
func noTemporal(t *testing.T) client.Client {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	address := listener.Addr().String()
	must(t, listener.Close())
	return lazyClient(t, address)
}

// GetSystemInfo says that nothing special is supported.
func (f *frontend) GetSystemInfo(context.Context, *workflowservice.GetSystemInfoRequest) (*workflowservice.GetSystemInfoResponse, error) {
	return &workflowservice.GetSystemInfoResponse{Capabilities: &workflowservice.GetSystemInfoResponse_Capabilities{}}, nil
}

// StartWorkflowExecution remembers the start.
func (f *frontend) StartWorkflowExecution(_ context.Context, r *workflowservice.StartWorkflowExecutionRequest) (*workflowservice.StartWorkflowExecutionResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.starts = append(f.starts, r)
	return &workflowservice.StartWorkflowExecutionResponse{RunId: "run", Started: true}, nil
}

// SignalWithStartWorkflowExecution remembers the start.
func (f *frontend) SignalWithStartWorkflowExecution(_ context.Context, r *workflowservice.SignalWithStartWorkflowExecutionRequest) (*workflowservice.SignalWithStartWorkflowExecutionResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.wakes = append(f.wakes, r)
	return &workflowservice.SignalWithStartWorkflowExecutionResponse{RunId: "run", Started: true}, nil
}

// UpdateWorkflowExecution remembers the update and answers that the workflow
// acted on it.
func (f *frontend) UpdateWorkflowExecution(_ context.Context, r *workflowservice.UpdateWorkflowExecutionRequest) (*workflowservice.UpdateWorkflowExecutionResponse, error) {
	f.mu.Lock()
	f.told = append(f.told, r)
	act := f.act
	f.mu.Unlock()
	if act != nil {
		if err := act(); err != nil {
			return nil, serviceerror.ToStatus(err).Err()
		}
	}
	return &workflowservice.UpdateWorkflowExecutionResponse{
		UpdateRef: &updatepb.UpdateRef{WorkflowExecution: r.GetWorkflowExecution(), UpdateId: r.GetRequest().GetMeta().GetUpdateId()},
		Outcome:   &updatepb.Outcome{Value: &updatepb.Outcome_Success{}},
		Stage:     enumspb.UPDATE_WORKFLOW_EXECUTION_LIFECYCLE_STAGE_COMPLETED,
	}, nil
}

// updates are "<workflow> <update's name> <update's id> <what was waited for>" of
// every update, in the order they came.
func (f *frontend) updates() (lines []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range f.told {
		request := r.GetRequest()
		lines = append(lines, r.GetWorkflowExecution().GetWorkflowId()+" "+request.GetInput().GetName()+" "+request.GetMeta().GetUpdateId()+
			" "+r.GetWaitPolicy().GetLifecycleStage().String())
	}
	return lines
}

// GetWorkflowExecutionHistory never has news: the workflow does not end.
func (f *frontend) GetWorkflowExecutionHistory(ctx context.Context, _ *workflowservice.GetWorkflowExecutionHistoryRequest) (*workflowservice.GetWorkflowExecutionHistoryResponse, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func (f *frontend) started() []*workflowservice.StartWorkflowExecutionRequest {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]*workflowservice.StartWorkflowExecutionRequest(nil), f.starts...)
}

// woken are the starts with a signal.
func (f *frontend) woken() []*workflowservice.SignalWithStartWorkflowExecutionRequest {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]*workflowservice.SignalWithStartWorkflowExecutionRequest(nil), f.wakes...)
}

// quiet is a Temporal logger that says nothing.
type quiet struct{}

// Debug says nothing.
func (quiet) Debug(string, ...any) {}

// Info says nothing.
func (quiet) Info(string, ...any) {}

// Warn says nothing.
func (quiet) Warn(string, ...any) {}

// Error says nothing.
func (quiet) Error(string, ...any) {}
