package storage

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"tolem/domain"
)

// subject is the process that an incident is about. It may have no row in this ledger.
type subject struct {
	process domain.Process
	id      string // agentTransactionId, store_order_id or contract number
	part    string // store_return_id; "" for others
}

func paymentSubject(id domain.AgentTransactionID) subject {
	return subject{process: domain.ProcessPayment, id: id.String()}
}

func orderSubject(id domain.StoreOrderID) subject {
	return subject{process: domain.ProcessOrder, id: string(id)}
}

func returnSubject(order domain.StoreOrderID, id domain.StoreReturnID) subject {
	return subject{process: domain.ProcessReturn, id: string(order), part: string(id)}
}

func contractSubject(contract domain.ContractNumber) subject {
	return subject{process: domain.ProcessPaymentOrder, id: string(contract)}
}

// rows queries the subject's row; of a contract that of its last payment order.
func (s subject) rows(tx *gorm.DB) *gorm.DB {
	switch s.process {
	case domain.ProcessOrder:
		return tx.Model(&InstalmentOrder{}).Where("id = ?", s.id)
	case domain.ProcessReturn:
		return tx.Model(&OrderReturn{}).Where("order_id = ? AND id = ?", s.id, s.part)
	case domain.ProcessPaymentOrder:
		return tx.Model(&PaymentOrder{}).Where("id = (SELECT max(id) FROM payment_orders WHERE contract = ?)", s.id)
	}
	id, err := domain.ParseAgentTransactionID(s.id)
	if err != nil {
		id = 0 // no payment has it
	}
	return tx.Model(&Payment{}).Where("id = ?", id)
}

// flagged queries the rows that say needs_operator for the subject: its row, and of a
// contract also earlier payment orders, which were the last one when they were flagged.
func (s subject) flagged(tx *gorm.DB) *gorm.DB {
	if s.process == domain.ProcessPaymentOrder {
		return tx.Model(&PaymentOrder{}).Where("contract = ? AND needs_operator", s.id)
	}
	return s.rows(tx)
}

// lock locks the process to the end of the transaction, before its incidents: whoever changes a
// process locks it first and raises afterwards, so whoever begins with an incident would wait
// for a process that waits for the incident. One without a row here is not locked.
func (s subject) lock(tx *gorm.DB) error {
	if s.process == domain.ProcessPaymentOrder {
		if _, err := lockContract(tx, domain.ContractNumber(s.id)); !errors.Is(err, ErrNotFound) {
			return err
		}
		return nil
	}
	return s.rows(tx).UpdateColumn("needs_operator", gorm.Expr("needs_operator")).Error
}

// of queries the rows of an incidents' table that are about the subject.
func (s subject) of(tx *gorm.DB) *gorm.DB {
	return tx.Where("process = ? AND subject = ? AND part = ?", s.process, s.id, s.part)
}

// OpenIncident is what needs a person now.
type OpenIncident struct {
	ID           int64 `gorm:"primaryKey"`
	Process      domain.Process
	Subject      string // agentTransactionId, store_order_id or contract number
	Part         string // store_return_id; "" for others
	Reason       domain.OperatorReason
	Facts        int  // how many were learned, the one that opened it included
	Acknowledged bool // by a person, since the last fact
	OpenedAt     Timestamp
	ChangedAt    Timestamp
}

// WorkflowID is the name of the process in Temporal, logs and spans.
func (o OpenIncident) WorkflowID() string {
	switch o.Process {
	case domain.ProcessOrder:
		return domain.StoreOrderID(o.Subject).WorkflowID()
	case domain.ProcessReturn:
		return domain.StoreOrderID(o.Subject).ReturnWorkflowID(domain.StoreReturnID(o.Part))
	case domain.ProcessPaymentOrder:
		return domain.ContractNumber(o.Subject).WorkflowID()
	}
	return "payment/" + o.Subject
}

// TableName is open_incidents.
func (OpenIncident) TableName() string { return "open_incidents" }

