package domain

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
)

func TestParseMoney(t *testing.T) {
	for text, want := range map[string]Money{
		"0": 0, "0.00": 0, "-0": 0, "-0.00": 0, "0.01": 1, "-0.01": -1, "0.1": 10, "200": 200_00, "200.5": 200_50, "200.00": 200_00, "180.00": 180_00,
		"2e2": 200_00, "2E+2": 200_00, "2.5e1": 25_00, "12.345e1": 123_45, "100e-2": 1_00, "0e16": 0, "1e16": 1e18,
		"92233720368547758.07": math.MaxInt64, "-92233720368547758.07": -math.MaxInt64,
	} {
		if got, err := ParseMoney(text); err != nil || got != want {
			t.Errorf("%q: %d tiyn, %v; want %d", text, got, err, want)
		}
	}
	for _, text := range []string{
		"", " ", " 200", "200 ", "2 00", "\t1", "1\n", "NaN", "nan", "Infinity", "-Infinity", "+Inf", "inf", "null", "true", "[]", "{}",
		`"200.00"`, `""`, "1e400", "-1e400", "1e17", "1e-3", "1e-400", "1e99999999999999999999", "1e", "e1", "200.000", "0.001", "1.005",
		"0x10", "0b1", "1_000", "1,00", "200,00", "1.", ".5", "+1", "--1", "-", "01", "-01", "00", "1.2.3", "٣", "１", "1\u00a0000",
		"92233720368547758.08", "-92233720368547758.08", "99999999999999999999", "9.3e16", strings.Repeat("1", 33), strings.Repeat("0", 1000), "1\x00",
	} {
		got, err := ParseMoney(text)
		if !errors.Is(err, ErrMoney) || got != 0 {
			t.Errorf("%q: %v, %v", text, got, err)
		}
		if err != nil && len(err.Error()) > 120 {
			t.Errorf("a long text comes back: %v", err)
		}
	}
}

// "Если сумма представляет целое число, то оно дополняется точкой и нулями,
// например – «180.00»"
func TestMoneyIsWrittenWithTwoDecimals(t *testing.T) {
	for m, want := range map[Money]string{
		0: "0.00", 1: "0.01", -1: "-0.01", 99: "0.99", 100: "1.00", 180_00: "180.00", -5: "-0.05", 1_000_000_00: "1000000.00",
		math.MaxInt64: "92233720368547758.07", math.MinInt64: "-92233720368547758.08",
	} {
		b, err := json.Marshal(m)
		if err != nil || m.String() != want || string(b) != want {
			t.Errorf("%d: %s, %s, %v", int64(m), m, b, err)
		}
	}
}

func TestMoneyFromJSON(t *testing.T) {
	for text, want := range map[string]Money{`200.00`: 200_00, `"200.00"`: 200_00, ` 7 `: 7_00, `"7"`: 7_00, `"\u0037"`: 7_00} {
		var m Money
		if err := json.Unmarshal([]byte(text), &m); err != nil || m != want {
			t.Errorf("%s: %v, %v", text, m, err)
		}
	}
	for _, text := range []string{`null`, `""`, `" 7"`, `"7 "`, `true`, `[7]`, `{}`, `"NaN"`, `1e400`, `1e-3`, `200.000`, `"0x10"`, `"\"7\""`} {
		m := Money(5)
		if err := json.Unmarshal([]byte(text), &m); err == nil || m != 5 {
			t.Errorf("%s was read as %v, %v", text, m, err)
		}
	}
	if err := new(Money).UnmarshalJSON([]byte(`"`)); !errors.Is(err, ErrMoney) {
		t.Error(err)
	}
	var absent struct{ M *Money }
	if err := json.Unmarshal([]byte(`{"M":null}`), &absent); err != nil || absent.M != nil {
		t.Errorf("an amount that may be missing: %v, %v", absent.M, err)
	}
}

func TestMoneyAdd(t *testing.T) {
	for _, test := range []struct {
		a, b, sum Money
		ok        bool
	}{
		{1, 2, 3, true}, {-1, 1, 0, true}, {math.MaxInt64, 0, math.MaxInt64, true}, {math.MaxInt64, math.MinInt64, -1, true},
		{math.MaxInt64 - 1, 1, math.MaxInt64, true}, {math.MinInt64 + 1, -1, math.MinInt64, true},
		{math.MaxInt64, 1, 0, false}, {math.MinInt64, -1, 0, false}, {math.MinInt64, math.MinInt64, 0, false}, {math.MaxInt64, math.MaxInt64, 0, false},
	} {
		for _, pair := range [][2]Money{{test.a, test.b}, {test.b, test.a}} {
			if sum, ok := pair[0].Add(pair[1]); sum != test.sum || ok != test.ok {
				t.Errorf("%d + %d: %d %v", pair[0], pair[1], sum, ok)
			}
		}
	}
	if Money(0).Positive() || Money(-1).Positive() || !Money(1).Positive() {
		t.Error("positive means above zero")
	}
}

