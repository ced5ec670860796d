package storage

import (
	"errors"
	"time"

	"gorm.io/gorm"

	"tolem/domain"
)

// knownContract is what the ledger has of a contract that is reported.
type knownContract struct {
	order PaymentOrder // the last; the zero value without one
	today *loanReport  // nil: not reported on this day before
}

func (k knownContract) running() bool { return k.order.ID != 0 && !k.order.State.Terminal() }

// meaning is what a loan does to its contract, and in which fields it differs from what the
// last payment order demands.
func (k knownContract) meaning(loan Loan) (domain.LoanMeaning, domain.LoanFields) {
	o := k.order
	differ := o.Account().Differences(loan.account())
	demanded := o.Debt
	if o.Amount != 0 {
		demanded = o.Amount
	}
	if demanded != loan.Debt {
		differ = append(differ, domain.LoanDebt)
	}
	return domain.LoanContext{
		Known: o.ID != 0, State: o.State, Sent: o.SentAt != nil, ReportedToday: k.today != nil, Differ: differ,
		Newer: k.today != nil && (k.today.Debt != loan.Debt || k.today.OverdueDays != loan.OverdueDays),
	}.Meaning(), differ
}

// Account is whom the payment order collects from.
func (o PaymentOrder) Account() domain.LoanAccount {
	return domain.LoanAccount{IBAN: o.IBAN, IINBIN: o.IINBIN, Currency: o.Currency}
}

func (loan Loan) account() domain.LoanAccount {
	return domain.LoanAccount{IBAN: loan.IBAN, IINBIN: loan.IINBIN, Currency: loan.Currency}
}

func (r loanReport) account() domain.LoanAccount {
	return domain.LoanAccount{IBAN: r.IBAN, IINBIN: r.IINBIN, Currency: r.Currency}
}

// known reads what the ledger has of the contracts of these loans.
func (b LoanBatch) known(tx *gorm.DB, loans []Loan) (map[domain.ContractNumber]knownContract, error) {
	contracts := make([]domain.ContractNumber, len(loans))
	for i, loan := range loans {
		contracts[i] = loan.Contract
	}
	var orders []PaymentOrder
	last := tx.Model(&PaymentOrder{}).Select("max(id)").Where("contract IN ?", contracts).Group("contract")
	if err := tx.Where("id IN (?)", last).Find(&orders).Error; err != nil {
		return nil, err
	}
	var today []loanReport
	if err := tx.Where("contract IN ? AND day = ?", contracts, b.Day).Find(&today).Error; err != nil {
		return nil, err
	}
	known := make(map[domain.ContractNumber]knownContract, len(contracts))
	for _, o := range orders {
		known[o.Contract] = knownContract{order: o}
	}
	for _, r := range today {
		k := known[r.Contract]
		k.today = &r
		known[r.Contract] = k
	}
	return known, nil
}

// differing is a loan that differs from what the contract's last payment order demands.
type differing struct {
	loan   Loan
	order  PaymentOrder
	fields domain.LoanFields
}

// correct takes a corrected loan over into a payment order that was not sent, and has the
// parts of its dossier that depend on what changed asked for again. An answer to the question
// from before is not kept: see RecordPart.
func correct(tx *gorm.DB, d differing, at time.Time) error {
	_, err := writePaymentOrder(tx, d.order.ID, map[string]any{
		"iban": d.loan.IBAN, "iinbin": d.loan.IINBIN, "currency": d.loan.Currency,
		"full_name": d.loan.FullName, "loan_number": d.loan.LoanNumber, "system": d.loan.System, "next_attempt_at": nil,
	})
	if err != nil {
		return err
	}
	again := tx.Model(&DossierItem{}).Where("order_id = ? AND part IN ?", d.order.ID, d.fields.DossierParts()).Updates(map[string]any{
		"state": domain.PartMissing, "answer": "", "error_code": 0, "error_text": "", "digest": "", "media_type": "", "file_name": "", "size": 0,
		"got_at": nil, "updated_at": At(at),
	})
	if again.Error != nil {
		return again.Error
	}
	return settleDossier(tx, d.order)
}

// contradict has a person look at a report that what was sent, or collected, does not agree
// with. Reported once more by later batches, it raises nothing new.
func (b LoanBatch) contradict(tx *gorm.DB, d differing, batch domain.BatchID) error {
	o := d.order
	if o.State == domain.PaymentOrderExecuted {
		return raise(tx, contractSubject(o.Contract), domain.ReasonLoanAfterExecuted, string(o.OrderRef)+": "+d.fields.String())
	}
	last, err := one[loanReport](tx.Where("contract = ? AND order_id = ?", o.Contract, o.ID).Order("day DESC").Limit(1), "report")
	switch {
	case errors.Is(err, ErrNotFound):
	case err != nil:
		return err
	case last.account() == d.loan.account():
		return nil
	}
	changed := o.Account().Differences(d.loan.account())
	if err := raise(tx, contractSubject(o.Contract), domain.ReasonLoanChanged, string(o.OrderRef)+": "+changed.String()); err != nil {
		return err
	}
	if !d.fields.Has(domain.LoanCurrency) {
		return nil // its report is stored with the others
	}
	if _, err := writePaymentOrder(tx, o.ID, map[string]any{"batch_id": batch}); err != nil { // its process shows the incident
		return err
	}
	return b.store(tx, []loanReport{b.report(d.loan, o.ID, batch)})
}
