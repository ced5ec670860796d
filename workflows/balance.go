package workflows

import (
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"tolem/activities"
)

// balanceLimit bounds one look at the balance; 90,000 waiting payments are told
// of a rise in it. What is left over, the next run tells.
const balanceLimit = 30 * time.Minute

// balanceHeartbeat notices a dead worker; a look reports after every payment it
// told, and the centre is asked for 20 s at most.
const balanceHeartbeat = time.Minute

// Balance looks once at the agent's balance at the processing centre.
//
// When it returns, the balance is in the history and, if it rose since the last
// reading or an earlier rise was not finished, every payment that waited for
// funds was told to look again; or the centre gave no balance, which Failure says,
// and the next run asks again.
func Balance(ctx workflow.Context, in activities.BalanceInput) (activities.BalanceResult, error) {
	return regular(ctx, workflow.ActivityOptions{
		StartToCloseTimeout: balanceLimit, HeartbeatTimeout: balanceHeartbeat,
		RetryPolicy: &temporal.RetryPolicy{MaximumAttempts: 3}, // the schedule comes again in a minute
		Summary:     "read the agent's balance; when it rose, tell payments that wait for funds",
	}, activities.WatchBalance, in)
}
