package api

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"tolem/domain"
	"tolem/storage"
	"tolem/workflows"
)

// payPayment answers POST /v1/payments/{id}/pay, the second stage of a payment
// that asks its payer.
//
// 202 and 200 mean that the ledger holds this choice, and no other ever, and that
// the payment will reach its end with it, whatever happens to this process, to
// Temporal or to the caller; only an operator's cancel may still come before the
// first pay. Every other answer but 5xx means that nothing was
// stored and the payment waits as before. Sending the same choice again is always
// safe, also after the end.
func (s *Server) payPayment(c echo.Context) error {
	ctx, who := c.Request().Context(), callerOf(c)
	key, err := optionalKey(c.Request().Header) // a repetition is known by the choice itself
	if err != nil {
		return err
	}
	body, err := readOptionalBody(c)
	if err != nil {
		return err
	}
	given, wrong := decodeChoice(body)
	if err := wrong.problem(); err != nil {
		return err
	}
	p, err := s.ownPayment(c)
	if err != nil {
		return err
	}
	now := storage.At(time.Now())
	if p.ChoiceSHA256 != "" {
		now = *p.ChosenAt // a receipt that expired since then does not make it another choice
	} else if err := mayChoose(p, now.Time); err != nil {
		return err
	}
	choice, wrong, err := s.completed(p, given, who.name, now.Time)
	switch {
	case err != nil:
		return err
	case p.ChoiceSHA256 != "" && choice.SHA256 != p.ChoiceSHA256: // "" when it does not even fit
		return chosenBefore(p)
	case len(wrong) > 0:
		return wrong.problem()
	case p.ChoiceSHA256 == "":
		if p, err = s.choose(ctx, p.ID, choice); err != nil {
			return err
		}
	}
	if key == "" {
		key = choice.SHA256
	}
	p = s.tell(ctx, p, who.name+"/"+key)
	return s.answerInTime(c, p, s.start(ctx, p), http.StatusOK)
}

// ownPayment is the payment of the path, for the caller who had it accepted.
func (s *Server) ownPayment(c echo.Context) (storage.Payment, error) {
	p, err := s.visiblePayment(c)
	if err == nil && p.Caller != callerOf(c).name {
		return storage.Payment{}, &problem{code: forbidden, detail: "only the agent that sent the payment says what its payer chose"}
	}
	return p, err
}

// mayChoose says why a payment without a choice takes none; nil when it does.
func mayChoose(p storage.Payment, now time.Time) error {
	if p.State != domain.StateAwaitingPayer || p.PayerUntil != nil && !now.Before(p.PayerUntil.Time) {
		return notAwaiting(p)
	}
	return nil
}

// notAwaiting names the state of a payment that takes no choice, and what to do.
func notAwaiting(p storage.Payment) error {
	advice := "there is nothing left to choose; GET " + pathOf(p) + " says how it ends"
	switch {
	case p.State == domain.StateAccepted || p.State == domain.StateChecking:
		advice = "check has not asked the payer yet; GET " + pathOf(p) + " says when its state is awaiting_payer"
	case p.State == domain.StateAwaitingPayer:
		advice = "the time to choose is over and nothing was sent; send a new payment"
	case p.State.Terminal():
		advice = "that is its end; send a new payment if the payer still wants one"
	}
	return &problem{code: notAwaitingPayer, detail: "the payment is " + string(p.State) + ": " + advice}
}

// chosenBefore says that another choice stands.
func chosenBefore(p storage.Payment) error {
	return &problem{
		code:   alreadyChosen,
		detail: "the payment is " + string(p.State) + " with another choice, which cannot be changed; GET " + pathOf(p) + " shows it",
	}
}

// choose commits the choice; whoever hangs up meanwhile has chosen.
func (s *Server) choose(ctx context.Context, id domain.AgentTransactionID, choice storage.PayerChoice) (storage.Payment, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), acceptLimit)
	defer cancel()
	p, err := s.ledger.Choose(ctx, id, choice)
	switch {
	case err == nil:
		return p, nil
	case errors.Is(err, storage.ErrAlreadyChosen):
		return p, chosenBefore(p)
	case errors.Is(err, storage.ErrNotAwaitingPayer):
		return p, notAwaiting(p)
	}
	return p, fromLedger(err)
}

// tell tells the workflow of a payment that still waits that its choice is in the
// ledger, and returns the payment as it then stands. Every failure is logged and not shown:
// the choice is durable, and the sweep wakes a workflow that was not told. Telling
// twice is harmless.
func (s *Server) tell(ctx context.Context, p storage.Payment, updateID string) storage.Payment {
	if p.State != domain.StateAwaitingPayer {
		return p
	}
	told := make(chan error, 1)
	s.patiently(ctx, func(ctx context.Context) {
		err := workflows.TellChoice(ctx, s.temporal, p.ID, updateID)
		if err != nil {
			slog.WarnContext(ctx, "choice is recorded and its workflow not told; the sweep wakes it", "process", p.ID.WorkflowID(), "error", err)
		}
		told <- err
	})
	select {
	case err := <-told:
		if err == nil {
			return s.look(ctx, p)
		}
	default: // it goes on
	}
	return p
}
