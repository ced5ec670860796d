package bench

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"tolem/simulators/partners"
	"tolem/stack/deployment"
)

// mostWorkers run at the same time.
const mostWorkers = 3

// WorkersOptions of a run.
type WorkersOptions struct {
	Callers int // at the same time, where the partner answers at once
	// SlowCallers are those where it does not: more than the workers together have slots for
	// local activities, or the slots would not be the limit.
	SlowCallers int
	Delay       time.Duration // of the slow partner's answers to pay
	Rounds      int           // of 1, 2 and 3 workers in turn, after one that warms up
	Round       time.Duration // that is measured of each; where the partner is slow at least three delays
	Deployment  deployment.Options
	Progress    io.Writer
}

// WorkersResult is one run's figures.
type WorkersResult struct {
	CPUs     int       `json:"cpus"`
	Rounds   int       `json:"rounds"`
	Partners []Scaling `json:"partners"`
}

// Scaling is what 1, 2 and 3 worker processes reached with one partner.
type Scaling struct {
	Partner     string          `json:"partner"`
	DelayMillis int64           `json:"delayMillis"`
	Callers     int             `json:"callers"`
	Workers     []WorkerFigures `json:"workers"`
}

// WorkerFigures are those of one number of worker processes.
type WorkerFigures struct {
	Workers int `json:"workers"`
	Workload
	// LocalActivities is the most that a worker was seen to run at once.
	LocalActivities int     `json:"localActivities"`
	ToOne           float64 `json:"toOneWorker"` // payments per payment of one worker
}

// scaling is a run.
type scaling struct {
	d *deployment.Deployment
	o WorkersOptions
	payer
	number atomic.Int64
}

// pace is how a partner answers, and what is measured with it.
type pace struct {
	name    string
	delay   time.Duration
	callers int
	warm    time.Duration // of every turn, before it is measured
	length  time.Duration // of what is measured
	loads   [mostWorkers]load
	busy    [mostWorkers]int
}

// RunWorkers measures payments through the HTTP API of one process with 1, 2 and 3 worker
// processes, on a deployment of its own, in one run: with a partner that answers at once, where
// the machine is the limit, and with a slow one, where the workers' slots are.
func RunWorkers(ctx context.Context, o WorkersOptions) (result WorkersResult, err error) {
	_, _ = fmt.Fprintln(o.Progress, "starting PostgreSQL, Temporal, Kafka, simulators and API …") // progress only
	s := &scaling{o: o}
	if s.d, err = deployment.Start(ctx, o.Deployment); err != nil {
		return result, err
	}
	defer s.d.Stop()
	api, err := s.d.StartAPI(nil)
	if err != nil {
		return result, err
	}
	s.payer = newPayer(api.URL, deployment.Token)
	paces := []*pace{
		{name: "partner answers at once", callers: o.Callers, warm: o.Round / 5, length: o.Round},
		{name: fmt.Sprintf("partner answers pay after %s", o.Delay), delay: o.Delay, callers: o.SlowCallers, warm: 2 * o.Delay, length: max(o.Round, 3*o.Delay)},
	}
	for round := range o.Rounds + 1 {
		for _, p := range paces {
			if round == 0 && p.delay > 0 {
				continue // the machine is warm by then, and every turn warms its workers
			}
			if err := s.round(ctx, p, round); err != nil {
				return result, fmt.Errorf("%s: %w", p.name, err)
			}
		}
	}
	return s.result(paces), nil
}

// round measures each number of workers once; each round begins with another number, so that
// drift hits all alike.
func (s *scaling) round(ctx context.Context, p *pace, round int) error {
	slow := map[string]any{"call": "pay", "delayMs": p.delay.Milliseconds()}
	if p.delay > 0 {
		slow["delay"] = 1
	}
	if err := s.d.Direct(ctx, partners.ProcessingPath+"/control/faults", slow); err != nil {
		return err
	}
	for turn := range mostWorkers {
		n := (turn+round)%mostWorkers + 1
		took, busy, err := s.turn(ctx, p, n)
		if err != nil {
			return fmt.Errorf("%d workers: %w", n, err)
		}
		what := "warming up"
		if round > 0 {
			what = fmt.Sprintf("round %d of %d", round, s.o.Rounds)
			l := &p.loads[n-1]
			l.took, l.spent = append(l.took, took...), l.spent+p.length
			p.busy[n-1] = max(p.busy[n-1], busy)
		}
		_, _ = fmt.Fprintf(s.o.Progress, "%s · %s · %d workers %7.1f/s\n", what, p.name, n, float64(len(took))/p.length.Seconds()) // progress only
	}
	return nil
}

