package storage

import (
	"context"
	"fmt"

	"gorm.io/gorm"

	"tolem/domain"
)

// IntentRecord commits an intent to pay on its own, apart from the answer to check.
type IntentRecord struct {
	From      domain.State // awaiting_payer with a recorded choice, or checking with the answer 0
	Attempt   int          // of the first pay
	Execution string
	Pay       PayIntent
}

// MayIntend says whether the payment stands where its intent to pay may be
// committed: no pay was ever sent, nobody stopped it, and the payer chose or check said 0.
func (p Payment) MayIntend(from domain.State) bool {
	if p.PaySentAt != nil || p.State != from || p.Standing().Stopped() {
		return false
	}
	if from == domain.StateAwaitingPayer {
		return p.ChoiceSHA256 != ""
	}
	return p.ResultCode != nil && *p.ResultCode == domain.CodeSuccess
}

// CommitIntent commits the intent to pay: state paying, the bytes of pay,
// pay_sent_at and the started row of its first attempt, all or nothing. changed is
// false when the payment does not stand where MayIntend says, or has moved past
// the step before the first pay's; then nothing is written. That nobody stopped it is
// looked at by the statement that writes: of a hold and an intent at once one is first.
func (l *Ledger) CommitIntent(ctx context.Context, id domain.AgentTransactionID, r IntentRecord) (changed bool, started int64, err error) {
	err = l.inTransaction(ctx, func(tx *gorm.DB) error {
		columns := r.Pay.columns()
		columns["state"], columns["asks_payer"], columns["payer_until"] = domain.StatePaying, domain.AsksNothing, nil
		columns["attempts"] = gorm.Expr("attempts + 1")
		stands := unstopped(neverPaid(tx)).Where("state = ?", r.From)
		if r.From == domain.StateAwaitingPayer {
			stands = stands.Where("choice_sha256 <> ''")
		} else {
			stands = stands.Where("result_code = ?", domain.CodeSuccess)
		}
		changed, err = writeState(stands, id, r.Pay.Step-1, columns)
		if err != nil || !changed {
			return err
		}
		row := r.Pay.started(id.WorkflowID(), r.Attempt, r.Execution)
		err = tx.Create(&row).Error
		started = row.ID
		return err
	})
	if err != nil {
		return false, 0, fmt.Errorf("commit the intent to pay of payment %s: %w", id, err)
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
func (i PayIntent) started(process string, attempt int, execution string) journalRow {
	pay := Call{Process: process, Name: "pay", Step: i.Step, Attempt: attempt, Execution: execution,
		Cause: domain.CauseScheduled, At: i.At, Body: i.Body}
	return pay.row(phaseStarted)
}
