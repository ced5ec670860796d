package reconciliation

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"tolem/domain"
)

// Columns lists the columns of an export and of a register, in the order in
// which we export them. Those that a register must have are agentTransactionId,
// amountTo and state; transactionId, agentTransactionDate and serviceId are
// compared where it has them, the rest is not looked at. A number in a column …Text goes
// before what a spreadsheet left of the same number in the other.
func Columns() []string { return slices.Clone(columns[:]) }

// column is the index of a column in columns.
type column int

const (
	columnID column = iota
	columnTransactionID
	columnDate
	columnTransactionDate
	columnStatusDate
	columnServiceID
	columnAmountTo
	columnAmountFrom
	columnState
	columnCorrection
	columnIDText // three of them once more, as Text, of which spreadsheets destroy nothing
	columnTransactionIDText
	columnAmountToText
	numColumns
)

var columns = [numColumns]string{
	"agentTransactionId", "transactionId", "agentTransactionDate", "transactionDate", "statusDate",
	"serviceId", "amountTo", "amountFrom", "state", "correction",
	"agentTransactionIdText", "transactionIdText", "amountToText",
}

// mandatory are the columns without which nothing can be compared.
var mandatory = []column{columnID, columnAmountTo, columnState}

// Limits bound a register. Its bytes are bounded by whoever opens it.
type Limits struct {
	Rows int // a row takes 44 bytes of memory, and 4 more while it is sorted
}

// ErrTooManyRows is returned for a register longer than its limit.
var ErrTooManyRows = errors.New("the register has more rows than are taken")

// Rule names what a register breaks, a stable name.
type Rule string

// The rules.
const (
	RuleCSV       Rule = "csv"       // not readable as CSV
	RuleRequired  Rule = "required"  // a column or value is missing
	RuleDuplicate Rule = "duplicate" // a column is there twice
	RuleTooLong   Rule = "too_long"  // more characters or entries than allowed
	RuleText      Rule = "text"      // not UTF-8, or control characters
	RuleFormat    Rule = "format"    // not written as the column has to be
	RuleRange     Rule = "range"     // too large or too small
	RuleState     Rule = "state"     // a word that is not in the list
	RuleDestroyed Rule = "destroyed" // a spreadsheet made something else of it
)

// Problem is one thing wrong with a register. It states the rule and never
// repeats a value.
type Problem struct {
	Line    int    // from 1, the file's first
	Column  string // one of Columns, or "" when it is the line as a whole
	Rule    Rule
	Message string
}

// maxProblems is how many problems one answer names; whoever made them all made
// them by one mistake.
const maxProblems = 20

// BadRegister is the error of a register that breaks rules: nothing of it may be
// used. It holds the first 20 problems.
type BadRegister struct{ Problems []Problem }

// Error names the first problem.
func (b *BadRegister) Error() string {
	p := b.Problems[0]
	return fmt.Sprintf("the register breaks %d rules or more; line %d, column %q: %s", len(b.Problems), p.Line, p.Column, p.Message)
}

// entry is one row of a register.
type entry struct {
	id            domain.AgentTransactionID
	transactionID int64        // 0: not given
	amountTo      domain.Money // noAmount: not given
	line          uint32
	duplicates    uint32 // the line of the row that this one repeats; 0 for none
	day           int32  // 20060102; 0: not given
	service       uint16 // index into services; 0 is "": not given
	word          uint8  // index into words
	ofTransaction bool   // what this row repeats is the transactionId, not the id
}

// noAmount is an amount that is not given; those that are given are not negative.
const noAmount domain.Money = -1

func (e *entry) hasAmount() bool { return e.amountTo != noAmount }

func (e *entry) effect() effect { return words[e.word].effect }

// chunkRows is how many entries lie together. A slice that grows by copying
// would need a register's memory twice.
const chunkRows = 1 << 14

// Register is a processing centre's register of one day, in memory: at most 48
// bytes a row.
type Register struct {
	chunks   [][]entry // all but the last are full
	order    []uint32  // entries by id, rows of one id in the order of their lines
	services []string
	ignored  []string
	moved    domain.Money

	ids, transactions lengths
}

// Len is how many rows it has.
func (r *Register) Len() int {
	if len(r.chunks) == 0 {
		return 0
	}
	return (len(r.chunks)-1)*chunkRows + len(r.chunks[len(r.chunks)-1])
}

// Moved is the sum of the rows that say that money moved, repeated ones too: what
// the register itself adds up to.
func (r *Register) Moved() domain.Money { return r.moved }

// Ignored lists the columns that nobody knows, as the header has them.
func (r *Register) Ignored() []string { return r.ignored }

func (r *Register) at(i uint32) *entry { return &r.chunks[i/chunkRows][i%chunkRows] }

// sorted is the i-th row in the order of ids.
func (r *Register) sorted(i int) *entry { return r.at(r.order[i]) }

func (r *Register) add(e entry) {
	r.ids.count(int64(e.id))
	r.transactions.count(e.transactionID)
	last := len(r.chunks) - 1
	if last < 0 || len(r.chunks[last]) == chunkRows {
		r.chunks = append(r.chunks, make([]entry, 0, chunkRows))
		last++
	}
	r.chunks[last] = append(r.chunks[last], e)
}

// finish sorts the register and marks the rows that repeat another one.
//
// Rows of one id come first: every row but the first repeats it. Of the rows left
// over, those that name the transactionId of an earlier row repeat that one: the
// centre gave one transaction to two payments of ours.
func (r *Register) finish() {
	id := func(e *entry) int64 { return int64(e.id) }
	transaction := func(e *entry) int64 { return e.transactionID }
	r.order = r.sortedBy(id)
	r.mark(r.order, id, false)
	r.mark(r.sortedBy(transaction), transaction, true)
}

// sortedBy is all rows in the order of a key, rows of one key in that of their
// lines.
func (r *Register) sortedBy(key func(e *entry) int64) []uint32 {
	order := make([]uint32, r.Len())
	for i := range order {
		order[i] = uint32(i) // Limits.Rows is far below 2^32
	}
	slices.SortFunc(order, func(a, b uint32) int {
		return cmp.Or(cmp.Compare(key(r.at(a)), key(r.at(b))), cmp.Compare(a, b))
	})
	return order
}

// mark finds rows with the key of an earlier one, among those that are not marked
// yet. Key 0 is none.
func (r *Register) mark(order []uint32, key func(e *entry) int64, ofTransaction bool) {
	var first *entry
	for _, i := range order {
		e := r.at(i)
		switch {
		case e.duplicates != 0 || key(e) == 0:
		case first == nil || key(first) != key(e):
			first = e
		default:
			e.duplicates, e.ofTransaction = first.line, ofTransaction
		}
	}
}

// IDs are the agentTransactionIds of its rows, in the order of the rows.
func (r *Register) IDs(yield func(domain.AgentTransactionID) bool) {
	for _, chunk := range r.chunks {
		for _, e := range chunk {
			if !yield(e.id) {
				return
			}
		}
	}
}
