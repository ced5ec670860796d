package storage

import (
	"context"
	"fmt"
	"time"

	"gorm.io/gorm"

	"tolem/domain"
)

// Ending asks for a terminal state.
type Ending struct {
	PaymentID domain.AgentTransactionID
	Step      int
	State     domain.State
	OrderID   int64 // of the action that asks for it; 0 when no person did
	Execution string
	// What decided, for an attempt whose outcome the ledger could not record.
	Code                        *domain.Code
	TransactionID               int64
	TransactionDate, StatusDate string
}

// End writes a terminal state, if the payment is still open, this step is new, and the
// ledger holds the evidence, and returns the payment as it then stands: the caller goes on
// from that, not from what it asked for. barred says which evidence is missing.
//
// Succeeded and refused need an answered attempt in the journal with this code. Cancelled
// needs the payment's own cancel, or no person's; expired needs the payer's deadline passed
// by the database's clock, and no choice; both need that nothing was ever sent. Resolved
// states are written by Confirm alone. All of it is checked in the transaction that writes.
func (l *Ledger) End(ctx context.Context, e Ending) (now Payment, barred domain.Barred, err error) {
	err = l.inTransaction(ctx, func(tx *gorm.DB) error {
		if barred, err = e.bars(l, tx); err != nil {
			return err
		}
		if barred != "" {
			now, err = readPayment(tx, e.PaymentID)
			return err
		}
		columns := After{State: e.State, TransactionID: e.TransactionID,
			TransactionDate: e.TransactionDate, StatusDate: e.StatusDate}.columns(time.Now())
		Outcome{Code: e.Code}.columns(columns)
		changed, err := writeState(e.scope(tx), e.PaymentID, e.Step, columns)
		if err != nil {
			return err
		}
		if changed {
			if err := e.journal(tx); err != nil {
				return err
			}
		}
		now, err = readPayment(tx, e.PaymentID)
		return err
	})
	if err != nil {
		return Payment{}, "", fmt.Errorf("end payment %s: %w", e.PaymentID, err)
	}
	return now, barred, nil
}

// journal writes the ending's row, and the effect of the order that it follows.
func (e Ending) journal(tx *gorm.DB) error {
	row := eventRow(e.PaymentID.WorkflowID(), string(e.State), e.Execution, e.OrderID)
	row.Step, row.ResultCode = e.Step, e.Code
	if err := tx.Create(row).Error; err != nil || e.OrderID == 0 {
		return err
	}
	_, err := followed(tx, e.OrderID, domain.EffectCancelled)
	return err
}

// Flag raises needs_operator on an open payment and journals why; a payment that
// has ended is left alone. It may run twice: the flag stays, the journal says so
// twice.
func (l *Ledger) Flag(ctx context.Context, id domain.AgentTransactionID, reason domain.OperatorReason, execution string) error {
	return l.flag(ctx, flagging{process: id.WorkflowID(), reason: reason, execution: execution, open: func(tx *gorm.DB) *gorm.DB {
		return tx.Model(&Payment{}).Where("id = ? AND state NOT IN ?", id, domain.TerminalStates())
	}, subject: paymentSubject(id)})
}

// flagging asks a person to look at a process.
type flagging struct {
	process   string
	reason    domain.OperatorReason
	execution string
	open      func(tx *gorm.DB) *gorm.DB // the process's row, while it is open
	subject   subject
}

func (l *Ledger) flag(ctx context.Context, f flagging) error {
	err := l.inTransaction(ctx, func(tx *gorm.DB) error {
		open := f.open(tx).Update("updated_at", At(time.Now())) // locks it: it cannot end meanwhile
		if open.Error != nil || open.RowsAffected == 0 {
			return open.Error
		}
		if err := raise(tx, f.subject, f.reason, "the workflow noticed"); err != nil {
			return err
		}
		row := eventRow(f.process, "needs_operator", f.execution, 0)
		row.ResultMessage = string(f.reason)
		return tx.Create(row).Error
	})
	if err != nil {
		return fmt.Errorf("flag %s: %w", f.process, err)
	}
	return nil
}
