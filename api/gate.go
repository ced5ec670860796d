package api

import (
	"net/http"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"tolem/domain"
	"tolem/storage"
)

// gated is a route's handler behind the gate of a ledger that was restored. While the gate
// is closed, nothing that reads or writes the ledger is done. While people reconcile,
// existing rows are shown and operators act on them, and what callers send is not taken:
// it may repeat a request whose row is lost, and would do it twice.
func (s *Server) gated(r route) echo.HandlerFunc {
	if r.roles == nil && r.method != http.MethodPost { // probes, metrics, the contract
		return r.handler
	}
	fromCaller := r.method == http.MethodPost && r.roles != nil && !slices.Contains(r.roles, roleOperator)
	return func(c echo.Context) error {
		gate := s.ledger.Gate()
		stopped := gate == domain.GateClosed || gate == domain.GateReconciling && fromCaller
		switch {
		case !stopped && gate == domain.GateReconciling:
			return lost(r, r.handler(c))
		case !stopped:
			return r.handler(c)
		case strings.HasPrefix(r.path, "/restapi/"):
			return s.refuseK2(c, storage.ErrRestored)
		case gate == domain.GateClosed:
			return restored(storage.ErrRestored)
		}
		return reconciling()
	}
}

func restored(cause error) *problem {
	return &problem{code: ledgerRestored, cause: cause,
		detail: "nothing was stored or sent; send the same request later, with the same Idempotency-Key. An administrator runs `tolem after-restore`"}
}

func reconciling() *problem {
	return &problem{code: ledgerReconciling,
		detail: "nothing was stored or sent: the ledger was restored, and what you sent before may be missing in it. Send the same request later, with the same Idempotency-Key"}
}

// lost is an error of a route's handler while people reconcile: a row that the ledger does
// not have may be a lost one, so nobody is told that it never was.
func lost(r route, err error) error {
	ofProcess := strings.HasPrefix(r.path, "/v1/payment") || strings.HasPrefix(r.path, "/v1/orders") || strings.HasPrefix(r.path, "/callbacks/")
	if err != nil && ofProcess && problemOf(err).code == notFound {
		return reconciling()
	}
	return err
}
