// Package bench measures a payment against the least and the most that Temporal
// costs, in one run on one machine: its figures are ratios, because seconds of a
// shared machine say little.
package bench

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Options of a run.
type Options struct {
	Callers  int           // at the same time, each waiting for its workflow's end
	Rounds   int           // of all three in turn, so that drift hits all alike
	Round    time.Duration // of one of the three
	Progress io.Writer
	// ProfileDir receives a CPU profile of each of the three over all rounds, to
	// see where the time goes; "" takes none.
	ProfileDir string
}

// Result is one run's figures.
type Result struct {
	CPUs     int      `json:"cpus"`
	Callers  int      `json:"callers"`
	Rounds   int      `json:"rounds"`
	Empty    Workload `json:"empty"`
	Payment  Workload `json:"payment"`
	Textbook Workload `json:"textbook"`
	// Payments per empty workflow, and payments per textbook payment: the higher
	// the better.
	PaymentToEmpty    float64 `json:"paymentToEmpty"`
	PaymentToTextbook float64 `json:"paymentToTextbook"`
}

// Workload is what one way of working reached.
type Workload struct {
	Name      string  `json:"name"`
	Done      int     `json:"done"`
	PerSecond float64 `json:"perSecond"`
	P50Millis float64 `json:"p50Millis"` // from the caller's start to the end it saw
	P99Millis float64 `json:"p99Millis"`
}

// once runs one workflow to its end; n is unique in the run.
type once func(ctx context.Context, n int64) error

// load is a workload under measurement.
type load struct {
	key   string // in file names
	name  string
	run   once
	took  []time.Duration
	spent time.Duration
}

// measure runs the loads in turn, one warming round first. An error of any
// single workflow ends it: a failing payment must not count as a fast one.
func measure(ctx context.Context, o Options, loads []*load) error {
	var number atomic.Int64
	for round := range o.Rounds + 1 {
		for _, l := range loads {
			var took []time.Duration
			var spent time.Duration
			err := profiled(profileOf(o.ProfileDir, round), fmt.Sprintf("%s-%d", l.key, round), func() (err error) {
				took, spent, err = l.round(ctx, o, &number)
				return err
			})
			if err != nil {
				return fmt.Errorf("%s: %w", l.name, err)
			}
			if round == 0 {
				continue
			}
			l.took, l.spent = append(l.took, took...), l.spent+spent
			_, _ = fmt.Fprintf(o.Progress, "round %d of %d · %-8s %7.1f/s\n", round, o.Rounds, l.name, float64(len(took))/spent.Seconds()) // progress only
		}
	}
	return nil
}

// profiled does work under the profiler, into a file of a directory; "" takes no profile.
func profiled(dir, name string, work func() error) error {
	if dir == "" {
		return work()
	}
	file, err := os.Create(filepath.Join(dir, name+".pprof"))
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }() // the profiler has written all of it
	if err := pprof.StartCPUProfile(file); err != nil {
		return err
	}
	defer pprof.StopCPUProfile()
	return work()
}

// profileOf is where a round's profile goes; the one that warms up has none.
func profileOf(dir string, round int) string {
	if round == 0 {
		return ""
	}
	return dir
}

// round lets all callers work until the time is up, and then finish what they
// have begun.
func (l *load) round(ctx context.Context, o Options, number *atomic.Int64) ([]time.Duration, time.Duration, error) {
	var mu sync.Mutex
	var all []time.Duration
	var failed error
	began := time.Now()
	var callers sync.WaitGroup
	for range o.Callers {
		callers.Go(func() {
			var mine []time.Duration
			var err error
			for err == nil && time.Since(began) < o.Round {
				start := time.Now()
				if err = l.run(ctx, number.Add(1)); err == nil {
					mine = append(mine, time.Since(start))
				}
			}
			mu.Lock()
			defer mu.Unlock()
			all = append(all, mine...)
			if failed == nil {
				failed = err
			}
		})
	}
	callers.Wait()
	return all, time.Since(began), failed
}

func (l *load) workload() Workload {
	slices.Sort(l.took)
	at := func(share float64) float64 {
		if len(l.took) == 0 {
			return 0
		}
		return float64(l.took[int(share*float64(len(l.took)-1))].Microseconds()) / 1000
	}
	return Workload{Name: l.name, Done: len(l.took), PerSecond: float64(len(l.took)) / l.spent.Seconds(), P50Millis: at(0.5), P99Millis: at(0.99)}
}

func (o Options) result(empty, payment, textbook *load) Result {
	r := Result{
		CPUs: runtime.NumCPU(), Callers: o.Callers, Rounds: o.Rounds,
		Empty: empty.workload(), Payment: payment.workload(), Textbook: textbook.workload(),
	}
	r.PaymentToEmpty = r.Payment.PerSecond / r.Empty.PerSecond
	r.PaymentToTextbook = r.Payment.PerSecond / r.Textbook.PerSecond
	return r
}

// Print writes the figures as a table.
func (r Result) Print(w io.Writer) error {
	_, err := fmt.Fprintf(w, "\n%d CPUs, %d callers, %d rounds; Temporal and ledger on PostgreSQL\n\n%-40s %8s %10s %10s\n",
		r.CPUs, r.Callers, r.Rounds, "", "per s", "p50 ms", "p99 ms")
	for _, l := range []Workload{r.Empty, r.Payment, r.Textbook} {
		if err == nil {
			_, err = fmt.Fprintf(w, "%-40s %8.1f %10.1f %10.1f\n", l.Name, l.PerSecond, l.P50Millis, l.P99Millis)
		}
	}
	if err == nil {
		_, err = fmt.Fprintf(w, "\npayment / empty    %.2f\npayment / textbook %.2f\n", r.PaymentToEmpty, r.PaymentToTextbook)
	}
	return err
}
