package api

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"tolem/domain"
	"tolem/partners/cfront"
	"tolem/storage"
)

// instalmentRoutes are those of orders and their returns of goods.
func (s *Server) instalmentRoutes() []route {
	store := []role{roleStore, roleViewer, roleOperator}
	return []route{
		{http.MethodPost, "/v1/orders", []role{roleStore}, nil, s.createOrder},
		{http.MethodGet, "/v1/orders", store, orderParameters, s.listOrders},
		{http.MethodGet, "/v1/orders/:id", store, nil, s.getOrder},
		{http.MethodGet, "/v1/orders/:id/guarantee-letter", []role{roleStore, roleOperator}, []string{"format"}, s.getLetter},
		{http.MethodPost, "/v1/orders/:id/confirm", []role{roleStore}, nil, s.decideOrder(domain.DecisionConfirm)},
		{http.MethodPost, "/v1/orders/:id/reject", []role{roleStore}, nil, s.decideOrder(domain.DecisionReject)},
		{http.MethodPost, "/v1/orders/:id/return", []role{roleStore}, nil, s.returnGoods},
		{http.MethodGet, "/v1/orders/:id/returns", store, nil, s.returnsOfOrder},
		{http.MethodGet, "/v1/orders/:id/attempts", store, []string{"limit", "cursor"}, s.attempts(s.orderProcess).list},
		{http.MethodGet, "/v1/orders/:id/actions", []role{roleViewer, roleOperator}, []string{"limit", "cursor"}, s.actions(s.orderProcess).list},
		{http.MethodPost, "/v1/orders/:id/retry", []role{roleOperator}, nil, s.actOnOrder(domain.ActionRetry)},
		{http.MethodPost, "/v1/orders/:id/hold", []role{roleOperator}, nil, s.actOnOrder(domain.ActionHold)},
		{http.MethodPost, "/v1/orders/:id/release", []role{roleOperator}, nil, s.actOnOrder(domain.ActionRelease)},
		{http.MethodPost, "/v1/orders/:id/resolve", []role{roleOperator}, nil, s.endOrder(domain.ActionResolve)},
		{http.MethodPost, "/v1/orders/:id/decline", []role{roleOperator}, nil, s.endOrder(domain.ActionDecline)},
		{http.MethodGet, "/v1/orders/:id/returns/:return", store, nil, s.getReturn},
		{http.MethodGet, "/v1/orders/:id/returns/:return/attempts", store, []string{"limit", "cursor"}, s.attempts(s.returnProcess).list},
		{http.MethodGet, "/v1/orders/:id/returns/:return/actions", []role{roleViewer, roleOperator}, []string{"limit", "cursor"}, s.actions(s.returnProcess).list},
		{http.MethodPost, "/v1/orders/:id/returns/:return/retry", []role{roleOperator}, nil, s.actOnReturn(domain.ActionRetry)},
		{http.MethodPost, "/v1/orders/:id/returns/:return/hold", []role{roleOperator}, nil, s.actOnReturn(domain.ActionHold)},
		{http.MethodPost, "/v1/orders/:id/returns/:return/release", []role{roleOperator}, nil, s.actOnReturn(domain.ActionRelease)},
		{http.MethodPost, "/v1/orders/:id/returns/:return/resolve", []role{roleOperator}, nil, s.actOnReturn(domain.ActionResolve)},
		{http.MethodPost, "/v1/orders/:id/returns/:return/decline", []role{roleOperator}, nil, s.actOnReturn(domain.ActionDecline)},
	}
}

// orderPath is where an order is looked at.
func orderPath(id domain.StoreOrderID) string { return "/v1/orders/" + url.PathEscape(id.String()) }

// orderOfPath reads the order of the path. There is one store: its tills see each
// other's orders.
func (s *Server) orderOfPath(c echo.Context) (storage.InstalmentOrder, error) {
	id, err := domain.ParseStoreOrderID(pathParameter(c, "id"))
	if err != nil {
		return storage.InstalmentOrder{}, noSuchOrder
	}
	ctx, cancel := context.WithTimeout(c.Request().Context(), ledgerLimit)
	defer cancel()
	o, err := s.ledger.InstalmentOrder(ctx, id)
	if errors.Is(err, storage.ErrNotFound) {
		return o, noSuchOrder
	}
	if err != nil {
		return o, fromLedger(err)
	}
	concerns(c, o.ID.WorkflowID())
	return o, nil
}

