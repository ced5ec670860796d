package storage

import (
	"context"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/pressly/goose/v3"
	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"tolem/domain"
)

// Payment is one row of the ledger: what the caller asked, where the payment
// stands, and what the processing centre said last.
type Payment struct {
	ID                   domain.AgentTransactionID `gorm:"primaryKey;autoIncrement:false"`
	Caller               string                    // the token's name
	IdempotencyKey       string
	RequestSHA256        string `gorm:"column:request_sha256"` // of the canonical request
	ServiceID            string
	ServiceType          *int // in the centre's catalogue at acceptance; nil in older rows, and where no catalogue was known
	Account              string
	AmountTo             *domain.Money
	AmountFrom           *domain.Money
	Extras               Extras
	IdentityCard         string
	FullName             string
	AutoPay              bool
	AgentTransactionDate string // 2006-01-02T15:04:05 in the configured zone, fixed at acceptance
	RetryInitial         time.Duration
	RetryFactorMilli     int64
	BatchID              *domain.BatchID // nil: accepted by itself

	State          domain.State
	NeedsOperator  bool
	OperatorReason domain.OperatorReason
	Step           int
	Attempts       int
	Waits          int
	NextAttemptAt  *Timestamp

	ResultCode      *domain.Code
	PaymentCode     *domain.Code // the last code that spoke of the payment itself; check's 0 says that it may be paid
	ResultMessage   string
	TransactionID   *int64
	TransactionDate string
	StatusDate      string
	CheckBody       []byte          // the exact bytes of every check; nil before the first
	CheckAnswer     string          // JSON of what check answered; "" before
	AsksPayer       domain.Question // why the payment waits for the payer; "" when it does not
	PayerUntil      *Timestamp      // until when the payer may choose; nil when nobody was asked
	Choice          string          // JSON of what the payer chose, completed; "" before. Never changed: see Choose
	ChoiceSHA256    string          `gorm:"column:choice_sha256"`
	ChosenBy        string          // the token's name
	ChosenAt        *Timestamp
	PayBody         []byte
	PaySentAt       *Timestamp // set: a pay may have been sent, the money may have moved
	// HeldID says that the centre holds this id since before a pay of ours: the money may
	// have moved, so it is never refused, cancelled or expired, and sends nothing by itself.
	HeldID bool `gorm:"column:id_held_by_centre"`

	Held           bool         // by a person: nothing is sent until it is released
	Paused         bool         // the last attempt was not made, because the partner is down
	Proposed       domain.State // what a first operator's resolve ordered; "" without one
	ProposedAction *int64       // that order
	ProposedUntil  *Timestamp   // when it lapses unless a second operator confirms
	// ProposedEvidence is what that order cites beside its free text.
	ProposedEvidence domain.EvidenceKind

	// Restored is set while a restored ledger holds it: its last writes may be lost.
	Restored      bool
	RestoredEpoch int64 // of the last restore that held it; 0 never

	CreatedAt Timestamp
	UpdatedAt Timestamp
}

// Standing is what decides whether an action may be taken.
func (p Payment) Standing() domain.Standing {
	return domain.Standing{
		State: p.State, PaySent: p.PaySentAt != nil, Held: p.Held, Restored: p.Restored, Proposed: p.Proposed,
		NeedsOperator: p.NeedsOperator, Code: p.ResultCode,
		PaymentCode: p.PaymentCode, HeldID: p.HeldID, ProposedEvidence: p.ProposedEvidence,
	}
}

// Ladder is the payment's growing retry interval, fixed at acceptance.
func (p Payment) Ladder() domain.Ladder {
	return domain.Ladder{Initial: p.RetryInitial, FactorMilli: p.RetryFactorMilli}
}

// Extras are the additional fields of a request, a JSON object in the ledger.
type Extras map[string]string

// Value stores JSON; keys come out sorted.
func (e Extras) Value() (driver.Value, error) {
	if len(e) == 0 {
		return "{}", nil
	}
	b, err := json.Marshal(map[string]string(e))
	return string(b), err
}

