package bench

import (
	"bytes"
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The benchmark runs all three to their ends; how fast is nobody's business here.
func TestRun(t *testing.T) {
	result, err := Run(t.Context(), Options{Callers: 2, Rounds: 1, Round: 300 * time.Millisecond, Progress: io.Discard})
	require.NoError(t, err)
	for _, w := range []Workload{result.Empty, result.Payment, result.Textbook} {
		require.Positive(t, w.Done, w.Name)
		require.Positive(t, w.PerSecond, w.Name)
		require.GreaterOrEqual(t, w.P99Millis, w.P50Millis, w.Name)
	}
	require.InDelta(t, result.Payment.PerSecond/result.Empty.PerSecond, result.PaymentToEmpty, 1e-9)
	require.InDelta(t, result.Payment.PerSecond/result.Textbook.PerSecond, result.PaymentToTextbook, 1e-9)

	var table bytes.Buffer
	require.NoError(t, result.Print(&table))
	require.Contains(t, table.String(), "payment / empty")
}

func TestRunLoans(t *testing.T) {
	result, err := RunLoans(t.Context(), LoansOptions{Loans: 10, Callers: 2, Rounds: 1, Progress: io.Discard})
	require.NoError(t, err)
	require.Positive(t, result.AcceptedMillis)
	require.Greater(t, result.ToldSeconds, result.AcceptedMillis/1000)
	require.InDelta(t, result.ToldSeconds/result.EmptySeconds, result.ToldToEmpty, 1e-9)

	var figures bytes.Buffer
	require.NoError(t, result.Print(&figures))
	require.Contains(t, figures.String(), "loan / empty workflow")
}
