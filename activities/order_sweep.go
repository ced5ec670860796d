package activities

import (
	"context"
	"log/slog"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"

	"tolem/domain"
	"tolem/storage"
)

// OrderSweep starts again, from the ledger, every open instalment order and return
// without a running workflow, and brings workflows the news that they were not told:
// a decision of the store, a callback of the bank.
type OrderSweep struct {
	Ledger   *storage.Ledger
	Temporal client.Client
	// StartOrder and StartReturn start a workflow; a running one is left alone and a
	// completed one is an error.
	StartOrder  func(ctx context.Context, o storage.InstalmentOrder) error
	StartReturn func(ctx context.Context, r storage.OrderReturn) error
	// Move has an order that has ended taken forward.
	Move    func(ctx context.Context, id domain.StoreOrderID) error
	Metrics *Metrics
}

// sweep sweeps once what is older than an instant.
func (s *OrderSweep) sweep(ctx context.Context, before time.Time, result *SweepResult) error {
	if s == nil {
		return nil
	}
	for _, part := range []func(context.Context, time.Time, *SweepResult) error{s.orders, s.returns, s.callbacks} {
		if err := part(ctx, before, result); err != nil {
			return err
		}
	}
	return nil
}

func (s *OrderSweep) orders(ctx context.Context, before time.Time, result *SweepResult) error {
	runs, err := running(ctx, s.Temporal, "Order")
	if err != nil {
		return err
	}
	return eachPage(ctx, result, func(after domain.StoreOrderID) ([]storage.InstalmentOrder, error) {
		return s.Ledger.OpenOrders(ctx, before, after, sweepPage)
	}, func(o storage.InstalmentOrder) domain.StoreOrderID {
		result.Open++
		switch {
		case !runs[o.ID.WorkflowID()]:
			s.started(ctx, o.ID.WorkflowID(), s.StartOrder(ctx, o), result)
		case o.Decision != "" && o.DecisionSentAt == nil && o.DecidedAt.Before(before):
			s.nudged(ctx, o.ID, result)
		}
		return o.ID
	})
}

func (s *OrderSweep) returns(ctx context.Context, before time.Time, result *SweepResult) error {
	runs, err := running(ctx, s.Temporal, "Return")
	if err != nil {
		return err
	}
	return eachPage(ctx, result, func(after domain.StoreOrderID) ([]storage.OrderReturn, error) {
		return s.Ledger.OpenReturns(ctx, before, after, sweepPage)
	}, func(r storage.OrderReturn) domain.StoreOrderID {
		result.Open++
		if !runs[r.WorkflowID()] {
			s.started(ctx, r.WorkflowID(), s.StartReturn(ctx, r), result)
		}
		return r.OrderID
	})
}

func (s *OrderSweep) callbacks(ctx context.Context, before time.Time, result *SweepResult) error {
	return eachPage(ctx, result, func(after domain.StoreOrderID) ([]domain.StoreOrderID, error) {
		return s.Ledger.UnseenCallbacks(ctx, before, after, sweepPage)
	}, func(id domain.StoreOrderID) domain.StoreOrderID {
		switch o, err := s.Ledger.InstalmentOrder(ctx, id); {
		case err != nil:
			result.Failed++
		case o.State.Terminal():
			s.started(ctx, id.MoveWorkflowID(), s.Move(ctx, id), result)
		default:
			s.nudged(ctx, id, result)
		}
		return id
	})
}

// eachPage reads pages until one is not full, and handles every row; handle returns
// the number that the row was found by.
func eachPage[Row any](ctx context.Context, result *SweepResult, page func(after domain.StoreOrderID) ([]Row, error), handle func(Row) domain.StoreOrderID) error {
	after := domain.StoreOrderID("")
	for {
		rows, err := page(after)
		if err != nil {
			return err
		}
		for _, row := range rows {
			after = handle(row)
		}
		activity.RecordHeartbeat(ctx, *result)
		if len(rows) < sweepPage {
			return nil
		}
	}
}

// started counts and logs a start.
func (s *OrderSweep) started(ctx context.Context, process string, err error, result *SweepResult) {
	if err != nil {
		result.Failed++
		slog.ErrorContext(ctx, "sweep could not start a process", "process", process, "error", err)
		return
	}
	result.Started++
	s.Metrics.restarted()
	slog.WarnContext(ctx, "sweep started an open process", "process", process)
}

// nudged tells a workflow that the ledger has news for it.
func (s *OrderSweep) nudged(ctx context.Context, id domain.StoreOrderID, result *SweepResult) {
	if err := s.Temporal.SignalWorkflow(ctx, id.WorkflowID(), "", NudgeSignal, Nudge{Cause: domain.CauseNews}); err != nil {
		result.Failed++
		slog.ErrorContext(ctx, "sweep could not tell a workflow its news", "process", id.WorkflowID(), "error", err)
		return
	}
	result.Nudged++
}
