package api_test

import (
	"context"
	"errors"
	"net"
	"sync"
	"testing"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	updatepb "go.temporal.io/api/update/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/protobuf/proto"

	"tolem/domain"
	"tolem/workflows"
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
	nudged []*workflowservice.SignalWorkflowExecutionRequest
	// forgotten is how many of told no test asks about any more.
	forgotten int
	// act is what the workflow does about an update, and what it answers: a result,
	// or an error of gRPC's, or workflows.Refused, which its validator says. nil
	// does nothing and answers nothing.
	act func(u update) (result any, err error)
}

// update is what a workflow is told.
type update struct {
	workflow, name, id string
	workflows.ActionInput
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
	// Alone: until a client knows what its server can do, concurrent starts race in
	// the SDK. The product does the same before it serves.
	_, err = f.client.CheckHealth(t.Context(), &client.CheckHealthRequest{})
	must(t, err)
	t.Cleanup(server.Stop)
	t.Cleanup(func() {
		if leak := f.leaked(t); leak != "" {
			t.Errorf("Temporal was told personal data: %s", leak)
		}
	})
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

// SignalWorkflowExecution remembers the signal.
func (f *frontend) SignalWorkflowExecution(_ context.Context, r *workflowservice.SignalWorkflowExecutionRequest) (*workflowservice.SignalWorkflowExecutionResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.nudged = append(f.nudged, r)
	return &workflowservice.SignalWorkflowExecutionResponse{}, nil
}

// SignalWithStartWorkflowExecution remembers the start.
func (f *frontend) SignalWithStartWorkflowExecution(_ context.Context, r *workflowservice.SignalWithStartWorkflowExecutionRequest) (*workflowservice.SignalWithStartWorkflowExecutionResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.wakes = append(f.wakes, r)
	return &workflowservice.SignalWithStartWorkflowExecutionResponse{RunId: "run", Started: true}, nil
}

// UpdateWorkflowExecution remembers the update, and answers what the workflow
// says: that it acted on it, or turned it away at the door.
func (f *frontend) UpdateWorkflowExecution(_ context.Context, r *workflowservice.UpdateWorkflowExecutionRequest) (*workflowservice.UpdateWorkflowExecutionResponse, error) {
	f.mu.Lock()
	f.told = append(f.told, r)
	act := f.act
	f.mu.Unlock()
	outcome := &updatepb.Outcome{Value: &updatepb.Outcome_Success{}}
	if act != nil {
		u := update{workflow: r.GetWorkflowExecution().GetWorkflowId(), name: r.GetRequest().GetInput().GetName(), id: r.GetRequest().GetMeta().GetUpdateId()}
		if args := r.GetRequest().GetInput().GetArgs(); args != nil {
			if err := converter.GetDefaultDataConverter().FromPayloads(args, &u.ActionInput); err != nil {
				return nil, err
			}
		}
		result, err := act(u)
		var refused *temporal.ApplicationError
		switch {
		case errors.As(err, &refused):
			outcome.Value = &updatepb.Outcome_Failure{Failure: temporal.GetDefaultFailureConverter().ErrorToFailure(err)}
		case err != nil:
			return nil, serviceerror.ToStatus(err).Err()
		default:
			payloads, err := converter.GetDefaultDataConverter().ToPayloads(result)
			if err != nil {
				return nil, err
			}
			outcome.Value = &updatepb.Outcome_Success{Success: payloads}
		}
	}
	return &workflowservice.UpdateWorkflowExecutionResponse{
		UpdateRef: &updatepb.UpdateRef{WorkflowExecution: r.GetWorkflowExecution(), UpdateId: r.GetRequest().GetMeta().GetUpdateId()},
		Outcome:   outcome, Stage: enumspb.UPDATE_WORKFLOW_EXECUTION_LIFECYCLE_STAGE_COMPLETED,
	}, nil
}

// acting sets what the workflow does about updates from now on.
func (f *frontend) acting(act func(u update) (any, error)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.act = act
}

// forget forgets the updates so far.
func (f *frontend) forget() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.forgotten = len(f.told)
}

// refuses is a validator's rejection, as the SDK writes it.
func refuses(why domain.Refusal, state domain.State) error {
	return temporal.NewApplicationError(string(why), "Refused", workflows.Refused{Refusal: why, State: state})
}

// leaked is the first secret value that any request held.
func (f *frontend) leaked(t *testing.T) string {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	var requests []proto.Message
	for _, r := range f.starts {
		requests = append(requests, r)
	}
	for _, r := range f.wakes {
		requests = append(requests, r)
	}
	for _, r := range f.told {
		requests = append(requests, r)
	}
	for _, r := range f.nudged {
		requests = append(requests, r)
	}
	for _, r := range requests {
		wire, err := proto.Marshal(r)
		must(t, err)
		if leak := leaked(string(wire)); leak != "" {
			return leak
		}
	}
	return ""
}

// updates are "<workflow> <update's name> <update's id> <what was waited for>" of
// every update that was not forgotten, in the order they came.
func (f *frontend) updates() (lines []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range f.told[f.forgotten:] {
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

// signalled are "<workflow> <signal>" of every signal to a running workflow.
func (f *frontend) signalled() (lines []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range f.nudged {
		lines = append(lines, r.GetWorkflowExecution().GetWorkflowId()+" "+r.GetSignalName())
	}
	return lines
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
