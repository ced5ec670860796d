package storm

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tolem/stack/deployment"
)

// The short form of a storm: every kind of process and of fault, and no promise broken.
func TestStorm(t *testing.T) {
	dir := t.TempDir()
	programs, err := deployment.BuildAll(t.Context(), dir)
	require.NoError(t, err)
	result, err := Run(t.Context(), Options{
		Seed: 7, Processes: 80, Kills: 12, TemporalKills: 1, PostgresStops: 1, KafkaAway: 10 * time.Second, Strangers: 3, Patience: 5 * time.Minute,
		Dir: dir, Programs: programs, Progress: t.Output(),
	})
	require.NoError(t, err)
	require.NoError(t, result.Print(t.Output()))
	require.True(t, result.Report.OK(), "%+v", result.Report.Findings)
	require.Zero(t, result.Report.Open)
	total := 0
	for _, n := range result.Report.Processes {
		total += n
	}
	require.GreaterOrEqual(t, total, 80)
	for kind, n := range result.Asked {
		require.Positive(t, n, kind)
	}
}
