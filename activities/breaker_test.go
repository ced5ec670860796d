package activities_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"tolem/activities"
	"tolem/domain"
	"tolem/partners/processing"
)

// The breaker opens when at least 10 calls in a row, over at least 5 s, brought no
// answer of the protocol.
func TestBreakerOpensOnlyWhenPlainlyDown(t *testing.T) {
	burst := func(g guard, n int) {
		reports := make([]func(error), n)
		for i := range reports {
			reports[i] = g.admitted(domain.CauseScheduled)
		}
		pass(30 * time.Second) // the calls last; what counts is when they end
		var ends sync.WaitGroup
		for _, report := range reports {
			ends.Go(func() { report(failed(processing.ReasonReset)) })
		}
		ends.Wait()
	}
	for _, test := range []struct {
		name string
		play func(g guard)
		want string
	}{
		{"10 calls over 5 s", func(g guard) { g.calls(10, 5*time.Second/9+1, timedOut) }, activities.BreakerOpen},
		{"9 calls over an hour", func(g guard) { g.calls(9, 7*time.Minute, timedOut) }, activities.BreakerClosed},
		{"50 calls in less than 5 s", func(g guard) { g.calls(50, 100*time.Millisecond, timedOut) }, activities.BreakerClosed},
		{"100 calls that die in one reset", func(g guard) { burst(g, 100) }, activities.BreakerClosed},
		{"a reset, and one more 5 s later", func(g guard) { burst(g, 100); pass(5 * time.Second); g.calls(1, 0, timedOut) }, activities.BreakerOpen},
		{"two resets with an answer between", func(g guard) {
			burst(g, 100)
			pass(time.Minute)
			g.calls(1, 0, nil)
			burst(g, 100)
		}, activities.BreakerClosed},
		{"an answer among failures, a minute", func(g guard) {
			for range 6 {
				g.calls(9, time.Second, timedOut)
				g.calls(1, 0, nil)
			}
		}, activities.BreakerClosed},
		{"our own cancels among failures change nothing", func(g guard) {
			g.calls(9, time.Second, timedOut)
			g.calls(20, time.Second, failed(processing.ReasonCancelled))
			require.Equal(g.t, activities.BreakerClosed, g.State())
			g.calls(1, 0, timedOut)
		}, activities.BreakerOpen},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := protect(t, 0)
				test.play(g)
				require.Equal(t, test.want, g.State())
			})
		})
	}
}

// "No connection" is time-out, reset, TLS failure, 5xx, 408, 429, a truncated or
// non-JSON body, no integer result. 401, 403, 404, other 4xx, and every code, come
// from a centre that lives. What ended on our side says nothing.
func TestBreakerReadsTheEndOfACall(t *testing.T) {
	const silent, answers, saysNothing = "silent", "answers", "says nothing"
	unsent := &processing.Failure{Operation: "pay", Host: "centre", Kind: domain.Unavailable, Reason: processing.ReasonTimeout}
	for _, test := range []struct {
		name    string
		outcome error
		want    string
	}{
		{"timeout", timedOut, silent},
		{"refused", failed(processing.ReasonRefused), silent},
		{"reset", failed(processing.ReasonReset), silent},
		{"dns", failed(processing.ReasonDNS), silent},
		{"tls", failed(processing.ReasonTLS), silent},
		{"transport", failed(processing.ReasonTransport), silent},
		{"truncated", failed(processing.ReasonTruncated), silent},
		{"too large", failed(processing.ReasonTooLarge), silent},
		{"not JSON", failed(processing.ReasonNotJSON), silent},
		{"no result", failed(processing.ReasonNoResult), silent},
		{"302", status(http.StatusFound), silent},
		{"408", status(http.StatusRequestTimeout), silent},
		{"429", status(http.StatusTooManyRequests), silent},
		{"500", status(http.StatusInternalServerError), silent},
		{"503", status(http.StatusServiceUnavailable), silent},
		{"a code", nil, answers},
		{"a code to a read-only call", &processing.Refusal{Operation: "balance", Code: 7}, answers},
		{"a code with an id that is none", failed(processing.ReasonBadID), answers},
		{"a code with unreadable details", failed(processing.ReasonBadDetails), answers},
		{"400", status(http.StatusBadRequest), answers},
		{"401", status(http.StatusUnauthorized), answers},
		{"403", status(http.StatusForbidden), answers},
		{"404", status(http.StatusNotFound), answers},
		{"cancelled", failed(processing.ReasonCancelled), saysNothing},
		{"late before the first byte", unsent, saysNothing},
		{"no body", failed(processing.ReasonNoBody), saysNothing},
		{"not classified", errors.New("a bug"), saysNothing},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := protect(t, 0)
				g.calls(5, time.Second, timedOut)
				g.calls(1, 0, test.outcome)
				g.calls(4, time.Second, timedOut)
				if test.want == silent { // ten in a row
					require.Equal(t, activities.BreakerOpen, g.State())
					return
				}
				require.Equal(t, activities.BreakerClosed, g.State())
				g.calls(1, 0, timedOut) // the tenth, unless an answer began a new run
				if test.want == answers {
					require.Equal(t, activities.BreakerClosed, g.State())
				} else {
					require.Equal(t, activities.BreakerOpen, g.State())
				}
			})
		})
	}
}

