package endtoend

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"tolem/activities"
)

// A payer chooses once, whoever asks how often, whatever dies meanwhile: the
// money moves once, with the taken choice, or never.
func TestPayersChoice(t *testing.T) {
	t.Parallel()
	i := startInfra(t)
	worker := i.worker()
	for _, part := range []struct {
		name string
		run  func(i *infra)
	}{
		{"different choices at once", differentChoicesAtOnce},
		{"equal choices at once", equalChoicesAtOnce},
		{"services of a receipt", servicesOfAReceipt},
		{"no choice in time", noChoiceInTime},
		{"cancelled by an operator", cancelledWhileThePayerThinks},
		{"cancel and pay at once", cancelAndPayAtOnce},
		{"recorded while Temporal is away", choiceWhileTemporalIsAway},
		{"worker and API killed after the effect", func(i *infra) { killedAfterTheChosenEffect(i, worker) }},
	} {
		t.Run(part.name, func(t *testing.T) { part.run(i.in(t)) })
	}
}

// paidBy asserts that the books hold a payment's money once, by a pay with the
// chosen contract, and that the ledger says so.
func (i *infra) paidBy(id, contract string) {
	i.t.Helper()
	user := i.caller()
	user.finds(id, "succeeded")
	agree(i.t, user, i.centre, id)
	require.Contains(i.t, requests(i.t, i.centre, id, "pay")[0].Body, `"extras":{"contractId":"`+contract+`"}`)
}

func differentChoicesAtOnce(i *infra) {
	id := i.caller().asked("different", contracts).ID
	var taken [3]atomic.Int32
	atOnce(30, func(n int) {
		got := i.caller().choosesContract(id, contractIDs[n%3])
		switch got.status {
		case http.StatusOK, http.StatusAccepted:
			taken[n%3].Add(1)
		default:
			got.refused(i.t, "already_chosen")
		}
	})
	counts := []int32{taken[0].Load(), taken[1].Load(), taken[2].Load()}
	winner := slices.Index(counts, 10)
	require.GreaterOrEqual(i.t, winner, 0, "all who sent the taken choice were told so: %v", counts)
	counts[winner] = 0
	require.Equal(i.t, []int32{0, 0, 0}, counts, "and nobody else")

	i.paidBy(id, contractIDs[winner])
	require.Equal(i.t, http.StatusOK, i.caller().choosesContract(id, contractIDs[winner]).status, "also after the end")
	i.caller().choosesContract(id, contractIDs[(winner+1)%3]).refused(i.t, "already_chosen")
	require.Len(i.t, requests(i.t, i.centre, id, "pay"), 1)
	i.ends(id, "chosen-contract")
}

func equalChoicesAtOnce(i *infra) {
	id := i.caller().asked("equal", contracts).ID
	atOnce(50, func(int) {
		got := i.caller().choosesContract(id, contractIDs[1]) // repeated after 503
		require.Contains(i.t, []int{http.StatusOK, http.StatusAccepted}, got.status, got.body)
	})
	i.paidBy(id, contractIDs[1])
	require.Len(i.t, requests(i.t, i.centre, id, "pay"), 1)
}

func servicesOfAReceipt(i *infra) {
	user := i.caller()
	id := user.asked("receipt", receipt).ID
	got := user.chooses(id, `{"extraServices":[{"subServiceId":"36","amount":359.80,"lastCount":"490187.125"},{"subServiceId":"2","amount":925.20}]}`)
	require.Less(i.t, got.status, 300, got.body)
	user.finds(id, "succeeded")
	agree(i.t, user, i.centre, id)
	require.Contains(i.t, requests(i.t, i.centre, id, "pay")[0].Body,
		`"extraServices":[{"subServiceId":"36","lastCount":"490187.125","amount":359.80},{"subServiceId":"2","amount":925.20}]`)
	i.ends(id, "chosen-receipt")
}

func noChoiceInTime(i *infra) {
	user := i.otherAPI(map[string]string{"PAYER_DEADLINE": "2s"})
	id := user.paysFor("late", contracts).ID
	user.finds(id, "expired")
	user.choosesContract(id, contractIDs[0]).refused(i.t, "not_awaiting_payer")
	i.ends(id, "expired")
	agree(i.t, user, i.centre, id)
}

