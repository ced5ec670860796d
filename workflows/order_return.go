package workflows

import (
	"fmt"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"tolem/activities"
	"tolem/domain"
)

// ReturnInput starts the return of goods.
type ReturnInput struct {
	OrderID        domain.StoreOrderID  `json:"orderId"`
	ReturnID       domain.StoreReturnID `json:"returnId"`
	Ladder         domain.Ladder        `json:"ladder"`         // copied at acceptance
	PartnerTimeout time.Duration        `json:"partnerTimeout"` // of one call
	// RaiseAfter is how long it may be unknown whether the bank took the return,
	// until a person is asked to look; 0 never asks.
	RaiseAfter time.Duration `json:"raiseAfter,omitempty"`
}

// ReturnResult is how a return ended.
type ReturnResult struct {
	State    domain.ReturnState `json:"state"`
	Attempts int                `json:"attempts"`
}

// heldLook is how often a return that a person holds is read again without a nudge, which
// may be lost.
const heldLook = time.Hour

// Return takes one accepted return of goods to its end.
//
// When it returns, the bank has taken the sum off the credit once (returned), or
// certainly not at all (failed), or two people said which; the ledger says the same. It
// returns an error only from a bug.
func Return(ctx workflow.Context, in ReturnInput) (ReturnResult, error) {
	if err := in.Ladder.Check(); err != nil {
		return ReturnResult{}, temporal.NewNonRetryableApplicationError(in.OrderID.ReturnWorkflowID(in.ReturnID), "BadInput", err)
	}
	ctx, done := workflow.NewDisconnectedContext(ctx) // the bank may have taken it: no cancel from outside
	defer done()
	r := beginReturn(ctx, in)
	for r.open() && !r.full(ctx) {
		if r.now.Held {
			r.rest(ctx)
			continue
		}
		r.attempt(ctx)
		if r.free() {
			r.wait(ctx)
		}
		if r.free() {
			r.ask(ctx) // "after a timeout call … data for returns before repeating"
		}
		if r.free() && r.now.RetryAfter > 0 { // no attempt follows while the bank asks for patience
			due := workflow.Now(ctx).Add(r.now.RetryAfter)
			r.sleep(ctx, due, due)
		}
	}
	if r.lost != nil {
		return ReturnResult{}, r.lost
	}
	if r.open() {
		return ReturnResult{}, workflow.NewContinueAsNewError(ctx, activities.WorkflowReturn, in)
	}
	r.show(ctx, "")
	if r.now.State == domain.ReturnReturned {
		move(ctx, in.OrderID)
	}
	return ReturnResult{State: r.now.State, Attempts: r.now.Attempts}, nil
}

// goodsReturn is what the workflow knows of its return.
type goodsReturn struct {
	input  ReturnInput
	now    activities.ReturnCallResult
	step   int
	waits  int
	waited time.Duration
	cause  domain.Cause
	began  time.Time
	lost   error // the ledger has no such return
	nudged bool  // people changed something in the ledger
}

// beginReturn listens, and asks the bank what another run may have left undone.
func beginReturn(ctx workflow.Context, in ReturnInput) *goodsReturn {
	r := &goodsReturn{input: in, cause: domain.CauseScheduled, began: workflow.Now(ctx)}
	onNudge(ctx, func(activities.Nudge) { r.nudged = returnHearsNudges(ctx) })
	if r.ask(ctx); r.now.Sent {
		r.waits, r.cause = r.now.Waits, domain.CauseRecovery
	}
	return r
}

// free says that the return goes on by itself.
func (r *goodsReturn) free() bool { return r.open() && !r.now.Held }

func (r *goodsReturn) full(ctx workflow.Context) bool {
	return workflow.GetInfo(ctx).GetContinueAsNewSuggested()
}

// read takes over where the ledger has the return; nobody is called.
func (r *goodsReturn) read(ctx workflow.Context) {
	r.nudged = false
	r.take(insist(ctx, r, "read the return", activities.ReadReturn, r.call()), nil)
}

// rest waits while a person holds the return; released, it asks and goes on at once.
func (r *goodsReturn) rest(ctx workflow.Context) {
	for r.open() && r.now.Held && !r.full(ctx) {
		r.show(ctx, "held by an operator")
		if !r.nudged {
			sleepUntil(ctx, workflow.Now(ctx).Add(heldLook), "held by an operator", func() bool { return r.nudged })
		}
		r.read(ctx)
	}
	if r.free() {
		r.cause = domain.CauseOperator
		r.ask(ctx)
	}
}

// open says that the return has not ended.
func (r *goodsReturn) open() bool { return r.lost == nil && !r.now.State.Terminal() }

// ask reads what the bank has taken back, if a return may have been sent.
func (r *goodsReturn) ask(ctx workflow.Context) {
	r.step++
	got, err := do(ctx, workflow.LocalActivityOptions{
		StartToCloseTimeout: r.input.PartnerTimeout + attemptMargin, Summary: "ask the bank what it has taken back",
		RetryPolicy: &temporal.RetryPolicy{MaximumAttempts: 1}, // it is asked again before each attempt
	}, activities.AskReturned, r.call())
	r.take(got, err)
}