// IncidentEntry is one thing that happened to an incident. Rows are inserted, never changed.
type IncidentEntry struct {
	ID                int64 `gorm:"primaryKey"`
	Incident          int64
	Process           domain.Process
	Subject           string
	Part              string
	Reason            domain.OperatorReason
	Entry             domain.IncidentEntry
	Evidence          string // codes, states and ids; nothing personal
	Caller            string // the token's name; "" is Tolem itself
	Why               string // free text of a person
	Money             domain.MoneyWhere
	TransactionNumber string // the partner's, of money that moved
	ActionID          *int64 // the action that a person asked for
	At                Timestamp
}

// TableName is incident_entries.
func (IncidentEntry) TableName() string { return "incident_entries" }

// entry is a new entry of the incident.
func (o OpenIncident) entry(what domain.IncidentEntry) IncidentEntry {
	return IncidentEntry{Incident: o.ID, Process: o.Process, Subject: o.Subject, Part: o.Part, Reason: o.Reason, Entry: what, At: At(time.Now())}
}

// raise has a person look at a process, in the transaction that learns why, whatever
// state the process is in: it opens an incident, or adds the fact to the one that is open
// for this reason. The process's row says needs_operator from then on. A fact equal to the
// last one adds nothing; any other clears the acknowledgement and the proposal to close.
//
// Of two transactions at once the second waits for the first at the unique key, and adds
// its fact to the incident that it finds then.
func raise(tx *gorm.DB, s subject, why domain.OperatorReason, evidence string) error {
	if err := s.lock(tx); err != nil {
		return fmt.Errorf("lock a process to raise %s: %w", why, err)
	}
	now := At(time.Now())
	o := OpenIncident{Process: s.process, Subject: s.id, Part: s.part, Reason: why, Facts: 1, OpenedAt: now, ChangedAt: now}
	opened := tx.Clauses(clause.OnConflict{DoNothing: true}).Create(&o)
	if opened.Error != nil {
		return fmt.Errorf("open an incident: %w", opened.Error)
	}
	e := o.entry(domain.IncidentOpened)
	if opened.RowsAffected == 1 {
		noted := newsOf(tx)
		noted.incidents = append(noted.incidents, o)
	} else {
		fresh := false
		var err error
		if o, fresh, err = addFact(tx, s, why, evidence); err != nil || !fresh {
			return err
		}
		e = o.entry(domain.IncidentFact)
	}
	e.Evidence = evidence
	if err := tx.Create(&e).Error; err != nil {
		return fmt.Errorf("write an incident's entry: %w", err)
	}
	return flagRow(tx, s, why)
}

// addFact counts a fact in the open incident, unless it is the last one's.
func addFact(tx *gorm.DB, s subject, why domain.OperatorReason, evidence string) (o OpenIncident, fresh bool, err error) {
	if o, err = lockIncident(s.of(tx).Where("reason = ?", why)); err != nil {
		return o, false, err
	}
	last, err := one[IncidentEntry](tx.Where("incident = ? AND entry IN ?", o.ID, []domain.IncidentEntry{domain.IncidentOpened, domain.IncidentFact}).
		Order("id DESC"), "last fact of an incident")
	if err != nil || last.Evidence == evidence {
		return o, false, err
	}
	err = tx.Model(&OpenIncident{}).Where("id = ?", o.ID).
		Updates(map[string]any{"facts": gorm.Expr("facts + 1"), "acknowledged": false, "changed_at": At(time.Now())}).Error
	return o, true, err
}

// lockIncident locks an open incident to the end of the transaction and reads it;
// ErrNotFound when it is not open.
func lockIncident(which *gorm.DB) (o OpenIncident, err error) {
	locked := which.Session(&gorm.Session{}).Model(&OpenIncident{}).UpdateColumn("facts", gorm.Expr("facts"))
	if locked.Error != nil {
		return o, locked.Error
	}
	return one[OpenIncident](which.Session(&gorm.Session{}), "open incident")
}

// flagRow says in the process's row that it needs a person, and why. A process without a
// row here has its incident alone.
func flagRow(tx *gorm.DB, s subject, why domain.OperatorReason) error {
	return s.rows(tx).UpdateColumns(map[string]any{"needs_operator": true, "operator_reason": why, "updated_at": At(time.Now())}).Error
}

