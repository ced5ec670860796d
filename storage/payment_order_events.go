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
	// TopicPartition and TopicOffset say where the broker keeps it, once ToldAt is set. Topic and
	// TopicPartition alone are where it goes, from PlacedAt on.
	PlacedAt       *Timestamp
	TopicPartition int
	TopicOffset    int64
	ToldAt         *Timestamp // when the broker had acknowledged it

	AsideAction *int64 // of the first person who proposed to set it aside
	AsideCaller string // that person
	AsideUntil  *Timestamp
	AbsentAt    *Timestamp // when the topic, read to its end, did not hold it; no attempt was made since
	SetAsideAt  *Timestamp // two people did: it is never published
	// SkippedSeqs are those set aside before it, as its header names them; fixed with Message.
	SkippedSeqs string
}

// unsent is the condition of an event that Loxon is still to be notified of.
const unsent = "seq IS NOT NULL AND told_at IS NULL AND set_aside_at IS NULL"

// Errors of reported statuses that callers tell apart with errors.Is.
var (
	ErrNoReference   = errors.New("reference is that of no payment order of this contract")
	ErrStatusRefused = errors.New("the payment order takes no such status where it stands")
	ErrOverpaid      = errors.New("the executions would exceed the amount of the payment order")
)

// ReportedStatus is one status that somebody reports.
type ReportedStatus struct {
	Contract domain.ContractNumber
	// Reference (PTP…) names the payment order; "" is the contract's last one at the time that
	// the event comes first.
	Reference     domain.Reference
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

// StatusCodeKey is the event key of a code of K2's status service: each payment order is told
// each code once. No header can have it, for it has spaces.
func StatusCodeKey(code domain.BankStatusCode, order domain.Reference) string {
	return "status_code " + string(code) + " " + string(order)
}

// ReportStatus commits a status, and with it the state that the payment order is in then.
// It returns the event and its payment order as the ledger has them.
//
// The same contract, caller, key and request again are what is there, with created false,
// whichever payment order is the last one by then; another request under that key is
// ErrKeyReused. A reference of another contract, or of none, is ErrNoReference. A status that
// leads nowhere the order may go is ErrStatusRefused, an execution past the amount
// ErrOverpaid; both come with the order. One that no message could carry is an
// UnencodableError. A status that the order reached before is stored,
// and not published. While the request is not sent an event has no seq: it gets one after the
// request's. An execution of a closed payment order is published all the same, and is an
// incident.
func (l *Ledger) ReportStatus(ctx context.Context, r ReportedStatus) (event PaymentOrderEvent, order PaymentOrder, created bool, err error) {
	err = l.inTransaction(ctx, func(tx *gorm.DB) error {
		created = false
		lastSeq, err := lockContract(tx, r.Contract)
		if err != nil {
			return err
		}
		switch event, order, err = r.before(tx); {
		case err == nil && event.RequestSHA256 != r.RequestSHA256:
			return ErrKeyReused
		case err == nil:
			return nil
		case !errors.Is(err, ErrNotFound):
			return err
		}
		if order, err = orderOfReference(tx, r.Contract, r.Reference); err != nil {
			return err
		}
		created = true
		event, order, err = r.take(tx, order, lastSeq)
		return err
	})
	switch {
	case errors.Is(err, ErrStatusRefused), errors.Is(err, ErrOverpaid), errors.Is(err, ErrKeyReused), errors.Is(err, ErrNoReference):
		return event, order, false, err
	case err != nil:
		return event, order, false, fmt.Errorf("report a status of %s: %w", r.Contract.WorkflowID(), err)
	}
	return event, order, created, nil
}

// before finds the event of the report's key, with its payment order; ErrNotFound without one.
func (r ReportedStatus) before(tx *gorm.DB) (event PaymentOrderEvent, order PaymentOrder, err error) {
	key, err := asStored(tx.Where("contract = ?", r.Contract), "payment_order_events", "event_key", r.Caller, r.Key)
	if err != nil {
		return event, order, err
	}
	event, err = one[PaymentOrderEvent](tx.Where("contract = ? AND caller = ? AND event_key = ?", r.Contract, r.Caller, key), "event")
	if err != nil {
		return event, order, err
	}
	order, err = one[PaymentOrder](tx.Where("id = ?", event.OrderID), r.Contract.WorkflowID())
	return event, order, err
}

// orderOfReference is the contract's payment order of a reference, or the last one for "".
func orderOfReference(tx *gorm.DB, contract domain.ContractNumber, ref domain.Reference) (PaymentOrder, error) {
	if ref == "" {
		return latestOrder(tx, contract)
	}
	order, err := one[PaymentOrder](tx.Where("contract = ? AND order_ref = ?", contract, ref), contract.WorkflowID())
	if errors.Is(err, ErrNotFound) {
		err = ErrNoReference
	}
	return order, err
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
	order.Reached, order.Paid, order.PaidSince, order.Amount = after, paid, since, amount
	if err := r.Encode.carries(event, order); err != nil {
		return event, order, err
	}
	if order.SentAt != nil || order.State == domain.PaymentOrderClosed { // closed, the request is never sent
		if err := number(tx, order.Contract, lastSeq+1, &event, order); err != nil {
			return event, order, err
		}
	}
	if err := tx.Create(&event).Error; err != nil {
		return event, order, err
	}
	if err := r.book(tx, order, event); err != nil {
		return event, order, err
	}
	now, err = one[PaymentOrder](tx.Where("id = ?", order.ID), order.Contract.WorkflowID())
	return event, now, err
}

// book writes into the payment order's row where an event took it.
func (r ReportedStatus) book(tx *gorm.DB, order PaymentOrder, event PaymentOrderEvent) error {
	sums := map[string]any{"paid": order.Paid, "paid_since": order.PaidSince}
	if r.PaidIncrement > 0 {
		sums["amount"] = order.Amount
	}
	switch {
	case order.State == domain.PaymentOrderClosed:
		return bookOnClosed(tx, order, event.ID, sums)
	case order.State.Terminal(): // that it is the end: nothing changes
		return nil
	}
	sums["reached"] = order.Reached
	if order.SentAt != nil {
		sums["state"] = order.Reached
	}
	changed, err := writePaymentOrder(tx, order.ID, sums)
	if err == nil && !changed { // locked, so nobody else can have moved it
		err = fmt.Errorf("%s did not take its state", order.Contract.WorkflowID())
	}
	return err
}

// bookOnClosed adds an execution to a payment order that two operators had closed: the
// client's bank moved money all the same, so Loxon is notified, and a person has to look. The
// order stays closed.
func bookOnClosed(tx *gorm.DB, order PaymentOrder, event int64, sums map[string]any) error {
	sums["updated_at"] = At(time.Now())
	booked := tx.Model(&PaymentOrder{}).Where("id = ? AND state = ?", order.ID, domain.PaymentOrderClosed).Updates(sums)
	if booked.Error != nil {
		return booked.Error
	}
	return raise(tx, contractSubject(order.Contract), domain.ReasonExecutedAfterClose, fmt.Sprintf("%s: event %d", order.OrderRef, event))
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

// requestSentKey is the event key of StatusRequestSent, once for each payment order; its
// caller is "", as no token's is.
func requestSentKey(o PaymentOrder) string { return "request was sent " + string(o.OrderRef) }

func send(tx *gorm.DB, o PaymentOrder, seq int64, at time.Time) error {
	waiting, err := waitingEvents(tx, o)
	if err != nil {
		return err
	}
	if o.Amount == 0 {
		o.Amount = o.Debt
	}
	first := PaymentOrderEvent{
		Contract: o.Contract, OrderID: o.ID, EventKey: requestSentKey(o), Status: domain.StatusRequestSent, Verdict: domain.StatusTaken,
		StateAfter: domain.PaymentOrderSent, EventAt: At(at), ReceivedAt: At(at), Traceparent: traceparent(tx),
	}
	// What was executed before it is published after it: the request knows of nothing paid.
	if err := number(tx, o.Contract, seq+1, &first, o.when(waiting, 0)); err != nil {
		return err
	}
	if err := tx.Create(&first).Error; err != nil {
		return err
	}
	if err := numberWaiting(tx, o, waiting, seq+2); err != nil {
		return err
	}
	state := o.Reached
	if state == domain.PaymentOrderGathering {
		state = domain.PaymentOrderSent
	}
	_, err = writePaymentOrder(tx, o.ID, map[string]any{
		"state": state, "reached": state, "amount": o.Amount, "sent_at": At(at), "next_attempt_at": nil,
	})
	if err != nil || !o.NeedsOperator {
		return err
	}
	return settle(tx, contractSubject(o.Contract), domain.OperatorReason.EndsWithProcess)
}

// waitingEvents are those that wait for the request to be sent, in the order of arrival.
func waitingEvents(tx *gorm.DB, o PaymentOrder) (waiting []PaymentOrderEvent, err error) {
	err = tx.Where("order_id = ? AND verdict = ? AND seq IS NULL", o.ID, domain.StatusTaken).Order("id").Find(&waiting).Error
	return waiting, err
}

// when is the payment order as it was after the first n of its waiting events, which are all
// that came: what was executed before the latest report is part of that report's debt.
func (o PaymentOrder) when(waiting []PaymentOrderEvent, n int) PaymentOrder {
	reported := o.Paid - o.PaidSince
	for _, e := range waiting[n:] {
		o.Paid -= e.PaidIncrement
	}
	o.PaidSince = max(0, o.Paid-reported)
	return o
}

// numberWaiting gives waiting events their seqs, from the given one.
func numberWaiting(tx *gorm.DB, o PaymentOrder, waiting []PaymentOrderEvent, seq int64) error {
	for i := range waiting {
		e := &waiting[i]
		if err := number(tx, o.Contract, seq+int64(i), e, o.when(waiting, i+1)); err != nil {
			return err
		}
		told := tx.Model(e).Where("seq IS NULL").Updates(map[string]any{"seq": e.Seq, "debt": e.Debt, "amount": e.Amount, "paid": e.Paid})
		if told.Error != nil {
			return told.Error
		}
	}
	return nil
}
