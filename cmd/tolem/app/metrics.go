package app

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"tolem/activities"
	"tolem/cmd/tolem/metrics"
	"tolem/workflows"
)

// measure prepares the metrics of a program, and has the ledger and Temporal's client,
// which is still to be made, tell theirs.
func (r *Running) measure(c *Config, parts Parts) *prometheus.Registry {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	registry.MustRegister(activities.GateMetric(r.ledger))
	r.ledger.OnEnd(activities.CountEnds(registry))
	if parts.API { // by APIs only: see there
		registry.MustRegister(activities.NewLedgerMetrics(r.ledger, activities.LedgerReadEvery))
	}
	sdk := metrics.Temporal(registry)
	sdk.Counter(workflows.LateLedgerWrites).Inc(0) // there from the start, so that an alert sees it rise
	c.Temporal.MetricsHandler = sdk
	return registry
}
