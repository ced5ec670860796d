package storage

import (
	"context"
	"encoding/base64"
	"fmt"
	"strconv"
	"time"

	"gorm.io/gorm"

	"tolem/domain"
)

// PaymentOrderFilter narrows a list of payment orders; zero values do not narrow.
type PaymentOrderFilter struct {
	States        []domain.PaymentOrderState
	NeedsOperator *bool
	Held          *bool
	CreatedBefore time.Time
	CreatedAfter  time.Time
	// StuckSince is for those that need an operator, are in one of
	// domain.MovingPaymentOrderStates and were taken in before then, or have an event from
	// before then that is unsent, though they may have ended.
	StuckSince time.Time
}

func (f PaymentOrderFilter) narrow(q *gorm.DB) *gorm.DB {
	if len(f.States) > 0 {
		q = q.Where("state IN ?", f.States)
	}
	if f.NeedsOperator != nil {
		q = q.Where(contractFlagCondition(*f.NeedsOperator))
	}
	if f.Held != nil {
		q = q.Where("held = ?", *f.Held)
	}
	if !f.CreatedBefore.IsZero() {
		q = q.Where("created_at < ?", At(f.CreatedBefore))
	}
	if !f.CreatedAfter.IsZero() {
		q = q.Where("created_at >= ?", At(f.CreatedAfter))
	}
	return q
}

// stuck are the conditions of StuckSince.
func (f PaymentOrderFilter) stuck() []condition {
	if f.StuckSince.IsZero() {
		return nil
	}
	return []condition{
		{openPaymentOrder + " AND state IN ? AND created_at < ?", []any{domain.MovingPaymentOrderStates(), At(f.StuckSince)}},
		{contractFlagCondition(true), nil},
		{"id IN (SELECT order_id FROM payment_order_events WHERE " + unsent + " AND received_at < ?)", []any{At(f.StuckSince)}},
	}
}

// contractFlagCondition is the condition of payment orders that need a person, or do not.
// Those that do are found by the open incidents, which are few.
func contractFlagCondition(needs bool) string {
	if needs {
		return "needs_operator AND contract IN (SELECT subject FROM open_incidents WHERE process = '" + string(domain.ProcessPaymentOrder) + "')"
	}
	return "NOT needs_operator"
}

// PaymentOrders lists payment orders, the newest first, at most limit of them, from where
// cursor points ("" is the beginning). next is "" on the last page. Orders that begin
// meanwhile do not shift the pages.
func (l *Ledger) PaymentOrders(ctx context.Context, f PaymentOrderFilter, cursor string, limit int) (page []PaymentOrder, next string, err error) {
	q := f.narrow(l.db.WithContext(ctx).Model(&PaymentOrder{}))
	if cursor != "" {
		raw, err := base64.RawURLEncoding.DecodeString(cursor)
		if err != nil {
			return nil, "", ErrCursor
		}
		below, err := strconv.ParseInt(string(raw), 10, 64)
		if err != nil {
			return nil, "", ErrCursor
		}
		q = q.Where("id < ?", below)
	}
	if err := anyOf(q, f.stuck(), "id DESC", limit+1).Find(&page).Error; err != nil {
		return nil, "", fmt.Errorf("list payment orders: %w", err)
	}
	if len(page) > limit {
		page = page[:limit]
		next = base64.RawURLEncoding.EncodeToString(strconv.AppendInt(nil, page[limit-1].ID, 10))
	}
	return page, next, nil
}

// openPaymentOrder is the condition of the index of open payment orders, in its own words.
const openPaymentOrder = "state NOT IN ('executed', 'reversed', 'not_accepted', 'closed')"

// OpenContracts reads up to limit contracts, above after, whose process must run: they have
// an open payment order, or an event that Loxon was not told, from before the given instant.
func (l *Ledger) OpenContracts(ctx context.Context, before time.Time, after domain.ContractNumber, limit int) (open []domain.ContractNumber, err error) {
	err = l.db.WithContext(ctx).Raw(`SELECT contract FROM payment_orders WHERE `+openPaymentOrder+` AND created_at < ? AND contract > ?
		UNION SELECT contract FROM payment_order_events WHERE `+unsent+` AND received_at < ? AND contract > ?
		ORDER BY contract LIMIT ?`, At(before), after, At(before), after, limit).Scan(&open).Error
	if err != nil {
		return nil, fmt.Errorf("read open contracts: %w", err)
	}
	return open, nil
}

// DueContracts reads those of them for which something should have happened before the given
// instant: a part of the dossier is to be asked for, or an event is to be told.
func (l *Ledger) DueContracts(ctx context.Context, before time.Time, after domain.ContractNumber, limit int) (due []domain.ContractNumber, err error) {
	err = l.db.WithContext(ctx).Raw(`SELECT contract FROM payment_orders WHERE `+openPaymentOrder+` AND sent_at IS NULL
			AND NOT held AND NOT needs_operator AND created_at < ? AND COALESCE(next_attempt_at, 0) < ? AND contract > ?
		UNION SELECT contract FROM payment_order_events WHERE `+unsent+` AND received_at < ? AND contract > ?
		ORDER BY contract LIMIT ?`, At(before), At(before), after, At(before), after, limit).Scan(&due).Error
	if err != nil {
		return nil, fmt.Errorf("read due contracts: %w", err)
	}
	return due, nil
}
