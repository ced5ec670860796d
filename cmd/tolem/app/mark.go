package app

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"tolem/domain"
	"tolem/storage"
	"tolem/workers"
)

const (
	// markEvery is how often a process raises the ledger's mark, or sees that another has: a
	// loss of commits that are newer than the last mark is not noticed.
	markEvery = time.Second
	// copyEvery is how often a worker copies the mark into Temporal.
	copyEvery = 2 * time.Second
	// markLimit bounds one round of both.
	markLimit = 5 * time.Second
)

// markKeeper raises the ledger's mark, and keeps the copy of it in Temporal. It moves no
// process of the business.
type markKeeper struct {
	ledger *storage.Ledger
	copy   workers.Cluster
	writes bool // workers keep the copy; an API reads it once
	met    bool // the copy was read: before that a raised mark could overtake it
	copied time.Time
	gate   domain.Gate
	stop   context.CancelFunc
	done   chan struct{}
}

// keepMark compares the ledger's mark with Temporal's copy before the process does
// anything, and goes on raising it until the process stops. Where Temporal does not answer
// that comparison comes as soon as it does.
func (r *Running) keepMark(ctx context.Context, c Config, parts Parts) error {
	k := &markKeeper{ledger: r.ledger, copy: c.cluster(r.temporal).Cluster, writes: parts.Worker, gate: domain.GateOpen, done: make(chan struct{})}
	k.meet(ctx)
	if err := r.ledger.Guard(ctx, 0); err != nil && !errors.Is(err, storage.ErrRestored) {
		return err
	}
	ctx, k.stop = context.WithCancel(context.WithoutCancel(ctx))
	r.mark = k
	go k.run(ctx)
	return nil
}

func (k *markKeeper) run(ctx context.Context) {
	defer close(k.done)
	for {
		k.round(ctx)
		select {
		case <-ctx.Done():
			return
		case <-time.After(markEvery):
		}
	}
}

// end returns when nothing is raised any more.
func (k *markKeeper) end() {
	k.stop()
	<-k.done
}

func (k *markKeeper) round(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, markLimit)
	defer cancel()
	step := k.ledger.Beat
	if !k.met {
		if k.meet(ctx); !k.met {
			step = k.ledger.Look
		}
	}
	if err := step(ctx); err != nil && !errors.Is(err, storage.ErrRestored) && ctx.Err() == nil {
		slog.WarnContext(ctx, "the ledger's mark was not raised", "error", err)
	}
	if now := k.ledger.Gate(); now != k.gate {
		k.gate = now
		slog.ErrorContext(ctx, "the ledger's gate changed", "gate", now, "action", "closed: run `tolem after-restore`; reconciling: release what it held, then `tolem after-restore --reconciled`")
	}
	if !k.writes || !k.met || k.gate == domain.GateClosed || time.Since(k.copied) < copyEvery {
		return
	}
	if err := k.copy.KeepLedgerMark(ctx, k.ledger.Mark()); err != nil {
		slog.DebugContext(ctx, "Temporal does not take the ledger's mark", "error", err)
		return
	}
	k.copied = time.Now()
}

// meet reads Temporal's copy.
func (k *markKeeper) meet(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, meetLimit)
	defer cancel()
	mark, err := k.copy.LedgerMark(ctx)
	if err != nil {
		slog.DebugContext(ctx, "Temporal does not give its copy of the ledger's mark", "error", err)
		return
	}
	k.ledger.Know(mark)
	k.met = true
}
