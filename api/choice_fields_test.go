package api_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"tolem/domain"
	"tolem/storage"
)

// badChoice is an answer to check, a body, and the rules that the body breaks, as
// "field code".
type badChoice struct {
	reply, body string
	want        []string
}

// line is a receipt's body with one line of these fields.
func line(fields string) string { return `{"amountTo":200,"extraServices":[{` + fields + `}]}` }

// These are wrong whatever check answered.
var unreadableChoices = map[string][]string{
	``: nil, // a go-ahead; the table below must not be vacuous

	`[]`: {" json"}, `null`: {" json"}, `{`: {" json"}, `{}{}`: {" json"}, ` `: {" json"}, "{\"contractId\":\"\xff\"}": {" json"},
	`{"extraServices":` + strings.Repeat("[", 9) + strings.Repeat("]", 9) + `}`: {" nesting"},
	`{"amount":5}`: {"amount unknown"}, `{"` + account + `":5}`: {"(not a name) unknown"},
	`{"amountTo":1,"amountTo":1}`: {"amountTo duplicate"}, `{"amountTo":null}`: {"amountTo type"}, `{"amountTo":"x"}`: {"amountTo format"},
	`{"amountTo":0.001}`: {"amountTo format"}, `{"amountTo":0}`: {"amountTo range"}, `{"amountFrom":1e9}`: {"amountFrom range"}, `{"amountFrom":-1}`: {"amountFrom range"},
	`{"contractId":588}`: {"contractId type"}, `{"contractId":""}`: {"contractId required"}, `{"contractId":"` + long(501) + `"}`: {"contractId too_long"},
	`{"contractId":"a\u0000"}`: {"contractId text"}, `{"contractId":null}`: {"contractId type"},
	`{"extraServices":null}`: {"extraServices type"}, `{"extraServices":{}}`: {"extraServices type"}, `{"extraServices":"36"}`: {"extraServices type"},
	`{"extraServices":[]}`:       {"extraServices required"},
	`{"extraServices":[null,5]}`: {"extraServices[0] type", "extraServices[1] type"},
	`{"extraServices":[` + strings.TrimSuffix(strings.Repeat(`{},`, 101), ",") + `]}`: {"extraServices too_long"},
	line(``):                                {"extraServices[0].subServiceId required", "extraServices[0].amount required"},
	line(`"subServiceId":36,"amount":true`): {"extraServices[0].subServiceId type", "extraServices[0].amount type"},
	line(`"subServiceId":"","amount":0`):    {"extraServices[0].subServiceId required", "extraServices[0].amount range"},
	line(`"subServiceId":"` + long(201) + `","amount":1e400`):                    {"extraServices[0].subServiceId too_long", "extraServices[0].amount format"},
	line(`"subServiceId":"2","amount":1,"amount":2,"price":3`):                   {"extraServices[0].amount duplicate", "extraServices[0].price unknown"},
	line(`"subServiceId":"2","amount":1,"` + account + `":3`):                    {"extraServices[0].(not a name) unknown"},
	line(`"subServiceId":"2","amount":1,"lastCount":null`):                       {"extraServices[0].lastCount type"},
	line(`"subServiceId":"2","amount":1,"lastCount":[5]`):                        {"extraServices[0].lastCount type"},
	line(`"subServiceId":"2","amount":1,"lastCount":""`):                         {"extraServices[0].lastCount required"},
	line(`"subServiceId":"2","amount":1,"lastCount":"12345678901234567"`):        {"extraServices[0].lastCount too_long"},
	line(`"subServiceId":"2","amount":1,"lastCount":12345678901234567`):          {"extraServices[0].lastCount too_long"},
	line(`"subServiceId":"2","amount":1},{"subServiceId":"13","amount":"x"`):     {"extraServices[1].amount format"},
	`{"amountTo":"","amountFrom":[],"contractId":5,"extraServices":[{}],"x":{}}`: {"amountTo format", "amountFrom type", "contractId type", "extraServices[0].subServiceId required", "extraServices[0].amount required", "x unknown"},
}

