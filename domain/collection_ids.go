package domain

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"
)

// ContractNumber is the number of a loan contract ("Номер ДБЗ"): the name of a payment
// order's process, its Kafka key, and what ABS is asked for. Any alphabet, slashes too.
type ContractNumber string

// ErrContractNumber is wrapped by every error of ParseContractNumber.
var ErrContractNumber = errors.New("not a contract number")

// maxContractNumber is the longest contract number, in characters; the document's have 12.
const maxContractNumber = 64

// ParseContractNumber takes 1 to 64 printable characters without spaces at the ends, so
// that each number has one spelling.
func ParseContractNumber(s string) (ContractNumber, error) {
	switch {
	case UnprintableFault(s) != "":
		return "", fmt.Errorf("%w: it %s", ErrContractNumber, UnprintableFault(s))
	case s == "" || utf8.RuneCountInString(s) > maxContractNumber:
		return "", fmt.Errorf("%w: want 1 to %d characters", ErrContractNumber, maxContractNumber)
	case strings.TrimSpace(s) != s:
		return "", fmt.Errorf("%w: want no spaces at the ends", ErrContractNumber)
	}
	return ContractNumber(s), nil
}

// String is the number as the loan has it.
func (n ContractNumber) String() string { return string(n) }

// WorkflowID is the name of the contract's process in Temporal, logs and spans:
// paymentorder/<contract number>, written as segment says.
func (n ContractNumber) WorkflowID() string { return "paymentorder/" + segment(string(n)) }

// Reference names a request, a payment order, or a refusal of one, between banks.
type Reference string

// The kinds of references that we give, and that of refusals and returns, which others do.
const (
	RequestReference      = "EAR" // req_referer, "Референс запроса"
	PaymentOrderReference = "PTP" // pt_referer, "Референс Платежного требования"
)

// ErrReference is wrapped by every error of ParseReference and NewReference.
var ErrReference = errors.New("not a reference")

// referenceForm takes the seeds' references, of 14 characters and of 16: "OP1…" begins with
// two letters and a digit, and so does no other.
var referenceForm = regexp.MustCompile(`^(?:[A-Z]{3}[0-9]{1,17}|OP[0-9]{1,18})$`)

// ParseReference takes three capital letters and 1 to 17 digits, or OP and 1 to 18 digits
// ("OP10000000000001").
func ParseReference(s string) (Reference, error) {
	if !referenceForm.MatchString(s) {
		return "", fmt.Errorf("%w: want three capital letters and 1 to 17 digits, as PTP0000000000001", ErrReference)
	}
	return Reference(s), nil
}

// referenceDigits is how many digits our references have, as the Kafka page's.
const referenceDigits = 13

// NewReference is the n-th reference of a kind: 16 characters. It fails past the 13th digit.
func NewReference(kind string, n int64) (Reference, error) {
	r := fmt.Sprintf("%s%0*d", kind, referenceDigits, n)
	if n < 1 || len(r) != len(kind)+referenceDigits {
		return "", fmt.Errorf("%w: number %d is not of 1 to %d digits", ErrReference, n, referenceDigits)
	}
	return ParseReference(r)
}

// IsIINBIN says whether s has the form of an IIN or BIN: 12 digits.
func IsIINBIN(s string) bool { return len(s) == 12 && strings.Trim(s, "0123456789") == "" }

// centuries are the first years of the centuries that an IIN's seventh digit names, together
// with the sex: 1 and 2 the 19th, 3 and 4 the 20th, 5 and 6 the 21st.
var centuries = map[byte]int{'1': 1800, '2': 1800, '3': 1900, '4': 1900, '5': 2000, '6': 2000}

// IINBINFault says what is wrong with an IIN or BIN by the rules that they are formed by
// (government decree 406 of 2007); "" when nothing is. The fifth digit tells them apart: of an
// IIN it begins the day, 0 to 3; of a BIN it is the kind, 4 resident, 5 non-resident, 6 joint
// entrepreneurs. An IIN begins with the day of birth, YYMMDD, in the century that its seventh
// digit names; a BIN with the month of registration, YYMM.
func IINBINFault(s string) string {
	if !IsIINBIN(s) {
		return "must have 12 digits"
	}
	month := int(s[2]-'0')*10 + int(s[3]-'0')
	switch kind := s[4]; {
	case kind > '6':
		return "has a fifth digit that neither an IIN (0 to 3) nor a BIN (4 to 6) has"
	case kind >= '4' && (month < 1 || month > 12):
		return "is a BIN by its fifth digit and has no month in digits 3 and 4"
	case kind < '4':
		century, known := centuries[s[6]]
		if !known {
			return "is an IIN by its fifth digit and has a seventh digit that names no century (1 to 6)"
		}
		year := century + int(s[0]-'0')*10 + int(s[1]-'0')
		if _, err := time.Parse("20060102", fmt.Sprintf("%04d", year)+s[2:6]); err != nil {
			return "is an IIN by its fifth digit and has no day of birth in digits 1 to 6"
		}
	}
	if !checkedIINBIN(s) {
		return "has a wrong check digit"
	}
	return ""
}

// checkedIINBIN says whether the twelfth digit of 12 is right: the remainder by 11 of the
// weighted sum of the others; where that is 10, of the sum by the second weights; a number
// whose second remainder is 10, too, is given to nobody.
func checkedIINBIN(s string) bool {
	sum := func(shift int) (n int) {
		for i := range 11 {
			n += int(s[i]-'0') * ((i+shift)%11 + 1)
		}
		return n % 11
	}
	check := sum(0)
	if check == 10 {
		check = sum(2)
	}
	return check == int(s[11]-'0')
}

// bicForm is ISO 9362: 8 characters, or 11 with the branch.
var bicForm = regexp.MustCompile(`^[A-Z0-9]{8}([A-Z0-9]{3})?$`)

// IsBIC says whether s has the form of a bank's BIC.
func IsBIC(s string) bool { return bicForm.MatchString(s) }

// ibanForm is that of a Kazakh IBAN: KZ, two check digits, three digits of the bank and
// thirteen letters or digits.
var ibanForm = regexp.MustCompile(`^KZ[0-9]{5}[0-9A-Z]{13}$`)

// IsKazakhIBAN says whether s has the form of a Kazakh IBAN, 20 characters.
func IsKazakhIBAN(s string) bool { return ibanForm.MatchString(s) }

// IBANFault says what is wrong with a Kazakh IBAN; "" when nothing is. By ISO 13616 the check
// digits are 98 less a remainder by 97, so from 02 to 98, and the number that the IBAN spells
// leaves 1 by 97: that alone would take 00, 01 and 99 for 97, 98 and 02.
func IBANFault(s string) string {
	if !IsKazakhIBAN(s) {
		return "must be a Kazakh IBAN of 20 characters"
	}
	if digits := s[2:4]; digits < "02" || digits > "98" {
		return "has check digits outside 02 to 98"
	}
	rest := 0
	for _, c := range []byte(s[4:] + s[:4]) {
		if c >= 'A' {
			rest = (rest*100 + int(c-'A') + 10) % 97
		} else {
			rest = (rest*10 + int(c-'0')) % 97
		}
	}
	if rest != 1 {
		return "has wrong check digits"
	}
	return ""
}
