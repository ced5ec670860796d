package storage_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"tolem/domain"
	"tolem/storage"
)

// Executions are added up without running over: what no sum can hold is too much, whatever
// the payment order is for.
func TestExecutionsThatNoSumHolds(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		take(t, l, today, "a", loan("KD1", math.MaxInt64), loan("KD2", 2_000_000_000_00))
		for contract, first := range map[domain.ContractNumber]domain.Money{"KD1": math.MaxInt64 - 1, "KD2": 1_999_999_999_99} {
			o := sent(t, l, contract)
			_, o, _, err := l.ReportStatus(t.Context(), status(o, "k1", domain.StatusExecuted, first))
			require.NoError(t, err)
			_, _, _, err = l.ReportStatus(t.Context(), status(o, "k2", domain.StatusExecuted, math.MaxInt64))
			require.ErrorIs(t, err, storage.ErrOverpaid)
			_, _, _, err = l.ReportStatus(t.Context(), status(o, "k3", domain.StatusExecuted, 2))
			require.ErrorIs(t, err, storage.ErrOverpaid)
			_, o, _, err = l.ReportStatus(t.Context(), status(o, "k4", domain.StatusExecuted, 1))
			require.NoError(t, err)
			require.Equal(t, domain.PaymentOrderExecuted, o.State)
			require.Equal(t, first+1, o.Paid)
		}
	})
}
