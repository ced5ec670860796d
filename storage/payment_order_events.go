package storage

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gorm.io/gorm"

	"tolem/domain"
)

// PaymentOrderEvent is one status of a payment order, as it came or as we gave it. From the
// moment that it has a Seq it never changes but for what became of it at the broker.
type PaymentOrderEvent struct {
	ID            int64 `gorm:"primaryKey"`
	Contract      domain.ContractNumber
	OrderID       int64
	Caller        string // the token's name
	EventKey      string // the caller's name of the event; kept for ever
	RequestSHA256 string `gorm:"column:request_sha256"`
	Status        domain.PaymentOrderStatus
	Verdict       domain.StatusVerdict // taken or repeated
	StateAfter    domain.PaymentOrderState
	EventAt       Timestamp
	PaidIncrement domain.Money
	RefuseRef     domain.Reference
	BIC           string `gorm:"column:bic"`
	ReceivedAt    Timestamp
	Traceparent   string // of what brought it, for its message; "" when nobody traced that

	Seq     *int64       // gap-free of the contract; nil: repeated, or it waits for the request to be sent
	Debt    domain.Money // these three as they are told
	Amount  domain.Money
	Paid    domain.Money
	Message []byte // the exact bytes; nil before its first attempt
	Topic   string
	// TopicPartition and TopicOffset say where the broker keeps it, once ToldAt is set.
	TopicPartition int
	TopicOffset    int64
	ToldAt         *Timestamp // when the broker had acknowledged it
}

// Errors of reported statuses that callers tell apart with errors.Is.
var (
	ErrStatusRefused = errors.New("the payment order takes no such status where it stands")
	ErrOverpaid      = errors.New("the executions would exceed the amount of the payment order")
)

// ReportedStatus is one status that somebody reports.
type ReportedStatus struct {
	OrderID       int64
	Contract      domain.ContractNumber
	Caller        string
	Key           string
	RequestSHA256 string
	Status        domain.PaymentOrderStatus
	EventAt       time.Time
	PaidIncrement domain.Money // of StatusExecuted, above 0; else 0
	RefuseRef     domain.Reference
	BIC           string
	At            time.Time
	Encode        Encoder // what the status is published with; nil checks nothing
}

// ReportStatus commits a status, and with it the state that the payment order is in then.
// It returns the event and the order as they stand.
//
// The same order, caller, key and request again are what is there, with created false;
// another request under that key is ErrKeyReused. A status that leads nowhere the order may
// go is ErrStatusRefused, an execution past the amount ErrOverpaid; both come with the order.
// One that no message could carry is an UnencodableError.
// One that the order reached before is stored, and told to nobody. While the request is not
// sent an event has no seq: it gets one after the request's.
func (l *Ledger) ReportStatus(ctx context.Context, r ReportedStatus) (event PaymentOrderEvent, order PaymentOrder, created bool, err error) {
	err = l.inTransaction(ctx, func(tx *gorm.DB) error {
		created = false
		lastSeq, err := lockContract(tx, r.Contract)
		if err != nil {
			return err
		}
		if order, err = one[PaymentOrder](tx.Where("id = ?", r.OrderID), r.Contract.WorkflowID()); err != nil {
			return err
		}
		before := tx.Where("order_id = ? AND caller = ? AND event_key = ?", r.OrderID, r.Caller, r.Key)
		switch event, err = one[PaymentOrderEvent](before, "event"); {
		case err == nil && event.RequestSHA256 != r.RequestSHA256:
			return ErrKeyReused
		case err == nil:
			return nil
		case !errors.Is(err, ErrNotFound):
			return err
		}
		created = true
		event, order, err = r.take(tx, order, lastSeq)
		return err
	})
	switch {
	case errors.Is(err, ErrStatusRefused), errors.Is(err, ErrOverpaid), errors.Is(err, ErrKeyReused):
		return event, order, false, err
	case err != nil:
		return event, order, false, fmt.Errorf("report a status of %s: %w", r.Contract.WorkflowID(), err)
	}
	return event, order, created, nil
}

// take stores one new event.
func (r ReportedStatus) take(tx *gorm.DB, order PaymentOrder, lastSeq int64) (event PaymentOrderEvent, now PaymentOrder, err error) {
	amount := order.Amount
	if amount == 0 { // not sent yet: an execution fixes it
		amount = order.Debt
	}
	paid, fits := order.Paid.Add(r.PaidIncrement)
	since, also := order.PaidSince.Add(r.PaidIncrement)
	after, verdict := order.Reached.After(r.Status, paid == amount)
	switch {
	case verdict == domain.StatusRefused:
		return event, order, ErrStatusRefused
	case !fits || !also || paid > amount:
		return event, order, ErrOverpaid
	}
	event = PaymentOrderEvent{
		Contract: order.Contract, OrderID: order.ID, Caller: r.Caller, EventKey: r.Key, RequestSHA256: r.RequestSHA256,
		Status: r.Status, Verdict: verdict, StateAfter: after, EventAt: At(r.EventAt), PaidIncrement: r.PaidIncrement,
		RefuseRef: r.RefuseRef, BIC: r.BIC, ReceivedAt: At(r.At), Paid: paid, Traceparent: traceparent(tx),
	}
	if verdict == domain.StatusRepeated {
		return event, order, tx.Create(&event).Error
	}
	columns := map[string]any{"reached": after, "paid": paid, "paid_since": since}
	if r.PaidIncrement > 0 {
		columns["amount"] = amount
	}
	order.Reached, order.Paid, order.PaidSince, order.Amount = after, paid, since, amount
	if err := r.Encode.carries(event, order); err != nil {
		return event, order, err
	}
	if order.SentAt != nil {
		columns["state"] = after
		if err := number(tx, order.Contract, lastSeq+1, &event, order); err != nil {
			return event, order, err
		}
	}
	if err := tx.Create(&event).Error; err != nil {
		return event, order, err
	}
	changed, err := writePaymentOrder(tx, order.ID, columns)
	switch {
	case err != nil:
		return event, order, err
	case !changed && !order.State.Terminal(): // locked, so nobody else can have moved it
		return event, order, fmt.Errorf("%s did not take its state", order.Contract.WorkflowID())
	}
	now, err = one[PaymentOrder](tx.Where("id = ?", order.ID), order.Contract.WorkflowID())
	return event, now, err
}

