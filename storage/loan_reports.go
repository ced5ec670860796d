package storage

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"tolem/domain"
)

// Loan is one overdue loan as it is reported.
type Loan struct {
	Contract     domain.ContractNumber
	LoanNumber   string
	IBAN         string
	Currency     string
	FullName     string
	IINBIN       string
	System       string
	ContractDate string // YYYY-MM-DD; "" when it is not told
	Debt         domain.Money
	OverdueDays  int
}

// LoanBatch is one call that reports loans. No contract is in it twice.
type LoanBatch struct {
	Caller string
	Day    string // of receipt, YYYY-MM-DD in the bank's time zone
	Digest string // of the body
	Loans  []Loan
	At     time.Time
	Encode Encoder // what "request was sent" is published with; nil checks nothing
}

// TakenLoans says what a batch did.
type TakenLoans struct {
	Batch   domain.BatchID
	Begun   int // payment orders that began
	Updated int // running ones whose debt or days changed
	// Contradicted are the loans that a payment order was sent, or executed, differently for:
	// each is an incident.
	Contradicted int
}

// loanReport is what was reported of a contract on a day.
type loanReport struct {
	Contract    domain.ContractNumber `gorm:"primaryKey"`
	Day         string                `gorm:"primaryKey"`
	OrderID     int64
	BatchID     domain.BatchID
	Debt        domain.Money
	OverdueDays int
	IBAN        string `gorm:"column:iban"`
	IINBIN      string `gorm:"column:iinbin"`
	Currency    string
	At          Timestamp
}

// TableName is loan_reports.
func (loanReport) TableName() string { return "loan_reports" }