func cancelledWhileThePayerThinks(i *infra) {
	user := i.caller()
	id := user.asked("cancelled", contracts).ID
	user.orders(id, "retry", "too-soon").refused(i.t, "awaiting_payer")
	user.orders(id, "cancel", "cancel").did(i.t, http.StatusOK, "cancelled", "cancelled")
	user.choosesContract(id, contractIDs[0]).refused(i.t, "not_awaiting_payer")
	i.ends(id, "cancelled-by-operator-before-choice")
	agree(i.t, user, i.centre, id)
}

// Whoever comes first, both callers are told what then became true.
func cancelAndPayAtOnce(i *infra) {
	const payments = 20
	user := i.caller()
	var ids [payments]string
	for n := range ids {
		ids[n] = user.paysFor(fmt.Sprint("contested-", n), contracts).ID
	}
	for _, id := range ids {
		user.finds(id, "awaiting_payer")
	}
	var cancels, choices [payments]said
	atOnce(2*payments, func(n int) {
		if id := ids[n/2]; n%2 == 0 {
			cancels[n/2] = i.caller().orders(id, "cancel", "cancel")
		} else {
			choices[n/2] = i.caller().choosesContract(id, contractIDs[2])
		}
	})
	ends := map[string]int{}
	for n, id := range ids {
		i.closedHistory("payment/"+id, "")
		end := user.reads(id).State
		ends[end]++
		agree(i.t, user, i.centre, id)
		cancel, choice := cancels[n], choices[n]
		if end == "cancelled" {
			cancel.did(i.t, http.StatusOK, "cancelled", "cancelled")
			if choice.status == http.StatusConflict {
				choice.refused(i.t, "not_awaiting_payer")
				continue
			}
			require.Less(i.t, choice.status, 300, choice.body)
			require.Contains(i.t, []string{"awaiting_payer", "cancelled"}, choice.State)
			continue
		}
		i.paidBy(id, contractIDs[2])
		require.Less(i.t, choice.status, 300, choice.body)
		require.Equal(i.t, http.StatusConflict, cancel.status, cancel.body)
		require.Contains(i.t, []string{"pay_sent", "payment_ended"}, cancel.Code)
	}
	i.t.Logf("ends: %v", ends)
}

// The API that records the choice cannot tell the workflow, and dies. The sweep
// tells it.
func choiceWhileTemporalIsAway(i *infra) {
	user := i.caller()
	id := user.asked("untold", contracts).ID
	away := i.otherAPI(map[string]string{"TEMPORAL_ADDRESS": freeAddress(i.t)})
	require.Equal(i.t, http.StatusAccepted, away.choosesContract(id, contractIDs[0]).status)
	require.Equal(i.t, "awaiting_payer", user.reads(id).State)
	require.Empty(i.t, requests(i.t, i.centre, id, "pay"), "nobody told the workflow")

	var told string
	sweeps := 0
	eventually(i.t, "a sweep tells the workflow", func() bool { // Temporal's list of workflows lags
		sweeps++
		told = fmt.Sprint("sweep-in-test-", sweeps)
		run, err := i.temporal.ExecuteWorkflow(i.t.Context(), client.StartWorkflowOptions{ID: told, TaskQueue: activities.QueueMain},
			activities.WorkflowSweep, activities.SweepInput{})
		require.NoError(i.t, err)
		var swept activities.SweepResult
		require.NoError(i.t, run.Get(context.Background(), &swept))
		return swept.Nudged > 0
	})
	i.paidBy(id, contractIDs[0])
	i.keep(i.closedHistory(told, ""), "sweep-tells-choice")
	i.ends(id, "chosen-told-by-sweep")
}

// The centre has moved the chosen money and its answer is on the way when worker
// and API die.
func killedAfterTheChosenEffect(i *infra, worker *process) {
	user := i.caller()
	id := user.asked("killed", contracts).ID
	answer := i.centre.Hold("pay")
	defer answer()
	require.Less(i.t, user.choosesContract(id, contractIDs[1]).status, 300)
	eventually(i.t, "the money moved", func() bool { return i.centre.Effects(number(i.t, id)) == 1 })
	worker.kill()
	i.api.kill()
	answer()

	i.startAPI()
	require.Equal(i.t, "paying", user.reads(id).State)
	i.worker()
	i.paidBy(id, contractIDs[1])
	require.Equal(i.t, "recovery", user.attempts(id)[2].Cause)
	require.Equal(i.t, http.StatusOK, user.choosesContract(id, contractIDs[1]).status)
	i.ends(id, "chosen-recovered")
}
