package delivery

import (
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"tolem/activities"
	"tolem/cmd/tolem/app"
	"tolem/domain"
	"tolem/storage"
	"tolem/workers"
)

// A worker copies the ledger's mark into Temporal. When every process has stopped and the
// ledger is an older one, the next processes learn from that copy that commits are lost: the
// API is not ready, and the gate is closed in the ledger.
func TestMarkInTemporalClosesTheGateOfARestoredLedger(t *testing.T) {
	g := newGround(t, "tolem")
	g.setup()
	cluster := workers.Cluster{Temporal: g.temporal, Namespace: "tolem"}
	worker, err := app.Start(t.Context(), g.config(), app.Parts{Worker: true})
	require.NoError(t, err)
	var mark int64
	require.Eventually(t, func() bool {
		mark, err = cluster.LedgerMark(t.Context())
		return err == nil && mark >= 2
	}, patience, 50*time.Millisecond)
	worker.Stop()
	mark, err = cluster.LedgerMark(t.Context())
	require.NoError(t, err)
	require.NoError(t, cluster.KeepLedgerMark(t.Context(), mark-1))
	kept, err := cluster.LedgerMark(t.Context())
	require.NoError(t, err)
	require.Equal(t, mark, kept, "a copy never falls")

	ready := g.start(app.Parts{API: true})
	status, text := readyz(t, ready.Addr)
	require.Equal(t, http.StatusOK, status, text)
	ready.Stop()

	require.NoError(t, cluster.KeepLedgerMark(t.Context(), mark+1000)) // what a ledger knew that this one is a backup of
	require.Eventually(t, func() bool { kept, err := cluster.LedgerMark(t.Context()); return err == nil && kept == mark+1000 }, patience, 50*time.Millisecond)
	restored := g.start(app.Parts{API: true})
	status, text = readyz(t, restored.Addr)
	require.Equal(t, http.StatusServiceUnavailable, status)
	require.Contains(t, text, "ledger: "+storage.ErrRestored.Error())
	ledger, err := storage.Open(t.Context(), g.env["DATABASE_URL"])
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, ledger.Close()) })
	afterRestore(t, g, ledger)
	kept, err = cluster.LedgerMark(t.Context())
	require.NoError(t, err)
	require.NoError(t, ledger.Guard(t.Context(), kept), "the epoch is above every earlier mark")
	require.Equal(t, domain.GateReconciling, ledger.Gate())
	require.Eventually(t, func() bool { status, _ := readyz(t, restored.Addr); return status == http.StatusOK }, patience, 50*time.Millisecond)
	require.NoError(t, app.Reconciled(t.Context(), g.config(), "compared"))
	require.NoError(t, ledger.Look(t.Context()))
	require.Equal(t, domain.GateOpen, ledger.Gate())
}

// afterRestore runs the command on a ledger that has one open payment, while Temporal and a
// register have one each that it lost.
func afterRestore(t *testing.T, g *ground, ledger *storage.Ledger) {
	t.Helper()
	from := time.Now().Add(-time.Minute)
	p, _, err := ledger.Accept(t.Context(), storage.Payment{Caller: "a", IdempotencyKey: "k", RequestSHA256: "s", ServiceID: "P1", Account: "1",
		AgentTransactionDate: "2026-02-17T17:00:00", RetryInitial: time.Second, RetryFactorMilli: 2000, CreatedAt: storage.At(from)})
	require.NoError(t, err)
	const lost, registered = "payment/176000000000000001", "176000000000000002"
	for _, id := range []string{p.ID.WorkflowID(), lost} {
		_, err := g.temporal.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: id, TaskQueue: "nobody"}, activities.WorkflowPayment)
		require.NoError(t, err)
	}
	register := filepath.Join(t.TempDir(), "day.csv")
	require.NoError(t, os.WriteFile(register, []byte("agentTransactionId,amountTo,state\n"+registered+",200.00,0\n"+p.ID.String()+",200.00,0\n"), 0o600))
	o := app.AfterRestoreOptions{Window: storage.Window{From: from, To: time.Now()}, Registers: []string{register}, WithoutTopic: true}
	var report *app.RestoreReport
	require.Eventually(t, func() bool { // visibility lags
		o.DryRun = true
		report, err = app.AfterRestore(t.Context(), g.config(), o)
		return err == nil && report.Missing["Temporal"] == 1
	}, patience, 200*time.Millisecond)
	require.Equal(t, 1, report.Held.Payments)
	o.DryRun = false
	for _, fresh := range []int{1, 0} {
		report, err = app.AfterRestore(t.Context(), g.config(), o)
		require.NoError(t, err)
		require.Equal(t, fresh == 0, report.Held.Before)
		require.Equal(t, fresh, report.Stopped)
		require.Equal(t, map[string]int{"Temporal": 1, "registers": 1}, report.Missing)
		require.Equal(t, fresh, report.Fresh["Temporal"])
		require.Equal(t, fresh, report.Fresh["registers"])
	}
	found, _, err := ledger.Incidents(t.Context(), storage.IncidentFilter{}, "", 10)
	require.NoError(t, err)
	var lines []string
	for _, i := range found {
		lines = append(lines, i.WorkflowID()+" "+string(i.Reason))
	}
	require.ElementsMatch(t, []string{p.ID.WorkflowID() + " restored", lost + " missing_in_ledger", "payment/" + registered + " missing_in_ledger"}, lines)
}
