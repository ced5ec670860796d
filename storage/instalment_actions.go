package storage

import (
	"context"
	"fmt"
	"time"

	"gorm.io/gorm"

	"tolem/domain"
)

// ActOnOrder commits a person's resolve or decline of an order, as act says, and returns
// the order as it then stands; also beside ErrActionRefused.
//
// The second operator's resolve ends the order in the outcome that both named. Its
// workflow is not asked: it reads the end from here.
func (l *Ledger) ActOnOrder(ctx context.Context, id domain.StoreOrderID, a Action) (done Action, now InstalmentOrder, fresh bool, err error) {
	done, fresh, err = l.act(ctx, a, func(tx *gorm.DB) error {
		now, err = lockOrder(tx, id)
		return err
	}, func(tx *gorm.DB, placed Action) (domain.Effect, error) {
		effect, err := actOnOrder(tx, now, placed)
		if err == nil {
			now, err = readOrder(tx, id)
		}
		return effect, err
	})
	return done, now, fresh, err
}

// actOnOrder does what a person asked of an order whose row is locked.
func actOnOrder(tx *gorm.DB, o InstalmentOrder, a Action) (effect domain.Effect, err error) {
	stands, err := o.standing(tx, a.RequestedAt.Time)
	if err != nil {
		return "", err
	}
	if a.Action == domain.ActionDecline {
		if why := stands.Refuses(a.Action); why != "" {
			return "", ErrActionRefused{why}
		}
		columns := noProposal()
		columns["updated_at"] = At(time.Now())
		return domain.EffectDeclined, tx.Model(&InstalmentOrder{}).Where("id = ?", o.ID).Updates(columns).Error
	}
	if a.Action == domain.ActionRelease {
		return release(tx, orderSubject(o.ID), a, false)
	}
	outcome := domain.OrderState(a.Outcome)
	if a.Action != domain.ActionResolve || !domain.OrderOutcome(outcome) {
		return "", fmt.Errorf("an order takes no action %q with the outcome %q", a.Action, a.Outcome)
	}
	if why := stands.RefusesResolve(outcome); why != "" {
		return "", ErrActionRefused{why}
	}
	columns, effect, err := o.said(a)
	switch {
	case err != nil:
		return "", err
	case effect == domain.EffectProposed:
		columns["updated_at"] = At(time.Now())
		return effect, tx.Model(&InstalmentOrder{}).Where("id = ?", o.ID).Updates(columns).Error
	}
	after := OrderAfter{State: outcome}
	if outcome == domain.OrderFailed {
		after.FailReason = domain.FailResolved
	}
	return effect, endAside(tx, o, after, columns)
}

// endAside ends an open order whose row is locked, without its workflow: the step stays, so that
// calls of the workflow find the order ended. more are further columns.
func endAside(tx *gorm.DB, o InstalmentOrder, after OrderAfter, more map[string]any) error {
	now := At(time.Now())
	columns := after.columns(now.Time)
	for name, value := range noProposal() {
		columns[name] = value
	}
	for name, value := range more {
		columns[name] = value
	}
	columns["held"], columns["ended_at"], columns["updated_at"], columns["wake"] = false, now, now, true
	columns["restored"] = false
	written := tx.Model(&InstalmentOrder{}).Where("id = ? AND state NOT IN ?", o.ID, domain.TerminalOrderStates()).Updates(columns)
	if changed, err := wrote(written, domain.ProcessOrder, columns); err != nil || !changed {
		return err
	}
	return after.incidents(tx, o.ID, o.NeedsOperator, "")
}

// standing is what decides whether a person's action may be taken on an order that is
// held.
func (o InstalmentOrder) standing(tx *gorm.DB, at time.Time) (domain.OrderStanding, error) {
	s := domain.OrderStanding{
		State: o.State, Held: o.Held, Proposed: domain.OrderState(o.Live(at)), Sent: o.CreateSentAt != nil, Decision: o.Decision, BankSays: o.BankMeaning,
	}
	var unseen []Callback // newer than the bank's last answer
	if err := tx.Where("order_id = ? AND seen_at IS NULL", o.ID).Order("at DESC").Limit(1).Find(&unseen).Error; err != nil {
		return s, err
	}
	for _, c := range unseen {
		s.BankSays = c.means()
	}
	var late int64
	err := orderSubject(o.ID).of(tx).Model(&OpenIncident{}).Where("reason = ?", domain.ReasonNoPayout).Count(&late).Error
	s.NoPayout = late > 0
	return s, err
}

// endRejected ends an order whose row is locked and that its store rejected, if the bank
// certainly has nothing of it: nothing was sent, or every create was refused for certain.
// Otherwise create repeats until it brings the bank's number, and the rejection follows.
//
// Whoever sends the first create and whoever rejects meet at the order's row, and one
// comes first. The create: its started row is committed, is found here without an outcome,
// and ends nothing. The rejection: the order has ended, and BeginOrderCall, which waits
// for the row, finds that; nothing is sent.
func endRejected(tx *gorm.DB, o InstalmentOrder) error {
	if o.State != domain.OrderAccepted && o.State != domain.OrderCreating || o.BankOrderID != "" || o.Restored {
		return nil
	}
	attempts, called, err := createAttempts(tx, o.ID)
	if err != nil || called || !domain.NothingAtBank(attempts) {
		return err
	}
	row := eventRow(o.ID.WorkflowID(), string(domain.OrderFailed), "", 0)
	row.ResultMessage = domain.FailRejectedByStore
	if err := tx.Create(row).Error; err != nil {
		return err
	}
	return endAside(tx, o, OrderAfter{State: domain.OrderFailed, FailReason: domain.FailRejectedByStore}, nil)
}

// OrdersToWake reads up to limit orders that people changed before the instant, and whose
// workflow may not have read that, with a number above after, by number.
func (l *Ledger) OrdersToWake(ctx context.Context, before time.Time, after domain.StoreOrderID, limit int) (orders []InstalmentOrder, err error) {
	err = l.db.WithContext(ctx).Where("wake AND updated_at < ? AND id > ?", At(before), after).Order("id").Limit(limit).Find(&orders).Error
	if err != nil {
		return nil, fmt.Errorf("read orders whose workflows are to be woken: %w", err)
	}
	return orders, nil
}

// OrderAwake notes that nobody has to be woken for an order any more.
func (l *Ledger) OrderAwake(ctx context.Context, id domain.StoreOrderID) error {
	if err := l.db.WithContext(ctx).Model(&InstalmentOrder{}).Where("id = ? AND wake", id).UpdateColumn("wake", false).Error; err != nil {
		return fmt.Errorf("note that %s is awake: %w", id.WorkflowID(), err)
	}
	return nil
}
