package bench

import (
	"context"
	"fmt"
	"io"

	"tolem/domain"
)

// History is how long a payment's history is in Temporal when it has succeeded.
type History struct {
	Payment  string `json:"payment"`
	Attempts int    `json:"attempts"` // check and pay
	Events   int64  `json:"events"`
	Bytes    int64  `json:"bytes"`
}

// put off is how often the centre answers the payment of many attempts that it is in progress.
const putOff = 14

// firstToEnd is the number of the first payment that is made to end; those that wait are below.
const firstToEnd = 900_000

// Temporal's own limits of one history (limit.historyCount and limit.historySize, .warn and
// .error): it logs a warning beyond the first and terminates the workflow beyond the second.
const (
	warnEvents, errorEvents = 10_240, 51_200
	warnBytes, errorBytes   = 10 << 20, 50 << 20
)

// histories reads the history of a payment that succeeds at once and of one that is put off.
func (w *waiting) histories(ctx context.Context) error {
	for i, h := range []struct {
		name    string
		answers []answer
		pays    int
	}{
		{"succeeds at once", []answer{{Code: 0}}, 1},
		{fmt.Sprintf("succeeds at pay %d", putOff+1), []answer{{Code: int(domain.CodeInProgress), Times: putOff}, {Code: 0}}, putOff + 1},
	} {
		number := int64(firstToEnd + i)
		if err := w.script(ctx, account(number), h.answers...); err != nil {
			return err
		}
		made, err := w.hasty.succeed(ctx, number)
		if err != nil {
			return err
		}
		if made.Attempts != h.pays+1 {
			return fmt.Errorf("payment %s took %d attempts instead of one check and %d pays", made.ID, made.Attempts, h.pays)
		}
		workflow := "payment/" + made.ID
		if err := w.temporal.GetWorkflow(ctx, workflow, "").Get(ctx, nil); err != nil {
			return err
		}
		described, err := w.temporal.DescribeWorkflowExecution(ctx, workflow, "")
		if err != nil {
			return err
		}
		info := described.GetWorkflowExecutionInfo()
		w.result.Histories = append(w.result.Histories, History{h.name, made.Attempts, info.GetHistoryLength(), info.GetHistorySizeBytes()})
	}
	return nil
}

// Print writes the figures as tables.
func (r WaitingResult) Print(w io.Writer) error {
	p := printer{w: w}
	p.printf("\n%d CPUs; one worker, every part a process of its own; Temporal and ledger on PostgreSQL; MiB\n\n", r.CPUs)
	p.printf("%8s %-28s %8s %8s %8s %10s %10s %14s\n", "waiting", "", "worker", "peak", "Go heap", "cached", "goroutines", "Temporal")
	for _, f := range r.Footprints {
		p.printf("%8d %-28s %8.1f %8.1f %8.1f %10d %10d %14.1f\n", f.Waiting, f.When, mebi(f.RSS), mebi(f.PeakRSS), mebi(f.Heap), f.Cached, f.Goroutines, mebi(f.Temporal))
	}
	p.printf("\nworker, peak, Temporal: resident; cached: workflows in the worker's memory\n\n")
	for _, c := range r.Created {
		p.printf("%d payments accepted in batches, attempted and waiting after %.1f s (%.1f/s)\n", c.Payments, c.Seconds, c.PerSecond)
	}
	p.printf("\n%-28s %10s %10s %10s\n", "history of a payment", "attempts", "events", "bytes")
	for _, h := range r.Histories {
		p.printf("%-28s %10d %10d %10d\n", h.Payment, h.Attempts, h.Events, h.Bytes)
	}
	p.printf("%-28s %10s %10d %10d\n%-28s %10s %10d %10d\n", "Temporal warns beyond", "", warnEvents, warnBytes, "Temporal terminates beyond", "", errorEvents, errorBytes)
	return p.err
}

// printer keeps the first error.
type printer struct {
	w   io.Writer
	err error
}

func (p *printer) printf(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format, args...)
	}
}
