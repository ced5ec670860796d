package workflows_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"tolem/activities"
	"tolem/domain"
	"tolem/partners/processing"
	centre "tolem/simulators/processing"
	"tolem/storage"
)

// outage gives the execution a breaker that is open, and that stays so until the
// test reports what the probe brought.
//
// It opens in a bubble of skipped time, which lies in the past: outside, the pause
// is over and a probe is due. The test takes the probe, so that everybody else is
// refused for as long as the test likes, without waiting in real time.
func (e *execution) outage() (probe func(error)) {
	e.b.t.Helper()
	var p *activities.Protection
	synctest.Test(e.b.t, func(t *testing.T) {
		p = activities.NewProtection(activities.ProtectionOptions{})
		for range 10 {
			report, refused := p.Admit(context.Background(), false, domain.CauseScheduled)
			require.Nil(t, refused)
			report(&processing.Failure{Operation: "pay", Host: "centre", Kind: domain.Unknown, Reason: processing.ReasonTimeout})
			<-time.After(time.Second) // of skipped time
		}
		require.Equal(t, activities.BreakerOpen, p.State())
	})
	probe, refused := p.Admit(context.Background(), false, domain.CauseScheduled)
	require.Nil(e.b.t, refused)
	e.process.Protection = p
	return probe
}

// paused are the payments that the lists show as paused.
func (b *bank) paused() (ids []domain.AgentTransactionID) {
	b.t.Helper()
	page, _, err := b.ledger.Payments(b.t.Context(), storage.PaymentFilter{Paused: pointer(true)}, "", 10)
	require.NoError(b.t, err)
	for _, p := range page {
		ids = append(ids, p.ID)
	}
	return ids
}

// intervals are those between the requests of one call, in the centre's own books.
func (b *bank) intervals(id domain.AgentTransactionID, call string) (between []time.Duration) {
	b.t.Helper()
	requests := b.requests(id, call)
	for i := 1; i < len(requests); i++ {
		between = append(between, requests[i].Time.Sub(requests[i-1].Time))
	}
	return between
}

// A first pay that is held back is no attempt: it is not counted and not begun in
// the journal again, the payment says that it is paused, and the pay that is made
// at last, by the same process, is the first, whose final codes refuse.
func TestPauseAtFirstPay(t *testing.T) {
	for _, c := range []domain.Code{domain.CodeBadRequest, domain.CodeOtherError} {
		t.Run(c.Text(), func(t *testing.T) {
			b := newBank(t)
			b.scripted("pay", code(c))
			id := b.accepted(nil)
			run := b.execution(id)
			var probe func(error)
			run.during("Pay", 1, func() { probe = run.outage() })
			run.RegisterDelayedCallback(func() {
				p := b.payment(id)
				require.Equal(t, domain.StatePaying, p.State)
				require.True(t, p.Paused)
				require.Equal(t, []domain.AgentTransactionID{id}, b.paused())
				require.Equal(t, 2, p.Attempts, "check, and the pay that is due")
				require.Len(t, b.causes(id), 2)
				require.Empty(t, b.requests(id, "pay"))
				require.InDelta(t, 330, p.NextAttemptAt.Sub(p.UpdatedAt.Time).Seconds(), 31, "pauses grow to 5 min, and the list says so")
				require.Less(t, run.started["Pay"], 25, "an hour's outage does not fill the history")
				probe(nil)
			}, time.Hour)
			p := run.finish()

			require.Equal(t, domain.StateRefused, p.State)
			require.Equal(t, c, *p.ResultCode)
			require.Equal(t, 2, p.Attempts)
			require.False(t, p.Paused)
			require.Equal(t, []domain.Cause{domain.CauseScheduled, domain.CauseScheduled}, b.causes(id))
			require.Len(t, b.requests(id, "pay"), 1)
			require.Empty(t, run.shared["Pay"], "another worker's would be no first pay")
			b.moved(id, 0)
		})
	}
}

// A check that is held back leaves the payment as it was accepted, but paused.
func TestPauseAtCheck(t *testing.T) {
	b := newBank(t)
	id := b.accepted(nil)
	run := b.execution(id)
	probe := run.outage()
	run.RegisterDelayedCallback(func() {
		p := b.payment(id)
		require.Equal(t, domain.StateAccepted, p.State)
		require.True(t, p.Paused)
		require.Zero(t, p.Attempts)
		require.Zero(t, p.Step)
		require.Empty(t, b.causes(id))
		require.Empty(t, b.centre.Requests(int64(id)))
		probe(nil)
	}, time.Hour)
	p := run.finish()
	require.Equal(t, domain.StateSucceeded, p.State)
	require.False(t, p.Paused)
	require.Equal(t, 2, p.Attempts)
	b.moved(id, 1)
}

// A pause between attempts makes the interval longer, and the next one longer
// still, by the journal and by the centre's books.
func TestIntervalsGrowPastAPause(t *testing.T) {
	b := newBank(t)
	b.scripted("pay", centre.Answer{Code: 1, Times: 7})
	id := b.accepted(nil)
	run := b.execution(id)
	var probe func(error)
	run.during("Pay", 4, func() { // pays at 0, 1 and 3; this one is due at 7
		probe = run.outage()
		run.RegisterDelayedCallback(func() {
			require.Equal(t, []domain.AgentTransactionID{id}, b.paused())
			require.Equal(t, 4, b.payment(id).Attempts)
			require.Len(t, b.causes(id), 4)
			probe(nil)
		}, 25*time.Second)
	})
	run.during("Pay", 8, func() { require.Empty(t, b.paused()) })
	p := run.finish()

	require.Equal(t, domain.StateSucceeded, p.State)
	b.moved(id, 1)
	b.sameBytes(id, "pay")
	b.scheduledWaitsGrow(id)
	between := b.intervals(id, "pay")
	require.Len(t, between, 7)
	for i := 1; i < len(between); i++ {
		require.Greater(t, between[i], between[i-1])
	}
	require.Greater(t, between[2], 29*time.Second, "4 s and the pauses")
	for _, cause := range b.causes(id) {
		require.Equal(t, domain.CauseScheduled, cause)
	}
}