// TakeLoans commits a batch, whole or not at all: after an error nothing was stored. A loan
// whose request no message could carry is an UnencodableError.
//
// A loan without a running payment order begins one, with references of its own. On the day
// that it was reported before it does so only if it is corrected, and the last payment order
// collected nothing; after an execution in full a corrected loan is an incident. Of a running
// payment order it brings debt and overdue days up to date, and before that is sent also whom
// it collects from; afterwards that is an incident. A loan that is reported unchanged on the
// same day changes nothing, nor does the same body by the same caller, which is the batch
// that is there.
func (l *Ledger) TakeLoans(ctx context.Context, b LoanBatch) (taken TakenLoans, err error) {
	id, err := l.newPaymentID(ctx, b.At)
	if err != nil {
		return TakenLoans{}, err
	}
	carried := b.carried // of the loans as they were given: it names them by their index
	b.Loans = slices.Clone(b.Loans)
	slices.SortFunc(b.Loans, func(a, b Loan) int { return cmp.Compare(a.Contract, b.Contract) }) // one order of locks for all
	err = l.inTransaction(ctx, func(tx *gorm.DB) error {
		taken = TakenLoans{}
		if err := l.planAnew(tx); err != nil {
			return err
		}
		if taken.Batch, err = holdBatch(tx, domain.BatchID(id), b.Caller, "loans "+b.Day+" "+b.Digest); err != nil {
			return err
		}
		if taken.Batch != domain.BatchID(id) { // this very call came before
			return nil
		}
		if err := carried(); err != nil {
			return err
		}
		if err := b.lock(tx); err != nil {
			return err
		}
		for loans := range slices.Chunk(b.Loans, insertChunk) {
			if err := b.take(tx, loans, &taken); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return TakenLoans{}, fmt.Errorf("take loans: %w", err)
	}
	return taken, nil
}

// lock locks all contracts of a batch, in the order of their numbers, before anything else
// that batches share: a batch that held the counter of payment orders while it waits for a
// contract would wait for another that has the contract and wants the counter.
func (b LoanBatch) lock(tx *gorm.DB) error {
	for loans := range slices.Chunk(b.Loans, insertChunk) {
		rows := make([]collectionContract, len(loans))
		for i, loan := range loans {
			rows[i] = collectionContract{Contract: loan.Contract}
		}
		lock := clause.OnConflict{Columns: []clause.Column{{Name: "contract"}}, // changes nothing, and locks
			DoUpdates: clause.Assignments(map[string]any{"last_seq": gorm.Expr("collection_contracts.last_seq")})}
		if err := tx.Clauses(lock).Create(&rows).Error; err != nil {
			return err
		}
	}
	return nil
}

// take commits some loans of a batch, whose contracts are locked.
func (b LoanBatch) take(tx *gorm.DB, loans []Loan, taken *TakenLoans) error {
	known, err := b.known(tx, loans)
	if err != nil {
		return err
	}
	var fresh []Loan
	var newer []loanReport
	for _, loan := range loans {
		k := known[loan.Contract]
		meaning, differ := k.meaning(loan)
		if k.running() {
			if err := tellContractDate(tx, k.order, loan.ContractDate); err != nil {
				return err
			}
		}
		switch meaning {
		case domain.LoanBegins:
			fresh = append(fresh, loan)
			continue
		case domain.LoanCorrects:
			err = correct(tx, differing{loan, k.order, differ}, b.At)
		case domain.LoanContradicts:
			taken.Contradicted++
			err = b.contradict(tx, differing{loan, k.order, differ}, taken.Batch)
		case domain.LoanRepeats:
			continue
		}
		if err != nil {
			return err
		}
		if k.running() && !(meaning == domain.LoanContradicts && differ.Has(domain.LoanCurrency)) {
			newer = append(newer, b.report(loan, k.order.ID, taken.Batch))
		}
	}
	taken.Updated += len(newer)
	taken.Begun += len(fresh)
	if err := b.update(tx, newer, taken.Batch); err != nil {
		return err
	}
	return b.begin(tx, fresh, taken.Batch)
}

// collectionContract is the row that a contract is locked by.
type collectionContract struct {
	Contract domain.ContractNumber `gorm:"primaryKey"`
	LastSeq  int64
}

// TableName is collection_contracts.
func (collectionContract) TableName() string { return "collection_contracts" }

// tellContractDate notes the contract's day on a running payment order that does not know it.
func tellContractDate(tx *gorm.DB, o PaymentOrder, day string) error {
	if o.ContractDate != "" || day == "" {
		return nil
	}
	if _, err := writePaymentOrder(tx, o.ID, map[string]any{"contract_date": day}); err != nil || !o.NeedsOperator {
		return err
	}
	return settle(tx, contractSubject(o.Contract), reasons(domain.ReasonNoContractDate))
}

// update brings running payment orders up to their reports and has them read again by the
// batch's intake. They are locked by their contracts. One statement does it for all: one
// for each would make ten thousand round trips of a batch.
func (b LoanBatch) update(tx *gorm.DB, reports []loanReport, batch domain.BatchID) error {
	if len(reports) == 0 {
		return nil
	}
	orders := make([]int64, len(reports))
	for i, r := range reports {
		orders[i] = r.OrderID
	}
	if err := b.store(tx, reports); err != nil {
		return err
	}
	// The same debt on the same day is no newer report of it: the executions since stay.
	return tx.Exec(`UPDATE payment_orders SET batch_id = ?, debt = r.debt, overdue_days = r.overdue_days, reported_on = ?, updated_at = ?,
			paid_since = CASE WHEN payment_orders.reported_on = ? AND payment_orders.debt = r.debt THEN payment_orders.paid_since ELSE 0 END
		FROM loan_reports AS r WHERE r.contract = payment_orders.contract AND r.day = ?
			AND payment_orders.id IN ? AND payment_orders.state NOT IN ?`,
		batch, b.Day, At(time.Now()), b.Day, b.Day, orders, domain.TerminalPaymentOrderStates()).Error
}

// store keeps the day's reports; one that came before on this day is replaced.
func (b LoanBatch) store(tx *gorm.DB, reports []loanReport) error {
	replace := clause.OnConflict{Columns: []clause.Column{{Name: "contract"}, {Name: "day"}},
		DoUpdates: clause.AssignmentColumns([]string{"order_id", "batch_id", "debt", "overdue_days", "iban", "iinbin", "currency", "at"})}
	return tx.Clauses(replace).Create(&reports).Error
}

func (b LoanBatch) report(loan Loan, order int64, batch domain.BatchID) loanReport {
	return loanReport{Contract: loan.Contract, Day: b.Day, OrderID: order, BatchID: batch, Debt: loan.Debt, OverdueDays: loan.OverdueDays,
		IBAN: loan.IBAN, IINBIN: loan.IINBIN, Currency: loan.Currency, At: At(b.At)}
}

// begin inserts payment orders for loans that have no running one. What a contract needs a
// person for, it goes on needing.
func (b LoanBatch) begin(tx *gorm.DB, loans []Loan, batch domain.BatchID) error {
	if len(loans) == 0 {
		return nil
	}
	var last int64
	if err := tx.Raw("UPDATE payment_order_numbers SET last = last + ? RETURNING last", len(loans)).Scan(&last).Error; err != nil {
		return err
	}
	orders, reports := make([]PaymentOrder, len(loans)), make([]loanReport, len(loans))
	contracts := make([]domain.ContractNumber, len(loans))
	for i, loan := range loans {
		number := last - int64(len(loans)-1-i)
		order, err := b.order(loan, number, batch)
		if err != nil {
			return err
		}
		orders[i], reports[i], contracts[i] = order, b.report(loan, number, batch), loan.Contract
	}
	if err := tx.Create(&orders).Error; err != nil {
		return err
	}
	if err := flagNewOrders(tx, contracts); err != nil {
		return err
	}
	return b.store(tx, reports)
}

func (b LoanBatch) order(loan Loan, number int64, batch domain.BatchID) (PaymentOrder, error) {
	request, err := domain.NewReference(domain.RequestReference, number)
	if err != nil {
		return PaymentOrder{}, err
	}
	order, err := domain.NewReference(domain.PaymentOrderReference, number)
	return PaymentOrder{
		ID: number, Contract: loan.Contract, BatchID: batch, Caller: b.Caller, RequestRef: request, OrderRef: order,
		LoanNumber: loan.LoanNumber, IBAN: loan.IBAN, Currency: loan.Currency, FullName: loan.FullName, IINBIN: loan.IINBIN,
		System: loan.System, ContractDate: loan.ContractDate, Debt: loan.Debt, OverdueDays: loan.OverdueDays, ReportedOn: b.Day,
		State: domain.PaymentOrderGathering, Reached: domain.PaymentOrderGathering, CreatedAt: At(b.At), UpdatedAt: At(b.At),
	}, err
}

// LoanOfBatch is what starting a contract's process takes.
type LoanOfBatch struct {
	ID       int64
	Contract domain.ContractNumber
}

// LoansOfBatch reads up to limit running payment orders that a batch began or brought up to
// date last, with an id above after, in the order of their ids.
func (l *Ledger) LoansOfBatch(ctx context.Context, batch domain.BatchID, after int64, limit int) (page []LoanOfBatch, err error) {
	err = l.db.WithContext(ctx).Model(&PaymentOrder{}).
		Where("batch_id = ? AND id > ? AND state NOT IN ?", batch, after, domain.TerminalPaymentOrderStates()).
		Order("id").Limit(limit).Find(&page).Error
	if err != nil {
		return nil, fmt.Errorf("read payment orders of batch %s: %w", batch, err)
	}
	return page, nil
}
