package abs

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tolem/domain"
	"tolem/partners/call"
)

// desk is an ABS that gives one answer and keeps what it was asked.
type desk struct {
	status int
	header map[string]string
	body   string
	asked  []string
}

func (d *desk) client(t *testing.T, change func(*Options)) *Client {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		d.asked = append(d.asked, r.Method+" "+r.URL.RequestURI())
		for name, value := range d.header {
			w.Header()[name] = []string{value} // as it is, with bytes of any encoding
		}
		w.WriteHeader(max(d.status, 200))
		_, _ = w.Write([]byte(d.body)) // whoever asked may have gone
	}))
	t.Cleanup(server.Close)
	o := Options{ClientURL: server.URL + "/cli", AccountsURL: server.URL + "/acc", StatementURL: server.URL + "/stmt", ScanURL: server.URL + "/pdf"}
	if change != nil {
		change(&o)
	}
	c, err := New(o)
	require.NoError(t, err)
	return c
}

func golden(t *testing.T, name string) string {
	t.Helper()
	body, err := os.ReadFile(filepath.Join("testdata", name))
	require.NoError(t, err)
	return string(body)
}

var newYear = time.Date(2020, 1, 1, 15, 0, 0, 0, time.UTC)

// The document's own examples, asked for as the document asks.
func TestExamples(t *testing.T) {
	d := &desk{body: golden(t, "client.json")}
	card, err := d.client(t, nil).ClientCard(t.Context(), "000000000000")
	require.NoError(t, err)
	require.Equal(t, Card{IINBIN: "000000000000", FullName: "850210301899", SectEcon: "9", Residency: "1"}, card)
	require.Equal(t, []string{"GET /cli?iinbin=000000000000"}, d.asked)

	d = &desk{body: golden(t, "accounts.json")}
	accounts, err := d.client(t, nil).ClientAccounts(t.Context(), "000000000000")
	require.NoError(t, err)
	require.Equal(t, []Account{{IBAN: "KZ000000000000000000", Name: "Наименование счета, обычно ФИО", Plan: "2204191", System: "way4", Currency: "KZT"}}, accounts.List)
	require.Equal(t, []string{"GET /acc?iinbin=000000000000"}, d.asked)

	d = &desk{body: golden(t, "statement.json")}
	statement, err := d.client(t, nil).StatementOn(t.Context(), "KZ000000000000000000", newYear)
	require.NoError(t, err)
	require.Equal(t, []StatementLine{{Purpose: "Предоставление кредита по договору", Amount: 90_000_000, Currency: "KZT", Debit: true, OutBalance: 90_000_000}}, statement.Lines)
	require.Equal(t, []string{"GET /stmt?dt=2020-01-01&iban=KZ000000000000000000"}, d.asked)

	d = &desk{body: "%PDF-1.4\n…", header: map[string]string{"Content-Type": "application/pdf", "Content-Disposition": `attachment; filename="Имяфайла.pdf"`}}
	var file bytes.Buffer
	scan, err := d.client(t, nil).ContractScan(t.Context(), ScanRequest{"KD0000000", newYear, "000000000000"}, &file)
	require.NoError(t, err)
	require.Equal(t, Scan{Found: true, MediaType: "application/pdf", FileName: "Имяфайла.pdf", Size: 12}, scan)
	require.Equal(t, d.body, file.String())
	require.Equal(t, []string{"GET /pdf?dbz_dt=2020-01-01&dbz_num=KD0000000&iinbin=000000000000"}, d.asked)

	scan, err = (&desk{status: 404, body: "нет"}).client(t, nil).ContractScan(t.Context(), ScanRequest{Contract: "KD0000000"}, &file)
	require.NoError(t, err)
	require.Zero(t, scan)
}

// Contract numbers have slashes and Cyrillic, and the text's form of dates has points.
func TestQuestions(t *testing.T) {
	d := &desk{status: 404}
	c := d.client(t, func(o *Options) { o.DateLayout = "2006.01.02" })
	_, err := c.ContractScan(t.Context(), ScanRequest{"ДБЗ-17/2026 &a=b", newYear, "000000000000"}, &bytes.Buffer{})
	require.NoError(t, err)
	require.Equal(t, []string{"GET /pdf?dbz_dt=2020.01.01&dbz_num=%D0%94%D0%91%D0%97-17%2F2026+%26a%3Db&iinbin=000000000000"}, d.asked)
}

