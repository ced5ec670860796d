package endtoend

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"tolem/activities"
	centre "tolem/simulators/processing"
	"tolem/storage/privatepostgres/postgrestest"
)

// What operators order, and a balance that rises, is done at once and once. The
// ladder's first wait is an hour here: every later attempt is somebody's. So the
// ledger is on PostgreSQL: an attempt that SQLite's lock kept waiting for too long
// would be made again in an hour.
func TestActions(t *testing.T) {
	t.Parallel()
	i := startInfraWith(t, map[string]string{"RETRY_INITIAL": "1h", "PARTNER_TIMEOUT": "30s", "DATABASE_URL": postgrestest.ForTest(t)})
	i.worker()
	for _, part := range []struct {
		name string
		run  func(i *infra)
	}{
		{"retry during an attempt", retryDuringAnAttempt},
		{"hold and release", holdAndRelease},
		{"cancel", cancelAtCheck},
		{"resolve as refused", resolveAsRefused},
		{"resolve as succeeded", resolveAsSucceeded},
		{"a proposal ends by release", proposalEndsByRelease},
		{"an old payment needs an operator", oldPayment},
		{"the balance rises", theBalanceRises},
		{"bulk retry", bulkRetry},
	} {
		t.Run(part.name, func(t *testing.T) { part.run(i.in(t)) })
	}
}

// waiting makes a payment that waits for its next attempt after the centre's
// answers to its first pay, and to later ones.
func (i *infra) waiting(number int, answers ...centre.Answer) (id string) {
	i.t.Helper()
	account, body := to(number)
	scriptFor(i.t, i.centre, "pay", account, answers...)
	user := i.caller()
	id = user.paysFor(account, body).ID
	eventually(i.t, "payment "+id+" waits", func() bool {
		made := user.attempts(id)
		return len(made) == 2 && made[1].Reported
	})
	return id
}

func retryDuringAnAttempt(i *infra) {
	first, second := i.caller(), i.secondOperator()
	id := i.waiting(1, centre.Answer{Code: 1})
	answer := i.centre.Hold("pay")
	defer answer()
	var both [2]said
	done := make(chan struct{})
	go func() {
		defer close(done)
		atOnce(2, func(n int) {
			if n == 0 {
				both[0] = first.orders(id, "retry", "a")
				return
			}
			eventually(i.t, "the first one's attempt is under way", func() bool { return i.centre.Waiting("pay") == 1 })
			both[1] = second.orders(id, "retry", "b")
		})
	}()
	eventually(i.t, "the workflow has heard both", func() bool { return i.updates(id) == 2 })
	require.Equal(i.t, 1, i.centre.Waiting("pay"), "no extra call")
	answer()
	<-done

	both[0].did(i.t, http.StatusOK, "attempted", "succeeded")
	both[1].refused(i.t, "payment_ended")                                            // by the attempt that it came during
	first.orders(id, "retry", "a").did(i.t, http.StatusOK, "attempted", "succeeded") // the same order
	require.Len(i.t, requests(i.t, i.centre, id, "pay"), 2)
	require.Equal(i.t, "operator", first.attempts(id)[2].Cause)
	agree(i.t, first, i.centre, id)
	i.ends(id, "retried-by-operator")
}

func holdAndRelease(i *infra) {
	user := i.caller()
	id := i.waiting(2, centre.Answer{Code: 1})
	user.orders(id, "hold", "hold").did(i.t, http.StatusOK, "held", "paying")
	user.orders(id, "retry", "retry").refused(i.t, "payment_held")
	user.orders(id, "cancel", "cancel").refused(i.t, "pay_sent")
	require.Len(i.t, requests(i.t, i.centre, id, "pay"), 1)
	got := user.orders(id, "release", "release")
	require.Equal(i.t, http.StatusOK, got.status, got.body)
	user.finds(id, "succeeded")
	agree(i.t, user, i.centre, id)
	require.Len(i.t, requests(i.t, i.centre, id, "pay"), 2)
	i.ends(id, "held-and-released")
}

func cancelAtCheck(i *infra) {
	user := i.caller()
	account, body := to(3)
	scriptFor(i.t, i.centre, "check", account, centre.Answer{Code: 1})
	id := user.finds(user.paysFor(account, body).ID, "checking").ID
	user.resolves(id, "refused", "resolve").refused(i.t, "never_paid")
	user.orders(id, "cancel", "cancel").did(i.t, http.StatusOK, "cancelled", "cancelled")
	agree(i.t, user, i.centre, id)
	i.ends(id, "cancelled-by-operator")
}

// unclear is an answer that says nothing about the money; nothing moved.
var unclear = centre.Answer{Code: 999, Transient: true, Times: 2}

// proposed makes a payment that a first operator wants resolved, which cost one
// more attempt.
func (i *infra) proposed(number int, outcome string, answer centre.Answer) (id string) {
	i.t.Helper()
	first := i.caller()
	id = i.waiting(number, answer)
	require.True(i.t, first.reads(id).NeedsOperator)
	first.resolves(id, outcome, "propose").did(i.t, http.StatusAccepted, "proposed", "paying")
	first.resolves(id, outcome, "again").refused(i.t, "second_operator_needed")
	require.Len(i.t, requests(i.t, i.centre, id, "pay"), 2)
	return id
}

