package workers

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"

	"tolem/activities"
)

// schedule is housekeeping that Temporal starts by the clock. Its id is also the
// workflow's; a run that is still under way lets the next one pass.
type schedule struct {
	id, workflow, summary string
	every                 time.Duration
	input                 any
}

// catalogueEvery is how often the catalogue is fetched; centres change theirs a
// few times a day, and payments are checked against it.
const catalogueEvery = 5 * time.Minute

// schedules lists them all.
func (c Cluster) schedules() []schedule {
	older := c.SweepOlderThan
	if older == 0 {
		older = time.Minute
	}
	return []schedule{
		{activities.ScheduleSweep, activities.WorkflowSweep, "start open payments that have no running workflow",
			min(older, time.Minute), activities.SweepInput{OlderThan: older}},
		{activities.ScheduleBalance, activities.WorkflowBalance, "read the agent's balance; when it rose, retry payments that wait for funds",
			time.Minute, activities.BalanceInput{}},
		{activities.ScheduleCatalogue, activities.WorkflowCatalogue, "fetch the processing centre's catalogue of services",
			catalogueEvery, activities.CatalogueInput{}},
	}
}

// catchUp is how late a run may be: a cluster that was away for an hour needs one run, not
// sixty.
const catchUp = time.Minute

func (c Cluster) applySchedules(ctx context.Context) ([]Done, error) {
	var done []Done
	for _, s := range c.schedules() {
		did, err := s.apply(ctx, c.Temporal)
		if err != nil {
			return done, err
		}
		done = append(done, Done{"schedule", s.id, did})
	}
	return done, nil
}

func (s schedule) apply(ctx context.Context, c client.Client) (did string, err error) {
	here, err := s.find(ctx, c)
	switch {
	case err != nil:
		return "", err
	case here == nil:
		return s.create(ctx, c)
	case s.same(here.Schedule):
		return unchanged, nil
	}
	err = c.ScheduleClient().GetHandle(ctx, s.id).Update(ctx, client.ScheduleUpdateOptions{
		DoUpdate: func(now client.ScheduleUpdateInput) (*client.ScheduleUpdate, error) {
			next := now.Description.Schedule // its state too: a schedule that somebody paused stays paused
			next.Spec, next.Action = s.spec(), s.action()
			next.Policy = &client.SchedulePolicies{Overlap: s.overlap(), CatchupWindow: catchUp}
			return &client.ScheduleUpdate{Schedule: &next}, nil
		},
	})
	if err != nil {
		return "", fmt.Errorf("update schedule %s: %w", s.id, err)
	}
	return fmt.Sprintf("changed, every %s", s.every), nil
}

// find is nil where there is none.
func (s schedule) find(ctx context.Context, c client.Client) (*client.ScheduleDescription, error) {
	here, err := c.ScheduleClient().GetHandle(ctx, s.id).Describe(ctx)
	if missing := new(serviceerror.NotFound); errors.As(err, &missing) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("describe schedule %s: %w", s.id, err)
	}
	return here, nil
}

func (s schedule) create(ctx context.Context, c client.Client) (did string, err error) {
	_, err = c.ScheduleClient().Create(ctx, client.ScheduleOptions{
		ID: s.id, Spec: *s.spec(), Overlap: s.overlap(), CatchupWindow: catchUp, TriggerImmediately: true, Action: s.action(),
	})
	if errors.Is(err, temporal.ErrScheduleAlreadyRunning) { // somebody else's set-up, at this moment
		return unchanged, nil
	}
	if err != nil {
		return "", fmt.Errorf("create schedule %s: %w", s.id, err)
	}
	return fmt.Sprintf("created, every %s", s.every), nil
}

func (s schedule) spec() *client.ScheduleSpec {
	return &client.ScheduleSpec{Intervals: []client.ScheduleIntervalSpec{{Every: s.every}}}
}

func (schedule) overlap() enumspb.ScheduleOverlapPolicy { return enumspb.SCHEDULE_OVERLAP_POLICY_SKIP }

func (s schedule) action() *client.ScheduleWorkflowAction {
	return &client.ScheduleWorkflowAction{
		ID: s.id, Workflow: s.workflow, TaskQueue: activities.QueueMain, Args: []any{s.input}, StaticSummary: s.summary,
	}
}

// same says whether a cluster's schedule is as we define it.
func (s schedule) same(here client.Schedule) bool {
	action, ok := here.Action.(*client.ScheduleWorkflowAction)
	if !ok || here.Spec == nil || here.Policy == nil || len(here.Spec.Intervals) != 1 || len(action.Args) != 1 {
		return false
	}
	input, err := converter.GetDefaultDataConverter().ToPayload(s.input)
	found, isPayload := action.Args[0].(*commonpb.Payload)
	return err == nil && isPayload && bytes.Equal(input.GetData(), found.GetData()) &&
		here.Spec.Intervals[0] == client.ScheduleIntervalSpec{Every: s.every} &&
		here.Policy.Overlap == s.overlap() && here.Policy.CatchupWindow == catchUp &&
		action.Workflow == s.workflow && action.TaskQueue == activities.QueueMain && action.StaticSummary == s.summary
}
