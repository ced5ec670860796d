package api

import (
	"context"
	"net/http"

	"github.com/labstack/echo/v4"
	"go.temporal.io/sdk/client"

	"tolem/api/probes"
	"tolem/storage"
)

// livez says that the process answers requests, and which build it is.
func (s *Server) livez(c echo.Context) error { return c.String(http.StatusOK, probes.Alive(s.build)) }

// readyz says whether payments can be accepted and started, a line for each
// thing that takes. 503 when one fails; why is in the log.
func (s *Server) readyz(c echo.Context) error {
	return c.String(s.ready.Ask(c.Request().Context()))
}

// readiness is all that accepting and starting payments takes.
func (s *Server) readiness() *probes.Readiness {
	checks := []probes.Check{
		{Name: "ledger", Ask: CheckLedger(s.ledger)},
		{Name: "schema", Ask: s.ledger.CheckSchema},
		{Name: "temporal", Ask: s.checkTemporal},
	}
	if s.cluster != nil {
		checks = append(checks, probes.Check{Name: "cluster", Ask: s.cluster})
	}
	return probes.New(append(checks, probes.Check{Name: "serving", Ask: s.checkServing})...)
}

// CheckLedger fails while the ledger cannot be written, or lacks commits that it once had.
func CheckLedger(ledger *storage.Ledger) func(context.Context) error {
	return func(ctx context.Context) error {
		if err := ledger.CheckGate(); err != nil {
			return probes.Lack(err.Error())
		}
		return ledger.CheckWritable(ctx)
	}
}

// checkTemporal asks the frontend's health service.
func (s *Server) checkTemporal(ctx context.Context) error {
	_, err := s.temporal.CheckHealth(ctx, &client.CheckHealthRequest{})
	return err
}

// checkServing fails from Leave on.
func (s *Server) checkServing(context.Context) error {
	if s.leaving.Load() {
		return probes.Lack("no longer")
	}
	return nil
}