func resolveAsRefused(i *infra) {
	id := i.proposed(4, "refused", unclear)
	second := i.secondOperator()
	second.resolves(id, "succeeded", "other").refused(i.t, "other_outcome")
	second.resolves(id, "refused", "confirm").did(i.t, http.StatusOK, "resolved", "resolved_refused")
	require.Len(i.t, requests(i.t, i.centre, id, "pay"), 2, "the second one calls nobody")
	agree(i.t, second, i.centre, id)
	i.ends(id, "resolved-as-refused")
}

func resolveAsSucceeded(i *infra) {
	id := i.proposed(5, "succeeded", centre.Answer{Fault: centre.WrongEcho, Times: 2}) // the money moved
	second := i.secondOperator()
	second.resolves(id, "succeeded", "confirm").did(i.t, http.StatusOK, "resolved", "resolved_succeeded")
	require.Len(i.t, requests(i.t, i.centre, id, "pay"), 2, "the second one calls nobody")
	agree(i.t, second, i.centre, id)
	i.ends(id, "resolved-as-succeeded")
}

func proposalEndsByRelease(i *infra) {
	id := i.proposed(6, "refused", unclear)
	second := i.secondOperator()
	got := second.orders(id, "release", "release")
	require.Equal(i.t, http.StatusOK, got.status, got.body)
	second.finds(id, "succeeded")
	agree(i.t, second, i.centre, id)
	i.ends(id, "proposal-released")
}

func oldPayment(i *infra) {
	user := i.otherAPI(map[string]string{"AGE_RAISE": "1s"})
	account, body := to(7)
	scriptFor(i.t, i.centre, "pay", account, centre.Answer{Code: 1})
	id := user.paysFor(account, body).ID
	eventually(i.t, "a person is asked to look", func() bool { return user.reads(id).NeedsOperator })
	require.Equal(i.t, "paying", user.reads(id).State, "nothing ends a payment for being old")
	user.orders(id, "retry", "retry").did(i.t, http.StatusOK, "attempted", "succeeded")
	agree(i.t, user, i.centre, id)
	i.ends(id, "age-raised")
}

// Balances, in ten-thousandths of a tenge.
const (
	tooLittle = 100_0000
	plenty    = 1_000_000_0000
)

// lacksFunds sets the balance too low, has it read, and lets payments wait for it.
func (i *infra) lacksFunds(first, payments int) (ids []string) {
	i.t.Helper()
	require.NoError(i.t, i.centre.SetBalance(tooLittle))
	i.trigger(activities.ScheduleBalance)
	user := i.caller()
	for n := range payments {
		account, body := to(first + n)
		ids = append(ids, user.paysFor(account, body).ID)
	}
	for _, id := range ids {
		user.answeredBy(id, 220)
	}
	return ids
}

// repaid asserts that payments that lacked funds were paid by one more attempt
// each, of the cause.
func (i *infra) repaid(ids []string, cause string) {
	i.t.Helper()
	user := i.caller()
	for _, id := range ids {
		user.finds(id, "succeeded")
		agree(i.t, user, i.centre, id)
		made := user.attempts(id)
		require.Len(i.t, made, 3)
		require.Equal(i.t, cause, made[2].Cause)
	}
}

func theBalanceRises(i *infra) {
	i.quiet(activities.ScheduleBalance) // the worker has made it
	schedule := i.temporal.ScheduleClient().GetHandle(i.t.Context(), activities.ScheduleBalance)
	require.NoError(i.t, schedule.Pause(i.t.Context(), client.SchedulePauseOptions{})) // runs when it is told to
	ids := i.lacksFunds(10, 3)
	i.caller().orders(ids[2], "hold", "hold").did(i.t, http.StatusOK, "held", "paying")
	require.NoError(i.t, i.centre.SetBalance(plenty))
	history := i.trigger(activities.ScheduleBalance)
	found := result[activities.BalanceResult](i.t, history)
	require.True(i.t, found.Rose)
	require.Equal(i.t, 2, found.Nudged)
	i.repaid(ids[:2], "balance")
	require.Len(i.t, i.caller().attempts(ids[2]), 2, "the held one waits for its release")
	i.keep(history, "balance-rose")
	i.ends(ids[0], "woken-by-balance")

	require.Equal(i.t, http.StatusOK, i.caller().orders(ids[2], "release", "release").status)
	i.repaid(ids[2:], "operator")
}

func bulkRetry(i *infra) {
	ids := i.lacksFunds(20, 20)
	require.NoError(i.t, i.centre.SetBalance(plenty))
	var did struct{ Matched, Done, Refused, Failed int }
	order := func() {
		i.t.Helper()
		status, answer := i.caller().do(http.MethodPost, "/v1/payments/actions",
			`{"filter":{"code":220},"action":"retry","reason":"`+reason+`"}`, map[string]string{"Idempotency-Key": "all"}, nil)
		require.Equal(i.t, http.StatusOK, status, answer)
		require.NoError(i.t, json.Unmarshal([]byte(answer), &did))
		require.Equal(i.t, fmt.Sprint(struct{ Matched, Done, Refused, Failed int }{20, 20, 0, 0}), fmt.Sprint(did), answer)
	}
	order()
	i.repaid(ids, "operator")
	order() // again: it is done
	i.repaid(ids, "operator")
}
