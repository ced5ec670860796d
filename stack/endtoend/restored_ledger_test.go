package endtoend

import (
	"fmt"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	centre "tolem/simulators/processing"
)

// incident is the API's view, as far as this test reads it.
type incident struct {
	ID, Subject, Part, Reason, State string
	Process                          string
}

// incidents are the open ones of a reason.
func (c *caller) incidents(reason string) (open []incident) {
	c.t.Helper()
	var page struct{ Items []incident }
	status, answer := c.do(http.MethodGet, "/v1/incidents?state=open&limit=100&reason="+reason, "", nil, &page)
	require.Equal(c.t, http.StatusOK, status, answer)
	return page.Items
}

// subjects are the ids of the processes that incidents are about.
func subjects(all []incident) (ids []string) {
	for _, one := range all {
		ids = append(ids, one.Subject)
	}
	return ids
}

// afterRestore gives the command, and returns what it prints.
func (i *infra) afterRestore(args ...string) string {
	i.t.Helper()
	out, exit := run(i.t, programs.tolem, i.env, append([]string{"after-restore"}, args...)...)
	require.Zero(i.t, exit, out)
	return out
}

// sent is everything that partners have received so far.
func (i *infra) sent() string {
	totals, calls := i.centre.Totals(), 0
	totals.Requests = 0 // the balance and the catalogue are asked for all the time
	for _, r := range i.centre.Requests(0) {
		if r.Call == "check" || r.Call == "pay" {
			calls++
		}
	}
	return fmt.Sprintf("%d %+v %+v %+v", calls, totals, i.bank.Totals(), i.stack.Loxon().Summary())
}

// bothDo has two operators do the same, as the first one's word alone must not be enough.
func (i *infra) bothDo(path, body string) {
	i.t.Helper()
	for n, who := range []*caller{i.caller(), i.secondOperator()} {
		status, answer := who.do(http.MethodPost, path, body, map[string]string{"Idempotency-Key": path + strconv.Itoa(n)}, nil)
		require.Equal(i.t, []int{http.StatusAccepted, http.StatusOK}[n], status, answer)
	}
}

// closesMissing has two people close an incident with what the centre's books say.
func (i *infra) closesMissing(one incident) {
	i.t.Helper()
	body := `{"reason":"compared with the books","money":"not_moved"}`
	if one.Process == "payment" {
		if booked, _ := i.centre.Payment(number(i.t, one.Subject)); booked.State == centre.Executed {
			body = fmt.Sprintf(`{"reason":"compared with the books","money":"moved","transactionNumber":"%d"}`, booked.TransactionID)
		}
	}
	i.bothDo("/v1/incidents/"+one.ID+"/close", body)
}

