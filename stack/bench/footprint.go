package bench

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// Footprint is what the one worker and the Temporal server hold in memory, in bytes.
type Footprint struct {
	Waiting int    `json:"waiting"` // payments
	When    string `json:"when"`
	RSS     int64  `json:"rss"`     // of the worker
	PeakRSS int64  `json:"peakRss"` // of the worker since it started
	Heap    int64  `json:"heap"`    // of the worker, in use
	// Cached are the workflows that the worker keeps in memory, Goroutines all that it has.
	Cached     int   `json:"cachedWorkflows"`
	Goroutines int   `json:"goroutines"`
	Collected  int64 `json:"collected"` // how often Go collected the worker's garbage since it started
	Temporal   int64 `json:"temporalRss"`
}

const (
	// lookEvery is the time between two looks at memory that comes to rest.
	lookEvery = time.Second
	// restLooks in a row that find no less memory, after a collection, are rest.
	restLooks = 10
)

// settled keeps the least footprint that is seen until memory is at rest: garbage was collected
// and for restLooks no look found one percent less; or the time that settling may take is over.
func (w *waiting) settled(ctx context.Context, when string, n int) error {
	w.say("waiting until memory is at rest, at most %s", w.o.Settle)
	began := time.Now()
	first, err := w.look(ctx)
	if err != nil {
		return err
	}
	least, looks := first, 0
	for looks < restLooks && time.Since(began) < w.o.Settle {
		select {
		case <-time.After(lookEvery):
		case <-ctx.Done():
			return ctx.Err()
		}
		f, err := w.look(ctx)
		if err != nil {
			return err
		}
		if looks++; f.RSS < least.RSS-least.RSS/100 || f.Collected == first.Collected {
			looks = 0
		}
		if f.RSS < least.RSS {
			least = f
		}
	}
	least.When, least.Waiting = when, n
	w.result.Footprints = append(w.result.Footprints, least)
	w.say("%d payments, %s: the worker has %.0f MiB, the Temporal server %.0f MiB", n, when, mebi(least.RSS), mebi(least.Temporal))
	return nil
}

// look reads the footprint of this moment.
func (w *waiting) look(ctx context.Context) (f Footprint, err error) {
	read, err := scrape(ctx, w.worker)
	if err != nil {
		return f, err
	}
	f = Footprint{
		RSS: int64(read.sum("process_resident_memory_bytes", "", "")), Heap: int64(read.sum("go_memstats_heap_inuse_bytes", "", "")),
		Cached: int(read.most("temporal_sticky_cache_size")), Goroutines: int(read.sum("go_goroutines", "", "")),
		Collected: int64(read.sum("go_gc_duration_seconds_count", "", "")),
	}
	if f.PeakRSS, err = memory(w.worker.PID(), "VmHWM"); err != nil {
		return f, err
	}
	f.Temporal, err = memory(w.d.Temporal.PID(), "VmRSS")
	return f, err
}

// memory reads one of the kernel's figures of a process, in bytes.
func memory(pid int, figure string) (int64, error) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(raw)) {
		if rest, ok := strings.CutPrefix(line, figure+":"); ok {
			kibi, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 64)
			return kibi << 10, err
		}
	}
	return 0, fmt.Errorf("/proc/%d/status has no %s", pid, figure)
}

func mebi(bytes int64) float64 { return float64(bytes) / (1 << 20) }
