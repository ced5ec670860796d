package domain

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestContractNumbers(t *testing.T) {
	for _, s := range []string{"KD0000000001", "ДБЗ-17/2026", "a", strings.Repeat("я", 64), "1 2"} {
		if n, err := ParseContractNumber(s); err != nil || n.String() != s {
			t.Errorf("%q: %q %v", s, n, err)
		}
	}
	for _, s := range []string{"", " a", "a ", strings.Repeat("я", 65), "a\nb", "a\u0000", "\xff", "\u200b"} {
		if n, err := ParseContractNumber(s); !errors.Is(err, ErrContractNumber) || n != "" {
			t.Errorf("%q: %q %v", s, n, err)
		}
	}
	if id := ContractNumber("ДБЗ/1").WorkflowID(); id != "paymentorder/%D0%94%D0%91%D0%97%2F1" {
		t.Error(id)
	}
	if id := ContractNumber("KD0000000001").WorkflowID(); id != "paymentorder/KD0000000001" {
		t.Error(id)
	}
}

// The seeds' references have 14 and 16 characters.
func TestReferences(t *testing.T) {
	for _, s := range []string{"PTP00000000001", "PTP0000000000001", "OP10000000000001", "EAR0000000000001", "ABC1", "ABC" + strings.Repeat("9", 17)} {
		if r, err := ParseReference(s); err != nil || string(r) != s {
			t.Errorf("%q: %v", s, err)
		}
	}
	for _, s := range []string{"", "PTP", "PT1", "ptp1", "PTP1 ", "PTP" + strings.Repeat("9", 18), "PTP٣", "PTPP1", "OP", "PTP-1", "PTP1\n"} {
		if _, err := ParseReference(s); !errors.Is(err, ErrReference) {
			t.Errorf("%q was taken", s)
		}
	}
	for n, want := range map[int64]string{1: "PTP0000000000001", 9_999_999_999_999: "PTP9999999999999"} {
		if r, err := NewReference(PaymentOrderReference, n); err != nil || string(r) != want {
			t.Errorf("%d: %s %v", n, r, err)
		}
	}
	for _, n := range []int64{0, -1, 10_000_000_000_000} {
		if r, err := NewReference(RequestReference, n); !errors.Is(err, ErrReference) {
			t.Errorf("%d: %s %v", n, r, err)
		}
	}
}

// The numbers are invented; their check digits were made by hand from the rule.
func TestIINBIN(t *testing.T) {
	for s, want := range map[string][2]bool{
		"000000000000":  {true, true}, // the seed's own, which no digit speaks against
		"123456789012":  {true, false},
		"100000000001":  {true, true},  // 1·1
		"100000000002":  {true, false}, // one off
		"010000000002":  {true, true},  // 1·2
		"000000000101":  {true, true},  // 1·10 leaves 10, so by the second weights, 3 4 5 6 7 8 9 10 11 1 2: 1·1
		"00000000000":   {false, false},
		"0000000000000": {false, false},
		"00000000000a":  {false, false},
		"٠٠٠٠٠٠":        {false, false},
	} {
		if got := [2]bool{IsIINBIN(s), CheckedIINBIN(s)}; got != want {
			t.Errorf("%s: %v, want %v", s, got, want)
		}
	}
	// Of any ten numbers that differ in the last digit alone at most one is right.
	for n := range 500 {
		right := 0
		for last := range 10 {
			if CheckedIINBIN(fmt.Sprintf("%011d%d", n*7919, last)) {
				right++
			}
		}
		if right > 1 {
			t.Errorf("%011d: %d right digits", n*7919, right)
		}
	}
}

func TestIBANs(t *testing.T) {
	for s, want := range map[string][2]bool{
		"KZ000000000000000000":  {true, false}, // the seed's own
		"KZ86125KZT5004100100":  {true, true},  // the registry's example
		"KZ86125KZT5004100101":  {true, false},
		"KZ68125KZT5004100100":  {true, false},
		"kz86125kzt5004100100":  {false, false},
		"KZ86125KZT500410010":   {false, false},
		"KZ86125KZT50041001000": {false, false},
		"DE86125KZT5004100100":  {false, false},
		"KZ86125KZT500410010Я":  {false, false},
	} {
		if got := [2]bool{IsKazakhIBAN(s), CheckedIBAN(s)}; got != want {
			t.Errorf("%s: %v, want %v", s, got, want)
		}
	}
}

func TestIsBIC(t *testing.T) {
	for text, want := range map[string]bool{"HSBKKZKX": true, "HSBKKZKXALM": true, "": false, "hsbkkzkx": false, "HSBKKZK": false, "HSBKKZKXA": false, "HSBKKZKX\n": false} {
		if IsBIC(text) != want {
			t.Errorf("%q: %t", text, !want)
		}
	}
}
