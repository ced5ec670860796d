package storage

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"tolem/domain"
)

// Action is what a person ordered for a process: who, why, when, on what
// evidence, and what it did. Reason and Evidence are free text and stay in the
// ledger.
type Action struct {
	ID             int64  `gorm:"primaryKey"`
	Process        string // workflow id
	Action         domain.Action
	Outcome        domain.State // resolve: the state that is ordered
	Caller         string       // the token's name
	IdempotencyKey string
	RequestSHA256  string `gorm:"column:request_sha256"`
	Reason         string
	Evidence       string
	EvidenceKind   domain.EvidenceKind // of resolve
	RegisterSHA256 string              `gorm:"column:register_sha256"` // of the register that is cited; else ""
	Bulk           string              // idempotency key of the bulk order it came with; "" for one of its own
	RequestedAt    Timestamp
	PaymentOrder   *int64        // of a contract: the one that it is about
	EventID        *int64        // of a contract: the event that it is about
	Effect         domain.Effect // "" until it did something
	DoneAt         *Timestamp
}

// TableName is actions.
func (Action) TableName() string { return "actions" }

// PlaceAction commits what a person ordered, before anybody acts on it. The same
// caller, key and request again return the order that is there, with its effect;
// another request under that key is ErrKeyReused.
func (l *Ledger) PlaceAction(ctx context.Context, o Action) (Action, error) {
	placed, _, err := placeAction(l.db.WithContext(ctx), o) // one statement is a transaction
	switch {
	case errors.Is(err, ErrKeyReused):
		return Action{}, err
	case err != nil:
		return Action{}, fmt.Errorf("place order for %s: %w", o.Process, err)
	}
	return placed, nil
}

// placeAction stores an action, or finds the one of its key: then fresh is false.
func placeAction(tx *gorm.DB, a Action) (placed Action, fresh bool, err error) {
	// The ledger gives the ID; an action that is read again comes with its own, which
	// PostgreSQL would not take.
	a.ID = 0
	key, err := asStored(tx, "actions", "idempotency_key", a.Caller, a.IdempotencyKey)
	if err != nil {
		return a, false, err
	}
	a.IdempotencyKey = key
	created := tx.Clauses(clause.OnConflict{DoNothing: true}).Create(&a)
	if created.Error != nil || created.RowsAffected == 1 {
		return a, true, created.Error
	}
	before, err := one[Action](tx.Where("caller = ? AND idempotency_key = ?", a.Caller, a.IdempotencyKey), "action of this key")
	if err == nil && before.RequestSHA256 != a.RequestSHA256 {
		err = ErrKeyReused
	}
	return before, false, err
}

// Actions lists what was ordered for a process, the oldest first, at most limit
// with an ID above after.
func (l *Ledger) Actions(ctx context.Context, process string, after int64, limit int) ([]Action, error) {
	var orders []Action
	err := l.db.WithContext(ctx).Where("process = ? AND id > ?", process, after).Order("id").Limit(limit).Find(&orders).Error
	if err != nil {
		return nil, fmt.Errorf("read orders for %s: %w", process, err)
	}
	return orders, nil
}

// Action reads an action that was placed for a process; ErrNotFound when there is none of
// that id for this process.
func (l *Ledger) Action(ctx context.Context, process string, id int64) (Action, error) {
	return one[Action](l.db.WithContext(ctx).Where("id = ? AND process = ?", id, process), fmt.Sprintf("action %d for %s", id, process))
}

// Following is what a workflow does by a person's order.
type Following struct {
	PaymentID domain.AgentTransactionID
	OrderID   int64
	Effect    domain.Effect
	Execution string
	// Until belongs to EffectProposed: how long a second operator may approve.
	Until time.Time
	// Outcome is what the action asks for; Follow reads it from the ledger.
	Outcome domain.State
}

// errEnded rolls back what would stop or release a process that has ended.
var errEnded = errors.New("the process has ended")

