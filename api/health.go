package api

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/labstack/echo/v4"
	"go.temporal.io/sdk/client"
	"golang.org/x/sync/singleflight"
)

// probeLimit bounds one probe of what we depend on; orchestrators ask again in
// seconds.
const probeLimit = 2 * time.Second

// health probes once for everybody who asks meanwhile: the route needs no token,
// and a flood of it must not reach the database.
type health struct{ flights singleflight.Group }

// probe is one line of /readyz.
type probe struct {
	name string
	err  error
}

// livez says that the process answers requests.
func (s *Server) livez(c echo.Context) error { return c.String(http.StatusOK, "ok\n") }

// readyz says whether payments can be accepted and started, a line for each
// thing that takes. 503 when one fails; why is in the log.
func (s *Server) readyz(c echo.Context) error {
	ctx := context.WithoutCancel(c.Request().Context()) // others may wait for the same probe
	result, _, _ := s.health.flights.Do("", func() (any, error) { return s.probe(ctx), nil })
	probes, _ := result.([]probe) // the function above returns nothing else
	status := http.StatusOK
	var lines strings.Builder
	for _, p := range probes {
		word := "ok"
		if p.err != nil {
			word, status = "failed", http.StatusServiceUnavailable
		}
		lines.WriteString(p.name + ": " + word + "\n")
	}
	return c.String(status, lines.String())
}

// probe asks everything at once.
func (s *Server) probe(ctx context.Context) []probe {
	ctx, cancel := context.WithTimeout(ctx, probeLimit)
	defer cancel()
	checks := []struct {
		name  string
		check func(context.Context) error
	}{
		{"ledger", s.ledger.Ping},
		{"schema", s.ledger.CheckSchema},
		{"temporal", s.checkTemporal},
		{"serving", s.checkServing},
	}
	probes := make([]probe, len(checks))
	var asked sync.WaitGroup
	for i, c := range checks {
		asked.Go(func() {
			probes[i] = probe{c.name, c.check(ctx)}
			if err := probes[i].err; err != nil {
				slog.WarnContext(ctx, "not ready", "check", c.name, "error", err)
			}
		})
	}
	asked.Wait()
	return probes
}

// checkTemporal asks the frontend's health service.
func (s *Server) checkTemporal(ctx context.Context) error {
	_, err := s.temporal.CheckHealth(ctx, &client.CheckHealthRequest{})
	return err
}

// checkServing fails while requests are being drained.
func (s *Server) checkServing(context.Context) error {
	select {
	case <-s.stopping:
		return errors.New("shutting down")
	default:
		return nil
	}
}
