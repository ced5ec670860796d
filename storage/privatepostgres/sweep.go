package privatepostgres

import (
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"
)

const (
	directoryPrefix = "tolem-postgres-"
	lockName        = "lock" // held for as long as the owner lives; the kernel frees it when the owner dies

	// sweepAge protects an owner that has made its directory but not locked it yet.
	sweepAge = time.Minute
)

// sweep removes the temporary directories under parent whose owners died
// without Stop. It leaves alone what is younger than sweepAge, what is in use
// and what belongs to other users. A server that still runs on such a directory
// (no death signal outside Linux) notices within a minute that its lock file is
// gone, and shuts down; signalling it by its process id could hit a stranger.
func sweep(parent string) {
	dirs, _ := filepath.Glob(filepath.Join(parent, directoryPrefix+"*")) // ErrBadPattern only: then there is nothing to sweep
	for _, dir := range dirs {
		info, err := os.Lstat(dir)
		if err != nil || !info.IsDir() || time.Since(info.ModTime()) < sweepAge {
			continue
		}
		lock := flock.New(filepath.Join(dir, lockName))
		if locked, err := lock.TryLock(); err != nil || !locked {
			continue
		}
		_ = os.RemoveAll(dir) // what stays is tried again by the next Start
		_ = lock.Close()      // closing our file is all that can fail
	}
}
