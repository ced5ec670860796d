package storage

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"tolem/domain"
)

// InstalmentOrder is one row of the ledger: what a store asked of the bank for its
// customer, where the order stands, and what the bank said last.
type InstalmentOrder struct {
	ID               domain.StoreOrderID `gorm:"primaryKey"`
	Caller           string              // the token's name
	RequestSHA256    string              `gorm:"column:request_sha256"` // of the canonical request
	Request          string              // JSON: invoice, credit products, goods; may name people
	ClientPhone      string
	PointID          string
	TotalSum         domain.Money
	ValidateClient   bool   // ask for the client before create
	AutoConfirm      bool   // confirm as soon as the client agreed
	CallbackToken    string // in the address that the bank calls back; never empty
	CreateBody       []byte // the exact bytes of every create
	RetryInitial     time.Duration
	RetryFactorMilli int64

	State          domain.OrderState
	FailReason     string // of a failed order: the bank's sub-state, or one of domain's Fail constants
	NeedsOperator  bool
	OperatorReason domain.OperatorReason
	Held           bool // by a person: nothing is sent until it is released
	Step           int
	Attempts       int // calls that may have changed something at the bank
	Waits          int
	NextAttemptAt  *Timestamp

	BankOrderID    string
	Bank           domain.BankState   `gorm:"embedded;embeddedPrefix:bank_"`
	BankMeaning    domain.BankMeaning // "" before the bank told a state
	BankMessage    string             // the bank's text; may name people, stays in the ledger
	ContractNumber string             // of the credit contract
	ContractDate   string
	ClientFound    *bool // nil: not asked, or not answered
	ToCard         *bool // whether the bank can return money to the card; nil: not told
	CreateSentAt   *Timestamp
	Decision       domain.Decision // the store's; written once
	DecidedBy      string          // the token's name
	DecidedAt      *Timestamp
	DecisionSentAt *Timestamp
	ActiveAt       *Timestamp
	EndedAt        *Timestamp
	ReturnedSum    domain.Money
	Resolution
	// Wake says that people changed the row, and that its workflow may not have read that.
	Wake bool

	// Restored is set while a restored ledger holds it: its last writes may be lost.
	Restored      bool
	RestoredEpoch int64 // of the last restore that held it; 0 never

	CreatedAt Timestamp
	UpdatedAt Timestamp
}

// Errors of orders that callers tell apart with errors.Is.
var (
	ErrOrderIDTaken = errors.New("store_order_id belongs to another order")
	ErrDecided      = errors.New("the store decided otherwise before")
	ErrNotDeciding  = errors.New("the order does not take this decision now")
)

// Ladder is the order's growing retry interval, fixed at acceptance.
func (o InstalmentOrder) Ladder() domain.Ladder {
	return domain.Ladder{Initial: o.RetryInitial, FactorMilli: o.RetryFactorMilli}
}

// AcceptOrder commits the order in state accepted: from then on it is never lost.
//
// The same caller and request again return the order that is there, with created
// false. Another request under its number, or another caller's, is ErrOrderIDTaken:
// the bank would only bring the first order back.
func (l *Ledger) AcceptOrder(ctx context.Context, o InstalmentOrder) (accepted InstalmentOrder, created bool, err error) {
	o.State, o.UpdatedAt = domain.OrderAccepted, o.CreatedAt
	inserted := l.db.WithContext(ctx).Clauses(clause.OnConflict{DoNothing: true}).Create(&o) // one statement is a transaction
	switch {
	case inserted.Error != nil:
		return InstalmentOrder{}, false, fmt.Errorf("accept order: %w", inserted.Error)
	case inserted.RowsAffected == 1:
		return o, true, nil
	}
	before, err := l.InstalmentOrder(ctx, o.ID)
	switch {
	case err != nil:
		return InstalmentOrder{}, false, err
	case before.Caller != o.Caller || before.RequestSHA256 != o.RequestSHA256:
		return InstalmentOrder{}, false, ErrOrderIDTaken
	}
	return before, false, nil
}