// While the breaker is open nothing is sent, and a refusal says when to ask again.
// After 10 s one probe at a time is made; its answer closes, its failure opens for
// another 10 s.
func TestBreakerProbes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := protect(t, 0)
		g.down()
		g.refusedFor(10 * time.Second)
		pass(4 * time.Second)
		g.refusedFor(6 * time.Second)
		pass(6*time.Second + 1)

		require.Equal(t, activities.BreakerHalfOpen, g.State())
		probe := g.admitted(domain.CauseScheduled)
		g.refusedFor(10 * time.Second) // nobody knows yet how the probe ends
		pass(3 * time.Second)
		probe(timedOut)
		require.Equal(t, activities.BreakerOpen, g.State())
		g.refusedFor(10 * time.Second)

		pass(10*time.Second + 1)
		g.admitted(domain.CauseScheduled)(nil)
		require.Equal(t, activities.BreakerClosed, g.State())
		g.calls(9, time.Second, timedOut) // a run of its own
		require.Equal(t, activities.BreakerClosed, g.State())
	})
}

// An attempt that asked while it was open and waited as it was told finds the
// pause over.
func TestBreakerRetryAfterIsLongEnough(t *testing.T) {
	for range 100 { // the jitter is random
		synctest.Test(t, func(t *testing.T) {
			g := protect(t, 0)
			g.down()
			pass(9 * time.Second)
			pass(g.refused().RetryAfter)
			g.admitted(domain.CauseScheduled)(nil)
		})
	}
}

// A probe that says nothing about the centre makes room for the next one, and so
// does one that never reports.
func TestBreakerProbeThatSaysNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := protect(t, 0)
		g.down()
		pass(10*time.Second + 1)

		g.admitted(domain.CauseScheduled)(failed(processing.ReasonCancelled))
		require.Equal(t, activities.BreakerHalfOpen, g.State())

		ctx, end := context.WithCancel(t.Context())
		lost, refused := g.Admit(ctx, false, domain.CauseScheduled)
		require.Nil(t, refused)
		g.refused()
		end()
		synctest.Wait()
		require.Equal(t, activities.BreakerHalfOpen, g.State())
		next := g.admitted(domain.CauseScheduled)
		lost(timedOut) // too late to count
		require.Equal(t, activities.BreakerHalfOpen, g.State())
		g.refused()
		next(nil)
		require.Equal(t, activities.BreakerClosed, g.State())
	})
}

// A person's order passes limiter and breaker. Its failure changes nothing about a
// pause, its answer ends it.
func TestOperatorPassesTheBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := protect(t, 1)
		g.down()
		pass(4 * time.Second)
		for range 5 {
			report, refused := g.Admit(t.Context(), true, domain.CauseOperator)
			require.Nil(t, refused)
			report(timedOut)
		}
		g.refusedFor(6 * time.Second)

		pass(6*time.Second + 1)
		probe, ordered := g.admitted(domain.CauseScheduled), g.admitted(domain.CauseOperator) // both at once
		ordered(status(http.StatusUnauthorized))
		require.Equal(t, activities.BreakerClosed, g.State())
		probe(timedOut) // of the time before
		require.Equal(t, activities.BreakerClosed, g.State())
		paused, _ := g.metric("tolem_partner_breaker_open", "")
		require.Zero(t, paused)
		g.calls(8, time.Second, timedOut)
		g.admitted(domain.CauseOperator)(timedOut)
		require.Equal(t, activities.BreakerClosed, g.State())
		g.admitted(domain.CauseOperator)(timedOut) // the tenth of the new run: reported like all others
		require.Equal(t, activities.BreakerOpen, g.State())
	})
}

// An answer that was slow to come is an answer: the centre is not plainly down.
func TestBreakerHearsSlowAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := protect(t, 0)
		slow, slower := g.admitted(domain.CauseScheduled), g.admitted(domain.CauseScheduled)
		g.down()
		slow(nil)
		require.Equal(t, activities.BreakerClosed, g.State())
		slower(timedOut)
		g.calls(9, time.Second, timedOut) // its end belongs to the time before
		require.Equal(t, activities.BreakerClosed, g.State())
	})
}

// Each report counts once, however often it is called.
func TestReportCountsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := protect(t, 0)
		for range 9 {
			report := g.admitted(domain.CauseScheduled)
			report(timedOut)
			report(timedOut)
			pass(time.Second)
		}
		require.Equal(t, activities.BreakerClosed, g.State())
	})
}

// An outage is one line at its beginning and one at its end, however often a probe
// fails, and shows in the metrics all the while.
func TestBreakerIsSeen(t *testing.T) {
	var logged bytes.Buffer
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&logged, nil)))
	t.Cleanup(func() { slog.SetDefault(before) })
	const opened, closed = "level=WARN msg=\"processing centre does not answer: attempts pause\"", "level=INFO msg=\"processing centre answers again: attempts go on\""

	synctest.Test(t, func(t *testing.T) {
		g := protect(t, 0)
		gauge := func() float64 {
			value, found := g.metric("tolem_partner_breaker_open", "")
			require.True(t, found)
			return value
		}
		require.Zero(t, gauge())
		g.calls(1, 0, nil)
		require.Empty(t, logged.String())

		g.down()
		require.EqualValues(t, 1, gauge())
		for range 3 {
			pass(10*time.Second + 1)
			g.admitted(domain.CauseScheduled)(timedOut)
			g.refused()
			require.EqualValues(t, 1, gauge())
		}
		refusals, _ := g.metric("tolem_calls_refused_total", activities.RefusedByBreaker)
		require.EqualValues(t, 3, refusals)
		pass(10*time.Second + 1)
		g.admitted(domain.CauseScheduled)(nil)
		require.Zero(t, gauge())
		require.Equal(t, 1, strings.Count(logged.String(), opened), logged.String())
		require.Equal(t, 1, strings.Count(logged.String(), closed), logged.String())
		require.Contains(t, logged.String(), "paused=40.000000004s")

		g.down()
		g.admitted(domain.CauseOperator)(nil)
		require.Zero(t, gauge())
		require.Equal(t, 2, strings.Count(logged.String(), opened), logged.String())
		require.Equal(t, 2, strings.Count(logged.String(), closed), logged.String())
	})
}
