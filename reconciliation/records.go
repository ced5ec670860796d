package reconciliation

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"unicode/utf8"
)

// maxRecord bounds one record, in bytes; a record of ours has 150. It is what
// an unclosed quote can take of our memory.
const maxRecord = 64 << 10

// What can be wrong with a record as CSV.
var (
	errLong     = errors.New("must have at most 65536 bytes; is a quote not closed?")
	errQuote    = errors.New("must have quotes only around whole fields, doubled inside")
	errUnclosed = errors.New("must close its quote")
)

// records reads CSV (RFC 4180) with bounded memory, which encoding/csv does not
// promise: to it an unclosed quote is a field as long as the file.
type records struct {
	in        *bufio.Reader
	separator byte
	lines     int      // read so far
	joined    []byte   // a record of several lines
	windows   bool     // a record was in windows-1251: so is the rest
	fields    [][]byte // of the record; valid until the next one
}

// newRecords reads text: lines end in LF.
func newRecords(r io.Reader) *records {
	return &records{in: bufio.NewReaderSize(r, maxRecord)}
}

// next reads the next record that is not empty, without its line's end. line is
// the number, from 1, of the first line it stands on. io.EOF is the end.
func (r *records) next() (record []byte, line int, err error) {
	for {
		line = r.lines + 1
		record, err = r.physical()
		if err != nil {
			return nil, line, err
		}
		if bytes.Count(record, []byte{'"'})%2 == 1 {
			if record, err = r.join(record); err != nil {
				return nil, line, err
			}
		}
		record = bytes.TrimSuffix(record, []byte{'\n'})
		if len(record) == 0 {
			continue
		}
		if !utf8.Valid(record) {
			record = r.fromWindows(record)
		}
		return record, line, nil
	}
}

// physical reads one line with its end.
func (r *records) physical() ([]byte, error) {
	line, err := r.in.ReadSlice('\n')
	switch {
	case errors.Is(err, bufio.ErrBufferFull):
		return nil, errLong
	case errors.Is(err, io.EOF) && len(line) > 0: // the last line needs no end
	case err != nil:
		return nil, err
	}
	r.lines++
	return line, nil
}

// join reads on until the quotes of a record are even.
func (r *records) join(first []byte) ([]byte, error) {
	r.joined = append(r.joined[:0], first...)
	for {
		line, err := r.physical()
		switch {
		case errors.Is(err, io.EOF):
			return r.joined, nil // split says that the quote is not closed
		case err != nil:
			return nil, err
		case len(r.joined)+len(line) > maxRecord:
			return nil, errLong
		}
		r.joined = append(r.joined, line...)
		if bytes.Count(line, []byte{'"'})%2 == 1 {
			return r.joined, nil
		}
	}
}

// split parts a record into its fields. It writes into the record: doubled
// quotes become one. After an error the fields so far are there; the next one is
// the broken one.
func (r *records) split(record []byte) error {
	r.fields = r.fields[:0]
	for more := true; more; {
		var field []byte
		var err error
		if field, record, more, err = cut(record, r.separator); err != nil {
			return err
		}
		r.fields = append(r.fields, field)
	}
	return nil
}

// cut takes the first field; more says that a separator came after it.
func cut(s []byte, separator byte) (field, rest []byte, more bool, err error) {
	if bytes.HasPrefix(s, []byte(`="`)) {
		s = s[1:] // Excel's own: ="text"
	}
	if len(s) == 0 || s[0] != '"' {
		field, rest, more = bytes.Cut(s, []byte{separator})
		if bytes.IndexByte(field, '"') >= 0 {
			return nil, nil, false, errQuote
		}
		return bytes.Trim(field, " \t"), rest, more, nil
	}
	kept := s[1:1]
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] != '"':
			kept = append(kept, s[i]) // never ahead of i: in place
		case i+1 < len(s) && s[i+1] == '"':
			kept = append(kept, '"')
			i++
		case i+1 == len(s):
			return kept, nil, false, nil
		case s[i+1] == separator:
			return kept, s[i+2:], true, nil
		default:
			return nil, nil, false, errQuote
		}
	}
	return nil, nil, false, errUnclosed
}
