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
