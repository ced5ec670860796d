package k2

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"
)

func golden(t testing.TB, name string) []byte {
	t.Helper()
	body, err := os.ReadFile(filepath.Join("testdata", name))
	require.NoError(t, err)
	return body
}

// example is the document's loan, with a contract of its own.
func example(dbz string) string {
	return `{"iban":"KZ000000000000000000","cur":"KZT","debt":2000000,"fullname":"Тестовый Тест Тестович","contract_number":"KD0000000001",` +
		`"dbz_contract_number":"` + dbz + `","iinbin":"000000000000","overdue_days":90,"system":"way4"}`
}

func decode(body string, rules Rules) ([]Loan, error) {
	return DecodeLoans(strings.NewReader(body), rules)
}

func refusal(t *testing.T, err error) *Refusal {
	t.Helper()
	var r *Refusal
	require.ErrorAs(t, err, &r)
	require.NotZero(t, r.Code)
	return r
}

// The document's batch: the loan is taken in development, its place-holders never.
func TestExample(t *testing.T) {
	_, err := DecodeLoans(bytes.NewReader(golden(t, "loans-example.json")), Rules{})
	require.Equal(t, []Problem{{1, "", "is empty"}, {2, "", "is empty"}}, refusal(t, err).Problems)
	require.Equal(t, `{"error_text":"[1] is empty; [2] is empty","error_code":2}`, string(refusal(t, err).Answer().Bytes()))

	loans, err := decode("["+example("KD0000000001")+"]", Rules{})
	require.NoError(t, err)
	require.Equal(t, []Loan{{
		IBAN: "KZ000000000000000000", Currency: "KZT", Debt: 200_000_000, FullName: "Тестовый Тест Тестович", ContractNumber: "KD0000000001",
		DBZ: "KD0000000001", IINBIN: "000000000000", OverdueDays: 90, System: "way4",
	}}, loans)
	require.Equal(t, `{"error_text":"","error_code":0}`, string(OK().Bytes()))
}

// Every rule of every field, by index and name, and no value.
func TestLoanFields(t *testing.T) {
	for _, c := range []struct {
		field, value string
		good         bool
	}{
		{"iban", `"KZ86125KZT5004100100"`, true}, {"iban", `"KZ86125KZT500410010"`, false}, {"iban", `"kz86125kzt5004100100"`, false}, {"iban", `7`, false},
		{"cur", `"USD"`, true}, {"cur", `"usd"`, false}, {"cur", `"KZTT"`, false}, {"cur", `398`, false},
		{"debt", `0.01`, true}, {"debt", `"8000.01"`, true}, {"debt", `100000000000`, true}, {"debt", `100000000000.01`, false}, {"debt", `0`, false}, {"debt", `-1`, false},
		{"debt", `1.001`, false}, {"debt", `"many"`, false}, {"debt", `[1]`, false},
		{"fullname", `"` + strings.Repeat("я", 300) + `"`, true}, {"fullname", `"` + strings.Repeat("я", 301) + `"`, false}, {"fullname", `""`, false}, {"fullname", `" a"`, false},
		{"fullname", `"a\u0000b"`, false}, {"fullname", "\"a\xffb\"", false}, {"fullname", `"a\ud800b"`, false}, {"fullname", `{}`, false},
		{"contract_number", `"ДБЗ-1/2026"`, true}, {"contract_number", `"` + strings.Repeat("1", 65) + `"`, false}, {"contract_number", `17`, false},
		{"dbz_contract_number", `"ДБЗ-1/2026"`, true}, {"dbz_contract_number", `"` + strings.Repeat("1", 65) + `"`, false}, {"dbz_contract_number", `17`, false}, {"dbz_contract_number", `"a\nb"`, false},
		{"dbz_contract_number", `"."`, false}, {"dbz_contract_number", `".."`, false}, {"dbz_contract_number", `"КД/../1"`, false}, {"dbz_contract_number", `"..."`, true},
		{"contract_number", `".."`, true}, // in no path
		{"iinbin", `"123456789012"`, true}, {"iinbin", `"12345678901"`, false}, {"iinbin", `123456789012`, false}, {"iinbin", `"12345678901a"`, false},
		{"overdue_days", `0`, true}, {"overdue_days", `36500`, true}, {"overdue_days", `36501`, false}, {"overdue_days", `-1`, false}, {"overdue_days", `1.5`, false}, {"overdue_days", `"90"`, false}, {"overdue_days", `9e1`, false},
		{"system", `"way4"`, true}, {"system", `"` + strings.Repeat("a", 51) + `"`, false}, {"system", `true`, false},
	} {
		var fields map[string]json.RawMessage
		require.NoError(t, json.Unmarshal([]byte(example("KD2")), &fields))
		was := `"` + c.field + `":` + string(fields[c.field])
		require.Contains(t, example("KD2"), was)
		body := "[" + example("KD1") + "," + strings.Replace(example("KD2"), was, `"`+c.field+`":`+c.value, 1) + "]"
		loans, err := decode(body, Rules{})
		if c.good {
			require.NoError(t, err, body)
			require.Len(t, loans, 2)
			continue
		}
		r := refusal(t, err)
		require.Nil(t, loans)
		require.Equal(t, CodeInvalid, r.Code)
		require.Len(t, r.Problems, 1, body)
		require.Equal(t, 1, r.Problems[0].Index)
		require.Equal(t, c.field, r.Problems[0].Field)
		for _, missing := range []string{"", `"` + c.field + `":null,`} {
			body := "[" + strings.TrimSuffix(strings.Replace(strings.Replace(example("KD1"), was+",", missing, 1), ","+was, strings.TrimSuffix(missing, ","), 1), ",") + "]"
			if _, err := decode(body, Rules{}); c.field != "dbz_contract_number" && c.field != "system" {
				require.Contains(t, refusal(t, err).Error(), "[0] "+c.field+" is missing")
			}
		}
		_, err = decode("["+strings.Replace(example("KD1"), "{", "{"+was+",", 1)+"]", Rules{})
		require.Contains(t, err.Error(), "[0] "+c.field+" must stand once")
	}
	_, err := decode(`["Тестовый Тест"]`, Rules{})
	require.Equal(t, "[0] must be a JSON object", err.Error())
	_, err = decode("["+strings.Replace(example("KD1"), "Тестовый Тест Тестович", "Примеров\u200b", 1)+"]", Rules{})
	require.NotContains(t, err.Error(), "Примеров")
}

