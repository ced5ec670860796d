package endtoend

import (
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	centre "tolem/simulators/processing"
	"tolem/stack/datadir"
	"tolem/stack/embedded"
)

// Temporal's database is deleted while payments wait for people. What people
// decided stands in the ledger: the held payment stays held and the proposed one
// proposed, the recorded choice is paid, and nobody gets more time to choose.
func TestTemporalsDatabaseDeletedWhilePeopleDecide(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "data")
	environment := map[string]string{"API_ADDR": freeAddress(t), "RETRY_INITIAL": "1h", "PAYER_DEADLINE": "1h"}
	open := func(sweepOlderThan time.Duration) (*infra, *datadir.Dir) {
		dir, err := datadir.Open(path)
		require.NoError(t, err)
		stack, err := embedded.Start(t.Context(), options(dir, func(o *embedded.Options) {
			o.SweepOlderThan = sweepOlderThan
			o.Getenv = func(name string) string { return environment[name] }
		}))
		require.NoError(t, err)
		i := &infra{t: t, stack: stack, centre: stack.Partners().Processing, env: maps.Clone(stack.Env), token: stack.Token}
		i.env["API_ADDR"] = stack.APIAddr
		i.temporal = dial(t, stack)
		return i, dir
	}
	i, dir := open(time.Minute) // so that no sweep tells a workflow of the choice
	user := i.caller()
	held := i.waiting(1, centre.Answer{Code: 1})
	user.orders(held, "hold", "hold").did(t, http.StatusOK, "held", "paying")
	proposed := i.proposed(2, "refused", unclear)
	undecided, chosen := user.asked("undecided", contracts), user.asked("chosen", contracts).ID
	away := i.otherAPI(map[string]string{"TEMPORAL_ADDRESS": freeAddress(t)})
	require.Equal(t, http.StatusAccepted, away.choosesContract(chosen, contractIDs[2]).status)
	require.Equal(t, "awaiting_payer", user.reads(chosen).State)
	calls := map[string]int{}
	for _, id := range []string{held, proposed, undecided.ID} {
		calls[id] = len(i.centre.Requests(number(t, id)))
	}
	i.stack.Stop()
	require.NoError(t, dir.Close())
	require.NoError(t, os.RemoveAll(filepath.Join(path, "temporal")))

	environment["PAYER_DEADLINE"] = "2h" // of payments that ask from now on
	i, dir = open(time.Second)
	defer func() { i.stack.Stop(); require.NoError(t, dir.Close()) }()
	user = i.caller()
	i.paidBy(chosen, contractIDs[2])
	for id := range calls {
		eventually(t, "the workflow of "+id+" waits again", func() bool { return i.waitsFor(id) > 0 })
	}
	require.LessOrEqual(t, i.waitsFor(undecided.ID), time.Hour, "of the time that was left")
	require.Equal(t, undecided.ExpiresAt, user.reads(undecided.ID).ExpiresAt)
	user.orders(held, "retry", "retry").refused(t, "payment_held")
	user.orders(proposed, "retry", "retry").refused(t, "payment_held")
	for id, before := range calls {
		require.Len(t, i.centre.Requests(number(t, id)), before, "nothing was sent for %s", id)
	}

	require.Equal(t, http.StatusOK, user.orders(held, "release", "release").status)
	user.finds(held, "succeeded")
	i.secondOperator().resolves(proposed, "refused", "confirm").did(t, http.StatusOK, "resolved", "resolved_refused")
	require.Less(t, user.choosesContract(undecided.ID, contractIDs[0]).status, 300)
	i.paidBy(undecided.ID, contractIDs[0])
	require.Len(t, requests(t, i.centre, proposed, "pay"), 2, "the confirmation called nobody")
	for _, id := range []string{held, proposed} {
		agree(t, user, i.centre, id)
	}
	i.ends(held, "taken-over-held")
	i.ends(proposed, "taken-over-proposed")
	i.ends(undecided.ID, "taken-over-awaiting-payer")
}
