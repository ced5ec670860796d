package storage

import (
	"context"
	"fmt"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"tolem/domain"
)

// PaymentOrder is one row of the ledger: a loan of the card file as it was last reported,
// and where the demand for it stands. It names people.
type PaymentOrder struct {
	ID           int64                 `gorm:"primaryKey;autoIncrement:false"` // the number in its references
	Contract     domain.ContractNumber // "Номер ДБЗ"
	BatchID      domain.BatchID        // of the latest report
	Caller       string                // the token's name
	RequestRef   domain.Reference      // EAR…
	OrderRef     domain.Reference      // PTP…
	LoanNumber   string                // contract_number, the loan's own
	IBAN         string                `gorm:"column:iban"`
	Currency     string
	FullName     string
	IINBIN       string `gorm:"column:iinbin"`
	System       string
	ContractDate string       // YYYY-MM-DD; "" when nobody told it
	Debt         domain.Money // as reported last
	OverdueDays  int
	ReportedOn   string       // day of the latest report
	PaidSince    domain.Money // executions after the latest report

	Amount         domain.Money // 0 until it is fixed
	Paid           domain.Money
	State          domain.PaymentOrderState
	Reached        domain.PaymentOrderState // by the statuses that came; State, once the request was sent
	NeedsOperator  bool
	OperatorReason domain.OperatorReason
	Held           bool
	CloseAction    *int64 // of the first operator who ordered to close it
	CloseUntil     *Timestamp
	CloseCaller    string // that operator
	Attempts       int    // calls for it, to ABS and to Kafka
	NextAttemptAt  *Timestamp
	SentAt         *Timestamp // when StatusRequestSent was stored
	EndedAt        *Timestamp
	// Restored is set while a restored ledger holds it: its last writes may be lost.
	Restored      bool
	RestoredEpoch int64 // of the last restore that held it; 0 never
	CreatedAt     Timestamp
	UpdatedAt     Timestamp
}

// DebtNow is what is owed: the latest report without the executions after it, never below 0.
func (o PaymentOrder) DebtNow() domain.Money { return max(0, o.Debt-o.PaidSince) }

// DossierItem is one part of a payment order's dossier. It names people.
type DossierItem struct {
	OrderID   int64              `gorm:"primaryKey"`
	Part      domain.DossierPart `gorm:"primaryKey"`
	State     domain.PartState
	Answer    string // JSON; "" while there is none
	ErrorCode int    // ABS's; 0 is success
	ErrorText string // ABS's
	Digest    string // of a file
	MediaType string
	FileName  string
	Size      int64 // bytes
	GotAt     *Timestamp
	UpdatedAt Timestamp
}

// TableName is dossier_parts.
func (DossierItem) TableName() string { return "dossier_parts" }

// latestOrder reads the contract's last payment order.
func latestOrder(tx *gorm.DB, contract domain.ContractNumber) (PaymentOrder, error) {
	return one[PaymentOrder](tx.Where("contract = ?", contract).Order("id DESC").Limit(1), contract.WorkflowID())
}

// PaymentOrder reads the contract's last payment order; ErrNotFound when there never was
// one.
func (l *Ledger) PaymentOrder(ctx context.Context, contract domain.ContractNumber) (PaymentOrder, error) {
	return latestOrder(l.db.WithContext(ctx), contract)
}

// PaymentOrderByReference reads the payment order of a PTP reference; ErrNotFound when there
// is none.
func (l *Ledger) PaymentOrderByReference(ctx context.Context, ref domain.Reference) (PaymentOrder, error) {
	return one[PaymentOrder](l.db.WithContext(ctx).Where("order_ref = ?", ref), "payment order of this reference")
}

// Dossier reads the parts that were asked for, in the order of domain.DossierParts.
func (l *Ledger) Dossier(ctx context.Context, order int64) ([]DossierItem, error) {
	return readDossier(l.db.WithContext(ctx), order)
}

func readDossier(tx *gorm.DB, order int64) (parts []DossierItem, err error) {
	var found []DossierItem
	if err := tx.Where("order_id = ?", order).Find(&found).Error; err != nil {
		return nil, fmt.Errorf("read the dossier: %w", err)
	}
	for _, part := range domain.DossierParts() {
		item := DossierItem{OrderID: order, Part: part, State: domain.PartMissing}
		for _, f := range found {
			if f.Part == part {
				item = f
			}
		}
		parts = append(parts, item)
	}
	return parts, nil
}

