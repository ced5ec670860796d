package k2

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"time"
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
	// CheckDigits holds IIN, BIN and IBAN to the standards that they are formed by. The
	// document's own samples, zeros, are by neither.
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
// wrong. A byte order mark before the array is skipped.
func DecodeLoans(r io.Reader, rules Rules) ([]Loan, error) {
	body := bufio.NewReader(r)
	if err := skipMark(body); err != nil {
		return nil, err
	}
	decoder := json.NewDecoder(body)
	if token, err := decoder.Token(); err != nil || token != json.Delim('[') {
		return nil, unreadable(err, 0)
	}
	loans, wrong, first := []Loan{}, &Refusal{}, map[domain.ContractNumber]int{}
	for index := 0; decoder.More(); index++ {
		if index == MaxLoans {
			return nil, refuse(CodeMalformed, -1, "", fmt.Sprintf("a batch holds at most %d loans", MaxLoans))
		}
		var item json.RawMessage
		if err := decoder.Decode(&item); err != nil {
			return nil, unreadable(err, len(loans))
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
		return nil, unreadable(err, len(loans))
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, unreadable(err, len(loans))
	}
	switch {
	case wrong.Code != CodeOK:
		return nil, wrong
	case len(loans) == 0:
		return nil, refuse(CodeMalformed, -1, "", "a batch holds at least one loan")
	}
	return loans, nil
}

// field is one field that must be there. take reads it and returns what is wrong with it, or "".
type field struct {
	name string
	take func(raw json.RawMessage) string
}

// readFields reads fields that must all be there, once, and tells of every one that is wrong.
func readFields(object call.Object, fields []field, tell func(field, rule string)) {
	for _, f := range fields {
		switch raw := object.Fields[f.name]; {
		case object.Double[f.name]:
			tell(f.name, "must stand once")
		case len(raw) == 0 || string(raw) == "null":
			tell(f.name, "is missing")
		default:
			if wrong := f.take(raw); wrong != "" {
				tell(f.name, wrong)
			}
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
	readFields(object, []field{
		{"iban", text(&l.IBAN, "must be a Kazakh IBAN of 20 characters", func(s string) string { return ibanFault(s, rules) })},
		{"cur", text(&l.Currency, currencyRule, matches(currencyForm, currencyRule))},
		{"debt", func(raw json.RawMessage) string { return amount(raw, &l.Debt) }},
		{"fullname", printable(&l.FullName, maxFullName)},
		{"contract_number", printable(&l.ContractNumber, maxNumber)},
		{"dbz_contract_number", func(raw json.RawMessage) string { return contract(raw, &l.DBZ) }},
		{"iinbin", text(&l.IINBIN, "must have 12 digits", func(s string) string { return iinbinFault(s, rules) })},
		{"overdue_days", func(raw json.RawMessage) string { return days(raw, &l.OverdueDays) }},
		{"system", printable(&l.System, maxSystem)},
	}, tell)
	now := rules.Now
	if now.IsZero() {
		now = time.Now().UTC()
	}
	const rule = "must be a day such as 2020-01-31, " + domain.DateRule
	day := text(&l.DBZDate, rule, func(s string) string { return unless(domain.AcceptableDay(s, now), rule) })
	if raw := object.Fields["dbz_dt"]; len(raw) > 0 && string(raw) != "null" {
		readFields(object, []field{{"dbz_dt", day}}, tell)
	}
	return l
}

const currencyRule = "must be three capital letters"

var currencyForm = regexp.MustCompile(`^[A-Z]{3}$`)

// unless is the rule that does not hold.
func unless(holds bool, rule string) string {
	if holds {
		return ""
	}
	return rule
}

func matches(form *regexp.Regexp, rule string) func(string) string {
	return func(s string) string { return unless(form.MatchString(s), rule) }
}

// noBreakSpace is what spreadsheets and word processors put for a space; we read one.
const noBreakSpace = "\u00a0"

// text takes a JSON string of UTF-8 that fault finds nothing wrong with; rule is what anything
// else breaks.
func text(into *string, rule string, fault func(string) string) func(json.RawMessage) string {
	return func(raw json.RawMessage) string {
		var s string
		switch wrong := encodingFault(raw); {
		case json.Unmarshal(raw, &s) != nil:
			return rule
		case wrong != "":
			return wrong
		}
		s = strings.ReplaceAll(s, noBreakSpace, " ")
		if wrong := fault(s); wrong != "" {
			return wrong
		}
		*into = s
		return ""
	}
}

// printable takes a text of 1 to most characters that can be shown, and no spaces at its ends.
func printable(into *string, most int) func(json.RawMessage) string {
	rule := fmt.Sprintf("must have 1 to %d printable characters", most)
	return text(into, rule, func(s string) string {
		switch wrong := domain.UnprintableFault(s); {
		case wrong != "":
			return wrong
		case s == "" || utf8.RuneCountInString(s) > most:
			return rule
		}
		return unless(strings.TrimSpace(s) == s, "must have no spaces at its ends")
	})
}

func ibanFault(s string, rules Rules) string {
	if wrong := domain.IBANFault(s); rules.CheckDigits || !domain.IsKazakhIBAN(s) {
		return wrong
	}
	return ""
}

func iinbinFault(s string, rules Rules) string {
	if wrong := domain.IINBINFault(s); rules.CheckDigits || !domain.IsIINBIN(s) {
		return wrong
	}
	return ""
}

func contract(raw json.RawMessage, into *domain.ContractNumber) string {
	var s string
	if wrong := printable(&s, maxNumber)(raw); wrong != "" {
		return wrong
	}
	n, err := domain.ParseContractNumber(s)
	*into = n
	return unless(err == nil && domain.SafeInPath(s), "must have no . or .. between slashes") // it is in paths of our API
}

// amount takes a number, or a text that holds one.
func amount(raw json.RawMessage, into *domain.Money) string {
	var m domain.Money
	if m.UnmarshalJSON(raw) != nil || m <= 0 || m > MaxAmount {
		return "must be an amount above 0 with at most two decimals"
	}
	*into = m
	return ""
}

// days takes an integer, of at most a hundred years.
func days(raw json.RawMessage, into *int) string {
	n, err := strconv.Atoi(string(raw))
	if err != nil || n < 0 || n > 36_500 {
		return "must be an integer from 0 to 36500"
	}
	*into = n
	return ""
}
