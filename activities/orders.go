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

// FollowResult is empty.
type FollowResult struct{}

// FollowOrder commits the effect with its journal row. An order takes effect once;
// it fails only when the ledger does.
func (l *Ledger) FollowOrder(ctx context.Context, in FollowInput) (FollowResult, error) {
	slog.InfoContext(ctx, "order followed", "process", in.PaymentID.WorkflowID(), "order", in.OrderID, "effect", in.Effect)
	return FollowResult{}, l.Ledger.Follow(ctx, storage.Following{
		PaymentID: in.PaymentID, OrderID: in.OrderID, Effect: in.Effect, Outcome: in.Outcome, Until: in.Until,
		Execution: execution(ctx),
	})
}

// ConfirmInput is a second operator's resolve.
type ConfirmInput struct {
	PaymentID domain.AgentTransactionID `json:"paymentId"`
	Step      int                       `json:"step"`
	OrderID   int64                     `json:"orderId"`
}

// ConfirmResult says where the payment stands; Refusal, why it was not ended.
type ConfirmResult struct {
	State   domain.State   `json:"state"`
	Refusal domain.Refusal `json:"refusal,omitempty"`
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
	slog.WarnContext(ctx, "resolve by a second operator", "process", in.PaymentID.WorkflowID(), "order", in.OrderID, "state", now.State, "refusal", refusal)
	return ConfirmResult{State: now.State, Refusal: refusal}, nil
}

// LapseInput drops a proposal that nobody confirmed in time.
type LapseInput struct {
	PaymentID domain.AgentTransactionID `json:"paymentId"`
	OrderID   int64                     `json:"orderId"` // that made the proposal
}

// LapseProposal lifts the hold of an unconfirmed resolve. It may run twice; it
// fails only when the ledger does.
func (l *Ledger) LapseProposal(ctx context.Context, in LapseInput) (FollowResult, error) {
	return FollowResult{}, l.Ledger.Lapse(ctx, in.PaymentID, in.OrderID, execution(ctx))
}

// execution is the run that an activity works for.
func execution(ctx context.Context) string { return activity.GetInfo(ctx).WorkflowExecution.RunID }
