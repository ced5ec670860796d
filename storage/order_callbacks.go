package storage

import (
	"context"
	"fmt"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"tolem/domain"
)

// Callback is one piece of news that the bank called back.
type Callback struct {
	OrderID     domain.StoreOrderID `gorm:"primaryKey"`
	State       string              `gorm:"primaryKey"`
	SubState    string              `gorm:"primaryKey"`
	BankOrderID string
	Meaning     domain.BankMeaning // "" of older rows
	At          Timestamp
	SeenAt      *Timestamp // when the order's state was asked after it came, or nobody has to ask
}

func (c Callback) words() string {
	return domain.BankState{State: c.State, SubState: c.SubState}.String()
}

// means is the meaning; that of the document for older rows.
func (c Callback) means() domain.BankMeaning {
	if c.Meaning != "" {
		return c.Meaning
	}
	return domain.BankWords{}.Means(domain.BankState{State: c.State, SubState: c.SubState})
}

// TableName is order_callbacks.
func (Callback) TableName() string { return "order_callbacks" }

// RecordCallback commits what the bank called back about an order of ours. fresh
// is false when the same news came before: it changes nothing.
//
// News of an order that has ended and that contradicts its end opens an incident in the
// same transaction: the incident needs a person, and no process has to be started for the
// news. Nor has one for an order whose number at the bank is not known: nobody could ask.
func (l *Ledger) RecordCallback(ctx context.Context, c Callback) (fresh bool, err error) {
	err = l.inTransaction(ctx, func(tx *gorm.DB) error {
		o, err := lockOrder(tx, c.OrderID)
		if err != nil {
			return err
		}
		kept := tx.Clauses(clause.OnConflict{DoNothing: true}).Create(&c)
		if fresh = kept.RowsAffected == 1; kept.Error != nil || !fresh {
			return kept.Error
		}
		row := journalRow{Process: c.OrderID.WorkflowID(), Phase: phaseEvent, Call: "callback", At: c.At, ResultMessage: c.words()}
		if err := tx.Create(&row).Error; err != nil || !o.State.Terminal() {
			return err
		}
		contradicts, err := weigh(tx, o, c)
		if err != nil || !contradicts && o.BankOrderID != "" {
			return err
		}
		return seen(tx, o.ID, c.At.Time)
	})
	if err != nil {
		return false, fmt.Errorf("record callback of %s: %w", c.OrderID.WorkflowID(), err)
	}
	return fresh, nil
}

// weigh opens an incident where a callback contradicts the end of an order whose row is locked.
func weigh(tx *gorm.DB, o InstalmentOrder, c Callback) (contradicts bool, err error) {
	what := "callback " + c.words()
	if c.BankOrderID != "" && c.BankOrderID != o.BankOrderID {
		what += " of the bank's order " + c.BankOrderID
	}
	return contradicted(tx, o, c.means(), what)
}

// contradicted opens an incident where what the bank says contradicts an order as it
// stood, locked; what names the answer or the callback.
func contradicted(tx *gorm.DB, o InstalmentOrder, says domain.BankMeaning, what string) (yes bool, err error) {
	known := domain.OrderKnown{State: o.State, Decision: o.Decision, Bank: o.BankMeaning, AtBank: o.BankOrderID != ""}
	why := known.Contradicts(says)
	if why == "" {
		return false, nil
	}
	if o.State.Terminal() {
		what += "; the order ended " + string(o.State)
	}
	if o.State == domain.OrderFailed {
		what += " (" + o.FailReason + ")"
	}
	if o.Decision != "" {
		what += "; the store decided " + string(o.Decision)
	}
	return true, raise(tx, orderSubject(o.ID), why, what)
}

// SettleCallbacks deals with the news of an order that has ended and whose number at the
// bank is not known, so that nobody can ask what became of it: what contradicts its end is
// an incident, and nobody has to be woken for the news any more.
func (l *Ledger) SettleCallbacks(ctx context.Context, id domain.StoreOrderID) error {
	err := l.inTransaction(ctx, func(tx *gorm.DB) error {
		o, err := lockOrder(tx, id)
		if err != nil || !o.State.Terminal() || o.BankOrderID != "" {
			return err
		}
		var unseen []Callback
		if err := tx.Where("order_id = ? AND seen_at IS NULL", id).Order("at").Find(&unseen).Error; err != nil {
			return err
		}
		for _, c := range unseen {
			if _, err := weigh(tx, o, c); err != nil {
				return err
			}
		}
		return seen(tx, id, time.Now())
	})
	if err != nil {
		return fmt.Errorf("settle callbacks of %s: %w", id.WorkflowID(), err)
	}
	return nil
}

// seen notes that an order's state was asked at the given instant.
func seen(tx *gorm.DB, id domain.StoreOrderID, asked time.Time) error {
	return tx.Model(&Callback{}).Where("order_id = ? AND seen_at IS NULL AND at <= ?", id, At(asked)).
		Update("seen_at", At(time.Now())).Error
}

// UnseenCallbacks reads up to limit orders with news, older than the instant, after
// which nobody asked for their state, with a number above after, by number.
func (l *Ledger) UnseenCallbacks(ctx context.Context, before time.Time, after domain.StoreOrderID, limit int) (ids []domain.StoreOrderID, err error) {
	err = l.db.WithContext(ctx).Model(&Callback{}).Distinct("order_id").
		Where("seen_at IS NULL AND at < ? AND order_id > ?", At(before), after).Order("order_id").Limit(limit).Pluck("order_id", &ids).Error
	if err != nil {
		return nil, fmt.Errorf("read orders with unseen callbacks: %w", err)
	}
	return ids, nil
}

// movedForward lists the meanings from which a settled order may come to m.
var movedForward = map[domain.BankMeaning][]domain.BankMeaning{
	domain.BankDone:     {"", domain.BankActive, domain.BankUnknown, domain.BankPending, domain.BankReady},
	domain.BankReturned: {"", domain.BankActive, domain.BankDone, domain.BankUnknown, domain.BankPending, domain.BankReady},
}

// MoveOrder commits what the bank told of an order after its end: done or returned
// in full. changed is false when it would take the order back, or says what is
// known. The order's own state stays: it has ended. What contradicts the end opens an
// incident.
func (l *Ledger) MoveOrder(ctx context.Context, r OrderRecord) (changed bool, err error) {
	err = l.inTransaction(ctx, func(tx *gorm.DB) error {
		if err := r.Outcome.journal(tx, r.Call, 0); err != nil {
			return err
		}
		if r.After.Bank == nil { // the bank told nothing: the news stays unseen
			return nil
		}
		o, err := lockOrder(tx, r.ID)
		if err != nil {
			return err
		}
		if err := seen(tx, r.ID, r.Call.At); err != nil {
			return err
		}
		if o.State.Terminal() {
			if _, err := contradicted(tx, o, r.After.Bank.Meaning, r.Call.Name+" answered "+r.After.Bank.String()); err != nil {
				return err
			}
		}
		from, forward := movedForward[r.After.Bank.Meaning]
		if !forward {
			return nil
		}
		columns := OrderAfter{Bank: r.After.Bank}.columns(time.Now())
		columns["updated_at"] = At(time.Now())
		moved := tx.Model(&InstalmentOrder{}).
			Where("id = ? AND state = ? AND bank_meaning IN ?", r.ID, domain.OrderPaidOut, from).Updates(columns)
		changed = moved.RowsAffected == 1
		return moved.Error
	})
	if err != nil {
		return false, fmt.Errorf("move %s: %w", r.ID.WorkflowID(), err)
	}
	return changed, nil
}