var noSuchOrder = &problem{code: notFound, detail: "the ledger holds no order of this store_order_id"}

// orderProcess is the process of the path's order.
func (s *Server) orderProcess(c echo.Context) (string, error) {
	o, err := s.orderOfPath(c)
	return o.ID.WorkflowID(), err
}

// getOrder answers GET /v1/orders/{store_order_id}, from the ledger.
func (s *Server) getOrder(c echo.Context) error {
	o, err := s.orderOfPath(c)
	if err != nil {
		return err
	}
	return s.writeOrder(c, http.StatusOK, o)
}

// orderParameters are those of GET /v1/orders.
var orderParameters = []string{"state", "point_id", "needs_operator", "held", "olderThan", "stuck", "createdAfter", "createdBefore", "limit", "cursor"}

// listOrders answers GET /v1/orders, the newest first.
func (s *Server) listOrders(c echo.Context) error {
	filter, err := orderFilter(parameters(c), time.Now())
	if err != nil {
		return err
	}
	return listed(c, func(ctx context.Context, cursor string, limit int) ([]storage.InstalmentOrder, string, error) {
		return s.ledger.InstalmentOrders(ctx, filter, cursor, limit)
	}, func(o storage.InstalmentOrder) orderView { return s.shown(c, o) })
}

// orderFilter reads the list's filters. Those that are given must all hold.
func orderFilter(given url.Values, now time.Time) (f storage.OrderFilter, err error) {
	for _, text := range given["state"] {
		for _, name := range strings.Split(text, ",") {
			state := domain.OrderState(name)
			if !state.Known() {
				return f, badParameter("state", ruleFormat, "must be states of an order, separated by commas")
			}
			f.States = append(f.States, state)
		}
	}
	if f.PointID = given.Get("point_id"); given.Has("point_id") && f.PointID == "" {
		return f, badParameter("point_id", ruleRequired, "must not be empty")
	}
	for name, into := range map[string]**bool{"needs_operator": &f.NeedsOperator, "held": &f.Held} {
		if *into, err = yesNoParameter(given, name); err != nil {
			return f, err
		}
	}
	if f.StuckSince, err = ago(given, "stuck", now); err != nil {
		return f, err
	}
	f.CreatedAfter, f.CreatedBefore, err = age(given, now)
	return f, err
}

// returnsOfOrder answers GET /v1/orders/{store_order_id}/returns, the oldest first.
func (s *Server) returnsOfOrder(c echo.Context) error {
	o, err := s.orderOfPath(c)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(c.Request().Context(), ledgerLimit)
	defer cancel()
	found, err := s.ledger.OrderReturns(ctx, o.ID)
	if err != nil {
		return fromLedger(err)
	}
	beside, err := s.besideReturns(ctx, o.ID, found)
	if err != nil {
		return err
	}
	return writePage(c, found, "", func(r storage.OrderReturn) returnView { return s.shownReturn(c, r, beside) })
}

// getLetter answers GET /v1/orders/{store_order_id}/guarantee-letter: what the bank
// tells of the contract now, as it came, or the letter itself (format=pdf). Nothing of
// it is kept.
func (s *Server) getLetter(c echo.Context) error {
	format := parameters(c).Get("format")
	if parameters(c).Has("format") && format != "json" && format != "pdf" {
		return badParameter("format", ruleFormat, "must be json or pdf")
	}
	o, err := s.orderOfPath(c)
	if err != nil {
		return err
	}
	if o.BankOrderID == "" {
		return &problem{code: noLetter, detail: "the bank has no contract for this order: it is " + string(o.State)}
	}
	ctx, cancel := context.WithTimeout(c.Request().Context(), s.partnerTimeout)
	defer cancel()
	asked := cfront.LetterRequest{OrderID: o.BankOrderID}
	if format == "pdf" {
		pdf, err := s.bank.LetterPDF(ctx, asked)
		if err != nil {
			return fromBank(err)
		}
		return c.Blob(http.StatusOK, "application/pdf", pdf)
	}
	letter, err := s.bank.LetterData(ctx, asked)
	if err != nil {
		return fromBank(err)
	}
	return c.Blob(http.StatusOK, echo.MIMEApplicationJSON, letter.Raw)
}
