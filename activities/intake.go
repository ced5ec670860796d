package activities

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"go.temporal.io/sdk/activity"

	"tolem/domain"
	"tolem/storage"
)

// Intake starts the payments of batches.
type Intake struct {
	Ledger *storage.Ledger
	// Start starts the workflow of a payment; a running one is left alone, one that
	// closed runs again.
	Start   func(ctx context.Context, p storage.OpenPayment) error
	Metrics *Metrics
}

const (
	// IntakePage is how many payments one StartPage starts at most.
	IntakePage = 500

	// intakeStarts run at once: one start waits for Temporal more than it works,
	// and payments that are accepted meanwhile need their turn.
	intakeStarts = 8

	// intakeStartLimit bounds one start; the sweep starts what this does not.
	intakeStartLimit = 15 * time.Second
)

// IntakePageInput says which page of which batch.
type IntakePageInput struct {
	BatchID domain.BatchID            `json:"batchId"`
	After   domain.AgentTransactionID `json:"after,omitempty"` // the last id of the page before; 0 begins
}

// IntakePageResult is what a page held and what was done with it.
type IntakePageResult struct {
	Last    domain.AgentTransactionID `json:"last,omitempty"` // 0 for an empty page
	Full    bool                      `json:"full,omitempty"` // others may follow
	Started int                       `json:"started"`
	Failed  int                       `json:"failed"`
}

// StartPage starts the payments of one page that are still accepted. Idempotent:
// starting a running workflow changes nothing. What could not be started is counted
// and left to the sweep; it fails only when the ledger does, or when the worker
// stops.
func (i *Intake) StartPage(ctx context.Context, in IntakePageInput) (IntakePageResult, error) {
	page, err := i.Ledger.AcceptedOfBatch(ctx, in.BatchID, in.After, IntakePage)
	if err != nil || len(page) == 0 {
		return IntakePageResult{}, err
	}
	started, failed, err := startEach(ctx, page, i.start)
	if err != nil {
		return IntakePageResult{}, err
	}
	return IntakePageResult{Last: page[len(page)-1].ID, Full: len(page) == IntakePage, Started: started, Failed: failed}, nil
}

// startEach starts the process of every row, a few at once. It fails when the worker stops:
// another repeats the page.
func startEach[Row any](ctx context.Context, page []Row, start func(context.Context, Row) bool) (started, failed int, err error) {
	var good, bad atomic.Int64
	turns := make(chan Row)
	var all sync.WaitGroup
	for range intakeStarts {
		all.Go(func() {
			for row := range turns {
				if start(ctx, row) {
					good.Add(1)
				} else {
					bad.Add(1)
				}
				activity.RecordHeartbeat(ctx)
			}
		})
	}
	for _, row := range page {
		if ctx.Err() != nil {
			break
		}
		turns <- row
	}
	close(turns)
	all.Wait()
	return int(good.Load()), int(bad.Load()), ctx.Err()
}

func (i *Intake) start(ctx context.Context, p storage.OpenPayment) bool {
	ctx, cancel := context.WithTimeout(ctx, intakeStartLimit)
	defer cancel()
	err := i.Start(ctx, p)
	if err != nil {
		slog.WarnContext(ctx, "intake could not start a payment; the sweep starts it", "process", p.ID.WorkflowID(), "error", err)
	}
	i.Metrics.intake(err == nil)
	return err == nil
}
