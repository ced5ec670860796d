package storage_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tolem/domain"
	"tolem/storage"
)

// Batches that name the same contracts, reported at once, wait for each other in one order:
// none fails, and a contract begins one payment order.
func TestOverlappingBatchesAtOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		const pairs, size, shared = 20, 150, 75
		for pair := range pairs {
			batches := make([][]storage.Loan, 2)
			for i := range batches {
				for n := range size { // the second batch begins amid the first
					batches[i] = append(batches[i], loan(fmt.Sprintf("KD%02d-%03d", pair, n+i*(size-shared)), 1000))
				}
			}
			var all sync.WaitGroup
			errs := make([]error, len(batches))
			for i, loans := range batches {
				all.Go(func() {
					_, errs[i] = l.TakeLoans(t.Context(), storage.LoanBatch{Caller: "eko", Day: today, Digest: fmt.Sprint(pair, i), Loans: loans, At: noon})
				})
			}
			all.Wait()
			require.NoError(t, errs[0], "pair %d", pair)
			require.NoError(t, errs[1], "pair %d", pair)
		}
		page, _, err := l.PaymentOrders(t.Context(), storage.PaymentOrderFilter{}, "", 10_000)
		require.NoError(t, err)
		require.Len(t, page, pairs*(2*size-shared))
		seen := map[domain.ContractNumber]bool{}
		for _, o := range page {
			require.False(t, seen[o.Contract], o.Contract)
			seen[o.Contract] = true
		}
	})
}

// openReasons are the open incidents of contracts, the oldest first, each with its facts.
func openReasons(t *testing.T, l *storage.Ledger) (lines []string) {
	t.Helper()
	yes := true
	found := incidentsOf(t, l, storage.IncidentFilter{Process: domain.ProcessPaymentOrder, Open: &yes})
	for _, i := range slices.Backward(found) {
		line := i.Subject + " " + string(i.Reason) + ":"
		for _, e := range i.Entries {
			if e.Evidence != "" {
				line += " " + e.Evidence
			}
		}
		lines = append(lines, line)
	}
	return lines
}

// People close contracts' incidents while facts about them come in: rows are locked in one
// order, so nothing fails, and no row is left that says otherwise than the incidents.
func TestIncidentsClosedUnderNewFacts(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		const contracts, facts = 15, 4
		yes, moved := true, storage.IncidentClosing{Money: domain.MoneyMoved, TransactionNumber: "7"}
		for n := range contracts {
			contract := domain.ContractNumber(fmt.Sprint("KD", n))
			take(t, l, today, "a"+string(contract), loan(string(contract), 100_000))
			o := sent(t, l, contract)
			act(t, l, contract, domain.ActionClose, "aigul", "c1"+string(contract))
			act(t, l, contract, domain.ActionClose, "berik", "c2"+string(contract))
			report(t, l, o, "first", domain.StatusExecuted, 1)
			incident := incidentsOf(t, l, storage.IncidentFilter{Process: domain.ProcessPaymentOrder, Subject: string(contract), Open: &yes})[0]
			_, err := l.ActOnIncident(t.Context(), incident.ID, closing("aigul", "p"+string(contract), domain.ActionClose, time.Now()), moved)
			require.NoError(t, err)

			var all sync.WaitGroup
			errs := make([]error, facts+1)
			all.Go(func() {
				_, errs[facts] = l.ActOnIncident(t.Context(), incident.ID, closing("berik", "q"+string(contract), domain.ActionClose, time.Now()), moved)
			})
			for fact := range facts {
				all.Go(func() {
					_, _, _, errs[fact] = l.ReportStatus(t.Context(), status(o, fmt.Sprint(fact), domain.StatusExecuted, 1))
				})
			}
			all.Wait()
			for _, err := range errs {
				require.NoError(t, err)
			}
			open := incidentsOf(t, l, storage.IncidentFilter{Process: domain.ProcessPaymentOrder, Subject: string(contract), Open: &yes})
			require.Equal(t, len(open) > 0, order(t, l, contract).NeedsOperator)
		}
	})
}
