package storage

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"tolem/domain"
)

// insertChunk is how many payments one statement inserts: 25 times the columns is
// far below 32766 parameters, SQLite's limit (PostgreSQL's is 65535). The pure-Go
// SQLite needs time by the square of the parameters, 500 rows at once take ten
// times as long in all; PostgreSQL does not care.
const insertChunk = 25

// BatchRow is one payment of a batch request.
type BatchRow struct {
	Index   int     // position in the request, from 0; the payment's key is made from it
	Payment Payment // as for Accept; Caller, IdempotencyKey and BatchID are filled in
}

// RowResult is what became of a row.
type RowResult struct {
	ID      domain.AgentTransactionID // 0 beside an error
	State   domain.State
	Created bool  // false: an earlier request with this key had accepted the row
	Err     error // ErrKeyReused or ErrIDTaken, as of Accept; nil when the row is accepted
}

// AcceptBatch commits the rows in state accepted, all that can be in one
// transaction: after an error nothing was stored. results are in the order of
// rows.
//
// Rows belong to the caller, the batch's key and their index for ever. The same
// request for one again is what is there, with Created false; another request is
// ErrKeyReused. A chosen id that another payment holds, or an earlier row of this
// batch, is ErrIDTaken. Refused rows do not hinder the others, and their places
// stay free. The batch is the same for every request with the key; it is stored
// even if no row is accepted.
func (l *Ledger) AcceptBatch(ctx context.Context, caller, key string, rows []BatchRow) (results []RowResult, batch domain.BatchID, err error) {
	id, err := l.newPaymentID(ctx, time.Now())
	if err != nil {
		return nil, 0, err
	}
	err = l.inTransaction(ctx, func(tx *gorm.DB) error {
		if key, err = asStored(tx, "batches", "idempotency_key", caller, key); err != nil {
			return err
		}
		if batch, err = holdBatch(tx, domain.BatchID(id), caller, key); err != nil {
			return err
		}
		before, err := acceptedRows(tx, batch)
		if err != nil {
			return err
		}
		i := intake{ledger: l, batch: batch, rows: rows, results: make([]RowResult, len(rows))}
		for fresh := i.settle(before, caller, key); len(fresh) > 0; {
			if fresh, err = i.insert(tx, fresh); err != nil {
				return err
			}
		}
		results = i.results
		return nil
	})
	if err != nil {
		return nil, 0, fmt.Errorf("accept batch: %w", err)
	}
	return results, batch, nil
}

// holdBatch finds or makes the batch of a key and locks it to the end of the
// transaction, so that requests with one key come one after the other. An insert
// that does nothing would lock nothing; this update changes nothing either.
func holdBatch(tx *gorm.DB, id domain.BatchID, caller, key string) (batch domain.BatchID, err error) {
	err = tx.Raw(`INSERT INTO batches (id, caller, idempotency_key, created_at) VALUES (?, ?, ?, ?)
		ON CONFLICT (caller, idempotency_key) DO UPDATE SET idempotency_key = excluded.idempotency_key RETURNING id`,
		id, caller, key, At(time.Now())).Scan(&batch).Error
	return batch, err
}

// rowKey is the idempotency key of a batch's row. A header cannot hold a space, so
// that no payment accepted by itself, and no other batch, can have it.
func rowKey(key string, index int) string { return key + " " + strconv.Itoa(index) }

// acceptedRow is what a repetition of a row is compared with and answered by.
type acceptedRow struct {
	ID             domain.AgentTransactionID
	IdempotencyKey string
	RequestSHA256  string `gorm:"column:request_sha256"`
	State          domain.State
}

// acceptedRows reads a batch's payments by their keys.
func acceptedRows(tx *gorm.DB, batch domain.BatchID) (map[string]acceptedRow, error) {
	var found []acceptedRow
	if err := tx.Model(&Payment{}).Where("batch_id = ?", batch).Find(&found).Error; err != nil {
		return nil, err
	}
	byKey := make(map[string]acceptedRow, len(found))
	for _, r := range found {
		byKey[r.IdempotencyKey] = r
	}
	return byKey, nil
}

// intake is one AcceptBatch under way.
type intake struct {
	ledger  *Ledger
	batch   domain.BatchID
	rows    []BatchRow
	results []RowResult // of rows, in their order
}

// freshRow is a payment to insert. Its result is at index at.
type freshRow struct {
	payment   Payment
	at        int
	generated bool // the ledger makes its id
}

