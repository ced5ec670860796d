package activities

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"tolem/domain"
	"tolem/partners/cfront"
	"tolem/storage"
)

// ReturnCallInput orders one call to the bank for a return of goods.
type ReturnCallInput struct {
	OrderID  domain.StoreOrderID  `json:"orderId"`
	ReturnID domain.StoreReturnID `json:"returnId"`
	Step     int                  `json:"step"`
	Cause    domain.Cause         `json:"cause"`
	Waited   time.Duration        `json:"waited,omitempty"`
	Waits    int                  `json:"waits,omitempty"`
	NextWait time.Duration        `json:"nextWait,omitempty"`
}

// ReturnCallResult is where the ledger has the return after a call, made or not.
type ReturnCallResult struct {
	State    domain.ReturnState    `json:"state"`
	Step     int                   `json:"step"`
	Attempts int                   `json:"attempts,omitempty"`
	Waits    int                   `json:"waits,omitempty"`
	Reason   domain.OperatorReason `json:"reason,omitempty"`
	Held     bool                  `json:"held,omitempty"` // by a person: nobody is called
	Sent     bool                  `json:"sent,omitempty"` // a return may have been taken by the bank
	Behind   bool                  `json:"behind,omitempty"`
	Failure  string                `json:"failure,omitempty"`
	// RetryAfter is how long the bank asks to wait; it lengthens the next wait.
	RetryAfter time.Duration `json:"retryAfter,omitempty"`
}

// ReturnAtBank asks the bank to take a return's sum off the credit, in the same
// bytes every time; "a repeated id is treated as a duplicate of the earlier return".
//
// What the bank has taken back before is read first, so that AskReturned can tell.
// A refusal ends the return only where every call to return was refused for certain, as
// with CreateAtBank. It fails only when the ledger does.
func (c *CFRONT) ReturnAtBank(ctx context.Context, in ReturnCallInput) (ReturnCallResult, error) {
	r, behind, err := c.goodsReturn(ctx, in)
	if err != nil || behind {
		return r.result(behind, ""), err
	}
	before := r.ReversedBefore
	if before == nil {
		data, outcome, made, err := c.reversed(ctx, in, r)
		if err != nil {
			return ReturnCallResult{}, err
		}
		if outcome.Failure != "" {
			return c.recordReturn(ctx, in, made, 0, outcome, storage.ReturnAfter{})
		}
		sum := data.Reversed()
		before = &sum
	}
	call := in.call(ctx, callReturn, r.Body)
	begun, err := c.Ledger.BeginReturn(ctx, storage.ReturnCall{OrderID: in.OrderID, ID: in.ReturnID, Call: call, ReversedBefore: *before})
	if err != nil {
		return ReturnCallResult{}, err
	}
	if !begun.OK {
		r, _, err = c.goodsReturn(ctx, in)
		return r.result(true, ""), err
	}
	call.Attempt = begun.Attempt
	returned, callErr := c.Bank.Return(numbered(ctx, call), r.Body)
	after := storage.ReturnAfter{}
	var rejection *cfront.Rejection
	switch {
	case callErr == nil:
		after.State = domain.ReturnReturned
	case errors.As(callErr, &rejection): // unless it ends the return
		after.OperatorReason, after.Message = domain.ReasonRejected, rejection.Message
	}
	return c.recordReturn(ctx, in, call, begun.Started, answered(callErr, returned.Meta, ""), after)
}

// AskReturned reads what the bank has taken back, and ends a return whose sum is just
// what came to it: no other return of ours is under way for the order. Where the bank
// itself has taken back something else meanwhile, nothing follows, and the return is sent
// again under its id, which the bank knows. It fails only when the ledger does.
func (c *CFRONT) AskReturned(ctx context.Context, in ReturnCallInput) (ReturnCallResult, error) {
	r, behind, err := c.goodsReturn(ctx, in)
	if err != nil || behind || r.ReversedBefore == nil {
		return r.result(true, ""), err
	}
	data, outcome, made, err := c.reversed(ctx, in, r)
	if err != nil {
		return ReturnCallResult{}, err
	}
	after := storage.ReturnAfter{}
	if outcome.Failure == "" && data.Reversed() == *r.ReversedBefore+r.Sum {
		after.State = domain.ReturnReturned
	}
	return c.recordReturn(ctx, in, made, 0, outcome, after)
}

// reversed asks the bank what it has taken back of the order so far.
func (c *CFRONT) reversed(ctx context.Context, in ReturnCallInput, r goodsReturn) (cfront.OrderData, storage.Outcome, storage.Call, error) {
	body, err := cfront.OrderBody(r.bankOrderID)
	if err != nil {
		return cfront.OrderData{}, storage.Outcome{}, storage.Call{}, err
	}
	made := in.call(ctx, callData, body)
	made.Attempt = r.Attempts
	data, err := c.Bank.OrderData(numbered(ctx, made), r.bankOrderID, in.OrderID.String())
	sum := ""
	if err == nil {
		sum = data.Reversed().String()
	}
	return data, answered(err, data.Meta, sum), made, nil
}

// goodsReturn is a return, and its order's number at the bank.
type goodsReturn struct {
	storage.OrderReturn
	bankOrderID string
}

func (r goodsReturn) result(behind bool, failure string) ReturnCallResult {
	got := ReturnCallResult{State: r.State, Step: r.Step, Attempts: r.Attempts, Waits: r.Waits, Held: r.Held, Sent: r.SentAt != nil, Behind: behind, Failure: failure}
	if r.NeedsOperator {
		got.Reason = r.OperatorReason
	}
	return got
}