// A day of the contract is ours and may be left out.
func TestContractDay(t *testing.T) {
	now := time.Date(2026, 2, 17, 23, 0, 0, 0, time.FixedZone("+05", 5*3600))
	for day, good := range map[string]bool{
		`"2020-01-31"`: true, `"2000-01-01"`: true, `"2026-02-18"`: true, `"2026-02-19"`: false, `"1999-12-31"`: false, `"0000-01-01"`: false, `"9999-12-31"`: false,
		`null`: true, `"2020-02-30"`: false, `"31.01.2020"`: false, `20200131`: false, `""`: false,
	} {
		loans, err := decode("["+strings.Replace(example("KD1"), "{", `{"dbz_dt":`+day+`,`, 1)+"]", Rules{Now: now})
		require.Equal(t, good, err == nil, day)
		if good {
			require.Equal(t, strings.Trim(strings.Trim(day, "nul"), `"`), loans[0].DBZDate)
		}
	}
}

// The strictness of check digits is a setting; the document's zeros pass without.
func TestCheckDigits(t *testing.T) {
	zeros := "[" + example("KD1") + "]"
	_, err := decode(zeros, Rules{CheckDigits: true})
	require.Equal(t, []Problem{{0, "iban", "has check digits outside 02 to 98"},
		{0, "iinbin", "is an IIN by its fifth digit and has a seventh digit that names no century (1 to 6)"}}, refusal(t, err).Problems)
	right := strings.NewReplacer("KZ000000000000000000", "KZ86125KZT5004100100", "000000000000", "900101300017").Replace(zeros)
	_, err = decode(right, Rules{CheckDigits: true})
	require.NoError(t, err)
	for wrong, rule := range map[string]string{
		"900101300018": "has a wrong check digit", "901301300017": "is an IIN by its fifth digit and has no day of birth in digits 1 to 6",
		"200170000017": "has a fifth digit that neither an IIN (0 to 3) nor a BIN (4 to 6) has",
	} {
		_, err = decode(strings.Replace(right, "900101300017", wrong, 1), Rules{CheckDigits: true})
		require.Equal(t, []Problem{{0, "iinbin", rule}}, refusal(t, err).Problems)
	}
}

