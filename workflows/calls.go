package workflows

import (
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"tolem/activities"
)

// attemptMargin lets HTTP end before the activity does: the call has its own
// limit, PARTNER_TIMEOUT, and the journal 5 s after it.
const attemptMargin = 10 * time.Second

// attemptPolicy says how one attempt at a partner runs.
type attemptPolicy struct {
	timeout time.Duration
	local   bool // first attempts: a payment that succeeds at once is one workflow task
	summary string
}

// attempt runs one attempt, once: the workflow's own ladder repeats it, never
// the SDK. First attempts are local activities; later ones go to the queue whose
// rate limit holds across workers.
func attempt(ctx workflow.Context, policy attemptPolicy,
	activity activities.Activity[activities.AttemptInput, activities.AttemptResult], in activities.AttemptInput,
) (activities.AttemptResult, error) {
	once := &temporal.RetryPolicy{MaximumAttempts: 1}
	if policy.local {
		return do(ctx, workflow.LocalActivityOptions{
			StartToCloseTimeout: policy.timeout, RetryPolicy: once, Summary: policy.summary,
		}, activity, in)
	}
	return regular(ctx, workflow.ActivityOptions{
		TaskQueue: activities.QueueProcessing, StartToCloseTimeout: policy.timeout, RetryPolicy: once, Summary: policy.summary,
		WaitForCancellation: true, // its answer may have moved the payment
	}, activity, in)
}

// ledgerPatience is how long a write to our own ledger is repeated: for ever.
// Without it the SDK takes the time-out of one try, and gives up after 10 s.
const ledgerPatience = 100 * 365 * 24 * time.Hour

// ledgerPolicy is for writes to our own ledger: 10 s each, again for ever, at
// most a minute apart. They are conditional, so a repetition changes nothing.
func ledgerPolicy(summary string) workflow.LocalActivityOptions {
	return workflow.LocalActivityOptions{
		StartToCloseTimeout: 10 * time.Second, ScheduleToCloseTimeout: ledgerPatience,
		RetryPolicy: &temporal.RetryPolicy{InitialInterval: time.Second, BackoffCoefficient: 2, MaximumInterval: time.Minute},
		Summary:     summary,
	}
}

// do runs one local activity and waits for its result. The SDK checks neither
// the number nor the types of an activity's arguments; the compiler checks these by
// the wire name's types.
func do[In, Out any](ctx workflow.Context, policy workflow.LocalActivityOptions, activity activities.Activity[In, Out], in In) (out Out, err error) {
	err = workflow.ExecuteLocalActivity(workflow.WithLocalActivityOptions(ctx, policy), activity.Name, in).Get(ctx, &out)
	return out, err
}

// regular runs one regular activity and waits for its result; typed as do is.
func regular[In, Out any](ctx workflow.Context, policy workflow.ActivityOptions, activity activities.Activity[In, Out], in In) (out Out, err error) {
	err = workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, policy), activity.Name, in).Get(ctx, &out)
	return out, err
}

// insist runs one write to the ledger until it succeeds, also when the run was
// cancelled: somebody waits for its effect. The policy retries for ever; what
// ends it all the same (a panic of the activity) comes round again here.
func insist[In, Out any](ctx workflow.Context, summary string, activity activities.Activity[In, Out], in In) Out {
	ctx, done := workflow.NewDisconnectedContext(ctx)
	defer done()
	for {
		if out, err := do(ctx, ledgerPolicy(summary), activity, in); err == nil {
			return out
		}
	}
}
