package endtoend

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/temporalproto"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	centre "tolem/simulators/processing"
	"tolem/workflows"
)

// recordTo is set to keep new histories in workflows/testdata/histories, for
// replay by later versions of the code. One that is there is never written over:
// it is evidence of what runs in production.
const recordTo = "RECORD_HISTORIES_TO"

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
			replay(t, i.closedHistory("payment/"+id), "payment-"+name)
		})
	}
}

// closedHistory waits for a workflow's end and reads all its events.
func (i *infra) closedHistory(id string) *historypb.History {
	i.t.Helper()
	ctx := context.Background()
	require.NoError(i.t, i.temporal.GetWorkflow(ctx, id, "").Get(ctx, nil))
	history := &historypb.History{}
	events := i.temporal.GetWorkflowHistory(ctx, id, "", false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		event, err := events.Next()
		require.NoError(i.t, err)
		history.Events = append(history.Events, event)
	}
	return history
}

func replay(t *testing.T, history *historypb.History, name string) {
	t.Helper()
	replayer := worker.NewWorkflowReplayer()
	replayer.RegisterWorkflowWithOptions(workflows.Payment, workflow.RegisterOptions{Name: workflows.PaymentWorkflow})
	require.NoError(t, replayer.ReplayWorkflowHistory(log.NewStructuredLogger(slog.New(slog.DiscardHandler)), history))

	dir := os.Getenv(recordTo)
	if dir == "" {
		return
	}
	raw, err := temporalproto.CustomJSONMarshalOptions{Indent: " "}.Marshal(history)
	require.NoError(t, err)
	raw = regexp.MustCompile(`"identity": *"[^"]*"`).ReplaceAll(raw, []byte(`"identity": "worker"`)) // names the machine
	file, err := os.OpenFile(filepath.Join(dir, name+".json"), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if os.IsExist(err) {
		return
	}
	require.NoError(t, err)
	_, err = file.Write(append(raw, '\n'))
	require.NoError(t, err)
	require.NoError(t, file.Close())
}