// A person's retry goes through a pause. An answer ends the pause for all; silence
// is an attempt of unknown outcome, and the pause goes on.
func TestRetryDuringAPause(t *testing.T) {
	for _, answers := range []bool{true, false} {
		t.Run(map[bool]string{true: "answered", false: "silent"}[answers], func(t *testing.T) {
			b := newBank(t)
			b.scripted("pay", code(1), code(1))
			id := b.accepted(nil)
			run := b.execution(id)
			run.during("Pay", 2, func() {
				probe := run.outage()
				b.centre.SetDown(!answers)
				run.RegisterDelayedCallback(func() {
					b.centre.SetDown(false)
					probe(nil)
				}, time.Hour)
			})
			retry := run.orders(20*time.Minute, "aigul", domain.ActionRetry, "")
			p := run.finish()

			require.Equal(t, domain.StateSucceeded, p.State)
			b.moved(id, 1)
			retry.effect(t, domain.EffectAttempted)
			require.Equal(t, domain.CauseOperator, b.causes(id)[2])
			require.Equal(t, 20*time.Minute, b.intervals(id, "pay")[0].Round(time.Minute))
			b.scheduledWaitsGrow(id)
		})
	}
}

// Nothing is tried while a paused payment is held; release tries at once, through
// the pause.
func TestHoldDuringAPause(t *testing.T) {
	b := newBank(t)
	id := b.accepted(nil)
	run := b.execution(id)
	run.during("Pay", 1, func() { run.outage() })
	hold := run.orders(time.Minute, "aigul", domain.ActionHold, "")
	tried := 0
	run.RegisterDelayedCallback(func() {
		tried = run.started["Pay"]
		require.Nil(t, b.payment(id).NextAttemptAt)
	}, 2*time.Minute)
	run.RegisterDelayedCallback(func() { require.Equal(t, tried, run.started["Pay"]) }, 10*time.Hour)
	release := run.orders(10*time.Hour, "marat", domain.ActionRelease, "")
	p := run.finish()
	hold.effect(t, domain.EffectHeld)
	release.effect(t, domain.EffectReleased)
	require.Equal(t, domain.StateSucceeded, p.State)
	require.Len(t, b.requests(id, "pay"), 1)
	b.moved(id, 1)
}

// A payment is cancelled out of a pause at check.
func TestCancelDuringAPause(t *testing.T) {
	b := newBank(t)
	id := b.accepted(nil)
	run := b.execution(id)
	run.outage()
	cancel := run.orders(time.Hour, "aigul", domain.ActionCancel, "")
	p := run.finish()
	cancel.effect(t, domain.EffectCancelled)
	require.Equal(t, domain.StateCancelled, p.State)
	require.False(t, p.Paused)
	require.Empty(t, b.centre.Requests(int64(id)))
}

// Where the ledger cannot take the note of a pause, the call was not made all the
// same: it is no attempt, and the first pay stays the first.
func TestPauseThatCouldNotBeNoted(t *testing.T) {
	b := newBank(t)
	b.scripted("pay", code(domain.CodeBadRequest))
	id := b.accepted(nil)
	mend := b.broken("UPDATE OF paused ON payments WHEN NEW.paused")
	run := b.execution(id)
	run.during("Pay", 1, func() {
		probe := run.outage()
		run.RegisterDelayedCallback(func() { mend(); probe(nil) }, time.Minute)
	})
	p := run.finish()
	require.Equal(t, domain.StateRefused, p.State)
	require.Equal(t, 2, p.Attempts)
	require.Zero(t, p.Waits)
}

// A first attempt that this worker's own limit holds back joins the queue whose
// limit holds across workers, and is made there.
func TestLimitedAttemptJoinsTheQueue(t *testing.T) {
	b := newBank(t)
	id := b.accepted(nil)
	run := b.execution(id)
	run.process.Protection = activities.NewProtection(activities.ProtectionOptions{FirstPerSecond: 1})
	flood, end := context.WithCancel(t.Context())
	defer end()
	for range 2 { // two who always wait, so that the next turn is more than 2 s away
		go func() {
			for flood.Err() == nil {
				if report, refused := run.process.Protection.Admit(flood, true, domain.CauseScheduled); refused == nil {
					report(nil)
				}
			}
		}()
	}
	require.Eventually(t, func() bool {
		over, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		report, refused := run.process.Protection.Admit(over, true, domain.CauseScheduled)
		if refused == nil {
			report(nil)
		}
		return refused != nil && refused.RetryAfter > 2*time.Second
	}, time.Minute, time.Millisecond)

	run.during("Check", 2, func() { require.Empty(t, b.paused(), "the centre is not down") })
	p := run.finish()
	end()
	require.Equal(t, domain.StateSucceeded, p.State)
	require.Equal(t, 2, p.Attempts)
	b.moved(id, 1)
	require.Equal(t, []string{activities.QueueProcessing}, run.shared["Check"])
	require.Empty(t, b.paused())
}
