package storage_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tolem/domain"
	"tolem/storage"
)

// An overview counts what is open, each process once, and nothing that has ended.
func TestOverviewCountsWhatIsOpen(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		limits := []time.Duration{time.Minute, time.Hour}
		empty, err := l.Overview(t.Context(), noon, limits)
		require.NoError(t, err)
		require.Equal(t, storage.Overview{At: noon}, empty)

		accept(t, l, request("a"))
		accept(t, l, request("b"))
		flagged, started := paying(t, l, "flagged")
		_, err = l.RecordPay(t.Context(), call(flagged.ID, "pay", 2), started, answered(domain.CodeInProgress),
			storage.After{State: domain.StatePaying, OperatorReason: domain.ReasonUnknownCode, NextWait: time.Minute})
		require.NoError(t, err)
		ended, started := paying(t, l, "ended")
		_, err = l.RecordPay(t.Context(), call(ended.ID, "pay", 2), started, answered(domain.CodeSuccess), storage.After{State: domain.StateSucceeded})
		require.NoError(t, err)
		acceptOrder(t, l, "waits")
		activeOrder(t, l, "sold")
		_, _, err = l.AcceptReturn(t.Context(), returnOf("sold", "r", 1))
		require.NoError(t, err)
		take(t, l, today, "d", loan("KD1", 100), loan("KD2", 100))
		sent(t, l, "KD2")
		reading := storage.BalanceReading{AgentID: 1, Balance: decimal(t, "10.5"), Overdraft: decimal(t, "1"), Currency: "KZT"}
		_, err = l.RecordBalance(t.Context(), noon, reading)
		require.NoError(t, err)

		later := noon.Add(2 * time.Minute)
		o, err := l.Overview(t.Context(), later, limits)
		require.NoError(t, err)
		require.Equal(t, []string{
			"order accepted - - age 1: 1", "order active - - age 1: 1", "payment accepted - - age 1: 2", "payment paying 1 unknown_code age 1: 1",
			"payment_order gathering - - age 1: 1", "payment_order sent - - age 1: 1", "return accepted - - age 1: 1",
		}, counts(o))
		require.EqualValues(t, 1, o.Unsent)
		require.Equal(t, storage.At(noon), *o.UnsentSince)
		require.Equal(t, "10.5", o.Balance.Balance.String())
		for at, age := range map[time.Duration]int{59 * time.Second: 0, time.Minute: 1, time.Hour - 1*time.Second: 1, time.Hour: 2, 100 * time.Hour: 2} {
			o, err := l.Overview(t.Context(), noon.Add(at), limits)
			require.NoError(t, err)
			require.Equal(t, age, o.Open[0].Age, at)
		}
	})
}

func counts(o storage.Overview) (lines []string) {
	for _, c := range o.Open {
		code, reason := "-", "-"
		if c.Code != nil {
			code = fmt.Sprint(int(*c.Code))
		}
		if c.Reason != "" {
			reason = string(c.Reason)
		}
		lines = append(lines, fmt.Sprintf("%s %s %s %s age %d: %d", c.Process, c.State, code, reason, c.Age, c.Number))
	}
	slices.Sort(lines)
	return lines
}

// An overview reads the indexes of what is open, not the tables.
func TestOverviewReadsIndexes(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		indexes := []string{"payments_open", "instalment_orders_open", "order_returns_open", "payment_orders_open", "payment_order_events_untold"}
		plans := storage.ExplainOverview(t, l)
		require.Len(t, plans, len(indexes))
		for i, plan := range plans {
			require.True(t, strings.Contains(plan, indexes[i]), "%s is not in the plan:\n%s", indexes[i], plan)
		}
	})
}
