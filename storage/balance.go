package storage

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"tolem/domain"
)

// BalanceReading is the agent's account at the processing centre as one call to
// balance told it.
type BalanceReading struct {
	AgentID      int64
	Balance      domain.Decimal
	Overdraft    domain.Decimal  // at this balance payments are switched off
	Notification *domain.Decimal // at this balance the agent is told; nil when the centre names none
	Currency     string
}

// Balance is one row of the balance's history: a change, and how long it lasted.
type Balance struct {
	ID             int64     `gorm:"primaryKey"`
	Previous       int64     // ID of the row that this one follows; 0 for the first
	At             Timestamp // when these values were first read
	SeenAt         Timestamp // when they were last read
	BalanceReading `gorm:"embedded"`
	Rose           bool // the balance is above the previous row's
	Woken          bool // rose, and the payments that waited for it were told
}

// TableName is balances.
func (Balance) TableName() string { return "balances" }

// BalanceRecord is what became of a reading.
type BalanceRecord struct {
	// Now is the row that holds the reading's values.
	Now Balance
	// Changed says that this reading made the row. Of two that bring the same
	// change at once, one does.
	Changed bool
	// Before is the row that a changed one follows; nil for the first.
	Before *Balance
	// ToWake is the ID of the newest rise whose payments were not told yet, this
	// one or an earlier one; 0 when there is none.
	ToWake int64
}

// RecordBalance keeps a reading taken at the given instant. Equal values (by
// value: 1.5 is 1.50) only move SeenAt of the newest row; others make a new one,
// which rose when the same agent's balance is above the one before.
//
// A worker that reads, freezes, and records minutes later puts an old balance
// into the history; the next reading corrects it, and what then looks like a
// rise wakes payments for nothing, which harms none.
func (l *Ledger) RecordBalance(ctx context.Context, at time.Time, r BalanceReading) (record BalanceRecord, err error) {
	err = l.inTransaction(ctx, func(tx *gorm.DB) error {
		if record, err = keepReading(tx, At(at), r); err != nil {
			return err
		}
		return tx.Model(&Balance{}).Where("rose AND NOT woken").Select("COALESCE(MAX(id), 0)").Scan(&record.ToWake).Error
	})
	if err != nil {
		return BalanceRecord{}, fmt.Errorf("record the balance: %w", err)
	}
	return record, nil
}

// keepReading compares a reading with the newest row and adds one after it.
//
// Two workers may read the same rise at once and find the same newest row. No
// two rows follow one: the second insertion waits for the first to commit, does
// nothing, and this loop compares again, now with the row that the first made.
func keepReading(tx *gorm.DB, at Timestamp, r BalanceReading) (BalanceRecord, error) {
	for {
		var newest []Balance
		if err := tx.Order("id DESC").Limit(1).Find(&newest).Error; err != nil {
			return BalanceRecord{}, err
		}
		next := Balance{At: at, SeenAt: at, BalanceReading: r}
		var before *Balance
		if len(newest) > 0 {
			before = &newest[0]
			if before.same(r) {
				return refresh(tx, *before, at)
			}
			next.Previous = before.ID
			next.Rose = before.AgentID == r.AgentID && r.Balance.Cmp(before.Balance) > 0
		}
		inserted := tx.Clauses(clause.OnConflict{DoNothing: true}).Create(&next)
		if inserted.Error != nil {
			return BalanceRecord{}, inserted.Error
		}
		if inserted.RowsAffected == 1 {
			return BalanceRecord{Now: next, Changed: true, Before: before}, nil
		}
	}
}

// refresh says of a row that its values were seen again. A late one does not
// move SeenAt back.
func refresh(tx *gorm.DB, row Balance, at Timestamp) (BalanceRecord, error) {
	if at.After(row.SeenAt.Time) {
		row.SeenAt = at
	}
	err := tx.Model(&Balance{}).Where("id = ? AND seen_at < ?", row.ID, at).Update("seen_at", at).Error
	return BalanceRecord{Now: row}, err
}

func (r BalanceReading) same(other BalanceReading) bool {
	if r.AgentID != other.AgentID || r.Currency != other.Currency ||
		r.Balance.Cmp(other.Balance) != 0 || r.Overdraft.Cmp(other.Overdraft) != 0 {
		return false
	}
	if r.Notification == nil || other.Notification == nil {
		return r.Notification == other.Notification
	}
	return r.Notification.Cmp(*other.Notification) == 0
}

// BalanceWoken marks the rise of this ID, and all before it, as done: the payments
// that waited for funds were told. It may run twice.
func (l *Ledger) BalanceWoken(ctx context.Context, id int64) error {
	err := l.db.WithContext(ctx).Model(&Balance{}).Where("rose AND NOT woken AND id <= ?", id).Update("woken", true).Error
	if err != nil {
		return fmt.Errorf("mark the rise of balance %d as done: %w", id, err)
	}
	return nil
}

// WaitingPayment is a payment that waits for funds.
type WaitingPayment struct {
	ID        domain.AgentTransactionID
	CreatedAt Timestamp
	AmountTo  *domain.Money // nil: nobody has said it yet
}

// WaitingForFunds reads up to limit payments that were last answered 220 (agent
// lacks funds) and go on repeating, those that a person holds left out, in the order of
// their acceptance, from the one that follows after; its zero value is the beginning.
// State and code stand in the text, not in parameters: so written, both databases see that
// the index payments_waiting_for_funds holds all of them.
func (l *Ledger) WaitingForFunds(ctx context.Context, after WaitingPayment, limit int) (page []WaitingPayment, err error) {
	at := int64(0)
	if after.ID != 0 {
		at = after.CreatedAt.UnixMicro()
	}
	err = l.db.WithContext(ctx).Model(&Payment{}).
		Where("state IN ('checking', 'paying') AND result_code = 220 AND (created_at, id) > (?, ?)", at, after.ID).
		Where("NOT held AND proposed = '' AND NOT id_held_by_centre").
		Order("created_at, id").Limit(limit).Find(&page).Error
	if err != nil {
		return nil, fmt.Errorf("read payments that wait for funds: %w", err)
	}
	return page, nil
}

// Balances lists the balance's history, the newest change first, at most limit
// rows of it, from where cursor points ("" is the beginning; ErrCursor for one
// that is none). next is "" on the last page. Changes that come meanwhile do not
// shift the pages.
func (l *Ledger) Balances(ctx context.Context, cursor string, limit int) (page []Balance, next string, err error) {
	q := l.db.WithContext(ctx)
	if cursor != "" {
		before, err := strconv.ParseInt(cursor, 10, 64)
		if err != nil || before < 1 {
			return nil, "", ErrCursor
		}
		q = q.Where("id < ?", before)
	}
	if err := q.Order("id DESC").Limit(limit + 1).Find(&page).Error; err != nil {
		return nil, "", fmt.Errorf("list balances: %w", err)
	}
	if len(page) > limit {
		page = page[:limit]
		next = strconv.FormatInt(page[limit-1].ID, 10)
	}
	return page, next, nil
}
