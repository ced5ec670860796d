package processing

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// Tiyn is an amount of a payment in hundredths of a tenge, never negative. In
// the control API it is text with two decimals: "200.00".
type Tiyn int64

// amountLiteral is how an amount must stand in the JSON text («Принципы
// взаимодействия»: two decimals, dot, 180 is written 180.00). 13 digits before
// the dot keep every sum of a request inside int64.
var amountLiteral = regexp.MustCompile(`^(0|[1-9][0-9]{0,12})\.[0-9]{2}$`)

func parseTiyn(literal string) (Tiyn, bool) {
	if !amountLiteral.MatchString(literal) {
		return 0, false
	}
	n, err := strconv.ParseInt(strings.Replace(literal, ".", "", 1), 10, 64)
	return Tiyn(n), err == nil
}

func (t Tiyn) String() string { return fmt.Sprintf("%d.%02d", t/100, t%100) }

// MarshalText writes the amount with two decimals.
func (t Tiyn) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// UnmarshalText reads what MarshalText wrote and nothing else.
func (t *Tiyn) UnmarshalText(text []byte) error {
	n, ok := parseTiyn(string(text))
	if !ok {
		return fmt.Errorf("amount %q is not written with two decimals", text)
	}
	*t = n
	return nil
}

// tenThousandths of a tenge are the unit of the agent's balance: the document
// writes it with four decimals («Запрос на проверку баланса Агента»).
type tenThousandths int64

const perTiyn = 100 // ten-thousandths of a tenge in a tiyn

var balanceLiteral = regexp.MustCompile(`^(-?)([0-9]{1,13})(?:\.([0-9]{1,4}))?$`)

func parseBalance(text string) (tenThousandths, bool) {
	m := balanceLiteral.FindStringSubmatch(text)
	if m == nil {
		return 0, false
	}
	n, err := strconv.ParseInt(m[1]+m[2]+(m[3] + "0000")[:4], 10, 64)
	return tenThousandths(n), err == nil
}

func (b tenThousandths) String() string {
	sign := ""
	if b < 0 {
		sign, b = "-", -b
	}
	return fmt.Sprintf("%s%d.%04d", sign, b/10000, b%10000)
}