// turn has workers that have just started, and no others, make payments. It returns what the
// payments took that ended after it was warm and before its length was over, while all callers
// were at work: how callers begin and end together is no figure of the workers.
func (s *scaling) turn(ctx context.Context, p *pace, n int) (took []time.Duration, busy int, err error) {
	workers, err := s.workers(ctx, n)
	defer func() {
		var all sync.WaitGroup
		for _, w := range workers {
			all.Go(w.Stop)
		}
		all.Wait()
	}()
	if err != nil {
		return nil, 0, err
	}
	var mu sync.Mutex
	began := time.Now()
	l := load{run: func(ctx context.Context, n int64) error {
		start := time.Now()
		err := s.pay(ctx, n)
		if ended := time.Since(began); err == nil && ended >= p.warm && ended < p.warm+p.length {
			mu.Lock()
			defer mu.Unlock()
			took = append(took, time.Since(start))
		}
		return err
	}}
	watched := make(chan int)
	watching, stop := context.WithCancel(ctx)
	go func() { watched <- busiest(watching, workers) }()
	_, _, err = l.round(ctx, Options{Callers: p.callers, Round: p.warm + p.length}, &s.number)
	stop()
	return took, <-watched, err
}

// workers starts n and returns when they poll.
func (s *scaling) workers(ctx context.Context, n int) (workers []*deployment.Program, err error) {
	for range n {
		addr, err := s.d.Address()
		if err != nil {
			return workers, err
		}
		w, err := s.d.StartWorker(map[string]string{"METRICS_ADDR": addr})
		if err != nil {
			return workers, err
		}
		workers = append(workers, w)
	}
	return workers, s.d.Ready(ctx)
}

// busiest is the most local activities that one of the workers was seen to run at once, looked
// at every half second until ctx ends.
func busiest(ctx context.Context, workers []*deployment.Program) (most int) {
	for {
		for _, w := range workers {
			if read, err := scrape(ctx, w); err == nil { // one that is too busy to answer is asked again
				most = max(most, int(read.sum("temporal_worker_task_slots_used", "worker_type", "LocalActivityWorker")))
			}
		}
		select {
		case <-time.After(500 * time.Millisecond):
		case <-ctx.Done():
			return most
		}
	}
}

func (s *scaling) result(paces []*pace) WorkersResult {
	r := WorkersResult{CPUs: runtime.NumCPU(), Rounds: s.o.Rounds}
	for _, p := range paces {
		scaled := Scaling{Partner: p.name, DelayMillis: p.delay.Milliseconds(), Callers: p.callers}
		for i := range p.loads {
			p.loads[i].name = []string{"1 worker process", "2 worker processes", "3 worker processes"}[i]
			f := WorkerFigures{Workers: i + 1, Workload: p.loads[i].workload(), LocalActivities: p.busy[i]}
			one := f.PerSecond
			if i > 0 {
				one = scaled.Workers[0].PerSecond
			}
			f.ToOne = f.PerSecond / one
			scaled.Workers = append(scaled.Workers, f)
		}
		r.Partners = append(r.Partners, scaled)
	}
	return r
}

// Print writes the figures as tables.
func (r WorkersResult) Print(w io.Writer) error {
	_, err := fmt.Fprintf(w, "\n%d CPUs, %d rounds; one API, every part a process of its own; Temporal and ledger on PostgreSQL\n", r.CPUs, r.Rounds)
	for _, p := range r.Partners {
		if err == nil {
			_, err = fmt.Fprintf(w, "\n%-40s %8s %10s %10s %12s %8s\n", fmt.Sprintf("%s, %d callers", p.Partner, p.Callers), "per s", "p50 ms", "p99 ms", "busy slots", "to one")
		}
		for _, f := range p.Workers {
			if err == nil {
				_, err = fmt.Fprintf(w, "%-40s %8.1f %10.1f %10.1f %12d %8.2f\n", f.Name, f.PerSecond, f.P50Millis, f.P99Millis, f.LocalActivities, f.ToOne)
			}
		}
	}
	if err == nil {
		_, err = fmt.Fprintln(w, "\nbusy slots: the most local activities that one worker was seen to run at once")
	}
	return err
}
