package api

import (
	"context"
	"errors"

	"github.com/labstack/echo/v4"

	"tolem/domain"
	"tolem/storage"
)

// releaseRestored releases a payment that a restored ledger holds: with a stored register
// that does not contain it, or by two people. 202 says that a second person has to release it
// too. It takes effect in the ledger at once; the workflow is woken and reads it there.
func (s *Server) releaseRestored(c echo.Context, p storage.Payment, a storage.Action) error {
	within, cancel := context.WithTimeout(context.WithoutCancel(c.Request().Context()), acceptLimit)
	defer cancel()
	done, now, fresh, err := s.ledger.ReleasePayment(within, p.ID, a)
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
	if done.Effect == domain.EffectReleased && !now.State.Terminal() {
		if err := s.wakePayment(c.Request().Context(), now); err != nil {
			return s.unanswered(within, done, err)
		}
	}
	return s.answerAction(c, done)
}

// releaseRestoredOrder is releaseRestored for an instalment order.
func (s *Server) releaseRestoredOrder(c echo.Context, o storage.InstalmentOrder, a storage.Action) error {
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
