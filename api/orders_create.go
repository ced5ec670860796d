package api

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"tolem/domain"
	"tolem/partners/cfront"
	"tolem/storage"
	"tolem/workflows"
)

// createOrder answers POST /v1/orders.
//
// 201, 200 and 202 mean that the order is in the ledger and will reach its end,
// whatever happens to this process, to Temporal or to the till. Every other answer but
// 5xx means that nothing was stored. The same request under the same store_order_id
// again is always safe: it is the same order.
func (s *Server) createOrder(c echo.Context) error {
	body, err := readBody(c)
	if err != nil {
		return err
	}
	request, wrong := decodeOrder(body, time.Now().In(s.location))
	if !wrong.unreadable() {
		request.checkAgreement(s.agreement, &wrong)
	}
	if err := wrong.problem(); err != nil {
		return err
	}
	order, err := s.newOrder(callerOf(c), request)
	if err != nil {
		return err
	}
	ctx := c.Request().Context()
	accepted, created, err := s.acceptOrder(ctx, order)
	if err != nil {
		return err
	}
	concerns(c, accepted.ID.WorkflowID())
	s.startOrder(ctx, accepted)
	ended := http.StatusCreated
	if !created {
		ended = http.StatusOK
		replayed(c)
	}
	return s.answerOrder(c, accepted, tillActs, ended)
}

// newOrder is the row that acceptance commits, with the exact bytes of every create.
func (s *Server) newOrder(who caller, r orderRequest) (storage.InstalmentOrder, error) {
	token := rand.Text()
	callback := ""
	if s.callbackURL != "" {
		callback = s.callbackURL + "/callbacks/cfront/" + token
	}
	body, err := r.create(callback).Body(s.agreement.Dialect)
	if err != nil {
		return storage.InstalmentOrder{}, notCarried("order", err)
	}
	shown, err := json.Marshal(r.orderTerms)
	if err != nil {
		return storage.InstalmentOrder{}, fmt.Errorf("keep the order's terms: %w", err)
	}
	return storage.InstalmentOrder{
		ID: r.StoreOrderID, Caller: who.name, RequestSHA256: r.digest(), Request: string(shown), ClientPhone: r.ClientPhone,
		PointID: r.Invoice.PointID, TotalSum: r.TotalSum, ValidateClient: r.ValidateClient, AutoConfirm: r.AutoConfirm,
		CallbackToken: token, CreateBody: body, RetryInitial: s.ladder.Initial, RetryFactorMilli: s.ladder.FactorMilli,
		CreatedAt: storage.At(time.Now()),
	}, nil
}

// ourNames are those of fields that the bank's protocol calls otherwise.
var ourNames = strings.NewReplacer("available_programs", "credit_products", "additional_params.", "")

// notCarried is a request that the bank's protocol cannot carry, whatever else is right with it.
func notCarried(what string, err error) error {
	p := &problem{code: invalidRequest, detail: "the bank's protocol cannot carry this " + what + "; nothing was stored", cause: err}
	var field *cfront.FieldError
	if errors.As(err, &field) {
		p.fields = []fieldError{{ourNames.Replace(field.Field), ruleRange, field.Rule}}
	}
	return p
}

// acceptOrder commits the order; whoever hangs up meanwhile has an order.
func (s *Server) acceptOrder(ctx context.Context, o storage.InstalmentOrder) (storage.InstalmentOrder, bool, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), acceptLimit)
	defer cancel()
	accepted, created, err := s.ledger.AcceptOrder(ctx, o)
	if errors.Is(err, storage.ErrOrderIDTaken) {
		return o, false, &problem{code: orderIDTaken, detail: "the bank keeps one order for a store_order_id: send another order under a number of its own"}
	}
	if err != nil {
		return o, false, fromLedger(err)
	}
	return accepted, created, nil
}

// startOrder starts the workflow of an order that is still accepted. A failure leaves
// it accepted, and the sweep starts it. Starting twice is harmless.
func (s *Server) startOrder(ctx context.Context, o storage.InstalmentOrder) {
	if o.State != domain.OrderAccepted {
		return
	}
	s.patiently(ctx, func(ctx context.Context) {
		if _, err := workflows.StartOrder(ctx, s.temporal, s.orderInput(o)); err != nil {
			slog.WarnContext(ctx, "order is accepted and not started yet; the sweep starts it", "process", o.ID.WorkflowID(), "error", err)
		}
	})
}

func (s *Server) orderInput(o storage.InstalmentOrder) workflows.OrderInput {
	return s.orderTerms.Order(o.ID, o.Ladder(), workflows.OrderOptions{ValidateClient: o.ValidateClient, AutoConfirm: o.AutoConfirm})
}

// tillActs says that the till has something to do, or nothing to wait for: the
// store's decision is asked, the bank confirmed, or the order ended.
func tillActs(o storage.InstalmentOrder) bool {
	return o.State.Terminal() || o.State == domain.OrderActive || o.State == domain.OrderWaitingForStore && o.Decision == ""
}

// answerOrder waits as long as the till prefers for what it waits for, and answers with
// where the ledger says that the order stands: 202 while that has not come.
func (s *Server) answerOrder(c echo.Context, o storage.InstalmentOrder, done func(storage.InstalmentOrder) bool, ended int) error {
	h := c.Response().Header()
	if wait, preferred := preferredWait(c.Request().Header); preferred {
		h.Set("Preference-Applied", "wait="+strconv.Itoa(int(wait/time.Second)))
		o = waiting[storage.InstalmentOrder]{row: o, settled: done, look: s.lookOrder, stop: s.stopping}.until(c.Request().Context(), wait)
	}
	h.Set(echo.HeaderLocation, orderPath(o.ID))
	if !done(o) {
		h.Set(echo.HeaderRetryAfter, "2")
	}
	return s.writeOrder(c, statusOf(!done(o), ended), o)
}

// lookOrder reads the order again; what was known stands if the ledger does not answer.
func (s *Server) lookOrder(ctx context.Context, o storage.InstalmentOrder) storage.InstalmentOrder {
	ctx, cancel := context.WithTimeout(ctx, ledgerLimit)
	defer cancel()
	now, err := s.ledger.InstalmentOrder(ctx, o.ID)
	if err != nil {
		return o
	}
	return now
}
