package storage

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"tolem/domain"
)

// OrderReturn is one return of goods, in full or in part.
type OrderReturn struct {
	OrderID          domain.StoreOrderID  `gorm:"primaryKey"`
	ID               domain.StoreReturnID `gorm:"primaryKey"`
	Caller           string               // the token's name
	RequestSHA256    string               `gorm:"column:request_sha256"`
	Sum              domain.Money
	ToCard           bool   // the bank returns the money; else the store did, in cash
	Body             []byte // the exact bytes of every return
	RetryInitial     time.Duration
	RetryFactorMilli int64

	State          domain.ReturnState
	NeedsOperator  bool
	OperatorReason domain.OperatorReason
	Held           bool // by a person: nothing is sent until it is released
	Step           int
	Attempts       int
	Waits          int
	NextAttemptAt  *Timestamp
	ReversedBefore *domain.Money // what the bank had taken back before the first attempt
	BankMessage    string
	SentAt         *Timestamp
	EndedAt        *Timestamp
	Resolution
	Wake bool // as InstalmentOrder's
	// Restored is set while a restored ledger holds it: its last writes may be lost.
	Restored      bool
	RestoredEpoch int64 // of the last restore that held it; 0 never

	CreatedAt Timestamp
	UpdatedAt Timestamp
}

// WorkflowID is the return's name in Temporal, logs and spans.
func (r OrderReturn) WorkflowID() string { return r.OrderID.ReturnWorkflowID(r.ID) }

// Ladder is the return's growing retry interval, fixed at acceptance.
func (r OrderReturn) Ladder() domain.Ladder {
	return domain.Ladder{Initial: r.RetryInitial, FactorMilli: r.RetryFactorMilli}
}

// Errors of AcceptReturn that callers tell apart with errors.Is.
var (
	ErrReturnIDTaken  = errors.New("store_return_id belongs to another return of this order")
	ErrNotReturnable  = errors.New("the bank has not confirmed this order, so there is nothing to return")
	ErrReturnTooLarge = errors.New("the order's returns would be more than its total_sum")
	ErrReturnOpen     = errors.New("another return of this order is under way")
)

// AcceptReturn commits the return in state accepted: from then on it is never lost.
//
// The same request under the return's number is the return that is there, with
// created false; another one is ErrReturnIDTaken. Returns of one order come one
// after the other, and together are at most its total_sum.
func (l *Ledger) AcceptReturn(ctx context.Context, r OrderReturn) (accepted OrderReturn, created bool, err error) {
	r.State, r.UpdatedAt = domain.ReturnAccepted, r.CreatedAt
	err = l.inTransaction(ctx, func(tx *gorm.DB) error {
		// Locks the order to the end of the transaction; changes nothing.
		if err := tx.Model(&InstalmentOrder{}).Where("id = ?", r.OrderID).UpdateColumn("id", r.OrderID).Error; err != nil {
			return err
		}
		order, err := readOrder(tx, r.OrderID)
		if err != nil {
			return err
		}
		before, err := readReturn(tx, r.OrderID, r.ID)
		switch {
		case err == nil && before.RequestSHA256 != r.RequestSHA256:
			return ErrReturnIDTaken
		case err == nil:
			accepted = before
			return nil
		case !errors.Is(err, ErrNotFound):
			return err
		}
		if err := mayReturn(tx, order, r.Sum); err != nil {
			return err
		}
		accepted, created = r, true
		return tx.Create(&r).Error
	})
	if err != nil {
		return OrderReturn{}, false, fmt.Errorf("accept %s: %w", r.WorkflowID(), err)
	}
	return accepted, created, nil
}

// mayReturn says why an order takes no return of a sum; nil when it does.
func mayReturn(tx *gorm.DB, order InstalmentOrder, sum domain.Money) error {
	if !order.State.Settled() {
		return ErrNotReturnable
	}
	var others []OrderReturn
	if err := tx.Where("order_id = ? AND state <> ?", order.ID, domain.ReturnFailed).Find(&others).Error; err != nil {
		return err
	}
	for _, other := range others {
		var fits bool
		if sum, fits = sum.Add(other.Sum); !fits {
			return ErrReturnTooLarge
		}
		if !other.State.Terminal() {
			return ErrReturnOpen
		}
	}
	if sum > order.TotalSum {
		return ErrReturnTooLarge
	}
	return nil
}

