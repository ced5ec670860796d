package workflows

import (
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"tolem/activities"
	"tolem/domain"
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

// ledgerPatience is how long a write to our own ledger is repeated until somebody is told.
const ledgerPatience = 10 * time.Minute

// ledgerPolicy is for writes to our own ledger: 10 s each, again for ten minutes, at
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

// LateLedgerWrites is the metric that counts, in a worker, the writes that the ledger did
// not take for ten minutes; one that is late for an hour counts six times.
const LateLedgerWrites = "tolem_ledger_writes_late"

// insistent is a process that writes to the ledger until the ledger takes it.
type insistent interface {
	// lose ends the run: what it is for is not in the ledger.
	lose(err error)
	// raise has a person look, in the ledger and in Temporal.
	raise(ctx workflow.Context, why domain.OperatorReason)
}

// insist is persist for a write that somebody waits for: also when the run was cancelled.
func insist[In, Out any](ctx workflow.Context, of insistent, summary string, activity activities.Activity[In, Out], in In) Out {
	ctx, done := workflow.NewDisconnectedContext(ctx)
	defer done()
	out, _ := persist(ctx, of, summary, activity, in)
	return out
}

// persist runs one write to the ledger until it succeeds, the context ends, or the ledger
// says that what it is for does not exist: that ends the run, since no repetition changes
// it. Everything else means that the ledger does not answer, and is repeated. After each
// ten minutes that is counted, and shown in Temporal; a person is asked to look in the
// ledger when it is back.
func persist[In, Out any](ctx workflow.Context, of insistent, summary string, activity activities.Activity[In, Out], in In) (out Out, ok bool) {
	late := false
	for {
		out, err := do(ctx, ledgerPolicy(summary), activity, in)
		switch {
		case err == nil:
			if late {
				of.raise(ctx, domain.ReasonLedgerLate)
			}
			return out, true
		case activities.IsFinal(err):
			of.lose(err)
			return out, false
		case ctx.Err() != nil:
			return out, false
		}
		if raisesLateLedger(ctx) {
			late = true
			showLateLedger(ctx, summary)
		}
	}
}

// showLateLedger says in Temporal and in the metrics that the ledger did not take a write.
func showLateLedger(ctx workflow.Context, summary string) {
	workflow.GetMetricsHandler(ctx).Counter(LateLedgerWrites).Inc(1)
	if err := workflow.UpsertTypedSearchAttributes(ctx, NeedsOperator.ValueSet(true)); err != nil {
		workflow.GetLogger(ctx).Error("search attributes not written", "error", err)
	}
	workflow.SetCurrentDetails(ctx, "the ledger has not taken this for ten minutes or more: "+summary+" · it is repeated until it does")
}
