package reconciliation

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"tolem/domain"
)

// recorded reads a register of testdata. The files of libreoffice were written by LibreOffice
// 7.4 (soffice --headless --convert-to, in English and in Russian), those of excel as Excel
// writes them.
func recorded(t *testing.T, name string) (*Register, error) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return ReadRegister(bytes.NewReader(text), Limits{Rows: allRows})
}

// says are the rows in the order of ids, without their lines.
func says(r *Register) (all []string) {
	for i := range r.Len() {
		e := r.sorted(i)
		all = append(all, fmt.Sprintf("%d %d %d %d %s %d", e.id, e.transactionID, e.amountTo, e.day, r.services[e.service], e.effect()))
	}
	return all
}

// A register says the same after it went through a spreadsheet: ours, which keeps what a
// spreadsheet destroys in columns of text, and a centre's whose ids are kept.
func TestRegistersThatWentThroughASpreadsheet(t *testing.T) {
	want := []string{
		"8 0 510 20260217 =1+1 2", "175000000000000042 100000004 20000 20260217 P1011 1",
		"175000000000000999 123456789012345678 123456750 20260217 P1030 1",
	}
	for _, name := range []string{
		"export.csv", "export-libreoffice.csv", "export-libreoffice-ru.csv", "export-excel.csv", "export-excel-ru.csv",
		"centre-libreoffice-ru.csv", "centre-excel.csv", "centre-excel-ru.csv", "centre-excel-unicode.txt", "centre-excel-mac.csv",
	} {
		r, err := recorded(t, name)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := says(r); !slices.Equal(got, want) {
			t.Errorf("%s: %q", name, got)
		}
		if strings.HasPrefix(name, "centre-excel") && !slices.Equal(r.Ignored(), []string{"Комментарий"}) {
			t.Errorf("%s: ignored %q", name, r.Ignored())
		}
	}
}

