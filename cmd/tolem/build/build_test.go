package build

import (
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

// What the linker was told wins, and what nobody recorded is said to be unknown.
func TestRead(t *testing.T) {
	require.Equal(t, Info{Commit: unknown, Date: unknown, Go: runtime.Version()}, Read(), "tests are built without version control")

	commit, date = "4a98c74", "2026-12-01T12:20:00Z"
	t.Cleanup(func() { commit, date = "", "" })
	require.Equal(t, "commit 4a98c74 of 2026-12-01T12:20:00Z, "+runtime.Version(), Read().String())
	require.Equal(t, "commit a of b, modified, go1", Info{Commit: "a", Date: "b", Modified: true, Go: "go1"}.String())
}
