package workers_test

import (
	"context"
	"net"
	"testing"

	"github.com/stretchr/testify/require"
	deploymentpb "go.temporal.io/api/deployment/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/timestamppb"

	"tolem/workers"
)

// loaded is a Temporal server on a loaded machine: it reports a poller at once, adds one queue
// to the poller's version for each time that somebody asks, and accepts a version as current
// only when it has them all.
type loaded struct {
	workflowservice.UnimplementedWorkflowServiceServer
	polled   []*workflowservice.DescribeWorkerDeploymentVersionResponse_VersionTaskQueue
	asked    int
	promoted string
}

func (l *loaded) DescribeTaskQueue(_ context.Context, r *workflowservice.DescribeTaskQueueRequest) (*workflowservice.DescribeTaskQueueResponse, error) {
	if l.asked == 0 {
		l.polled = append(l.polled, &workflowservice.DescribeWorkerDeploymentVersionResponse_VersionTaskQueue{Name: r.GetTaskQueue().GetName(), Type: r.GetTaskQueueType()})
	}
	return &workflowservice.DescribeTaskQueueResponse{Pollers: []*taskqueuepb.PollerInfo{{
		LastAccessTime: timestamppb.Now(), Identity: "worker-1",
		DeploymentOptions: &deploymentpb.WorkerDeploymentOptions{DeploymentName: "tolem", BuildId: "2"},
	}}}, nil
}

func (l *loaded) DescribeWorkerDeploymentVersion(context.Context, *workflowservice.DescribeWorkerDeploymentVersionRequest) (*workflowservice.DescribeWorkerDeploymentVersionResponse, error) {
	l.asked++
	if l.asked == 1 {
		return nil, serviceerror.ToStatus(serviceerror.NewNotFound("no such version")).Err()
	}
	return &workflowservice.DescribeWorkerDeploymentVersionResponse{VersionTaskQueues: l.polled[:min(l.asked-1, len(l.polled))]}, nil
}

func (l *loaded) DescribeWorkerDeployment(context.Context, *workflowservice.DescribeWorkerDeploymentRequest) (*workflowservice.DescribeWorkerDeploymentResponse, error) {
	return &workflowservice.DescribeWorkerDeploymentResponse{WorkerDeploymentInfo: &deploymentpb.WorkerDeploymentInfo{
		RoutingConfigUpdateState: enumspb.ROUTING_CONFIG_UPDATE_STATE_COMPLETED,
	}}, nil
}

func (l *loaded) SetWorkerDeploymentCurrentVersion(_ context.Context, r *workflowservice.SetWorkerDeploymentCurrentVersionRequest) (*workflowservice.SetWorkerDeploymentCurrentVersionResponse, error) {
	if l.asked <= len(l.polled) {
		return nil, serviceerror.ToStatus(serviceerror.NewFailedPrecondition("proposed current version is missing active task queues from the current version")).Err()
	}
	l.promoted = r.GetBuildId()
	return &workflowservice.SetWorkerDeploymentCurrentVersionResponse{}, nil
}

// A version whose workers poll already, but whose queues the server still adds, is promoted as
// soon as it has them all.
func TestPromoteWaitsForTheVersionsQueues(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	server, temporal := grpc.NewServer(), &loaded{}
	workflowservice.RegisterWorkflowServiceServer(server, temporal)
	go func() { _ = server.Serve(listener) }() // ends with Stop
	t.Cleanup(server.Stop)
	c, err := client.NewLazyClient(client.Options{HostPort: listener.Addr().String()})
	require.NoError(t, err)
	t.Cleanup(c.Close)

	cluster := workers.Cluster{Temporal: c, Namespace: "tolem"}
	require.NoError(t, cluster.Promote(t.Context(), workers.Deployment{Name: "tolem", BuildID: "2"}, 100))
	require.Equal(t, "2", temporal.promoted)
	require.Equal(t, len(temporal.polled)+1, temporal.asked)
}
