package storage

import (
	"context"
	"fmt"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"tolem/domain"
)

// Register is a register of the processing centre that was compared with our day.
type Register struct {
	ID         int64  `gorm:"primaryKey"`
	Day        string // 2006-01-02, by agentTransactionDate
	SHA256     string `gorm:"column:sha256"` // of the bytes that came
	Entries    int
	Closed     bool   // the day was over when these bytes came, at the latest
	Caller     string // the token's name
	ReceivedAt Timestamp
}

// TableName is registers.
func (Register) TableName() string { return "registers" }

// absence is a payment of ours that a register does not contain.
type absence struct {
	RegisterID int64
	PaymentID  domain.AgentTransactionID
}

// TableName is register_absences.
func (absence) TableName() string { return "register_absences" }

// absencesChunk is how many absences one statement inserts: two parameters each, as
// insertChunk says of SQLite.
const absencesChunk = 100

// KeepRegister keeps that a register was compared, and which payments of its day that were
// open then it does not contain. The same bytes for the same day again add what is new:
// that the day is closed by now, and further absences.
func (l *Ledger) KeepRegister(ctx context.Context, r Register, absent []domain.AgentTransactionID) error {
	err := l.inTransaction(ctx, func(tx *gorm.DB) error {
		kept := tx.Clauses(clause.OnConflict{
			Columns:   []clause.Column{{Name: "day"}, {Name: "sha256"}},
			DoUpdates: clause.Assignments(map[string]any{"closed": gorm.Expr("registers.closed OR excluded.closed")}),
		}, clause.Returning{Columns: []clause.Column{{Name: "id"}}}).Create(&r)
		if kept.Error != nil || len(absent) == 0 {
			return kept.Error
		}
		rows := make([]absence, len(absent))
		for i, id := range absent {
			rows[i] = absence{RegisterID: r.ID, PaymentID: id}
		}
		return tx.Clauses(clause.OnConflict{DoNothing: true}).CreateInBatches(rows, absencesChunk).Error
	})
	if err != nil {
		return fmt.Errorf("keep the register of %s: %w", r.Day, err)
	}
	return nil
}

// RegisterLacks says whether a register with this digest was compared, of the payment's
// day and when that day was over, and does not contain the payment.
func (l *Ledger) RegisterLacks(ctx context.Context, sha256 string, id domain.AgentTransactionID) (bool, error) {
	lacks, err := registerLacks(l.db.WithContext(ctx), sha256, id)
	if err != nil {
		return false, fmt.Errorf("look for a register: %w", err)
	}
	return lacks, nil
}

func registerLacks(tx *gorm.DB, sha256 string, id domain.AgentTransactionID) (bool, error) {
	var n int64
	err := tx.Table("registers AS r").Joins("JOIN register_absences AS a ON a.register_id = r.id").
		Joins("JOIN payments AS p ON p.id = a.payment_id AND substr(p.agent_transaction_date, 1, 10) = r.day").
		Where("r.sha256 = ? AND r.closed AND a.payment_id = ?", sha256, id).Limit(1).Count(&n).Error
	return n > 0, err
}

// unproven says why the word of two people is not taken against the centre's; "" when it
// is. What they cite is read from their actions' own rows.
func unproven(tx *gorm.DB, p Payment, first, second Action) (domain.Refusal, error) {
	s := p.Standing()
	s.NeedsOperator = true // when it was proposed; a person may have closed the incident since
	var err error
	if s.ProposedEvidence, err = proven(tx, p.ID, first); err != nil {
		return "", err
	}
	cites, err := proven(tx, p.ID, second)
	if err != nil {
		return "", err
	}
	return s.RefusesResolve(second.Outcome, cites), nil
}

// proven is the kind of evidence that an action cites, "" for a register that is none.
func proven(tx *gorm.DB, id domain.AgentTransactionID, a Action) (domain.EvidenceKind, error) {
	if a.EvidenceKind != domain.EvidenceRegister {
		return a.EvidenceKind, nil
	}
	lacks, err := registerLacks(tx, a.RegisterSHA256, id)
	if err != nil || !lacks {
		return "", err
	}
	return a.EvidenceKind, nil
}
