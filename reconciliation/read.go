package reconciliation

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"tolem/domain"
)

// Limits of single values.
const (
	// maxAmount is ten times the largest payment that we accept, so that a wrong
	// amount is a mismatch, and what is larger is no amount. In tiyn.
	maxAmount domain.Money = 9_999_999_999_99
	// maxServices bounds the names kept; the catalogue has some hundreds.
	maxServices   = 1<<16 - 1
	maxServiceID  = 64  // characters, as in our requests
	maxColumns    = 200 // of a header
	maxColumnName = 100 // bytes
)

// ReadRegister reads a register: CSV with a header that names the columns in any
// order, at most 20 lines of titles above it, separated by commas, semicolons or tabs, lines
// ending in LF, CRLF or CR, fields quoted or not; in UTF-8 with or without a byte order mark,
// in UTF-16 with one, in windows-1251 where a line can be nothing else. Empty lines are
// nothing, as are lines of sums. Names of columns and states are taken in any case. What
// spreadsheets make of values is read where there is one way to read it.
//
// It returns a *BadRegister when rules are broken, with one problem of rule RuleDestroyed
// where a spreadsheet has destroyed what it says, ErrTooManyRows beyond the limit, or r's
// error; never half a register.
func ReadRegister(r io.Reader, limits Limits) (*Register, error) {
	in, workbook := text(r)
	if workbook {
		return nil, &BadRegister{[]Problem{{1, "", RuleCSV, "must be CSV and not a spreadsheet's own file: save it as CSV UTF-8"}}}
	}
	reading := reading{records: newRecords(in), register: &Register{services: []string{""}}, services: map[string]uint16{"": 0}}
	err := reading.header()
	for err == nil && len(reading.problems) < maxProblems && !reading.destroyed {
		if err = reading.row(); err == nil && reading.register.Len() > limits.Rows {
			return nil, ErrTooManyRows
		}
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if len(reading.problems) > 0 {
		return nil, &BadRegister{reading.problems}
	}
	reading.register.finish()
	return reading.register, nil
}

// reading is one register being read.
type reading struct {
	*records
	register *Register
	of       []column        // the column of each field; -1 is one that nobody knows
	at       [numColumns]int // the field of each column; -1 is one that is not there
	services map[string]uint16
	problems []Problem
	scratch  []byte

	destroyed bool // by a spreadsheet: one problem says it, the rest would be its consequences
}

func (r *reading) wrong(line int, column string, rule Rule, message string) {
	switch {
	case r.destroyed:
	case rule == RuleDestroyed:
		r.destroyed, r.problems = true, []Problem{{line, column, rule, message}}
	case len(r.problems) < maxProblems:
		r.problems = append(r.problems, Problem{line, column, rule, message})
	}
}

// record reads and splits the next record. ok is false for one that is broken;
// err is the end, which also a record without one is, or the reader's error.
func (r *reading) record() (line int, ok bool, err error) {
	record, line, err := r.next()
	if errors.Is(err, errLong) {
		r.wrong(line, "", RuleCSV, err.Error())
		return line, false, io.EOF // where the next record begins is not known
	}
	if err != nil {
		return line, false, err
	}
	if err := r.split(record); err != nil {
		r.wrong(line, r.name(len(r.fields)), RuleCSV, err.Error())
		return line, false, nil
	}
	return line, true, nil
}

// name is the column of a field, "" when nobody knows it.
func (r *reading) name(field int) string {
	if field < len(r.of) && r.of[field] >= 0 {
		return columns[r.of[field]]
	}
	return ""
}

// value is what a field of the record says; "" of one that is not there, as spreadsheets
// leave out empty ones at the ends of lines.
func (r *reading) value(field int) []byte {
	if field >= len(r.fields) {
		return nil
	}
	return plain(r.fields[field])
}

// surplus says that a record has a value for which the header names no column.
func (r *reading) surplus() bool {
	return len(r.fields) > len(r.of) &&
		slices.ContainsFunc(r.fields[len(r.of):], func(field []byte) bool { return len(field) > 0 })
}

// row reads one row into the register. A broken one is a problem, not an error:
// the next may be read.
func (r *reading) row() error {
	line, ok, err := r.record()
	if err != nil || !ok {
		return err
	}
	switch {
	case !slices.ContainsFunc(r.fields, func(field []byte) bool { return len(field) > 0 }), r.isTotal():
		return nil
	case r.surplus():
		r.wrong(line, "", RuleCSV, fmt.Sprintf("must have as many fields as the header, %d; is a comma in an amount not quoted?", len(r.of)))
		return nil
	}
	e := entry{line: uint32(line), amountTo: noAmount} // a body has fewer than 2^32 bytes
	before := len(r.problems)
	for c, read := range readers {
		if read == nil || r.at[c] < 0 {
			continue
		}
		if rule, message := read(r, r.value(r.at[c]), &e); rule != "" {
			r.wrong(line, columns[c], rule, message)
		}
	}
	if len(r.problems) > before {
		return nil
	}
	if e.effect() == moved {
		if !e.hasAmount() {
			r.wrong(line, columns[columnAmountTo], RuleRequired, "must not be empty where money moved")
			return nil
		}
		sum, fits := r.register.moved.Add(e.amountTo)
		if !fits {
			r.wrong(line, columns[columnAmountTo], RuleRange, "must not take the register's sum beyond 92 quadrillion")
			return nil
		}
		r.register.moved = sum
	}
	r.register.add(e)
	return nil
}
