package storage

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gorm.io/gorm"

	"tolem/domain"
)

// Told is one attempt to tell Loxon of an event, begun.
type Told struct {
	// OK is false when there is nothing to publish now: everything was, a person holds the
	// payment order, or a second person is to say whether the oldest event is set aside.
	OK bool
	// Rejected says why no message can carry the oldest event: nothing was sent, and a person
	// is asked to look. "" when there is a message.
	Rejected string
	Event    PaymentOrderEvent
	Started  int64 // journal id
	Attempt  int
}

// BeginTelling takes the contract's oldest untold event, so that none is skipped, and
// commits the started row of an attempt to tell it, before its first byte. The first attempt
// fixes the bytes: encode makes them of the event and its order, and later attempts find
// them. An event that encode cannot write was taken in by an older version: it is Rejected,
// with an incident, and is retried, since a later version may write it.
func (l *Ledger) BeginTelling(ctx context.Context, contract domain.ContractNumber, c Call, encode Encoder) (told Told, err error) {
	err = l.inTransaction(ctx, func(tx *gorm.DB) error {
		told = Told{}
		if _, err := lockContract(tx, contract); err != nil {
			return err
		}
		last, err := latestOrder(tx, contract)
		if err != nil || last.Held && !last.State.Terminal() {
			return err
		}
		e, err := one[PaymentOrderEvent](tx.Where("contract = ? AND "+unsent, contract).Order("seq"), "unsent event")
		if errors.Is(err, ErrNotFound) {
			return nil
		}
		if err != nil || e.asideOpen(time.Now()) {
			return err
		}
		if e.Message == nil {
			order, err := one[PaymentOrder](tx.Where("id = ?", e.OrderID), contract.WorkflowID())
			if err != nil {
				return err
			}
			if e.Message, err = encode(e, order); err != nil {
				told = Told{Rejected: err.Error(), Event: e}
				return raise(tx, contractSubject(contract), domain.ReasonEventRejected, fmt.Sprintf("event-seq %d: %s", *e.Seq, told.Rejected))
			}
			if e.SkippedSeqs, err = skippedBefore(tx, e); err != nil {
				return err
			}
			fixed := map[string]any{"message": e.Message, "skipped_seqs": e.SkippedSeqs}
			if err := tx.Model(&e).Where("message IS NULL").Updates(fixed).Error; err != nil {
				return err
			}
		}
		if e.AbsentAt != nil { // the topic may hold it from now on
			if err := tx.Model(&e).Update("absent_at", nil).Error; err != nil {
				return err
			}
		}
		c.Body, c.EventID = e.Message, e.ID
		attempt, _, err := countAttempt(tx, e.OrderID)
		if err != nil {
			return err
		}
		started, _, err := begin(tx, c, attempt)
		told = Told{OK: true, Event: e, Started: started, Attempt: attempt}
		return err
	})
	if err != nil {
		return Told{}, fmt.Errorf("begin telling of %s: %w", contract.WorkflowID(), err)
	}
	return told, nil
}

// countAttempt counts one more call for a payment order, whatever its state, and reads whom
// it collects from.
func countAttempt(tx *gorm.DB, order int64) (attempt int, account domain.LoanAccount, err error) {
	var o PaymentOrder
	err = tx.Raw("UPDATE payment_orders SET attempts = attempts + 1 WHERE id = ? RETURNING attempts, iban, iinbin, currency", order).Scan(&o).Error
	return o.Attempts, o.Account(), err
}

// Place is where a broker keeps an event.
type Place struct {
	Topic     string
	Partition int
	Offset    int64
}

// Telling is how an attempt to tell an event ended.
type Telling struct {
	Contract domain.ContractNumber
	Told     Told
	Call     Call
	Outcome  Outcome
	Place    *Place                // nil: nobody knows whether the broker has it
	Reason   domain.OperatorReason // "" when it goes on by itself
}

// settleTold closes what an event that the broker took settles, if the contract needs a
// person at all.
func settleTold(tx *gorm.DB, contract domain.ContractNumber) error {
	last, err := latestOrder(tx, contract)
	if err != nil || !last.NeedsOperator {
		return err
	}
	return settle(tx, contractSubject(contract), reasons(domain.ReasonEventRejected, domain.ReasonEventLate, domain.ReasonTopicChanged))
}

// RecordTelling commits how an attempt ended. An event is told once: what comes later
// changes nothing but the journal.
func (l *Ledger) RecordTelling(ctx context.Context, t Telling) error {
	err := l.inTransaction(ctx, func(tx *gorm.DB) error {
		if _, err := lockContract(tx, t.Contract); err != nil {
			return err
		}
		if err := t.Outcome.journal(tx, t.Call, t.Told.Started); err != nil {
			return err
		}
		if t.Reason != "" {
			if err := raise(tx, contractSubject(t.Contract), t.Reason, fmt.Sprintf("event-seq %d: %s", *t.Told.Event.Seq, t.Outcome.Failure)); err != nil {
				return err
			}
		}
		if t.Place == nil {
			return nil
		}
		return published(tx, t.Told.Event, *t.Place, At(t.Call.At.Add(t.Outcome.Duration)))
	})
	if err != nil {
		return fmt.Errorf("record telling of %s: %w", t.Contract.WorkflowID(), err)
	}
	return nil
}

// UnsentEvents counts a contract's events that Loxon is still to be notified of.
func (l *Ledger) UnsentEvents(ctx context.Context, contract domain.ContractNumber) (n int64, err error) {
	if err = l.db.WithContext(ctx).Model(&PaymentOrderEvent{}).Where("contract = ? AND "+unsent, contract).Count(&n).Error; err != nil {
		return 0, fmt.Errorf("count the unsent events of %s: %w", contract.WorkflowID(), err)
	}
	return n, nil
}

// PaymentOrderEvent reads one event of a contract; ErrNoEvent when it has no such event.
func (l *Ledger) PaymentOrderEvent(ctx context.Context, contract domain.ContractNumber, id int64) (PaymentOrderEvent, error) {
	e, err := contractEvent(l.db.WithContext(ctx), contract, id)
	if err != nil {
		return e, fmt.Errorf("read event %d of %s: %w", id, contract.WorkflowID(), err)
	}
	return e, nil
}

// PaymentOrderEvents reads a contract's events in the order of their arrival, at most limit
// with an ID above after.
func (l *Ledger) PaymentOrderEvents(ctx context.Context, contract domain.ContractNumber, after int64, limit int) (events []PaymentOrderEvent, err error) {
	err = l.db.WithContext(ctx).Where("contract = ? AND id > ?", contract, after).Order("id").Limit(limit).Find(&events).Error
	if err != nil {
		return nil, fmt.Errorf("read events of %s: %w", contract.WorkflowID(), err)
	}
	return events, nil
}
