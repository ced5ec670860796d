package storage

import (
	"context"
	"errors"
	"fmt"
	"slices"
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

// PaymentOrderAsk is what a person's action on a contract is about.
type PaymentOrderAsk struct {
	// Reference (PTP…) names the payment order; "" is the contract's last one at the time that
	// the action comes first.
	Reference    domain.Reference
	ContractDate string // YYYY-MM-DD, with a retry; "" when it is not given
	Event        int64  // of set-aside and decline; 0 names none
}

// ErrNoEvent says that an event is none of the contract's.
var ErrNoEvent = errors.New("the contract has no such event")

// ActOnPaymentOrder commits a person's action on one of the contract's payment orders, and its
// effect, in one transaction: it holds even while nobody runs the process.
//
// The same caller, key and request again are the action that is there, with the payment order
// that it was about and fresh false, whichever payment order is the last one by then; another
// request under that key is ErrKeyReused. An action that may not be taken is
// ErrActionRefused. The action comes as the ledger has it.
func (l *Ledger) ActOnPaymentOrder(ctx context.Context, contract domain.ContractNumber, a Action, ask PaymentOrderAsk) (done Action, now PaymentOrder, fresh bool, err error) {
	err = l.inTransaction(ctx, func(tx *gorm.DB) error {
		lastSeq, err := lockContract(tx, contract)
		if err != nil {
			return err
		}
		if done, now, err = actionBefore(tx, contract, a); !errors.Is(err, ErrNotFound) {
			return err
		}
		if now, err = orderOfReference(tx, contract, ask.Reference); err != nil {
			return err
		}
		a.PaymentOrder, a.EventID = &now.ID, nil
		if ask.Event != 0 {
			a.EventID = &ask.Event
		}
		if done, fresh, err = placeAction(tx, a); err != nil {
			return err
		}
		effect, err := carryOut(tx, acting{order: now, action: done, ask: ask, lastSeq: lastSeq})
		if err != nil {
			return err
		}
		if _, err := followed(tx, done.ID, effect); err != nil {
			return err
		}
		if done, err = one[Action](tx.Where("id = ?", done.ID), "action"); err != nil {
			return err
		}
		row := eventRow(contract.WorkflowID(), string(done.Effect), "", done.ID)
		row.EventID = done.EventID
		if err := tx.Create(row).Error; err != nil {
			return err
		}
		now, err = one[PaymentOrder](tx.Where("id = ?", now.ID), contract.WorkflowID())
		return err
	})
	var refused ErrActionRefused
	switch {
	case errors.As(err, &refused), errors.Is(err, ErrKeyReused), errors.Is(err, ErrNoReference), errors.Is(err, ErrNoEvent):
		return Action{}, now, false, err
	case err != nil:
		return Action{}, now, false, fmt.Errorf("%s %s: %w", a.Action, contract.WorkflowID(), err)
	}
	return done, now, fresh, nil
}

// actionBefore finds the action of a key, with the payment order that it was about; ErrNotFound
// without one.
func actionBefore(tx *gorm.DB, contract domain.ContractNumber, a Action) (before Action, order PaymentOrder, err error) {
	key, err := asStored(tx, "actions", "idempotency_key", a.Caller, a.IdempotencyKey)
	if err != nil {
		return before, order, err
	}
	before, err = one[Action](tx.Where("caller = ? AND idempotency_key = ?", a.Caller, key), "action of this key")
	if err != nil {
		return before, order, err
	}
	if before.RequestSHA256 != a.RequestSHA256 || before.Process != a.Process {
		return before, order, ErrKeyReused
	}
	scope := tx.Where("contract = ?", contract)
	if before.PaymentOrder != nil {
		scope = scope.Where("id = ?", *before.PaymentOrder)
	} else { // an action from before its row named the payment order: the last one of its time
		scope = scope.Where("created_at <= ?", before.RequestedAt).Order("id DESC").Limit(1)
	}
	order, err = one[PaymentOrder](scope, contract.WorkflowID())
	return before, order, err
}

// acting is a person's action about to take effect.
type acting struct {
	order   PaymentOrder
	action  Action
	ask     PaymentOrderAsk
	lastSeq int64 // of the contract's events
}

// carryOut does what a person asks for.
func carryOut(tx *gorm.DB, a acting) (effect domain.Effect, err error) {
	o := a.order
	switch a.action.Action {
	case domain.ActionSetAside:
		return setAside(tx, a)
	case domain.ActionDecline:
		return decline(tx, a)
	case domain.ActionRetry:
		return retry(tx, a)
	}
	columns := map[string]any{}
	switch {
	case o.State.Terminal():
		return "", ErrActionRefused{domain.RefusalOrderEnded}
	case a.action.Action == domain.ActionRelease && !o.Held:
		return "", ErrActionRefused{domain.RefusalNotHeld}
	case a.action.Action == domain.ActionRelease && o.Restored:
		return release(tx, contractSubject(o.Contract), a.action, false)
	case a.action.Action == domain.ActionHold:
		effect, columns["held"], columns["next_attempt_at"] = domain.EffectHeld, true, nil
	case a.action.Action == domain.ActionRelease:
		effect, columns["held"] = domain.EffectReleased, false
	default:
		if effect, err = closing(o, a.action, columns); err != nil {
			return "", err
		}
	}
	if _, err = writePaymentOrder(tx, o.ID, columns); err != nil || effect != domain.EffectClosed {
		return effect, err
	}
	return effect, publishExecuted(tx, o, a.lastSeq)
}

// retry has what was refused asked for again, and what is unsent sent, at once. An ended
// payment order takes it while an event of the contract is unsent.
func retry(tx *gorm.DB, a acting) (domain.Effect, error) {
	o := a.order
	if o.State.Terminal() {
		var left int64
		if err := tx.Model(&PaymentOrderEvent{}).Where("contract = ? AND "+unsent, o.Contract).Count(&left).Error; err != nil {
			return "", err
		}
		if left == 0 {
			return "", ErrActionRefused{domain.RefusalOrderEnded}
		}
		return domain.EffectRetried, nil
	}
	if o.Held {
		return "", ErrActionRefused{domain.RefusalHeld}
	}
	columns := map[string]any{"next_attempt_at": nil}
	if o.NeedsOperator { // what is late or rejected of events stays until the broker has them
		if err := settle(tx, contractSubject(o.Contract), domain.OperatorReason.EndsWithProcess); err != nil {
			return "", err
		}
	}
	if a.ask.ContractDate != "" {
		columns["contract_date"] = a.ask.ContractDate
	}
	again := tx.Model(&DossierItem{}).Where("order_id = ? AND state = ?", o.ID, domain.PartRefused).Update("state", domain.PartMissing)
	if again.Error != nil {
		return "", again.Error
	}
	_, err := writePaymentOrder(tx, o.ID, columns)
	return domain.EffectRetried, err
}

// publishExecuted gives the executions of an order that is closed before its request was sent
// their seqs: money moved, so Loxon is notified of it, and a person has to look.
func publishExecuted(tx *gorm.DB, o PaymentOrder, lastSeq int64) error {
	waiting, err := waitingEvents(tx, o)
	if err != nil {
		return err
	}
	executed := slices.DeleteFunc(waiting, func(e PaymentOrderEvent) bool { return e.Status != domain.StatusExecuted })
	if len(executed) == 0 {
		return nil
	}
	if err := numberWaiting(tx, o, executed, lastSeq+1); err != nil {
		return err
	}
	return raise(tx, contractSubject(o.Contract), domain.ReasonExecutedAfterClose, fmt.Sprintf("%s: event %d", o.OrderRef, executed[len(executed)-1].ID))
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