// These do not go with what check answered.
var misfits = map[string]badChoice{
	"below amountTo":         {plainReply, `{"amountFrom":199.99}`, []string{"amountFrom range"}},
	"contract of a plain":    {plainReply, `{"contractId":"000000588"}`, []string{"contractId unknown"}},
	"lines of a plain":       {plainReply, line(`"subServiceId":"2","amount":200`), []string{"extraServices unknown"}},
	"not the fixed amount":   {fixedReply, `{}`, []string{"amountTo mismatch"}},
	"fixed is unreadable":    {`{"resultCode":0,"displays":{"fixedAmount":"1 500,00"}}`, `{"amountTo":1500}`, []string{"amountTo mismatch"}},
	"fixed beyond all":       {`{"resultCode":0,"displays":{"fixedAmount":"1000000000.00"}}`, `{"amountTo":1500}`, []string{"amountTo mismatch"}},
	"no contract":            {contractReply, `{}`, []string{"contractId required"}},
	"another contract":       {contractReply, `{"contractId":"1"}`, []string{"contractId not_offered"}},
	"contract and lines":     {contractReply, line(`"subServiceId":"2","amount":200`), []string{"contractId required", "extraServices unknown"}},
	"no lines":               {receiptUntil(""), `{}`, []string{"extraServices required"}},
	"another line":           {receiptUntil(""), line(`"subServiceId":"37","amount":200`), []string{"extraServices[0].subServiceId not_offered"}},
	"a line twice":           {receiptUntil(""), line(`"subServiceId":"2","amount":100},{"subServiceId":"2","amount":100`), []string{"extraServices[1].subServiceId duplicate"}},
	"expired":                {receiptUntil("20200229000000"), line(`"subServiceId":"2","amount":200`), []string{"extraServices[0].subServiceId expired"}},
	"a tiyn too much":        {receiptUntil(""), line(`"subServiceId":"2","amount":200.01`), []string{"extraServices mismatch"}},
	"far too much":           {receiptUntil(""), line(`"subServiceId":"2","amount":999999999.99},{"subServiceId":"13","amount":1`), []string{"extraServices range"}},
	"no reading":             {receiptUntil(""), line(`"subServiceId":"36","amount":200`), []string{"extraServices[0].lastCount required"}},
	"reading in words":       {receiptUntil(""), line(`"subServiceId":"36","amount":200,"lastCount":"много"`), []string{"extraServices[0].lastCount format"}},
	"reading, exponent":      {receiptUntil(""), line(`"subServiceId":"36","amount":200,"lastCount":1e3`), []string{"extraServices[0].lastCount format"}},
	"reading, negative":      {receiptUntil(""), line(`"subServiceId":"36","amount":200,"lastCount":-5`), []string{"extraServices[0].lastCount format"}},
	"reading without meter":  {receiptUntil(""), line(`"subServiceId":"2","amount":200,"lastCount":5`), []string{"extraServices[0].lastCount unknown"}},
	"below the least":        {receiptUntil(""), `{"amountTo":99,"extraServices":[{"subServiceId":"36","amount":99,"lastCount":5}]}`, []string{"extraServices[0].amount range"}},
	"above the most":         {receiptUntil(""), `{"amountTo":5001,"extraServices":[{"subServiceId":"36","amount":5001,"lastCount":5}]}`, []string{"extraServices[0].amount range"}},
	"everything at once":     {receiptUntil(""), `{"amountFrom":1,"contractId":"1","extraServices":[{"subServiceId":"36","amount":1},{"subServiceId":"x","amount":1}]}`, []string{"amountFrom range", "contractId unknown", "extraServices mismatch", "extraServices[0].amount range", "extraServices[0].lastCount required", "extraServices[1].subServiceId not_offered"}},
	"the amount is changed":  {plainReply, `{"amountTo":300}`, []string{"amountFrom required"}}, // of 200.00 and 210.00
	"no amount was ever set": {plainReply, `{}`, []string{"amountTo required"}},
}

func TestBadChoices(t *testing.T) {
	b := newBank(t)
	try := func(t *testing.T, id domain.AgentTransactionID, body string, want []string) {
		t.Helper()
		p := b.status(b.choose(id, body, nil), http.StatusBadRequest).problem(t)
		var got []string
		for _, e := range p.Errors {
			got = append(got, e.Field+" "+e.Code)
		}
		slices.Sort(got)
		want = slices.Sorted(slices.Values(want))
		if p.Code != "invalid_request" || !slices.Equal(got, want) {
			t.Errorf("%s: %s %q, want %q", body, p.Code, got, want)
		}
		if row := b.row(id); row.Choice != "" || row.State != domain.StateAwaitingPayer {
			t.Errorf("%s: recorded %+v", body, row)
		}
	}
	plain := b.asked(plainReply, nil)
	for body, want := range unreadableChoices {
		if want != nil {
			try(t, plain, body, want)
		}
	}
	for name, c := range misfits {
		t.Run(name, func(t *testing.T) {
			id := b.asked(c.reply, func(p *storage.Payment) {
				from := domain.Money(210_00)
				switch name {
				case "the amount is changed":
					p.AmountFrom = &from
				case "no amount was ever set":
					p.AmountTo = nil
				}
			})
			try(t, id, c.body, c.want)
		})
	}
	a := b.choose(plain, `{"contractId":"`+strings.Repeat("x", 64<<10)+`"}`, nil)
	b.status(a, http.StatusRequestEntityTooLarge)
	b.status(b.choose(plain, `{}`, map[string]string{"Content-Type": "text/plain"}), http.StatusUnsupportedMediaType)
	if got := b.temporal.updates(); len(got) != 0 {
		t.Errorf("bad choices were told: %q", got)
	}
	b.status(b.choose(plain, ``, map[string]string{"Content-Type": ""}), http.StatusAccepted) // still open
}

