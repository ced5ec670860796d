package domain

import (
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"
)

// What is read as an amount is written so that it is read as the same amount.
func FuzzMoney(f *testing.F) {
	for _, text := range []string{"200.00", "-0.05", "2e2", "1e400", "1e-3", "NaN", "0x10", `"200.00"`, "92233720368547758.07", "-92233720368547758.08", ""} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		m, err := ParseMoney(text)
		if err != nil {
			if !errors.Is(err, ErrMoney) || m != 0 {
				t.Errorf("%q: %v %v", text, m, err)
			}
			return
		}
		if again, err := ParseMoney(m.String()); err != nil || again != m {
			t.Errorf("%q: %s is read as %s, %v", text, m, again, err)
		}
		if !json.Valid([]byte(text)) || strings.TrimSpace(text) != text || m == math.MinInt64 {
			t.Errorf("%q is no number", text)
		}
		var fromJSON Money
		if err := json.Unmarshal([]byte(text), &fromJSON); err != nil || fromJSON != m {
			t.Errorf("%q from JSON: %s %v", text, fromJSON, err)
		}
	})
}

// What is read as a number keeps its text and has a value.
func FuzzDecimal(f *testing.F) {
	for _, text := range []string{"509455.9000", "0.0020833333", "-0.0000", "1e9", "NaN", "", "01", `"1"`} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		d, err := ParseDecimal(text)
		if err != nil {
			if !errors.Is(err, ErrDecimal) {
				t.Errorf("%q: %v", text, err)
			}
			return
		}
		var again Decimal
		b, err := json.Marshal(d)
		if err != nil || string(b) != text || json.Unmarshal(b, &again) != nil || again != d || d.Cmp(again) != 0 {
			t.Errorf("%q: %s %s %v", text, b, again, err)
		}
	})
}

// Each id has one spelling only.
func FuzzAgentTransactionID(f *testing.F) {
	for _, text := range []string{"1233355", "999999999999999999", "1000000000000000000", "0", "01", "-1", "1.0", `"1"`, ""} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		id, err := ParseAgentTransactionID(text)
		if err != nil {
			if !errors.Is(err, ErrID) || id != 0 {
				t.Errorf("%q: %v %v", text, id, err)
			}
			return
		}
		var again AgentTransactionID
		b, err := json.Marshal(id)
		if err != nil || id.String() != text || id < 1 || id > maxAgentTransactionID || json.Unmarshal(b, &again) != nil || again != id {
			t.Errorf("%q: %s %s %v", text, id, b, err)
		}
	})
}
