package delivery

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tolem/cmd/tolem/app"
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
	require.ErrorIs(t, ledger.Guard(t.Context(), 0), storage.ErrRestored)
}