// A byte order mark is skipped, a no-break space is a space, in every text.
func TestMarksAndNoBreakSpaces(t *testing.T) {
	spaced := strings.NewReplacer("Тестовый Тест", "Тестовый\u00a0Тест", "way4", `way\u00a04`, `:"KD0000000001","dbz`, ":\"KD\u00a01\",\"dbz").Replace(example("ДБЗ\u00a0№\u00a01"))
	for _, mark := range []string{"", "\ufeff"} {
		loans, err := decode(mark+"["+spaced+"]", Rules{})
		require.NoError(t, err)
		require.Len(t, loans, 1)
		l := loans[0]
		require.Equal(t, []string{"Тестовый Тест Тестович", "way 4", "KD 1", "ДБЗ № 1"}, []string{l.FullName, l.System, l.ContractNumber, l.DBZ.String()})
		status, err := DecodeStatus([]byte(mark + `{"reference":"PTP1","status_code":"PC1"}`))
		require.NoError(t, err)
		require.Equal(t, "PTP1", string(status.Reference))
	}
	_, err := decode("["+example("KD 1")+","+example("KD\u00a01")+"]", Rules{})
	require.Equal(t, CodeDuplicate, refusal(t, err).Code)
	_, err = decode("["+strings.Replace(example("KD1"), "Тестович", "Тестович\u00a0", 1)+"]", Rules{})
	require.EqualError(t, err, "[0] fullname must have no spaces at its ends")
}

// A refusal names the row, the field, and the character or the encoding, and nothing of a name.
func TestTrueReasons(t *testing.T) {
	windows1251 := string([]byte{0xd2, 0xe5, 0xf1, 0xf2})
	for put, reason := range map[string]string{
		"При\u200bмеров":             "has the character U+200B (zero width space) at position 4",
		"При\u202fмеров":             "has the character U+202F (narrow no-break space) at position 4",
		`При\u0007меров`:             "has the character U+0007 (<control>) at position 4",
		`При\ud800меров`:             "has the character U+FFFD (replacement character) at position 4",
		windows1251:                  "has the byte 0xD2 at position 1, which is not UTF-8 (it looks like windows-1251): send UTF-8",
		"Прим\xd0":                   "has the byte 0xD0 at position 5, which is not UTF-8: send UTF-8",
		strings.Repeat("я", 301):     "must have 1 to 300 printable characters",
		" Примеров":                  "must have no spaces at its ends",
		"Примеров" + "\\u00ad Ивано": "has the character U+00AD (soft hyphen) at position 9",
	} {
		_, err := decode("["+example("KD1")+","+strings.Replace(example("KD2"), "Тестовый Тест Тестович", put, 1)+"]", Rules{})
		require.Equal(t, []Problem{{1, "fullname", reason}}, refusal(t, err).Problems)
		require.NotContains(t, err.Error(), "мер")
	}
	for _, field := range []string{"contract_number", "dbz_contract_number", "system"} {
		var was map[string]any
		require.NoError(t, json.Unmarshal([]byte(example("KD1")), &was))
		was[field] = "a\u2007b"
		body, err := json.Marshal([]any{was})
		require.NoError(t, err)
		_, err = decode(string(body), Rules{})
		require.Equal(t, []Problem{{0, field, "has the character U+2007 (figure space) at position 2"}}, refusal(t, err).Problems)
	}
	for body, reason := range map[string]string{
		"\xff\xfe[\x00]\x00": "the body is UTF-16: send UTF-8", "\xfe\xff\x00[\x00]": "the body is UTF-16: send UTF-8",
		"[\x00{\x00}\x00]\x00": "the body is UTF-16: send UTF-8", "[{},\u00a0{}]": "the body must be exactly one JSON array of loans: item [1] is not JSON",
		"[{}": "the body must be exactly one JSON array of loans",
	} {
		_, err := decode(body, Rules{})
		require.EqualError(t, err, reason)
	}
	_, err := DecodeStatus([]byte("\xff\xfe{\x00}\x00"))
	require.EqualError(t, err, "the body is UTF-16: send UTF-8")
	_, err = DecodeStatus([]byte("{\"reference\":\"PTP\xc0\",\"status_code\":\"PC1\"}"))
	require.EqualError(t, err, "reference has the byte 0xC0 at position 4, which is not UTF-8 (it looks like windows-1251): send UTF-8")
}

