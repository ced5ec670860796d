package storage

import (
	"context"
	"fmt"

	"gorm.io/gorm"

	"tolem/domain"
)

// DayRow is what a reconciliation needs of a payment: nothing personal.
type DayRow struct {
	ID                   domain.AgentTransactionID
	TransactionID        *int64 // nil: the processing centre gave none yet
	AgentTransactionDate string // 2006-01-02T15:04:05 in the zone that it was accepted in
	TransactionDate      string // as the processing centre wrote it; "" before
	StatusDate           string // as the processing centre wrote it; "" before
	ServiceID            string
	AmountTo             *domain.Money // nil: the payer has not said it yet
	AmountFrom           *domain.Money
	State                domain.State
	OperatorReason       domain.OperatorReason // the last reason for which a person had to look; "" when none ever had
	// Correction is where two people recorded that the money really is; nil for none.
	Correction *Correction `gorm:"-"`
}

// dayColumns are DayRow's.
const dayColumns = "id, transaction_id, agent_transaction_date, transaction_date, status_date, service_id, amount_to, amount_from, state, operator_reason"

// Day reads up to limit payments of one day with an id above after, in the order
// of their ids. The day, as 2006-01-02, is that of agentTransactionDate: "Эту дату
// необходимо использовать для проведения сверок" (v20). A payment that is accepted
// while pages are read is missed when its caller chose an id below them.
func (l *Ledger) Day(ctx context.Context, date string, after domain.AgentTransactionID, limit int) ([]DayRow, error) {
	var rows []DayRow
	err := l.dayRows(ctx).
		Where("substr(agent_transaction_date, 1, 10) = ? AND id > ?", date, after). // the index's very expression
		Order("id").Limit(limit).Find(&rows).Error
	if err != nil {
		return nil, fmt.Errorf("read payments of a day: %w", err)
	}
	return rows, l.correct(ctx, rows)
}

// PaymentsByID reads those of the payments that there are, in the order of their
// ids, whatever their day. Give at most a thousand ids: they go into one
// statement.
func (l *Ledger) PaymentsByID(ctx context.Context, ids []domain.AgentTransactionID) ([]DayRow, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	var rows []DayRow
	if err := l.dayRows(ctx).Where("id IN ?", ids).Order("id").Find(&rows).Error; err != nil {
		return nil, fmt.Errorf("read payments by id: %w", err)
	}
	return rows, l.correct(ctx, rows)
}

func (l *Ledger) dayRows(ctx context.Context) *gorm.DB {
	return l.db.WithContext(ctx).Model(&Payment{}).Select(dayColumns)
}

// correct adds the recorded corrections to rows. Only a payment that needed a person once
// can have one, so that usually nothing is read.
func (l *Ledger) correct(ctx context.Context, rows []DayRow) error {
	var ids []string
	for _, r := range rows {
		if r.OperatorReason != "" {
			ids = append(ids, r.ID.String())
		}
	}
	found, err := l.Corrections(ctx, domain.ProcessPayment, ids)
	if err != nil {
		return err
	}
	for i, r := range rows {
		if c, ok := found[r.ID.String()]; ok {
			rows[i].Correction = &c
		}
	}
	return nil
}
