package endtoend

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"tolem/activities"
	"tolem/domain"
	"tolem/simulators/abs"
	centre "tolem/simulators/processing"
	"tolem/stack/monitoring"
	"tolem/storage"
)

// Dashboards and alerts ask for metrics, labels and values that an API and a worker really
// export, and none of them tells who paid.
func TestMonitoringAsksForWhatIsThere(t *testing.T) {
	t.Parallel()
	i := startInfra(t)
	i.env["METRICS_ADDR"] = freeAddress(t)
	i.haveOneOfEach()
	expressions, err := monitoring.Expressions("../../docker")
	require.NoError(t, err)
	var wrong []string
	defer func() {
		if t.Failed() {
			t.Log(strings.Join(wrong, "\n"))
		}
	}()
	eventually(t, "everything that is asked for is there", func() bool { // an API reads the ledger every 15 s
		scraped := i.scraped()
		wrong = nil
		for _, e := range expressions {
			wrong = append(wrong, scraped.Wrong(e)...)
		}
		return len(wrong) == 0
	})
}

// sampleValue is the number at the end of a line: a sum of seconds such as
// 0.30000000000000004 has as many zeros as the invented IIN.
var sampleValue = regexp.MustCompile(`(?m) [-+.0-9eE]+$`)

// scraped is what Prometheus would have after one round.
func (i *infra) scraped() monitoring.Series {
	i.t.Helper()
	s := monitoring.Series{}
	for job, url := range map[string]string{"api": i.url(), "worker": "http://" + i.env["METRICS_ADDR"]} {
		status, answer := (&caller{t: i.t, api: url}).do(http.MethodGet, "/metrics", "", nil, nil)
		require.Equal(i.t, http.StatusOK, status)
		for _, personal := range []string{"7770017711", "Тестов", "KZ000000000000000000", "000000000000", "KD1", clientAgrees, i.token} {
			require.NotContains(i.t, sampleValue.ReplaceAllString(answer, ""), personal, job)
		}
		require.NoError(i.t, s.Add(job, url, answer))
	}
	require.NoError(i.t, s.Add("temporal", "temporal:8000", "")) // of the server nothing but up is asked for
	return s
}

// haveOneOfEach has one of everything happen that dashboards and alerts speak of.
func (i *infra) haveOneOfEach() {
	i.t.Helper()
	user := i.caller()
	i.worker()
	user.finds(user.pays("one").ID, "succeeded")
	script(i.t, i.centre, "pay", centre.Answer{Code: 220, Transient: true, Times: 1_000_000})
	waits := user.pays("waits").ID
	eventually(i.t, "a payment waits for funds", func() bool { p := user.reads(waits); return p.ResultCode != nil && *p.ResultCode == 220 })
	user.sendsBatch(http.StatusAccepted, []string{plain})

	require.NoError(i.t, i.stack.Partners().ABS.Script(abs.Script{Call: abs.CallScan, Answers: []abs.Answer{{Fault: abs.Unknown}}}))
	code, text := user.sendsLoans(loanJSON("KD1", 700))
	require.Zero(i.t, code, text)
	eventually(i.t, "an operator is asked", func() bool { return user.readsContract("KD1").NeedsOperator })
	i.hasIncidents()
	code, text = user.sendsLoans(loanJSON("KD2", 700))
	require.Zero(i.t, code, text)
	user.findsContract("KD2", "sent")
	i.told(1)

	user.sells("order 1", clientAgrees, "")
	user.sees("order 1", "waiting_for_store")
	status, o := user.decides("order 1", "confirm")
	require.Equal(i.t, http.StatusOK, status, "%+v", o)

	script(i.t, i.centre, "balance", centre.Answer{Fault: centre.HTML502, Times: 1_000_000})
	status, answer := user.do(http.MethodGet, "/v1/balance", "", nil, nil)
	require.GreaterOrEqual(i.t, status, http.StatusInternalServerError, answer)
	_, err := i.temporal.ExecuteWorkflow(i.t.Context(), client.StartWorkflowOptions{TaskQueue: activities.QueueMain}, "nobody registered this")
	require.NoError(i.t, err)
	eventually(i.t, "a worker cannot do a task", func() bool { return len(i.scraped()["temporal_workflow_task_execution_failed_total"]) > 0 })
}

// hasIncidents has one incident about money that nobody looks into, of a payment that this
// ledger does not have, and one acknowledged of another reason.
func (i *infra) hasIncidents() {
	i.t.Helper()
	ledger, err := storage.Open(i.t.Context(), i.env["DATABASE_URL"])
	require.NoError(i.t, err)
	defer func() { require.NoError(i.t, ledger.Close()) }()
	for subject, why := range map[string]domain.OperatorReason{"1": domain.ReasonPaidAfterEnd, "2": domain.ReasonTooOld} {
		require.NoError(i.t, ledger.Raise(i.t.Context(), storage.OpenIncident{Process: domain.ProcessPayment, Subject: subject, Reason: why}, "pay answered code 0"))
	}
	user := i.caller()
	var found struct{ Items []struct{ ID string } }
	status, answer := user.do(http.MethodGet, "/v1/incidents?reason="+string(domain.ReasonTooOld), "", nil, &found)
	require.Equal(i.t, http.StatusOK, status, answer)
	require.Len(i.t, found.Items, 1)
	status, answer = user.do(http.MethodPost, "/v1/incidents/"+found.Items[0].ID+"/acknowledge", `{"reason":"asked the centre"}`, nil, nil)
	require.Equal(i.t, http.StatusOK, status, answer)
}