// One contract is one loan in a batch; both are named.
func TestDuplicateContracts(t *testing.T) {
	_, err := decode("["+example("KD1")+","+example("KD2")+","+example("KD1")+"]", Rules{})
	require.Equal(t, CodeDuplicate, refusal(t, err).Code)
	require.Equal(t, "[2] dbz_contract_number is that of [0] too: one contract is one loan in a batch", err.Error())
}

// The batch is one array and nothing else, of 1 to 10,000 loans.
func TestBatches(t *testing.T) {
	for _, body := range []string{``, `{}`, `null`, `[`, `[{`, `[{}`, `[{},`, `[{}] x`, `[{}][]`, `[]`, `[` + example("a") + `,]`, `[{} {}]`, "\xff"} {
		_, err := decode(body, Rules{})
		r := refusal(t, err)
		require.Equal(t, -1, r.Problems[0].Index, body)
		require.Equal(t, CodeMalformed, r.Code, body)
	}
	many := func(n int) string {
		items := make([]string, n)
		for i := range items {
			items[i] = example(fmt.Sprintf("KD%d", i))
		}
		return "[" + strings.Join(items, ",\n") + "]"
	}
	loans, err := decode(many(MaxLoans), Rules{})
	require.NoError(t, err)
	require.Len(t, loans, MaxLoans)
	require.Less(t, len(many(MaxLoans)), MaxBatch, "the limits fit each other")
	_, err = decode(many(MaxLoans+1), Rules{})
	require.Contains(t, refusal(t, err).Error(), "10000")
	_, err = decode("["+strings.Repeat("{},", 99)+"{}]", Rules{})
	require.Len(t, refusal(t, err).Problems, maxProblems)
	require.Contains(t, err.Error(), "; and 80 more")
	broken := errors.New("the caller went away")
	_, err = DecodeLoans(iotest.ErrReader(broken), Rules{})
	require.ErrorIs(t, err, broken)
}

func TestStatuses(t *testing.T) {
	s, err := DecodeStatus(golden(t, "status-example.json"))
	require.NoError(t, err)
	require.Equal(t, Status{Reference: "PTP00000000001", Code: "PC1"}, s)
	for body, text := range map[string]string{
		`{"reference":"PTP1","status_code":"PC2"}`:                    "status_code must be PC1 or PC3",
		`{"reference":"PTP1","status_code":3}`:                        "status_code must be PC1 or PC3",
		`{"reference":"17","status_code":"PC3"}`:                      "reference must be the reference of a payment order, as PTP00000000001",
		`{"reference":null,"status_code":"PC3"}`:                      "reference is missing",
		`{}`:                                                          "reference is missing; status_code is missing",
		`{"reference":"PTP1","reference":"PTP2","status_code":"PC3"}`: "reference must stand once",
		`[]`: "the body must be exactly one JSON object", ``: "the body must be exactly one JSON object",
	} {
		_, err := DecodeStatus([]byte(body))
		require.Equal(t, text, refusal(t, err).Error(), body)
	}
}

// What is taken keeps every rule, and what is refused says why.
func FuzzLoans(f *testing.F) {
	f.Add(golden(f, "loans-example.json"))
	f.Add([]byte("[" + example("KD1") + "," + example("ДБЗ/2") + "]"))
	f.Add([]byte("\ufeff[" + example("KD\u00a01") + "," + example("\xcf\xf0") + "]"))
	f.Add([]byte("\xff\xfe[\x00]\x00"))
	f.Fuzz(func(t *testing.T, body []byte) {
		loans, err := DecodeLoans(bytes.NewReader(body), Rules{CheckDigits: true})
		if err != nil {
			if refusal(t, err).Error() == "" {
				t.Errorf("%q is refused without a word", body)
			}
			return
		}
		seen := map[string]bool{}
		for _, l := range loans {
			if l.Debt <= 0 || l.DBZ == "" || seen[l.DBZ.String()] || len(l.IINBIN) != 12 || len(l.IBAN) != 20 || l.FullName == "" ||
				strings.Contains(l.FullName+l.DBZ.String()+l.ContractNumber+l.System, "\u00a0") {
				t.Errorf("%q became %+v", body, l)
			}
			seen[l.DBZ.String()] = true
		}
	})
}

func FuzzStatus(f *testing.F) {
	f.Add(golden(f, "status-example.json"))
	f.Fuzz(func(t *testing.T, body []byte) {
		if s, err := DecodeStatus(body); err == nil && (s.Reference == "" || s.Code != "PC1" && s.Code != "PC3") {
			t.Errorf("%q became %+v", body, s)
		}
	})
}
