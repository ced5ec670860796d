package app

import (
	"context"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"tolem/activities"
	"tolem/cmd/tolem/metrics"
)

// measure prepares the metrics of a program, and has the ledger and Temporal's client,
// which is still to be made, tell theirs.
func (r *Running) measure(c *Config, parts Parts) *prometheus.Registry {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	r.ledger.OnEnd(activities.CountEnds(registry))
	if parts.API { // by APIs only: see there
		registry.MustRegister(activities.NewLedgerMetrics(r.ledger, activities.LedgerReadEvery))
	}
	c.Temporal.MetricsHandler = metrics.Temporal(registry)
	return registry
}

// serveMetrics serves the metrics of a worker that was told where; an API serves its own.
func (r *Running) serveMetrics(ctx context.Context, c Config, parts Parts, registry *prometheus.Registry) (err error) {
	if parts.API || c.MetricsAddr == "" {
		return nil
	}
	if r.metrics, err = metrics.Serve(ctx, c.MetricsAddr, registry); err != nil {
		return fmt.Errorf("METRICS_ADDR: %w", err)
	}
	return nil
}
