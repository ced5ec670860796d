package storage

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"gorm.io/gorm"

	"tolem/domain"
)

// PaymentFilter narrows a list; zero values do not narrow.
type PaymentFilter struct {
	Caller        string
	States        []domain.State
	ServiceID     string
	ResultCode    *domain.Code
	NeedsOperator *bool
	Held          *bool
	Paused        *bool
	CreatedBefore time.Time
	CreatedAfter  time.Time
	BatchID       domain.BatchID
	// StuckSince is for those that need an operator, or are in one of domain.MovingStates
	// or have had their payer's choice, since before then; their age is that of Payment.Since.
	StuckSince time.Time
}

// ErrCursor is returned for a cursor that this ledger did not hand out.
var ErrCursor = errors.New("not a cursor of this list")

// Payments lists payments, the newest first, at most limit of them, from where
// cursor points ("" is the beginning). next is "" on the last page. Payments
// accepted meanwhile do not shift the pages.
func (l *Ledger) Payments(ctx context.Context, f PaymentFilter, cursor string, limit int) (page []Payment, next string, err error) {
	q := f.narrow(l.db.WithContext(ctx).Model(&Payment{}))
	if cursor != "" {
		at, id, err := readCursor(cursor)
		if err != nil {
			return nil, "", err
		}
		q = q.Where("created_at < ? OR (created_at = ? AND id < ?)", at, at, id)
	}
	if err := anyOf(q, f.stuck(), "created_at DESC, id DESC", limit+1).Find(&page).Error; err != nil {
		return nil, "", fmt.Errorf("list payments: %w", err)
	}
	if len(page) > limit {
		page = page[:limit]
		next = writeCursor(page[limit-1])
	}
	return page, next, nil
}

// narrow adds the filter's conditions to a query of payments.
func (f PaymentFilter) narrow(q *gorm.DB) *gorm.DB {
	if f.Caller != "" {
		q = q.Where("caller = ?", f.Caller)
	}
	if len(f.States) > 0 {
		q = q.Where("state IN ?", f.States)
	}
	if f.ServiceID != "" {
		q = q.Where("service_id = ?", f.ServiceID)
	}
	if f.ResultCode != nil {
		q = q.Where("result_code = ?", *f.ResultCode)
	}
	if f.NeedsOperator != nil {
		q = q.Where(flagCondition(*f.NeedsOperator))
	}
	if !f.CreatedBefore.IsZero() {
		q = q.Where("created_at < ?", At(f.CreatedBefore))
	}
	if !f.CreatedAfter.IsZero() {
		q = q.Where("created_at >= ?", At(f.CreatedAfter))
	}
	if f.BatchID != 0 {
		q = q.Where("batch_id = ?", f.BatchID)
	}
	if f.Held != nil {
		q = q.Where("(held OR proposed <> '') = ?", *f.Held)
	}
	if f.Paused != nil {
		q = q.Where("paused = ?", *f.Paused)
	}
	return q
}

// stuck are the conditions of StuckSince.
func (f PaymentFilter) stuck() []condition {
	if f.StuckSince.IsZero() {
		return nil
	}
	return []condition{
		{"state IN (" + quoted(domain.OpenStates()) + ")" + // the index's own words
			" AND (state IN ? OR (state = ? AND chosen_at IS NOT NULL)) AND COALESCE(chosen_at, created_at) < ?",
			[]any{domain.MovingStates(), domain.StateAwaitingPayer, At(f.StuckSince)}},
		{flagCondition(true), nil},
	}
}

// condition is a condition of a query.
type condition struct {
	text   string
	values []any
}

// flagCondition is the condition of rows that need a person, or do not, in the words of the
// indexes of those that do: with a parameter no database sees that the index holds them.
func flagCondition(needs bool) string {
	if needs {
		return "needs_operator"
	}
	return "NOT needs_operator"
}

// anyOf queries up to limit rows of a query that meet any of the conditions, or all rows
// without one, each row once, in an order. Each condition is a query of its own, which an
// index answers: for one query with OR a database may read a table of millions, from its
// end, to find the few.
func anyOf(q *gorm.DB, conditions []condition, order string, limit int) *gorm.DB {
	q = q.Order(order).Limit(limit)
	if len(conditions) == 0 {
		return q
	}
	parts, queries := make([]string, len(conditions)), make([]any, 0, len(conditions)+1)
	for i, c := range conditions {
		parts[i] = fmt.Sprintf("SELECT * FROM (?) AS part_%d", i)
		queries = append(queries, q.Session(&gorm.Session{}).Where(c.text, c.values...))
	}
	text := strings.Join(parts, " UNION ") + " ORDER BY " + order + " LIMIT ?" // nothing in it comes from outside
	return q.Session(&gorm.Session{NewDB: true}).Raw(text, append(queries, limit)...)
}

func writeCursor(last Payment) string {
	return base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "%d.%d", last.CreatedAt.UnixMicro(), int64(last.ID)))
}

func readCursor(cursor string) (at, id int64, err error) {
	raw, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil || len(cursor) > 64 {
		return 0, 0, ErrCursor
	}
	if n, err := fmt.Sscanf(string(raw), "%d.%d", &at, &id); n != 2 || err != nil {
		return 0, 0, ErrCursor
	}
	return at, id, nil
}

// OpenPayment is what the sweep needs of a payment to start it again.
type OpenPayment struct {
	ID               domain.AgentTransactionID
	ServiceID        string
	RetryInitial     time.Duration
	RetryFactorMilli int64
	State            domain.State
	CreatedAt        Timestamp
	ChosenAt         *Timestamp
}

// Since is from when the payment's age counts: its payer's choice, or its
// acceptance. While a payer thinks, nothing is late.
func (p OpenPayment) Since() time.Time { return since(p.CreatedAt, p.ChosenAt) }

// Since is OpenPayment's.
func (p Payment) Since() time.Time { return since(p.CreatedAt, p.ChosenAt) }

func since(accepted Timestamp, chosen *Timestamp) time.Time {
	if chosen != nil {
		return chosen.Time
	}
	return accepted.Time
}

// Ladder is the payment's growing retry interval, fixed at acceptance.
func (p OpenPayment) Ladder() domain.Ladder {
	return domain.Ladder{Initial: p.RetryInitial, FactorMilli: p.RetryFactorMilli}
}

// OpenPayments reads up to limit open payments accepted before the given
// instant with an id above after, in the order of their ids.
func (l *Ledger) OpenPayments(ctx context.Context, before time.Time, after domain.AgentTransactionID, limit int) ([]OpenPayment, error) {
	var open []OpenPayment
	err := l.db.WithContext(ctx).Model(&Payment{}).
		Where("state IN ? AND created_at < ? AND id > ?", domain.OpenStates(), At(before), after).
		Order("id").Limit(limit).Find(&open).Error
	if err != nil {
		return nil, fmt.Errorf("read open payments: %w", err)
	}
	return open, nil
}

// OpenSince counts the open payments that were accepted, or whose payer chose,
// before an instant. Those that wait for their payer are not late.
func (l *Ledger) OpenSince(ctx context.Context, before time.Time) (n int64, err error) {
	err = l.db.WithContext(ctx).Model(&Payment{}).
		Where("state IN ? AND state <> ? AND created_at < ?", domain.OpenStates(), domain.StateAwaitingPayer, At(before)).
		Where("chosen_at IS NULL OR chosen_at < ?", At(before)).Count(&n).Error
	if err != nil {
		return 0, fmt.Errorf("count old open payments: %w", err)
	}
	return n, nil
}
