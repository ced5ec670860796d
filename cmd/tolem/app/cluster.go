package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"

	"tolem/api/probes"
	"tolem/workers"
)

const (
	// completeFor is how long a cluster that lacked nothing is not asked again: what it
	// has goes by somebody's hand alone, and orchestrators probe every few seconds.
	completeFor = time.Minute
	// completeEvery is the pause between a waiting worker's looks at the cluster.
	completeEvery = time.Second
	// lookLimit bounds one of those looks.
	lookLimit = 10 * time.Second
	// setupLimit bounds Setup; a server takes up what was added within seconds.
	setupLimit = 2 * time.Minute
)

// Setup gives Temporal's cluster what Tolem needs of it and returns what it did to each
// thing, also when it fails; done again it changes nothing. See workers.Cluster.
func Setup(ctx context.Context, c Config) ([]workers.Done, error) {
	temporal, err := c.temporalClient()
	if err != nil {
		return nil, err
	}
	defer temporal.Close()
	return c.cluster(temporal).apply(ctx)
}

// withCluster does work on Temporal's cluster, through a client of its own.
func (c Config) withCluster(ctx context.Context, work func(workers.Cluster) error) error {
	c.Temporal.Logger = log.NewStructuredLogger(slog.New(slog.DiscardHandler)) // what it says is in the errors
	temporal, err := client.DialContext(ctx, c.Temporal)
	if err != nil {
		return fmt.Errorf("temporal at %s: %w (TEMPORAL_ADDRESS says where it is)", c.Temporal.HostPort, err)
	}
	defer temporal.Close()
	return work(c.cluster(temporal).Cluster)
}

// meetCluster makes the worker's probes answer, then sets Temporal's cluster up, or waits
// until somebody has.
func (r *Running) meetCluster(ctx context.Context, c Config, registry *prometheus.Registry, parts Parts) error {
	found := c.cluster(r.temporal)
	if c.MetricsAddr != "" && !parts.API { // an API answers by itself
		listener, err := listen(ctx, "METRICS_ADDR", c.MetricsAddr)
		if err != nil {
			return err
		}
		r.serveProbes(listener, found, registry)
	}
	if !parts.Migrate {
		return found.await(ctx)
	}
	done, err := found.apply(ctx)
	for _, d := range done {
		slog.InfoContext(ctx, "Temporal is set up", "what", d.What, "name", d.Name, "did", d.Did)
	}
	return err
}

// cluster is Temporal's, seen through one process's client.
type cluster struct {
	workers.Cluster
	mu       sync.Mutex
	complete time.Time // when it last lacked nothing
}

func (c Config) cluster(temporal client.Client) *cluster {
	return &cluster{Cluster: workers.Cluster{Temporal: temporal, Namespace: namespace(c.Temporal), SweepOlderThan: c.SweepOlderThan}}
}

func (c *cluster) apply(ctx context.Context) ([]workers.Done, error) {
	ctx, cancel := context.WithTimeout(ctx, setupLimit)
	defer cancel()
	done, err := c.Apply(ctx)
	if err != nil {
		return done, fmt.Errorf("set up Temporal: %w (TEMPORAL_ADDRESS and TEMPORAL_NAMESPACE say where)", err)
	}
	return done, nil
}

// check fails with a probes.Lack while the cluster lacks something.
func (c *cluster) check(ctx context.Context) error {
	c.mu.Lock()
	fresh := time.Since(c.complete) < completeFor
	c.mu.Unlock()
	if fresh {
		return nil
	}
	lacks, err := c.Lacks(ctx)
	if err != nil {
		return err
	}
	if lacks != "" {
		return probes.Lack(lacks)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.complete = time.Now()
	return nil
}

// await returns when the cluster lacks nothing, or ctx ends. Each new reason is logged once.
func (c *cluster) await(ctx context.Context) error {
	tick := time.NewTicker(completeEvery)
	defer tick.Stop()
	var said string
	for {
		look, cancel := context.WithTimeout(ctx, lookLimit)
		err := c.check(look)
		cancel()
		if err == nil {
			return nil
		}
		if reason := err.Error(); reason != said && ctx.Err() == nil {
			said = reason
			slog.WarnContext(ctx, "the worker waits for Temporal", "reason", reason, "namespace", c.Namespace)
		}
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		case <-tick.C:
		}
	}
}
