package storage

import (
	"context"
	"fmt"
	"sync"
	"time"

	"gorm.io/gorm"

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
		blocks, err := l.takeBlocks(l.db.WithContext(ctx), 1)
		if err != nil {
			return 0, err
		}
		l.numbers.next, l.numbers.left = blocks[0]*numberBlock, numberBlock
	}
	id := generatedID(now, l.numbers.next)
	l.numbers.next++
	l.numbers.left--
	return id, nil
}

// generatedID puts a number behind its milliseconds.
func generatedID(now time.Time, number int64) domain.AgentTransactionID {
	return domain.AgentTransactionID(now.UnixMilli()*100_000 + number)
}

// takeNumbers takes n numbers for one transaction. On SQLite they are taken back
// with it, when nobody has used them.
func (l *Ledger) takeNumbers(tx *gorm.DB, n int) ([]int64, error) {
	blocks, err := l.takeBlocks(tx, (n+numberBlock-1)/numberBlock)
	if err != nil {
		return nil, err
	}
	numbers := make([]int64, 0, n)
	for i := range n {
		numbers = append(numbers, blocks[i/numberBlock]*numberBlock+int64(i%numberBlock))
	}
	return numbers, nil
}

// sequenceBlocks is how many blocks the sequence hands out before it begins
// again.
const sequenceBlocks = 1000

// takeBlocks takes blocks from the ledger's sequence, at most sequenceBlocks.
func (l *Ledger) takeBlocks(tx *gorm.DB, n int) (blocks []int64, err error) {
	if n == 0 {
		return nil, nil
	}
	if l.onPostgres() {
		err = tx.Raw("SELECT nextval('payment_numbers') FROM generate_series(1, ?)", n).Scan(&blocks).Error
	} else {
		var last int64
		err = tx.Raw("UPDATE payment_numbers SET last = (last + ?) % ? RETURNING last", n, sequenceBlocks).Scan(&last).Error
		for i := range n {
			blocks = append(blocks, (last-int64(n-1-i)+sequenceBlocks)%sequenceBlocks)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("take payment numbers: %w", err)
	}
	return blocks, nil
}