// InstalmentOrder reads one order; ErrNotFound when there is none.
func (l *Ledger) InstalmentOrder(ctx context.Context, id domain.StoreOrderID) (InstalmentOrder, error) {
	return readOrder(l.db.WithContext(ctx), id)
}

// OrderOfToken reads the order whose callback address holds the token;
// ErrNotFound when there is none.
func (l *Ledger) OrderOfToken(ctx context.Context, token string) (InstalmentOrder, error) {
	return one[InstalmentOrder](l.db.WithContext(ctx).Where("callback_token = ?", token), "order of this token")
}

func readOrder(tx *gorm.DB, id domain.StoreOrderID) (InstalmentOrder, error) {
	return one[InstalmentOrder](tx.Where("id = ?", id), id.WorkflowID())
}

// writeOrder is the only way an order's state changes, as writeState is for
// payments: once for each step, and never from a terminal state.
// flagged says that its row needed an operator before.
func writeOrder(tx *gorm.DB, id domain.StoreOrderID, step int, columns map[string]any) (changed, flagged bool, err error) {
	now := At(time.Now())
	columns["step"], columns["updated_at"] = step, now
	if state, ok := columns["state"].(domain.OrderState); ok && state.Terminal() {
		columns["held"], columns["next_attempt_at"], columns["ended_at"] = false, nil, now
		for name, value := range noProposal() {
			columns[name] = value
		}
		tx = tx.Where("NOT restored") // the answer may be one to what a restored ledger has forgotten
	}
	var order InstalmentOrder
	written := tx.Model(&order).Clauses(returningFlag).
		Where("id = ? AND step < ? AND state NOT IN ?", id, step, domain.TerminalOrderStates()).Updates(columns)
	changed, err = wrote(written, domain.ProcessOrder, columns)
	return changed, changed && order.NeedsOperator, err
}

// Decide commits the store's decision, once and for ever, while the order takes
// it. It returns the order as it then stands.
//
// The recorded decision again changes nothing and is no error, wherever the order
// stands by now. The other one is ErrDecided; an order without a decision that
// takes none is ErrNotDeciding. Both come with the order, so that the caller can
// say who decided and when. ErrNotFound comes without.
//
// Of two at once the first wins: the other finds decision set. A rejection of an order
// that the bank certainly does not have ends it in the same transaction; any other
// decision leaves state and step alone.
func (l *Ledger) Decide(ctx context.Context, id domain.StoreOrderID, d domain.Decision, by string) (now InstalmentOrder, err error) {
	var taking []domain.OrderState
	for _, state := range domain.OpenOrderStates() {
		if d.Takes(state) {
			taking = append(taking, state)
		}
	}
	decided := false
	err = l.inTransaction(ctx, func(tx *gorm.DB) error {
		if _, err := lockOrder(tx, id); err != nil {
			return err
		}
		at := At(time.Now())
		kept := tx.Model(&InstalmentOrder{}).Where("id = ? AND decision = '' AND state IN ?", id, taking).
			Updates(map[string]any{"decision": d, "decided_by": by, "decided_at": at, "updated_at": at})
		if kept.Error != nil {
			return kept.Error
		}
		if decided = kept.RowsAffected == 1; decided {
			row := journalRow{Process: id.WorkflowID(), Phase: phaseEvent, Call: "decided_" + string(d), At: at}
			if err := tx.Create(&row).Error; err != nil {
				return err
			}
		}
		if now, err = readOrder(tx, id); err != nil || now.Decision != domain.DecisionReject || d != now.Decision {
			return err
		}
		if err := endRejected(tx, now); err != nil {
			return err
		}
		now, err = readOrder(tx, id)
		return err
	})
	switch {
	case err != nil:
		return InstalmentOrder{}, fmt.Errorf("decide %s: %w", id.WorkflowID(), err)
	case decided || now.Decision == d:
		return now, nil
	case now.Decision != "":
		return now, ErrDecided
	}
	return now, ErrNotDeciding
}
