package call

import (
	"encoding/json"
	"strconv"
	"strings"

	"github.com/shopspring/decimal"

	"tolem/domain"
)

// Bounds of a number, in characters: as a partner writes it, its exponent, and written
// without one. 1e999999999 would cost a gigabyte.
const (
	maxNumber   = 64
	maxExponent = 40
	maxPlain    = 40
)

// Number reads a number by its value, however it is spelled: as a JSON number or a text
// that holds one, with trailing zeros, with an exponent ("9E5"), padded with white space, or
// as Oracle writes a text below one (".5"). Decimal commas and grouped digits are not read:
// "2,000" has two values.
//
// plain has no exponent; without one in raw, it is the number as it was written. It is ""
// for what is absent, null or an empty text.
func Number(raw json.RawMessage) (plain string, ok bool) {
	text, ok := Text(raw)
	text = strings.TrimSpace(text)
	switch {
	case !ok || len(text) > maxNumber:
		return "", false
	case text == "":
		return "", true
	case text[0] == '.' || strings.HasPrefix(text, "-."):
		text = strings.Replace(text, ".", "0.", 1)
	}
	if first := text[0]; first != '-' && (first < '0' || first > '9') || !json.Valid([]byte(text)) {
		return "", false
	}
	if at := strings.IndexAny(text, "eE"); at >= 0 {
		exponent, err := strconv.Atoi(text[at+1:])
		if err != nil || exponent > maxExponent || exponent < -maxExponent {
			return "", false
		}
		value, err := decimal.NewFromString(text)
		if err != nil {
			return "", false
		}
		text = value.String()
	}
	return text, len(text) <= maxPlain
}

// Integer reads a whole number of at most so many digits; present is false for what Number
// reads as "".
func Integer(raw json.RawMessage, digits int) (n int64, present, ok bool) {
	plain, ok := Number(raw)
	if !ok || plain == "" {
		return 0, false, ok
	}
	whole, fraction, _ := strings.Cut(plain, ".")
	if strings.Trim(fraction, "0") != "" || len(strings.TrimPrefix(whole, "-")) > digits {
		return 0, true, false
	}
	n, err := strconv.ParseInt(whole, 10, 64)
	return n, true, err == nil
}

// amount reads money by Number; nil when it is absent.
func amount(raw json.RawMessage) (*domain.Money, bool) {
	plain, ok := Number(raw)
	if !ok || plain == "" {
		return nil, ok
	}
	if whole, fraction, _ := strings.Cut(plain, "."); len(fraction) > 2 {
		plain = whole + "." + fraction[:2] + strings.TrimRight(fraction[2:], "0")
	}
	m, err := domain.ParseMoney(plain)
	if err != nil {
		return nil, false
	}
	return &m, true
}

// Amount reads money that stands in a text that is shown; ok is false without one.
func Amount(text string) (m domain.Money, ok bool) {
	raw, err := json.Marshal(text)
	if read, good := amount(raw); err == nil && good && read != nil {
		return *read, true
	}
	return 0, false
}

// decimalOf reads a number that is no amount of ours by Number; nil when it is absent.
func decimalOf(raw json.RawMessage) (*domain.Decimal, bool) {
	plain, ok := Number(raw)
	if !ok || plain == "" {
		return nil, ok
	}
	d, err := domain.ParseDecimal(plain)
	if err != nil {
		return nil, false
	}
	return &d, true
}