// settle answers the rows that earlier requests had accepted and returns the others.
func (i *intake) settle(before map[string]acceptedRow, caller, key string) (fresh []freshRow) {
	for at, row := range i.rows {
		p := row.Payment
		p.Caller, p.IdempotencyKey, p.BatchID = caller, rowKey(key, row.Index), &i.batch
		p.State, p.UpdatedAt = domain.StateAccepted, p.CreatedAt
		earlier, there := before[p.IdempotencyKey]
		switch {
		case there && earlier.RequestSHA256 == p.RequestSHA256:
			i.results[at] = RowResult{ID: earlier.ID, State: earlier.State}
		case there:
			i.results[at] = RowResult{Err: ErrKeyReused}
		default:
			fresh = append(fresh, freshRow{payment: p, at: at, generated: p.ID == 0})
		}
	}
	return fresh
}

// insert stores the rows whose ids are free and answers all but those whose
// generated id was not: again has these, for another number.
func (i *intake) insert(tx *gorm.DB, fresh []freshRow) (again []freshRow, err error) {
	if err := i.number(tx, fresh); err != nil {
		return nil, err
	}
	// By id, two batches that choose the same ids wait for each other in one order
	// and never both for ever. Of rows with one id the earlier is stored, and a
	// chosen id goes before a generated one that hits it.
	slices.SortStableFunc(fresh, func(a, b freshRow) int {
		switch {
		case a.payment.ID != b.payment.ID:
			return cmp.Compare(a.payment.ID, b.payment.ID)
		case a.generated == b.generated:
			return 0
		case a.generated:
			return 1
		}
		return -1
	})
	stored := 0
	for chunk := range slices.Chunk(fresh, insertChunk) {
		payments := make([]Payment, len(chunk))
		for n, f := range chunk {
			payments[n] = f.payment
		}
		inserted := tx.Clauses(clause.OnConflict{DoNothing: true}).Create(&payments)
		if inserted.Error != nil {
			return nil, inserted.Error
		}
		stored += int(inserted.RowsAffected)
	}
	var there map[string]acceptedRow // nil: every row of fresh
	if stored < len(fresh) {
		if there, err = acceptedRows(tx, i.batch); err != nil {
			return nil, err
		}
	}
	for _, f := range fresh {
		_, ok := there[f.payment.IdempotencyKey]
		switch {
		case there == nil || ok:
			i.results[f.at] = RowResult{ID: f.payment.ID, State: domain.StateAccepted, Created: true}
		case f.generated:
			again = append(again, f)
		default:
			i.results[f.at] = RowResult{Err: ErrIDTaken}
		}
	}
	return again, nil
}

// number generates the ids of rows that chose none.
func (i *intake) number(tx *gorm.DB, fresh []freshRow) error {
	needed := 0
	for _, f := range fresh {
		if f.generated {
			needed++
		}
	}
	numbers, err := i.ledger.takeNumbers(tx, needed)
	if err != nil {
		return err
	}
	for n := range fresh {
		if f := &fresh[n]; f.generated {
			f.payment.ID = generatedID(f.payment.CreatedAt.Time, numbers[0])
			numbers = numbers[1:]
		}
	}
	return nil
}

// AcceptedRows says by index which rows the caller's batch of this key holds: none
// for a new key.
func (l *Ledger) AcceptedRows(ctx context.Context, caller, key string) (map[int]bool, error) {
	var found []acceptedRow
	key, err := asStored(l.db.WithContext(ctx), "batches", "idempotency_key", caller, key)
	if err != nil {
		return nil, fmt.Errorf("read accepted rows: %w", err)
	}
	err = l.db.WithContext(ctx).Model(&Payment{}).
		Where("batch_id = (SELECT id FROM batches WHERE caller = ? AND idempotency_key = ?)", caller, key).Find(&found).Error
	if err != nil {
		return nil, fmt.Errorf("read accepted rows: %w", err)
	}
	accepted := make(map[int]bool, len(found))
	for _, r := range found {
		index, err := strconv.Atoi(strings.TrimPrefix(r.IdempotencyKey, key+" "))
		if err != nil {
			return nil, fmt.Errorf("payment %s: its key is not that of a batch's row", r.ID)
		}
		accepted[index] = true
	}
	return accepted, nil
}

// AcceptedOfBatch reads up to limit payments of a batch that are still accepted,
// with an id above after, in the order of their ids.
func (l *Ledger) AcceptedOfBatch(ctx context.Context, batch domain.BatchID, after domain.AgentTransactionID, limit int) ([]OpenPayment, error) {
	var page []OpenPayment
	err := l.db.WithContext(ctx).Model(&Payment{}).
		Where("batch_id = ? AND state = ? AND id > ?", batch, domain.StateAccepted, after).
		Order("id").Limit(limit).Find(&page).Error
	if err != nil {
		return nil, fmt.Errorf("read accepted payments of batch %s: %w", batch, err)
	}
	return page, nil
}