// ABS's own refusal is a result, with its words.
func TestRefusals(t *testing.T) {
	d := &desk{body: `{"error_text":"` + strings.Repeat("я", 600) + `","error_code":17}`}
	c := d.client(t, nil)
	want := Said{ErrorCode: 17, ErrorText: strings.Repeat("я", 500)}
	card, err := c.ClientCard(t.Context(), "000000000000")
	require.NoError(t, err)
	require.Equal(t, Card{Said: want}, card)
	accounts, err := c.ClientAccounts(t.Context(), "000000000000")
	require.NoError(t, err)
	require.Equal(t, Accounts{Said: want}, accounts)
	statement, err := c.StatementOn(t.Context(), "KZ000000000000000000", newYear)
	require.NoError(t, err)
	require.True(t, statement.Refused())
	require.Equal(t, Statement{Said: want}, statement)
}

// What is no answer is a failure that names reason and field, and neither name nor number.
func TestNoAnswers(t *testing.T) {
	const good = `"error_text":"","error_code":0`
	for _, c := range []struct {
		body  string
		ask   func(*Client) error
		field string
	}{
		{``, askCard, ""}, {`[]`, askCard, ""}, {`<html>Примеров</html>`, askCard, ""}, {`{}`, askCard, "error_code"}, {`{` + good + `}`, askCard, "iinbin"},
		{`{` + good + `,"iinbin":"111111111111","fullname":"Примеров"}`, askCard, "iinbin"}, // another client
		{`{` + good + `,"iinbin":"000000000000"}`, askCard, "fullname"},
		{`{"error_code":"none","iinbin":"000000000000","fullname":"a"}`, askCard, "error_code"},
		{`{"error_code":1.5,"iinbin":"000000000000","fullname":"a"}`, askCard, "error_code"},
		{`{"error_code":0,"error_code":1,"iinbin":"000000000000","fullname":"a"}`, askCard, "error_code"},
		{`{"error_text":"","iinbin":"000000000000","fullname":"a"}`, askCard, "error_code"},
		{`{` + good + `,"ibans":{}}`, askAccounts, "ibans"}, {`{` + good + `,"ibans":[1]}`, askAccounts, "ibans[0]"}, {`{` + good + `,"ibans":[{}]}`, askAccounts, "ibans[0].iban"},
		{`{` + good + `,"ibans":[{"IBAN":"KZ0"}]}`, askAccounts, "ibans[0].iban"}, {`{` + good + `,"ibans":[{"iban":"KZ0"},{"iban":"KZ0","iban":"KZ1"}]}`, askAccounts, "ibans[1].iban"},
		{`{` + good + `,"stmt":[{"DC":"X","amount":1}]}`, askStatement, "stmt[0].DC"}, {`{` + good + `,"stmt":[{"DC":"D"}]}`, askStatement, "stmt[0].amount"},
		{`{` + good + `,"stmt":[{"dc":"D","amount":1}]}`, askStatement, "stmt[0].DC"}, {`{` + good + `,"stmt":[{"DC":"D","amount":1,"amount":2}]}`, askStatement, "stmt[0].amount"},
		{`{` + good + `,"stmt":[{"DC":"D","amount":"many"}]}`, askStatement, "stmt[0].amount"}, {`{` + good + `,"stmt":[{"DC":"D","amount":0.001}]}`, askStatement, "stmt[0].amount"},
		{`{` + good + `,"stmt":[{"DC":"D","amount":"900,000"}]}`, askStatement, "stmt[0].amount"}, {`{` + good + `,"stmt":[{"DC":"D","amount":1,"out_bal":"2 000,00"}]}`, askStatement, "stmt[0].out_bal"},
	} {
		err := c.ask((&desk{body: c.body}).client(t, nil))
		var failure *call.Failure
		require.ErrorAs(t, err, &failure, c.body)
		require.Equal(t, []any{ReasonBadAnswer, c.field, true}, []any{failure.Reason, failure.Field, failure.Unreadable()}, c.body)
		require.NotContains(t, err.Error(), "Примеров")
		require.NotContains(t, err.Error(), "000000000000")
	}
	for body, ask := range map[string]func(*Client) error{
		`{` + good + `,"ibans":[]}`: askAccounts, `{` + good + `,"ibans":null}`: askAccounts, `{` + good + `}`: askAccounts,
		`{` + good + `,"stmt":[]}`: askStatement, `{` + good + `,"stmt":null}`: askStatement, `{"error_code":0.0}`: askStatement,
		`{"error_code":"0","stmt":[{"DC":"C","amount":"1.50","out_bal":-2}]}`: askStatement,
	} {
		require.NoError(t, ask((&desk{body: body}).client(t, nil)), body)
	}
	for status, reason := range map[int]string{500: call.ReasonStatus, 404: call.ReasonStatus, 302: call.ReasonRedirect} {
		var failure *call.Failure
		require.ErrorAs(t, askCard((&desk{status: status}).client(t, nil)), &failure)
		require.Equal(t, reason, failure.Reason)
	}
}