// Scan reads JSON.
func (e *Extras) Scan(src any) error {
	text, err := text(src)
	if err != nil {
		return err
	}
	return json.Unmarshal([]byte(text), (*map[string]string)(e))
}

// text is a TEXT column's value, whichever type the driver delivers.
func text(src any) (string, error) {
	switch v := src.(type) {
	case string:
		return v, nil
	case []byte:
		return string(v), nil
	}
	return "", fmt.Errorf("the ledger holds a %T, not text", src)
}

// Accept commits the payment in state accepted: from then on it is never lost.
//
// The same caller, key and request again return the payment that is there, with
// created false. Another request under that key is ErrKeyReused; an id that
// another payment holds is ErrIDTaken. A payment without an id gets one: 13
// digits of Unix milliseconds and 5 of a ledger sequence.
func (l *Ledger) Accept(ctx context.Context, p Payment) (accepted Payment, created bool, err error) {
	if p.IdempotencyKey, err = asStored(l.db.WithContext(ctx), "payments", "idempotency_key", p.Caller, p.IdempotencyKey); err != nil {
		return Payment{}, false, fmt.Errorf("accept payment: %w", err)
	}
	generated := p.ID == 0
	p.State = domain.StateAccepted
	p.UpdatedAt = p.CreatedAt
	for {
		if generated {
			if p.ID, err = l.newPaymentID(ctx, p.CreatedAt.Time); err != nil {
				return Payment{}, false, err
			}
		}
		inserted := l.db.WithContext(ctx).Clauses(clause.OnConflict{DoNothing: true}).Create(&p) // one statement is a transaction
		if inserted.Error != nil {
			return Payment{}, false, fmt.Errorf("accept payment: %w", inserted.Error)
		}
		if inserted.RowsAffected == 1 {
			return p, true, nil
		}
		accepted, err = l.AcceptedBefore(ctx, p)
		switch { // why nothing was inserted: the key is there, or else the id is
		case errors.Is(err, ErrNotFound) && generated:
			continue // a caller chose the number just generated; take the next
		case errors.Is(err, ErrNotFound):
			return Payment{}, false, ErrIDTaken
		}
		return accepted, false, err
	}
}

// AcceptedBefore is the payment that p's caller and key already made: ErrNotFound
// when there is none, ErrKeyReused when it came from another request.
func (l *Ledger) AcceptedBefore(ctx context.Context, p Payment) (Payment, error) {
	key, err := asStored(l.db.WithContext(ctx), "payments", "idempotency_key", p.Caller, p.IdempotencyKey)
	if err != nil {
		return Payment{}, fmt.Errorf("payment of this key: %w", err)
	}
	before, err := one[Payment](l.db.WithContext(ctx).Where("caller = ? AND idempotency_key = ?", p.Caller, key), "payment of this key")
	switch {
	case err != nil:
		return Payment{}, err
	case before.RequestSHA256 != p.RequestSHA256:
		return Payment{}, ErrKeyReused
	}
	return before, nil
}

// Payment reads one payment; ErrNotFound when there is none.
func (l *Ledger) Payment(ctx context.Context, id domain.AgentTransactionID) (Payment, error) {
	return readPayment(l.db.WithContext(ctx), id)
}

func readPayment(tx *gorm.DB, id domain.AgentTransactionID) (Payment, error) {
	return one[Payment](tx.Where("id = ?", id), "payment "+id.String())
}

// one reads the one row that a query finds; ErrNotFound without one.
func one[Row any](query *gorm.DB, what string) (row Row, err error) {
	var found []Row
	if err := query.Limit(1).Find(&found).Error; err != nil {
		return row, fmt.Errorf("%s: %w", what, err)
	}
	if len(found) == 0 {
		return row, fmt.Errorf("%s: %w", what, ErrNotFound)
	}
	return found[0], nil
}