// The last seconds of a ledger are lost, with payments that were paid in them, choices,
// orders, loans and events. Nothing is sent until people have compared; then each process
// ends once, each lost id is an incident, and no number is given twice.
func TestRestoredLedger(t *testing.T) {
	t.Parallel()
	server := replicated(t)
	ledger, err := server.CreateDatabase(t.Context(), "ledger")
	require.NoError(t, err)
	i := startInfraWith(t, map[string]string{"DATABASE_URL": ledger})
	i.worker()
	user := i.caller()

	done := user.finds(user.pays("done").ID, "succeeded").ID
	account, body := to(61)
	scriptFor(t, i.centre, "pay", account, centre.Answer{Code: 1, Times: 1_000_000})
	paying := user.paysFor("paying", body).ID
	user.answeredBy(paying, 1)
	asked := user.asked("asked", contracts).ID
	backup, err := server.BaseBackup(t.Context())
	require.NoError(t, err)
	user.sells("kept", clientThinks, `,"auto_confirm":true`)
	user.sees("kept", "waiting_for_client")
	user.sendsLoans(loanJSON("KD/kept", 1000))
	user.findsContract("KD/kept", "sent")
	moment := time.Now()

	// What is lost.
	require.NoError(t, i.centre.ClearScripts())
	user.finds(paying, "succeeded")
	user.choosesContract(asked, contractIDs[0])
	user.finds(asked, "succeeded")
	lost := user.finds(user.pays("lost").ID, "succeeded").ID
	account, body = to(62)
	scriptFor(t, i.centre, "pay", account, centre.Answer{Code: 1, Times: 1_000_000})
	lostPaying := user.paysFor("lost-paying", body).ID
	user.answeredBy(lostPaying, 1)
	require.NoError(t, i.bank.Approve("kept"))
	user.sees("kept", "paid_out")
	user.sells("lost-order", clientThinks, "")
	user.sees("lost-order", "waiting_for_client")
	require.Equal(t, http.StatusCreated, user.reports("KD/kept", "confirmed", `{"status":"request confirmed"}`))
	user.sendsLoans(loanJSON("KD/lost", 2000))
	lostReference := user.findsContract("KD/lost", "sent").Reference
	i.told(3)

	lastCommit, err := server.Restore(t.Context(), backup, moment)
	require.NoError(t, err)
	user.isClosed()
	before := i.sent()
	window := []string{"--from", lastCommit.UTC().Format(time.RFC3339), "--to", time.Now().UTC().Format(time.RFC3339)}
	i.afterRestore(append(window, "--dry-run")...)
	t.Log(i.afterRestore(window...))
	require.Contains(t, i.afterRestore(window...), "already")
	require.Equal(t, before, i.sent(), "nothing is sent before people have compared")

	eventually(t, "what exists is shown", func() bool {
		status, _ := user.do(http.MethodGet, "/v1/payments/"+done, "", nil, nil)
		return status == http.StatusOK
	})
	require.Equal(t, "paying", user.reads(paying).State, "the ledger has forgotten its end")
	for _, path := range []string{"/v1/payments", "/v1/orders"} {
		var problem struct{ Code string }
		status, answer := user.do(http.MethodPost, path, plain, map[string]string{"Idempotency-Key": "lost"}, &problem)
		require.Equal(t, http.StatusServiceUnavailable, status, answer)
		require.Equal(t, "ledger_reconciling", problem.Code, "it may repeat what was lost")
	}

	missing := user.incidents("missing_in_ledger")
	require.ElementsMatch(t, []string{lost, lostPaying, "lost-order", "KD/lost", "KD/kept"}, subjects(missing))
	require.ElementsMatch(t, []string{paying, asked, "kept", "KD/kept"}, subjects(user.incidents("restored")))
	for _, one := range missing {
		i.closesMissing(one)
	}
	const why = `{"reason":"compared with the partner's books"}`
	i.bothDo("/v1/payments/"+paying+"/release", why)
	i.bothDo("/v1/payments/"+asked+"/resolve", `{"outcome":"succeeded","reason":"it was paid","evidence":"register of the day"}`)
	i.bothDo("/v1/orders/kept/release", why)
	i.bothDo(contractPath("KD/kept")+"/release", why)
	i.afterRestore("--reconciled", "--reason", "books compared")

	user.finds(paying, "succeeded")
	user.sees("kept", "paid_out")
	after := user.says("/v1/payments", "after", plain).ID
	user.finds(after, "succeeded")
	require.Equal(t, http.StatusCreated, user.reports("KD/kept", "executed", `{"status":"payment order executed","paid_amount":1000}`))
	user.findsContract("KD/kept", "executed")
	user.sendsLoans(loanJSON("KD/after", 3000))
	require.NotEqual(t, lostReference, user.findsContract("KD/after", "sent").Reference, "a number was given twice")
	require.Equal(t, http.StatusCreated, user.reports("KD/after", "executed", `{"status":"payment order executed","paid_amount":3000}`))

	for _, id := range []string{done, paying, asked, lost, after} {
		movedOnce(t, i.centre, id)
	}
	require.Zero(t, i.centre.Effects(number(t, lostPaying)))
	i.settled("kept")
	values := map[string]string{}
	for _, e := range i.told(6) {
		if had, ok := values[e.id]; ok {
			require.Equal(t, had, e.value, "event-seq %s was given twice", e.id)
		}
		values[e.id] = e.value
	}
	require.Empty(t, user.incidents("restored"))
	require.Empty(t, user.incidents("missing_in_ledger"))
}
