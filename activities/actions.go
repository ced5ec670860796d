package activities

import (
	"context"
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
	Standing
}

// FollowOrder commits the effect with its journal row. An order takes effect once:
// one that has an effect keeps it, whatever is ordered now. It fails only when the
// ledger does.
func (l *Ledger) FollowOrder(ctx context.Context, in FollowInput) (FollowResult, error) {
	err := l.Ledger.Follow(ctx, storage.Following{
		PaymentID: in.PaymentID, OrderID: in.OrderID, Effect: in.Effect, Outcome: in.Outcome, Until: in.Until,
		Execution: execution(ctx),
	})
	if err != nil {
		return FollowResult{}, err
	}
	order, err := l.Ledger.Action(ctx, in.PaymentID.WorkflowID(), in.OrderID)
	if err != nil {
		return FollowResult{}, err
	}
	now, err := l.Ledger.Payment(ctx, in.PaymentID)
	if err != nil {
		return FollowResult{}, err
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
	now, refusal, err := l.Ledger.Confirm(ctx, storage.Confirmation{
		PaymentID: in.PaymentID, Step: in.Step, OrderID: in.OrderID, Execution: execution(ctx),
	})
	if err != nil {
		return ConfirmResult{}, err
	}
	order, err := l.Ledger.Action(ctx, in.PaymentID.WorkflowID(), in.OrderID)
	if err != nil {
		return ConfirmResult{}, err
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

// execution is the run that an activity works for.
func execution(ctx context.Context) string { return activity.GetInfo(ctx).WorkflowExecution.RunID }
