package activities

import (
	"context"
	"log/slog"
	"time"

	"go.temporal.io/sdk/client"

	"tolem/domain"
	"tolem/storage"
)

// Loans starts the processes of contracts whose loans were reported.
type Loans struct {
	Ledger *storage.Ledger
	// Start starts a contract's process, or wakes the running one.
	Start   func(ctx context.Context, contract domain.ContractNumber) error
	Metrics *Metrics
}

// LoanPageInput says which page of which batch.
type LoanPageInput struct {
	BatchID domain.BatchID `json:"batchId"`
	After   int64          `json:"after,omitempty"` // the last payment order of the page before; 0 begins
}

// LoanPageResult is what a page held and what was done with it.
type LoanPageResult struct {
	Last    int64 `json:"last,omitempty"` // 0 for an empty page
	Full    bool  `json:"full,omitempty"` // others may follow
	Started int   `json:"started"`
	Failed  int   `json:"failed"`
}

// StartLoans starts the processes of one page of a batch, or tells the running ones that
// there is a newer report. It may run twice. What could not be started is counted and left
// to the sweep; it fails only when the ledger does, or when the worker stops.
func (l *Loans) StartLoans(ctx context.Context, in LoanPageInput) (LoanPageResult, error) {
	page, err := l.Ledger.LoansOfBatch(ctx, in.BatchID, in.After, IntakePage)
	if err != nil || len(page) == 0 {
		return LoanPageResult{}, err
	}
	started, failed, err := startEach(ctx, page, l.start)
	if err != nil {
		return LoanPageResult{}, err
	}
	return LoanPageResult{Last: page[len(page)-1].ID, Full: len(page) == IntakePage, Started: started, Failed: failed}, nil
}

func (l *Loans) start(ctx context.Context, loan storage.LoanOfBatch) bool {
	ctx, cancel := context.WithTimeout(ctx, intakeStartLimit)
	defer cancel()
	err := l.Start(ctx, loan.Contract)
	if err != nil {
		slog.WarnContext(ctx, "intake could not start a contract; the sweep starts it", "process", loan.Contract.WorkflowID(), "error", err)
	}
	l.Metrics.intake(err == nil)
	return err == nil
}

// ContractSweep starts again, from the ledger, every contract in collection without a
// running process, and wakes those that something is due for.
type ContractSweep struct {
	Ledger   *storage.Ledger
	Temporal client.Client
	// Start starts a contract's process, or wakes the running one.
	Start   func(ctx context.Context, contract domain.ContractNumber) error
	Metrics *Metrics
}

// sweep sweeps once what is older than an instant.
func (s *ContractSweep) sweep(ctx context.Context, before time.Time, result *SweepResult) error {
	if s == nil {
		return nil
	}
	runs, err := running(ctx, s.Temporal, WorkflowPaymentOrder)
	if err != nil {
		return err
	}
	err = eachContract(ctx, result, before, s.Ledger.OpenContracts, func(c domain.ContractNumber) {
		result.Open++
		if !runs[c.WorkflowID()] {
			result.started(ctx, c.WorkflowID(), s.Start(ctx, c), s.Metrics)
		}
	})
	if err != nil {
		return err
	}
	return eachContract(ctx, result, before, s.Ledger.DueContracts, func(c domain.ContractNumber) {
		if runs[c.WorkflowID()] {
			result.nudged(ctx, s.Temporal, c.WorkflowID(), Nudge{Cause: domain.CauseNews})
		}
	})
}

// eachContract handles every contract that page finds from before an instant.
func eachContract(ctx context.Context, result *SweepResult, before time.Time,
	page func(context.Context, time.Time, domain.ContractNumber, int) ([]domain.ContractNumber, error), handle func(domain.ContractNumber),
) error {
	return eachPage(ctx, result, func(after domain.ContractNumber) ([]domain.ContractNumber, error) {
		return page(ctx, before, after, sweepPage)
	}, func(c domain.ContractNumber) domain.ContractNumber {
		handle(c)
		return c
	})
}
