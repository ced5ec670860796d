package workers

import (
	"context"
	"errors"
	"fmt"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"tolem/activities"
	"tolem/workflows"
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
func (o Options) schedules() []schedule {
	older := o.SweepOlderThan
	if older == 0 {
		older = time.Minute
	}
	return []schedule{
		{workflows.SweepSchedule, workflows.SweepWorkflow, "start open payments that have no running workflow",
			min(older, time.Minute), activities.SweepInput{OlderThan: older}},
		{workflows.BalanceSchedule, workflows.BalanceWorkflow, "read the agent's balance; when it rose, retry payments that wait for funds",
			time.Minute, activities.BalanceInput{}},
		{workflows.CatalogueSchedule, workflows.CatalogueWorkflow, "fetch the processing centre's catalogue of services",
			catalogueEvery, activities.CatalogueInput{}},
	}
}

// Prepare gives the cluster what we need of it: the search attributes and the
// schedules. It may run any number of times, by any number of workers.
func Prepare(ctx context.Context, o Options) error {
	if err := prepareSearchAttributes(ctx, o); err != nil {
		return err
	}
	for _, s := range o.schedules() {
		if err := s.create(ctx, o.Temporal); err != nil {
			return err
		}
	}
	return nil
}

func (s schedule) create(ctx context.Context, c client.Client) error {
	_, err := c.ScheduleClient().Create(ctx, client.ScheduleOptions{
		ID:      s.id,
		Spec:    client.ScheduleSpec{Intervals: []client.ScheduleIntervalSpec{{Every: s.every}}},
		Overlap: enumspb.SCHEDULE_OVERLAP_POLICY_SKIP,
		// A cluster that was away for an hour needs one run, not sixty.
		CatchupWindow:      time.Minute,
		TriggerImmediately: true,
		Action: &client.ScheduleWorkflowAction{
			ID: s.id, Workflow: s.workflow, TaskQueue: workflows.MainQueue,
			Args: []any{s.input}, StaticSummary: s.summary,
		},
	})
	if err != nil && !errors.Is(err, temporal.ErrScheduleAlreadyRunning) {
		return fmt.Errorf("create schedule %s: %w", s.id, err)
	}
	return nil
}
