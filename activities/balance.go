package activities

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"golang.org/x/time/rate"

	"tolem/domain"
	"tolem/partners/processing"
	"tolem/storage"
)

// Balance watches the agent's account at the processing centre.
type Balance struct {
	Ledger   *storage.Ledger
	Centre   *processing.Client
	Temporal client.Client
	Metrics  *Metrics
	Nudges   *rate.Limiter // of the signals; NudgeLimiter makes it
}

// nudgesPerSecond is half of what the limited queue may ask the centre in a
// second, so that all who waited for funds leave room for everybody else.
const nudgesPerSecond = 50

// NudgeLimiter is the pace at which waiting payments are told of a rise, in one
// process: 50 a second, evenly.
func NudgeLimiter() *rate.Limiter { return rate.NewLimiter(nudgesPerSecond, 1) }

// askLimit bounds the question for the balance, if PARTNER_TIMEOUT does not
// earlier: the schedule comes again in a minute, and by then a heartbeat is due.
const askLimit = 20 * time.Second

// waitingPage is how many waiting payments are read at once: ten seconds of
// nudges.
const waitingPage = 500

// BalanceInput is empty.
type BalanceInput struct{}

// BalanceResult is what one look at the balance found and did.
type BalanceResult struct {
	Balance *domain.Decimal `json:"balance,omitempty"` // none when it was not read
	Failure string          `json:"failure,omitempty"` // why not, a stable word
	Rose    bool            `json:"rose,omitempty"`    // against the reading before
	Nudged  int             `json:"nudged,omitempty"`  // payments told of this rise or an earlier one
	Missing int             `json:"missing,omitempty"` // payments without a running workflow: the sweep starts them
	Failed  int             `json:"failed,omitempty"`  // payments whose workflow takes no signal: their ladder goes on
}

// WatchBalance asks for the balance, keeps it in the history, which monitoring reads, and,
// when it rose, tells the payments that wait for funds to look again at once.
//
// Idempotent: an equal balance changes nothing, and a rise is told until every
// payment that waited was, by this run, its repetition or a later run; a payment
// told twice looks once more. No answer from the centre is a result, counted and
// logged, and tells nobody anything: an unfinished rise waits for the next
// answer. It fails when the ledger or Temporal does.
func (b *Balance) WatchBalance(ctx context.Context, _ BalanceInput) (BalanceResult, error) {
	reading, err := b.ask(ctx)
	switch {
	case ctx.Err() != nil:
		return BalanceResult{}, ctx.Err() // we gave up, not the centre
	case err != nil:
		return BalanceResult{Failure: b.unread(ctx, err)}, nil
	}
	at := time.Now()
	record, err := b.Ledger.RecordBalance(ctx, at, reading)
	if err != nil {
		return BalanceResult{}, err
	}
	reportCrossing(ctx, record)
	result := BalanceResult{Balance: &reading.Balance, Rose: record.Changed && record.Now.Rose}
	if record.ToWake == 0 {
		return result, nil
	}
	done, err := b.wake(ctx, record.ToWake)
	result.Nudged, result.Missing, result.Failed = done.Nudged, done.Missing, done.Failed
	return result, err
}

func (b *Balance) ask(ctx context.Context) (storage.BalanceReading, error) {
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	told, err := b.Centre.Balance(ctx)
	return storage.BalanceReading{AgentID: told.AgentID, Balance: told.Balance, Overdraft: told.Overdraft,
		Notification: told.Notification, Currency: told.Currency}, err
}

// unread counts and logs a question that brought no balance, and says why.
func (b *Balance) unread(ctx context.Context, err error) (reason string) {
	var failure *processing.Failure
	var refusal *processing.Refusal
	switch {
	case errors.As(err, &failure):
		reason = failure.Reason
	case errors.As(err, &refusal):
		reason = fmt.Sprintf("code %d", refusal.Code)
	default:
		reason = "unclassified"
	}
	b.Metrics.balanceUnread()
	slog.WarnContext(ctx, "balance not read; it is asked again in a minute", "failure", reason, "error", err)
	return reason
}

// wakeProgress is how far telling the waiting payments came; a repetition of the
// activity goes on from it.
type wakeProgress struct {
	Rise    int64                     `json:"rise"`
	After   domain.AgentTransactionID `json:"after,omitempty"`
	Nudged  int                       `json:"nudged"`
	Missing int                       `json:"missing"`
	Failed  int                       `json:"failed"`
}

// wake tells every payment that waits for funds, and marks the rise as done only
// then. A payment whose first 220 came before the rise and is written down after
// its turn is missed, and looks again when its ladder says so.
func (b *Balance) wake(ctx context.Context, rise int64) (wakeProgress, error) {
	progress := resume(ctx, rise)
	for {
		page, err := b.Ledger.WaitingForFunds(ctx, progress.After, waitingPage)
		if err != nil {
			return progress, err
		}
		for _, id := range page {
			if err := b.nudge(ctx, id, &progress); err != nil {
				return progress, err
			}
			progress.After = id
			activity.RecordHeartbeat(ctx, progress)
		}
		if len(page) < waitingPage {
			break
		}
	}
	slog.InfoContext(ctx, "the balance rose, payments that waited for funds were told",
		"nudged", progress.Nudged, "missing", progress.Missing, "failed", progress.Failed)
	return progress, b.Ledger.BalanceWoken(ctx, rise)
}

// resume is where an earlier attempt of this activity stopped. A newer rise
// begins again: whoever was told of the older one may have found too little.
func resume(ctx context.Context, rise int64) wakeProgress {
	var before wakeProgress
	if activity.HasHeartbeatDetails(ctx) && activity.GetHeartbeatDetails(ctx, &before) == nil && before.Rise == rise {
		return before
	}
	return wakeProgress{Rise: rise}
}

// nudge signals one payment when it is its turn. What only this payment's
// workflow refuses must not keep the others from their money; any other error
// is Temporal's, and ends the round.
func (b *Balance) nudge(ctx context.Context, id domain.AgentTransactionID, progress *wakeProgress) error {
	if err := b.Nudges.Wait(ctx); err != nil {
		return fmt.Errorf("wait for the turn of payment %s: %w", id, err)
	}
	err := b.Temporal.SignalWorkflow(ctx, id.WorkflowID(), "", NudgeSignal, Nudge{Cause: domain.CauseBalance})
	var missing *serviceerror.NotFound
	var refused *serviceerror.InvalidArgument // such as too many signals in its history
	switch {
	case err == nil:
		progress.Nudged++
	case errors.As(err, &missing):
		progress.Missing++
	case errors.As(err, &refused):
		progress.Failed++
		slog.WarnContext(ctx, "a payment's workflow took no nudge; its own ladder goes on", "process", id.WorkflowID(), "error", err)
	default:
		return fmt.Errorf("tell payment %s that the balance rose: %w", id, err)
	}
	return nil
}
