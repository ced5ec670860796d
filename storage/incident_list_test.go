package storage_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tolem/domain"
	"tolem/storage"
)

// refusedAfterwards is a payment that ended as refused, with an open incident.
func refusedAfterwards(t *testing.T, l *storage.Ledger, key string) storage.Payment {
	t.Helper()
	p, _ := paying(t, l, key)
	p, err := end(l, p.ID, 3, domain.StateRefused)
	require.NoError(t, err)
	require.NoError(t, l.RaisePayment(t.Context(), p.ID, domain.ReasonPaidAfterEnd, "pay answered code 0"))
	return read(t, l, p.ID)
}

func walkStuck(t *testing.T, l *storage.Ledger, f storage.PaymentFilter, limit int) (ids []domain.AgentTransactionID) {
	t.Helper()
	cursor := ""
	for {
		page, next, err := l.Payments(t.Context(), f, cursor, limit)
		require.NoError(t, err)
		require.LessOrEqual(t, len(page), limit)
		for _, p := range page {
			ids = append(ids, p.ID)
		}
		if cursor = next; next == "" {
			return ids
		}
	}
}

// What has ended with an open incident is in the lists of what is stuck, whatever its
// state, once and in the list's order.
func TestEndedProcessesWithIncidentsAreStuck(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		var want []domain.AgentTransactionID
		for i := range 7 { // all accepted at one instant: ids decide
			switch {
			case i%3 == 0:
				want = append(want, refusedAfterwards(t, l, fmt.Sprint("ended", i)).ID)
			default:
				p, _ := paying(t, l, fmt.Sprint("open", i))
				if i%2 == 0 {
					require.NoError(t, l.RaisePayment(t.Context(), p.ID, domain.ReasonTooOld, "x"))
				}
				want = append(want, p.ID)
			}
		}
		done, _ := paying(t, l, "done")
		_, err := end(l, done.ID, 3, domain.StateSucceeded)
		require.NoError(t, err)
		young := request("young")
		young.CreatedAt = storage.At(noon.Add(time.Hour))
		accept(t, l, young)

		stuck := storage.PaymentFilter{StuckSince: noon.Add(time.Minute)}
		for _, limit := range []int{1, 2, 3, 50} {
			found := walkStuck(t, l, stuck, limit)
			require.ElementsMatch(t, want, found)
			require.IsDecreasing(t, found)
		}
		stuck.States = []domain.State{domain.StateRefused}
		require.Len(t, walkStuck(t, l, stuck, 50), 3)
		yes := true
		require.Len(t, walkStuck(t, l, storage.PaymentFilter{NeedsOperator: &yes}, 2), 5)

		acceptOrder(t, l, "failed")
		require.NoError(t, l.Exec(t.Context(), "UPDATE instalment_orders SET state = 'failed' WHERE id = 'failed'"))
		require.NoError(t, l.Raise(t.Context(), storage.OpenIncident{Process: domain.ProcessOrder, Subject: "failed", Reason: domain.ReasonDecisionTooLate}, "SUCCESS, ACTIVE"))
		orders, _, err := l.InstalmentOrders(t.Context(), storage.OrderFilter{StuckSince: noon.Add(-time.Hour)}, "", 9)
		require.NoError(t, err)
		require.Len(t, orders, 1)
		orders, _, err = l.InstalmentOrders(t.Context(), storage.OrderFilter{NeedsOperator: &yes}, "", 9)
		require.NoError(t, err)
		require.Len(t, orders, 1)
	})
}