// Numbers count by their value, as Oracle and .NET write them; columns of fixed width come
// padded; and what is only shown blocks nothing.
func TestSpellingsOfABS(t *testing.T) {
	for _, amount := range []string{`900000`, `900000.0000`, `"900000.0000"`, `9E5`, `9.000000E+005`, `" 900000 "`} {
		d := &desk{body: `{"error_code":0,"stmt":[{"DC":"D  ","amount":` + amount + `,"out_bal":".5","purpose":["a"],"cur":"KZT"}]}`}
		statement, err := d.client(t, nil).StatementOn(t.Context(), "KZ000000000000000000", newYear)
		require.NoError(t, err, amount)
		require.Equal(t, Statement{Said: Said{Dropped: "stmt[0].purpose"}, Lines: []StatementLine{{Amount: 900_000_00, Currency: "KZT", Debit: true, OutBalance: 50}}}, statement)
	}
	card, err := (&desk{body: `{"error_text":{},"error_code":0,"iinbin":"000000000000        ","fullname":"Примеров","sectecon":[9],"residfl":1}`}).client(t, nil).ClientCard(t.Context(), "000000000000")
	require.NoError(t, err)
	require.Equal(t, Card{Said: Said{Dropped: "error_text, sectecon"}, IINBIN: "000000000000", FullName: "Примеров", Residency: "1"}, card)
	accounts, err := (&desk{body: `{"error_code":0,"ibans":[{"iban":"KZ000000000000000000 ","ps":{}}]}`}).client(t, nil).ClientAccounts(t.Context(), "000000000000")
	require.NoError(t, err)
	require.Equal(t, Accounts{Said: Said{Dropped: "ibans[0].ps"}, List: []Account{{IBAN: "KZ000000000000000000"}}}, accounts)
}

func askCard(c *Client) error {
	_, err := c.ClientCard(context.Background(), "000000000000")
	return err
}

func askAccounts(c *Client) error {
	_, err := c.ClientAccounts(context.Background(), "000000000000")
	return err
}

func askStatement(c *Client) error {
	_, err := c.StatementOn(context.Background(), "KZ000000000000000000", newYear)
	return err
}

// Two formats, by their bytes; anything else is no scan, and a longer one is cut off.
func TestScans(t *testing.T) {
	for body, want := range map[string]string{
		"\ufeff%PDF-1.4": "application/pdf", "\r\n%PDF-1.4": "application/pdf", strings.Repeat(" ", 95) + "%PDF-": "application/pdf",
		"%PDF-1.4": "application/pdf", "II*\x00tiff": "image/tiff", "MM\x00*tiff": "image/tiff",
		"": ReasonNoScan, "%PDF": ReasonNoScan, "<html>": ReasonNoScan, "MM*\x00tiff": ReasonNoScan, `{"error_code":1}`: ReasonNoScan,
		"%PDF-" + strings.Repeat("a", 96): call.ReasonTooLarge, "%PDF-" + strings.Repeat("a", 95): "application/pdf",
	} {
		var file bytes.Buffer
		scan, err := (&desk{body: body}).client(t, func(o *Options) { o.MaxScan = 100 }).ContractScan(t.Context(), ScanRequest{Contract: "KD1"}, &file)
		var failure *call.Failure
		if errors.As(err, &failure) {
			require.Equal(t, want, failure.Reason, body)
			require.Equal(t, domain.Unknown, failure.Kind)
			require.Zero(t, scan)
			continue
		}
		require.NoError(t, err)
		require.Equal(t, Scan{Found: true, MediaType: want, Size: int64(len(body))}, scan)
		require.Equal(t, body, file.String())
	}
	_, err := (&desk{status: 403, body: "no"}).client(t, nil).ContractScan(t.Context(), ScanRequest{}, &bytes.Buffer{})
	var failure *call.Failure
	require.ErrorAs(t, err, &failure)
	require.True(t, failure.Rejected())
	_, err = (&desk{body: "%PDF-1.4"}).client(t, nil).ContractScan(t.Context(), ScanRequest{}, full{})
	require.ErrorIs(t, err, errFull)
}

