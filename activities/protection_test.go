package activities_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"tolem/activities"
	"tolem/domain"
	"tolem/partners/processing"
)

// pass lets virtual time pass: everything here runs in a synctest bubble.
func pass(d time.Duration) { <-time.After(d) }

func failed(reason string) error {
	return &processing.Failure{Operation: "pay", Host: "centre", Kind: domain.Unknown, Reason: reason}
}

func status(code int) error {
	return &processing.Failure{Operation: "pay", Host: "centre", Kind: domain.Unknown, Reason: processing.ReasonStatus, Status: code}
}

var timedOut = failed(processing.ReasonTimeout)

// guard is a protection under test.
type guard struct {
	*activities.Protection
	t        *testing.T
	registry *prometheus.Registry
}

func protect(t *testing.T, firstPerSecond int) guard {
	registry := prometheus.NewRegistry()
	return guard{t: t, registry: registry, Protection: activities.NewProtection(activities.ProtectionOptions{
		FirstPerSecond: firstPerSecond, Metrics: activities.NewMetrics(registry),
	})}
}

// admitted begins a later attempt that must not be refused.
func (g guard) admitted(cause domain.Cause) (report func(error)) {
	g.t.Helper()
	report, refused := g.Admit(g.t.Context(), false, cause)
	require.Nil(g.t, refused)
	return report
}

// calls makes later attempts, one after the other and every so often, that all
// end alike.
func (g guard) calls(n int, every time.Duration, outcome error) {
	g.t.Helper()
	for i := range n {
		if i > 0 {
			pass(every)
		}
		g.admitted(domain.CauseScheduled)(outcome)
	}
}

// refused asks for a later attempt that must be refused.
func (g guard) refused() *activities.Refused {
	g.t.Helper()
	report, refused := g.Admit(g.t.Context(), false, domain.CauseScheduled)
	require.NotNil(g.t, refused)
	require.Nil(g.t, report)
	require.Equal(g.t, activities.RefusedByBreaker, refused.Reason)
	return refused
}

// refusedFor asks, and wants to hear when the next probe may be made, and a fifth
// more at most.
func (g guard) refusedFor(wait time.Duration) {
	g.t.Helper()
	refused := g.refused()
	require.Greater(g.t, refused.RetryAfter, wait)
	require.LessOrEqual(g.t, refused.RetryAfter, wait+wait/5+1)
}

// down opens the breaker.
func (g guard) down() {
	g.t.Helper()
	g.calls(11, time.Second/2, timedOut)
	require.Equal(g.t, activities.BreakerOpen, g.State())
}

// metric reads one value by its name and labels, "" for the last.
func (g guard) metric(name, reason string) (value float64, found bool) {
	g.t.Helper()
	families, err := g.registry.Gather()
	require.NoError(g.t, err)
	for _, family := range families {
		for _, m := range family.GetMetric() {
			labels := map[string]string{}
			for _, l := range m.GetLabel() {
				labels[l.GetName()] = l.GetValue()
			}
			if family.GetName() == name && labels["partner"] == "processing" && labels["reason"] == reason {
				return m.GetGauge().GetValue() + m.GetCounter().GetValue(), true
			}
		}
	}
	return 0, false
}

// First attempts have a second's worth at once, then their turns; who would wait
// longer than 2 s is refused at once and told when to come. Refusals use no turn.
func TestFirstAttemptsWaitTheirTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const perSecond, callers, asks = 10, 300, 50
		g := protect(t, perSecond)
		began := time.Now()
		var lock sync.Mutex
		var all sync.WaitGroup
		admitted := map[time.Duration]int{}
		for range callers {
			all.Go(func() {
				for range asks { // all at once: refused ones ask again, so that they meet
					report, refused := g.Admit(t.Context(), true, domain.CauseScheduled)
					after := time.Since(began).Round(time.Millisecond)
					if refused == nil {
						report(nil)
						lock.Lock()
						defer lock.Unlock()
						admitted[after]++
						return
					}
					if after != 0 || refused.Reason != activities.RefusedByLimit ||
						refused.RetryAfter <= 2*time.Second || refused.RetryAfter > 2520*time.Millisecond+1 { // 2.1 s and a fifth
						t.Errorf("refused after %s: %+v", after, *refused)
					}
				}
			})
		}
		all.Wait()
		want := map[time.Duration]int{0: perSecond}
		for i := range 2 * perSecond {
			want[time.Duration(i+1)*time.Second/perSecond] = 1
		}
		require.Equal(t, want, admitted)
		refusals, _ := g.metric("tolem_calls_refused_total", activities.RefusedByLimit)
		require.EqualValues(t, (callers-3*perSecond)*asks, refusals)

		asked := time.Now()
		report, refused := g.Admit(t.Context(), true, domain.CauseScheduled)
		require.Nil(t, refused)
		report(nil)
		require.Equal(t, time.Second/perSecond, time.Since(asked).Round(time.Millisecond))

		g.calls(1000, 0, nil) // later attempts are limited elsewhere
		for range 1000 {
			report, refused := g.Admit(t.Context(), true, domain.CauseOperator)
			require.Nil(t, refused)
			report(nil)
		}
		require.Equal(t, time.Second/perSecond, time.Since(asked).Round(time.Millisecond))
	})
}

