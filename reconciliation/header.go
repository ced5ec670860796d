package reconciliation

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxTitle bounds the records above the header: titles, dates, whose register it is.
const maxTitle = 20

// separators are what may part fields: RFC 4180's, the one of spreadsheets where a comma
// parts decimals, and that of Excel's "Unicode text".
var separators = []byte{',', ';', '\t'}

// header finds the record that names the columns: the first one that names all that are
// mandatory, with any separator. What is above it are titles. A header with problems ends
// the reading: nothing after it can be understood.
func (r *reading) header() error {
	var closest []Problem // of the first record, or of the first that names a column
	named := false
	for range maxTitle {
		record, line, err := r.next()
		switch {
		case errors.Is(err, io.EOF):
			if closest == nil {
				closest = []Problem{{line, "", RuleRequired, "must be a header that names the columns"}}
			}
			r.problems = closest
			return io.EOF
		case errors.Is(err, errLong):
			r.wrong(line, "", RuleCSV, err.Error())
			return io.EOF
		case err != nil:
			return err
		}
		names, found, broken := r.names(record)
		switch {
		case broken != nil && closest == nil:
			closest = []Problem{{line, "", RuleCSV, broken.Error()}}
		case broken == nil && missing(found) == nil:
			return r.columns(line, names)
		case broken == nil && (closest == nil || len(found) > 0 && !named):
			closest, named = nil, len(found) > 0
			for _, c := range missing(found) {
				closest = append(closest, Problem{line, columns[c], RuleRequired, "must be a column; a line above the rows names them"})
			}
		}
	}
	r.problems = closest
	return io.EOF
}

// names splits a record with the separator that gives the most columns, and keeps that
// separator. found are the columns among them.
func (r *reading) names(record []byte) (names [][]byte, found []column, broken error) {
	var best byte
	for _, separator := range separators {
		r.separator = separator
		if err := r.split(bytes.Clone(record)); err != nil { // it writes into the record
			broken = err
			continue
		}
		var known []column
		for _, name := range r.fields {
			if c := columnOf(plain(name)); c >= 0 {
				known = append(known, c)
			}
		}
		if names == nil || len(known) > len(found) {
			names, found, best = slices.Clone(r.fields), known, separator
		}
	}
	r.separator = best
	if names != nil {
		broken = nil
	}
	return names, found, broken
}

// missing are the mandatory columns that are not there.
func missing(found []column) (absent []column) {
	for _, c := range mandatory {
		if !slices.Contains(found, c) {
			absent = append(absent, c)
		}
	}
	return absent
}

// columns takes the names of the columns.
func (r *reading) columns(line int, names [][]byte) error {
	for i := range r.at {
		r.at[i] = -1
	}
	if len(names) > maxColumns {
		r.wrong(line, "", RuleTooLong, fmt.Sprintf("must name at most %d columns", maxColumns))
		return io.EOF
	}
	for i, name := range names {
		name = plain(name)
		known := columnOf(name)
		r.of = append(r.of, known)
		switch {
		case known < 0:
			r.ignore(line, name)
		case r.at[known] >= 0:
			r.wrong(line, columns[known], RuleDuplicate, "must be given exactly once")
		default:
			r.at[known] = i
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

// totals are the words that begin the label of a line of sums.
var totals = []string{"итог", "всего", "сумма", "барлығы", "жиыны", "қорытынды", "total", "grand total", "subtotal", "sum"}

// isTotal says whether a record is a line of sums: it has no id, no state, and a label
// among its fields.
func (r *reading) isTotal() bool {
	for _, c := range []column{columnID, columnState} {
		if value := r.value(r.at[c]); len(value) > 0 && !isLabel(value) {
			return false
		}
	}
	return slices.ContainsFunc(r.fields, isLabel)
}

func isLabel(field []byte) bool {
	if len(field) == 0 || field[0] >= '0' && field[0] <= '9' { // a number, as nearly all are
		return false
	}
	label := strings.ToLower(string(plain(field)))
	return slices.ContainsFunc(totals, func(word string) bool { return strings.HasPrefix(label, word) })
}
