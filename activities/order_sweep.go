package activities

import (
	"context"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"

	"tolem/domain"
	"tolem/storage"
)

// OrderSweep starts again, from the ledger, every open instalment order and return
// without a running workflow, and brings workflows the news that they were not told:
// a decision of the store, a callback of the bank, what people did in the ledger.
type OrderSweep struct {
	Ledger   *storage.Ledger
	Temporal client.Client
	// StartOrder and StartReturn start a workflow; a running one is left alone, one
	// that closed runs again.
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
	runs, err := running(ctx, s.Temporal, WorkflowOrder)
	if err != nil {
		return err
	}
	err = eachPage(ctx, result, func(after domain.StoreOrderID) ([]storage.InstalmentOrder, error) {
		return s.Ledger.OpenOrders(ctx, before, after, sweepPage)
	}, func(o storage.InstalmentOrder) domain.StoreOrderID {
		result.Open++
		switch {
		case !runs[o.ID.WorkflowID()]:
			result.started(ctx, o.ID.WorkflowID(), s.StartOrder(ctx, o), s.Metrics)
		case decisionIsDue(o, before):
			result.nudged(ctx, s.Temporal, o.ID.WorkflowID(), Nudge{Cause: domain.CauseNews})
		}
		return o.ID
	})
	if err != nil {
		return err
	}
	return eachPage(ctx, result, func(after domain.StoreOrderID) ([]storage.InstalmentOrder, error) {
		return s.Ledger.OrdersToWake(ctx, before, after, sweepPage)
	}, func(o storage.InstalmentOrder) domain.StoreOrderID { // they have ended, without their workflow
		if runs[o.ID.WorkflowID()] {
			result.nudged(ctx, s.Temporal, o.ID.WorkflowID(), Nudge{Cause: domain.CauseNews})
		} else if err := s.Ledger.OrderAwake(ctx, o.ID); err != nil {
			result.Failed++
		}
		return o.ID
	})
}

// decisionIsDue says that the store decided before an instant, and that its decision
// could be sent and was not. Before the bank's number is known it could not, and a nudge
// would only cut the growing interval of create short; nor while a person holds the order.
func decisionIsDue(o storage.InstalmentOrder, before time.Time) bool {
	return (o.State == domain.OrderWaitingForClient || o.State == domain.OrderWaitingForStore) && !o.Held &&
		o.Decision != "" && o.DecisionSentAt == nil && o.DecidedAt.Before(before)
}

func (s *OrderSweep) returns(ctx context.Context, before time.Time, result *SweepResult) error {
	runs, err := running(ctx, s.Temporal, WorkflowReturn)
	if err != nil {
		return err
	}
	err = eachPage(ctx, result, func(after domain.StoreOrderID) ([]storage.OrderReturn, error) {
		return s.Ledger.OpenReturns(ctx, before, after, sweepPage)
	}, func(r storage.OrderReturn) domain.StoreOrderID {
		result.Open++
		if !runs[r.WorkflowID()] {
			result.started(ctx, r.WorkflowID(), s.StartReturn(ctx, r), s.Metrics)
		}
		return r.OrderID
	})
	if err != nil {
		return err
	}
	return eachPage(ctx, result, func(after domain.StoreOrderID) ([]storage.OrderReturn, error) {
		return s.Ledger.ReturnsToWake(ctx, before, after, sweepPage)
	}, func(r storage.OrderReturn) domain.StoreOrderID {
		if runs[r.WorkflowID()] {
			result.nudged(ctx, s.Temporal, r.WorkflowID(), Nudge{Cause: domain.CauseOperator})
		} else if r.State.Terminal() { // an open one was started above, and reads the ledger
			if _, err := s.Ledger.ReturnAwake(ctx, r.OrderID, r.ID); err != nil {
				result.Failed++
			}
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
			// One that contradicts the end is an incident, and was marked as seen with it.
			result.started(ctx, id.MoveWorkflowID(), s.Move(ctx, id), s.Metrics)
		case !o.Held: // released, it asks at once
			result.nudged(ctx, s.Temporal, id.WorkflowID(), Nudge{Cause: domain.CauseNews})
		}
		return id
	})
}

// eachPage reads pages until one is not full, and handles every row; handle returns
// the number that the row was found by.
func eachPage[Key ~string, Row any](ctx context.Context, result *SweepResult, page func(after Key) ([]Row, error), handle func(Row) Key) error {
	var after Key
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
