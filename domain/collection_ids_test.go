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

func TestIsIINBIN(t *testing.T) {
	for s, want := range map[string]bool{
		"000000000000": true, "123456789012": true, "00000000000": false, "0000000000000": false, "00000000000a": false, "٠٠٠٠٠٠": false,
	} {
		if IsIINBIN(s) != want {
			t.Errorf("%s: %t", s, !want)
		}
	}
}

// checked puts the check digit behind 11 invented digits.
func checked(t *testing.T, eleven string) string {
	t.Helper()
	for last := range 10 {
		if s := fmt.Sprintf("%s%d", eleven, last); checkedIINBIN(s) {
			return s
		}
	}
	t.Fatalf("%s is given to nobody", eleven)
	return ""
}

// The rules of government decree 406: the parts of an IIN and of a BIN, before the check digit.
func TestIINBINFault(t *testing.T) {
	const day, century, month, kind = "is an IIN by its fifth digit and has no day of birth in digits 1 to 6",
		"is an IIN by its fifth digit and has a seventh digit that names no century (1 to 6)",
		"is a BIN by its fifth digit and has no month in digits 3 and 4",
		"has a fifth digit that neither an IIN (0 to 3) nor a BIN (4 to 6) has"
	for eleven, want := range map[string]string{
		"00000000000": century, // the seed's own
		"00000030000": day,
		"90131530001": day, "90133130002": day, // month 13
		"90000130001": day, "90010030001": day, "90013230001": day, "90043130001": day, // month 0, days 0, 32 and 31 April
		"90010130001": "", "90123160001": "",
		"04022950001": "", "03022950001": day, // 2004 and no 2003 has 29 February
		"00022950003": "", "00022930002": day, "00022910002": day, // 2000 has it; 1900 and 1800 do not
		"90010100001": century, "90010170001": century, "90010190001": century,
		"90010110001": "", "90010120001": "", "90010140001": "",
		"20014000001": "", "20015000001": "", "20016000002": "",
		"20134000001": month, "20004000001": month,
		"20017000001": kind, "20018000001": kind, "20019000001": kind,
	} {
		if got := IINBINFault(checked(t, eleven)); got != want {
			t.Errorf("%s: %q, want %q", eleven, got, want)
		}
	}
	for _, eleven := range []string{"90010130001", "20014000001"} {
		good := checked(t, eleven)
		for last := range 10 {
			if s := fmt.Sprintf("%s%d", eleven, last); (IINBINFault(s) == "") != (s == good) {
				t.Errorf("%s: %q", s, IINBINFault(s))
			}
		}
	}
	if got := IINBINFault("1234"); got != "must have 12 digits" {
		t.Error(got)
	}
}

// The twelfth digits were made by hand from the rule.
func TestCheckDigit(t *testing.T) {
	for s, want := range map[string]bool{
		"100000000001": true, // 1·1
		"100000000002": false,
		"010000000002": true, // 1·2
		"000000000101": true, // 1·10 leaves 10, so by the second weights, 3 4 5 6 7 8 9 10 11 1 2: 1·1
	} {
		if checkedIINBIN(s) != want {
			t.Errorf("%s: %t", s, !want)
		}
	}
	// Of any ten numbers that differ in the last digit alone at most one is right.
	for n := range 500 {
		right := 0
		for last := range 10 {
			if checkedIINBIN(fmt.Sprintf("%011d%d", n*7919, last)) {
				right++
			}
		}
		if right > 1 {
			t.Errorf("%011d: %d right digits", n*7919, right)
		}
	}
}

func TestIBANs(t *testing.T) {
	const form, wrong, outside = "must be a Kazakh IBAN of 20 characters", "has wrong check digits", "has check digits outside 02 to 98"
	for s, want := range map[string]string{
		"KZ000000000000000000":  outside, // the seed's own
		"KZ86125KZT5004100100":  "",      // the registry's example
		"KZ86125KZT5004100101":  wrong,
		"KZ68125KZT5004100100":  wrong,
		"kz86125kzt5004100100":  form,
		"KZ86125KZT500410010":   form,
		"KZ86125KZT50041001000": form,
		"DE86125KZT5004100100":  form,
		"KZ86125KZT500410010Я":  form,
	} {
		if got := IBANFault(s); got != want {
			t.Errorf("%s: %q, want %q", s, got, want)
		}
	}
	// Of all hundred check digits of one account exactly one pair is right, also where the
	// remainder alone would take a second pair: 00 for 97, 01 for 98, 99 for 02.
	for account := range 300 {
		var right []string
		for digits := range 100 {
			if s := fmt.Sprintf("KZ%02d125KZT%010d", digits, account); IBANFault(s) == "" {
				right = append(right, s[2:4])
			}
		}
		if len(right) != 1 || right[0] < "02" || right[0] > "98" {
			t.Errorf("%d: %v", account, right)
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
