package domain

import (
	"bytes"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/shopspring/decimal"
)

// Decimal is an exact number that is not an amount of ours: the agent's balance
// (4 decimals), a conversion rate (10), a tariff. It keeps the text it was read
// from, so that 509455.9000 stays 509455.9000, and is stored as text.
type Decimal struct{ text string }

// ErrDecimal is wrapped by every error of ParseDecimal.
var ErrDecimal = errors.New("not a number")

// ParseDecimal reads a JSON number of at most 40 characters without an exponent
// (no partner writes one, and 1e999999999 costs a gigabyte to print).
func ParseDecimal(s string) (Decimal, error) {
	if len(s) > 40 || strings.ContainsAny(s, "eE") || !isJSONNumber(s) {
		return Decimal{}, fmt.Errorf("%w: want up to 40 digits with a point", ErrDecimal)
	}
	return Decimal{text: s}, nil
}

// String is the text the number was read from; "0" for the zero value.
func (d Decimal) String() string {
	if d.text == "" {
		return "0"
	}
	return d.text
}

// Cmp compares by value: -1, 0 or 1.
func (d Decimal) Cmp(other Decimal) int { return d.number().Cmp(other.number()) }

// Above is by how much the number, in tenge, is above a floor: in whole tiyn, rounded
// down; 0 when it is not.
func (d Decimal) Above(floor Decimal) Money {
	tiyn := d.number().Sub(floor.number()).Shift(2).Floor()
	switch {
	case !tiyn.IsPositive():
		return 0
	case tiyn.Cmp(decimal.NewFromInt(math.MaxInt64)) > 0:
		return math.MaxInt64
	}
	return Money(tiyn.IntPart())
}

func (d Decimal) number() decimal.Decimal {
	return decimal.RequireFromString(d.String()) // ParseDecimal let only valid text in
}

// MarshalJSON writes the number as it was read.
func (d Decimal) MarshalJSON() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalJSON accepts a number or a string that ParseDecimal accepts.
func (d *Decimal) UnmarshalJSON(b []byte) error {
	text := string(bytes.TrimSpace(b))
	if strings.HasPrefix(text, `"`) {
		if err := json.Unmarshal(b, &text); err != nil {
			return fmt.Errorf("%w: broken string", ErrDecimal)
		}
	}
	parsed, err := ParseDecimal(text)
	if err != nil {
		return err
	}
	*d = parsed
	return nil
}

// Value stores the text.
func (d Decimal) Value() (driver.Value, error) { return d.String(), nil }

// Scan reads text that ParseDecimal accepts.
func (d *Decimal) Scan(src any) error {
	var text string
	switch v := src.(type) {
	case string:
		text = v
	case []byte:
		text = string(v)
	default:
		return fmt.Errorf("%w: the ledger holds a %T, not text", ErrDecimal, src)
	}
	parsed, err := ParseDecimal(text)
	if err != nil {
		return err
	}
	*d = parsed
	return nil
}
