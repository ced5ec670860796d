package workflows_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tolem/activities"
	"tolem/domain"
	centre "tolem/simulators/processing"
	"tolem/storage"
)

// permutations are all orders of n things.
func permutations(n int) (all [][]int) {
	if n == 0 {
		return [][]int{{}}
	}
	for _, shorter := range permutations(n - 1) {
		for at := 0; at <= len(shorter); at++ {
			longer := append(append(append([]int{}, shorter[:at]...), n-1), shorter[at:]...)
			all = append(all, longer)
		}
	}
	return all
}

// named are things in the order of a permutation, with their names.
func named(actions []domain.Action, permutation []int) (name string, in []domain.Action) {
	for _, i := range permutation {
		name, in = name+string(actions[i])+" ", append(in, actions[i])
	}
	return name, in
}

// hold, retry and resolve in one moment, in every order: the hold holds, the retry
// is not made, the resolve has its attempt, and then nothing more is sent.
func TestOrdersOfOneMoment(t *testing.T) {
	for _, permutation := range permutations(3) {
		name, actions := named([]domain.Action{domain.ActionHold, domain.ActionRetry, domain.ActionResolve}, permutation)
		t.Run(name, func(t *testing.T) {
			b := newBank(t)
			id := b.flagged(centre.Answer{Code: 215, Transient: true, Times: 2})
			run := b.execution(id)
			given := map[domain.Action]*ordered{}
			run.during("Pay", 3, func() { // all are heard after it
				for _, action := range actions {
					given[action] = &ordered{}
					run.order(given[action], "aigul", action, domain.StateResolvedSucceeded)
				}
			})
			run.RegisterDelayedCallback(func() {
				require.Len(t, b.requests(id, "pay"), 4)
				p := b.payment(id)
				require.True(t, p.Held)
				require.Equal(t, domain.StateResolvedSucceeded, p.Proposed)
				require.Nil(t, p.NextAttemptAt)
			}, 10*time.Hour)
			free := run.orders(10*time.Hour, "marat", domain.ActionRelease, "")
			p := run.finish()

			given[domain.ActionHold].effect(t, domain.EffectHeld)
			given[domain.ActionRetry].refusal(t, domain.RefusalHeld)
			require.Empty(t, given[domain.ActionRetry].Effect)
			given[domain.ActionResolve].effect(t, domain.EffectProposed)
			free.effect(t, domain.EffectReleased)
			require.Equal(t, domain.StateSucceeded, p.State)
			require.Equal(t, 10*time.Hour, b.intervals(id, "pay")[3].Round(time.Hour))
			b.moved(id, 1)
			b.sameBytes(id, "pay")
			b.scheduledWaitsGrow(id)
		})
	}
}

// hold, release and a second operator's resolve while the first one's resolve asks
// for a held payment. The word before the release confirms, the word after it is a
// first word.
func TestOrdersDuringAResolve(t *testing.T) {
	for _, permutation := range permutations(3) {
		name, actions := named([]domain.Action{domain.ActionHold, domain.ActionRelease, domain.ActionResolve}, permutation)
		t.Run(name, func(t *testing.T) {
			b := newBank(t)
			id := b.flagged(centre.Answer{Code: 215, Transient: true, Times: 2})
			run := b.execution(id)
			run.orders(1500*time.Millisecond, "dina", domain.ActionHold, "")
			first := run.orders(time.Minute, "dina", domain.ActionResolve, domain.StateResolvedRefused)
			at, given := map[domain.Action]int{}, map[domain.Action]*ordered{}
			run.during("Pay", 3, func() { // dina's
				for i, action := range actions {
					at[action], given[action] = i, &ordered{}
					run.order(given[action], "aigul", action, domain.StateResolvedRefused)
				}
			})
			run.orders(10*time.Hour, "marat", domain.ActionRelease, "")
			p := run.finish()

			first.effect(t, domain.EffectProposed)
			hold, release, resolve := given[domain.ActionHold], given[domain.ActionRelease], given[domain.ActionResolve]
			if at[domain.ActionResolve] < at[domain.ActionRelease] {
				resolve.effect(t, domain.EffectResolved)
				release.refusal(t, domain.RefusalEnded)
				require.Equal(t, at[domain.ActionHold] < at[domain.ActionResolve], hold.Effect == domain.EffectHeld)
				require.Equal(t, domain.StateResolvedRefused, p.State)
				require.Len(t, b.requests(id, "pay"), 3)
				return
			}
			hold.effect(t, domain.EffectHeld)
			release.effect(t, domain.EffectReleased)
			resolve.effect(t, domain.EffectProposed)
			require.Equal(t, domain.StateSucceeded, p.State)
			require.Len(t, b.requests(id, "pay"), 5)
			require.Equal(t, 10*time.Hour, b.intervals(id, "pay")[3].Round(time.Hour), "nothing after aigul's attempt")
			b.moved(id, 1)
		})
	}
}

