package bench

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tolem/stack/deployment"
)

// built is where the programs are that deployments run.
var built string

func TestMain(m *testing.M) {
	var err error
	if built, err = os.MkdirTemp("", "tolem-bench-*"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	_ = os.RemoveAll(built) // a temporary directory
	os.Exit(code)
}

// programs are built once, by the first test that needs them.
var programs = sync.OnceValues(func() (deployment.Programs, error) { return deployment.BuildAll(context.Background(), built) })

func deploymentOf(t *testing.T) deployment.Options {
	t.Helper()
	p, err := programs()
	require.NoError(t, err)
	return deployment.Options{Dir: t.TempDir(), Programs: p}
}

// Every number of workers makes payments with both partners; that more workers are faster is
// nobody's business here.
func TestRunWorkers(t *testing.T) {
	const delay = 500 * time.Millisecond
	result, err := RunWorkers(t.Context(), WorkersOptions{
		Callers: 2, SlowCallers: 4, Delay: delay, Rounds: 1, Round: 500 * time.Millisecond, Deployment: deploymentOf(t), Progress: t.Output(),
	})
	require.NoError(t, err)
	require.Len(t, result.Partners, 2)
	for _, p := range result.Partners {
		require.Len(t, p.Workers, mostWorkers)
		for i, f := range p.Workers {
			require.Equal(t, i+1, f.Workers)
			require.Positive(t, f.Done, "%s, %s", p.Partner, f.Name)
			require.GreaterOrEqual(t, f.P50Millis, float64(p.DelayMillis), "the partner was not slow")
			require.GreaterOrEqual(t, f.P99Millis, f.P50Millis)
			require.InDelta(t, f.PerSecond/p.Workers[0].PerSecond, f.ToOne, 1e-9)
		}
	}
	require.Zero(t, result.Partners[0].DelayMillis)
	require.Equal(t, delay.Milliseconds(), result.Partners[1].DelayMillis)

	var tables bytes.Buffer
	require.NoError(t, result.Print(&tables))
	require.Contains(t, tables.String(), "3 worker processes")
}
