package storage_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tolem/domain"
	"tolem/storage"
)

func decimal(t *testing.T, text string) domain.Decimal {
	t.Helper()
	d, err := domain.ParseDecimal(text)
	require.NoError(t, err)
	return d
}

// reading is the document's example with another balance.
func reading(t *testing.T, balance string) storage.BalanceReading {
	t.Helper()
	told := decimal(t, "0.0000")
	return storage.BalanceReading{AgentID: 4, Balance: decimal(t, balance), Overdraft: decimal(t, "0.0000"), Notification: &told, Currency: "KZT"}
}

func record(t *testing.T, l *storage.Ledger, minute int, r storage.BalanceReading) storage.BalanceRecord {
	t.Helper()
	recorded, err := l.RecordBalance(t.Context(), noon.Add(time.Duration(minute)*time.Minute), r)
	require.NoError(t, err)
	return recorded
}

func history(t *testing.T, l *storage.Ledger) []storage.Balance {
	t.Helper()
	rows, next, err := l.Balances(t.Context(), "", 1000)
	require.NoError(t, err)
	require.Empty(t, next)
	return rows
}

func TestBalanceRisesFallsAndStays(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		first := record(t, l, 0, reading(t, "509455.9000"))
		require.True(t, first.Changed)
		require.Nil(t, first.Before)
		require.False(t, first.Now.Rose, "there is nothing before the first")
		require.Zero(t, first.ToWake)

		// A float64 takes these two for one number.
		low := record(t, l, 1, reading(t, "90071992547409.9301"))
		require.True(t, low.Now.Rose)
		require.Equal(t, low.Now.ID, low.ToWake)
		require.Equal(t, first.Now, *low.Before)
		require.NoError(t, l.BalanceWoken(t.Context(), low.ToWake))
		high := record(t, l, 2, reading(t, "90071992547409.9302"))
		require.True(t, high.Changed)
		require.True(t, high.Now.Rose)
		require.NoError(t, l.BalanceWoken(t.Context(), high.ToWake))

		fell := record(t, l, 3, reading(t, "90071992547409.9301"))
		require.True(t, fell.Changed)
		require.False(t, fell.Now.Rose)
		require.Zero(t, fell.ToWake)
		below := record(t, l, 4, reading(t, "-0.5000"))
		require.False(t, below.Now.Rose)

		rows := history(t, l)
		require.Len(t, rows, 5)
		require.Equal(t, below.Now, rows[0], "as it was recorded")
		require.Equal(t, "90071992547409.9302", rows[2].Balance.String())
		require.True(t, rows[2].Woken)
		require.False(t, rows[0].Woken)
	})
}

func TestAnEqualBalanceIsOneRow(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		first := record(t, l, 0, reading(t, "100.0000"))
		for minute, text := range []string{"100.0000", "100.00", "100"} {
			again := record(t, l, minute+1, reading(t, text))
			require.False(t, again.Changed)
			require.Nil(t, again.Before)
			require.Equal(t, first.Now.ID, again.Now.ID)
		}
		record(t, l, 2, reading(t, "100")) // late
		rows := history(t, l)
		require.Len(t, rows, 1)
		require.Equal(t, noon, rows[0].At.Time)
		require.Equal(t, noon.Add(3*time.Minute), rows[0].SeenAt.Time)
		require.Equal(t, "100.0000", rows[0].Balance.String(), "as first read")
	})
}

// Every other value is a change too, and none of them a rise.
func TestOtherChangesOfTheAccount(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		r := reading(t, "100.0000")
		record(t, l, 0, r)
		told := decimal(t, "5.0000")
		for i, change := range []func(){
			func() { r.Overdraft = decimal(t, "-10.0000") },
			func() { r.Notification = &told },
			func() { r.Notification = nil },
			func() { r.Currency = "" },
			func() { r.AgentID, r.Balance = 5, decimal(t, "900.0000") }, // another's balance is no rise of this one's
		} {
			change()
			changed := record(t, l, i+1, r)
			require.True(t, changed.Changed, i)
			require.False(t, changed.Now.Rose, i)
			require.Equal(t, changed.Now, history(t, l)[0])
			require.False(t, record(t, l, i+1, r).Changed, i)
		}
		require.Len(t, history(t, l), 6)
	})
}

// Workers that read the same rise at once make one row of it, and one of them made
// it.
func TestOneRiseForManyWorkers(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		record(t, l, 0, reading(t, "1.0000"))
		for round := range 20 {
			risen := reading(t, fmt.Sprintf("%d.0000", round+2))
			records := make([]storage.BalanceRecord, 4)
			start := make(chan struct{})
			var all sync.WaitGroup
			for i := range records {
				all.Go(func() {
					<-start
					var err error
					records[i], err = l.RecordBalance(t.Context(), noon, risen)
					require.NoError(t, err)
				})
			}
			close(start)
			all.Wait()
			made := 0
			for _, r := range records {
				require.Equal(t, risen.Balance, r.Now.Balance)
				require.Equal(t, r.Now.ID, r.ToWake)
				if r.Changed {
					made++
					require.True(t, r.Now.Rose)
				}
			}
			require.Equal(t, 1, made)
		}
		require.Len(t, history(t, l), 21)
	})
}

