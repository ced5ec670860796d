package activities

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"go.temporal.io/sdk/activity"

	"tolem/domain"
	"tolem/storage"
)

// FollowInput notes what a workflow did by a person's order that ends nothing.
type FollowInput struct {
	PaymentID domain.AgentTransactionID `json:"paymentId"`
	OrderID   int64                     `json:"orderId"`
	Effect    domain.Effect             `json:"effect"`
	Outcome   domain.State              `json:"outcome,omitempty"` // proposed: what a second operator may confirm
	Until     time.Time                 `json:"until,omitzero"`    // proposed: how long
}

// FollowResult says what the order really did, "" when the payment had ended
// before, and where the payment stands.
type FollowResult struct {
	Effect domain.Effect `json:"effect,omitempty"`
	State  domain.State  `json:"state,omitempty"`
	// Unknown is set when the ledger has no such action of this payment: nothing was done.
	Unknown bool `json:"unknown,omitempty"`
	Standing
}

// FollowOrder commits the effect with its journal row. An order takes effect once:
// one that has an effect keeps it, whatever is ordered now. An action that the ledger
// does not have for this payment does nothing. It fails only when the ledger does, and
// for good when there is no such payment.
func (l *Ledger) FollowOrder(ctx context.Context, in FollowInput) (FollowResult, error) {
	err := l.Ledger.Follow(ctx, storage.Following{
		PaymentID: in.PaymentID, OrderID: in.OrderID, Effect: in.Effect, Until: in.Until, Execution: execution(ctx),
	})
	unknown := errors.Is(err, storage.ErrNotFound)
	if err != nil && !unknown {
		return FollowResult{}, err
	}
	now, err := l.Ledger.Payment(ctx, in.PaymentID)
	if err != nil {
		return FollowResult{}, final(err)
	}
	if unknown {
		slog.ErrorContext(ctx, "action is not in the ledger", "process", in.PaymentID.WorkflowID(), "action", in.OrderID)
		return FollowResult{Unknown: true, State: now.State, Standing: standingOf(now)}, nil
	}
	order, err := l.Ledger.Action(ctx, in.PaymentID.WorkflowID(), in.OrderID)
	if err != nil {
		return FollowResult{}, final(err)
	}
	slog.InfoContext(ctx, "order followed", "process", in.PaymentID.WorkflowID(), "order", in.OrderID, "effect", order.Effect)
	return FollowResult{Effect: order.Effect, State: now.State, Standing: standingOf(now)}, nil
}

// ConfirmInput is a second operator's resolve.
type ConfirmInput struct {
	PaymentID domain.AgentTransactionID `json:"paymentId"`
	Step      int                       `json:"step"`
	OrderID   int64                     `json:"orderId"`
}

// ConfirmResult says where the payment stands, and what the order really did;
// Refusal, why it did nothing. Without either, another execution has written a
// later step, and the order may be tried again with a step above Step.
type ConfirmResult struct {
	State   domain.State   `json:"state"`
	Refusal domain.Refusal `json:"refusal,omitempty"`
	Effect  domain.Effect  `json:"effect,omitempty"`
	Step    int            `json:"step,omitempty"`
}

// ConfirmOrder ends a payment by the word of two different operators. Nobody is
// called. Idempotent on the order; it fails only when the ledger does.
func (l *Ledger) ConfirmOrder(ctx context.Context, in ConfirmInput) (ConfirmResult, error) {
	if err := checkStep(in.Step); err != nil {
		return ConfirmResult{}, err
	}
	now, refusal, err := l.Ledger.Confirm(ctx, storage.Confirmation{
		PaymentID: in.PaymentID, Step: in.Step, OrderID: in.OrderID, Execution: execution(ctx),
	})
	if err != nil {
		return ConfirmResult{}, final(err)
	}
	if refusal == domain.RefusalUnknownAction {
		slog.ErrorContext(ctx, "action is not in the ledger", "process", in.PaymentID.WorkflowID(), "action", in.OrderID)
		return ConfirmResult{State: now.State, Refusal: refusal, Step: now.Step}, nil
	}
	order, err := l.Ledger.Action(ctx, in.PaymentID.WorkflowID(), in.OrderID)
	if err != nil {
		return ConfirmResult{}, final(err)
	}
	slog.WarnContext(ctx, "resolve by a second operator", "process", in.PaymentID.WorkflowID(), "order", in.OrderID, "state", now.State, "refusal", refusal)
	return ConfirmResult{State: now.State, Refusal: refusal, Effect: order.Effect, Step: now.Step}, nil
}

// LapseInput drops a proposal that nobody confirmed in time.
type LapseInput struct {
	PaymentID domain.AgentTransactionID `json:"paymentId"`
	OrderID   int64                     `json:"orderId"` // that made the proposal
}

// LapseResult is empty.
type LapseResult struct{}

// LapseProposal lifts the hold of an unconfirmed resolve. It may run twice; it
// fails only when the ledger does.
func (l *Ledger) LapseProposal(ctx context.Context, in LapseInput) (LapseResult, error) {
	return LapseResult{}, l.Ledger.Lapse(ctx, in.PaymentID, in.OrderID, execution(ctx))
}

// LookUpInput names an action by its owner.
type LookUpInput struct {
	Process  string        `json:"process"` // workflow id
	ActionID int64         `json:"actionId"`
	Action   domain.Action `json:"action"`
}

// LookUpResult is what the ledger has of the action.
type LookUpResult struct {
	Known   bool         `json:"known,omitempty"`
	Outcome domain.State `json:"outcome,omitempty"` // resolve: the state that is asked for
	// Evidence is what a resolve cites beside its free text.
	Evidence domain.EvidenceKind `json:"evidence,omitempty"`
}

// LookUpAction reads an action of a process; one of another process, or of another kind, is
// not known. It changes nothing, and fails only when the ledger does.
func (l *Ledger) LookUpAction(ctx context.Context, in LookUpInput) (LookUpResult, error) {
	a, err := l.Ledger.Action(ctx, in.Process, in.ActionID)
	switch {
	case errors.Is(err, storage.ErrNotFound), err == nil && a.Action != in.Action:
		slog.ErrorContext(ctx, "action is not in the ledger", "process", in.Process, "action", in.ActionID)
		return LookUpResult{}, nil
	case err != nil:
		return LookUpResult{}, err
	}
	return LookUpResult{Known: true, Outcome: a.Outcome, Evidence: a.EvidenceKind}, nil
}

// ReadInput names a payment.
type ReadInput struct {
	PaymentID domain.AgentTransactionID `json:"paymentId"`
}

// ReadResult is where the ledger has a payment.
type ReadResult struct {
	State domain.State `json:"state"`
	Standing
}

// ReadPayment reads what a person's action changed in the ledger. It fails only when the
// ledger does, and for good when there is no such payment.
func (l *Ledger) ReadPayment(ctx context.Context, in ReadInput) (ReadResult, error) {
	now, err := l.Ledger.Payment(ctx, in.PaymentID)
	if err != nil {
		return ReadResult{}, final(err)
	}
	return ReadResult{State: now.State, Standing: standingOf(now)}, nil
}

// execution is the run that an activity works for.
func execution(ctx context.Context) string { return activity.GetInfo(ctx).WorkflowExecution.RunID }
