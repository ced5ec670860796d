package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"go.temporal.io/sdk/log"

	"tolem/workers"
)

// Versions lists the versions of the configured deployment, the newest first.
func Versions(ctx context.Context, c Config) (versions []workers.Version, err error) {
	err = c.withCluster(ctx, func(cluster workers.Cluster) (err error) {
		versions, err = cluster.Versions(ctx, c.Deployment.Name)
		return err
	})
	return versions, err
}

// Promote gives a build of the configured deployment all tasks, or those of a share of the
// workflows, in percent; build "" is the configured one. It changes nothing while a queue
// lacks workers of the build. See workers.Cluster.
func Promote(ctx context.Context, c Config, build string, percent float32) (workers.Deployment, error) {
	if build != "" {
		c.Deployment.BuildID = build
	}
	if _, err := c.Deployment.Validate(); err != nil {
		return c.Deployment, fmt.Errorf("build id: %w", err)
	}
	if !c.Deployment.Versioned() {
		return c.Deployment, errors.New("which build? Name it, or set TEMPORAL_WORKER_BUILD_ID")
	}
	return c.Deployment, c.withCluster(ctx, func(cluster workers.Cluster) error { return cluster.Promote(ctx, c.Deployment, percent) })
}

// Replay has this program's workflows replay the newest histories of the cluster, of each
// workflow limit open and limit closed ones. It changes nothing.
func Replay(ctx context.Context, c Config, limit int) (replayed []workers.Replayed, err error) {
	quiet := log.NewStructuredLogger(slog.New(slog.DiscardHandler)) // what the workflows log is no news
	err = c.withCluster(ctx, func(cluster workers.Cluster) (err error) {
		replayed, err = cluster.Replay(ctx, limit, quiet)
		return err
	})
	return replayed, err
}
