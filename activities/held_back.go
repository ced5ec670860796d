package activities

import (
	"context"
	"log/slog"
	"time"

	"tolem/domain"
	"tolem/storage"
)

// stopped says whether people stopped the payment, or its id is held by the centre, and
// this attempt is not what an operator asked for: the run that ordered it has not heard of
// it.
func (in AttemptInput) stopped(p storage.Payment) bool {
	return p.Restored || (p.Standing().Stopped() || p.HeldID) && in.Cause != domain.CauseOperator
}

// heldBack reports a call that was not made, and says so in the lists; where the
// ledger cannot take that, the call was not made all the same.
func (p *Processing) heldBack(ctx context.Context, in AttemptInput, why Refused) AttemptResult {
	result := AttemptResult{NotSent: why.Reason, RetryAfter: why.RetryAfter, Verdict: domain.Verdict{Means: domain.Repeat}}
	if why.Reason == RefusedByBreaker {
		result.RetryAfter = GrowingPause(why.RetryAfter, in.Pauses)
		if err := p.Ledger.Pause(ctx, in.PaymentID, in.Step, time.Now().Add(result.RetryAfter)); err != nil {
			slog.WarnContext(ctx, "pause not noted", "process", in.PaymentID.WorkflowID(), "error", err)
		}
	}
	return result
}

// longestPause bounds a pause while the processing centre is down, so that a
// payment goes on soon after it is back; and pauses grow up to it, so that a day's
// outage does not fill the workflow's history.
const longestPause = 5 * time.Minute

// GrowingPause is the pause that follows as many others in a row: twice as long
// each time, up to 5 min, and never shorter than the first.
func GrowingPause(first time.Duration, before int) time.Duration {
	return max(first, min(first<<min(before, 8), longestPause))
}