// lockContract locks a contract to the end of the transaction: whoever changes anything of
// it comes one after the other. It fails with ErrNotFound for one that never had a loan.
func lockContract(tx *gorm.DB, contract domain.ContractNumber) (lastSeq int64, err error) {
	locked := tx.Raw("UPDATE collection_contracts SET last_seq = last_seq WHERE contract = ? RETURNING last_seq", contract).Scan(&lastSeq)
	switch {
	case locked.Error != nil:
		return 0, locked.Error
	case locked.RowsAffected == 0:
		return 0, fmt.Errorf("%s: %w", contract.WorkflowID(), ErrNotFound)
	}
	return lastSeq, nil
}

// writePaymentOrder is the only way a payment order's row changes, beside newer reports of
// its loan: never from a terminal state.
func writePaymentOrder(tx *gorm.DB, id int64, columns map[string]any) (changed bool, err error) {
	now := At(time.Now())
	columns["updated_at"] = now
	if state, ok := columns["state"].(domain.PaymentOrderState); ok && state.Terminal() {
		columns["held"], columns["next_attempt_at"], columns["ended_at"] = false, nil, now
		columns["close_action"], columns["close_until"] = nil, nil
	}
	var order PaymentOrder
	if state, ok := columns["state"].(domain.PaymentOrderState); ok && state.Terminal() {
		columns["restored"] = false
		if state != domain.PaymentOrderClosed { // by people; any other end may be that of what a restored ledger has forgotten
			tx = tx.Where("NOT restored")
		}
	}
	written := tx.Model(&order).Clauses(clause.Returning{Columns: []clause.Column{{Name: "contract"}, {Name: "needs_operator"}}}).
		Where("id = ? AND state NOT IN ?", id, domain.TerminalPaymentOrderStates()).Updates(columns)
	if changed, err = wrote(written, domain.ProcessPaymentOrder, columns); err != nil || !changed {
		return changed, err
	}
	return true, settleEnd(tx, contractSubject(order.Contract), order.NeedsOperator, columns)
}

// ContractStanding is what a contract's process goes by.
type ContractStanding struct {
	Order       PaymentOrder  // the last one
	Parts       []DossierItem // of its dossier, in the order of domain.DossierParts
	Missing     int           // parts of its dossier to be asked for
	Refused     int           // parts that ABS refused
	Untold      int64         // events with a seq that Loxon was not told
	UntoldSince *Timestamp    // when the oldest of them came
	// AsideUntil is set while the oldest of them waits for a second person to set it aside.
	AsideUntil *Timestamp
	SeekAt     *time.Time              // from when on the topic is to be read for one that people want set aside
	Raised     []domain.OperatorReason // of the contract's open incidents
}

// Standing reads where a contract stands; ErrNotFound when it never had a payment order.
func (l *Ledger) Standing(ctx context.Context, contract domain.ContractNumber) (s ContractStanding, err error) {
	db := l.db.WithContext(ctx)
	if s.Order, err = latestOrder(db, contract); err != nil {
		return s, err
	}
	if s.Parts, err = readDossier(db, s.Order.ID); err != nil {
		return s, err
	}
	for _, p := range s.Parts {
		switch p.State {
		case domain.PartMissing:
			s.Missing++
		case domain.PartRefused:
			s.Refused++
		}
	}
	var untold struct {
		Number   int64
		Since    *int64
		Proposed int64
	}
	err = db.Model(&PaymentOrderEvent{}).Where("contract = ? AND "+unsent, contract).
		Select("count(*) AS number, min(received_at) AS since, count(aside_until) AS proposed").Scan(&untold).Error
	if err != nil {
		return s, fmt.Errorf("count the untold events of %s: %w", contract.WorkflowID(), err)
	}
	s.Untold = untold.Number
	if untold.Since != nil {
		s.UntoldSince = &Timestamp{time.UnixMicro(*untold.Since).UTC()}
	}
	if s.Order.NeedsOperator {
		if err := contractSubject(contract).of(db.Model(&OpenIncident{})).Order("id").Pluck("reason", &s.Raised).Error; err != nil {
			return s, fmt.Errorf("read the open incidents of %s: %w", contract.WorkflowID(), err)
		}
	}
	if untold.Proposed == 0 {
		return s, nil
	}
	if s.AsideUntil, s.SeekAt, err = readProposed(db, contract); err != nil {
		return s, fmt.Errorf("read what is proposed for events of %s: %w", contract.WorkflowID(), err)
	}
	return s, nil
}
