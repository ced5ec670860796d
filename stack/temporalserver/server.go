// Package temporalserver runs a Temporal server and its web UI inside this
// process, for `go run ./stack`, for tests and for small installations.
//
// Frontend, history, matching and worker service listen on loopback only: the
// server has no authentication. Its data lie in one SQLite file or in two
// PostgreSQL databases. Whatever was acknowledged survives a kill: the next
// Start on the same data continues where the last one stopped.
package temporalserver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/server/common/config"
	"go.temporal.io/server/common/primitives"
	"go.temporal.io/server/temporal"
)

const (
	defaultRetention = 72 * time.Hour

	// startLimit is generous: a start takes about a second, on a machine busy
	// compiling tens of them.
	startLimit = 2 * time.Minute
)

// Options say where the server keeps its data and where it listens.
type Options struct {
	// DataDir holds the SQLite file temporal.db. It must exist, and only one
	// server may use it at a time: the caller locks it.
	DataDir string

	// PostgresURL (postgres://…) puts persistence and visibility on that server
	// instead, into the databases temporal and temporal_visibility. They are
	// created and migrated; the role needs CREATEDB the first time, and the
	// database named in the URL must exist.
	PostgresURL string

	// FrontendAddr and UIAddr are loopback host:port; port 0 picks a free one,
	// an empty UIAddr means no web UI.
	FrontendAddr string
	UIAddr       string

	// UIWriteActions lets people change things in the web UI: start, signal, reset, cancel and
	// terminate workflows. Without, it only shows.
	UIWriteActions bool

	// Namespace exists, with this Retention of closed workflows and these
	// search attributes, before the server starts. Empty means "default",
	// 0 means 72 hours.
	//
	// SQL visibility has 3 Int, 3 Double, 3 Datetime, 3 Bool, 10 Keyword,
	// 3 KeywordList and 3 Text columns per namespace. An attribute keeps its
	// column for ever: one dropped from this map stays, none changes its type.
	Namespace        string
	Retention        time.Duration
	SearchAttributes map[string]enumspb.IndexedValueType

	// Bare leaves all of that to somebody else: a new server then has no namespace but
	// its own, as a cluster has that was just installed.
	Bare bool

	// Log receives the server's warnings and errors, nothing below. Nil means
	// slog.Default().
	Log *slog.Logger
}

func (o Options) withDefaults() Options {
	if o.Namespace == "" {
		o.Namespace = "default"
	}
	if o.Retention == 0 {
		o.Retention = defaultRetention
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	return o
}

// Server is a running Temporal server.
type Server struct {
	frontend address
	ui       address
	server   temporal.Server
	web      *webUI // nil without UI
	log      *serverLog
	stop     sync.Once
}

// Start returns when the frontend answers health checks, the namespace is
// usable and the UI serves. ctx bounds that waiting, not the server's life.
//
// An error names what is in the way: the busy or not local address, the data
// file of another server version, the database that cannot be reached.
func Start(ctx context.Context, o Options) (*Server, error) {
	s, err := start(ctx, o.withDefaults())
	if err != nil {
		return nil, fmt.Errorf("temporal server: %w", err)
	}
	return s, nil
}

func start(ctx context.Context, o Options) (_ *Server, err error) {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()

	ports, err := choosePorts(ctx, o.FrontendAddr, o.UIAddr)
	if err != nil {
		return nil, err
	}
	log := &serverLog{log: o.Log, stopping: new(stopping)}

	store, err := o.prepareStore(ctx, log)
	if err != nil {
		return nil, err
	}
	probed := o.Namespace
	if o.Bare {
		probed = primitives.SystemLocalNamespace
	} else if err := prepareNamespace(ctx, store, o, log); err != nil {
		return nil, fmt.Errorf("namespace %q: %w", o.Namespace, err)
	}

	s := &Server{frontend: ports.frontend, ui: ports.ui, log: log}
	if s.server, err = run(serverConfig(ports, store), log); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			s.Stop()
		}
	}()

	if err := awaitFrontend(ctx, s.frontend, probed); err != nil {
		return nil, err
	}
	if s.ui.set() {
		if s.web, err = startUI(ctx, s.ui, uiConfig(s.frontend, o), log); err != nil {
			return nil, fmt.Errorf("web UI: %w", err)
		}
		if err := awaitUI(ctx, s.ui); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// prepareStore returns the persistence to use, its schema in place.
func (o Options) prepareStore(ctx context.Context, log *serverLog) (config.Persistence, error) {
	if o.PostgresURL != "" {
		return preparePostgres(ctx, o.PostgresURL, log)
	}
	if o.DataDir == "" {
		return config.Persistence{}, errors.New("neither DataDir nor PostgresURL is set")
	}
	return prepareSQLite(ctx, filepath.Join(o.DataDir, "temporal.db"))
}

// FrontendAddr is the host:port clients and workers dial.
func (s *Server) FrontendAddr() string { return s.frontend.String() }

// UIAddr is the web UI's host:port, "" without UI.
func (s *Server) UIAddr() string { return s.ui.String() }

// Stop ends UI and server and returns when every service has stopped, usually
// within two seconds. Open workflows stay open; calling it again does nothing.
func (s *Server) Stop() {
	s.stop.Do(func() {
		s.log.stopping.Store(true)
		if s.web != nil {
			s.web.Stop()
		}
		if err := s.server.Stop(); err != nil {
			s.log.log.Warn("temporal server: stop", "error", err)
		}
	})
}
