package api

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"
	"go.temporal.io/sdk/client"

	"tolem/domain"
	"tolem/partners/processing"
	"tolem/storage"
	"tolem/workflows"
)

// createPayment answers POST /v1/payments.
//
// 201, 200 and 202 mean that the payment is in the ledger and will reach its
// end, whatever happens to this process, to Temporal or to the caller. Every
// other answer but 5xx means that nothing was stored. Sending the same request
// with the same Idempotency-Key again is always safe.
func (s *Server) createPayment(c echo.Context) error {
	ctx, who := c.Request().Context(), callerOf(c)
	given, err := optionalKey(c.Request().Header)
	if err != nil {
		return err
	}
	body, err := readBody(c)
	if err != nil {
		return err
	}
	request, wrong := decodePayment(body)
	if len(wrong) > 0 {
		_ = s.checkAgainstCatalogue(ctx, request, &wrong) // the body is wrong even if the catalogue is not known
		return wrong.problem()
	}
	key, err := paymentKey(c, given, request.AgentTransactionID)
	if err != nil {
		return err
	}
	payment := s.newPayment(who, key, request)
	if !s.plainlyValid(ctx, request) {
		before, err := s.acceptedBefore(ctx, payment)
		if err == nil {
			return s.answerPayment(c, before, false)
		}
		if !errors.Is(err, storage.ErrNotFound) {
			return ofGivenKey(err, given)
		}
		if err := s.checkAgainstCatalogue(ctx, request, &wrong); err != nil {
			return err
		}
		if err := wrong.problem(); err != nil {
			return err
		}
	}
	payment.ServiceType = s.catalogue.typeOf(request.ServiceID)
	accepted, created, err := s.accept(ctx, payment)
	if err != nil {
		return ofGivenKey(err, given)
	}
	return s.answerPayment(c, accepted, created)
}

// plainlyValid says that a fresh catalogue finds nothing wrong with a request, so
// that acceptance itself may find out whether it is a repetition. Otherwise the
// ledger is asked first: a repetition is answered from the ledger alone, whatever
// the centre says of its services by now.
func (s *Server) plainlyValid(ctx context.Context, r paymentRequest) bool {
	var wrong fieldErrors
	return s.catalogue.fresh() && s.checkAgainstCatalogue(ctx, r, &wrong) == nil && len(wrong) == 0
}

// newPayment is the row that acceptance commits.
func (s *Server) newPayment(who caller, key string, r paymentRequest) storage.Payment {
	now := time.Now()
	return storage.Payment{
		ID: r.AgentTransactionID, Caller: who.name, IdempotencyKey: key, RequestSHA256: r.digest(),
		ServiceID: r.ServiceID, Account: r.Account, AmountTo: r.AmountTo, AmountFrom: r.AmountFrom,
		Extras: r.Extras, IdentityCard: r.IdentityCard, FullName: r.FullName, AutoPay: r.AutoPay,
		AgentTransactionDate: now.In(s.location).Format(processing.DateLayout),
		RetryInitial:         s.ladder.Initial, RetryFactorMilli: s.ladder.FactorMilli,
		CreatedAt: storage.At(now),
	}
}

// acceptedBefore is the payment that the caller's key already made.
func (s *Server) acceptedBefore(ctx context.Context, p storage.Payment) (storage.Payment, error) {
	ctx, cancel := context.WithTimeout(ctx, ledgerLimit)
	defer cancel()
	before, err := s.ledger.AcceptedBefore(ctx, p)
	if err != nil {
		return storage.Payment{}, fromLedger(err)
	}
	return before, nil
}

// accept commits the payment; whoever hangs up meanwhile has a payment.
func (s *Server) accept(ctx context.Context, p storage.Payment) (storage.Payment, bool, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), acceptLimit)
	defer cancel()
	accepted, created, err := s.ledger.Accept(ctx, p)
	if err != nil {
		return storage.Payment{}, false, fromLedger(err)
	}
	if created {
		s.metrics.accepted.Inc()
	}
	return accepted, created, nil
}

// answerPayment starts the payment if nobody has, waits as long as the caller
// prefers, and answers with where the ledger says that it stands.
func (s *Server) answerPayment(c echo.Context, p storage.Payment, created bool) error {
	concerns(c, p.ID.WorkflowID())
	run, ended := s.start(c.Request().Context(), p), http.StatusCreated
	if !created {
		ended = http.StatusOK
		replayed(c)
	}
	return s.answerInTime(c, p, run, ended)
}

// answerInTime waits for a payment as long as the caller prefers, waking at the
// end of run, and answers with where the ledger says that it stands: the status
// ended for one that has, 202 otherwise.
func (s *Server) answerInTime(c echo.Context, p storage.Payment, run client.WorkflowRun, ended int) error {
	h := c.Response().Header()
	if wait, preferred := preferredWait(c.Request().Header); preferred {
		h.Set("Preference-Applied", "wait="+strconv.Itoa(int(wait/time.Second)))
		p = waiting[storage.Payment]{row: p, settled: settled, look: s.look, run: run, stop: s.stopping}.until(c.Request().Context(), wait)
	}
	h.Set(echo.HeaderLocation, pathOf(p))
	status := ended
	if !p.State.Terminal() {
		status = http.StatusAccepted
		h.Set(echo.HeaderRetryAfter, strconv.Itoa(askAgain(p, time.Now())))
	}
	return s.writePayment(c, status, p)
}

// pathOf is where a payment is looked at.
func pathOf(p storage.Payment) string { return "/v1/payments/" + p.ID.String() }

// start starts the workflow of a payment that is still accepted, and finds the
// one of a payment that moves. A failure leaves the payment accepted, and the
// sweep starts it. Starting twice is harmless: the workflow's id is the payment's.
func (s *Server) start(ctx context.Context, p storage.Payment) client.WorkflowRun {
	switch {
	case p.State.Terminal():
		return nil
	case p.State != domain.StateAccepted:
		return s.temporal.GetWorkflow(ctx, p.ID.WorkflowID(), "")
	}
	started := make(chan client.WorkflowRun, 1)
	s.patiently(ctx, func(ctx context.Context) {
		run, err := workflows.StartPayment(ctx, s.temporal, s.terms.Input(p.ID, p.ServiceID, p.Ladder(), p.CreatedAt.Time))
		if err != nil {
			slog.WarnContext(ctx, "payment is accepted and not started yet; the sweep starts it", "process", p.ID.WorkflowID(), "error", err)
		}
		started <- run
	})
	select {
	case run := <-started:
		return run
	default:
		return nil
	}
}

// patiently waits startPatience for what Temporal is asked: a start, or news for a
// workflow. The asking itself goes on for startLimit, so that a slow Temporal delays
// a payment by seconds and not until the sweep.
func (s *Server) patiently(ctx context.Context, ask func(ctx context.Context)) {
	through := make(chan struct{})
	s.starts.Go(func() {
		defer close(through)
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), startLimit)
		defer cancel()
		ask(ctx)
	})
	patience := time.NewTimer(startPatience)
	defer patience.Stop()
	select {
	case <-through:
	case <-patience.C:
	}
}

// askAgain is when to look again, in seconds: at the next attempt, at least a
// second and at most a minute from now.
func askAgain(p storage.Payment, now time.Time) int {
	seconds := 1
	if p.NextAttemptAt != nil {
		seconds = int((p.NextAttemptAt.Sub(now) + time.Second - 1) / time.Second)
	}
	return min(max(seconds, 1), 60)
}
