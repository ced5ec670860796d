package k2

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"tolem/domain"
	"tolem/partners/call"
)

// Limits of one call of k2loan_from_eko.
const (
	MaxLoans = 10_000  // in a batch
	MaxBatch = 5 << 20 // bytes; whoever reads the request holds it to this
)

// Rules say how strict numbers are read.
type Rules struct {
	// CheckDigits has IIN, BIN and IBAN right in their check digits. The document's own
	// samples are zeros, and their IBAN is not.
	CheckDigits bool
	// Now, in the bank's time zone, is what dates are held to; zero is the clock's, in UTC.
	Now time.Time
}

// Loan is one overdue loan ("сведения о просроченной задолженности").
type Loan struct {
	IBAN           string
	Currency       string // three capital letters
	Debt           domain.Money
	FullName       string
	ContractNumber string                // the loan's own
	DBZ            domain.ContractNumber // dbz_contract_number, "Номер ДБЗ": names the process
	DBZDate        string                // dbz_dt, YYYY-MM-DD; ours, "" when it is not told
	IINBIN         string
	OverdueDays    int
	System         string // "КОД АБС"
}

// MaxAmount bounds one loan, and what is paid of it: a hundred billion, which no account of
// a person holds.
const MaxAmount = domain.Money(1e13)

// Longest texts, in characters.
const (
	maxFullName = 300
	maxNumber   = 64
	maxSystem   = 50
)

// DecodeLoans reads a batch item by item, to its end. It returns every loan, in order, or a
// *Refusal that names what is wrong, item by item. An error of reading is returned as it
// is. Fields that the document does not have are ignored; a field that stands twice is
// wrong.
func DecodeLoans(r io.Reader, rules Rules) ([]Loan, error) {
	decoder := json.NewDecoder(r)
	if token, err := decoder.Token(); err != nil || token != json.Delim('[') {
		return nil, unreadable(err)
	}
	loans, wrong, first := []Loan{}, &Refusal{}, map[domain.ContractNumber]int{}
	for index := 0; decoder.More(); index++ {
		if index == MaxLoans {
			return nil, refuse(CodeMalformed, -1, "", fmt.Sprintf("a batch holds at most %d loans", MaxLoans))
		}
		var item json.RawMessage
		if err := decoder.Decode(&item); err != nil {
			return nil, unreadable(err)
		}
		loan := decodeLoan(item, rules, func(field, rule string) { wrong.add(CodeInvalid, Problem{index, field, rule}) })
		if before, twice := first[loan.DBZ]; twice && loan.DBZ != "" {
			wrong.add(CodeDuplicate, Problem{index, "dbz_contract_number", fmt.Sprintf("is that of [%d] too: one contract is one loan in a batch", before)})
		} else {
			first[loan.DBZ] = index
		}
		loans = append(loans, loan)
	}
	if _, err := decoder.Token(); err != nil {
		return nil, unreadable(err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, unreadable(err)
	}
	switch {
	case wrong.Code != CodeOK:
		return nil, wrong
	case len(loans) == 0:
		return nil, refuse(CodeMalformed, -1, "", "a batch holds at least one loan")
	}
	return loans, nil
}

// unreadable is the refusal of what is no JSON array, or the error of whoever reads.
func unreadable(err error) error {
	var syntax *json.SyntaxError
	if err != nil && !errors.As(err, &syntax) && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return err
	}
	return refuse(CodeMalformed, -1, "", "the body must be exactly one JSON array of loans")
}

// field is one rule: what a field must be, and where it goes.
type field struct {
	name string
	rule string
	take func(raw json.RawMessage) bool
}

// readFields reads fields that must all be there, once, and tells of every one that is wrong.
func readFields(object call.Object, fields []field, tell func(field, rule string)) {
	for _, f := range fields {
		switch raw := object.Fields[f.name]; {
		case object.Double[f.name]:
			tell(f.name, "must stand once")
		case len(raw) == 0 || string(raw) == "null":
			tell(f.name, "is missing")
		case !f.take(raw):
			tell(f.name, f.rule)
		}
	}
}

