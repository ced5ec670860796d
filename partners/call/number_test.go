package call

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/require"
)

func TestNumber(t *testing.T) {
	for raw, want := range map[string]string{
		`900000`: "900000", `900000.0000`: "900000.0000", `"509455.9000"`: "509455.9000", `2.0833333E-3`: "0.0020833333", `"9E+5"`: "900000",
		`" 7\t"`: "7", `"\u00a07"`: "7", `".5"`: "0.5", `"-.5"`: "-0.5", `-0.0`: "-0.0", `1e40`: "1" + strings.Repeat("0", 39) + "0", `null`: "", ``: "", `""`: "", `"  "`: "",
	} {
		plain, ok := Number(json.RawMessage(raw))
		if raw == `1e40` { // 41 digits
			require.False(t, ok)
			continue
		}
		require.True(t, ok, raw)
		require.Equal(t, want, plain, raw)
	}
	for _, raw := range []string{
		`"2 000,00"`, `"500,0"`, `"1,000"`, `"2 000"`, `"+5"`, `"007"`, `"0x10"`, `"NaN"`, `"Infinity"`, `"1."`, `"."`, `"-"`, `"1e"`, `"5 KZT"`, `true`, `{}`, `[1]`,
		`1e41`, `1e999999999`, `1e-999999999`, `"` + strings.Repeat("1", 65) + `"`, `"\u0661"`,
	} {
		_, ok := Number(json.RawMessage(raw))
		require.False(t, ok, raw)
	}
}

func TestAmountsAndIntegers(t *testing.T) {
	for raw, want := range map[string]int64{`1`: 100, `1.5`: 150, `1.5000`: 150, `0.01000`: 1, `1E-2`: 1, `-2e3`: -200000} {
		m, ok := amount(json.RawMessage(raw))
		require.True(t, ok, raw)
		require.EqualValues(t, want, *m, raw)
	}
	for _, raw := range []string{`0.001`, `1.5001`, `1e-3`, `1e30`, `"many"`} {
		_, ok := amount(json.RawMessage(raw))
		require.False(t, ok, raw)
	}
	for raw, want := range map[string]int64{`7`: 7, `7.00`: 7, `"7"`: 7, `7e2`: 700, `-17.0`: -17} {
		n, present, ok := Integer(json.RawMessage(raw), 3)
		require.True(t, ok && present, raw)
		require.Equal(t, want, n, raw)
	}
	for _, raw := range []string{`7.5`, `1000`, `1e3`, `"seven"`} {
		_, _, ok := Integer(json.RawMessage(raw), 3)
		require.False(t, ok, raw)
	}
}

// A number that is read has the value that was written, and is short.
func FuzzNumber(f *testing.F) {
	for _, raw := range []string{`900000.0000`, `2.0833333E-3`, `".5"`, `"2 000,00"`, `1e999999999`, `-0`, `""`, `null`} {
		f.Add([]byte(raw))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		if !json.Valid(raw) {
			return
		}
		raw = []byte(strings.TrimSpace(string(raw)))
		plain, ok := Number(raw)
		if !ok || plain == "" {
			return
		}
		text, _ := Text(raw)
		written, err := decimal.NewFromString(strings.TrimSpace(text))
		if err != nil || len(plain) > maxPlain || strings.ContainsAny(plain, "eE") || !decimal.RequireFromString(plain).Equal(written) {
			t.Errorf("%s was read as %s", raw, plain)
		}
	})
}
