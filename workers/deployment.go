package workers

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	deploymentpb "go.temporal.io/api/deployment/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"tolem/activities"
)

// Deployment says which version of the code a worker runs: one build of a Worker Deployment,
// all of whose versions poll the same queues. Temporal gives every task to the deployment's
// current version.
type Deployment struct {
	Name    string
	BuildID string // "" is a worker without a version, which gets tasks as long as no version is current
}

// Versioned says whether the worker belongs to a version.
func (d Deployment) Versioned() bool { return d.BuildID != "" }

// versionPartMax keeps a deployment's name and a build id below the server's own limit, which
// is theirs together.
const versionPartMax = 100

// Validate complains, of each by itself, about what Temporal would refuse.
func (d Deployment) Validate() (name, buildID error) {
	name, buildID = validVersionPart(d.Name), validVersionPart(d.BuildID)
	if name == nil && (d.Name == "" || strings.ContainsAny(d.Name, ".:")) {
		name = errors.New("it must not be empty and must have neither dot nor colon")
	}
	return name, buildID
}

func validVersionPart(text string) error {
	foreign := func(r rune) bool { return r <= ' ' || r > '~' }
	if len(text) > versionPartMax || strings.ContainsFunc(text, foreign) || strings.HasPrefix(text, "__") {
		return fmt.Errorf("it must have at most %d printable ASCII characters, no spaces, and not begin with __", versionPartMax)
	}
	return nil
}

// options of a worker. All workflows go on under the current version from their next task
// on: pinned to the one that began it, a payment that waits for months would keep its
// version's workers for months.
func (d Deployment) options() worker.DeploymentOptions {
	if !d.Versioned() {
		return worker.DeploymentOptions{}
	}
	return worker.DeploymentOptions{
		UseVersioning:             true,
		Version:                   worker.WorkerDeploymentVersion{DeploymentName: d.Name, BuildID: d.BuildID},
		DefaultVersioningBehavior: workflow.VersioningBehaviorAutoUpgrade,
	}
}

// polled is a queue as Temporal has it: one for each type of task.
type polled struct {
	name string
	kind enumspb.TaskQueueType
}

func (p polled) String() string {
	if p.kind == enumspb.TASK_QUEUE_TYPE_WORKFLOW {
		return p.name + " (workflows)"
	}
	return p.name + " (activities)"
}

// allPolled are what the workers of a version poll: whatever nobody polls stands still when
// the version is current.
func allPolled() []polled {
	all := []polled{{activities.QueueMain, enumspb.TASK_QUEUE_TYPE_WORKFLOW}}
	for _, name := range []string{activities.QueueMain, activities.QueueProcessing, activities.QueueCFRONT, activities.QueueABS, activities.QueueLoxon} {
		all = append(all, polled{name, enumspb.TASK_QUEUE_TYPE_ACTIVITY})
	}
	return all
}

// Version is one build of a deployment.
type Version struct {
	BuildID string    `json:"buildId"`
	Created time.Time `json:"created"`
	// Percent of the workflows that it serves: 100 of the current version, or less, if
	// another is being tried on the rest.
	Percent float32 `json:"percent"`
	Current bool    `json:"current"`
	// Workers are its worker processes that Temporal heard of within pollerSeen.
	Workers int `json:"workers"`
	// Missing are queues that none of its workers polls.
	Missing []string `json:"missing,omitempty"`
}

// pollerSeen is how long ago a worker that is there has polled at most: a poll takes up to a
// minute. A worker that was killed counts as there for as long.
const pollerSeen = 70 * time.Second

// Versions lists the deployment's versions that Temporal knows, the newest first. A
// deployment of which no worker has ever polled has none.
func (c Cluster) Versions(ctx context.Context, deployment string) ([]Version, error) {
	found, err := c.deployment(ctx, deployment)
	if err != nil {
		return nil, err
	}
	info := found.GetWorkerDeploymentInfo()
	pollers, err := c.pollers(ctx)
	if err != nil {
		return nil, err
	}
	var all []Version
	for _, summary := range info.GetVersionSummaries() {
		build := summary.GetDeploymentVersion().GetBuildId()
		v := Version{BuildID: build, Created: summary.GetCreateTime().AsTime()}
		v.Workers, v.Missing = pollers.of(Deployment{deployment, build})
		ramp := info.GetRoutingConfig().GetRampingVersionPercentage()
		switch build {
		case info.GetRoutingConfig().GetCurrentDeploymentVersion().GetBuildId():
			v.Current, v.Percent = true, 100-ramp
		case info.GetRoutingConfig().GetRampingDeploymentVersion().GetBuildId():
			v.Percent = ramp
		}
		all = append(all, v)
	}
	slices.SortFunc(all, func(a, b Version) int { return b.Created.Compare(a.Created) })
	return all, nil
}

// deployment is nil, whose info is empty, where Temporal knows none of that name.
func (c Cluster) deployment(ctx context.Context, name string) (*workflowservice.DescribeWorkerDeploymentResponse, error) {
	found, err := c.Temporal.WorkflowService().DescribeWorkerDeployment(ctx, &workflowservice.DescribeWorkerDeploymentRequest{
		Namespace: c.Namespace, DeploymentName: name,
	})
	if missing := new(serviceerror.NotFound); errors.As(err, &missing) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("describe worker deployment %s in namespace %s: %w", name, c.Namespace, err)
	}
	return found, nil
}

// seenPollers are who has polled lately, by queue.
type seenPollers map[polled][]*taskqueuepb.PollerInfo

