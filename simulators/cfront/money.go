package cfront

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// Hundredths is an amount of money.
type Hundredths int64

// String has two decimals.
func (h Hundredths) String() string { return fmt.Sprintf("%d.%02d", h/100, h%100) }

// MarshalJSON writes a number with two decimals.
func (h Hundredths) MarshalJSON() ([]byte, error) { return []byte(h.String()), nil }

// UnmarshalJSON reads what MarshalJSON wrote.
func (h *Hundredths) UnmarshalJSON(text []byte) error {
	amount, ok := parseMoney(text, false)
	if !ok {
		return fmt.Errorf("%s is no amount", text)
	}
	*h = amount
	return nil
}

// parseMoney reads a number, or a text that holds one ("accepted: the bank seems to
// coerce"), with at most two decimals; when strict, a number with just two.
func parseMoney(raw json.RawMessage, strict bool) (Hundredths, bool) {
	text := string(raw)
	if inner, quoted := strings.CutPrefix(text, `"`); quoted {
		if text, quoted = strings.CutSuffix(inner, `"`); !quoted || strict {
			return 0, false
		}
	}
	whole, decimals, dotted := strings.Cut(text, ".")
	if whole == "" || len(whole) > 12 || len(decimals) > 2 || dotted && decimals == "" || strict && len(decimals) != 2 ||
		strings.Trim(whole+decimals, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseInt(whole+(decimals + "00")[:2], 10, 64)
	return Hundredths(n), err == nil
}
