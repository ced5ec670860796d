package storm

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"tolem/stack/deployment"
)

// faults are what happens to the parts, in an order that the seed decides.
type faults struct {
	d        *deployed
	o        Options
	chance   *rand.Rand
	done     atomic.Int64 // faults so far
	postgres atomic.Int64
	strange  *strangers
}

func newFaults(d *deployed, o Options) (*faults, error) {
	strange, err := meetStrangers(d, random(o.Seed, 3))
	return &faults{d: d, o: o, chance: random(o.Seed, 2), strange: strange}, err
}

// between two faults passes at least and at most this; a part that has just started is worth
// killing too.
const (
	leastCalm = 500 * time.Millisecond
	mostCalm  = 4 * time.Second
)

// one fault takes as long as it lasts.
type fault func(ctx context.Context) error

// run lets every fault happen, one after the other, and the broker be away meanwhile.
func (f *faults) run(ctx context.Context, say func(string, ...any)) error {
	var broker sync.WaitGroup
	defer broker.Wait()
	if f.o.KafkaAway > 0 {
		broker.Go(func() {
			if pause(ctx, 10*time.Second) == nil {
				say("the broker is away for %s", f.o.KafkaAway)
				f.d.Kafka.Away(ctx, f.o.KafkaAway)
				f.done.Add(1)
			}
		})
	}
	for _, happens := range f.plan() {
		if err := pause(ctx, leastCalm+time.Duration(f.chance.Int64N(int64(mostCalm-leastCalm)))); err != nil {
			return err
		}
		if err := happens(ctx); err != nil {
			return err
		}
		f.done.Add(1)
	}
	return nil
}

// plan is the order of faults.
func (f *faults) plan() (plan []fault) {
	for range f.o.Kills {
		victim := f.d.Tolem[f.chance.IntN(len(f.d.Tolem))]
		plan = append(plan, func(ctx context.Context) error { return killed(ctx, victim) })
	}
	for range f.o.TemporalKills {
		plan = append(plan, func(ctx context.Context) error { return killed(ctx, f.d.Temporal) })
	}
	for n := range f.o.PostgresStops {
		away := 5*time.Second + time.Duration(f.chance.Int64N(int64(25*time.Second)))
		plan = append(plan, func(ctx context.Context) error {
			f.postgres.Add(1)
			if err := f.d.Postgres.Interrupt(ctx, away, n%2 == 1); err != nil {
				return fmt.Errorf("start PostgreSQL again: %w", err)
			}
			return nil
		})
	}
	for range f.o.Strangers {
		plan = append(plan, f.strange.come)
	}
	f.chance.Shuffle(len(plan), func(a, b int) { plan[a], plan[b] = plan[b], plan[a] })
	return plan
}

// killed waits until a program runs, and kills it.
func killed(ctx context.Context, p *deployment.Program) error {
	for !p.Kill() {
		if err := pause(ctx, 50*time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}

// pause lets some time pass.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
