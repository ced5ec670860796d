package storage

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gorm.io/gorm"

	"tolem/domain"
)

// closeLasts is how long a first operator's order to close waits for a second one.
const closeLasts = 24 * time.Hour

// ErrActionRefused says that a person's action is not to be taken: nothing was stored.
type ErrActionRefused struct{ Refusal domain.Refusal }

// Error names the refusal.
func (e ErrActionRefused) Error() string { return "action refused: " + string(e.Refusal) }

// ActOnPaymentOrder commits a person's action on the contract's last payment order, and its
// effect, in one transaction: it holds even while nobody runs the process. contractDate,
// YYYY-MM-DD, goes with a retry and may be "".
//
// The same caller, key and request again are the action that is there, with fresh false;
// another request under that key is ErrKeyReused. An action that may not be taken is
// ErrActionRefused. The action comes as the ledger has it.
func (l *Ledger) ActOnPaymentOrder(ctx context.Context, contract domain.ContractNumber, a Action, contractDate string) (done Action, now PaymentOrder, fresh bool, err error) {
	err = l.inTransaction(ctx, func(tx *gorm.DB) error {
		if _, err := lockContract(tx, contract); err != nil {
			return err
		}
		if now, err = latestOrder(tx, contract); err != nil {
			return err
		}
		if done, fresh, err = placeAction(tx, a); err != nil || !fresh {
			return err
		}
		effect, err := carryOut(tx, now, done, contractDate)
		if err != nil {
			return err
		}
		if _, err := followed(tx, done.ID, effect); err != nil {
			return err
		}
		if done, err = one[Action](tx.Where("id = ?", done.ID), "action"); err != nil {
			return err
		}
		if err := tx.Create(eventRow(contract.WorkflowID(), string(done.Effect), "", done.ID)).Error; err != nil {
			return err
		}
		now, err = latestOrder(tx, contract)
		return err
	})
	var refused ErrActionRefused
	switch {
	case errors.As(err, &refused), errors.Is(err, ErrKeyReused):
		return Action{}, now, false, err
	case err != nil:
		return Action{}, now, false, fmt.Errorf("%s %s: %w", a.Action, contract.WorkflowID(), err)
	}
	return done, now, fresh, nil
}

// carryOut does what a person ordered.
func carryOut(tx *gorm.DB, o PaymentOrder, a Action, contractDate string) (effect domain.Effect, err error) {
	columns := map[string]any{}
	switch {
	case o.State.Terminal():
		return "", ErrActionRefused{domain.RefusalOrderEnded}
	case a.Action == domain.ActionRetry && o.Held:
		return "", ErrActionRefused{domain.RefusalHeld}
	case a.Action == domain.ActionRelease && !o.Held:
		return "", ErrActionRefused{domain.RefusalNotHeld}
	case a.Action == domain.ActionHold:
		effect, columns["held"], columns["next_attempt_at"] = domain.EffectHeld, true, nil
	case a.Action == domain.ActionRelease:
		effect, columns["held"] = domain.EffectReleased, false
	case a.Action == domain.ActionClose:
		if effect, err = closing(o, a, columns); err != nil {
			return "", err
		}
	default:
		effect, columns["next_attempt_at"] = domain.EffectRetried, nil
		if o.NeedsOperator {
			if err := settle(tx, contractSubject(o.Contract), domain.OperatorReason.Passing); err != nil {
				return "", err
			}
		}
		if contractDate != "" {
			columns["contract_date"] = contractDate
		}
		again := tx.Model(&DossierItem{}).Where("order_id = ? AND state = ?", o.ID, domain.PartRefused).Update("state", domain.PartMissing)
		if again.Error != nil {
			return "", again.Error
		}
	}
	_, err = writePaymentOrder(tx, o.ID, columns)
	return effect, err
}

// closing is what an order to close does: the first operator's waits for a second one's.
func closing(o PaymentOrder, a Action, columns map[string]any) (domain.Effect, error) {
	if o.CloseAction == nil || o.CloseUntil.Before(a.RequestedAt.Time) {
		columns["close_action"], columns["close_until"] = a.ID, At(a.RequestedAt.Add(closeLasts))
		columns["close_caller"] = a.Caller
		return domain.EffectProposed, nil
	}
	if o.CloseCaller == a.Caller {
		return "", ErrActionRefused{domain.RefusalSecondOperator}
	}
	columns["state"], columns["reached"] = domain.PaymentOrderClosed, domain.PaymentOrderClosed
	return domain.EffectClosed, nil
}
