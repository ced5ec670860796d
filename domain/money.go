package domain

import (
	"bytes"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Money is an exact amount in tiyn, a hundredth of a tenge. Its zero value is
// 0.00. It is a BIGINT in both ledgers and a number with exactly two decimals
// on the wire (processing v20, "amountTo … дробное число с точностью до сотых").
type Money int64

// maxMoneyLiteral bounds the text of one amount; the longest amount that fits
// int64 tiyn, with its sign and point, has 21 characters.
const maxMoneyLiteral = 32

// maxMoneyExponent bounds an exponent such as the 2 of 1e2. Larger ones are
// mistakes or attacks, never amounts.
const maxMoneyExponent = 16

// ErrMoney is wrapped by every error of ParseMoney.
var ErrMoney = errors.New("not an amount")

// ParseMoney reads an amount such as "200", "200.5", "200.00" or "2e2".
//
// It refuses what is not a JSON number: signs with a plus, leading zeros, empty
// text, spaces, NaN and infinities. It refuses more than two decimals even when
// they are zeros, exponents beyond ±16 and amounts over 92 quadrillion tenge.
// Errors wrap ErrMoney and never repeat more than 32 characters of the input.
func ParseMoney(s string) (Money, error) {
	if len(s) > maxMoneyLiteral {
		return 0, fmt.Errorf("%w: more than %d characters", ErrMoney, maxMoneyLiteral)
	}
	if !isJSONNumber(s) {
		return 0, fmt.Errorf("%w: %q is not a decimal number", ErrMoney, s)
	}
	negative := strings.HasPrefix(s, "-")
	mantissa, exponent, err := splitExponent(strings.TrimPrefix(s, "-"))
	if err != nil {
		return 0, err
	}
	whole, fraction, _ := strings.Cut(mantissa, ".")
	digits := whole + fraction
	scale := len(fraction) - exponent // decimals that the value really has
	if scale > 2 {
		return 0, fmt.Errorf("%w: %q has more than two decimals", ErrMoney, s)
	}
	digits += strings.Repeat("0", 2-scale)
	tiyn, err := strconv.ParseInt(digits, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%w: %q is too large", ErrMoney, s)
	}
	if negative {
		tiyn = -tiyn
	}
	return Money(tiyn), nil
}

// splitExponent parts "12.5e3" into "12.5" and 3.
func splitExponent(s string) (mantissa string, exponent int, err error) {
	at := strings.IndexAny(s, "eE")
	if at < 0 {
		return s, 0, nil
	}
	exponent, err = strconv.Atoi(s[at+1:])
	if err != nil || exponent > maxMoneyExponent || exponent < -maxMoneyExponent {
		return "", 0, fmt.Errorf("%w: %q has an exponent beyond ±%d", ErrMoney, s, maxMoneyExponent)
	}
	return s[:at], exponent, nil
}

// isJSONNumber says whether s is one number of RFC 8259, section 6, and
// nothing else.
func isJSONNumber(s string) bool {
	if s == "" || (s[0] != '-' && (s[0] < '0' || s[0] > '9')) {
		return false
	}
	last := s[len(s)-1]
	return last >= '0' && last <= '9' && json.Valid([]byte(s))
}

// String is the amount with two decimals and a point: "200.00", "-0.05".
func (m Money) String() string {
	sign := ""
	tiyn := uint64(m) // two's complement: negated below, exact for every value
	if m < 0 {
		sign, tiyn = "-", -tiyn
	}
	return fmt.Sprintf("%s%d.%02d", sign, tiyn/100, tiyn%100)
}

// Positive says whether the amount is above zero.
func (m Money) Positive() bool { return m > 0 }

// Add is the exact sum; ok is false when it would not fit.
func (m Money) Add(n Money) (sum Money, ok bool) {
	if (n > 0 && m > math.MaxInt64-n) || (n < 0 && m < math.MinInt64-n) {
		return 0, false
	}
	return m + n, true
}

// MarshalJSON writes a number with both decimals, 200.00, as the processing
// centre demands.
func (m Money) MarshalJSON() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalJSON accepts a number or a string that ParseMoney accepts. null is
// refused: an amount that may be missing is a *Money.
func (m *Money) UnmarshalJSON(b []byte) error {
	text := string(bytes.TrimSpace(b))
	if strings.HasPrefix(text, `"`) {
		if err := json.Unmarshal(b, &text); err != nil {
			return fmt.Errorf("%w: broken string", ErrMoney)
		}
	}
	parsed, err := ParseMoney(text)
	if err != nil {
		return err
	}
	*m = parsed
	return nil
}

// Value stores tiyn.
func (m Money) Value() (driver.Value, error) { return int64(m), nil }

// Scan reads tiyn.
func (m *Money) Scan(src any) error {
	tiyn, ok := src.(int64)
	if !ok {
		return fmt.Errorf("%w: the ledger holds a %T, not tiyn", ErrMoney, src)
	}
	*m = Money(tiyn)
	return nil
}