// What a spreadsheet destroyed is said once, and nothing else.
func TestDestroyedRegisters(t *testing.T) {
	here := books{ours(8, domain.StateRefused), ours(175000000000000042, domain.StateSucceeded), ours(175000000000000999, domain.StateSucceeded)}
	for name, want := range map[string]string{
		"destroyed-excel.csv": "6/agentTransactionId", "destroyed-zeros.csv": "6/agentTransactionId", "destroyed-amounts.csv": "5/amountTo",
	} {
		r, err := recorded(t, name)
		if err == nil {
			_, err = Compare(t.Context(), Comparison{
				Date: day, Register: r, Ours: here.day(day), Elsewhere: here.find,
				Report: func(d Difference) error { return fmt.Errorf("%s: reported %+v", name, d) },
			})
		}
		var bad *BadRegister
		if !errors.As(err, &bad) || len(bad.Problems) != 1 || bad.Problems[0].Rule != RuleDestroyed ||
			fmt.Sprintf("%d/%s", bad.Problems[0].Line, bad.Problems[0].Column) != want || !strings.Contains(bad.Problems[0].Message, "spreadsheet") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// destroyed compares a register of paid rows with our payments, and says of which column
// a spreadsheet destroyed the numbers; "" for none.
func destroyed(t *testing.T, here books, there string) string {
	t.Helper()
	_, err := Compare(t.Context(), Comparison{
		Date: day, Register: register(t, "agentTransactionId,transactionId,amountTo,state\n"+there), Ours: here.day(day), Elsewhere: here.find,
		Report: func(Difference) error { return nil },
	})
	var bad *BadRegister
	if errors.As(err, &bad) {
		return bad.Problems[0].Column
	}
	if err != nil {
		t.Fatal(err)
	}
	return ""
}

// Numbers that end in zeros are destroyed only where our payments say so: an agent may give
// such ids, and one in a thousand is one by chance.
func TestNumbersThatEndInZeros(t *testing.T) {
	const base = 175_000_000_000_000_000
	number := func(id, transaction int64) Row {
		row := ours(id, domain.StateSucceeded)
		row.TransactionID = transaction
		return row
	}
	var many books
	var cut, rounded, round strings.Builder
	var rounds books
	for i := range int64(223) {
		many = append(many, number(base+i*700, 7+i))
		fmt.Fprintf(&cut, "%d,,200,0\n", (base+i*700)/1000*1000)
		fmt.Fprintf(&rounded, "%d,,200,0\n", (base+i*700+500)/1000*1000)
		rounds = append(rounds, number(base+i*1000, 7+i))
		fmt.Fprintf(&round, "%d,,200,0\n", base+i*1000)
	}
	for name, c := range map[string]struct {
		here  books
		there string
		want  string
	}{
		"cut":                         {many, cut.String(), "agentTransactionId"},
		"rounded":                     {many, rounded.String(), "agentTransactionId"},
		"one":                         {books{number(base+42, 7)}, "175000000000000000,7,200,0\n", "agentTransactionId"},
		"sixteen digits":              {books{number(1_234_567_890_123_456, 7)}, "1234567890123450,7,200,0\n", "agentTransactionId"},
		"beside short ones":           {books{number(3, 7), number(base+42, 7)}, "3,7,200,0\n175000000000000000,7,200,0\n", "agentTransactionId"},
		"transaction":                 {books{number(3, base+42)}, "3,175000000000000000,200,0\n", "transactionId"},
		"ids that end in zeros":       {rounds, round.String(), ""},
		"one of those is absent":      {append(slices.Clone(rounds), number(base+1042, 1)), round.String(), ""},
		"not ours at all":             {books{number(base+5000, 7)}, "175000000000000000,7,200,0\n", ""},
		"transaction ends in zeros":   {books{number(3, base)}, "3,175000000000000000,200,0\n", ""},
		"fifteen digits lose nothing": {books{number(123_456_789_012_345, 7)}, "123456789012340,7,200,0\n", ""},
	} {
		if got := destroyed(t, c.here, c.there); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// A register in which one id is destroyed does not say that the payment of that id is
// absent: people could cite it to refuse what was paid.
func TestADestroyedIDIsNotAbsent(t *testing.T) {
	const base = 175_000_000_000_000_000
	here := books{ours(base+1, domain.StateSucceeded), ours(base+2, domain.StateSucceeded), ours(base+1042, domain.StatePaying), ours(base+2042, domain.StatePaying)}
	for name, c := range map[string]struct {
		here books
		want bool
	}{
		"":                          {here, false},
		"the other id is ours, too": {append(slices.Clone(here), ours(base+1000, domain.StateSucceeded)), true},
	} {
		_, differences := compare(t, c.here, header+"175000000000000001,,,,200,0\n175000000000000002,,,,200,0\n175000000000001000,,,,200,0\n")
		at := slices.IndexFunc(differences, func(d Difference) bool { return d.ID == base+1042 })
		if at < 0 || differences[at].Kind != KindOpenHere || differences[at].OpenAndAbsent() != c.want {
			t.Errorf("%q: %+v", name, differences)
		}
		if at := slices.IndexFunc(differences, func(d Difference) bool { return d.ID == base+2042 }); at < 0 || !differences[at].OpenAndAbsent() {
			t.Errorf("%q: what is absent: %+v", name, differences)
		}
	}
}

func TestAmountsAsPeopleWriteThem(t *testing.T) {
	for text, want := range map[string]domain.Money{
		"200": 200_00, "200.5": 200_50, "200,5": 200_50, "200,00": 200_00, "200.0000": 200_00, "200,1200": 200_12, "1 234,56": 1234_56,
		"1\u00a0234\u00a0567,50": 1234567_50, "1\u202f234": 1234_00, "1,234.56": 1234_56, "1.234,56": 1234_56, "1,234,567": 1234567_00,
		"1.234.567,5": 1234567_50, "0,500": 50, "1234,500": 1234_50, "1 234,500": 1234_50, "2e2": 200_00, "-1": -1_00, "0.00": 0,
	} {
		if got, ok := amountOf(text); !ok || got != want {
			t.Errorf("%q: %s %t, want %s", text, got, ok, want)
		}
	}
	for _, text := range []string{
		"", "1,234", "1.234", "123,456", "200.001", "1,2,3", "1,23,456", "1 23", "1  234", "1 234 5", "1.234.56", "007", ",5", "5,", "5.", "1,234 567", "x", "1.555e30", "٣",
		"1,555e10x", "--1", "+1", "1'234", "1_000",
	} {
		if got, ok := amountOf(text); ok {
			t.Errorf("%q: %s", text, got)
		}
	}
}

func TestDaysAsPeopleWriteThem(t *testing.T) {
	for _, text := range []string{
		"2026-02-07T12:00:00", "2026-02-07", "2026-02-07 12:00:00", "2026-02-07 9:05", "07.02.2026", "7.2.2026", "07.02.2026 12:00:00", "07.02.2026 9:05", "07.02.26", "07.02.26 12:00",
	} {
		if got, ok := dayOf(text); !ok || got != 20260207 {
			t.Errorf("%q: %d", text, got)
		}
	}
	for _, text := range []string{"", "2/7/2026", "02/17/26 12:00 PM", "2026-02-07T12:00:00Z", "2026-02-07T12:00:00.5", "2026-02-30", "30.02.2026", "46060", "7 фев 2026", "2026-02-07T12:00:00,5"} {
		if got, ok := dayOf(text); ok {
			t.Errorf("%q: %d", text, got)
		}
	}
}

// In no cell that we write does a formula begin, whatever separates cells for whoever opens
// it, and reading gives the text back.
func TestCells(t *testing.T) {
	for text, want := range map[string]string{
		"": "", "P1011": "P1011", "2026-02-17T12:00:00+05:00": "2026-02-17T12:00:00+05:00", "Ж'ж": "Ж'ж",
		"=1+1": "'=1+1", "+7": "'+7", "-1": "'-1", "@SUM(A1)": "'@SUM(A1)", "\t=1": "'\t'=1", "\r=1": "'\r'=1", "＝1": "'＝1", "'x": "''x",
		"x;=1": "x;'=1", "x, +1": "x, '+1", `x;"=1"`: `x;"'=1"`, "x\n@1": "x\n'@1", " =1": " '=1", "x|-1": "x|'-1",
	} {
		if got := Cell(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func FuzzCell(f *testing.F) {
	for _, seed := range []string{"", "P1011", "=1", "x;=1", "''", "\"'=", "\t\r\n-@", "＝", `="1"`, "\xff'"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if strings.ToValidUTF8(text, "") != text || strings.TrimSpace(text) != text {
			return // no value of ours
		}
		cell := Cell(text)
		for _, part := range strings.FieldsFunc(cell, func(c rune) bool { return strings.ContainsRune(",;|\t\r\n", c) }) {
			if part = strings.TrimLeft(part, ` "`); part != "" && strings.ContainsAny(part[:1], formulas) {
				t.Fatalf("%q begins a formula: %q", text, cell)
			}
		}
		if got := string(plain([]byte(cell))); got != text {
			t.Fatalf("%q became %q", text, got)
		}
	})
}

// Only what can be nothing but windows-1251 is read as that.
func TestEncodings(t *testing.T) {
	head := func(name string) string { return "agentTransactionId,amountTo,state," + name + "\n1,1,0,\n" }
	for name, encoded := range map[string]string{
		"windows-1251": "\xca\xee\xec\xec\xe5\xed\xf2\xe0\xf0\xe8\xe9", "capitals": "\xc8\xd2\xce\xc3\xce",
	} {
		if r := register(t, head(encoded)); !isCyrillic(r.Ignored()[0]) {
			t.Errorf("%s: %q", name, r.Ignored())
		}
	}
	for name, encoded := range map[string]string{
		"KOI8-R": "\xeb\xcf\xcd\xcd\xc5\xce\xd4\xc1\xd2\xc9\xca", "866": "\x8a\xae\xac\xac\xa5\xad\xe2", "Mac OS": "\x8a\xee\xec\xec\xe5\xed\xf2", "one letter": "\xff",
	} {
		var bad *BadRegister
		if _, err := ReadRegister(strings.NewReader(head(encoded)), Limits{Rows: allRows}); !errors.As(err, &bad) || bad.Problems[0].Rule != RuleText {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, book := range map[string]string{"xlsx": "PK\x03\x04rest", "xls": "\xd0\xcf\x11\xe0rest"} {
		var bad *BadRegister
		if _, err := ReadRegister(strings.NewReader(book), Limits{Rows: allRows}); !errors.As(err, &bad) || !strings.Contains(bad.Error(), "CSV UTF-8") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