// goodsReturn reads a return that a call is due for; behind says that it is not.
func (c *CFRONT) goodsReturn(ctx context.Context, in ReturnCallInput) (r goodsReturn, behind bool, err error) {
	if err := checkStep(in.Step); err != nil {
		return r, false, err
	}
	if r.OrderReturn, err = c.Ledger.OrderReturn(ctx, in.OrderID, in.ReturnID); err != nil {
		return r, false, final(err)
	}
	o, err := c.Ledger.InstalmentOrder(ctx, in.OrderID)
	r.bankOrderID = o.BankOrderID
	return r, r.State.Terminal() || r.Held || r.Step >= in.Step, err
}

// ReadReturn says where the ledger has a return, and notes that its workflow has read what
// people changed; it calls nobody. Idempotent; it fails only when the ledger does.
func (c *CFRONT) ReadReturn(ctx context.Context, in ReturnCallInput) (ReturnCallResult, error) {
	r, err := c.Ledger.ReturnAwake(ctx, in.OrderID, in.ReturnID)
	return goodsReturn{OrderReturn: r}.result(true, ""), final(err)
}

func (in ReturnCallInput) call(ctx context.Context, name string, body []byte) storage.Call {
	return storage.Call{Process: in.OrderID.ReturnWorkflowID(in.ReturnID), Name: name, Step: in.Step, Cause: in.Cause, Waited: in.Waited,
		Execution: execution(ctx), At: time.Now(), Body: body}
}

func (c *CFRONT) recordReturn(ctx context.Context, in ReturnCallInput, made storage.Call, started int64, outcome storage.Outcome, after storage.ReturnAfter) (ReturnCallResult, error) {
	outcome.Duration = time.Since(made.At)
	within, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordLimit)
	defer cancel()
	if after.OperatorReason == "" {
		after.OperatorReason = repeatsUnreadable(within, c.Ledger, made, outcome)
	}
	if !after.State.Terminal() {
		after.Waits, after.NextWait = in.Waits, lengthened(in.NextWait, outcome.RetryAfter)
	}
	changed, err := c.Ledger.RecordReturn(within, storage.ReturnCall{OrderID: in.OrderID, ID: in.ReturnID, Call: made}, started, outcome, after)
	if err != nil {
		return ReturnCallResult{}, err
	}
	r, _, err := c.goodsReturn(within, in)
	if r.State.Terminal() { // a refusal that is certain ends the return instead
		after.OperatorReason = ""
	}
	c.report(ctx, made, outcome, after.OperatorReason)
	got := r.result(!changed, outcome.FailureText())
	got.RetryAfter = outcome.RetryAfter
	return got, err
}

// FlagReturnInput asks a person to look at a return.
type FlagReturnInput struct {
	OrderID  domain.StoreOrderID   `json:"orderId"`
	ReturnID domain.StoreReturnID  `json:"returnId"`
	Reason   domain.OperatorReason `json:"reason"`
}

// FlagReturn raises needs_operator on an open return and journals why. It may run
// twice; it fails only when the ledger does.
func (l *Ledger) FlagReturn(ctx context.Context, in FlagReturnInput) (FlagResult, error) {
	if err := checkReason(in.Reason); err != nil {
		return FlagResult{}, err
	}
	slog.ErrorContext(ctx, "return needs an operator", "process", in.OrderID.ReturnWorkflowID(in.ReturnID), "reason", in.Reason)
	return FlagResult{}, l.Ledger.FlagReturn(ctx, in.OrderID, in.ReturnID, in.Reason, execution(ctx))
}

// MoveInput names an order that has ended and of which the bank has news.
type MoveInput struct {
	OrderID domain.StoreOrderID `json:"orderId"`
}

// MoveResult is what the bank said of the order.
type MoveResult struct {
	Bank  domain.BankState `json:"bank,omitzero"`
	Moved bool             `json:"moved,omitempty"` // the ledger has it now; false when it knew, or was ahead
}

// errNoState is why MoveSettled is made again.
var errNoState = errors.New("the bank told no state")

// MoveSettled asks the state of an order that has ended, and keeps a move forward:
// repaid, or returned in full; what contradicts the end is an incident. Of an order whose
// number at the bank is not known nobody can ask: its news are settled as they are.
// Idempotent; it fails when bank or ledger do not answer.
func (c *CFRONT) MoveSettled(ctx context.Context, in MoveInput) (MoveResult, error) {
	o, err := c.Ledger.InstalmentOrder(ctx, in.OrderID)
	if err != nil {
		return MoveResult{}, final(err)
	}
	if o.BankOrderID == "" {
		return MoveResult{}, final(c.Ledger.SettleCallbacks(ctx, in.OrderID))
	}
	body, err := cfront.OrderBody(o.BankOrderID)
	if err != nil {
		return MoveResult{}, err
	}
	made := OrderCallInput{OrderID: in.OrderID, Step: o.Step, Cause: domain.CauseScheduled}.call(ctx, callState, body)
	told, callErr := c.Bank.State(ctx, o.BankOrderID)
	outcome := answered(callErr, told.Meta, stateWords(told))
	outcome.Duration = time.Since(made.At)
	record := storage.OrderRecord{ID: in.OrderID, Call: made, Outcome: outcome}
	state := domain.BankState{State: told.State, SubState: told.SubState}
	if callErr == nil {
		record.After.Bank = &storage.BankStanding{BankState: state, Meaning: c.Words.Means(state), Message: told.Message}
	}
	within, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordLimit)
	defer cancel()
	moved, err := c.Ledger.MoveOrder(within, record)
	c.report(ctx, made, outcome, "")
	switch {
	case err != nil:
		return MoveResult{}, err
	case callErr != nil:
		return MoveResult{}, errNoState
	}
	return MoveResult{Bank: state, Moved: moved}, nil
}