// A contract's flag is that of its last payment order, and of those that were the last one
// when they were flagged; no flag stays behind when the incident is closed.
func TestFlagsOfAContract(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		take(t, l, today, "d1", loan("KD1", 100), loan("KD2", 100))
		first := order(t, l, "KD1")
		require.NoError(t, l.Raise(t.Context(), storage.OpenIncident{Process: domain.ProcessPaymentOrder, Subject: "KD1", Reason: domain.ReasonPaidAfterEnd}, "executed, then reversed"))
		require.NoError(t, l.Exec(t.Context(), "UPDATE payment_orders SET state = 'not_accepted' WHERE contract = 'KD1'"))
		take(t, l, "2026-02-18", "d2", loan("KD1", 100), loan("KD2", 100), loan("KD3", 100))
		second := order(t, l, "KD1")
		require.NotEqual(t, first.ID, second.ID)
		require.True(t, second.NeedsOperator, "the contract's incident is still open")
		require.Equal(t, domain.ReasonPaidAfterEnd, second.OperatorReason)
		require.False(t, order(t, l, "KD3").NeedsOperator)
		yes := true
		for _, f := range []storage.PaymentOrderFilter{{NeedsOperator: &yes}, {StuckSince: noon.Add(-time.Hour)}} {
			flagged, next, err := l.PaymentOrders(t.Context(), f, "", 2)
			require.NoError(t, err)
			require.Empty(t, next)
			require.Len(t, flagged, 2)
			require.Equal(t, second.ID, flagged[0].ID)
		}
		open, err := l.OpenIncidentsOf(t.Context(), domain.ProcessPaymentOrder, "KD1")
		require.NoError(t, err)
		require.Len(t, open, 1)
		for _, who := range []string{"aigul", "berik"} {
			_, err = l.ActOnIncident(t.Context(), open[0].ID, closing(who, who, domain.ActionClose, time.Now()), storage.IncidentClosing{Money: domain.MoneyNotMoved})
			require.NoError(t, err)
		}
		flagged, _, err := l.PaymentOrders(t.Context(), storage.PaymentOrderFilter{NeedsOperator: &yes}, "", 9)
		require.NoError(t, err)
		require.Empty(t, flagged)
		require.False(t, order(t, l, "KD1").NeedsOperator)
		var left int
		require.NoError(t, l.Count(t.Context(), "SELECT count(*) FROM payment_orders WHERE needs_operator", &left))
		require.Zero(t, left)
	})
}

// The list narrows by everything that an incident is known by, and walks.
func TestIncidentListNarrowsAndWalks(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		raise := func(process domain.Process, subject, part string, why domain.OperatorReason) {
			t.Helper()
			require.NoError(t, l.Raise(t.Context(), storage.OpenIncident{Process: process, Subject: subject, Part: part, Reason: why}, "a fact"))
		}
		raise(domain.ProcessPayment, "12", "", domain.ReasonPaidAfterEnd) // a payment that this ledger does not have
		raise(domain.ProcessPayment, "12", "", domain.ReasonTooOld)
		raise(domain.ProcessOrder, "12", "", domain.ReasonNoPayout)
		raise(domain.ProcessReturn, "12", "r1", domain.ReasonRejected)
		raise(domain.ProcessReturn, "12", "r2", domain.ReasonRejected)
		all := incidentsOf(t, l, storage.IncidentFilter{})
		require.Len(t, all, 5)
		require.Equal(t, "return/12/r2", all[0].WorkflowID())
		_, err := l.ActOnIncident(t.Context(), all[0].ID, closing("aigul", "k1", domain.ActionClose, time.Now()), storage.IncidentClosing{})
		require.NoError(t, err)
		_, err = l.ActOnIncident(t.Context(), all[1].ID, closing("aigul", "k2", domain.ActionAcknowledge, time.Now()), storage.IncidentClosing{})
		require.NoError(t, err)

		yes, no := true, false
		for want, f := range map[int][]storage.IncidentFilter{
			0: {{Open: &no, Acknowledged: &yes}, {Subject: "13"}, {OpenedBefore: time.Now().Add(-time.Hour)}, {Process: domain.ProcessOrder, Reason: domain.ReasonTooOld}},
			1: {{Open: &no}, {Acknowledged: &yes}, {Process: domain.ProcessOrder}, {Process: domain.ProcessReturn, Part: "r1"}, {Reason: domain.ReasonTooOld}, {Open: &yes, Process: domain.ProcessReturn, Subject: "12"}},
			2: {{Process: domain.ProcessReturn}, {Process: domain.ProcessPayment, Subject: "12"}},
			3: {{Acknowledged: &no}, {Open: &yes, Acknowledged: &no, OpenedBefore: time.Now().Add(time.Hour)}},
			4: {{Open: &yes}},
			5: {{Subject: "12"}, {OpenedBefore: time.Now().Add(time.Hour)}},
		} {
			for _, f := range f {
				require.Len(t, incidentsOf(t, l, f), want, "%+v", f)
			}
		}
		var walked []int64
		for cursor := ""; ; {
			page, next, err := l.Incidents(t.Context(), storage.IncidentFilter{}, cursor, 2)
			require.NoError(t, err)
			for _, i := range page {
				walked = append(walked, i.ID)
			}
			if cursor = next; next == "" {
				break
			}
		}
		require.Len(t, walked, 5)
		require.IsDecreasing(t, walked)
		for _, wrong := range []string{"x", "%", "LTE"} { // "LTE" is -1
			_, _, err := l.Incidents(t.Context(), storage.IncidentFilter{}, wrong, 2)
			require.ErrorIs(t, err, storage.ErrCursor)
		}
	})
}