// Both amounts are named where they differ, and nothing that people typed is.
func TestBadChoicesNameTheAmounts(t *testing.T) {
	b := newBank(t)
	for reply, c := range map[string][]string{
		fixedReply:       {`{}`, "200.00", "1500.00"},
		receiptUntil(""): {line(`"subServiceId":"2","amount":150`), "150.00", "200.00"},
	} {
		a := b.status(b.choose(b.asked(reply, nil), c[0], nil), http.StatusBadRequest)
		if m := a.problem(t).Errors[0].Message; !strings.Contains(m, c[1]) || !strings.Contains(m, c[2]) {
			t.Errorf("%q misses %s or %s", m, c[1], c[2])
		}
	}
	typed := "contract-of-Ivanov"
	a := b.choose(b.asked(receiptUntil(""), nil), `{"contractId":"`+typed+`","extraServices":[{"subServiceId":"`+typed+`","amount":1,"lastCount":"`+typed[:9]+`"}]}`, nil)
	if b.status(a, http.StatusBadRequest); strings.Contains(string(a.body), typed[:9]) {
		t.Errorf("the answer repeats what was typed: %s", a.body)
	}
}

// A hundred lines are taken, in the order they came.
func TestLongReceipt(t *testing.T) {
	b := newBank(t)
	var offered, chosen []string
	for i := range 100 {
		offered = append(offered, fmt.Sprintf(`{"subServiceId":"%d"}`, i))
		chosen = append(chosen, fmt.Sprintf(`{"subServiceId":"%d","amount":1.00}`, 99-i))
	}
	reply := `{"resultCode":0,"invoice":{"invoices":[{"services":[` + strings.Join(offered, ",") + `]}]}}`
	id := b.asked(reply, func(p *storage.Payment) { p.AmountTo = nil })
	body := `"extraServices":[` + strings.Join(chosen, ",") + `]}`
	b.status(b.choose(id, "{"+body, nil), http.StatusAccepted)
	if got, want := b.row(id).Choice, `{"amountTo":100.00,"amountFrom":100.00,`+body; got != want {
		t.Errorf("recorded %s\nwant %s", got, want)
	}
}

// The contract's own examples are accepted, and its schema refuses what the
// decoder refuses.
func TestExamplesOfTheChoice(t *testing.T) {
	b := newBank(t)
	examples := document(t).Paths.Value("/v1/payments/{id}/pay").Post.RequestBody.Value.Content["application/json"].Examples
	for name, reply := range map[string]string{"goAhead": plainReply, "contract": contractReply, "receipt": receiptUntil("")} {
		body := marshal(t, examples[name].Value.Value)
		if a := b.choose(b.asked(reply, nil), body, nil); a.StatusCode != http.StatusAccepted {
			t.Errorf("%s: %d %s", name, a.StatusCode, a.body)
		}
	}
	valid := []string{``, `{}`, `{"amountTo":"5.00","amountFrom":5.5}`, `{"contractId":"x"}`, line(`"subServiceId":"2","amount":1,"lastCount":5.5`)}
	broken := []string{
		`{"amountTo":0}`, `{"contractId":""}`, `{"x":1}`, `{"extraServices":[]}`, line(``), line(`"subServiceId":"2"`), line(`"subServiceId":"2","amount":1,"x":1`),
		line(`"subServiceId":"","amount":1`), line(`"subServiceId":"2","amount":1,"lastCount":true`),
	}
	for i, body := range append(valid, broken...) {
		if err := b.promises("/v1/payments/5/pay", body); (err == nil) != (i < len(valid)) {
			t.Errorf("the contract says %v of %s", err, body)
		}
	}
}

// A body of a length that nobody announced may be empty too.
func TestChoiceWithAnEmptyStream(t *testing.T) {
	b := newBank(t)
	id := b.asked(plainReply, nil)
	request := httptest.NewRequest(http.MethodPost, "/v1/payments/"+id.String()+"/pay", strings.NewReader(""))
	request.ContentLength = -1
	request.Header = http.Header{"Content-Type": {"application/json"}, "Authorization": {"Bearer " + secretAgent}}
	recorder := httptest.NewRecorder()
	b.server.Handler().ServeHTTP(recorder, request)
	if recorder.Code != http.StatusAccepted || b.row(id).Choice == "" {
		t.Errorf("%d %s", recorder.Code, recorder.Body)
	}
}

func TestKeyOfAChoice(t *testing.T) {
	b := newBank(t)
	id := b.asked(plainReply, nil)
	for _, bad := range []string{"a b", "ключ", strings.Repeat("k", 129)} {
		if p := b.status(b.choose(id, `{}`, map[string]string{"Idempotency-Key": bad}), http.StatusBadRequest).problem(t); p.Code != "invalid_parameter" {
			t.Errorf("%q: %+v", bad, p)
		}
	}
	b.status(b.choose(id, `{}`, map[string]string{"Idempotency-Key": "key-1"}), http.StatusAccepted)
	b.status(b.choose(id, `{"amountTo":1}`, map[string]string{"Idempotency-Key": "key-1"}), http.StatusConflict)
	if got := b.temporal.updates(); len(got) != 1 || got[0] != id.WorkflowID()+" choose till/key-1 Completed" {
		t.Errorf("updates %q", got)
	}
}
