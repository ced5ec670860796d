package reconciliation

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

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
// order, in UTF-8 with or without a byte order mark, separated by commas or
// semicolons, lines ending in LF or CRLF, fields quoted or not. Empty lines are
// nothing. Names of columns and states are taken in any case.
//
// It returns a *BadRegister when rules are broken, ErrTooManyRows beyond the
// limit, or r's error; never half a register.
func ReadRegister(r io.Reader, limits Limits) (*Register, error) {
	reading := reading{records: newRecords(r), register: &Register{services: []string{""}}, services: map[string]uint16{"": 0}}
	err := reading.header()
	for err == nil && len(reading.problems) < maxProblems {
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
}

func (r *reading) wrong(line int, column string, rule Rule, message string) {
	if len(r.problems) < maxProblems {
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
	if r.separator == 0 {
		r.separator = separatorOf(record)
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

// header reads the names of the columns. A header with problems ends the
// reading: nothing after it can be understood.
func (r *reading) header() error {
	line, ok, err := r.record()
	switch {
	case errors.Is(err, io.EOF) && len(r.problems) == 0:
		r.wrong(line, "", RuleRequired, "must be a header that names the columns")
		return io.EOF
	case err != nil:
		return err
	case !ok:
		return io.EOF
	}
	for i := range r.at {
		r.at[i] = -1
	}
	if len(r.fields) > maxColumns {
		r.wrong(line, "", RuleTooLong, fmt.Sprintf("must name at most %d columns", maxColumns))
		return io.EOF
	}
	for i, name := range r.fields {
		known := columnOf(name)
		r.of = append(r.of, known)
		switch {
		case known < 0:
			r.ignore(line, name)
		case r.at[known] >= 0:
			r.wrong(line, columns[known], RuleDuplicate, "must stand once")
		default:
			r.at[known] = i
		}
	}
	for _, c := range mandatory {
		if r.at[c] < 0 {
			r.wrong(line, columns[c], RuleRequired, "must be a column; the first line names them, in UTF-8")
		}
	}
	if len(r.problems) > 0 {
		return io.EOF
	}
	return nil
}

// columnOf finds a column by its name in any case; -1 when nobody knows it.
func columnOf(name []byte) column {
	for c, known := range columns {
		if strings.EqualFold(known, string(name)) {
			return column(c)
		}
	}
	return -1
}

// ignore remembers the name of a column that nobody knows, for the answer.
func (r *reading) ignore(line int, name []byte) {
	switch {
	case len(name) > maxColumnName:
		r.wrong(line, "", RuleTooLong, fmt.Sprintf("must name columns in at most %d bytes", maxColumnName))
	case !utf8.Valid(name) || strings.ContainsFunc(string(name), unicode.IsControl):
		r.wrong(line, "", RuleText, "must be UTF-8 without control characters")
	case len(name) > 0:
		r.register.ignored = append(r.register.ignored, string(name))
	}
}

// row reads one row into the register. A broken one is a problem, not an error:
// the next may be read.
func (r *reading) row() error {
	line, ok, err := r.record()
	if err != nil || !ok {
		return err
	}
	if len(r.fields) != len(r.of) {
		r.wrong(line, "", RuleCSV, fmt.Sprintf("must have as many fields as the header, %d", len(r.of)))
		return nil
	}
	e := entry{line: uint32(line), amountTo: noAmount} // a body has fewer than 2^32 bytes
	before := len(r.problems)
	for c, read := range readers {
		if read == nil || r.at[c] < 0 {
			continue
		}
		if rule, message := read(r, r.fields[r.at[c]], &e); rule != "" {
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

// readers read the values that are compared; they return the rule that a value
// breaks, or "".
var readers = [numColumns]func(r *reading, value []byte, e *entry) (Rule, string){
	columnID:            readID,
	columnTransactionID: readTransactionID,
	columnDate:          readDate,
	columnServiceID:     readServiceID,
	columnAmountTo:      readAmountTo,
	columnState:         readState,
}

func readID(_ *reading, value []byte, e *entry) (Rule, string) {
	id, err := domain.ParseAgentTransactionID(string(value))
	if err != nil {
		return RuleFormat, "must be 1 to 18 digits, not beginning with 0"
	}
	e.id = id
	return "", ""
}

// readTransactionID takes 0 for none: a payment that was refused may have none.
// [assumption]
func readTransactionID(_ *reading, value []byte, e *entry) (Rule, string) {
	if len(value) == 0 || string(value) == "0" {
		return "", ""
	}
	id, err := domain.ParseAgentTransactionID(string(value)) // "так же целое число длиной до 18 знаков"
	if err != nil {
		return RuleFormat, "must be empty or 1 to 18 digits, not beginning with 0"
	}
	e.transactionID = int64(id)
	return "", ""
}

// readDate keeps the day. "YYYY-MM-DDThh:mm:ss"; the day alone is taken too.
func readDate(_ *reading, value []byte, e *entry) (Rule, string) {
	if len(value) == 0 {
		return "", ""
	}
	day, ok := dayOf(string(value))
	if !ok {
		return RuleFormat, "must be empty, YYYY-MM-DDThh:mm:ss or YYYY-MM-DD"
	}
	e.day = day
	return "", ""
}

// dayOf reads a day, alone or with its time, as the number 20060102.
func dayOf(text string) (day int32, ok bool) {
	layout := "2006-01-02T15:04:05"
	if len(text) == len(time.DateOnly) {
		layout = time.DateOnly
	}
	at, err := time.Parse(layout, text)
	if err != nil || len(text) != len(layout) { // the length: fractions of a second are no part of it
		return 0, false
	}
	return int32(at.Year()*10000 + int(at.Month())*100 + at.Day()), true // a year has four digits
}

func readServiceID(r *reading, value []byte, e *entry) (Rule, string) {
	if at, known := r.services[string(value)]; known {
		e.service = at
		return "", ""
	}
	switch {
	case utf8.RuneCount(value) > maxServiceID:
		return RuleTooLong, fmt.Sprintf("must have at most %d characters", maxServiceID)
	case !utf8.Valid(value) || strings.ContainsFunc(string(value), unicode.IsControl):
		return RuleText, "must be UTF-8 without control characters"
	case len(r.register.services) > maxServices:
		return RuleTooLong, fmt.Sprintf("must not be the %dth different one", maxServices+1)
	}
	e.service = uint16(len(r.register.services)) // maxServices
	name := string(value)
	r.services[name] = e.service
	r.register.services = append(r.register.services, name)
	return "", ""
}

// readAmountTo takes an empty amount; row refuses it where money moved.
func readAmountTo(_ *reading, value []byte, e *entry) (Rule, string) {
	if len(value) == 0 {
		return "", ""
	}
	amount, err := domain.ParseMoney(string(value))
	switch {
	case err != nil:
		return RuleFormat, "must be an amount such as 200.00"
	case amount < 0 || amount > maxAmount:
		return RuleRange, "must be from 0 to " + maxAmount.String()
	}
	e.amountTo = amount
	return "", ""
}

func readState(r *reading, value []byte, e *entry) (Rule, string) {
	r.scratch = r.scratch[:0]
	for _, c := range value {
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		r.scratch = append(r.scratch, c)
	}
	at, known := wordAt[string(r.scratch)]
	if !known {
		return RuleState, "must be a state of a payment, a code of the protocol's table 1, or one of the words in the contract"
	}
	e.word = at
	return "", ""
}
