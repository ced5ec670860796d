package api

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"
	"go.temporal.io/api/serviceerror"

	"tolem/domain"
	"tolem/storage"
	"tolem/workflows"
)

// actOnOrder answers POST /v1/orders/{store_order_id}/{action}: a person's action on
// an open order, as actOnPayment does for payments.
func (s *Server) actOnOrder(action domain.Action) echo.HandlerFunc {
	return func(c echo.Context) error {
		key, body, err := keyAndBody(c)
		if err != nil {
			return err
		}
		request, wrong := decodeAction(body, action)
		if err := wrong.problem(); err != nil {
			return err
		}
		o, err := s.orderOfPath(c)
		if err != nil {
			return err
		}
		row := orderAction{o.ID, action, request.Reason}.row(callerOf(c).name, key, time.Now())
		if action == domain.ActionRelease && o.Restored {
			return s.inLedgerOnOrder(c, o, row)
		}
		placed, err := s.placeAndCarryOut(c, row, func(ctx context.Context, placed storage.Action) error {
			return s.carryOutOnOrder(ctx, o.ID, placed)
		})
		if err != nil {
			return err
		}
		return s.answerOrderAction(c, o, placed)
	}
}

// orderAction is what a repeated action is known by.
type orderAction struct {
	OrderID domain.StoreOrderID `json:"orderId"`
	Action  domain.Action       `json:"action"`
	Reason  string              `json:"reason"`
}

func (a orderAction) row(who, key string, at time.Time) storage.Action {
	return storage.Action{
		Process: a.OrderID.WorkflowID(), Action: a.Action, Caller: who, IdempotencyKey: key,
		RequestSHA256: digestOf("order_action/1", a), Reason: a.Reason, RequestedAt: storage.At(at),
	}
}

// carryOutOnOrder hands a placed action to the order's workflow and waits for what it
// did. nil means that the action has an effect.
func (s *Server) carryOutOnOrder(ctx context.Context, id domain.StoreOrderID, placed storage.Action) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.actionLimit)
	defer cancel()
	result, err := s.sendToOrder(ctx, placed)
	var missing *serviceerror.NotFound
	if errors.As(err, &missing) { // it has ended, or Temporal lost its memory
		var o storage.InstalmentOrder
		if o, err = s.ledger.InstalmentOrder(ctx, id); err != nil {
			return fromLedger(err)
		}
		if o.State.Terminal() {
			return orderRefusal(domain.RefusalOrderEnded, o.State)
		}
		if _, err = workflows.StartOrder(ctx, s.temporal, s.orderInput(o)); err == nil {
			result, err = s.sendToOrder(ctx, placed)
		}
	}
	if refused, ok := workflows.RefusedAction(err); ok {
		return orderRefusal(refused.Refusal, domain.OrderState(refused.State))
	}
	switch {
	case err != nil:
		return s.unanswered(ctx, placed, err)
	case result.Refusal != "":
		return orderRefusal(result.Refusal, result.State)
	}
	return nil
}

func (s *Server) sendToOrder(ctx context.Context, a storage.Action) (workflows.OrderActionResult, error) {
	return workflows.Act[workflows.OrderActionResult](ctx, s.temporal, a.Process, a.Action, a.Caller+" "+a.IdempotencyKey, workflows.ActionInput{OrderID: a.ID})
}

// unanswered is the problem of an action that is recorded and that no workflow answered.
func (s *Server) unanswered(ctx context.Context, a storage.Action, err error) error {
	slog.WarnContext(ctx, "action not answered by its workflow", "process", a.Process, "action", a.ID, "error", err)
	return &problem{code: temporalUnavailable, cause: err,
		detail: "the action is recorded and may take effect yet; send the same request with the same Idempotency-Key again"}
}

// orderRefusals are what each refusal of an action on an order, or a return, says after
// its state.
var orderRefusals = map[domain.Refusal]string{
	domain.RefusalOrderEnded:     "nothing leaves a final state",
	domain.RefusalOrderHeld:      "it is held: release it first",
	domain.RefusalNotHeld:        "it is not held, so there is nothing to release",
	domain.RefusalNeverSent:      "nothing was ever sent to the bank, so it cannot have paid or taken anything back",
	domain.RefusalBankSays:       "the bank's last word is the opposite; retry asks it again",
	domain.RefusalRejectFirst:    "the bank has an open application; the store rejects it first, so that the bank is told",
	domain.RefusalOtherOutcome:   "another operator proposed another outcome; decline drops the proposal",
	domain.RefusalSecondOperator: "you proposed this outcome; a second operator has to say the same",
	domain.RefusalNotProposed:    "there is no proposal to decline",
}

func orderRefusal(why domain.Refusal, state domain.OrderState) error {
	return &problem{code: problemCode(why), detail: "the order is " + string(state) + ": " + orderRefusals[why]}
}

// answerOrderAction answers with the order as the ledger has it, and the action.
func (s *Server) answerOrderAction(c echo.Context, o storage.InstalmentOrder, placed storage.Action) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.Request().Context()), ledgerLimit)
	defer cancel()
	o, err := s.ledger.InstalmentOrder(ctx, o.ID)
	if err == nil {
		placed, err = s.ledger.Action(ctx, placed.Process, placed.ID)
	}
	if err != nil {
		return fromLedger(err)
	}
	view, err := s.wholeOrder(c, o)
	if err != nil {
		return err
	}
	return writeJSON(c, http.StatusOK, echo.MIMEApplicationJSON, struct {
		orderView
		Action actionView `json:"action"`
	}{view, actionViewOf(placed)})
}
