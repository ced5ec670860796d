package storage

import (
	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"tolem/domain"
)

// The requests that may begin something at the bank, as the journal names them.
const (
	createCall = "create"
	returnCall = "return"
)

// bankAttempts reads all attempts of a request of a process, in the order they were begun.
//
// The caller holds the process's row until the end of the transaction, as every started
// row is written under it: an attempt that begins meanwhile is either read here, without
// an outcome, or finds what this transaction has written.
func bankAttempts(tx *gorm.DB, process, call string) ([]domain.BankAttempt, error) {
	var rows []journalRow
	err := tx.Where("process = ? AND call = ? AND phase IN ?", process, call, []string{phaseStarted, phaseOutcome}).Order("id").Find(&rows).Error
	if err != nil {
		return nil, err
	}
	outcomes := outcomesOf(rows)
	var attempts []domain.BankAttempt
	for _, r := range rows {
		if r.Phase == phaseStarted {
			attempts = append(attempts, r.attempt(outcomes).AtBank())
		}
	}
	return attempts, nil
}

// AtBank is a call to the bank as the rule for a certain refusal reads it.
func (a Attempt) AtBank() domain.BankAttempt {
	if !a.Reported {
		return domain.BankAttempt{}
	}
	return domain.BankAttempt{
		Reported: true, Kind: domain.Kind(a.Outcome), Failure: a.Failure, Status: a.HTTPStatus,
		OwnBody: a.ResultMessage != "", // the text of the bank's own error body
	}
}

// lockOrder locks an order's row to the end of the transaction, and reads it: whoever
// begins a call, decides or records news of it comes before or after.
func lockOrder(tx *gorm.DB, id domain.StoreOrderID) (InstalmentOrder, error) {
	return readOrder(tx.Clauses(clause.Locking{Strength: clause.LockingStrengthUpdate}), id) // SQLite has one writer at a time
}

// createAttempts reads the creates of an order whose row is locked, as bankAttempts asks. called
// says that the bank has called back about the order: then it has it, whatever it
// answered.
func createAttempts(tx *gorm.DB, id domain.StoreOrderID) (attempts []domain.BankAttempt, called bool, err error) {
	var callbacks int64
	if err := tx.Model(&Callback{}).Where("order_id = ?", id).Count(&callbacks).Error; err != nil {
		return nil, false, err
	}
	attempts, err = bankAttempts(tx, id.WorkflowID(), createCall)
	return attempts, callbacks > 0, err
}

// afterRefusal is what follows a create that the bank rejected: the end where the refusal
// is certain, or where the store rejected an order that the bank certainly does not have.
// Else it is after, and the order, whose row is locked, goes on asking.
func afterRefusal(tx *gorm.DB, o InstalmentOrder, after OrderAfter) (OrderAfter, error) {
	attempts, called, err := createAttempts(tx, o.ID)
	switch {
	case err != nil || called:
		return after, err
	case domain.CertainRefusal(attempts):
		return OrderAfter{State: domain.OrderFailed, FailReason: domain.FailRefusedByBank}, nil
	case o.Decision == domain.DecisionReject && domain.NothingAtBank(attempts):
		return OrderAfter{State: domain.OrderFailed, FailReason: domain.FailRejectedByStore}, nil
	}
	return after, nil
}

// afterRefusedReturn is the same for a return of goods, whose row is locked.
func afterRefusedReturn(tx *gorm.DB, c ReturnCall, after ReturnAfter) (ReturnAfter, error) {
	attempts, err := bankAttempts(tx, c.Call.Process, returnCall)
	if err == nil && domain.CertainRefusal(attempts) {
		after = ReturnAfter{State: domain.ReturnFailed, Message: after.Message}
	}
	return after, err
}
