package storage_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tolem/domain"
	"tolem/storage"
)

// eventsOf are the names of what was done to a process.
func eventsOf(r storage.ProcessRecord) (names []string) {
	for _, e := range r.Events {
		names = append(names, e.Event)
	}
	return names
}

// Everything that the ledger has of a process comes with it, and nothing of another one.
func TestEveryProcessIsVisitedWithItsRecord(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		ctx := t.Context()
		first, started := paying(t, l, "a")
		second := accept(t, l, request("b"))
		changed, err := l.RecordPay(ctx, call(first.ID, "pay", 2), started, answered(1), storage.After{State: domain.StatePaying})
		require.NoError(t, err)
		require.True(t, changed)
		hold, err := l.PlaceAction(ctx, storage.Action{Process: first.ID.WorkflowID(), Action: domain.ActionHold, Caller: "ayan", IdempotencyKey: "k", RequestSHA256: "s", RequestedAt: storage.At(noon)})
		require.NoError(t, err)
		require.NoError(t, l.Follow(ctx, storage.Following{PaymentID: first.ID, OrderID: hold.ID, Effect: domain.EffectHeld, Execution: "run-1"}))
		require.NoError(t, l.RaisePayment(ctx, first.ID, domain.ReasonPaidAfterEnd, "pay answered code 0"))

		visited := map[domain.AgentTransactionID]storage.ProcessRecord{}
		require.NoError(t, l.EachPayment(ctx, func(p storage.Payment, r storage.ProcessRecord) error {
			visited[p.ID] = r
			return nil
		}))
		require.Len(t, visited, 2)
		require.Empty(t, visited[second.ID])
		r := visited[first.ID]
		require.Len(t, r.Calls, 2)
		require.Equal(t, started, r.Calls[1].ID)
		require.Greater(t, r.Calls[1].ReportedID, started)
		require.Equal(t, domain.CodeInProgress, *r.Calls[1].ResultCode)
		require.Equal(t, []string{"held"}, eventsOf(r))
		require.Equal(t, hold.ID, *r.Events[0].ActionID)
		require.Len(t, r.Actions, 1)
		require.Len(t, r.Incidents, 1)
		require.True(t, r.Incidents[0].Open)
	})
}

func TestEveryInstalmentIsVisitedWithItsRecord(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		ctx := t.Context()
		activeOrder(t, l, "o1")
		acceptOrder(t, l, "o2")
		_, created, err := l.AcceptReturn(ctx, returnOf("o1", "r/1", 40_000))
		require.NoError(t, err)
		require.True(t, created)
		_, err = l.RecordCallback(ctx, storage.Callback{OrderID: "o1", State: "SUCCESS", SubState: "ACTIVE", At: storage.At(noon)})
		require.NoError(t, err)

		visited := map[domain.StoreOrderID]storage.InstalmentRecord{}
		require.NoError(t, l.EachInstalment(ctx, func(o storage.InstalmentOrder, r storage.InstalmentRecord) error {
			visited[o.ID] = r
			return nil
		}))
		require.Len(t, visited, 2)
		require.Empty(t, visited["o2"])
		require.Len(t, visited["o1"].Callbacks, 1)
		require.Len(t, visited["o1"].Returns, 1)
		require.Contains(t, eventsOf(visited["o1"].ProcessRecord), "callback")
		require.NotEmpty(t, visited["o1"].Calls)

		var returns []string
		require.NoError(t, l.EachReturn(ctx, func(r storage.OrderReturn, _ storage.ProcessRecord) error {
			returns = append(returns, r.WorkflowID())
			return nil
		}))
		require.Equal(t, []string{domain.StoreOrderID("o1").ReturnWorkflowID("r/1")}, returns)
	})
}

func TestEveryContractIsVisitedWithItsRecord(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		take(t, l, today, "a", loan("KD/1 Ё", 1000), loan("KD2", 2000))
		sent(t, l, "KD/1 Ё")
		visited := map[domain.ContractNumber]storage.CollectionRecord{}
		require.NoError(t, l.EachContract(t.Context(), func(r storage.CollectionRecord) error {
			visited[r.Contract] = r
			return nil
		}))
		require.Len(t, visited, 2)
		r := visited["KD/1 Ё"]
		require.EqualValues(t, 1, r.LastSeq)
		require.Len(t, r.Orders, 1)
		require.Len(t, r.Statuses, 1)
		require.Len(t, r.Calls, len(domain.DossierParts()))
		require.Empty(t, visited["KD2"].Statuses)
	})
}

// Open incidents are visited, and those that only people close, with the process that they
// are about.
func TestIncidentsAreVisitedWithTheirProcess(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		ctx := t.Context()
		p, _ := paying(t, l, "a")
		require.NoError(t, l.RaisePayment(ctx, p.ID, domain.ReasonUnknownCode, "pay answered code 9"))
		require.NoError(t, l.RaisePayment(ctx, p.ID, domain.ReasonPaidAfterEnd, "pay answered code 0"))
		require.NoError(t, l.RaisePayment(ctx, 4, domain.ReasonPaidAfterEnd, "pay answered code 0"))
		activeOrder(t, l, "o1")
		_, _, err := l.AcceptReturn(ctx, returnOf("o1", "r1", 40_000))
		require.NoError(t, err)
		require.NoError(t, l.FlagOrder(ctx, "o1", domain.ReasonNoPayout, "run-1"))
		require.NoError(t, l.FlagReturn(ctx, "o1", "r1", domain.ReasonReturnUnknown, "run-1"))
		take(t, l, today, "a", loan("KD/1", 1000))
		require.NoError(t, l.FlagPaymentOrder(ctx, "KD/1", order(t, l, "KD/1").ID, domain.ReasonDossierLate, "run-1"))

		type seen struct {
			Reason domain.OperatorReason
			Of     storage.IncidentSubject
		}
		var all []seen
		require.NoError(t, l.EachIncident(ctx, func(i storage.Incident, of storage.IncidentSubject) error {
			all = append(all, seen{i.Reason, of})
			return nil
		}))
		open := func(process string) storage.IncidentSubject {
			return storage.IncidentSubject{WorkflowID: process, Known: true, Flagged: true}
		}
		require.Equal(t, []seen{
			{domain.ReasonUnknownCode, open(p.ID.WorkflowID())}, {domain.ReasonPaidAfterEnd, open(p.ID.WorkflowID())},
			{domain.ReasonPaidAfterEnd, storage.IncidentSubject{WorkflowID: "payment/4"}},
			{domain.ReasonNoPayout, open("order/o1")}, {domain.ReasonReturnUnknown, open("return/o1/r1")}, {domain.ReasonDossierLate, open("paymentorder/KD%2F1")},
		}, all)
	})
}

// What is read in one snapshot is of one instant, whatever is written meanwhile.
func TestSnapshotIsOfOneInstant(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		p := accept(t, l, request("a"))
		before, after, err := storage.ReadTwice(t.Context(), l, p.ID, func() {
			require.NoError(t, l.Pause(t.Context(), p.ID, 1, time.Now()))
		})
		require.NoError(t, err)
		require.False(t, before.Paused)
		require.Equal(t, before, after)
		require.True(t, read(t, l, p.ID).Paused)
	})
}