var errFull = errors.New("no space left")

// full is a file on a full disk.
type full struct{}

// Write fails.
func (full) Write([]byte) (int, error) { return 0, errFull }

func TestFileNames(t *testing.T) {
	for header, want := range map[string]string{
		`attachment; filename="Имяфайла.pdf"`:                       "Имяфайла.pdf",
		"attachment; filename=\"\xc8\xec\xff.pdf\"":                 "Имя.pdf", // Windows-1251
		`attachment; filename*=UTF-8''%D0%98%D0%BC%D1%8F.pdf`:       "Имя.pdf",
		`attachment; filename="a.pdf"; filename*=UTF-8''%D0%98.pdf`: "И.pdf",
		`attachment; filename="=?UTF-8?B?0JjQvNGP?=.pdf"`:           "Имя.pdf",
		`attachment; filename="=?UTF-8?B?0JjQvNGP?="`:               "Имя",
		`attachment; filename="C:\scans\ДБЗ 17.pdf"`:                "ДБЗ 17.pdf",
		`attachment; filename="../../etc/passwd"`:                   "passwd",
		`attachment; filename=".."`:                                 "",
		`attachment; filename="a` + "\u202e" + `b.pdf"`:             "ab.pdf",
		`attachment; filename="` + strings.Repeat("я", 300) + `"`:   strings.Repeat("я", 200),
		`attachment; filename=Имя файла.pdf`:                        "Имя файла.pdf", `attachment; filename*=windows-1251''..%5C%C8%EC%FF.pdf`: "Имя.pdf",
		`attachment`: "", ``: "", ";": "",
	} {
		require.Equal(t, want, fileName(header), header)
	}
}

func TestOptions(t *testing.T) {
	good := Options{ClientURL: "http://abs/1", AccountsURL: "http://abs/2", StatementURL: "https://abs/3", ScanURL: "http://abs/4"}
	_, err := New(good)
	require.NoError(t, err)
	for field, change := range map[string]func(*Options){
		"ClientURL":    func(o *Options) { o.ClientURL = "" },
		"AccountsURL":  func(o *Options) { o.AccountsURL = "ftp://abs" },
		"StatementURL": func(o *Options) { o.StatementURL = "http://abs/3?secret=1" },
		"ScanURL":      func(o *Options) { o.ScanURL = "http://u:secret@abs" },
		"DateLayout":   func(o *Options) { o.DateLayout = "02.01" },
		"MaxScan":      func(o *Options) { o.MaxScan = -1 },
		"Timeout":      func(o *Options) { o.Timeout = -1 },
	} {
		o := good
		change(&o)
		_, err := New(o)
		require.ErrorContains(t, err, field)
		require.NotContains(t, err.Error(), "secret")
	}
}

// Whatever comes, a failure or an answer, and no panic.
func FuzzAnswers(f *testing.F) {
	for _, name := range []string{"client.json", "accounts.json", "statement.json"} {
		body, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(body)
	}
	f.Add([]byte(`{"error_code":1,"error_text":"нет"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, read := range []func(*call.Reading){
			func(o *call.Reading) { _ = readCard(o, "000000000000") },
			func(o *call.Reading) { _ = readAccounts(o) },
			func(o *call.Reading) { _ = readStatement(o) },
		} {
			o := call.Read(body)
			read(o)
			if o.OK() && !bytes.Contains(body, []byte("error_code")) && !bytes.Contains(body, []byte(`\u`)) {
				t.Errorf("%q is an answer", body)
			}
		}
	})
}

func FuzzFileName(f *testing.F) {
	f.Add(`attachment; filename="Имяфайла.pdf"`)
	f.Add("attachment; filename=\"\xc8\xec\xff.pdf\"")
	f.Fuzz(func(t *testing.T, header string) {
		if name := fileName(header); strings.ContainsAny(name, "/\\\x00\n") || len([]rune(name)) > maxFileName || name == ".." {
			t.Errorf("%q", name)
		}
	})
}
