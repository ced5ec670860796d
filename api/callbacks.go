package api

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"tolem/domain"
	"tolem/partners/cfront"
	"tolem/storage"
	"tolem/workflows"
)

// maxCallback bounds a callback, in bytes; the document's has four fields.
const maxCallback = 16 << 10

// callback answers POST /callbacks/cfront/{token}: the bank has news of the order whose
// token it was given.
//
// 200 means that the ledger holds the news, once, however often it came. The news
// decides nothing: it wakes the order's process, which asks the bank for the state
// before it acts. Every other answer but 503 means that nothing was stored. A forged
// callback costs one HMAC and no look into the ledger.
func (s *Server) callback(c echo.Context) error {
	raw, err := readBytes(c, maxCallback, readLimit)
	if err != nil {
		return err
	}
	if !s.bank.VerifySignature(raw, c.Request().Header.Get(s.bank.SignatureHeader())) {
		return &problem{code: badSignature, detail: "the signature is not that of these bytes"}
	}
	news, err := cfront.DecodeStanding(raw)
	if err != nil {
		return &problem{code: invalidRequest, detail: "the body is not an order's state", cause: err}
	}
	ctx := c.Request().Context()
	order, err := s.recordNews(ctx, pathParameter(c, "token"), news)
	if err != nil {
		return err
	}
	concerns(c, order.ID.WorkflowID())
	return writeJSON(c, http.StatusOK, echo.MIMEApplicationJSON, struct {
		StoreOrderID string `json:"store_order_id"`
	}{order.ID.String()})
}

// recordNews commits the news and wakes whoever has to know.
func (s *Server) recordNews(ctx context.Context, token string, news cfront.Standing) (storage.InstalmentOrder, error) {
	within, cancel := context.WithTimeout(context.WithoutCancel(ctx), acceptLimit)
	defer cancel()
	order, err := s.ledger.OrderOfToken(within, token)
	if errors.Is(err, storage.ErrNotFound) {
		return order, &problem{code: notFound, detail: "no order was given this address"}
	}
	if err != nil {
		return order, fromLedger(err)
	}
	fresh, err := s.ledger.RecordCallback(within, storage.Callback{
		OrderID: order.ID, State: news.State, SubState: news.SubState, BankOrderID: news.OrderID, At: storage.At(time.Now()),
		Meaning: s.agreement.SubStates.Means(domain.BankState{State: news.State, SubState: news.SubState}),
	})
	if err != nil {
		return order, fromLedger(err)
	}
	if fresh {
		s.wakeOrder(ctx, order)
	}
	return order, nil
}

// wakeOrder tells an order's process that there is news, without waiting: the sweep
// tells a process that was not told. An order that has ended, and whose number at the bank
// is not known, has none: nobody could ask.
func (s *Server) wakeOrder(ctx context.Context, o storage.InstalmentOrder) {
	if o.State.Terminal() && o.BankOrderID == "" {
		return
	}
	s.starts.Go(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), startLimit)
		defer cancel()
		wake := workflows.TellNews
		if o.State.Terminal() {
			wake = workflows.StartMove
		}
		if err := wake(ctx, s.temporal, o.ID); err != nil {
			slog.WarnContext(ctx, "callback is recorded and its process not told; the sweep tells it", "process", o.ID.WorkflowID(), "error", err)
		}
	})
}
