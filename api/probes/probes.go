// Package probes answers whether a process is ready, for API and worker alike.
package probes

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
)

// limit bounds one probe of what a process depends on; orchestrators ask again in
// seconds.
const limit = 2 * time.Second

// Check is one thing that readiness takes. An error of Ask is written to the log; whoever
// asks is told only that it failed, unless the error is a Lack.
type Check struct {
	Name string
	Ask  func(context.Context) error
}

// Lack is an error whose text anybody may read: it names what is missing and what to do,
// and nothing that came from elsewhere.
type Lack string

// Error is what is missing.
func (l Lack) Error() string { return string(l) }

// Readiness probes once for everybody who asks meanwhile: the route needs no token, and a
// flood of it must not reach the database.
type Readiness struct {
	checks  []Check
	flights singleflight.Group
}

// New is the readiness that takes all of these checks, told in this order.
func New(checks ...Check) *Readiness { return &Readiness{checks: checks} }

// answer is what one probe found.
type answer struct {
	status int
	lines  string
}

// Ask runs every check at once, two seconds at most, and returns the status to answer, 200
// or 503, and a line for each: "name: ok", "name: failed", or "name: " and the lack.
func (r *Readiness) Ask(ctx context.Context) (status int, lines string) {
	ctx = context.WithoutCancel(ctx) // others may wait for the same probe
	result, _, _ := r.flights.Do("", func() (any, error) { return r.probe(ctx), nil })
	a, _ := result.(answer) // the function above returns nothing else
	return a.status, a.lines
}

func (r *Readiness) probe(ctx context.Context) answer {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	found := make([]error, len(r.checks))
	var asked sync.WaitGroup
	for i, c := range r.checks {
		asked.Go(func() {
			if found[i] = c.Ask(ctx); found[i] != nil {
				slog.WarnContext(ctx, "not ready", "check", c.Name, "error", found[i])
			}
		})
	}
	asked.Wait()
	a := answer{status: http.StatusOK}
	var text strings.Builder
	for i, c := range r.checks {
		text.WriteString(c.Name + ": " + word(found[i]) + "\n")
		if found[i] != nil {
			a.status = http.StatusServiceUnavailable
		}
	}
	a.lines = text.String()
	return a
}

func word(err error) string {
	var lack Lack
	switch {
	case err == nil:
		return "ok"
	case errors.As(err, &lack):
		return string(lack)
	}
	return "failed"
}
