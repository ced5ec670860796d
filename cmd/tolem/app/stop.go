package app

import (
	"context"
	"log/slog"
	"time"

	"tolem/workers"
)

// Drain has /readyz answer 503 while the API goes on serving for DRAIN_DELAY, or until ctx ends:
// whoever routes to it needs that long to notice. Nobody routes to a worker.
func (r *Running) Drain(ctx context.Context) {
	if r.server == nil {
		return
	}
	r.server.Leave()
	select {
	case <-time.After(r.drainDelay):
	case <-ctx.Done():
	}
}

// StopLimit is the longest that Drain and Stop take together: who kills earlier cuts off what
// is under way.
func (c Config) StopLimit(parts Parts) (limit time.Duration) {
	if parts.API {
		limit += c.DrainDelay + drainLimit
	}
	if parts.Worker {
		limit += workers.StopLimit(c.PartnerTimeout)
	}
	return limit
}

// Stop drains: the API takes no new request and finishes those under way, then
// the worker finishes its calls. It returns when both have, or their limits are
// over.
func (r *Running) Stop() {
	r.polling.Store(false)
	if r.server != nil {
		ctx, cancel := context.WithTimeout(context.Background(), drainLimit)
		defer cancel()
		if err := r.server.Shutdown(ctx); err != nil {
			slog.Warn("some requests were cut off", "error", err)
		}
	}
	if r.workers != nil {
		r.workers.Stop()
	}
	if r.probes != nil {
		_ = r.probes.Close() // a probe cut off is asked again elsewhere
	}
	if r.loxon != nil {
		_ = r.loxon.Close() // the workers have finished; an event that was not acknowledged is told again
	}
	if r.instances != nil {
		r.instances.end()
	}
	if r.mark != nil {
		r.mark.end()
	}
	if r.temporal != nil {
		r.temporal.Close()
	}
	if r.ledger != nil {
		_ = r.ledger.Close() // nothing is written after the drain
	}
}
