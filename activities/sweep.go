package activities

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"

	"tolem/domain"
	"tolem/storage"
)

// Sweep starts again, from the ledger, every open process whose workflow is not
// running: missing, terminated, failed, cancelled, or completed before the ledger was
// restored from a backup. So Temporal's memory may be lost without losing one.
type Sweep struct {
	Ledger   *storage.Ledger
	Temporal client.Client
	// Start starts the workflow of a payment; a running one is left alone, one that
	// closed runs again: a row may be open again after a restore of the ledger.
	Start func(ctx context.Context, p storage.OpenPayment) error
	// WarnAfter and RaiseAfter are the ages at which open payments are counted and
	// logged, and at which their workflows have asked for an operator; 0 is never.
	WarnAfter, RaiseAfter time.Duration
	Metrics               *Metrics
	Orders                *OrderSweep    // nil sweeps no instalment orders
	Contracts             *ContractSweep // nil sweeps no payment orders
}

// sweepPage is how many open payments are read at once; 500 rows are a few
// milliseconds of the ledger.
const sweepPage = 500

// SweepInput says which processes are old enough.
type SweepInput struct {
	OlderThan time.Duration `json:"olderThan"`
}

// SweepResult counts what a sweep saw and did.
type SweepResult struct {
	Open    int `json:"open"`
	Started int `json:"started"`
	Failed  int `json:"failed"`
	Nudged  int `json:"nudged,omitempty"` // choices, decisions and callbacks whose workflow had not heard of them
}

// StartMissing sweeps once. Idempotent: starting a running workflow changes nothing.
// What could not be started is counted and left to the next sweep.
func (s *Sweep) StartMissing(ctx context.Context, in SweepInput) (SweepResult, error) {
	var result SweepResult
	running, err := running(ctx, s.Temporal, WorkflowPayment)
	if err != nil {
		return result, err
	}
	before, after := time.Now().Add(-in.OlderThan), domain.AgentTransactionID(0)
	for {
		page, err := s.Ledger.OpenPayments(ctx, before, after, sweepPage)
		if err != nil {
			return result, err
		}
		for _, p := range page {
			after = p.ID
			result.Open++
			switch {
			case !running[p.ID.WorkflowID()]:
				result.started(ctx, p.ID.WorkflowID(), s.Start(ctx, p), s.Metrics)
			case p.State == domain.StateAwaitingPayer && p.ChosenAt != nil && p.ChosenAt.Before(before):
				result.nudged(ctx, s.Temporal, p.ID.WorkflowID(), Nudge{Cause: CauseChoice})
			}
		}
		activity.RecordHeartbeat(ctx, result)
		if len(page) < sweepPage {
			break
		}
	}
	if err := s.Orders.sweep(ctx, before, &result); err != nil {
		return result, err
	}
	if err := s.Contracts.sweep(ctx, before, &result); err != nil {
		return result, err
	}
	return result, s.age(ctx)
}

// started counts and logs a start.
func (r *SweepResult) started(ctx context.Context, process string, err error, m *Metrics) {
	if err != nil {
		r.Failed++
		slog.ErrorContext(ctx, "sweep could not start a process", "process", process, "error", err)
		return
	}
	r.Started++
	m.restarted()
	slog.WarnContext(ctx, "sweep started an open process", "process", process)
}

// nudged tells a running workflow that the ledger has news for it, which the API could
// not.
func (r *SweepResult) nudged(ctx context.Context, temporal client.Client, process string, news Nudge) {
	if err := temporal.SignalWorkflow(ctx, process, "", NudgeSignal, news); err != nil {
		r.Failed++
		slog.ErrorContext(ctx, "sweep could not tell a workflow its news", "process", process, "error", err)
		return
	}
	r.Nudged++
}

// age counts the open payments that are older than the limits, and says so: no
// payment ends for being old, so somebody has to see it.
func (s *Sweep) age(ctx context.Context) error {
	for _, limit := range []struct {
		after time.Duration
		level slog.Level
	}{{s.WarnAfter, slog.LevelWarn}, {s.RaiseAfter, slog.LevelError}} {
		if limit.after == 0 {
			continue
		}
		old, err := s.Ledger.OpenSince(ctx, time.Now().Add(-limit.after))
		if err != nil {
			return err
		}
		if old > 0 {
			slog.Log(ctx, limit.level, "open payments are older than the limit", "limit", limit.after, "number", old)
		}
	}
	return nil
}

// running lists the processes of a workflow type that Temporal's visibility knows to
// be running. It lags behind by a second or so; a start that it wrongly calls for is
// harmless.
func running(ctx context.Context, temporal client.Client, workflowType string) (map[string]bool, error) {
	running := map[string]bool{}
	request := &workflowservice.ListWorkflowExecutionsRequest{
		PageSize: 1000, Query: "WorkflowType = '" + workflowType + "' AND ExecutionStatus = 'Running'",
	}
	for {
		page, err := temporal.ListWorkflow(ctx, request)
		if err != nil {
			return nil, fmt.Errorf("list running workflows of type %s: %w", workflowType, err)
		}
		for _, e := range page.GetExecutions() {
			running[e.GetExecution().GetWorkflowId()] = true
		}
		activity.RecordHeartbeat(ctx)
		request.NextPageToken = page.GetNextPageToken()
		if len(request.NextPageToken) == 0 {
			return running, nil
		}
	}
}
