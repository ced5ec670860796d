package app

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.temporal.io/sdk/client"

	"tolem/api"
	"tolem/api/hosts"
	"tolem/api/probes"
	"tolem/cmd/tolem/build"
)

// probeLimits of the worker's server: a probe takes two seconds at most.
const (
	probeReadLimit  = 5 * time.Second
	probeWriteLimit = 30 * time.Second
)

// serveProbes answers /livez, /readyz and /metrics of a worker, which is ready when it
// polls, its ledger can be written and has our schema and Temporal's cluster has what we need. On a
// loopback address only this machine's own names are answered.
func (r *Running) serveProbes(l net.Listener, c *cluster, registry *prometheus.Registry) {
	ready := probes.New(
		probes.Check{Name: "ledger", Ask: api.CheckLedger(r.ledger)},
		probes.Check{Name: "schema", Ask: r.ledger.CheckSchema},
		probes.Check{Name: "temporal", Ask: func(ctx context.Context) error {
			_, err := c.Temporal.CheckHealth(ctx, &client.CheckHealthRequest{})
			return err
		}},
		probes.Check{Name: "cluster", Ask: c.check},
		probes.Check{Name: "polling", Ask: r.checkPolling},
	)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, probes.Alive(build.Read().String()))
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, request *http.Request) {
		status, lines := ready.Ask(request.Context())
		answer(w, status, lines)
	})
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	r.probes = &http.Server{
		Handler: hosts.For(l.Addr()).Guard(mux), ReadHeaderTimeout: probeReadLimit, ReadTimeout: probeReadLimit, WriteTimeout: probeWriteLimit,
		ErrorLog: slog.NewLogLogger(slog.Default().Handler(), slog.LevelWarn),
	}
	r.ProbesAddr = l.Addr().String()
	go func() {
		if err := r.probes.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			slog.Error("the worker's probes are no longer answered", "error", err)
		}
	}()
}

func answer(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text) // whoever asked may have gone
}

// checkPolling fails before the worker polls, and while it drains.
func (r *Running) checkPolling(context.Context) error {
	if !r.polling.Load() {
		return probes.Lack("not yet, or no longer")
	}
	return nil
}