// An opened incident is reported after its commit, once; a further fact is not.
func TestOpenedIncidentsAreReported(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		var reported []string
		l.OnIncident(func(o storage.OpenIncident) {
			reported = append(reported, fmt.Sprintf("%s %s", o.WorkflowID(), o.Reason))
			found, err := l.Incident(t.Context(), o.ID) // it is committed
			require.NoError(t, err)
			require.True(t, found.Open)
		})
		p := refusedAfterwards(t, l, "k")
		require.NoError(t, l.RaisePayment(t.Context(), p.ID, domain.ReasonPaidAfterEnd, "pay answered code 0"))
		require.NoError(t, l.RaisePayment(t.Context(), p.ID, domain.ReasonPaidAfterEnd, "another"))
		require.Error(t, l.RollBack(t.Context(), storage.OpenIncident{Process: domain.ProcessOrder, Subject: "1", Reason: domain.ReasonTooOld}))
		require.NoError(t, l.Raise(t.Context(), storage.OpenIncident{Process: domain.ProcessPaymentOrder, Subject: "ДБЗ/7", Reason: domain.ReasonEventLate}, "x"))
		require.Equal(t, []string{"payment/" + p.ID.String() + " paid_after_end", domain.ContractNumber("ДБЗ/7").WorkflowID() + " event_late"}, reported)
	})
}

// The lists that people look at first read indexes of the few rows that need a person, not
// the rows that have ended.
func TestListsOfWhatIsStuckReadIndexes(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		ended, _ := paying(t, l, "ended")
		_, err := end(l, ended.ID, 3, domain.StateSucceeded)
		require.NoError(t, err)
		acceptOrder(t, l, "ended")
		require.NoError(t, l.Exec(t.Context(), "UPDATE instalment_orders SET state = 'paid_out'"))
		take(t, l, today, "d", loan("KD1", 100))
		require.NoError(t, l.Exec(t.Context(), "UPDATE payment_orders SET state = 'executed'"))
		l.FillWithEnded(t, 20_000)
		yes := true
		for what, c := range map[string]struct {
			list    func(l *storage.Ledger) error
			indexes []string
		}{
			"payments that need a person": {func(l *storage.Ledger) error {
				_, _, err := l.Payments(t.Context(), storage.PaymentFilter{NeedsOperator: &yes}, "", 50)
				return err
			}, []string{"payments_needing_operator"}},
			"stuck payments": {func(l *storage.Ledger) error {
				_, _, err := l.Payments(t.Context(), storage.PaymentFilter{StuckSince: time.Now()}, "", 50)
				return err
			}, []string{"payments_needing_operator", "payments_open"}},
			"orders that need a person": {func(l *storage.Ledger) error {
				_, _, err := l.InstalmentOrders(t.Context(), storage.OrderFilter{NeedsOperator: &yes}, "", 50)
				return err
			}, []string{"instalment_orders_needing_operator"}},
			"stuck orders": {func(l *storage.Ledger) error {
				_, _, err := l.InstalmentOrders(t.Context(), storage.OrderFilter{StuckSince: time.Now()}, "", 50)
				return err
			}, []string{"instalment_orders_needing_operator", "instalment_orders_open on postgres"}}, // SQLite prefers the age's, and is no production
			"payment orders that need a person": {func(l *storage.Ledger) error {
				_, _, err := l.PaymentOrders(t.Context(), storage.PaymentOrderFilter{NeedsOperator: &yes}, "", 50)
				return err
			}, []string{"payment_orders_by_contract"}},
			"stuck payment orders": {func(l *storage.Ledger) error {
				_, _, err := l.PaymentOrders(t.Context(), storage.PaymentOrderFilter{StuckSince: time.Now()}, "", 50)
				return err
			}, []string{"payment_orders_by_contract", "payment_orders_open"}},
		} {
			plans := l.Explain(t, c.list)
			require.Len(t, plans, 1, what)
			for _, index := range c.indexes {
				if name, only, _ := strings.Cut(index, " on "); only != "" && !l.OnPostgres() {
					continue
				} else {
					index = name
				}
				require.True(t, strings.Contains(plans[0], index), "%s: %s is not in the plan:\n%s", what, index, plans[0])
			}
		}
	})
}
