package workflows

import (
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"tolem/activities"
)

// sweepLimit bounds one sweep; 100,000 starts after a loss of Temporal's memory
// take about ten minutes on two cores.
const sweepLimit = 30 * time.Minute

// sweepHeartbeat notices a dead worker; the sweep reports after every page.
const sweepHeartbeat = time.Minute

// Sweep starts every open payment that has no running workflow.
//
// When it returns, each payment that was open and older than in.OlderThan had a
// running workflow, or is counted in Failed and left to the next sweep.
func Sweep(ctx workflow.Context, in activities.SweepInput) (activities.SweepResult, error) {
	return regular(ctx, workflow.ActivityOptions{
		StartToCloseTimeout: sweepLimit, HeartbeatTimeout: sweepHeartbeat,
		RetryPolicy: &temporal.RetryPolicy{MaximumAttempts: 3}, // the schedule comes again in a minute
		Summary:     "start open payments that have no running workflow",
	}, activities.StartMissing, in)
}
