package storage

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gorm.io/gorm"

	"tolem/domain"
)

// OrderFollowing is what a workflow does to an order by a person's action.
type OrderFollowing struct {
	ID        domain.StoreOrderID
	ActionID  int64
	Effect    domain.Effect
	Execution string
}

// FollowOrder commits the effect of an action, with its journal row. It takes
// effect once: an action that has an effect changes nothing any more. An order
// that has ended is neither held nor released: the action then keeps no effect,
// and that is no error. An action that is not this order's is ErrNotFound.
func (l *Ledger) FollowOrder(ctx context.Context, f OrderFollowing) error {
	err := l.inTransaction(ctx, func(tx *gorm.DB) error {
		_, fresh, err := followedOwn(tx, f.ID.WorkflowID(), f.ActionID, f.Effect)
		if err != nil || !fresh {
			return err
		}
		if columns := f.columns(); columns != nil {
			columns["updated_at"] = At(time.Now())
			stood := tx.Model(&InstalmentOrder{}).Where("id = ? AND state NOT IN ? AND (NOT restored OR ?)", f.ID, domain.TerminalOrderStates(), f.Effect != domain.EffectReleased).Updates(columns)
			switch {
			case stood.Error != nil:
				return stood.Error
			case stood.RowsAffected == 0:
				return errEnded
			}
		}
		return tx.Create(eventRow(f.ID.WorkflowID(), string(f.Effect), f.Execution, f.ActionID)).Error
	})
	if err != nil && !errors.Is(err, errEnded) {
		return fmt.Errorf("follow action %d for %s: %w", f.ActionID, f.ID.WorkflowID(), err)
	}
	return nil
}

func (f OrderFollowing) columns() map[string]any {
	switch f.Effect {
	case domain.EffectHeld:
		return map[string]any{"held": true, "next_attempt_at": nil}
	case domain.EffectReleased:
		return map[string]any{"held": false}
	}
	return nil // an attempt has written what it found
}
