package delivery

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"tolem/activities"
	"tolem/cmd/tolem/app"
	"tolem/domain"
	"tolem/partners/loxon"
	"tolem/stack/kafkabroker"
	"tolem/storage"
	"tolem/workers"
)

// opens opens the ground's ledger.
func (g *ground) opens() *storage.Ledger {
	g.t.Helper()
	ledger, err := storage.Open(g.t.Context(), g.env["DATABASE_URL"])
	require.NoError(g.t, err)
	g.t.Cleanup(func() { require.NoError(g.t, ledger.Close()) })
	return ledger
}

// sent takes a loan in and stores that its request was sent: the contract's event 1.
func sent(t *testing.T, ledger *storage.Ledger, contract domain.ContractNumber, at time.Time) {
	t.Helper()
	_, err := ledger.TakeLoans(t.Context(), storage.LoanBatch{Caller: "eko", Day: "2026-02-17", Digest: "d", At: at, Loans: []storage.Loan{{
		Contract: contract, LoanNumber: "KD1", IBAN: "KZ000000000000000000", Currency: "KZT", FullName: "Тестовый Тест", IINBIN: "000000000000", System: "way4", Debt: 1000, OverdueDays: 90,
	}}})
	require.NoError(t, err)
	o, err := ledger.PaymentOrder(t.Context(), contract)
	require.NoError(t, err)
	for _, part := range domain.DossierParts() {
		require.NoError(t, ledger.RecordPart(t.Context(), storage.GatheredPart{
			Contract: contract, Asked: o.Account(), Call: storage.Call{Process: contract.WorkflowID(), Name: string(part), At: at, Cause: domain.CauseScheduled},
			Outcome: storage.Outcome{Kind: storage.Answered}, Item: storage.DossierItem{OrderID: o.ID, Part: part, State: domain.PartGot, UpdatedAt: storage.At(at)},
		}))
	}
	stored, err := ledger.SendRequest(t.Context(), contract, o.ID, at)
	require.NoError(t, err)
	require.True(t, stored)
}

// Each event that Loxon's topic holds and the ledger has lost is a fact of its contract's
// incident missing_in_ledger, of contracts that the ledger has and of others, raised once; what
// the ledger has raises nothing.
func TestAfterRestoreRaisesEventsThatTheLedgerLost(t *testing.T) {
	g := newGround(t, "tolem")
	config := g.config()
	broker, err := kafkabroker.Start(kafkabroker.Options{Addr: "127.0.0.1:0", Topics: []string{config.Collection.Loxon.Topic}})
	require.NoError(t, err)
	t.Cleanup(broker.Stop)
	g.env["KAFKA_BROKERS"] = broker.Addr()
	config = g.config()
	ledger, from := g.opens(), time.Now().Add(-time.Minute)
	sent(t, ledger, "KD/kept", from)

	producer, err := loxon.New(config.Collection.Loxon)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, producer.Close()) })
	for _, e := range []struct {
		contract domain.ContractNumber
		seq      int64
	}{{"KD/kept", 1}, {"KD/kept", 2}, {"KD/lost", 1}, {"KD/kept", 3}, {"KD/kept", 3}} {
		_, err := producer.Send(t.Context(), loxon.Message{Key: string(e.contract), Value: []byte("{}"), Seq: e.seq,
			EventID: fmt.Sprintf("%s/%d", e.contract, e.seq), ProcessID: e.contract.WorkflowID()})
		require.NoError(t, err)
	}

	o := app.AfterRestoreOptions{Window: storage.Window{From: from, To: time.Now()}, WithoutTemporal: true}
	for _, fresh := range []int{4, 0} {
		report, err := app.AfterRestore(t.Context(), config, o)
		require.NoError(t, err)
		require.Equal(t, map[string]int{"Loxon's topic": 4}, report.Missing)
		require.Equal(t, fresh, report.Fresh["Loxon's topic"])
	}
	found, _, err := ledger.Incidents(t.Context(), storage.IncidentFilter{Reason: domain.ReasonMissingInLedger}, "", 10)
	require.NoError(t, err)
	facts := map[string][]string{}
	for _, i := range found {
		for _, e := range i.Entries {
			facts[i.Subject] = append(facts[i.Subject], e.Evidence)
		}
	}
	require.Equal(t, map[string][]string{
		"KD/kept": {
			"Loxon's topic holds event-seq 2 at partition 0, offset 1", "Loxon's topic holds event-seq 3 at partition 0, offset 3",
			"Loxon's topic holds event-seq 3 at partition 0, offset 4",
		},
		"KD/lost": {"Loxon's topic holds event-seq 1 at partition 0, offset 2"},
	}, facts)
}

// A run that died between holding and stopping leaves workflows that may be ahead of the ledger.
// The next run for the window holds nothing more, stops them, and lets people reconcile; the one
// after that stops nothing.
func TestAfterRestoreStopsWhatADeadRunLeft(t *testing.T) {
	g := newGround(t, "tolem")
	g.setup()
	ledger, from := g.opens(), time.Now().Add(-time.Minute)
	sent(t, ledger, "KD/1", from)
	id := domain.ContractNumber("KD/1").WorkflowID()
	options := client.StartWorkflowOptions{ID: id, TaskQueue: "nobody"}
	_, err := g.temporal.ExecuteWorkflow(t.Context(), options, activities.WorkflowPaymentOrder)
	require.NoError(t, err)
	window := storage.Window{From: from, To: time.Now()}
	known, err := workers.Cluster{Temporal: g.temporal, Namespace: "tolem"}.LedgerMark(t.Context())
	require.NoError(t, err)
	_, err = ledger.CloseGate(t.Context(), "after-restore")
	require.NoError(t, err)
	_, err = ledger.HoldRestored(t.Context(), window, known, false)
	require.NoError(t, err)

	o := app.AfterRestoreOptions{Window: window, WithoutTopic: true}
	report, err := app.AfterRestore(t.Context(), g.config(), o)
	require.NoError(t, err)
	require.True(t, report.Held.Before)
	require.Equal(t, 1, report.Stopped)
	_, err = g.temporal.ExecuteWorkflow(t.Context(), options, activities.WorkflowPaymentOrder) // as the sweep does
	require.NoError(t, err)
	report, err = app.AfterRestore(t.Context(), g.config(), o)
	require.NoError(t, err)
	require.True(t, report.Held.Before)
	require.Zero(t, report.Stopped)
	described, err := g.temporal.DescribeWorkflowExecution(t.Context(), id, "")
	require.NoError(t, err)
	require.Equal(t, "Running", described.GetWorkflowExecutionInfo().GetStatus().String())
}
