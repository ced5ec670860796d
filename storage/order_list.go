package storage

import (
	"context"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"time"

	"gorm.io/gorm"

	"tolem/domain"
)

// OrderFilter narrows a list of orders; zero values do not narrow.
type OrderFilter struct {
	Caller        string
	States        []domain.OrderState
	PointID       string
	NeedsOperator *bool
	Held          *bool
	CreatedBefore time.Time
	CreatedAfter  time.Time
	// StuckSince is for those that need an operator, or are in one of
	// domain.MovingOrderStates and were accepted before then.
	StuckSince time.Time
}

func (f OrderFilter) narrow(q *gorm.DB) *gorm.DB {
	if f.Caller != "" {
		q = q.Where("caller = ?", f.Caller)
	}
	if len(f.States) > 0 {
		q = q.Where("state IN ?", f.States)
	}
	if f.PointID != "" {
		q = q.Where("point_id = ?", f.PointID)
	}
	if f.NeedsOperator != nil {
		q = q.Where(flagCondition(*f.NeedsOperator))
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
func (f OrderFilter) stuck() []condition {
	if f.StuckSince.IsZero() {
		return nil
	}
	return []condition{
		{openInstalmentOrder + " AND state IN ? AND created_at < ?", []any{domain.MovingOrderStates(), At(f.StuckSince)}},
		{flagCondition(true), nil},
	}
}

// openInstalmentOrder is the condition of the index of open orders, in its own words.
const openInstalmentOrder = "state NOT IN ('paid_out', 'failed')"

// InstalmentOrders lists orders, the newest first, at most limit of them, from
// where cursor points ("" is the beginning). next is "" on the last page. Orders
// accepted meanwhile do not shift the pages.
func (l *Ledger) InstalmentOrders(ctx context.Context, f OrderFilter, cursor string, limit int) (page []InstalmentOrder, next string, err error) {
	q := f.narrow(l.db.WithContext(ctx).Model(&InstalmentOrder{}))
	if cursor != "" {
		at, id, err := readOrderCursor(cursor)
		if err != nil {
			return nil, "", err
		}
		q = q.Where("created_at < ? OR (created_at = ? AND id < ?)", at, at, id)
	}
	if err := anyOf(q, f.stuck(), "created_at DESC, id DESC", limit+1).Find(&page).Error; err != nil {
		return nil, "", fmt.Errorf("list orders: %w", err)
	}
	if len(page) > limit {
		page = page[:limit]
		last := page[limit-1]
		next = base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "%d.%s", last.CreatedAt.UnixMicro(), last.ID))
	}
	return page, next, nil
}

func readOrderCursor(cursor string) (at int64, id string, err error) {
	raw, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil || len(cursor) > 512 {
		return 0, "", ErrCursor
	}
	digits, id, ok := strings.Cut(string(raw), ".")
	if at, err = strconv.ParseInt(digits, 10, 64); err != nil || !ok {
		return 0, "", ErrCursor
	}
	if _, err := domain.ParseStoreOrderID(id); err != nil {
		return 0, "", ErrCursor
	}
	return at, id, nil
}

// OpenOrders reads up to limit open orders accepted before the given instant with
// a number above after, by number.
func (l *Ledger) OpenOrders(ctx context.Context, before time.Time, after domain.StoreOrderID, limit int) ([]InstalmentOrder, error) {
	var open []InstalmentOrder
	err := l.db.WithContext(ctx).
		Where(openInstalmentOrder+" AND created_at < ? AND id > ?", At(before), after).
		Order("id").Limit(limit).Find(&open).Error
	if err != nil {
		return nil, fmt.Errorf("read open orders: %w", err)
	}
	return open, nil
}

// OpenReturns reads up to limit open returns accepted before the given instant, of
// orders with a number above after, by order; an order has one at most.
func (l *Ledger) OpenReturns(ctx context.Context, before time.Time, after domain.StoreOrderID, limit int) ([]OrderReturn, error) {
	var open []OrderReturn
	err := l.db.WithContext(ctx).
		Where("state IN ('accepted', 'returning') AND created_at < ? AND order_id > ?", At(before), after). // the index's own words
		Order("order_id").Limit(limit).Find(&open).Error
	if err != nil {
		return nil, fmt.Errorf("read open returns: %w", err)
	}
	return open, nil
}
