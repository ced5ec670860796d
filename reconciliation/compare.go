package reconciliation

import (
	"context"
	"fmt"
	"iter"
	"time"

	"tolem/domain"
)

// Class is what a payment or a row of the register turned out to be.
type Class string

// The classes. The money of a match agrees; everything else is reported.
const (
	Match        Class = "match"
	Mismatch     Class = "mismatch"
	MissingThere Class = "missingThere" // moved here, the register does not have it
	MissingHere  Class = "missingHere"  // in the register, not in our ledger at all
	Duplicate    Class = "duplicate"    // a row of the register that repeats an earlier one
)

// Kind says why something is not a match. Of several reasons the gravest is
// named, in this order.
type Kind string

// The kinds.
const (
	KindState         Kind = "state"         // mismatch: the money moved on one side, or is open on one
	KindAmount        Kind = "amount"        // mismatch
	KindTransactionID Kind = "transactionId" // mismatch; duplicate: another payment has this transactionId
	KindServiceID     Kind = "serviceId"     // mismatch
	KindDate          Kind = "date"          // mismatch: another day, in our ledger or in the register
	// mismatch: open here, and absent there or, on line, only a duplicate or what a spreadsheet
	// may have left of its id: where the money is, nobody knows
	KindOpenHere Kind = "open_here"
	KindAbsent   Kind = "absent"   // missingThere, missingHere
	KindRepeated Kind = "repeated" // missingThere: the register has it only as a duplicate, on line
	KindID       Kind = "id"       // duplicate: the same agentTransactionId again
)

// Row is a payment of ours. It holds nothing personal.
type Row struct {
	ID                   domain.AgentTransactionID `json:"-"`
	AgentTransactionDate string                    `json:"agentTransactionDate"` // 2006-01-02T15:04:05, our time
	TransactionID        int64                     `json:"transactionId,omitempty,string"`
	ServiceID            string                    `json:"serviceId"`
	AmountTo             *domain.Money             `json:"amountTo,omitempty"` // nil: not known yet
	State                domain.State              `json:"state"`
	// Correction is where the money of a payment that has ended really is, as two people
	// recorded it against its state; "" for none. It is what is compared.
	Correction domain.MoneyWhere `json:"correction,omitempty"`
}

// Entry is a row of the register; what it does not give is left out.
type Entry struct {
	AgentTransactionDate string        `json:"agentTransactionDate,omitempty"` // the day, 2006-01-02
	TransactionID        int64         `json:"transactionId,omitempty,string"`
	ServiceID            string        `json:"serviceId,omitempty"`
	AmountTo             *domain.Money `json:"amountTo,omitempty"`
	State                string        `json:"state"` // its own word, in lower case
}

// Difference is everything that is not a match.
type Difference struct {
	Class     Class                     `json:"class"`
	Kind      Kind                      `json:"kind"`
	Line      int                       `json:"line,omitempty"`      // of the register, its header is 1; 0: not in it
	FirstLine int                       `json:"firstLine,omitempty"` // of a duplicate: the row that it repeats
	ID        domain.AgentTransactionID `json:"agentTransactionId"`
	Here      *Row                      `json:"here,omitempty"`
	There     *Entry                    `json:"there,omitempty"`

	entry *entry // of one whose id is still to be looked up
}

// Result is what a comparison counted; see the package comment for the sums that
// hold.
type Result struct {
	Counts  Counts  `json:"counts"`
	Open    int     `json:"open"` // of the matches, those open on both sides: nothing to settle on yet
	Rows    Rows    `json:"rows"`
	Amounts Amounts `json:"amounts"`
}

// Counts are the sizes of the classes.
type Counts struct {
	Match        int `json:"match"`
	Mismatch     int `json:"mismatch"`
	MissingThere int `json:"missingThere"`
	MissingHere  int `json:"missingHere"`
	Duplicate    int `json:"duplicate"`
}

// Rows are the sizes of what was compared.
type Rows struct {
	Here     int `json:"here"`     // our payments of the day
	OtherDay int `json:"otherDay"` // our payments of other days that the register has
	There    int `json:"there"`    // rows of the register
	OnlyHere int `json:"onlyHere"` // matches and mismatches that the register does not have
}

// Amounts are the sums of amountTo that moved.
type Amounts struct {
	Here  domain.Money `json:"here"`  // our payments of the day
	There domain.Money `json:"there"` // rows of the register, repeated ones too
}

// OpenAndAbsent says that the payment is open here and that the register does not contain
// its id at all.
func (d Difference) OpenAndAbsent() bool { return d.Kind == KindOpenHere && d.Line == 0 }

// Comparison is one day of ours and its register.
type Comparison struct {
	Date     string // 2006-01-02
	Register *Register
	// Ours are the day's payments, ids rising. It is gone through twice where the register
	// looks destroyed.
	Ours iter.Seq2[Row, error]
	// Elsewhere finds those of at most 500 payments that our ledger has on any
	// day, in no order.
	Elsewhere func(ctx context.Context, ids []domain.AgentTransactionID) ([]Row, error)
	// Report takes the differences, in the order of ids and lines.
	Report func(Difference) error
}

// lookUp is how many differences wait for one look-up, and how many ids it asks
// for at most: one statement.
const lookUp = 500

// Compare goes through both sides. Its memory is the register's and 500
// differences. It fails with a *BadRegister, before anything is reported, where a
// spreadsheet cut the register's numbers; with the error of one of c's functions, or when a
// sum does not fit: what was reported until then is no reconciliation.
func Compare(ctx context.Context, c Comparison) (Result, error) {
	day, ok := dayOf(c.Date)
	if _, err := time.Parse(time.DateOnly, c.Date); err != nil || !ok {
		return Result{}, fmt.Errorf("compare a day: %q is not written 2006-01-02", c.Date)
	}
	if err := c.destroyed(); err != nil {
		return Result{}, err
	}
	m := merge{Comparison: c, day: day}
	m.result.Rows.There = c.Register.Len()
	m.result.Amounts.There = c.Register.Moved()
	var last domain.AgentTransactionID
	for ours, err := range c.Ours {
		if err != nil {
			return Result{}, err
		}
		if ours.ID <= last {
			return Result{}, fmt.Errorf("compare a day: our payment %s comes after %s", ours.ID, last)
		}
		last = ours.ID
		if err := m.below(ctx, ours.ID); err != nil {
			return Result{}, err
		}
		if err := m.both(ctx, ours); err != nil {
			return Result{}, err
		}
	}
	if err := m.below(ctx, 0); err != nil {
		return Result{}, err
	}
	if err := m.flush(ctx); err != nil {
		return Result{}, err
	}
	return m.result, nil
}