// flagNewOrders flags the payment orders that just began of contracts with open incidents:
// the last payment order of a contract is the one that people look at.
func flagNewOrders(tx *gorm.DB, contracts []domain.ContractNumber) error {
	var open []OpenIncident
	if err := tx.Where("process = ? AND subject IN ?", domain.ProcessPaymentOrder, contracts).Order("id").Find(&open).Error; err != nil {
		return fmt.Errorf("read the open incidents of contracts: %w", err)
	}
	for _, o := range open {
		if err := flagRow(tx, contractSubject(domain.ContractNumber(o.Subject)), o.Reason); err != nil {
			return err
		}
	}
	return nil
}

// settle closes the open incidents of a process that a rule picks, because the process
// moved on, and brings its row's flag in line with what stays open. Lasting incidents stay
// whatever the rule says: only a person closes them.
func settle(tx *gorm.DB, s subject, picks func(domain.OperatorReason) bool) error {
	var open []OpenIncident
	if err := s.of(tx).Order("id").Find(&open).Error; err != nil {
		return fmt.Errorf("read the open incidents of a process: %w", err)
	}
	var left domain.OperatorReason
	for _, o := range open {
		if o.Reason.Lasting() || !picks(o.Reason) {
			left = o.Reason
			continue
		}
		e := o.entry(domain.IncidentClosed)
		e.Why = "the process moved on"
		if err := closeIncident(tx, o, e); err != nil {
			return err
		}
	}
	return reflag(tx, s, left)
}

// closeIncident takes an incident from the open ones, with the entry that says why.
func closeIncident(tx *gorm.DB, o OpenIncident, e IncidentEntry) error {
	gone := tx.Where("id = ?", o.ID).Delete(&OpenIncident{})
	if gone.Error != nil || gone.RowsAffected == 0 { // another transaction closed it just now
		return gone.Error
	}
	return tx.Create(&e).Error
}

// reflag writes into a process's row whether it still needs a person: left is the reason
// of an incident that is open, "" when none is.
func reflag(tx *gorm.DB, s subject, left domain.OperatorReason) error {
	if left != "" {
		return flagRow(tx, s, left)
	}
	return s.flagged(tx).UpdateColumns(map[string]any{"needs_operator": false, "updated_at": At(time.Now())}).Error
}

// reasons picks incidents of these reasons.
func reasons(these ...domain.OperatorReason) func(domain.OperatorReason) bool {
	return func(r domain.OperatorReason) bool { return slices.Contains(these, r) }
}

// RaisePayment has a person look at a payment, as Raise does.
func (l *Ledger) RaisePayment(ctx context.Context, id domain.AgentTransactionID, why domain.OperatorReason, evidence string) error {
	return l.raiseAlone(ctx, paymentSubject(id), why, evidence)
}

// Raise has a person look at a process, in whatever state it is; this ledger may not have
// it at all. It opens an incident, or adds the fact to the open one of the same reason.
// Process, Subject, Part and Reason are read of about. The evidence is nothing personal.
func (l *Ledger) Raise(ctx context.Context, about OpenIncident, evidence string) error {
	return l.raiseAlone(ctx, subject{about.Process, about.Subject, about.Part}, about.Reason, evidence)
}

func (l *Ledger) raiseAlone(ctx context.Context, s subject, why domain.OperatorReason, evidence string) error {
	err := l.inTransaction(ctx, func(tx *gorm.DB) error { return raise(tx, s, why, evidence) })
	if err != nil {
		return fmt.Errorf("raise %s: %w", why, err)
	}
	return nil
}

// evidence says in an incident what a call brought: codes and words of ours, nothing of
// the partner's text.
func (o Outcome) evidence(call string) string {
	switch {
	case o.Code != nil:
		return fmt.Sprintf("%s answered code %d", call, *o.Code)
	case o.HTTPStatus != 0:
		return fmt.Sprintf("%s: %s, HTTP %d", call, o.FailureText(), o.HTTPStatus)
	}
	return strings.TrimSuffix(call+": "+o.FailureText(), ": ")
}