// decodeLoan reads one loan and tells of every field that is wrong.
func decodeLoan(item json.RawMessage, rules Rules, tell func(field, rule string)) (l Loan) {
	object, ok := call.ReadObject(item)
	switch {
	case !ok:
		tell("", "must be a JSON object")
		return l
	case len(object.Fields) == 0:
		tell("", "is empty")
		return l
	}
	digits := ""
	if rules.CheckDigits {
		digits = " with right check digits"
	}
	readFields(object, []field{
		{"iban", "must be a Kazakh IBAN of 20 characters" + digits, text(&l.IBAN, func(s string) bool { return isIBAN(s, rules) })},
		{"cur", "must be three capital letters", text(&l.Currency, currencyForm.MatchString)},
		{"debt", "must be an amount above 0 with at most two decimals", func(raw json.RawMessage) bool { return amount(raw, &l.Debt) }},
		{"fullname", "must have 1 to 300 printable characters", text(&l.FullName, func(s string) bool { return printable(s, maxFullName) })},
		{"contract_number", "must have 1 to 64 printable characters", text(&l.ContractNumber, func(s string) bool { return printable(s, maxNumber) })},
		{"dbz_contract_number", "must have 1 to 64 printable characters, and no . or .. between slashes", func(raw json.RawMessage) bool { return contract(raw, &l.DBZ) }},
		{"iinbin", "must have 12 digits" + digits, text(&l.IINBIN, func(s string) bool { return isIINBIN(s, rules) })},
		{"overdue_days", "must be an integer from 0 to 36500", func(raw json.RawMessage) bool { return days(raw, &l.OverdueDays) }},
		{"system", "must have 1 to 50 printable characters", text(&l.System, func(s string) bool { return printable(s, maxSystem) })},
	}, tell)
	now := rules.Now
	if now.IsZero() {
		now = time.Now().UTC()
	}
	day := text(&l.DBZDate, func(s string) bool { return domain.AcceptableDay(s, now) })
	if raw := object.Fields["dbz_dt"]; object.Double["dbz_dt"] || len(raw) > 0 && string(raw) != "null" && !day(raw) {
		tell("dbz_dt", "must be a day such as 2020-01-31, "+domain.DateRule)
	}
	return l
}

var currencyForm = regexp.MustCompile(`^[A-Z]{3}$`)

// text takes a JSON string that holds something.
func text(into *string, holds func(string) bool) func(json.RawMessage) bool {
	return func(raw json.RawMessage) bool {
		var s string
		if json.Unmarshal(raw, &s) != nil || !utf8.Valid(raw) || !holds(s) {
			return false
		}
		*into = s
		return true
	}
}

// printable says whether a text has 1 to most characters that can be shown, and no spaces at
// its ends.
func printable(s string, most int) bool {
	return s != "" && utf8.RuneCountInString(s) <= most && strings.TrimSpace(s) == s &&
		!strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) || r == utf8.RuneError })
}

func isIBAN(s string, rules Rules) bool {
	return domain.IsKazakhIBAN(s) && (!rules.CheckDigits || domain.CheckedIBAN(s))
}

func isIINBIN(s string, rules Rules) bool {
	return domain.IsIINBIN(s) && (!rules.CheckDigits || domain.CheckedIINBIN(s))
}

func contract(raw json.RawMessage, into *domain.ContractNumber) bool {
	var s string
	if !text(&s, func(string) bool { return true })(raw) {
		return false
	}
	n, err := domain.ParseContractNumber(s)
	*into = n
	return err == nil && domain.SafeInPath(s) // it is in paths of our API
}

// amount takes a number, or a text that holds one.
func amount(raw json.RawMessage, into *domain.Money) bool {
	var m domain.Money
	if m.UnmarshalJSON(raw) != nil || m <= 0 || m > MaxAmount {
		return false
	}
	*into = m
	return true
}

// days takes an integer, of at most a hundred years.
func days(raw json.RawMessage, into *int) bool {
	n, err := strconv.Atoi(string(raw))
	if err != nil || n < 0 || n > 36_500 {
		return false
	}
	*into = n
	return true
}
