package api

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"tolem/partners/cfront"
	"tolem/storage"
	"tolem/workflows"
)

// returnGoods answers POST /v1/orders/{store_order_id}/return: goods came back, all or
// some, after the bank had confirmed the sale.
//
// 201, 200 and 202 mean that the return is in the ledger and will reach its end. The
// same request under the same store_return_id again is the same return.
func (s *Server) returnGoods(c echo.Context) error {
	body, err := readBody(c)
	if err != nil {
		return err
	}
	request, wrong := decodeReturn(body)
	if err := wrong.problem(); err != nil {
		return err
	}
	o, err := s.orderOfPath(c)
	if err != nil {
		return err
	}
	goods, err := s.newReturn(callerOf(c), o, request)
	if err != nil {
		return err
	}
	ctx := c.Request().Context()
	accepted, created, err := s.acceptReturn(ctx, goods)
	if err != nil {
		return err
	}
	s.startReturn(ctx, accepted)
	return s.answerReturn(c, accepted, created)
}

// newReturn is the row that acceptance commits, with the exact bytes of every return.
func (s *Server) newReturn(who caller, o storage.InstalmentOrder, r returnRequest) (storage.OrderReturn, error) {
	if o.BankOrderID == "" {
		return storage.OrderReturn{}, fromReturn(storage.ErrNotReturnable)
	}
	body, err := cfront.ReturnRequest{OrderID: o.BankOrderID, Sum: r.Sum, StoreReturnID: string(r.StoreReturnID), ToCard: r.ToCard, NDS: r.NDS}.Body(s.agreement.Dialect)
	if err != nil {
		return storage.OrderReturn{}, notCarried("return", err)
	}
	return storage.OrderReturn{
		OrderID: o.ID, ID: r.StoreReturnID, Caller: who.name, RequestSHA256: digestOf("return/1", r), Sum: r.Sum, ToCard: r.ToCard, Body: body,
		RetryInitial: s.ladder.Initial, RetryFactorMilli: s.ladder.FactorMilli, CreatedAt: storage.At(time.Now()),
	}, nil
}

// acceptReturn commits the return; whoever hangs up meanwhile has one.
func (s *Server) acceptReturn(ctx context.Context, r storage.OrderReturn) (storage.OrderReturn, bool, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), acceptLimit)
	defer cancel()
	accepted, created, err := s.ledger.AcceptReturn(ctx, r)
	if err != nil {
		return r, false, fromReturn(err)
	}
	return accepted, created, nil
}

// fromReturn reads why a return was not accepted.
func fromReturn(err error) error {
	for known, code := range map[error]problemCode{
		storage.ErrReturnIDTaken: returnIDTaken, storage.ErrNotReturnable: notReturnable,
		storage.ErrReturnTooLarge: returnTooLarge, storage.ErrReturnOpen: returnOpen,
	} {
		if errors.Is(err, known) {
			return &problem{code: code, detail: known.Error()}
		}
	}
	return fromLedger(err)
}

// startReturn starts the workflow of a return that is under way. A failure leaves it
// to the sweep. Starting twice is harmless.
func (s *Server) startReturn(ctx context.Context, r storage.OrderReturn) {
	if r.State.Terminal() {
		return
	}
	s.patiently(ctx, func(ctx context.Context) {
		if _, err := workflows.StartReturn(ctx, s.temporal, s.orderTerms.Return(r.OrderID, r.ID, r.Ladder())); err != nil {
			slog.WarnContext(ctx, "return is accepted and not started yet; the sweep starts it", "process", r.WorkflowID(), "error", err)
		}
	})
}

// answerReturn waits as long as the till prefers and answers with where the ledger
// says that the return stands.
func (s *Server) answerReturn(c echo.Context, r storage.OrderReturn, created bool) error {
	h := c.Response().Header()
	if wait, preferred := preferredWait(c.Request().Header); preferred {
		h.Set("Preference-Applied", "wait="+strconv.Itoa(int(wait/time.Second)))
		r = waiting[storage.OrderReturn]{row: r, settled: func(r storage.OrderReturn) bool { return r.State.Terminal() }, look: s.lookReturn, stop: s.stopping}.
			until(c.Request().Context(), wait)
	}
	ended := http.StatusCreated
	if !created {
		ended = http.StatusOK
		replayed(c)
	}
	if !r.State.Terminal() {
		h.Set(echo.HeaderRetryAfter, "2")
	}
	h.Set(echo.HeaderLocation, orderPath(r.OrderID)+"/returns")
	view, err := s.wholeReturn(c, r)
	if err != nil {
		return err
	}
	return writeJSON(c, statusOf(!r.State.Terminal(), ended), echo.MIMEApplicationJSON, view)
}

// lookReturn reads the return again; what was known stands if the ledger does not
// answer.
func (s *Server) lookReturn(ctx context.Context, r storage.OrderReturn) storage.OrderReturn {
	ctx, cancel := context.WithTimeout(ctx, ledgerLimit)
	defer cancel()
	now, err := s.ledger.OrderReturn(ctx, r.OrderID, r.ID)
	if err != nil {
		return r
	}
	return now
}