// Follow commits the effect of an order that ends nothing, with its journal row.
// It takes effect once: an order that has an effect changes nothing any more, so
// a frozen execution that wakes late cannot hold a payment that was released. A
// payment that has ended is neither held nor released: the order then keeps no
// effect, and that is no error. An action that is not this payment's, or does not ask
// for this effect, is ErrNotFound.
func (l *Ledger) Follow(ctx context.Context, f Following) error {
	err := l.inTransaction(ctx, func(tx *gorm.DB) error {
		action, fresh, err := followedOwn(tx, f.PaymentID.WorkflowID(), f.OrderID, f.Effect)
		if err != nil || !fresh {
			return err
		}
		f.Outcome = action.Outcome
		if columns := f.columns(); columns != nil {
			columns["updated_at"] = At(time.Now())
			stood := tx.Model(&Payment{}).Where("id = ? AND state NOT IN ? AND (NOT restored OR ?)", f.PaymentID, domain.TerminalStates(), f.Effect != domain.EffectReleased).Updates(columns)
			switch {
			case stood.Error != nil:
				return stood.Error
			case stood.RowsAffected == 0:
				return errEnded
			}
		}
		return tx.Create(eventRow(f.PaymentID.WorkflowID(), string(f.Effect), f.Execution, f.OrderID)).Error
	})
	if err != nil && !errors.Is(err, errEnded) {
		return fmt.Errorf("follow order %d for payment %s: %w", f.OrderID, f.PaymentID, err)
	}
	return nil
}

func (f Following) columns() map[string]any {
	switch f.Effect {
	case domain.EffectHeld:
		return map[string]any{"held": true, "next_attempt_at": nil}
	case domain.EffectReleased:
		columns := proposalGone()
		columns["held"] = false
		return columns
	case domain.EffectProposed:
		return map[string]any{"proposed": f.Outcome, "proposed_action": f.OrderID, "proposed_until": At(f.Until), "next_attempt_at": nil,
			"proposed_evidence": gorm.Expr("(SELECT evidence_kind FROM actions WHERE id = ?)", f.OrderID)}
	}
	return nil // an attempt has written what it found
}

// followed notes an order's effect; fresh is false when it had one already.
func followed(tx *gorm.DB, order int64, effect domain.Effect) (fresh bool, err error) {
	noted := tx.Model(&Action{}).Where("id = ? AND effect = ''", order).Updates(map[string]any{"effect": effect, "done_at": At(time.Now())})
	return noted.RowsAffected == 1, noted.Error
}

// asksFor are the actions that may have an effect.
var asksFor = map[domain.Effect][]domain.Action{
	domain.EffectHeld:      {domain.ActionHold},
	domain.EffectReleased:  {domain.ActionRelease},
	domain.EffectProposed:  {domain.ActionResolve},
	domain.EffectAttempted: {domain.ActionRetry, domain.ActionResolve},
}

// followedOwn is followed for an action of this process that asks for the effect; for any
// other it is ErrNotFound.
func followedOwn(tx *gorm.DB, process string, id int64, effect domain.Effect) (a Action, fresh bool, err error) {
	a, err = one[Action](tx.Where("id = ? AND process = ?", id, process), fmt.Sprintf("action %d for %s", id, process))
	if err != nil {
		return Action{}, false, err
	}
	if a.Effect != "" {
		return a, false, nil
	}
	if !slices.Contains(asksFor[effect], a.Action) {
		return Action{}, false, fmt.Errorf("action %d for %s asks for no %s: %w", id, process, effect, ErrNotFound)
	}
	fresh, err = followed(tx, id, effect)
	return a, fresh, err
}

// eventRow is the journal's row of something that was done to a process; order
// is 0 when nobody ordered it.
func eventRow(process, event, execution string, order int64) *journalRow {
	row := &journalRow{Process: process, Phase: phaseEvent, Call: event, Execution: execution, At: At(time.Now())}
	if order != 0 {
		row.ActionID, row.Cause = &order, domain.CauseOperator
	}
	return row
}

