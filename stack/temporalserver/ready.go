package temporalserver

import (
	"context"
	"errors"
	"fmt"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
)

const (
	pollEvery = 20 * time.Millisecond
	pollLimit = 2 * time.Second // of one probe
)

// awaitFrontend returns when the frontend says it serves, knows the namespace
// and gets an answer from history about a workflow of it.
func awaitFrontend(ctx context.Context, a address, namespace string) (err error) {
	conn, err := grpc.NewClient(a.String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	return poll(ctx, "frontend "+a.String(), func(ctx context.Context) error {
		health, err := grpc_health_v1.NewHealthClient(conn).Check(ctx, &grpc_health_v1.HealthCheckRequest{
			Service: workflowservice.WorkflowService_ServiceDesc.ServiceName,
		})
		if err != nil {
			return err
		}
		if health.Status != grpc_health_v1.HealthCheckResponse_SERVING {
			return fmt.Errorf("health is %v", health.Status)
		}
		_, err = workflowservice.NewWorkflowServiceClient(conn).DescribeWorkflowExecution(ctx, &workflowservice.DescribeWorkflowExecutionRequest{
			Namespace: namespace,
			Execution: &commonpb.WorkflowExecution{WorkflowId: "is the server ready?"},
		})
		var unknownWorkflow *serviceerror.NotFound
		if errors.As(serviceerror.FromStatus(status.Convert(err)), &unknownWorkflow) {
			return nil
		}
		return err
	})
}

// poll repeats the probe until it succeeds or ctx ends; then the error holds
// the probe's last answer.
func poll(ctx context.Context, what string, probe func(context.Context) error) error {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		once, cancel := context.WithTimeout(ctx, pollLimit)
		err := probe(once)
		cancel()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s does not answer: %w (last: %w)", what, ctx.Err(), err)
		case <-tick.C:
		}
	}
}
