package storage

import (
	"fmt"

	"gorm.io/gorm"

	"tolem/domain"
)

// strange takes the bank's number from a create's answer that another order of ours holds
// already: such an answer is none to this order's question. The order stays where it is and
// takes nothing of it; taken says whose number that is, "" when nobody's.
//
// Two creates that are answered the same number at once both lock that number before they
// look: the second finds the first one's order. SQLite has one writer at a time anyway. Two
// rows that shared a number before this rule stay as they are.
func (r *OrderRecord) strange(l *Ledger, tx *gorm.DB) (taken string, err error) {
	if r.After.BankOrderID == "" {
		return "", nil
	}
	if l.onPostgres() {
		if err := tx.Exec("SELECT pg_advisory_xact_lock(hashtextextended(?, 0))", "bank order "+r.After.BankOrderID).Error; err != nil {
			return "", err
		}
	}
	var others []InstalmentOrder
	err = tx.Select("id").Where("bank_order_id = ? AND id <> ?", r.After.BankOrderID, r.ID).Limit(1).Find(&others).Error
	if err != nil || len(others) == 0 {
		return "", err
	}
	taken = fmt.Sprintf("%s answered the bank's order %s, which is that of %s", r.Call.Name, r.After.BankOrderID, others[0].ID.WorkflowID())
	r.After = OrderAfter{Waits: r.After.Waits, NextWait: r.After.NextWait}
	r.Outcome.Failure = string(domain.ReasonBankOrderIDTaken)
	return taken, nil
}
