package reconciliation

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"tolem/domain"
)

// Registers that say the same in other bytes are the same register.
func TestSpellingsOfARegister(t *testing.T) {
	const plain = "agentTransactionId,transactionId,amountTo,state\n7,1007,200.00,succeeded\n8,,1.50,5\n"
	want := entries(register(t, plain))
	for name, text := range map[string]string{
		"byte order mark":      "\ufeff" + plain,
		"CRLF":                 strings.ReplaceAll(plain, "\n", "\r\n"),
		"mark, CRLF, ;":        "\ufeff" + strings.ReplaceAll(strings.ReplaceAll(plain, "\n", "\r\n"), ",", ";"),
		"no end of last line":  strings.TrimSuffix(plain, "\n"),
		"other order":          "state,amountTo,transactionId,agentTransactionId\nsucceeded,200.00,1007,7\n5,1.50,,8\n",
		"other case":           "AGENTTRANSACTIONID,TransactionId,amountto,State\n7,1007,200.00,SUCCEEDED\n8,,1.50,5\n",
		"other spellings":      "agentTransactionId,transactionId,amountTo,state\n7,1007,200,succeeded\n8,0,1.5,5\n",
		"quotes":               "\"agentTransactionId\",\"transactionId\",\"amountTo\",\"state\"\n\"7\",\"1007\",\"200.00\",\"succeeded\"\n8,\"\",1.50,\"5\"\n",
		"blanks":               "agentTransactionId , transactionId,\tamountTo,state \n7, 1007 ,200.00,succeeded\n 8,,1.50,5\n",
		"columns to ignore":    "note,agentTransactionId,transactionId,amountTo,state,amountFrom,transactionDate,statusDate\n\"a \"\"b\"\", c\",7,1007,200.00,succeeded,x,y,z\n,8,,1.50,5,,,\n",
		"separator in a quote": "\"a,b,c,d,e\";agentTransactionId;transactionId;amountTo;state\n;7;1007;200.00;succeeded\n;8;;1.50;5\n",
		"trailing separator":   "agentTransactionId;transactionId;amountTo;state;\n7;1007;200.00;succeeded;\n8;;1.50;5;\n",
		"ignored in no UTF-8":  "note,agentTransactionId,transactionId,amountTo,state\n\xff\xfe,7,1007,200.00,succeeded\n,8,,1.50,5\n",
	} {
		if got := entries(register(t, text)); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
	if got := register(t, "agentTransactionId,amountTo,state,Комментарий,\"a\"\"b\"\n").Ignored(); !slices.Equal(got, []string{"Комментарий", `a"b`}) {
		t.Errorf("ignored %q", got)
	}
}

// entries are the rows in the order of ids, as they say.
func entries(r *Register) (all []string) {
	for i := range r.Len() {
		e := r.sorted(i)
		all = append(all, fmt.Sprintf("%d %d %d %d %s %d %d", e.id, e.transactionID, e.amountTo, e.day, r.services[e.service], e.effect(), e.line))
	}
	return all
}

func TestLinesAreThoseOfTheFile(t *testing.T) {
	r := register(t, "note,agentTransactionId,amountTo,state\n\n\"a\nb\r\n\n\",3,1,0\r\n\r\nx,1,1,0\n\"\n\",2,1,0\n")
	want := []string{"1 0 100 0  1 8", "2 0 100 0  1 9", "3 0 100 0  1 3"}
	if got := entries(r); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if r.Moved() != 3_00 {
		t.Errorf("moved %s", r.Moved())
	}
}

// "Список кодов ответа на запросы": 0 moved; 1, 153, 220 and 255 are not final.
func TestWordsOfARegister(t *testing.T) {
	want := map[effect][]string{
		moved: {"succeeded", "resolved_succeeded", "0", "success", "ok", "executed", "paid"},
		notMoved: {
			"refused", "cancelled", "expired", "resolved_refused", "4", "5", "7", "8", "130", "155", "202", "215", "250", "241", "242", "300",
			"failed", "error", "rejected", "declined",
		},
		open: {
			"accepted", "checking", "awaiting_payer", "paying", "1", "153", "220", "255", "registered", "pending", "processing", "in_progress",
		},
	}
	known := 0
	for effect, texts := range want {
		known += len(texts)
		for _, text := range texts {
			for _, spelling := range []string{text, strings.ToUpper(text)} {
				r := register(t, "agentTransactionId,amountTo,state\n1,1,"+spelling+"\n")
				if got := r.sorted(0).effect(); got != effect {
					t.Errorf("%s: %d, want %d", spelling, got, effect)
				}
			}
		}
	}
	if known != len(words) || known != len(wordAt) {
		t.Errorf("%d words here, %d there, %d by text", known, len(words), len(wordAt))
	}
	for _, s := range append(domain.OpenStates(), domain.TerminalStates()...) {
		if words[wordAt[string(s)]].effect != effectOf(s) || (effectOf(s) == open) == s.Terminal() {
			t.Errorf("%s", s)
		}
	}
}

// A register that breaks rules names line, column and rule, never the value.
func TestBadRegisters(t *testing.T) {
	const short = "agentTransactionId,amountTo,state\n"
	const private = "7777731414"
	for text, want := range map[string]string{
		"":                  "1//required",
		"\n\r\n":            "3//required",
		private + ",1\n":    "1/agentTransactionId/required 1/amountTo/required 1/state/required",
		"state,amountTo\n":  "1/agentTransactionId/required",
		short[:12] + ",b\n": "1/agentTransactionId/required 1/amountTo/required 1/state/required",
		"agentTransactionId,amountTo,state,STATE\n":                            "1/state/duplicate",
		"agentTransactionId,amountTo,state,\xff\n":                             "1//text",
		"agentTransactionId,amountTo,state," + strings.Repeat("x", 101) + "\n": "1//too_long",
		"agentTransactionId,amountTo,state" + strings.Repeat(",x", 200) + "\n": "1//too_long",
		"agentTransactionId,amountTo,\"state\n":                                "1//csv",
		"\"agentTransactionId\"x,amountTo,state\n":                             "1//csv",
		short + "1,1\n":                         "2/state/state",
		short + "1,1,0,1\n":                     "2//csv",
		short + "1,200,00,0\n":                  "2//csv",
		short + "1,1,0\n" + private + "x,1,0\n": "3/agentTransactionId/format",
		short + "01,1,0\n":                      "2/agentTransactionId/format",
		short + "0,1,0\n":                       "2/agentTransactionId/format",
		short + "1234567890123456789,1,0\n":     "2/agentTransactionId/format",
		short + "1.75E+17,1,0\n":                "2/agentTransactionId/destroyed",
		short + "x,1,0\n1,1,0\n1,75E+017,1,0":   "2/agentTransactionId/format 4//csv",
		short + "x,1,0\n1,05.окт,0\n3,x,0":      "3/amountTo/destroyed",
		short + "1,oct-50,0\n":                  "2/amountTo/destroyed",
		short + "########,1,0\n":                "2/agentTransactionId/destroyed",
		short + ",1,0\n":                        "2/agentTransactionId/format",
		short + "1,\"1,234\",0\n":               "2/amountTo/format",
		short + "1,200.000,0\n":                 "2/amountTo/format",
		short + "1," + private + ".001,0\n":     "2/amountTo/format",
		short + "1,-1,0\n":                      "2/amountTo/range",
		short + "1,10000000000,0\n":             "2/amountTo/range",
		short + "1,,0\n":                        "2/amountTo/required",
		short + "1,1,\n":                        "2/state/state",
		short + "1,1," + private + "\n":         "2/state/state",
		short + "1,1,2\n":                       "2/state/state",
		short + "1,1,00\n":                      "2/state/state",
		short + "1,1,done\n1,x,x\n\n\"\",1,0":   "2/state/state 3/amountTo/format 3/state/state 5/agentTransactionId/format",
		short + "1,\"1,0\n2,1,0\n":              "2/amountTo/csv",
		short + "1,1\"\",0\n2,1,1\n3,1,x\n":     "2/amountTo/csv 4/state/state",
		short + "1,1,0\n2,1,\"" + strings.Repeat("0\n", maxRecord/2):                            "3//csv",
		short + "1,1," + strings.Repeat("0", maxRecord):                                         "2//csv",
		"agentTransactionDate,agentTransactionId,amountTo,state\n2026-02-30,1,1,0\n":            "2/agentTransactionDate/format",
		"agentTransactionDate,agentTransactionId,amountTo,state\n2026-02-17T12:00:00.5,1,1,0\n": "2/agentTransactionDate/format",
		"agentTransactionDate,agentTransactionId,amountTo,state\n2/3/2026,1,1,0\n":              "2/agentTransactionDate/format",
		"transactionId,agentTransactionId,amountTo,state\n-1,1,1,0\n":                           "2/transactionId/format",
		"serviceId,agentTransactionId,amountTo,state\n\xff,1,1,0\n":                             "2/serviceId/text",
		"serviceId,agentTransactionId,amountTo,state\n" + strings.Repeat("x", 65) + ",1,1,0\n":  "2/serviceId/too_long",
	} {
		_, err := ReadRegister(strings.NewReader(text), Limits{Rows: allRows})
		var bad *BadRegister
		if !errors.As(err, &bad) {
			t.Errorf("%.80q: %v", text, err)
			continue
		}
		var got []string
		for _, p := range bad.Problems {
			got = append(got, fmt.Sprintf("%d/%s/%s", p.Line, p.Column, p.Rule))
			if p.Message == "" || strings.Contains(p.Message, private) {
				t.Errorf("%.80q: message %q", text, p.Message)
			}
		}
		if strings.Join(got, " ") != want || strings.Contains(err.Error(), private) {
			t.Errorf("%.80q: %v (%v), want %s", text, got, err, want)
		}
	}
}

func TestTwentyProblemsAreEnough(t *testing.T) {
	read := strings.NewReader("agentTransactionId,amountTo,state\n" + strings.Repeat("x,x,x\n", 100_000))
	_, err := ReadRegister(read, Limits{Rows: allRows})
	var bad *BadRegister
	if !errors.As(err, &bad) || len(bad.Problems) != 20 || bad.Problems[19].Line != 8 {
		t.Errorf("%v", err)
	}
	if read.Len() == 0 {
		t.Error("the rest was read too")
	}
}

func TestLimitsOfARegister(t *testing.T) {
	text := "agentTransactionId,amountTo,state\n1,1,0\n2,1,0\n3,1,0\n"
	if r, err := ReadRegister(strings.NewReader(text), Limits{Rows: 3}); err != nil || r.Len() != 3 {
		t.Errorf("%v", err)
	}
	if _, err := ReadRegister(strings.NewReader(text), Limits{Rows: 2}); !errors.Is(err, ErrTooManyRows) {
		t.Errorf("%v", err)
	}
	gone := errors.New("gone")
	broken := io.MultiReader(strings.NewReader(text), iotest.ErrReader(gone))
	if r, err := ReadRegister(broken, Limits{Rows: 3}); !errors.Is(err, gone) || r != nil {
		t.Errorf("%v", err)
	}
	var services strings.Builder
	services.WriteString("agentTransactionId,amountTo,state,serviceId\n")
	for i := range maxServices + 1 {
		fmt.Fprintf(&services, "%d,1,0,P%d\n", i+1, i)
	}
	var bad *BadRegister
	_, err := ReadRegister(strings.NewReader(services.String()), Limits{Rows: allRows})
	if !errors.As(err, &bad) || len(bad.Problems) != 1 || bad.Problems[0].Line != maxServices+2 || bad.Problems[0].Rule != RuleTooLong {
		t.Errorf("%v", err)
	}
}

// More rows than lie together, in no order, each in its place.
func TestALongRegister(t *testing.T) {
	const rows = 3*chunkRows + 17
	var text strings.Builder
	text.WriteString("agentTransactionId,transactionId,amountTo,state\n")
	for i := range rows {
		id := (i*7919)%rows + 1 // a permutation: 7919 is prime and no divisor
		fmt.Fprintf(&text, "%d,%d,%d,0\n", id, 10_000_000-id, id)
	}
	r := register(t, text.String())
	if r.Len() != rows || r.Moved() != rows*(rows+1)/2*100 {
		t.Fatalf("%d rows, %s", r.Len(), r.Moved())
	}
	for i := range rows {
		e := r.sorted(i)
		if int(e.id) != i+1 || e.amountTo != domain.Money(i+1)*100 || e.duplicates != 0 || (int(e.line-2)*7919)%rows != i {
			t.Fatalf("row %d is %+v", i, e)
		}
	}
}

// FuzzReadRegister holds the reader to this: it never panics, it reports nothing
// that it did not read, and what it accepts stands in the file as it says.
func FuzzReadRegister(f *testing.F) {
	for _, seed := range []string{
		"", header, header + "7,1007,2026-02-17T12:00:00,P1011,200.00,success\n", "\ufeffstate;amountTo;agentTransactionId\r\nok;1;5\r\n",
		"agentTransactionId,amountTo,state\n\"5\",\"1\",\"0\"\n\"5\",\"1\",\"0\"", "agentTransactionId,amountTo,state,\"a\"\"b\"\n1,2,0,\"x\ny\"\n",
		"agentTransactionId,amountTo,state\n1,2,\"0\n", "agentTransactionId,amountTo,state\n1,2e2,x\"\n3,\xff,0\n", "a;b\n1,2\n",
	} {
		f.Add([]byte(seed))
	}
	files, err := filepath.Glob("testdata/*.*")
	if err != nil || len(files) == 0 {
		f.Fatal(files, err)
	}
	for _, name := range files {
		seed, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var lines []string
		if in, workbook := text(bytes.NewReader(body)); !workbook {
			all, err := io.ReadAll(in)
			if err != nil {
				t.Fatal(err)
			}
			lines = strings.Split(string(all), "\n")
		}
		r, err := ReadRegister(strings.NewReader(string(body)), Limits{Rows: 1000})
		var bad *BadRegister
		if errors.As(err, &bad) {
			if len(bad.Problems) == 0 || len(bad.Problems) > 20 || r != nil {
				t.Fatalf("%+v", bad)
			}
			for _, p := range bad.Problems {
				if p.Line < 1 || p.Line > len(lines)+1 || (p.Column != "" && !slices.Contains(Columns(), p.Column)) {
					t.Fatalf("%+v of %d lines", p, len(lines))
				}
			}
			return
		}
		if err != nil {
			if !errors.Is(err, ErrTooManyRows) || len(lines) < 1000 {
				t.Fatal(err)
			}
			return
		}
		seen := map[uint32]bool{}
		var sum domain.Money
		for i := range r.Len() {
			e := r.sorted(i)
			if e.line < 2 || int(e.line) > len(lines) || seen[e.line] {
				t.Fatalf("a row on line %d of %d, seen %t", e.line, len(lines), seen[e.line])
			}
			seen[e.line] = true
			rest := strings.Join(lines[e.line-1:], "\n")
			if !strings.Contains(rest, e.id.String()) || !strings.Contains(strings.ToLower(rest), words[e.word].text) {
				t.Fatalf("line %d does not say %s, %s", e.line, e.id, words[e.word].text)
			}
			if e.duplicates != 0 && !seen[e.duplicates] && !e.ofTransaction {
				t.Fatalf("line %d repeats %d, which comes later", e.line, e.duplicates)
			}
			if i > 0 && r.sorted(i-1).id > e.id {
				t.Fatalf("row %d is out of order", i)
			}
			if e.effect() == moved {
				sum += e.amountTo
			}
		}
		if sum != r.Moved() {
			t.Fatalf("moved %s, rows %s", r.Moved(), sum)
		}
	})
}