// A person speaks while an attempt is being made: it is heard after it.
func TestOrderDuringAnAttempt(t *testing.T) {
	t.Run("hold", func(t *testing.T) {
		b := newBank(t)
		b.scripted("pay", centre.Answer{Code: 1, Times: 3})
		id := b.accepted(nil)
		run := b.execution(id)
		hold := &ordered{}
		run.during("Pay", 2, func() { run.order(hold, "aigul", domain.ActionHold, "") })
		run.RegisterDelayedCallback(func() { require.Len(t, b.requests(id, "pay"), 2) }, time.Hour)
		release := run.orders(time.Hour, "aigul", domain.ActionRelease, "")
		require.Equal(t, domain.StateSucceeded, run.finish().State)
		hold.effect(t, domain.EffectHeld)
		release.effect(t, domain.EffectReleased)
		b.moved(id, 1)
	})
	t.Run("retry", func(t *testing.T) {
		b := newBank(t)
		b.scripted("pay", centre.Answer{Code: 1, Times: 3})
		id := b.accepted(nil)
		run := b.execution(id)
		retry := &ordered{}
		run.during("Pay", 3, func() { run.order(retry, "aigul", domain.ActionRetry, "") })
		require.Equal(t, domain.StateSucceeded, run.finish().State)
		retry.effect(t, domain.EffectAttempted)
		require.Equal(t, domain.StateSucceeded, retry.State, "its own attempt, not the one that was under way")
		require.Less(t, b.intervals(id, "pay")[2], time.Second)
		require.Equal(t, domain.CauseOperator, b.causes(id)[4])
	})
	t.Run("hold before the first pay", func(t *testing.T) {
		b := newBank(t)
		b.scripted("pay", code(domain.CodeBadRequest))
		id := b.accepted(nil)
		run := b.execution(id)
		hold := &ordered{}
		run.during("Check", 1, func() { run.order(hold, "aigul", domain.ActionHold, "") })
		run.RegisterDelayedCallback(func() {
			p := b.payment(id)
			require.Equal(t, domain.StateChecking, p.State)
			require.NotEmpty(t, p.CheckAnswer)
			require.Nil(t, p.PaySentAt, "no intent was committed")
			require.Empty(t, b.requests(id, "pay"))
		}, time.Hour)
		release := run.orders(time.Hour, "aigul", domain.ActionRelease, "")
		p := run.finish()
		require.Len(t, b.requests(id, "check"), 1, "the answer is kept")
		hold.effect(t, domain.EffectHeld)
		release.effect(t, domain.EffectReleased)
		require.Equal(t, domain.StateRefused, p.State, "it is the first pay still")
		require.Equal(t, 2, p.Attempts)
	})
	for _, answer := range []domain.Code{domain.CodeSuccess, domain.CodeInProgress} {
		t.Run(fmt.Sprint("cancel while check is answered ", answer), func(t *testing.T) {
			b := newBank(t)
			b.scripted("check", code(answer))
			id := b.accepted(nil)
			run := b.execution(id)
			cancel := &ordered{}
			run.during("Check", 1, func() { run.order(cancel, "aigul", domain.ActionCancel, "") })
			p := run.finish()
			cancel.effect(t, domain.EffectCancelled)
			require.Equal(t, domain.StateCancelled, p.State)
			require.Empty(t, b.requests(id, "pay"))
		})
	}
	t.Run("everything while the last answer comes", func(t *testing.T) {
		b := newBank(t)
		id := b.flagged()
		run := b.execution(id)
		var late []*ordered
		run.during("Pay", 3, func() {
			for _, action := range domain.Actions() {
				o := &ordered{}
				late = append(late, o)
				run.order(o, "aigul", action, domain.StateResolvedRefused)
			}
		})
		require.Equal(t, domain.StateSucceeded, run.finish().State)
		for i, o := range late {
			why := domain.RefusalEnded
			switch domain.Actions()[i] { // shut doors: they could not be taken even before the answer
			case domain.ActionRelease:
				why = domain.RefusalNotHeld
			case domain.ActionCancel:
				why = domain.RefusalPaySent
			}
			o.refusal(t, why)
			require.Empty(t, o.Effect, "its attempt was not made")
		}
		require.Equal(t, make([]domain.Effect, 5), b.effects(id))
	})
}