// OrderReturn reads one return; ErrNotFound when there is none.
func (l *Ledger) OrderReturn(ctx context.Context, order domain.StoreOrderID, id domain.StoreReturnID) (OrderReturn, error) {
	return readReturn(l.db.WithContext(ctx), order, id)
}

// OrderReturns reads all returns of an order, the oldest first.
func (l *Ledger) OrderReturns(ctx context.Context, order domain.StoreOrderID) ([]OrderReturn, error) {
	var returns []OrderReturn
	if err := l.db.WithContext(ctx).Where("order_id = ?", order).Order("created_at, id").Find(&returns).Error; err != nil {
		return nil, fmt.Errorf("read returns of %s: %w", order.WorkflowID(), err)
	}
	return returns, nil
}

func readReturn(tx *gorm.DB, order domain.StoreOrderID, id domain.StoreReturnID) (OrderReturn, error) {
	return one[OrderReturn](tx.Where("order_id = ? AND id = ?", order, id), order.ReturnWorkflowID(id))
}

// ReturnCall is a call of a return's process, in the order's books.
type ReturnCall struct {
	OrderID domain.StoreOrderID
	ID      domain.StoreReturnID
	Call    Call
	// ReversedBefore is what the bank had taken back before this call; the first
	// one that is begun keeps its own.
	ReversedBefore domain.Money
}

func (c ReturnCall) row(tx *gorm.DB) *gorm.DB {
	return tx.Model(&OrderReturn{}).
		Where("order_id = ? AND id = ? AND step < ? AND state NOT IN ?", c.OrderID, c.ID, c.Call.Step, domain.TerminalReturnStates())
}

// BeginReturn commits the started row of a call to return, and that it may be on
// its way, before its first byte; not while a person holds the return.
func (l *Ledger) BeginReturn(ctx context.Context, c ReturnCall) (begun BegunOrder, err error) {
	err = l.inTransaction(ctx, func(tx *gorm.DB) error {
		at := At(c.Call.At)
		written := c.row(tx).Where("NOT held AND NOT restored").Updates(map[string]any{
			"state": domain.ReturnReturning, "attempts": gorm.Expr("attempts + 1"), "next_attempt_at": nil, "updated_at": at,
			"sent_at":         gorm.Expr("COALESCE(sent_at, ?)", at),
			"reversed_before": gorm.Expr("COALESCE(reversed_before, ?)", c.ReversedBefore),
		})
		if written.Error != nil || written.RowsAffected == 0 {
			return written.Error
		}
		now, err := readReturn(tx, c.OrderID, c.ID)
		if err != nil {
			return err
		}
		begun = BegunOrder{OK: true, Attempt: now.Attempts}
		begun.Started, begun.First, err = begin(tx, c.Call, now.Attempts)
		return err
	})
	if err != nil {
		return BegunOrder{}, fmt.Errorf("begin %s: %w", c.OrderID.ReturnWorkflowID(c.ID), err)
	}
	return begun, nil
}

// ReturnAfter is what follows a call of a return's process.
type ReturnAfter struct {
	State          domain.ReturnState // "" leaves it
	Message        string             // the bank's, of a refusal
	OperatorReason domain.OperatorReason
	Waits          int
	NextWait       time.Duration
}

// columns turns what follows into a write of the row.
func (a ReturnAfter) columns(step int) map[string]any {
	now := At(time.Now())
	c := map[string]any{"step": step, "updated_at": now, "next_attempt_at": nil, "bank_message": a.Message}
	if a.State != "" {
		c["state"] = a.State
	}
	if a.State.Terminal() {
		c["ended_at"], c["held"] = now, false
		for name, value := range noProposal() {
			c[name] = value
		}
	}
	if a.NextWait > 0 {
		c["next_attempt_at"], c["waits"] = At(now.Add(a.NextWait)), a.Waits
	}
	return c
}

