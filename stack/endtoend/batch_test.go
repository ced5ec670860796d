package endtoend

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"

	"tolem/workflows"
)

// batchAnswer is the API's view of a batch, as far as tests read it.
type batchAnswer struct {
	BatchID string `json:"batchId"`
	Counts  struct{ Rows, Accepted, Replayed, Refused int }
	Items   []struct{ Status, ID, Code string }
}

func (c *caller) sendsBatch(status int, rows []string) (got batchAnswer) {
	c.t.Helper()
	answered, answer := c.do(http.MethodPost, "/v1/payments/batch", "["+strings.Join(rows, ",")+"]", map[string]string{"Idempotency-Key": "batch"}, nil)
	require.Equal(c.t, status, answered, answer)
	require.NoError(c.t, json.Unmarshal([]byte(answer), &got))
	return got
}

// A batch with bad rows is sent, mended and sent again while its payments are
// being started, by a worker that dies just then. Each row's money moves once, and
// the intake finishes: it reads the batch again for the rows that came while it
// ran. That the worker is dead shows by its heartbeat, after a minute.
func TestBatch(t *testing.T) {
	t.Parallel()
	i := startInfra(t)
	user := i.caller()
	const count, every = 300, 50
	rows := make([]string, count)
	for n := range rows {
		_, rows[n] = to(n % 100)
		if n%every == 0 {
			rows[n] = strings.Replace(rows[n], "77700177", "x", 1)
		}
	}
	dies := i.worker()
	first := user.sendsBatch(http.StatusAccepted, rows)
	require.Equal(t, count-count/every, first.Counts.Accepted)
	require.Equal(t, "invalid_request", first.Items[every].Code)
	eventually(t, "payments are being started", func() bool { return len(i.centre.Payments()) > 0 })
	dies.kill()
	intake := "intake/" + first.BatchID
	now, err := i.temporal.DescribeWorkflowExecution(t.Context(), intake, "")
	require.NoError(t, err)
	require.Len(t, now.GetPendingActivities(), 1, "it is in the middle of its page")
	run := now.GetWorkflowExecutionInfo().GetExecution().GetRunId()

	for n := range rows {
		_, rows[n] = to(n % 100)
	}
	mended := user.sendsBatch(http.StatusAccepted, rows)
	require.Equal(t, first.BatchID, mended.BatchID)
	require.Equal(t, count/every, mended.Counts.Accepted)
	require.Equal(t, first.Counts.Accepted, mended.Counts.Replayed)
	i.worker()

	ids := map[string]bool{}
	for _, item := range mended.Items {
		ids[item.ID] = true
		user.finds(item.ID, "succeeded")
		agree(t, user, i.centre, item.ID)
	}
	require.Len(t, ids, count)
	require.Equal(t, count, i.centre.Totals().Executed)

	var counted workflows.IntakeResult
	require.NoError(t, i.temporal.GetWorkflow(t.Context(), intake, "").Get(t.Context(), &counted))
	require.Zero(t, counted.Failed)
	ran := i.closedHistory(intake, run)
	last := ran.Events[len(ran.Events)-1]
	require.Equal(t, enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW, last.GetEventType())
	i.keep(ran, "intake-told-of-more-1")
	next := last.GetWorkflowExecutionContinuedAsNewEventAttributes().GetNewExecutionRunId()
	i.keep(i.closedHistory(intake, next), "intake-told-of-more-2")

	again := user.sendsBatch(http.StatusOK, rows)
	require.Equal(t, count, again.Counts.Replayed)
	now, err = i.temporal.DescribeWorkflowExecution(t.Context(), intake, "")
	require.NoError(t, err)
	require.Equal(t, next, now.GetWorkflowExecutionInfo().GetExecution().GetRunId(), "nothing was left to start")
}
