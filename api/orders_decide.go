package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"tolem/domain"
	"tolem/partners/cfront"
	"tolem/storage"
	"tolem/workflows"
)

// decideOrder answers POST /v1/orders/{store_order_id}/confirm and /reject: the
// store's decision, taken once.
//
// 200 and 202 mean that the ledger holds this decision, and no other ever, and that the
// bank will hear it, whatever happens to this process, to Temporal or to the till. The
// same decision again gets the same answer, also after the end. 409 means that it was
// not taken: the store decided otherwise before, or the order takes none.
func (s *Server) decideOrder(d domain.Decision) echo.HandlerFunc {
	return func(c echo.Context) error {
		body, err := readOptionalBody(c)
		if err != nil {
			return err
		}
		wrong := decodeObject(body, nil)
		if err := wrong.problem(); err != nil {
			return err
		}
		o, err := s.orderOfPath(c)
		if err != nil {
			return err
		}
		ctx := c.Request().Context()
		if o, err = s.decide(ctx, o.ID, d, callerOf(c).name); err != nil {
			return err
		}
		return s.answerOrder(c, s.tellDecision(ctx, o), decided, http.StatusOK)
	}
}

// decided says that the bank's word on a decision is known.
func decided(o storage.InstalmentOrder) bool {
	return o.State.Terminal() || o.State == domain.OrderActive
}

// decide commits the decision; whoever hangs up meanwhile has decided.
func (s *Server) decide(ctx context.Context, id domain.StoreOrderID, d domain.Decision, who string) (storage.InstalmentOrder, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), acceptLimit)
	defer cancel()
	o, err := s.ledger.Decide(ctx, id, d, who)
	switch {
	case errors.Is(err, storage.ErrDecided):
		return o, &problem{code: alreadyDecided, detail: fmt.Sprintf("%s decided %s at %s, which cannot be changed; the order is %s",
			o.DecidedBy, o.Decision, o.DecidedAt.UTC().Format(time.RFC3339), o.State)}
	case errors.Is(err, storage.ErrNotDeciding):
		return o, &problem{code: notDeciding, detail: fmt.Sprintf("the order is %s: %s", o.State, notDecidingRule(o, d))}
	case err != nil:
		return o, fromLedger(err)
	}
	return o, nil
}

func notDecidingRule(o storage.InstalmentOrder, d domain.Decision) string {
	switch {
	case o.State.Settled():
		return "the bank has confirmed the sale; goods that come back are a return"
	case o.State.Terminal():
		return "nothing is left to decide"
	case d == domain.DecisionConfirm:
		return "it can be confirmed when the customer has agreed (state waiting_for_store)"
	}
	return "it takes no decision now"
}

// tellDecision tells the workflow of an order that its decision is in the ledger, and
// returns the order as it then stands. Every failure is logged and not shown: the
// decision is durable, and the sweep tells a workflow that was not told. One that ended
// the order in the ledger is told without waiting.
func (s *Server) tellDecision(ctx context.Context, o storage.InstalmentOrder) storage.InstalmentOrder {
	if o.Wake {
		s.nudgeOrder(ctx, o)
	}
	if o.State.Terminal() || o.DecisionSentAt != nil {
		return o
	}
	s.patiently(ctx, func(ctx context.Context) {
		if err := workflows.TellDecision(ctx, s.temporal, o.ID, string(o.Decision)); err != nil {
			slog.WarnContext(ctx, "decision is recorded and its workflow not told; the sweep tells it", "process", o.ID.WorkflowID(), "error", err)
		}
	})
	return s.lookOrder(context.WithoutCancel(ctx), o)
}

// returnRequest is the body of POST /v1/orders/{store_order_id}/return.
type returnRequest struct {
	StoreReturnID domain.StoreReturnID `json:"store_return_id"`
	Sum           domain.Money         `json:"sum"`
	ToCard        bool                 `json:"return_money_to_card"`
	NDS           *domain.Money        `json:"nds"`
}

func decodeReturn(body []byte) (r returnRequest, wrong fieldErrors) {
	toCard := false
	wrong = decodeObject(body, map[string]reader{
		"store_return_id":      func(raw json.RawMessage) *complaint { return storeNumber(raw, (*string)(&r.StoreReturnID)) },
		"sum":                  func(raw json.RawMessage) *complaint { return money(cfront.MaxSum, raw, &r.Sum) },
		"return_money_to_card": func(raw json.RawMessage) *complaint { toCard = true; return yesOrNo(raw, &r.ToCard) },
		"nds":                  func(raw json.RawMessage) *complaint { return amountUpTo(cfront.MaxSum, raw, &r.NDS) },
	})
	if wrong.unreadable() {
		return r, wrong
	}
	wrong.require("store_return_id", r.StoreReturnID != "", "is required")
	wrong.require("sum", r.Sum != 0, "is required")
	wrong.require("return_money_to_card", toCard, "is required: false says that the store has given the money back in cash already")
	return r, wrong
}
