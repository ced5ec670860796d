package activities

import (
	"context"
	"errors"
	"log/slog"

	"tolem/domain"
	"tolem/storage"
)

// EndOrderInput orders the end of an instalment order of which the bank knows
// nothing.
type EndOrderInput struct {
	OrderID    domain.StoreOrderID `json:"orderId"`
	Step       int                 `json:"step"`
	FailReason string              `json:"failReason"` // not believed: a rejected order fails for that
}

// EndUnsentOrder fails an order that its store rejected, if nothing was ever sent to the
// bank. Idempotent on
// the order and step; it fails only when the ledger does.
func (l *Ledger) EndUnsentOrder(ctx context.Context, in EndOrderInput) (OrderStanding, error) {
	if err := checkStep(in.Step); err != nil {
		return OrderStanding{}, err
	}
	now, err := l.Ledger.EndOrder(ctx, storage.OrderEnding{
		ID: in.OrderID, Step: in.Step, State: domain.OrderFailed, FailReason: domain.FailRejectedByStore, Unsent: true, Execution: execution(ctx),
	})
	return orderStandingOf(now), final(err)
}

// FlagOrderInput asks a person to look at an order.
type FlagOrderInput struct {
	OrderID domain.StoreOrderID   `json:"orderId"`
	Reason  domain.OperatorReason `json:"reason"`
}

// FlagInstalmentOrder raises needs_operator on an open order and journals why. It
// may run twice; it fails only when the ledger does.
func (l *Ledger) FlagInstalmentOrder(ctx context.Context, in FlagOrderInput) (FlagResult, error) {
	if err := checkReason(in.Reason); err != nil {
		return FlagResult{}, err
	}
	slog.ErrorContext(ctx, "order needs an operator", "process", in.OrderID.WorkflowID(), "reason", in.Reason)
	return FlagResult{}, l.Ledger.FlagOrder(ctx, in.OrderID, in.Reason, execution(ctx))
}

// FollowOrderInput notes what a workflow did by a person's action.
type FollowOrderInput struct {
	OrderID  domain.StoreOrderID `json:"orderId"`
	ActionID int64               `json:"actionId"`
	Effect   domain.Effect       `json:"effect"`
}

// FollowOrderResult says what the action really did, "" when the order had ended
// before, and where the order stands.
type FollowOrderResult struct {
	Effect domain.Effect `json:"effect,omitempty"`
	// Unknown is set when the ledger has no such action of this order: nothing was done.
	Unknown bool `json:"unknown,omitempty"`
	OrderStanding
}

// FollowInstalmentAction commits the effect with its journal row. An action takes
// effect once; one that the ledger does not have for this order does nothing. It fails
// only when the ledger does, and for good when there is no such order.
func (l *Ledger) FollowInstalmentAction(ctx context.Context, in FollowOrderInput) (FollowOrderResult, error) {
	err := l.Ledger.FollowOrder(ctx, storage.OrderFollowing{ID: in.OrderID, ActionID: in.ActionID, Effect: in.Effect, Execution: execution(ctx)})
	if errors.Is(err, storage.ErrNotFound) {
		slog.ErrorContext(ctx, "action is not in the ledger", "process", in.OrderID.WorkflowID(), "action", in.ActionID)
		now, err := l.Ledger.InstalmentOrder(ctx, in.OrderID)
		return FollowOrderResult{Unknown: true, OrderStanding: orderStandingOf(now)}, final(err)
	}
	if err != nil {
		return FollowOrderResult{}, err
	}
	action, err := l.Ledger.Action(ctx, in.OrderID.WorkflowID(), in.ActionID)
	if err != nil {
		return FollowOrderResult{}, final(err)
	}
	now, err := l.Ledger.InstalmentOrder(ctx, in.OrderID)
	slog.InfoContext(ctx, "order action followed", "process", in.OrderID.WorkflowID(), "action", in.ActionID, "effect", action.Effect)
	return FollowOrderResult{Effect: action.Effect, OrderStanding: orderStandingOf(now)}, err
}

// AutoConfirmInput names an order that confirms itself.
type AutoConfirmInput struct {
	OrderID domain.StoreOrderID `json:"orderId"`
}

// AutoConfirm decides to confirm an order whose store asked for that when it sent
// the order, unless the store has decided otherwise meanwhile. Idempotent on the
// order; it fails only when the ledger does.
func (l *Ledger) AutoConfirm(ctx context.Context, in AutoConfirmInput) (OrderStanding, error) {
	o, err := l.Ledger.InstalmentOrder(ctx, in.OrderID)
	if err == nil && o.AutoConfirm {
		o, err = l.Ledger.Decide(ctx, in.OrderID, domain.DecisionConfirm, o.Caller)
	}
	if errors.Is(err, storage.ErrDecided) || errors.Is(err, storage.ErrNotDeciding) {
		err = nil
	}
	return orderStandingOf(o), final(err)
}
