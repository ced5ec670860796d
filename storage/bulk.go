package storage

import (
	"context"
	"errors"
	"fmt"

	"gorm.io/gorm"

	"tolem/domain"
)

// ErrTooMany says that a filter matches more payments than one bulk order takes.
var ErrTooMany = errors.New("the filter matches too many payments")

// orderChunk is how many orders one statement inserts: 13 columns each, and
// SQLite takes 32766 parameters.
const orderChunk = 500

// PlaceBulk commits one order for each open payment that the filter matches, all
// or none, and returns them with their effects. The same caller and key again
// return the orders that are there, whatever the filter matches by now; so a bulk
// order that broke off is finished by sending it again. Another request under
// that key is ErrKeyReused; more than limit payments are ErrTooMany.
//
// Each order's key is the bulk order's, a space and the payment's id: a caller's
// own keys have no spaces.
func (l *Ledger) PlaceBulk(ctx context.Context, f PaymentFilter, bulk Action, limit int) (orders []Action, err error) {
	err = l.inTransaction(ctx, func(tx *gorm.DB) error {
		if err := l.oneBulkAtATime(tx, bulk); err != nil {
			return err
		}
		if bulk.IdempotencyKey, err = asStored(tx, "actions", "bulk", bulk.Caller, bulk.IdempotencyKey); err != nil {
			return err
		}
		if orders, err = placedBulk(tx, bulk); err != nil || len(orders) > 0 {
			return err
		}
		ids, err := matching(tx, f, limit)
		if err != nil || len(ids) == 0 {
			return err
		}
		for _, id := range ids {
			o := bulk
			o.Process, o.Bulk, o.IdempotencyKey = id.WorkflowID(), bulk.IdempotencyKey, bulk.IdempotencyKey+" "+id.String()
			orders = append(orders, o)
		}
		return tx.CreateInBatches(orders, orderChunk).Error
	})
	if err != nil && !errors.Is(err, ErrKeyReused) && !errors.Is(err, ErrTooMany) {
		return nil, fmt.Errorf("place a bulk order: %w", err)
	}
	return orders, err
}

// oneBulkAtATime makes requests of one caller's key come one after the other, so
// that two different ones cannot both find the key unused. SQLite has one writer
// at a time anyway.
func (l *Ledger) oneBulkAtATime(tx *gorm.DB, bulk Action) error {
	if !l.onPostgres() {
		return nil
	}
	return tx.Exec("SELECT pg_advisory_xact_lock(hashtextextended(?, 0))", bulk.Caller+" "+bulk.IdempotencyKey).Error
}

// placedBulk reads the orders of a bulk order's key.
func placedBulk(tx *gorm.DB, bulk Action) ([]Action, error) {
	var orders []Action
	err := tx.Where("caller = ? AND bulk = ?", bulk.Caller, bulk.IdempotencyKey).Order("id").Find(&orders).Error
	if err == nil && len(orders) > 0 && orders[0].RequestSHA256 != bulk.RequestSHA256 {
		return nil, ErrKeyReused
	}
	return orders, err
}

// Matching reads the open payments that a filter matches, by id; more than limit
// are ErrTooMany.
func (l *Ledger) Matching(ctx context.Context, f PaymentFilter, limit int) ([]Payment, error) {
	var payments []Payment
	err := f.open(l.db.WithContext(ctx), limit).Find(&payments).Error
	switch {
	case err != nil:
		return nil, fmt.Errorf("read matching payments: %w", err)
	case len(payments) > limit:
		return nil, ErrTooMany
	}
	return payments, nil
}

func matching(tx *gorm.DB, f PaymentFilter, limit int) (ids []domain.AgentTransactionID, err error) {
	err = f.open(tx, limit).Pluck("id", &ids).Error
	if err == nil && len(ids) > limit {
		err = ErrTooMany
	}
	return ids, err
}

// open queries the open payments that a filter matches, by id, and one more than
// limit, so that too many show.
func (f PaymentFilter) open(q *gorm.DB, limit int) *gorm.DB {
	return f.narrow(q.Model(&Payment{})).Where("state IN ?", domain.OpenStates()).Order("id").Limit(limit + 1)
}