// Who is cancelled while waiting is refused, and the turn goes to somebody else.
func TestFirstAttemptIsCancelledInTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := protect(t, 1)
		first := func(ctx context.Context) *activities.Refused {
			_, refused := g.Admit(ctx, true, domain.CauseScheduled)
			return refused
		}
		over, end := context.WithCancel(t.Context())
		end()
		require.NotNil(t, first(over)) // and the only turn is left to others
		require.Nil(t, first(t.Context()))
		began := time.Now()
		short, end := context.WithTimeout(t.Context(), time.Second/4)
		defer end()
		refused := first(short)
		require.NotNil(t, refused)
		require.Equal(t, activities.RefusedByLimit, refused.Reason)
		require.Equal(t, time.Second/4, time.Since(began))
		require.Greater(t, refused.RetryAfter, 3*time.Second/4)
		require.NotNil(t, first(short)) // over before it asked
		require.Nil(t, first(t.Context()))
		require.Equal(t, time.Second, time.Since(began).Round(time.Millisecond))
	})
}

// While the breaker is open, first attempts are refused by it at once and use up
// no turn.
func TestBreakerComesBeforeTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := protect(t, 1)
		g.down()
		began := time.Now()
		for range 5 {
			_, refused := g.Admit(t.Context(), true, domain.CauseScheduled)
			require.NotNil(t, refused)
			require.Equal(t, activities.RefusedByBreaker, refused.Reason)
		}
		g.admitted(domain.CauseOperator)(nil)
		_, refused := g.Admit(t.Context(), true, domain.CauseScheduled)
		require.Nil(t, refused)
		require.Zero(t, time.Since(began))
	})
}

func TestNilProtectionAdmitsEverything(t *testing.T) {
	var p *activities.Protection
	for range 1000 {
		report, refused := p.Admit(t.Context(), true, domain.CauseScheduled)
		require.Nil(t, refused)
		report(timedOut)
	}
	require.Equal(t, activities.BreakerClosed, p.State())
	require.Equal(t, activities.BreakerClosed, activities.NewProtection(activities.ProtectionOptions{}).State()) // no metrics
}

// A hundred payments at once through an outage of a minute: while it lasts one
// probe at a time is made, and one at most in 10 s; afterwards all go on.
func TestProtectionUnderLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := protect(t, 50)
		began := time.Now()
		outage := func() bool { d := time.Since(began); return d > 10*time.Second && d < 70*time.Second }
		var probing, probes, done atomic.Int32
		var all sync.WaitGroup
		for i := range 100 {
			all.Go(func() {
				for first := true; time.Since(began) < 2*time.Minute; first = false {
					report, refused := g.Admit(t.Context(), first, domain.CauseScheduled)
					if refused != nil {
						pass(refused.RetryAfter)
						continue
					}
					probe := g.State() == activities.BreakerHalfOpen
					if probe {
						probes.Add(1)
						if probing.Add(1) > 1 {
							t.Error("two probes at once")
						}
					}
					pass(time.Duration(50+i) * time.Millisecond)
					if probe {
						probing.Add(-1)
					}
					if outage() {
						report(timedOut)
					} else {
						report(nil)
						done.Add(1)
					}
					pass(time.Second)
				}
			})
		}
		all.Wait()
		require.Equal(t, activities.BreakerClosed, g.State())
		require.GreaterOrEqual(t, probes.Load(), int32(4))
		require.LessOrEqual(t, probes.Load(), int32(7))
		require.Greater(t, done.Load(), int32(4000)) // a minute's worth of answers, but for the pauses
	})
}
