package storage

import (
	"context"
	"fmt"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"tolem/domain"
)

// Callback is one piece of news that the bank called back.
type Callback struct {
	OrderID     domain.StoreOrderID `gorm:"primaryKey"`
	State       string              `gorm:"primaryKey"`
	SubState    string              `gorm:"primaryKey"`
	BankOrderID string
	At          Timestamp
	SeenAt      *Timestamp // when the order's state was asked after it came
}

// TableName is order_callbacks.
func (Callback) TableName() string { return "order_callbacks" }

// RecordCallback commits what the bank called back about an order of ours. fresh
// is false when the same news came before: it changes nothing.
func (l *Ledger) RecordCallback(ctx context.Context, c Callback) (fresh bool, err error) {
	err = l.inTransaction(ctx, func(tx *gorm.DB) error {
		kept := tx.Clauses(clause.OnConflict{DoNothing: true}).Create(&c)
		if fresh = kept.RowsAffected == 1; kept.Error != nil || !fresh {
			return kept.Error
		}
		row := journalRow{Process: c.OrderID.WorkflowID(), Phase: phaseEvent, Call: "callback", At: c.At,
			ResultMessage: domain.BankState{State: c.State, SubState: c.SubState}.String()}
		return tx.Create(&row).Error
	})
	if err != nil {
		return false, fmt.Errorf("record callback of %s: %w", c.OrderID.WorkflowID(), err)
	}
	return fresh, nil
}

// seen notes that an order's state was asked at the given instant.
func seen(tx *gorm.DB, id domain.StoreOrderID, asked time.Time) error {
	return tx.Model(&Callback{}).Where("order_id = ? AND seen_at IS NULL AND at <= ?", id, At(asked)).
		Update("seen_at", At(time.Now())).Error
}

// UnseenCallbacks reads up to limit orders with news, older than the instant, after
// which nobody asked for their state, with a number above after, by number.
func (l *Ledger) UnseenCallbacks(ctx context.Context, before time.Time, after domain.StoreOrderID, limit int) (ids []domain.StoreOrderID, err error) {
	err = l.db.WithContext(ctx).Model(&Callback{}).Distinct("order_id").
		Where("seen_at IS NULL AND at < ? AND order_id > ?", At(before), after).Order("order_id").Limit(limit).Pluck("order_id", &ids).Error
	if err != nil {
		return nil, fmt.Errorf("read orders with unseen callbacks: %w", err)
	}
	return ids, nil
}

// movedForward lists the meanings from which a settled order may come to m.
var movedForward = map[domain.BankMeaning][]domain.BankMeaning{
	domain.BankDone:     {"", domain.BankActive, domain.BankUnknown, domain.BankPending, domain.BankReady},
	domain.BankReturned: {"", domain.BankActive, domain.BankDone, domain.BankUnknown, domain.BankPending, domain.BankReady},
}

// MoveOrder commits what the bank told of an order after its end: done or returned
// in full. changed is false when it would take the order back, or says what is
// known. The order's own state stays: it has ended.
func (l *Ledger) MoveOrder(ctx context.Context, r OrderRecord) (changed bool, err error) {
	err = l.inTransaction(ctx, func(tx *gorm.DB) error {
		if err := r.Outcome.journal(tx, r.Call, 0); err != nil {
			return err
		}
		if r.After.Bank == nil { // the bank told nothing: the news stays unseen
			return nil
		}
		if err := seen(tx, r.ID, r.Call.At); err != nil {
			return err
		}
		from, forward := movedForward[r.After.Bank.Meaning]
		if !forward {
			return nil
		}
		columns := OrderAfter{Bank: r.After.Bank}.columns(time.Now())
		columns["updated_at"] = At(time.Now())
		moved := tx.Model(&InstalmentOrder{}).
			Where("id = ? AND state = ? AND bank_meaning IN ?", r.ID, domain.OrderPaidOut, from).Updates(columns)
		changed = moved.RowsAffected == 1
		return moved.Error
	})
	if err != nil {
		return false, fmt.Errorf("move %s: %w", r.ID.WorkflowID(), err)
	}
	return changed, nil
}
