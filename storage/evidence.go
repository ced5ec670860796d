package storage

import (
	"time"

	"gorm.io/gorm"

	"tolem/domain"
)

// bars says why the journal and the actions do not bear an end out; "" when they do.
// Conditions that a later write can change are in scope's statement as well.
func (e Ending) bars(l *Ledger, tx *gorm.DB) (domain.Barred, error) {
	switch e.State {
	case domain.StateSucceeded, domain.StateRefused:
		return barredUnless(e.answered(tx))(domain.BarredNoEvidence)
	case domain.StateCancelled:
		if e.OrderID == 0 { // Cancel from Temporal before anything was sent
			return "", nil
		}
		_, known, err := ownAction(tx, e.PaymentID.WorkflowID(), e.OrderID, domain.ActionCancel)
		return barredUnless(known, err)(domain.BarredUnknownAction)
	case domain.StateExpired:
		return barredUnless(e.due(l, tx))(domain.BarredNotDue)
	}
	return domain.BarredState, nil
}

// barredUnless is no reason when ok, else the one that it is called with.
func barredUnless(ok bool, err error) func(domain.Barred) (domain.Barred, error) {
	return func(why domain.Barred) (domain.Barred, error) {
		if ok || err != nil {
			return "", err
		}
		return why, nil
	}
}

// scope narrows an end that sends nothing to payments of which nothing was ever sent, and an
// expiry to those without a choice.
func (e Ending) scope(tx *gorm.DB) *gorm.DB {
	switch e.State {
	case domain.StateCancelled, domain.StateExpired:
		tx = neverPaid(tx).Where("NOT EXISTS (SELECT 1 FROM journal WHERE process = ? AND phase = ?)", e.PaymentID.WorkflowID(), phaseStarted)
	case domain.StateSucceeded:
		return inPaying(tx)
	}
	if e.State == domain.StateExpired {
		tx = tx.Where("choice_sha256 = '' AND state = ?", domain.StateAwaitingPayer)
	}
	return tx
}

// answered says whether the journal holds an answered attempt of this payment with this
// code, and the code means this end by the rule for a later pay, or for a check while no
// pay was ever sent.
func (e Ending) answered(tx *gorm.DB) (bool, error) {
	if e.Code == nil {
		return false, nil
	}
	p, err := readPayment(tx, e.PaymentID)
	if err != nil {
		return false, err
	}
	call, means := "check", domain.CheckMeans(domain.Answer{Code: e.Code}).Means
	if p.PaySentAt != nil {
		call, means = "pay", domain.LaterPayMeans(domain.Answer{Code: e.Code}).Means
	}
	if means != map[domain.State]domain.Means{domain.StateSucceeded: domain.Succeeded, domain.StateRefused: domain.Refused}[e.State] {
		return false, nil
	}
	var n int64
	err = tx.Model(&journalRow{}).Where("process = ? AND phase IN ? AND call = ? AND outcome = ? AND failure = '' AND result_code = ?",
		e.PaymentID.WorkflowID(), []string{phaseCall, phaseOutcome}, call, Answered, *e.Code).Limit(1).Count(&n).Error
	return n > 0, err
}

// payerDeadline is how long a payer may decide whose payment holds no deadline: it was
// asked before rows kept one.
const payerDeadline = 24 * time.Hour

// due says whether the payer's deadline has passed by the database's clock.
func (e Ending) due(l *Ledger, tx *gorm.DB) (due bool, err error) {
	err = tx.Raw("SELECT COALESCE(payer_until, updated_at + ?) <= "+l.nowMicros()+" FROM payments WHERE id = ?",
		payerDeadline.Microseconds(), e.PaymentID).Scan(&due).Error
	return due, err
}

// nowMicros is the database's clock in SQL, in microseconds since 1970.
func (l *Ledger) nowMicros() string {
	if l.onPostgres() {
		return "CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT)"
	}
	return "CAST(unixepoch('subsec') * 1000000 AS INTEGER)"
}

// ownAction reads an action by its id together with the process that it is for and what
// it asks for: an id that comes through Temporal is believed in nothing else. known is
// false when there is no such action.
func ownAction(tx *gorm.DB, process string, id int64, action domain.Action) (a Action, known bool, err error) {
	var found []Action
	err = tx.Where("id = ? AND process = ? AND action = ?", id, process, action).Limit(1).Find(&found).Error
	if err != nil || len(found) == 0 {
		return Action{}, false, err
	}
	return found[0], true, nil
}
