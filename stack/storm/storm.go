// Package storm proves Tolem under kills and faults: it deploys every part as a process of
// its own, runs thousands of mixed processes, kills and stops the parts meanwhile, lets the
// partners lose answers, and has everything verified from outside.
package storm

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"time"

	"tolem/cmd/tolem/app"
	"tolem/simulators/abs"
	"tolem/simulators/cfront"
	"tolem/simulators/partners"
	"tolem/stack/deployment"
	"tolem/storage"
	"tolem/verification"
)

// Options of a storm.
type Options struct {
	// Seed decides who asks for what and what happens to which part in which order; what
	// meets what is up to the machine.
	Seed          uint64
	Processes     int
	Kills         int           // of workers and APIs
	TemporalKills int           // kill -9
	PostgresStops int           // each 5 to 30 s, every other one without time to write
	KafkaAway     time.Duration // once
	Strangers     int           // who reach Temporal, and send running processes what they like
	Patience      time.Duration // from the last fault until everything has ended
	Dir           string        // logs and data; an existing directory
	Programs      deployment.Programs
	Progress      io.Writer
}

// What the partners do to calls.
const (
	lostAnswers = 0.20 // after the effect
	resets      = 0.10 // before it
	delays      = 0.10 // beyond the time-out
)

// Result is what a storm did, and whether the promises were kept.
type Result struct {
	Seed     uint64               `json:"seed"`
	Asked    map[string]int       `json:"asked"` // by kind
	Repeats  int64                `json:"repeats"`
	Kills    map[string]int64     `json:"kills"`
	Deaths   map[string]int64     `json:"deaths"` // by themselves, because what they need was away
	Postgres int                  `json:"postgresStops"`
	Took     time.Duration        `json:"took"`
	Report   *verification.Report `json:"report"`
}

// Run runs a storm. An error says that it could not be run or did not end; whether promises
// were kept is in the result's report.
func Run(ctx context.Context, o Options) (*Result, error) {
	began := time.Now()
	say := func(format string, args ...any) { fmt.Fprintf(o.Progress, format+"\n", args...) }
	say("deploying PostgreSQL, Temporal, Kafka, simulators, %d APIs, %d workers; logs are in %s", apis, workers, o.Dir)
	d, err := deploy(ctx, o)
	if err != nil {
		return nil, err
	}
	defer d.Stop()
	if err := d.makePartnersFail(ctx, o.Seed); err != nil {
		return nil, err
	}
	load := newLoad(d, o)
	faults, err := newFaults(d, o)
	if err != nil {
		return nil, err
	}
	defer faults.strange.leave()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var both sync.WaitGroup
	var asking, breaking error
	both.Go(func() {
		if asking = load.run(ctx); asking != nil {
			cancel()
		}
	})
	both.Go(func() {
		if breaking = faults.run(ctx, say); breaking != nil {
			cancel()
		}
	})
	stopProgress := load.tell(say, faults)
	both.Wait()
	stopProgress()
	for _, err := range []error{asking, breaking} {
		if err != nil {
			return nil, err
		}
	}
	say("everything was asked for and every fault has happened; waiting until all has ended")
	if err := d.Ready(ctx); err != nil {
		return nil, err
	}
	if err := d.ended(ctx, o.Patience, say); err != nil {
		say("%v", err)
	}
	result := load.result(faults)
	if result.Report, err = d.verify(ctx); err != nil {
		return nil, err
	}
	result.Seed, result.Took = o.Seed, time.Since(began)
	return result, nil
}

// makePartnersFail has every partner lose, reset and delay its share of calls.
func (d *deployed) makePartnersFail(ctx context.Context, seed uint64) error {
	calls := map[string][]string{
		partners.ProcessingPath: {"check", "pay"},
		partners.CFRONTPath:     {cfront.CallCreate, cfront.CallState, cfront.CallConfirm, cfront.CallReject, cfront.CallReturn, cfront.CallData},
		partners.ABSPath:        {abs.CallClient, abs.CallAccounts, abs.CallStatement, abs.CallScan},
	}
	for path, names := range calls {
		for _, name := range names {
			storm := map[string]any{"call": name, "lostAnswer": lostAnswers, "resetBefore": resets, "delay": delays, "delayMs": pastTimeout.Milliseconds(), "seed": seed}
			if err := d.Direct(ctx, path+"/control/faults", storm); err != nil {
				return fmt.Errorf("faults of %s: %w", name, err)
			}
		}
	}
	return nil
}

// verify has everything verified.
func (d *deployed) verify(ctx context.Context) (*verification.Report, error) {
	config, err := d.Config()
	if err != nil {
		return nil, err
	}
	return app.Verify(ctx, config, app.VerifyOptions{Books: d.Partners, AllEnded: true, Grace: time.Minute})
}

// open is how many processes have not ended, and how many events Loxon does not have.
func (d *deployed) open(ctx context.Context) (n int64, err error) {
	ledger, err := storage.Open(ctx, d.Env["DATABASE_URL"])
	if err != nil {
		return 0, err
	}
	defer func() { _ = ledger.Close() }() // it was only read
	now, err := ledger.Overview(ctx, time.Now(), nil)
	for _, o := range now.Open {
		n += o.Number
	}
	return n + now.Unsent, err
}

// ended waits until no process is open and Loxon has every event.
func (d *deployed) ended(ctx context.Context, patience time.Duration, say func(string, ...any)) error {
	until := time.Now().Add(patience)
	for {
		open, err := d.open(ctx)
		switch {
		case err != nil && ctx.Err() != nil:
			return ctx.Err()
		case err == nil && open == 0:
			return nil
		case time.Now().After(until):
			return fmt.Errorf("after %s not everything has ended (%w)", patience, err)
		case err == nil:
			say("%d processes and events are open", open)
		}
		if err := pause(ctx, 5*time.Second); err != nil {
			return err
		}
	}
}

// random is the storm's source of chance, one for each use, so that none depends on how fast
// another one is.
func random(seed, use uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, use)) }

// Print writes the result for people.
func (r *Result) Print(w io.Writer) error {
	fmt.Fprintf(w, "\nseed %d · %s · asked for %v, %d requests repeated by callers\n", r.Seed, r.Took.Round(time.Second), r.Asked, r.Repeats)
	fmt.Fprintf(w, "killed %v · ended by themselves and started again %v · PostgreSQL stopped %d times\n\n", r.Kills, r.Deaths, r.Postgres)
	return r.Report.Print(w)
}
