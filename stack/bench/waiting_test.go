package bench

import (
	"bytes"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Payments wait, and are counted as they are; how much memory that is is nobody's business here.
func TestRunWaiting(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("memory is read from /proc")
	}
	w := &waiting{o: WaitingOptions{Payments: []int{5, 12}, Settle: time.Second, Deployment: deploymentOf(t), Progress: t.Output()}}
	t.Cleanup(w.stop)
	require.NoError(t, w.run(t.Context()))
	result := w.result
	require.Len(t, result.Created, 2)
	require.Equal(t, 5, result.Created[0].Payments)
	require.Equal(t, 7, result.Created[1].Payments)
	var waiting []int
	for _, f := range result.Footprints {
		waiting = append(waiting, f.Waiting)
		for what, n := range map[string]int64{"worker": f.RSS, "heap": f.Heap, "peak": f.PeakRSS, "Temporal": f.Temporal, "goroutines": int64(f.Goroutines)} {
			require.Positive(t, n, "%s, %s", f.When, what)
		}
	}
	require.Equal(t, []int{0, 5, 5, 12, 12, 12}, waiting)
	require.GreaterOrEqual(t, result.Footprints[4].Cached, 12, "the worker that began them keeps them")
	require.Less(t, result.Footprints[5].Cached, 12, "a new worker does not know those that wait")

	require.Len(t, result.Histories, 2)
	once, often := result.Histories[0], result.Histories[1]
	require.Equal(t, []int{2, putOff + 2}, []int{once.Attempts, often.Attempts})
	require.Positive(t, once.Events)
	require.Greater(t, often.Events, once.Events)
	require.Greater(t, often.Bytes, once.Bytes)

	var tables bytes.Buffer
	require.NoError(t, result.Print(&tables))
	require.Contains(t, tables.String(), "history of a payment")

	// What ended does not pass for waiting.
	require.NoError(t, w.script(t.Context(), account(13), answer{Code: 0}))
	require.ErrorContains(t, w.wait(t.Context(), 13), "12 payments are open instead of 13")
}