// The ledgers hold tiyn.
func TestMoneyInTheLedger(t *testing.T) {
	v, err := Money(200_05).Value()
	if err != nil || v != int64(200_05) {
		t.Errorf("%v %v", v, err)
	}
	var m Money
	if err := m.Scan(int64(-7)); err != nil || m != -7 {
		t.Errorf("%v %v", m, err)
	}
	for _, foreign := range []any{nil, 200.05, "20005", []byte("20005"), 7} {
		if err := m.Scan(foreign); !errors.Is(err, ErrMoney) || m != -7 {
			t.Errorf("%T: %v %v", foreign, m, err)
		}
	}
}

func TestDecimal(t *testing.T) {
	for _, text := range []string{"0", "-0", "509455.9000", "0.0020833333", "-0.0000", "0.0", strings.Repeat("9", 40), "0." + strings.Repeat("0", 38)} {
		d, err := ParseDecimal(text)
		if err != nil || d.String() != text {
			t.Errorf("%q: %s %v", text, d, err)
		}
		b, err := json.Marshal(d)
		var again, quoted Decimal
		if err != nil || string(b) != text || json.Unmarshal(b, &again) != nil || json.Unmarshal([]byte(`"`+text+`"`), &quoted) != nil || again != d || quoted != d {
			t.Errorf("%q: %s %v %v %v", text, b, again, quoted, err)
		}
	}
	for _, text := range []string{"", " 1", "1 ", "1e2", "1E2", "1e999999999", "NaN", "Infinity", "0x10", "1.", ".5", "+1", "01", "1,5", `"1"`, "null", strings.Repeat("9", 41)} {
		if d, err := ParseDecimal(text); !errors.Is(err, ErrDecimal) || d != (Decimal{}) {
			t.Errorf("%q: %s %v", text, d, err)
		}
	}
	for _, text := range []string{`null`, `true`, `[]`, `""`, `"1e2"`, `1e2`, `" 1"`} {
		var d Decimal
		if err := json.Unmarshal([]byte(text), &d); err == nil {
			t.Errorf("%s: %s", text, d)
		}
	}
	if err := new(Decimal).UnmarshalJSON([]byte(`"`)); !errors.Is(err, ErrDecimal) {
		t.Error(err)
	}
}

func TestDecimalIsStoredAsText(t *testing.T) {
	for _, text := range []string{"0", "-0.5000", "90071992547409.9301", strings.Repeat("9", 40)} {
		d, err := ParseDecimal(text)
		if err != nil {
			t.Fatal(err)
		}
		stored, err := d.Value()
		if err != nil || stored != text {
			t.Errorf("%q is stored as %v: %v", text, stored, err)
		}
		for _, delivered := range []any{text, []byte(text)} {
			var back Decimal
			if err := back.Scan(delivered); err != nil || back != d {
				t.Errorf("%T %q: %s %v", delivered, text, back, err)
			}
		}
	}
	for _, foreign := range []any{nil, 1.5, int64(1), "1e2", ""} {
		var d Decimal
		if err := d.Scan(foreign); !errors.Is(err, ErrDecimal) || d != (Decimal{}) {
			t.Errorf("%T %v: %s %v", foreign, foreign, d, err)
		}
	}
}

// By value, not by text: the balance 10.0000 is not below 9.9.
func TestDecimalCmp(t *testing.T) {
	rising := []string{"-10", "-9.9000", "-0.0001", "0", "0.0000000001", "9.9", "10.0000", "509455.9000", strings.Repeat("9", 40)}
	for i, a := range rising {
		for j, b := range rising {
			x, _ := ParseDecimal(a)
			y, _ := ParseDecimal(b)
			if got, want := x.Cmp(y), min(1, max(-1, i-j)); got != want {
				t.Errorf("%s against %s: %d, want %d", a, b, got, want)
			}
		}
	}
	var zero Decimal
	if one, _ := ParseDecimal("0.00"); zero.Cmp(one) != 0 || zero.String() != "0" || fmt.Sprint(zero) != "0" {
		t.Errorf("the zero value is %s", zero)
	}
}

// Whole tiyn of what is above the floor, never more.
func TestDecimalAbove(t *testing.T) {
	for _, c := range []struct {
		number, floor string
		want          Money
	}{
		{"509455.9000", "0.0000", 50_945_590}, {"0.0199", "0", 1}, {"0.0099", "0.0000", 0}, {"100.00", "100.0000", 0}, {"99", "100", 0},
		{"-1", "-2.5", 150}, {"150.0050", "100.0000", 50_00}, {"99999999999999999999999999999999999999", "0", math.MaxInt64},
	} {
		number, err := ParseDecimal(c.number)
		if err != nil {
			t.Fatal(err)
		}
		floor, err := ParseDecimal(c.floor)
		if err != nil {
			t.Fatal(err)
		}
		if got := number.Above(floor); got != c.want {
			t.Errorf("%s above %s: %d, want %d", c.number, c.floor, got, c.want)
		}
	}
}
