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
// when it rose, has the payments that wait for funds and can be paid from it look again at
// once.
//
// Idempotent: an equal balance changes nothing, and a rise is worked off until every
// payment that waited had its turn, by this run, its repetition or a later run; a payment
// woken twice looks once more. No answer from the centre is a result, counted and
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
	done, err := b.wake(ctx, resume(ctx, record))
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

// wakeProgress is how far waking the waiting payments came; a repetition of the
// activity goes on from it.
type wakeProgress struct {
	Rise    int64                     `json:"rise"`
	After   domain.AgentTransactionID `json:"after,omitempty"`   // the last that had its turn
	AfterAt *storage.Timestamp        `json:"afterAt,omitempty"` // when that one was accepted
	// Left is what is left of the balance above the overdraft level, when those that were
	// woken are paid.
	Left *domain.Money `json:"left,omitempty"`
	// SwitchedOn says that before the rise no payment at all was taken.
	SwitchedOn bool `json:"switchedOn,omitempty"`
	Nudged     int  `json:"nudged"`
	Missing    int  `json:"missing"`
	Failed     int  `json:"failed"`
}

// wake has the payments that wait for funds look again, as many as the balance pays: in
// the order of their acceptance, each one's amountTo taken from what is above the overdraft
// level ("сумма баланса, при достижении которого прием платежей будет отключен"). amountTo
// is "сумма к зачислению"; what amountFrom is above it stays with the agent. One that is
// too large for what is left is passed over, or else each small top-up would be an attempt
// of it, and its growing interval a constant one; its own ladder goes on.
//
// The rise is marked as done only then. A payment whose first 220 came before the rise and
// is written down after its turn is missed, and looks again when its ladder says so.
func (b *Balance) wake(ctx context.Context, progress wakeProgress) (wakeProgress, error) {
	for *progress.Left > 0 {
		after := storage.WaitingPayment{ID: progress.After}
		if progress.AfterAt != nil {
			after.CreatedAt = *progress.AfterAt
		}
		page, err := b.Ledger.WaitingForFunds(ctx, after, waitingPage)
		if err != nil {
			return progress, err
		}
		for _, p := range page {
			if progress.pays(p) {
				if err := b.nudge(ctx, p.ID, &progress); err != nil {
					return progress, err
				}
				progress.take(p)
			}
			progress.After, progress.AfterAt = p.ID, &p.CreatedAt
			activity.RecordHeartbeat(ctx, progress)
		}
		if len(page) < waitingPage {
			break
		}
	}
	slog.InfoContext(ctx, "the balance rose, payments that it can pay were woken",
		"nudged", progress.Nudged, "missing", progress.Missing, "failed", progress.Failed)
	return progress, b.Ledger.BalanceWoken(ctx, progress.Rise)
}

// pays says whether what is left pays a payment. Of one whose amount nobody has said yet
// that is not known: its check was answered 220 because no payment was taken at all, so it
// looks again when that changed.
func (w wakeProgress) pays(p storage.WaitingPayment) bool {
	if p.AmountTo == nil {
		return w.SwitchedOn
	}
	return *p.AmountTo <= *w.Left
}

// take takes a payment's amount from what is left.
func (w *wakeProgress) take(p storage.WaitingPayment) {
	if p.AmountTo != nil {
		left := *w.Left - *p.AmountTo
		w.Left = &left
	}
}

// resume is where an earlier attempt of this activity stopped, with no more left than
// there is now. A newer rise begins again: whoever was told of the older one may have
// found too little.
func resume(ctx context.Context, record storage.BalanceRecord) wakeProgress {
	now := record.Now.BalanceReading
	left := now.Balance.Above(now.Overdraft)
	fresh := wakeProgress{Rise: record.ToWake, Left: &left}
	fresh.SwitchedOn = record.Before != nil && levelOf(record.Before.BalanceReading) == levelOverdraft
	var before wakeProgress
	if !activity.HasHeartbeatDetails(ctx) || activity.GetHeartbeatDetails(ctx, &before) != nil || before.Rise != record.ToWake || before.Left == nil {
		return fresh
	}
	left = min(left, *before.Left)
	before.Left = &left
	return before
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
