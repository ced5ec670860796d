package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"tolem/domain"
	"tolem/storage"
	"tolem/workflows"
)

// ledgerAction is what a repeated action is known by that takes effect in the ledger: on
// an order, or on a return of goods.
type ledgerAction struct {
	Process  string        `json:"process"`
	Action   domain.Action `json:"action"`
	Outcome  string        `json:"outcome"` // of resolve
	Reason   string        `json:"reason"`
	Evidence string        `json:"evidence"` // of resolve
}

// decodeLedgerAction reads {reason} and, for resolve, {outcome, evidence}.
func decodeLedgerAction(body []byte, action domain.Action, outcomes ...string) (ledgerAction, fieldErrors) {
	a := ledgerAction{Action: action}
	fields := map[string]reader{
		"reason": func(raw json.RawMessage) *complaint { return text(raw, maxReason, &a.Reason) },
	}
	words := strings.Join(outcomes, " or ")
	if action == domain.ActionResolve {
		fields["outcome"] = func(raw json.RawMessage) *complaint {
			return oneOf(raw, &a.Outcome, "must be "+words, func(word string) bool { return slices.Contains(outcomes, word) })
		}
		fields["evidence"] = func(raw json.RawMessage) *complaint { return text(raw, maxEvidence, &a.Evidence) }
	}
	wrong := decodeObject(body, fields)
	if wrong.unreadable() {
		return a, wrong
	}
	wrong.require("reason", a.Reason != "", reasonRule)
	if action == domain.ActionResolve {
		wrong.require("outcome", a.Outcome != "", "is required: "+words)
		wrong.require("evidence", a.Evidence != "", "is required: the bank's letter, or the line of a statement or register")
	}
	return a, wrong
}

// row is what the ledger keeps.
func (a ledgerAction) row(who, key string, at time.Time) storage.Action {
	return storage.Action{
		Process: a.Process, Action: a.Action, Outcome: domain.State(a.Outcome), Caller: who, IdempotencyKey: key,
		RequestSHA256: digestOf("ledger_action/1", a), Reason: a.Reason, Evidence: a.Evidence, RequestedAt: storage.At(at),
	}
}

// endOrder answers POST /v1/orders/{store_order_id}/resolve and /decline: two people say,
// on evidence, how an order ended that ends by nothing else.
//
// It takes effect in the ledger at once, also while Temporal does not answer. 202 means
// that a second operator has to say the same; 200 that the order has ended, or that the
// proposal is dropped.
func (s *Server) endOrder(action domain.Action) echo.HandlerFunc {
	return func(c echo.Context) error {
		key, body, err := keyAndBody(c)
		if err != nil {
			return err
		}
		a, wrong := decodeLedgerAction(body, action, string(domain.OrderPaidOut), string(domain.OrderFailed))
		if err := wrong.problem(); err != nil {
			return err
		}
		o, err := s.orderOfPath(c)
		if err != nil {
			return err
		}
		a.Process = o.ID.WorkflowID()
		return s.inLedgerOnOrder(c, o, a.row(callerOf(c).name, key, time.Now()))
	}
}

// inLedgerOnOrder has an action on an instalment order take effect in the ledger, wakes the
// order's workflow, which reads it there, and answers with both.
func (s *Server) inLedgerOnOrder(c echo.Context, o storage.InstalmentOrder, a storage.Action) error {
	within, cancel := context.WithTimeout(context.WithoutCancel(c.Request().Context()), acceptLimit)
	defer cancel()
	done, o, fresh, err := s.ledger.ActOnOrder(within, o.ID, a)
	var refused storage.ErrActionRefused
	switch {
	case errors.As(err, &refused):
		return orderRefusal(refused.Refusal, o.State)
	case err != nil:
		return fromLedger(err)
	case o.Wake:
		s.nudgeOrder(c.Request().Context(), o)
	}
	view, err := s.wholeOrder(c, o)
	if err != nil {
		return err
	}
	return writeLedgerAction(c, done, fresh, o.State.Terminal(), struct {
		orderView
		Action actionView `json:"action"`
	}{view, actionViewOf(done)})
}

// writeLedgerAction answers with a process as it stands, and the action.
func writeLedgerAction(c echo.Context, done storage.Action, fresh, ended bool, view any) error {
	if !fresh {
		replayed(c)
	}
	// 200 would be read as resolved.
	return writeJSON(c, statusOf(done.Effect == domain.EffectProposed && !ended, http.StatusOK), echo.MIMEApplicationJSON, view)
}

