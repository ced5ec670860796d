package workflows

import (
	"fmt"
	"time"

	"go.temporal.io/sdk/workflow"

	"tolem/activities"
	"tolem/domain"
)

func (p *payment) rung() time.Duration { return rungAfter(p.in.Ladder, p.waits, p.waited) }

// unreportedPause is the first pause after an attempt that somebody asked for and
// that nobody reported: the ledger is down, or a worker died.
const unreportedPause = 5 * time.Second

// turn is the attempt that is due next.
type turn struct {
	cause domain.Cause  // of the attempt, unless a person or the balance comes first
	after time.Duration // from now
	rung  bool          // a scheduled wait of the ladder
}

// due is the turn after an attempt that ended nothing: the next rung, which is longer where
// the centre asked for that, or the same
// attempt again if it was not made, or somebody still waits for its report. Such
// a pause is no scheduled wait. An attempt that this worker's own limit held back
// joins the queue at once.
func (p *payment) due(cause domain.Cause) turn {
	switch {
	case p.last.NotSent == activities.RefusedByLimit:
		return turn{cause: cause}
	case p.last.NotSent != "":
		p.pauses++
		return turn{cause: cause, after: p.last.RetryAfter}
	case len(p.asked) > 0:
		p.pauses++
		return turn{cause: domain.CauseOperator, after: activities.GrowingPause(unreportedPause, p.pauses-1)}
	}
	p.pauses = 0
	return turn{cause: domain.CauseScheduled, after: max(p.rung(), p.last.RetryAfter), rung: true}
}

// wait returns when the next attempt of a step is due, and why: the turn's own
// cause, or that of a person's order, or of the agent's balance. "" means that
// none is due: the payment ended, or the context. While a person holds the
// payment nothing is due but what a resolve asked for; while the centre holds its id,
// nothing but what an operator asked for.
//
// Only a rung of the ladder that ran its whole length counts; one that was cut
// short is waited again from its beginning after the attempt that cut it.
func (p *payment) wait(ctx workflow.Context, s step, t turn) (cause domain.Cause) {
	began := workflow.Now(ctx)
	due := began.Add(t.after)
	if t.rung {
		p.waits++
		defer func() {
			if cause != t.cause {
				p.waits--
				return
			}
			p.waited = waitedSince(ctx, began, t.after)
		}()
	} else if t.cause == domain.CauseScheduled {
		defer func() { p.waited += waitedSince(ctx, began, t.after) }() // so that the next interval grows past a pause
	}
	defer func() { p.nextAt = time.Time{} }()
	for {
		asked, rose := p.hear(ctx), p.balanceRose()
		stopped := len(p.asked) == 0 && (p.standing().Stopped() || p.silent(t.cause))
		switch now := workflow.Now(ctx); {
		case p.closed(), ctx.Err() != nil:
			return ""
		case asked:
			return p.causeOf(t)
		case reached(p.oldAt(), now):
			p.raise(ctx, domain.ReasonTooOld)
			continue
		case stopped:
		case rose:
			return domain.CauseBalance
		case !now.Before(due):
			return t.cause
		}
		p.nextAt = time.Time{}
		if !stopped {
			p.nextAt = due
		}
		p.sleep(ctx, s)
	}
}

// causeOf is the cause of an attempt that a person asked for; one that is due by
// itself keeps its own, and one that first has to learn where the payment stands
// is nobody's.
func (p *payment) causeOf(t turn) domain.Cause {
	switch {
	case t.after == 0 && !t.rung && !p.standing().Stopped() && !p.silent(t.cause):
		return t.cause
	case !p.known:
		return domain.CauseRecovery
	}
	return domain.CauseOperator
}

// sleep ends when something may have changed: the next attempt is due, a deadline
// has come, somebody spoke, or the context ended.
func (p *payment) sleep(ctx workflow.Context, s step) {
	p.show(ctx)
	wake := earliest(p.nextAt, p.lapsesAt(), p.oldAt())
	if wake.IsZero() {
		_ = workflow.Await(ctx, p.interrupted) // only a cancel, which the caller reads from ctx
		return
	}
	sleepUntil(ctx, wake, p.sleepSummary(s), p.interrupted)
}

func (p *payment) sleepSummary(s step) string {
	switch {
	case p.nextAt.IsZero() && p.heldID && !p.standing().Stopped():
		return "the processing centre holds this id · waits for an operator"
	case p.nextAt.IsZero():
		return "held by an operator"
	case p.last.NotSent != "":
		return fmt.Sprintf("%s · paused, the processing centre does not answer · next at %s UTC", s.name, p.nextAt.UTC().Format(time.TimeOnly))
	}
	return fmt.Sprintf("%s · attempt %d · %s · next at %s UTC", s.name, p.attempts, p.lastAnswer(), p.nextAt.UTC().Format(time.TimeOnly))
}

// oldAt is when a person is asked to look because the payment is old; zero when
// never, or when somebody was asked already.
func (p *payment) oldAt() time.Time {
	if p.in.RaiseAfter == 0 || p.since.IsZero() || p.reason != "" {
		return time.Time{}
	}
	return p.since.Add(p.in.RaiseAfter)
}
