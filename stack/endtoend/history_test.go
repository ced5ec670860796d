package endtoend

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"tolem/activities"
	centre "tolem/simulators/processing"
	"tolem/workflows"
)

// TestHistories takes payments through every branch on a real server and replays
// what the server recorded of them.
func TestHistories(t *testing.T) {
	t.Parallel()
	i := startInfra(t)
	user := i.caller()
	i.worker()
	code := func(c int) centre.Answer { return centre.Answer{Code: c} }
	for name, c := range map[string]struct {
		check, pay []centre.Answer
		body       string
		cancelAt   int // attempts after which Cancel is sent
		ends       string
	}{
		"succeeds-at-once":     {ends: "succeeded"},
		"refused-at-check":     {check: []centre.Answer{code(5)}, ends: "refused"},
		"refused-at-first-pay": {pay: []centre.Answer{code(241)}, ends: "refused"},
		"refused-at-later-pay": {pay: []centre.Answer{code(1), code(300)}, ends: "refused"},
		"checked-again":        {check: []centre.Answer{code(1)}, ends: "succeeded"},
		"retried-at-both":      {check: []centre.Answer{code(1), {Fault: centre.HTML502}}, pay: []centre.Answer{code(1), code(153), code(220), code(255)}, ends: "succeeded"},
		"answers-lost":         {pay: []centre.Answer{{Fault: centre.LostAnswer, Times: 3}}, ends: "succeeded"},
		"needs-operator":       {pay: []centre.Answer{{Code: 999, Transient: true}, {Fault: centre.WrongEcho}, {Fault: centre.Status, Status: 403}}, ends: "succeeded"},
		"cancelled-before-pay": {check: []centre.Answer{{Code: 1, Times: 99}}, cancelAt: 2, ends: "cancelled"},
		"cancel-after-pay":     {pay: []centre.Answer{{Fault: centre.LostAnswer}, {Fault: centre.HTML502, Times: 5}}, cancelAt: 4, ends: "succeeded"},
		"cancelled-by-payer":   {body: `{"serviceId":"P0006","account":"990101300017","amountTo":200.00}`, cancelAt: 1, ends: "cancelled"},
	} {
		t.Run(name, func(t *testing.T) {
			for call, answers := range map[string][]centre.Answer{"check": c.check, "pay": c.pay} {
				if len(answers) > 0 {
					script(t, i.centre, call, answers...)
				}
			}
			id := user.paysFor(name, c.body).ID
			if c.cancelAt > 0 {
				eventually(t, "attempts were made", func() bool { return user.reads(id).Attempts >= c.cancelAt })
				require.NoError(t, i.temporal.CancelWorkflow(t.Context(), "payment/"+id, ""))
			}
			user.finds(id, c.ends)
			require.NoError(t, i.centre.ClearScripts())
			waited := int64(-1) // the real waits grow, though Temporal fires short timers late
			for _, a := range user.attempts(id) {
				if a.Cause == "scheduled" && a.WaitedMs > 0 {
					require.Greater(t, a.WaitedMs, waited)
					waited = a.WaitedMs
				}
			}
			i.in(t).ends(id, name)
		})
	}
	t.Run("paused by the breaker", func(t *testing.T) { pausedByTheBreaker(i.in(t)) })
	t.Run("catalogue", func(t *testing.T) {
		history := i.in(t).trigger(activities.ScheduleCatalogue)
		require.True(t, result[activities.CatalogueResult](t, history).Saved)
		i.in(t).keep(history, "catalogue-saved")
	})
}

// The centre is down until the worker's breaker holds calls back; then it is up
// again, and the payments that paused go on by themselves.
func pausedByTheBreaker(i *infra) {
	user := i.caller()
	user.finds(user.pays("up").ID, "succeeded") // and the catalogue is known
	i.centre.SetDown(true)
	ids := make([]string, 5)
	for n := range ids {
		ids[n] = user.pays(fmt.Sprint("down-", n)).ID
	}
	paused := ""
	eventually(i.t, "a payment pauses", func() bool {
		for _, id := range ids {
			if user.reads(id).Paused {
				paused = id
			}
		}
		return paused != ""
	})
	late := "" // never asked the centre before its first pause; on a slow machine some come just when a probe is due
	for late == "" {
		id := user.pays(fmt.Sprint("down-late-", len(ids))).ID
		ids = append(ids, id)
		eventually(i.t, "a late payment pauses, or is the probe", func() bool { p := user.reads(id); return p.Paused || p.Attempts > 0 })
		if user.reads(id).Attempts == 0 {
			late = id
		}
	}
	i.centre.SetDown(false)
	for _, id := range ids {
		user.finds(id, "succeeded")
		agree(i.t, user, i.centre, id)
	}
	require.False(i.t, user.reads(paused).Paused)
	i.ends(paused, "paused-by-breaker")

	require.NoError(i.t, i.temporal.GetWorkflow(i.t.Context(), "payment/"+late, "").Get(i.t.Context(), nil))
	described, err := i.temporal.DescribeWorkflowExecution(i.t.Context(), "payment/"+late, "")
	require.NoError(i.t, err)
	shown := described.GetWorkflowExecutionInfo().GetSearchAttributes().GetIndexedFields()
	require.Contains(i.t, shown, workflows.TolemState.GetName())
	require.NotContains(i.t, shown, workflows.NextAttemptAt.GetName(), "an ended payment has no next attempt")
}
