package storage

import (
	"context"
	"fmt"
	"sync"
	"time"

	"tolem/domain"
)

// numberBlock is how many payment numbers a process takes from the ledger's
// sequence at once. Blocks of two processes do not overlap, so that payments
// accepted in one millisecond get different ids.
const numberBlock = 100

// paymentNumbers hands out a block of numbers.
type paymentNumbers struct {
	mu   sync.Mutex
	next int64
	left int
}

// newPaymentID makes an id that a new or restored ledger cannot have used: the
// milliseconds lead, the sequence's five digits tell payments of one millisecond
// apart.
func (l *Ledger) newPaymentID(ctx context.Context, now time.Time) (domain.AgentTransactionID, error) {
	l.numbers.mu.Lock()
	defer l.numbers.mu.Unlock()
	if l.numbers.left == 0 {
		block := "UPDATE payment_numbers SET last = (last + 1) % 1000 RETURNING last"
		if l.onPostgres() {
			block = "SELECT nextval('payment_numbers')"
		}
		var number int64
		if err := l.db.WithContext(ctx).Raw(block).Scan(&number).Error; err != nil {
			return 0, fmt.Errorf("take payment numbers: %w", err)
		}
		l.numbers.next, l.numbers.left = number*numberBlock, numberBlock
	}
	id := domain.AgentTransactionID(now.UnixMilli()*100_000 + l.numbers.next)
	l.numbers.next++
	l.numbers.left--
	return id, nil
}
