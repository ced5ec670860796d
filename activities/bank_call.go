package activities

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"tolem/domain"
	"tolem/partners/call"
	"tolem/partners/cfront"
	"tolem/storage"
)

// order reads an order that a call is due for; behind says that it is not.
func (c *CFRONT) order(ctx context.Context, in OrderCallInput) (o storage.InstalmentOrder, behind bool, err error) {
	if err := checkStep(in.Step); err != nil {
		return o, false, err
	}
	o, err = c.Ledger.InstalmentOrder(ctx, in.OrderID)
	err = final(err)
	return o, o.State.Terminal() || o.Step >= in.Step || o.Held && in.Cause != domain.CauseOperator, err
}

// madeCall is a call that is being made.
type madeCall struct {
	storage.BegunOrder
	call storage.Call
}

// begin commits that a call which changes something at the bank may be on its way.
func (c *CFRONT) begin(ctx context.Context, in OrderCallInput, name string, body []byte, to domain.OrderState, from ...domain.OrderState) (madeCall, error) {
	made := madeCall{call: in.call(ctx, name, body)}
	var err error
	made.BegunOrder, err = c.Ledger.BeginOrderCall(ctx, storage.OrderCall{ID: in.OrderID, Call: made.call, To: to, From: from})
	made.call.Attempt = made.Attempt
	return made, err
}

// read is a call that changes nothing at the bank.
func (c *CFRONT) read(ctx context.Context, in OrderCallInput, name string, o storage.InstalmentOrder) (madeCall, error) {
	body, err := cfront.OrderBody(o.BankOrderID)
	made := madeCall{call: in.call(ctx, name, body)}
	made.call.Attempt = o.Attempts
	return made, err
}

func (in OrderCallInput) call(ctx context.Context, name string, body []byte) storage.Call {
	return storage.Call{Process: in.OrderID.WorkflowID(), Name: name, Step: in.Step, Cause: in.Cause, Waited: in.Waited,
		Execution: execution(ctx), At: time.Now(), Body: body}
}

// record commits the outcome of a call and says where the order then stands.
func (c *CFRONT) record(ctx context.Context, in OrderCallInput, made madeCall, outcome storage.Outcome, after storage.OrderAfter) (OrderCallResult, error) {
	outcome.Duration = time.Since(made.call.At)
	within, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordLimit)
	defer cancel()
	if after.OperatorReason == "" {
		after.OperatorReason = repeatsUnreadable(within, c.Ledger, made.call, outcome)
	}
	if !after.State.Terminal() && after.State != domain.OrderActive {
		after.Waits, after.NextWait = in.Waits, lengthened(in.NextWait, outcome.RetryAfter)
	}
	changed, err := c.Ledger.RecordOrderCall(within, storage.OrderRecord{
		ID: in.OrderID, Call: made.call, Started: made.Started, Outcome: outcome, After: after,
	})
	if err != nil {
		return OrderCallResult{}, err
	}
	got, err := c.standing(within, in.OrderID, outcome.FailureText())
	got.Behind, got.RetryAfter = !changed, outcome.RetryAfter
	if got.State.Terminal() { // a refusal that is certain ends the order instead
		after.OperatorReason = ""
	}
	c.report(ctx, made.call, outcome, after.OperatorReason)
	return got, err
}

// report counts and logs one call: ids, states and reasons only.
func (c *CFRONT) report(ctx context.Context, made storage.Call, o storage.Outcome, reason domain.OperatorReason) {
	c.Metrics.attempt(cfront.Partner, made.Name, o)
	note(ctx, made, o)
	level := slog.LevelInfo
	if reason != "" {
		level = slog.LevelError
	}
	slog.Log(ctx, level, "bank call", "process", made.Process, "call", made.Name, "attempt", made.Attempt, "cause", made.Cause,
		"outcome", o.Kind, "failure", o.FailureText(), "http_status", o.HTTPStatus, "bank_trace_id", o.TraceID, "operator_reason", reason, "duration", o.Duration)
}

// answered is the outcome of a call. words is the state that the bank told.
func answered(err error, meta cfront.Meta, words string) storage.Outcome {
	o := storage.Outcome{Kind: storage.Answered, HTTPStatus: meta.HTTPStatus, TraceID: meta.TraceID, Message: words, Dropped: meta.Dropped}
	var rejection *cfront.Rejection
	var failure *call.Failure
	switch {
	case err == nil:
	case errors.As(err, &rejection):
		o.Kind, o.Failure, o.HTTPStatus = string(domain.Invalid), domain.FailureRejected, rejection.Status
		o.TraceID, o.Message = rejection.TraceID, rejection.Message
		if rejection.Duplicate {
			o.Failure = domain.FailureDuplicate
		}
	case errors.As(err, &failure):
		o.Kind, o.Failure, o.HTTPStatus, o.TraceID = string(failure.Kind), failure.Reason, failure.Status, failure.TraceID
		o.Field, o.Unreadable, o.RetryAfter = failure.Field, failure.Unreadable(), failure.RetryAfter
	default:
		o.Kind, o.Failure = string(domain.Unknown), "unclassified"
	}
	return o
}

func (c *CFRONT) standing(ctx context.Context, id domain.StoreOrderID, failure string) (OrderCallResult, error) {
	o, err := c.Ledger.InstalmentOrder(ctx, id)
	return OrderCallResult{OrderStanding: orderStandingOf(o), Failure: failure}, final(err)
}

func (c *CFRONT) behind(ctx context.Context, id domain.StoreOrderID) (OrderCallResult, error) {
	got, err := c.standing(ctx, id, "")
	got.Behind = true
	return got, err
}

func behindOrder(o storage.InstalmentOrder) OrderCallResult {
	return OrderCallResult{OrderStanding: orderStandingOf(o), Behind: true}
}
