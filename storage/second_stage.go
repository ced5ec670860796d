package storage

import (
	"context"
	"fmt"

	"gorm.io/gorm"

	"tolem/domain"
)

// CommitChoice commits the intent to pay what the payer chose: state paying, the
// bytes of pay, pay_sent_at and the started row of its first attempt, all or
// nothing. changed is false when no choice is recorded, or the payment was paid,
// ended or moved on meanwhile; then nothing is written.
func (l *Ledger) CommitChoice(ctx context.Context, id domain.AgentTransactionID, attempt int, execution string, intent PayIntent) (changed bool, started int64, err error) {
	err = l.inTransaction(ctx, func(tx *gorm.DB) error {
		columns := intent.columns()
		columns["state"], columns["asks_payer"], columns["payer_until"] = domain.StatePaying, domain.AsksNothing, nil
		columns["attempts"] = gorm.Expr("attempts + 1")
		chosen := neverPaid(tx).Where("state = ? AND choice_sha256 <> ''", domain.StateAwaitingPayer)
		changed, err = writeState(chosen, id, intent.Step-1, columns)
		if err != nil || !changed {
			return err
		}
		row := intent.started(id, attempt, execution)
		err = tx.Create(&row).Error
		started = row.ID
		return err
	})
	if err != nil {
		return false, 0, fmt.Errorf("commit the choice for payment %s: %w", id, err)
	}
	return changed, started, nil
}

// columns are what an intent adds to a state write.
func (i PayIntent) columns() stateColumns {
	return stateColumns{
		"pay_body": i.Body, "pay_sent_at": At(i.At), "amount_to": i.AmountTo, "amount_from": i.AmountFrom,
	}
}

// started is the journal row of the first pay.
func (i PayIntent) started(id domain.AgentTransactionID, attempt int, execution string) journalRow {
	pay := Call{PaymentID: id, Name: "pay", Step: i.Step, Attempt: attempt, Execution: execution,
		Cause: domain.CauseScheduled, At: i.At, Body: i.Body}
	return pay.row(phaseStarted)
}