// TransactionElsewhere says whether another payment holds the processing
// centre's transactionId.
func (l *Ledger) TransactionElsewhere(ctx context.Context, transactionID int64, id domain.AgentTransactionID) (bool, error) {
	var n int64
	err := l.db.WithContext(ctx).Model(&Payment{}).
		Where("transaction_id = ? AND id <> ?", transactionID, id).Limit(1).Count(&n).Error
	if err != nil {
		return false, fmt.Errorf("look for transactionId in the ledger: %w", err)
	}
	return n > 0, nil
}

// stateColumns are those that a state write may change.
type stateColumns map[string]any

// writeState is the only way a payment's state changes:
//
//	… WHERE id = ? AND step < ? AND state NOT IN (terminal)
//
// The workflow counts the step up with every write it orders. So a write that
// runs twice changes nothing the second time; one that was frozen and wakes
// after a later step, or after the end, changes nothing at all. changed says
// whether the row was written.
//
// An end that says that the money did not move is never written to a payment whose id the
// centre holds, whoever asks for it.
func writeState(tx *gorm.DB, id domain.AgentTransactionID, step int, columns stateColumns) (changed bool, err error) {
	columns["step"] = step
	columns["updated_at"] = At(time.Now())
	if state, ok := columns["state"].(domain.State); ok && state.Terminal() {
		columns["next_attempt_at"], columns["paused"] = nil, false
		maps.Copy(columns, proposalGone())
		columns["held"] = false
		columns["restored"] = false
		if state.NotMoved() {
			tx = tx.Where("NOT id_held_by_centre")
		}
		if !state.Resolved() { // the answer may be one to what the ledger has forgotten
			tx = tx.Where("NOT restored")
		}
	}
	var now Payment
	written := tx.Model(&now).Clauses(returningFlag).
		Where("id = ? AND step < ? AND state NOT IN ?", id, step, domain.TerminalStates()).
		Updates(map[string]any(columns))
	if changed, err = wrote(written, domain.ProcessPayment, columns); err != nil || !changed {
		return changed, err
	}
	if now.NeedsOperator {
		if err := settleMoved(tx.Session(&gorm.Session{NewDB: true}), id, columns); err != nil {
			return false, err
		}
	}
	return true, settleEnd(tx, paymentSubject(id), now.NeedsOperator, columns)
}

// settleMoved closes what a state write of a flagged payment settles: an answer with a code
// was readable, and whoever chose wanted the payment as check offered it.
func settleMoved(tx *gorm.DB, id domain.AgentTransactionID, columns stateColumns) error {
	var settled []domain.OperatorReason
	if _, answered := columns["result_code"]; answered {
		settled = append(settled, domain.ReasonUnreadableAnswer)
	}
	if _, intended := columns["pay_sent_at"]; intended {
		settled = append(settled, domain.ReasonNothingOffered)
	}
	if len(settled) == 0 {
		return nil
	}
	return settle(tx, paymentSubject(id), reasons(settled...))
}

// proposalGone are the columns of a payment whose proposal is gone.
func proposalGone() map[string]any {
	return map[string]any{"proposed": "", "proposed_action": nil, "proposed_until": nil, "proposed_evidence": ""}
}

// neverPaid narrows a state write to payments for which no pay was ever sent.
func neverPaid(tx *gorm.DB) *gorm.DB { return tx.Where("pay_sent_at IS NULL") }

// inPaying narrows a state write to payments whose intent to pay is committed.
func inPaying(tx *gorm.DB) *gorm.DB { return tx.Where("pay_sent_at IS NOT NULL") }

// unstopped narrows a state write to payments that nobody stopped.
func unstopped(tx *gorm.DB) *gorm.DB { return tx.Where("NOT held AND NOT restored AND proposed = ''") }

// onPostgres says which dialect this ledger speaks.
func (l *Ledger) onPostgres() bool { return l.dialect == goose.DialectPostgres }
