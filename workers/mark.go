package workers

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"tolem/activities"
)

// The copy of the ledger's mark outside the ledger is the note of a paused schedule: it is
// read without a worker, adds nothing to a history of ours, and never starts anything.

// LedgerMark reads the copy of the ledger's mark; 0 when there is none.
func (c Cluster) LedgerMark(ctx context.Context) (int64, error) {
	here, err := c.Temporal.ScheduleClient().GetHandle(ctx, activities.ScheduleLedgerMark).Describe(ctx)
	if missing := new(serviceerror.NotFound); errors.As(err, &missing) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read the ledger's mark in Temporal: %w", err)
	}
	return markOf(here.Schedule), nil
}

// maxMark bounds a mark that comes from Temporal, so that one written by a stranger leaves
// room for the marks after it.
const maxMark = 1 << 60

// markOf reads a schedule's note; 0 for one that is no mark.
func markOf(s client.Schedule) int64 {
	if s.State == nil {
		return 0
	}
	mark, err := strconv.ParseInt(s.State.Note, 10, 64)
	if err != nil || mark < 0 || mark > maxMark {
		return 0
	}
	return mark
}

// KeepLedgerMark writes the copy, unless it is as high already.
func (c Cluster) KeepLedgerMark(ctx context.Context, mark int64) error {
	note := strconv.FormatInt(mark, 10)
	err := c.Temporal.ScheduleClient().GetHandle(ctx, activities.ScheduleLedgerMark).Update(ctx, client.ScheduleUpdateOptions{
		DoUpdate: func(now client.ScheduleUpdateInput) (*client.ScheduleUpdate, error) {
			next := now.Description.Schedule
			if markOf(next) >= mark {
				return nil, temporal.ErrSkipScheduleUpdate
			}
			next.State = &client.ScheduleState{Paused: true, Note: note}
			return &client.ScheduleUpdate{Schedule: &next}, nil
		},
	})
	if missing := new(serviceerror.NotFound); errors.As(err, &missing) {
		_, err = c.Temporal.ScheduleClient().Create(ctx, client.ScheduleOptions{
			ID: activities.ScheduleLedgerMark, Paused: true, Note: note,
			Action: &client.ScheduleWorkflowAction{ // never started; should somebody trigger it, it does what the sweep does each minute
				ID: activities.ScheduleSweep, Workflow: activities.WorkflowSweep, TaskQueue: activities.QueueMain, Args: []any{activities.SweepInput{}},
				StaticSummary: "holds the ledger's mark in its note",
			},
		})
		if errors.Is(err, temporal.ErrScheduleAlreadyRunning) { // another worker's, at this moment
			err = nil
		}
	}
	if err != nil && !errors.Is(err, temporal.ErrSkipScheduleUpdate) {
		return fmt.Errorf("keep the ledger's mark in Temporal: %w", err)
	}
	return nil
}
