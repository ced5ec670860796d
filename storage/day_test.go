package storage_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tolem/domain"
	"tolem/storage"
)

// dated is a payment of an id and a day.
func dated(id domain.AgentTransactionID, date string) storage.Payment {
	p := request(fmt.Sprintf("%d", id))
	p.ID, p.AgentTransactionDate = id, date
	return p
}

func TestADayInPages(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		for _, p := range []storage.Payment{
			dated(50, "2026-02-17T23:59:59"), dated(9, "2026-02-17T00:00:00"), dated(20, "2026-02-17T12:00:00"), dated(100, "2026-02-17T12:00:00"),
			dated(10, "2026-02-16T23:59:59"), dated(60, "2026-02-18T00:00:00"), dated(70, "2026-12-17T12:00:00"),
		} {
			accept(t, l, p)
		}
		var pages [][]domain.AgentTransactionID
		for after := domain.AgentTransactionID(0); ; {
			rows, err := l.Day(t.Context(), "2026-02-17", after, 3)
			require.NoError(t, err)
			var ids []domain.AgentTransactionID
			for _, r := range rows {
				ids = append(ids, r.ID)
			}
			pages = append(pages, ids)
			if len(rows) < 3 {
				break
			}
			after = rows[2].ID
		}
		require.Equal(t, [][]domain.AgentTransactionID{{9, 20, 50}, {100}}, pages)
		for _, date := range []string{"2026-02-19", "2026-02", "2026-02-17T12:00:00", ""} {
			rows, err := l.Day(t.Context(), date, 0, 10)
			require.NoError(t, err)
			require.Empty(t, rows, date)
		}
	})
}

func TestARowOfADay(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		paid, _ := paying(t, l, "a")
		fresh := request("b")
		fresh.AmountTo = nil
		fresh.ID = paid.ID + 1_000_000
		accept(t, l, fresh)
		rows, err := l.Day(t.Context(), "2026-02-17", 0, 10)
		require.NoError(t, err)
		transaction, from := int64(77), amount+100
		want := []storage.DayRow{
			{
				ID: paid.ID, TransactionID: &transaction, AgentTransactionDate: "2026-02-17T17:00:00", ServiceID: "P1011",
				AmountTo: &amount, AmountFrom: &from, State: domain.StatePaying,
			},
			{ID: fresh.ID, AgentTransactionDate: "2026-02-17T17:00:00", ServiceID: "P1011", State: domain.StateAccepted},
		}
		require.Equal(t, want, rows)

		found, err := l.PaymentsByID(t.Context(), []domain.AgentTransactionID{fresh.ID, 5, paid.ID})
		require.NoError(t, err)
		require.Equal(t, want, found)
		for _, none := range [][]domain.AgentTransactionID{nil, {5, 6}} {
			found, err := l.PaymentsByID(t.Context(), none)
			require.NoError(t, err)
			require.Empty(t, found)
		}
	})
}

func TestADayOfALedgerThatIsGone(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		require.NoError(t, l.Close())
		_, err := l.Day(t.Context(), "2026-02-17", 0, 10)
		require.Error(t, err)
		_, err = l.PaymentsByID(t.Context(), []domain.AgentTransactionID{1})
		require.Error(t, err)
	})
}

// A row of a day has the correction that two people recorded; others cost no reading of
// incidents.
func TestARowOfADayIsCorrected(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		paying(t, l, "never flagged")
		reads := func(want int) []storage.DayRow {
			t.Helper()
			var rows []storage.DayRow
			queries := l.Explain(t, func(l *storage.Ledger) (err error) {
				rows, err = l.Day(t.Context(), "2026-02-17", 0, 10)
				return err
			})
			require.Len(t, queries, want)
			return rows
		}
		reads(1)
		p := refusedAfterwards(t, l, "corrected")
		id := incidentsOf(t, l, storage.IncidentFilter{})[0].ID
		require.Nil(t, reads(2)[1].Correction)
		for _, who := range []string{"aigul", "berik"} {
			_, err := l.ActOnIncident(t.Context(), id, closing(who, who, domain.ActionClose, time.Now()), storage.IncidentClosing{Money: domain.MoneyMoved, TransactionNumber: "78"})
			require.NoError(t, err)
		}
		rows := reads(2)
		require.Nil(t, rows[0].Correction)
		require.Equal(t, p.ID, rows[1].ID)
		require.Equal(t, domain.MoneyMoved, rows[1].Correction.Money)
		require.Equal(t, "78", rows[1].Correction.TransactionNumber)
		found, err := l.PaymentsByID(t.Context(), []domain.AgentTransactionID{p.ID})
		require.NoError(t, err)
		require.Equal(t, rows[1:], found)
	})
}
