package workflows

import (
	"time"

	"go.temporal.io/sdk/workflow"

	"tolem/activities"
	"tolem/domain"
)

// timerGrain is how late Temporal fires a timer that was not delayed by an
// outage. A wait that came out longer by so much raises the next one, so that
// short waits grow too; an hour's outage does not.
const timerGrain = 2 * time.Second

// rungAfter is the scheduled wait that follows so many: the ladder's, and longer than
// the last one really took.
func rungAfter(l domain.Ladder, waits int, waited time.Duration) time.Duration {
	return max(l.Wait(waits+1), waited+time.Millisecond)
}

// waitedSince is how long a wait of a planned length took, as far as the next one has
// to exceed it.
func waitedSince(ctx workflow.Context, began time.Time, planned time.Duration) time.Duration {
	return min(workflow.Now(ctx).Sub(began), planned+timerGrain)
}

// sleepUntil ends at the instant, when interrupted says so, or with the context. A
// timer of its own, and cancelled: AwaitWithTimeout would leave its timer running.
func sleepUntil(ctx workflow.Context, wake time.Time, summary string, interrupted func() bool) {
	timers, stop := workflow.WithCancel(ctx)
	defer stop()
	timer := workflow.NewTimerWithOptions(timers, wake.Sub(workflow.Now(ctx)), workflow.TimerOptions{Summary: summary})
	_ = workflow.Await(ctx, func() bool { return timer.IsReady() || interrupted() }) // only a cancel, which the caller reads from ctx
}

// onNudge calls hear for every nudge, as long as the workflow runs.
func onNudge(ctx workflow.Context, hear func(activities.Nudge)) {
	nudges := workflow.GetSignalChannel(ctx, activities.NudgeSignal)
	workflow.GoNamed(ctx, "nudges", func(ctx workflow.Context) {
		for {
			var n activities.Nudge
			if more := nudges.Receive(ctx, &n); !more {
				return
			}
			hear(n)
		}
	})
}

// earliest is the first of the instants that are set; zero when none is.
func earliest(instants ...time.Time) (first time.Time) {
	for _, at := range instants {
		if !at.IsZero() && (first.IsZero() || at.Before(first)) {
			first = at
		}
	}
	return first
}

// last is the later of two instants.
func last(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

func reached(at, now time.Time) bool { return !at.IsZero() && !now.Before(at) }
