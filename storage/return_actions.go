package storage

import (
	"context"
	"fmt"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"tolem/domain"
)

// ActOnReturn commits a person's action on a return of goods, as act says, and returns the
// return as it then stands; also beside ErrActionRefused.
//
// A second operator's resolve ends the return in the outcome that both named; one that was
// taken back counts in the order's returned_sum. The workflow reads all of it from here.
func (l *Ledger) ActOnReturn(ctx context.Context, order domain.StoreOrderID, id domain.StoreReturnID, a Action) (done Action, now OrderReturn, fresh bool, err error) {
	done, fresh, err = l.act(ctx, a, func(tx *gorm.DB) error {
		now, err = lockReturn(tx, order, id)
		return err
	}, func(tx *gorm.DB, placed Action) (domain.Effect, error) {
		effect, err := actOnReturn(tx, now, placed)
		if err == nil {
			now, err = readReturn(tx, order, id)
		}
		return effect, err
	})
	return done, now, fresh, err
}

// lockReturn locks a return's row to the end of the transaction, and reads it.
func lockReturn(tx *gorm.DB, order domain.StoreOrderID, id domain.StoreReturnID) (OrderReturn, error) {
	return readReturn(tx.Clauses(clause.Locking{Strength: clause.LockingStrengthUpdate}), order, id)
}

// actOnReturn does what a person asked of a return whose row is locked.
func actOnReturn(tx *gorm.DB, r OrderReturn, a Action) (effect domain.Effect, err error) {
	stands := domain.ReturnStanding{State: r.State, Held: r.Held, Proposed: domain.ReturnState(r.Live(a.RequestedAt.Time)), Sent: r.SentAt != nil}
	if a.Action == domain.ActionResolve {
		return resolveReturn(tx, r, a, stands)
	}
	if why := stands.Refuses(a.Action); why != "" {
		return "", ErrActionRefused{why}
	}
	if a.Action == domain.ActionRelease && r.Restored {
		return release(tx, returnSubject(r.OrderID, r.ID), a, false)
	}
	columns := map[string]any{}
	switch a.Action {
	case domain.ActionRetry:
		effect, columns["wake"] = domain.EffectRetried, true
	case domain.ActionHold:
		effect, columns["held"], columns["next_attempt_at"], columns["wake"] = domain.EffectHeld, true, nil, true
	case domain.ActionRelease:
		effect, columns["held"], columns["wake"] = domain.EffectReleased, false, true
	case domain.ActionDecline:
		effect, columns = domain.EffectDeclined, noProposal()
	default:
		return "", fmt.Errorf("a return takes no action %q", a.Action)
	}
	return effect, r.write(tx, columns)
}

// write changes columns of a return whose row is locked.
func (r OrderReturn) write(tx *gorm.DB, columns map[string]any) error {
	columns["updated_at"] = At(time.Now())
	return tx.Model(&OrderReturn{}).Where("order_id = ? AND id = ?", r.OrderID, r.ID).Updates(columns).Error
}

// resolveReturn is an operator's word on how a return ended.
func resolveReturn(tx *gorm.DB, r OrderReturn, a Action, stands domain.ReturnStanding) (domain.Effect, error) {
	outcome := domain.ReturnState(a.Outcome)
	if !outcome.Terminal() {
		return "", fmt.Errorf("a return does not end %q", a.Outcome)
	}
	if why := stands.RefusesResolve(outcome); why != "" {
		return "", ErrActionRefused{why}
	}
	columns, effect, err := r.said(a)
	if err != nil {
		return "", err
	}
	if effect == domain.EffectResolved {
		columns["state"], columns["ended_at"], columns["wake"], columns["held"] = outcome, At(time.Now()), true, false
		columns["next_attempt_at"], columns["restored"] = nil, false
	}
	if err := r.write(tx, columns); err != nil || effect == domain.EffectProposed {
		return effect, err
	}
	return effect, returnEnded(tx, r, outcome)
}

// returnEnded follows the end of a return whose row is locked: what it settles, and the
// order's sum.
func returnEnded(tx *gorm.DB, r OrderReturn, end domain.ReturnState) error {
	noteEnd(tx, domain.ProcessReturn, end)
	if err := settle(tx, returnSubject(r.OrderID, r.ID), domain.OperatorReason.EndsWithProcess); err != nil {
		return err
	}
	if end != domain.ReturnReturned {
		return nil
	}
	return tx.Model(&InstalmentOrder{}).Where("id = ?", r.OrderID).
		Updates(map[string]any{"returned_sum": gorm.Expr("returned_sum + ?", r.Sum), "updated_at": At(time.Now())}).Error
}

// ReturnsToWake reads up to limit returns that people changed before the instant, and
// whose workflow may not have read that, of orders with a number above after. An order has
// few such returns; all of one come on one page.
func (l *Ledger) ReturnsToWake(ctx context.Context, before time.Time, after domain.StoreOrderID, limit int) (returns []OrderReturn, err error) {
	db := l.db.WithContext(ctx)
	orders := db.Model(&OrderReturn{}).Distinct("order_id").Where("wake AND updated_at < ? AND order_id > ?", At(before), after).Order("order_id").Limit(limit)
	var ids []domain.StoreOrderID
	if err := orders.Pluck("order_id", &ids).Error; err != nil {
		return nil, fmt.Errorf("read returns whose workflows are to be woken: %w", err)
	}
	if err := db.Where("wake AND updated_at < ? AND order_id IN ?", At(before), ids).Order("order_id, id").Find(&returns).Error; err != nil {
		return nil, fmt.Errorf("read returns whose workflows are to be woken: %w", err)
	}
	return returns, nil
}

// ReturnAwake notes that a return's workflow has read what people changed, and reads it.
func (l *Ledger) ReturnAwake(ctx context.Context, order domain.StoreOrderID, id domain.StoreReturnID) (r OrderReturn, err error) {
	err = l.inTransaction(ctx, func(tx *gorm.DB) error {
		awake := tx.Model(&OrderReturn{}).Where("order_id = ? AND id = ? AND wake", order, id).UpdateColumn("wake", false)
		if awake.Error != nil {
			return awake.Error
		}
		r, err = readReturn(tx, order, id)
		return err
	})
	if err != nil {
		return OrderReturn{}, fmt.Errorf("wake %s: %w", order.ReturnWorkflowID(id), err)
	}
	return r, nil
}