func (c Cluster) pollers(ctx context.Context) (seenPollers, error) {
	all := seenPollers{}
	for _, queue := range allPolled() {
		found, err := c.Temporal.WorkflowService().DescribeTaskQueue(ctx, &workflowservice.DescribeTaskQueueRequest{
			Namespace: c.Namespace, TaskQueue: &taskqueuepb.TaskQueue{Name: queue.name}, TaskQueueType: queue.kind,
		})
		if err != nil {
			return nil, fmt.Errorf("describe task queue %s: %w", queue, err)
		}
		for _, poller := range found.GetPollers() {
			if time.Since(poller.GetLastAccessTime().AsTime()) < pollerSeen {
				all[queue] = append(all[queue], poller)
			}
		}
	}
	return all, nil
}

// of counts a version's worker processes, and tells which queues none of them polls.
func (p seenPollers) of(d Deployment) (workers int, missing []string) {
	processes := map[string]bool{}
	for _, queue := range allPolled() {
		polls := false
		for _, poller := range p[queue] {
			o := poller.GetDeploymentOptions()
			if o.GetDeploymentName() == d.Name && o.GetBuildId() == d.BuildID {
				polls, processes[poller.GetIdentity()] = true, true
			}
		}
		if !polls {
			missing = append(missing, queue.String())
		}
	}
	return len(processes), missing
}

// routedLimit is how long the queues may take to know of a promotion, which has taken place by
// then: seconds, and on a loaded server that fails workflow tasks of a wrong version, minutes.
const routedLimit = 5 * time.Minute

// everyTask is a promotion for all workflows.
const everyTask = 100

// Promote gives a version all tasks, or with percent under 100 those of that share of the
// workflows (the same ones as long as the share does not shrink) while the current version
// keeps the others. When it returns without an error, Temporal's queues know.
//
// It first waits until workers of the version poll every queue and the version has all of them,
// for at most a minute, and changes nothing if not: tasks of a version without workers would
// stand still. It fails as well if somebody else changes the deployment at the same time.
func (c Cluster) Promote(ctx context.Context, d Deployment, percent float32) error {
	if percent <= 0 || percent > everyTask {
		return fmt.Errorf("a share of %g %% is none: want more than 0 and at most %d", percent, everyTask)
	}
	err := c.await(ctx, knownLimit, "workers of build "+d.BuildID, func(ctx context.Context) error {
		found, err := c.pollers(ctx)
		if err != nil {
			return err
		}
		if _, missing := found.of(d); len(missing) > 0 {
			return fmt.Errorf("no worker of build %s polls %s: start workers with TEMPORAL_WORKER_BUILD_ID=%s first", d.BuildID, strings.Join(missing, ", "), d.BuildID)
		}
		return c.registered(ctx, d)
	})
	if err != nil {
		return err
	}
	now, err := c.deployment(ctx, d.Name)
	if err != nil {
		return err
	}
	if err := c.route(ctx, d, percent, now.GetConflictToken()); err != nil {
		return fmt.Errorf("promote build %s of worker deployment %s: %w", d.BuildID, d.Name, err)
	}
	return c.await(ctx, routedLimit, "the routing to build "+d.BuildID, func(ctx context.Context) error {
		now, err := c.deployment(ctx, d.Name)
		if err == nil && now.GetWorkerDeploymentInfo().GetRoutingConfigUpdateState() == enumspb.ROUTING_CONFIG_UPDATE_STATE_IN_PROGRESS {
			err = errors.New("some task queues do not know yet")
		}
		return err
	})
}

// registered fails until every queue that workers of the version poll is one of the version's.
// The server adds them one by one after the first polls, on a loaded server seconds later, and
// until then rejects the promotion, because the version "is missing active task queues".
func (c Cluster) registered(ctx context.Context, d Deployment) error {
	version, err := c.Temporal.WorkflowService().DescribeWorkerDeploymentVersion(ctx, &workflowservice.DescribeWorkerDeploymentVersionRequest{
		Namespace: c.Namespace, DeploymentVersion: &deploymentpb.WorkerDeploymentVersion{DeploymentName: d.Name, BuildId: d.BuildID},
	})
	if err != nil {
		return fmt.Errorf("describe build %s of worker deployment %s: %w", d.BuildID, d.Name, err)
	}
	var missing []string
	for _, queue := range allPolled() {
		if !slices.ContainsFunc(version.GetVersionTaskQueues(), func(q *workflowservice.DescribeWorkerDeploymentVersionResponse_VersionTaskQueue) bool {
			return q.GetName() == queue.name && q.GetType() == queue.kind
		}) {
			missing = append(missing, queue.String())
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("build %s is polled for and does not have %s yet", d.BuildID, strings.Join(missing, ", "))
	}
	return nil
}

func (c Cluster) route(ctx context.Context, d Deployment, percent float32, token []byte) error {
	service := c.Temporal.WorkflowService()
	if percent == everyTask {
		_, err := service.SetWorkerDeploymentCurrentVersion(ctx, &workflowservice.SetWorkerDeploymentCurrentVersionRequest{
			Namespace: c.Namespace, DeploymentName: d.Name, BuildId: d.BuildID, ConflictToken: token,
		})
		return err
	}
	_, err := service.SetWorkerDeploymentRampingVersion(ctx, &workflowservice.SetWorkerDeploymentRampingVersionRequest{
		Namespace: c.Namespace, DeploymentName: d.Name, BuildId: d.BuildID, Percentage: percent, ConflictToken: token,
	})
	return err
}
