package api

import (
	"context"
	"errors"
	"time"

	"github.com/labstack/echo/v4"

	"tolem/domain"
	"tolem/storage"
	"tolem/workflows"
)

// declinePayment answers POST /v1/payments/{id}/decline: a person drops the open resolve
// proposal of a payment, a colleague's or one's own.
//
// It takes effect in the ledger at once, whoever runs the payment; then the payment's
// workflow is woken and goes on. After 503 the same request with the same Idempotency-Key
// wakes it.
func (s *Server) declinePayment(c echo.Context) error {
	key, body, err := keyAndBody(c)
	if err != nil {
		return err
	}
	request, wrong := decodeAction(body, domain.ActionDecline)
	if err := wrong.problem(); err != nil {
		return err
	}
	p, err := s.visiblePayment(c)
	if err != nil {
		return err
	}
	request.PaymentID = p.ID
	within, cancel := context.WithTimeout(context.WithoutCancel(c.Request().Context()), acceptLimit)
	defer cancel()
	done, now, fresh, err := s.ledger.DeclineProposal(within, p.ID, request.row(callerOf(c).name, key, time.Now()))
	var refused storage.ErrActionRefused
	switch {
	case errors.As(err, &refused):
		return refusal(refused.Refusal, now.State, false)
	case err != nil:
		return fromLedger(err)
	}
	if !fresh {
		replayed(c)
	}
	if !now.State.Terminal() {
		if err := s.wakePayment(c.Request().Context(), now); err != nil {
			return s.unanswered(within, done, err)
		}
	}
	return s.answerAction(c, done)
}

// wakePayment has the workflow of an open payment read what changed in the ledger.
func (s *Server) wakePayment(ctx context.Context, p storage.Payment) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), startLimit)
	defer cancel()
	return workflows.WakePayment(ctx, s.temporal, s.terms.Input(p.ID, p.ServiceID, p.Ladder(), p.Since()))
}