// nudgeOrder tells the workflow of an order that ended in the ledger, without waiting:
// the sweep tells one that was not told.
func (s *Server) nudgeOrder(ctx context.Context, o storage.InstalmentOrder) {
	s.starts.Go(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), startLimit)
		defer cancel()
		if err := workflows.TellNews(ctx, s.temporal, o.ID); err != nil {
			slog.WarnContext(ctx, "order has ended and its workflow is not told yet; the sweep tells it", "process", o.ID.WorkflowID(), "error", err)
		}
	})
}

// returnOfPath reads the return of the path.
func (s *Server) returnOfPath(c echo.Context) (storage.OrderReturn, error) {
	order, err := domain.ParseStoreOrderID(pathParameter(c, "id"))
	id, wrong := domain.ParseStoreReturnID(pathParameter(c, "return"))
	if err != nil || wrong != nil {
		return storage.OrderReturn{}, noSuchReturn
	}
	ctx, cancel := context.WithTimeout(c.Request().Context(), ledgerLimit)
	defer cancel()
	r, err := s.ledger.OrderReturn(ctx, order, id)
	if errors.Is(err, storage.ErrNotFound) {
		return r, noSuchReturn
	}
	if err != nil {
		return r, fromLedger(err)
	}
	concerns(c, r.WorkflowID())
	return r, nil
}

var noSuchReturn = &problem{code: notFound, detail: "the ledger holds no return of this store_return_id for this order"}

// returnProcess is the process of the path's return.
func (s *Server) returnProcess(c echo.Context) (string, error) {
	r, err := s.returnOfPath(c)
	return r.WorkflowID(), err
}

// getReturn answers GET /v1/orders/{store_order_id}/returns/{store_return_id}.
func (s *Server) getReturn(c echo.Context) error {
	r, err := s.returnOfPath(c)
	if err != nil {
		return err
	}
	view, err := s.wholeReturn(c, r)
	if err != nil {
		return err
	}
	return writeJSON(c, http.StatusOK, echo.MIMEApplicationJSON, view)
}

// actOnReturn answers POST /v1/orders/{store_order_id}/returns/{store_return_id}/{action}:
// a person's action on an open return of goods. It takes effect in the ledger at once; the
// process is told. 202 is a proposal, as with orders.
func (s *Server) actOnReturn(action domain.Action) echo.HandlerFunc {
	return func(c echo.Context) error {
		key, body, err := keyAndBody(c)
		if err != nil {
			return err
		}
		a, wrong := decodeLedgerAction(body, action, string(domain.ReturnReturned), string(domain.ReturnFailed))
		if err := wrong.problem(); err != nil {
			return err
		}
		r, err := s.returnOfPath(c)
		if err != nil {
			return err
		}
		a.Process = r.WorkflowID()
		within, cancel := context.WithTimeout(context.WithoutCancel(c.Request().Context()), acceptLimit)
		defer cancel()
		done, r, fresh, err := s.ledger.ActOnReturn(within, r.OrderID, r.ID, a.row(callerOf(c).name, key, time.Now()))
		var refused storage.ErrActionRefused
		switch {
		case errors.As(err, &refused):
			return &problem{code: problemCode(refused.Refusal), detail: fmt.Sprintf("the return is %s: %s", r.State, orderRefusals[refused.Refusal])}
		case err != nil:
			return fromLedger(err)
		case r.Wake:
			s.nudgeReturn(c.Request().Context(), r)
		}
		view, err := s.wholeReturn(c, r)
		if err != nil {
			return err
		}
		return writeLedgerAction(c, done, fresh, r.State.Terminal(), struct {
			returnView
			Action actionView `json:"action"`
		}{view, actionViewOf(done)})
	}
}

// nudgeReturn tells a return's workflow what people did, without waiting, as nudgeOrder.
func (s *Server) nudgeReturn(ctx context.Context, r storage.OrderReturn) {
	s.starts.Go(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), startLimit)
		defer cancel()
		if err := workflows.TellReturn(ctx, s.temporal, r.OrderID, r.ID); err != nil {
			slog.WarnContext(ctx, "action on a return is recorded and its workflow is not told yet; the sweep tells it", "process", r.WorkflowID(), "error", err)
		}
	})
}