// Lapse drops a proposal that nobody confirmed in time, if it is still the one
// that the given order made.
func (l *Ledger) Lapse(ctx context.Context, id domain.AgentTransactionID, order int64, execution string) error {
	err := l.inTransaction(ctx, func(tx *gorm.DB) error {
		columns := proposalGone()
		columns["updated_at"] = At(time.Now())
		dropped := tx.Model(&Payment{}).
			Where("id = ? AND proposed_action = ? AND state NOT IN ?", id, order, domain.TerminalStates()).Updates(columns)
		if dropped.Error != nil || dropped.RowsAffected == 0 {
			return dropped.Error
		}
		return tx.Create(eventRow(id.WorkflowID(), "proposal_lapsed", execution, order)).Error
	})
	if err != nil {
		return fmt.Errorf("drop the proposal for payment %s: %w", id, err)
	}
	return nil
}

// Confirmation orders what a first operator proposed, by a second one.
type Confirmation struct {
	PaymentID domain.AgentTransactionID
	Step      int
	OrderID   int64 // the second operator's
	Execution string
}

// Confirm ends a payment by the word of two operators, and returns it as it then
// stands. The refusal says why nothing was done: the same operator cannot
// confirm, or the proposal is gone or another. An order that had an effect before
// does nothing more, without a refusal; nor does one whose step another execution
// has overtaken: a later step may do it then.
func (l *Ledger) Confirm(ctx context.Context, c Confirmation) (now Payment, refusal domain.Refusal, err error) {
	err = l.inTransaction(ctx, func(tx *gorm.DB) error {
		if now, err = readPayment(tx, c.PaymentID); err != nil {
			return err
		}
		process := c.PaymentID.WorkflowID()
		second, known, err := ownAction(tx, process, c.OrderID, domain.ActionResolve)
		if err != nil {
			return err
		}
		switch {
		case !known:
			refusal = domain.RefusalUnknownAction
			return nil
		case second.Effect != "": // this very order, before
			return nil
		case now.State.Terminal():
			refusal = domain.RefusalEnded
			return nil
		case now.ProposedAction == nil || now.Proposed != second.Outcome:
			refusal = domain.RefusalOtherOutcome
			return nil
		}
		first, known, err := ownAction(tx, process, *now.ProposedAction, domain.ActionResolve)
		switch {
		case err != nil:
			return err
		case !known || first.Outcome != second.Outcome:
			refusal = domain.RefusalOtherOutcome
			return nil
		}
		if first.Caller == second.Caller {
			refusal = domain.RefusalSecondOperator
			return nil
		}
		if refusal, err = unproven(tx, now, first, second); err != nil || refusal != "" {
			return err
		}
		if err := resolve(tx, c, *now.ProposedAction, second); err != nil {
			return err
		}
		now, err = readPayment(tx, c.PaymentID)
		return err
	})
	if err != nil {
		return Payment{}, "", fmt.Errorf("confirm order %d for payment %s: %w", c.OrderID, c.PaymentID, err)
	}
	return now, refusal, nil
}

// resolve writes the state that two operators ordered, if the first one's proposal
// is still there and the step is new: of a payment that may have been paid.
func resolve(tx *gorm.DB, c Confirmation, first int64, second Action) error {
	proposed := tx.Where("(pay_sent_at IS NOT NULL OR id_held_by_centre OR restored)").Where("proposed_action = ?", first)
	changed, err := writeState(proposed, c.PaymentID, c.Step, stateColumns{"state": second.Outcome})
	if err != nil || !changed {
		return err
	}
	if _, err := followed(tx, c.OrderID, domain.EffectResolved); err != nil {
		return err
	}
	return tx.Create(eventRow(c.PaymentID.WorkflowID(), string(second.Outcome), c.Execution, c.OrderID)).Error
}

// Pause notes that an attempt was not made because the partner is down, and when
// it is due again. The next attempt that is made clears it.
func (l *Ledger) Pause(ctx context.Context, id domain.AgentTransactionID, step int, until time.Time) error {
	paused := l.db.WithContext(ctx).Model(&Payment{}).
		Where("id = ? AND step < ? AND state NOT IN ?", id, step, domain.TerminalStates()).
		Updates(map[string]any{"paused": true, "next_attempt_at": At(until), "updated_at": At(time.Now())}) // one statement is a transaction
	if paused.Error != nil {
		return fmt.Errorf("note that payment %s is paused: %w", id, paused.Error)
	}
	return nil
}