// attempt makes one attempt, in the same bytes as those before. It is a regular
// activity, so that the decision to make it is in the history before a byte leaves.
func (r *goodsReturn) attempt(ctx workflow.Context) {
	r.step++
	in := r.call()
	in.Waits, in.NextWait = r.waits+1, r.rung()
	if r.cause == domain.CauseScheduled {
		in.Waited = r.waited
	}
	got, err := regular(ctx, workflow.ActivityOptions{
		TaskQueue: activities.QueueCFRONT, StartToCloseTimeout: 2*r.input.PartnerTimeout + attemptMargin, // it may ask first what was taken back
		RetryPolicy: &temporal.RetryPolicy{MaximumAttempts: 1},
		Summary:     fmt.Sprintf("return · attempt %d · %s", r.now.Attempts+1, r.cause),
	}, activities.ReturnAtBank, in)
	r.take(got, err)
	r.cause = domain.CauseScheduled
}

func (r *goodsReturn) call() activities.ReturnCallInput {
	return activities.ReturnCallInput{OrderID: r.input.OrderID, ReturnID: r.input.ReturnID, Step: r.step, Cause: r.cause, Waits: r.waits}
}

// take takes over a call's result; an error means that nothing was reported, and the
// next call learns from the ledger.
func (r *goodsReturn) take(got activities.ReturnCallResult, err error) {
	switch {
	case activities.IsFinal(err):
		r.lose(err)
		return
	case err != nil:
		r.now.Failure = notReported
		return
	}
	r.now, r.step = got, max(r.step, got.Step)
}

func (r *goodsReturn) rung() time.Duration { return rungAfter(r.input.Ladder, r.waits, r.waited) }

// wait waits the next rung of the ladder, and asks a person to look when it has been
// unknown for too long. A person's action cuts it short: then the next attempt is due.
func (r *goodsReturn) wait(ctx workflow.Context) {
	after := max(r.rung(), r.now.RetryAfter)
	began := workflow.Now(ctx)
	due := began.Add(after)
	late := r.began.Add(r.input.RaiseAfter)
	if r.input.RaiseAfter > 0 && r.now.Reason == "" && !late.After(due) {
		if !r.sleep(ctx, late, due) {
			return
		}
		r.raise(ctx, domain.ReasonReturnUnknown)
	}
	if !r.sleep(ctx, due, due) {
		return
	}
	r.waits++
	r.waited = waitedSince(ctx, began, after)
}

// lose ends the run: the ledger has no such return.
func (r *goodsReturn) lose(err error) { r.lost = err }

// raise asks a person to look, in the ledger and in Temporal.
func (r *goodsReturn) raise(ctx workflow.Context, why domain.OperatorReason) {
	insist(ctx, r, "needs an operator", activities.FlagReturn, activities.FlagReturnInput{OrderID: r.input.OrderID, ReturnID: r.input.ReturnID, Reason: why})
	r.now.Reason = why
}

// sleep sleeps to an instant, and says whether it was not cut short; then the return was
// read.
func (r *goodsReturn) sleep(ctx workflow.Context, wake, due time.Time) (whole bool) {
	next := "next at " + due.UTC().Format(time.TimeOnly) + " UTC"
	r.show(ctx, next)
	if !r.nudged && wake.After(workflow.Now(ctx)) {
		sleepUntil(ctx, wake, "return · "+next, func() bool { return r.nudged })
	}
	if !r.nudged {
		return true
	}
	r.read(ctx)
	r.cause = domain.CauseOperator
	return false
}

// show tells people in Temporal where the return stands.
func (r *goodsReturn) show(ctx workflow.Context, next string) {
	err := workflow.UpsertTypedSearchAttributes(ctx, TolemState.ValueSet(string(r.now.State)),
		Attempts.ValueSet(int64(r.now.Attempts)), NeedsOperator.ValueSet(r.now.Reason != ""))
	if err != nil {
		workflow.GetLogger(ctx).Error("search attributes not written", "error", err)
	}
	details := string(r.now.State)
	if r.now.Failure != "" {
		details += " · no answer from the bank (" + r.now.Failure + ")"
	}
	if next != "" {
		details += " · " + next
	}
	workflow.SetCurrentDetails(ctx, details)
}

// OrderMove takes an order that has ended forward, when the bank has news of it.
//
// When it returns, the ledger has the state that the bank told during the run, if it
// is one that may follow what was known.
func OrderMove(ctx workflow.Context, in activities.MoveInput) (activities.MoveResult, error) {
	return move(ctx, in.OrderID), nil
}

// moveLimit bounds one question and its record, if PARTNER_TIMEOUT does not earlier.
const moveLimit = time.Minute

// move asks until bank and ledger have answered: the news waits.
func move(ctx workflow.Context, id domain.StoreOrderID) activities.MoveResult {
	for {
		got, err := regular(ctx, workflow.ActivityOptions{
			TaskQueue: activities.QueueCFRONT, StartToCloseTimeout: moveLimit, Summary: "ask where the settled order stands",
			RetryPolicy: &temporal.RetryPolicy{InitialInterval: time.Second, BackoffCoefficient: 2, MaximumInterval: 5 * time.Minute},
		}, activities.MoveSettled, activities.MoveInput{OrderID: id})
		if err == nil || ctx.Err() != nil {
			return got
		}
	}
}