// RecordReturn commits the outcome of a call, and what follows; a return that the
// bank took also counts in the order's returned_sum. started is 0 for a call that
// changes nothing at the bank. changed is false when the return had ended or moved
// past this step. A refusal ends the return where it is certain, as with an order's create;
// an answer that contradicts the end of a return opens an incident.
func (l *Ledger) RecordReturn(ctx context.Context, c ReturnCall, started int64, o Outcome, after ReturnAfter) (changed bool, err error) {
	err = l.inTransaction(ctx, func(tx *gorm.DB) error {
		if err := o.journal(tx, c.Call, started); err != nil {
			return err
		}
		before, err := lockReturn(tx, c.OrderID, c.ID)
		if err != nil {
			return err
		}
		if c.Call.Name == returnCall && o.Failure == domain.FailureRejected {
			if after, err = afterRefusedReturn(tx, c, after); err != nil {
				return err
			}
		}
		open := c.row(tx)
		if after.State.Terminal() { // the answer may be one to what a restored ledger has forgotten
			open = open.Where("NOT restored")
		}
		written := open.Updates(after.columns(c.Call.Step))
		changed = written.RowsAffected == 1
		switch evidence := o.evidence(c.Call.Name); {
		case written.Error != nil:
			return written.Error
		case !changed && before.State.Terminal() && after.State.Terminal() && after.State != before.State:
			return raise(tx, returnSubject(c.OrderID, c.ID), domain.ReasonReturnContradicted, evidence+"; the return ended "+string(before.State))
		case !changed && before.Restored:
			return raise(tx, returnSubject(c.OrderID, c.ID), domain.ReasonRestored, evidence)
		case !changed:
			return nil
		case after.State.Terminal():
			return returnEnded(tx, before, after.State)
		case after.OperatorReason != "":
			return raise(tx, returnSubject(c.OrderID, c.ID), after.OperatorReason, evidence)
		}
		return o.readable(tx, returnSubject(c.OrderID, c.ID), c.Call, before.NeedsOperator)
	})
	if err != nil {
		return false, fmt.Errorf("record %s: %w", c.OrderID.ReturnWorkflowID(c.ID), err)
	}
	return changed, nil
}

// FlagReturn raises needs_operator on an open return and journals why.
func (l *Ledger) FlagReturn(ctx context.Context, order domain.StoreOrderID, id domain.StoreReturnID, reason domain.OperatorReason, execution string) error {
	return l.flag(ctx, flagging{process: order.ReturnWorkflowID(id), reason: reason, execution: execution, open: func(tx *gorm.DB) *gorm.DB {
		return tx.Model(&OrderReturn{}).Where("order_id = ? AND id = ? AND state NOT IN ?", order, id, domain.TerminalReturnStates())
	}, subject: returnSubject(order, id)})
}

// MayValidate notes that the bank is about to be asked for the client of a phone,
// which may send an SMS, and says whether it may: once in every interval for each
// phone, whoever asks. wait is how long until then.
func (l *Ledger) MayValidate(ctx context.Context, phone string, now time.Time, every time.Duration) (ok bool, wait time.Duration, err error) {
	err = l.inTransaction(ctx, func(tx *gorm.DB) error {
		type validation struct {
			Phone   string `gorm:"primaryKey"`
			AskedAt Timestamp
		}
		rows := tx.Table("client_validations")
		asked := rows.Session(&gorm.Session{}).Clauses(clause.OnConflict{
			Columns: []clause.Column{{Name: "phone"}}, DoUpdates: clause.AssignmentColumns([]string{"asked_at"}),
			Where: clause.Where{Exprs: []clause.Expression{gorm.Expr("client_validations.asked_at <= ?", At(now.Add(-every)))}},
		}).Create(&validation{phone, At(now)})
		if ok = asked.RowsAffected == 1; asked.Error != nil || ok {
			return asked.Error
		}
		var last validation
		err := rows.Session(&gorm.Session{}).Where("phone = ?", phone).Take(&last).Error
		wait = last.AskedAt.Add(every).Sub(now)
		return err
	})
	if err != nil {
		return false, 0, fmt.Errorf("note a validation of a client: %w", err)
	}
	return ok, wait, nil
}