// number gives an event the contract's next seq and the sums that it tells.
func number(tx *gorm.DB, contract domain.ContractNumber, seq int64, event *PaymentOrderEvent, order PaymentOrder) error {
	event.Seq, event.Debt, event.Amount, event.Paid = &seq, order.DebtNow(), order.Amount, order.Paid
	return tx.Exec("UPDATE collection_contracts SET last_seq = ? WHERE contract = ?", seq, contract).Error
}

// ErrDossier says that a dossier is not complete.
var ErrDossier = errors.New("the dossier is not complete")

// SendRequest commits "request was sent", once the dossier is complete, and gives it and the
// statuses that came before it their seqs, in the order of their arrival. sent is false, and
// nothing changes, when it was sent before, or when the order is held or has ended.
func (l *Ledger) SendRequest(ctx context.Context, contract domain.ContractNumber, order int64, at time.Time) (sent bool, err error) {
	err = l.inTransaction(ctx, func(tx *gorm.DB) error {
		sent = false
		seq, err := lockContract(tx, contract)
		if err != nil {
			return err
		}
		o, err := one[PaymentOrder](tx.Where("id = ?", order), contract.WorkflowID())
		if err != nil || o.SentAt != nil || o.Held || o.State.Terminal() {
			return err
		}
		if err := complete(tx, order); err != nil {
			return err
		}
		sent = true
		return send(tx, o, seq, at)
	})
	if err != nil {
		return false, fmt.Errorf("send the request of %s: %w", contract.WorkflowID(), err)
	}
	return sent, nil
}

func complete(tx *gorm.DB, order int64) error {
	parts, err := readDossier(tx, order)
	if err != nil {
		return err
	}
	for _, p := range parts {
		if p.State != domain.PartGot {
			return fmt.Errorf("%w: %s is %s", ErrDossier, p.Part, p.State)
		}
	}
	return nil
}

// requestSentKey is the event key of StatusRequestSent; its caller is "", as no token's is.
const requestSentKey = "request was sent"

func send(tx *gorm.DB, o PaymentOrder, seq int64, at time.Time) error {
	var waiting []PaymentOrderEvent
	if err := tx.Where("order_id = ? AND verdict = ? AND seq IS NULL", o.ID, domain.StatusTaken).Order("id").Find(&waiting).Error; err != nil {
		return err
	}
	paid, since := o.Paid, o.PaidSince
	if o.Amount == 0 {
		o.Amount = o.Debt
	}
	// What was executed before it is told after it: the request knows of nothing paid.
	for _, e := range waiting {
		o.Paid, o.PaidSince = o.Paid-e.PaidIncrement, max(0, o.PaidSince-e.PaidIncrement)
	}
	first := PaymentOrderEvent{
		Contract: o.Contract, OrderID: o.ID, EventKey: requestSentKey, Status: domain.StatusRequestSent, Verdict: domain.StatusTaken,
		StateAfter: domain.PaymentOrderSent, EventAt: At(at), ReceivedAt: At(at), Traceparent: traceparent(tx),
	}
	if err := number(tx, o.Contract, seq+1, &first, o); err != nil {
		return err
	}
	if err := tx.Create(&first).Error; err != nil {
		return err
	}
	for i := range waiting {
		e := &waiting[i]
		o.Paid, o.PaidSince = o.Paid+e.PaidIncrement, o.PaidSince+e.PaidIncrement
		if err := number(tx, o.Contract, seq+2+int64(i), e, o); err != nil {
			return err
		}
		told := tx.Model(e).Where("seq IS NULL").Updates(map[string]any{"seq": e.Seq, "debt": e.Debt, "amount": e.Amount, "paid": e.Paid})
		if told.Error != nil {
			return told.Error
		}
	}
	state := o.Reached
	if state == domain.PaymentOrderGathering {
		state = domain.PaymentOrderSent
	}
	_, err := writePaymentOrder(tx, o.ID, map[string]any{
		"state": state, "reached": state, "amount": o.Amount, "paid": paid, "paid_since": since, "sent_at": At(at),
		"next_attempt_at": nil,
	})
	if err != nil || !o.NeedsOperator {
		return err
	}
	return settle(tx, contractSubject(o.Contract), domain.OperatorReason.EndsWithProcess)
}