// A rise that nobody finished waking stays to be woken, through falls and equal
// readings; waking the last one wakes all before it, and no later one.
func TestARiseIsWokenOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		record(t, l, 0, reading(t, "1.0000"))
		rise := record(t, l, 1, reading(t, "3.0000")).ToWake
		require.Equal(t, rise, record(t, l, 2, reading(t, "2.0000")).ToWake)
		require.Equal(t, rise, record(t, l, 3, reading(t, "2.0000")).ToWake)
		second := record(t, l, 4, reading(t, "4.0000")).ToWake
		require.Greater(t, second, rise)

		require.NoError(t, l.BalanceWoken(t.Context(), rise))
		require.Equal(t, second, record(t, l, 5, reading(t, "4.0000")).ToWake, "came while the first was woken")
		third := record(t, l, 6, reading(t, "5.0000")).ToWake
		for range 2 {
			require.NoError(t, l.BalanceWoken(t.Context(), third))
			require.Zero(t, record(t, l, 7, reading(t, "5.0000")).ToWake)
		}
		for _, row := range history(t, l) {
			require.Equal(t, row.Rose, row.Woken)
		}
	})
}

func TestBalancesPageByCursor(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		empty, next, err := l.Balances(t.Context(), "", 3)
		require.NoError(t, err)
		require.Empty(t, empty)
		require.Empty(t, next)
		for i := range 7 {
			record(t, l, i, reading(t, fmt.Sprintf("%d.0000", i)))
		}
		var seen []string
		cursor, pages := "", 0
		for {
			page, next, err := l.Balances(t.Context(), cursor, 3)
			require.NoError(t, err)
			for _, row := range page {
				seen = append(seen, row.Balance.String())
			}
			pages++
			record(t, l, 100+pages, reading(t, fmt.Sprintf("%d.0000", 100+pages))) // shifts nothing
			if cursor = next; next == "" {
				break
			}
		}
		require.Equal(t, []string{"6.0000", "5.0000", "4.0000", "3.0000", "2.0000", "1.0000", "0.0000"}, seen)
		require.Equal(t, 3, pages)
		for _, bad := range []string{"0", "-1", "x", "99999999999999999999", "1 "} {
			_, _, err := l.Balances(t.Context(), bad, 3)
			require.ErrorIs(t, err, storage.ErrCursor, bad)
		}
	})
}

// answeredBy is a payment in checking whose last answer to check was the code.
func answeredBy(t *testing.T, l *storage.Ledger, key string, code domain.Code) domain.AgentTransactionID {
	t.Helper()
	p := accept(t, l, request(key))
	_, _, err := l.RecordCheck(t.Context(), storage.CheckRecord{
		Call: call(p.ID, "check", 1), Outcome: answered(code), After: storage.After{State: domain.StateChecking, Waits: 1, NextWait: time.Second},
	})
	require.NoError(t, err)
	return p.ID
}

func TestWaitingForFunds(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		accept(t, l, request("accepted"))
		checking := answeredBy(t, l, "checking", domain.CodeAgentLacksFunds)
		answeredBy(t, l, "in progress", domain.CodeInProgress)
		cancelled := answeredBy(t, l, "cancelled", domain.CodeAgentLacksFunds)
		_, err := end(l, cancelled, 2, domain.StateCancelled)
		require.NoError(t, err)
		var waiting []domain.AgentTransactionID
		for i := range 3 {
			p, started := paying(t, l, fmt.Sprint("paying", i))
			_, err := l.RecordPay(t.Context(), call(p.ID, "pay", 2), started, answered(domain.CodeAgentLacksFunds),
				storage.After{State: domain.StatePaying, Waits: 1, NextWait: time.Second})
			require.NoError(t, err)
			waiting = append(waiting, p.ID)
		}
		paying(t, l, "first pay under way")

		require.NoError(t, l.Exec(t.Context(), "UPDATE payments SET created_at = created_at - 1 WHERE id = ?", waiting[2])) // accepted first
		require.NoError(t, l.Exec(t.Context(), "UPDATE payments SET amount_to = NULL WHERE id = ?", checking))
		ids := func(after storage.WaitingPayment) (ids []domain.AgentTransactionID, last storage.WaitingPayment) {
			t.Helper()
			page, err := l.WaitingForFunds(t.Context(), after, 2)
			require.NoError(t, err)
			for _, p := range page {
				require.Equal(t, p.ID == checking, p.AmountTo == nil)
				ids, last = append(ids, p.ID), p
			}
			return ids, last
		}
		page, last := ids(storage.WaitingPayment{})
		require.Equal(t, []domain.AgentTransactionID{waiting[2], checking}, page)
		page, last = ids(last)
		require.Equal(t, waiting[:2], page)
		page, _ = ids(last)
		require.Empty(t, page)

		heldID := heldID(t, l, "held id")
		require.NoError(t, l.Exec(t.Context(), "UPDATE payments SET result_code = 220 WHERE id = ?", heldID.ID))
		require.NoError(t, l.Exec(t.Context(), "UPDATE payments SET held = TRUE WHERE id = ?", waiting[0]))
		page, _ = ids(storage.WaitingPayment{ID: checking, CreatedAt: storage.At(noon)})
		require.Equal(t, waiting[1:2], page)
	})
}
