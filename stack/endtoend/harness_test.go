// Package endtoend drives Tolem as its users do: over HTTP, with real processes
// that are killed, frozen and started again, and asks the simulated partner's own
// books where the money is.
package endtoend

import (
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tolem/storage/privatepostgres/postgrestest"
)

// programs are the binaries under test, built once.
var programs struct{ tolem, stack string }

// patience bounds every wait for something that must happen; it is no
// measurement. A worker's death alone costs 10 s of workflow task time-out.
const patience = 3 * time.Minute

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})))
	dir, err := os.MkdirTemp("", "tolem-endtoend-*")
	if err == nil {
		err = build(dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "endtoend:", err)
		os.Exit(1)
	}
	defer func() { _ = os.RemoveAll(dir) }() // a temporary directory
	postgrestest.Run(m)
}

func build(dir string) error {
	programs.tolem, programs.stack = filepath.Join(dir, "tolem"), filepath.Join(dir, "stack")
	for _, build := range [][]string{{programs.tolem, "tolem/cmd/tolem"}, {programs.stack, "tolem/stack"}} {
		if out, err := exec.Command("go", "build", "-o", build[0], build[1]).CombinedOutput(); err != nil {
			return fmt.Errorf("build %s: %w\n%s", build[1], err, out)
		}
	}
	return nil
}

// eventually waits until something holds that must come to hold.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	require.Eventually(t, holds, patience, 100*time.Millisecond, what)
}