// An order that asked for an attempt and was overtaken by the end says so: no
// attempt was made for it.
func TestRetryOvertakenByCancel(t *testing.T) {
	b := newBank(t)
	b.scripted("check", centre.Answer{Code: 1, Times: 9})
	id := b.accepted(nil)
	run := b.execution(id)
	retry, cancel := &ordered{}, &ordered{}
	run.during("Check", 2, func() { // both are heard after it
		run.order(retry, "aigul", domain.ActionRetry, "")
		run.order(cancel, "aigul", domain.ActionCancel, "")
	})
	require.Equal(t, domain.StateCancelled, run.finish().State)
	retry.refusal(t, domain.RefusalEnded)
	require.Empty(t, retry.Effect)
	cancel.effect(t, domain.EffectCancelled)
	require.Equal(t, []domain.Effect{"", domain.EffectCancelled}, b.effects(id))
	require.NotContains(t, b.causes(id), domain.CauseOperator)
}

// An order that had its effect in a run that Temporal lost has no other one in the
// next: a hold that was released since does not hold again.
func TestOrderHadItsEffectBefore(t *testing.T) {
	b := newBank(t)
	b.scripted("pay", centre.Answer{Code: 1, Times: 5})
	id := b.accepted(nil)
	b.attemptsOfALostRun(id, 2)
	run := b.execution(id)
	again := &ordered{}
	run.RegisterDelayedCallback(func() {
		run.orderWith(again, "aigul", domain.ActionHold, "", func(row storage.Action) {
			require.NoError(t, b.ledger.Follow(t.Context(), storage.Following{PaymentID: id, OrderID: row.ID, Effect: domain.EffectHeld}))
			b.orderOfALostRun(id, "marat", domain.ActionRelease, storage.Following{Effect: domain.EffectReleased})
		})
	}, 2*time.Second)
	p := run.finish()
	again.effect(t, domain.EffectHeld)
	require.Equal(t, domain.StateSucceeded, p.State)
	require.Less(t, b.intervals(id, "pay")[3], time.Minute)
}

// People's stops bind an attempt that was ordered by a run that had not heard of
// them; what a person asked for is made.
func TestStoppedPayIsNotSent(t *testing.T) {
	b := newBank(t)
	id := b.accepted(nil)
	b.attemptsOfALostRun(id, 1)
	b.sql("UPDATE payments SET held = TRUE")
	process := b.process()
	for _, cause := range []domain.Cause{domain.CauseScheduled, domain.CauseRecovery, domain.CauseBalance} {
		in := step(id, 2)
		in.Cause = cause
		got, err := b.activity(t.Context(), process.Pay, process, in)
		require.NoError(t, err)
		require.True(t, got.Behind)
		require.True(t, got.Held)
		require.Empty(t, b.requests(id, "pay"))
	}
	in := step(id, 2)
	in.Cause = domain.CauseOperator
	got, err := b.activity(t.Context(), process.Pay, process, in)
	require.NoError(t, err)
	require.Equal(t, domain.StateSucceeded, got.State)
	b.moved(id, 1)
}

// A nudge that changes nothing costs no timer: one each second for an hour, to a
// payment that is held and to one that waits for the centre.
func TestUselessNudges(t *testing.T) {
	for name, c := range map[string]struct {
		code domain.Code
		held bool
	}{"held": {domain.CodeAgentLacksFunds, true}, "in progress": {domain.CodeInProgress, false}} {
		t.Run(name, func(t *testing.T) {
			b := newBank(t)
			b.scripted("pay", centre.Answer{Code: int(c.code), Times: 14}) // the wait after it is 2 h 16 min
			id := b.accepted(nil)
			run := b.execution(id)
			at := 3 * time.Hour
			if c.held {
				run.orders(at-time.Minute, "aigul", domain.ActionHold, "")
			}
			timers, sent := 0, 0
			run.RegisterDelayedCallback(func() { timers, sent = run.timers, len(b.requests(id, "pay")) }, at-time.Second)
			nudges := 0
			var nudge func()
			nudge = func() {
				run.SignalWorkflow(activities.NudgeSignal, activities.Nudge{Cause: domain.CauseBalance})
				if nudges++; nudges < 3600 {
					run.RegisterDelayedCallback(nudge, time.Second)
				}
			}
			run.RegisterDelayedCallback(nudge, at)
			run.RegisterDelayedCallback(func() {
				require.Equal(t, timers, run.timers)
				require.Len(t, b.requests(id, "pay"), sent)
			}, at+time.Hour)
			if c.held {
				run.orders(at+time.Hour, "aigul", domain.ActionRelease, "")
			}
			require.Equal(t, domain.StateSucceeded, run.finish().State)
			b.moved(id, 1)
			require.NotContains(t, b.causes(id), domain.CauseBalance)
			b.scheduledWaitsGrow(id)
		})
	}
}
