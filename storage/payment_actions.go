package storage

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gorm.io/gorm"

	"tolem/domain"
)

// DeclineProposal commits that a person drops the open proposal of a payment, a
// colleague's or his own, in one transaction: it holds even while nobody runs the process.
// A hold that somebody ordered beside it stays. The workflow is then to be woken.
//
// The same caller, key and request again are the action that is there, with fresh false;
// another request under that key is ErrKeyReused. Where there is nothing to decline it is
// ErrActionRefused, with the payment as it stands, and nothing was stored.
//
// A second person's approval at the same moment looks for the proposal in the statement
// that ends the payment: of the two, one finds what it is about.
func (l *Ledger) DeclineProposal(ctx context.Context, id domain.AgentTransactionID, a Action) (done Action, now Payment, fresh bool, err error) {
	err = l.inTransaction(ctx, func(tx *gorm.DB) error {
		if done, fresh, err = placeAction(tx, a); err != nil {
			return err
		}
		if fresh {
			if err := dropProposal(tx, id, done); err != nil {
				now, _ = readPayment(tx, id) // only to say where it stands
				return err
			}
			if done, err = one[Action](tx.Where("id = ?", done.ID), "action"); err != nil {
				return err
			}
		}
		now, err = readPayment(tx, id)
		return err
	})
	var refused ErrActionRefused
	switch {
	case errors.As(err, &refused), errors.Is(err, ErrKeyReused), errors.Is(err, ErrNotFound):
		return Action{}, now, false, err
	case err != nil:
		return Action{}, now, false, fmt.Errorf("decline the proposal for payment %s: %w", id, err)
	}
	return done, now, fresh, nil
}

// dropProposal drops the proposal with its journal row and the action's effect.
func dropProposal(tx *gorm.DB, id domain.AgentTransactionID, a Action) error {
	columns := proposalGone()
	columns["updated_at"] = At(time.Now())
	dropped := tx.Model(&Payment{}).Where("id = ? AND proposed <> '' AND state NOT IN ?", id, domain.TerminalStates()).Updates(columns)
	if dropped.Error != nil {
		return dropped.Error
	}
	if dropped.RowsAffected == 0 {
		p, err := readPayment(tx, id)
		if err != nil {
			return err
		}
		return ErrActionRefused{p.Standing().Refuses(domain.ActionDecline, "")}
	}
	if _, err := followed(tx, a.ID, domain.EffectDeclined); err != nil {
		return err
	}
	return tx.Create(eventRow(id.WorkflowID(), string(domain.EffectDeclined), "", a.ID)).Error
}
