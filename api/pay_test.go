package api_test

import (
	"context"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"go.temporal.io/api/serviceerror"

	"tolem/api"
	"tolem/domain"
	"tolem/partners/processing"
	"tolem/storage"
)

// What check may answer, in the document's shapes.
const (
	plainReply    = `{"resultCode":0}`
	fixedReply    = `{"resultCode":0,"displays":{"fio":"x","fixedAmount":"1500.00"}}`
	contractReply = `{"resultCode":0,"contracts":[{"contractId":"000000587"},{"contractId":"000000588"}]}`
	receiptReply  = `{"resultCode":0,"invoice":{"invoices":[{"expireDate":"%s","services":[
		{"subServiceId":"36","data":{"minSum":100.00,"maxSum":5000.00,"isMeter":true}},{"subServiceId":"13","data":{"paySum":80.00}},
		{"subServiceId":"2","data":{"minSum":0.00,"maxSum":0.00}}]}]}}`
)

func receiptUntil(date string) string { return fmt.Sprintf(receiptReply, date) }

// asked puts a payment into the ledger whose check asked the payer. change alters
// what was accepted.
func (b *bank) asked(reply string, change func(*storage.Payment)) domain.AgentTransactionID {
	b.t.Helper()
	amount, until := domain.Money(200_00), storage.At(time.Now().Add(time.Hour))
	p := storage.Payment{
		Caller: "till", IdempotencyKey: fmt.Sprint(b.rows()), RequestSHA256: "x", ServiceID: "P1011", Account: account, AmountTo: &amount,
		AgentTransactionDate: "2026-01-31T15:04:05", RetryInitial: time.Second, RetryFactorMilli: 2000,
		CreatedAt: storage.At(time.Now()), PayerUntil: &until,
	}
	if change != nil {
		change(&p)
	}
	p, _, err := b.ledger.Accept(b.t.Context(), p)
	must(b.t, err)
	body, err := processing.CheckRequest{
		ServiceID: p.ServiceID, Account: p.Account, AgentTransactionID: p.ID, AgentTransactionDate: p.AgentTransactionDate,
		AmountTo: p.AmountTo, AmountFrom: p.AmountFrom, Extras: p.Extras,
	}.Body()
	must(b.t, err)
	code := domain.CodeSuccess
	changed, _, err := b.ledger.RecordCheck(b.t.Context(), storage.CheckRecord{
		Call:    storage.Call{Process: p.ID.WorkflowID(), Name: "check", Step: 1, Attempt: 1, Cause: domain.CauseScheduled, At: time.Now(), Body: body},
		Outcome: storage.Outcome{Kind: storage.Answered, HTTPStatus: 200, Code: &code}, Answer: reply,
		After: storage.After{State: domain.StateAwaitingPayer}, Asks: domain.AsksGoAhead,
	})
	must(b.t, err)
	if !changed {
		b.t.Fatal("the payment does not wait for its payer")
	}
	return p.ID
}

func (b *bank) choose(id domain.AgentTransactionID, body string, header map[string]string) answer {
	b.t.Helper()
	return b.send(call{method: http.MethodPost, path: "/v1/payments/" + id.String() + "/pay", body: body, token: secretAgent, header: header})
}

func (b *bank) row(id domain.AgentTransactionID) storage.Payment {
	b.t.Helper()
	p, err := b.ledger.Payment(context.Background(), id)
	must(b.t, err)
	return p
}

// paysNow does what the workflow does about a choice: it commits the intent.
func (b *bank) paysNow(id domain.AgentTransactionID, to, from domain.Money) {
	b.t.Helper()
	code := domain.CodeSuccess
	changed, _, err := b.ledger.RecordCheck(context.Background(), storage.CheckRecord{
		Call:    storage.Call{Process: id.WorkflowID(), Name: "check", Step: 2, Attempt: 2, At: time.Now(), Body: b.row(id).CheckBody},
		Outcome: storage.Outcome{Kind: storage.Answered, HTTPStatus: 200, Code: &code}, After: storage.After{State: domain.StatePaying},
		Pay: &storage.PayIntent{Body: []byte("pay"), AmountTo: to, AmountFrom: from, Step: 3, At: time.Now()},
	})
	must(b.t, err)
	if !changed {
		b.t.Fatal("the payment does not pay")
	}
}

// Every scheme's right choice is recorded, told to the workflow, and shown.
func TestChoiceIsRecordedAndTold(t *testing.T) {
	for name, c := range map[string]struct{ reply, body, want string }{
		"go-ahead":          {plainReply, `{}`, `{"amountTo":200.00,"amountFrom":200.00}`},
		"no body":           {plainReply, ``, `{"amountTo":200.00,"amountFrom":200.00}`},
		"another amount":    {plainReply, `{"amountTo":300,"amountFrom":"310.5"}`, `{"amountTo":300.00,"amountFrom":310.50}`},
		"fixed amount":      {fixedReply, `{"amountTo":1500}`, `{"amountTo":1500.00,"amountFrom":1500.00}`},
		"contract":          {contractReply, `{"contractId":"000000588"}`, `{"amountTo":200.00,"amountFrom":200.00,"contractId":"000000588"}`},
		"receipt":           {receiptUntil("29991231000000"), `{"extraServices":[{"subServiceId":"36","lastCount":"4875.5","amount":160},{"subServiceId":"2","amount":"40.00"}]}`, `{"amountTo":200.00,"amountFrom":200.00,"extraServices":[{"subServiceId":"36","amount":160.00,"lastCount":"4875.5"},{"subServiceId":"2","amount":40.00}]}`},
		"reading, a number": {receiptUntil(""), `{"amountTo":100,"extraServices":[{"subServiceId":"36","lastCount":4875.50,"amount":100}]}`, `{"amountTo":100.00,"amountFrom":100.00,"extraServices":[{"subServiceId":"36","amount":100.00,"lastCount":"4875.50"}]}`},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBank(t)
			id := b.asked(c.reply, nil)
			before := b.get(secretAgent, "/v1/payments/"+id.String())
			if !strings.Contains(string(before.body), `"expiresAt":"20`) || strings.Contains(string(before.body), `"choice"`) {
				t.Errorf("before: %s", before.body)
			}
			a := b.status(b.choose(id, c.body, nil), http.StatusAccepted)
			if p := a.payment(t); p.ID != id.String() || p.State != "awaiting_payer" || strings.Contains(string(a.body), "expiresAt") || !strings.Contains(string(a.body), `"choice":`+c.want) {
				t.Errorf("answer %s, want the choice %s", a.body, c.want)
			}
			if a.Header.Get("Location") != "/v1/payments/"+id.String() || a.Header.Get("Retry-After") != "1" || a.Header.Get("Preference-Applied") != "" {
				t.Errorf("header %v", a.Header)
			}
			row := b.row(id)
			if row.Choice != c.want || row.ChosenBy != "till" || row.ChosenAt == nil || row.State != domain.StateAwaitingPayer {
				t.Errorf("row %+v", row)
			}
			if got := b.temporal.updates(); len(got) != 1 || got[0] != id.WorkflowID()+" choose till/"+row.ChoiceSHA256+" Completed" {
				t.Errorf("updates %q", got)
			}
			if listed := b.get(secretAgent, "/v1/payments"); strings.Contains(string(listed.body), `"choice"`) {
				t.Errorf("a list shows choices: %s", listed.body)
			}
		})
	}
}

// The same choice, however it is written, is the same; another one is refused,
// wherever the payment stands. Only a payment that still waits is told again.
func TestChoiceIsRepeated(t *testing.T) {
	b := newBank(t)
	id := b.asked(receiptUntil(""), func(p *storage.Payment) { p.AmountTo = nil })
	first := `{"amountTo":120.00,"extraServices":[{"subServiceId":"13","amount":20.00},{"subServiceId":"36","amount":100.00,"lastCount":"5"}]}`
	same := map[string]string{
		"the same bytes":  first,
		"other spelling":  `{ "extraServices":[{"amount":"20","subServiceId":"\u00313"},{"lastCount":5,"amount":1e2,"subServiceId":"36"}], "amountTo":"120"}`,
		"defaults left":   `{"extraServices":[{"subServiceId":"13","amount":20},{"subServiceId":"36","amount":100,"lastCount":"5"}]}`,
		"defaults named":  strings.Replace(first, `"amountTo"`, `"amountFrom":120,"amountTo"`, 1),
		"the other order": `{"extraServices":[{"subServiceId":"36","amount":100,"lastCount":"5"},{"subServiceId":"13","amount":20}]}`,
	}
	other := map[string]string{
		"commission":   strings.Replace(first, `"amountTo"`, `"amountFrom":121,"amountTo"`, 1),
		"reading":      strings.Replace(first, `"5"`, `"6"`, 1),
		"fewer lines":  `{"extraServices":[{"subServiceId":"13","amount":20}]}`,
		"one misfit":   `{"contractId":"1"}`,
		"nothing said": `{}`,
	}
	b.status(b.choose(id, first, nil), http.StatusAccepted)
	kept := b.row(id).Choice
	repeat := func(state string, status, tells int) {
		t.Helper()
		told := len(b.temporal.updates())
		for name, body := range same {
			if a := b.choose(id, body, nil); a.StatusCode != status || a.payment(t).State != state {
				t.Errorf("%s, %s: %d %s", state, name, a.StatusCode, a.body)
			}
		}
		for name, body := range other {
			a := b.choose(id, body, nil)
			if p := a.problem(t); a.StatusCode != 409 || p.Code != "already_chosen" || !strings.Contains(p.Detail, "the payment is "+state+" ") || !strings.Contains(p.Detail, "/v1/payments/"+id.String()) {
				t.Errorf("%s, %s: %d %s", state, name, a.StatusCode, a.body)
			}
		}
		if got := len(b.temporal.updates()) - told; got != tells*len(same) {
			t.Errorf("%s: %d updates, want %d for each repetition", state, got, tells)
		}
		if b.row(id).Choice != kept {
			t.Errorf("%s: the choice became %s", state, b.row(id).Choice)
		}
	}
	repeat("awaiting_payer", http.StatusAccepted, 1)
	b.paysNow(id, 120_00, 120_00)
	repeat("paying", http.StatusAccepted, 0)
	must(t, b.ends(id, domain.StateSucceeded))
	repeat("succeeded", http.StatusOK, 0)
	updates := b.temporal.updates()
	for _, u := range updates {
		if u != updates[0] {
			t.Errorf("the same choice made the updates %q and %q", updates[0], u)
		}
	}
}

// When pay is intended the row's amounts become pay's. What the request had named
// still tells one choice from another.
func TestChoiceIsComparedWithTheRequest(t *testing.T) {
	b := newBank(t)
	id := b.asked(plainReply, nil)
	b.status(b.choose(id, `{"amountTo":300}`, nil), http.StatusAccepted)
	b.paysNow(id, 300_00, 300_00)
	b.status(b.choose(id, `{"amountTo":300}`, nil), http.StatusAccepted)
	b.status(b.choose(id, `{}`, nil), http.StatusConflict) // 200.00, as requested
}

// A receipt that expires after it was chosen does not make its choice another.
func TestChoiceIsRepeatedAfterTheReceiptExpired(t *testing.T) {
	b := newBank(t)
	body := `{"extraServices":[{"subServiceId":"2","amount":200}]}`
	choice, _ := api.DecodeChoice([]byte(body))
	amount := domain.Money(200_00)
	choice.AmountTo, choice.AmountFrom = &amount, &amount
	digest := api.ChoiceDigest(choice)
	almaty, err := time.LoadLocation("Asia/Almaty")
	must(t, err)
	for at, status := range map[time.Time]int{
		time.Date(2026, 1, 10, 23, 59, 0, 0, almaty): http.StatusAccepted,
		time.Date(2026, 1, 11, 0, 0, 0, 0, almaty):   http.StatusConflict, // the day is over there, not in UTC
	} {
		id := b.asked(receiptUntil("20260110000000"), nil)
		if p := b.status(b.choose(id, body, nil), http.StatusBadRequest).problem(t); len(p.Errors) != 1 || p.Errors[0].Code != "expired" {
			t.Fatalf("the receipt has not expired: %+v", p)
		}
		_, err = b.ledger.Choose(t.Context(), id, storage.PayerChoice{JSON: marshal(t, choice), SHA256: digest, By: "till", At: at})
		must(t, err)
		b.status(b.choose(id, body, nil), status)
		b.status(b.choose(id, strings.Replace(body, "200", "199", 1), nil), http.StatusConflict)
	}
}

func TestPaymentThatTakesNoChoice(t *testing.T) {
	b := newBank(t)
	take := func(name string, id domain.AgentTransactionID, state, advice string) {
		t.Helper()
		p := b.status(b.choose(id, `{}`, nil), http.StatusConflict).problem(t)
		if p.Code != "not_awaiting_payer" || !strings.HasPrefix(p.Detail, "the payment is "+state+": ") || !strings.Contains(p.Detail, advice) {
			t.Errorf("%s: %+v", name, p)
		}
		if row := b.row(id); row.Choice != "" || row.ChosenAt != nil {
			t.Errorf("%s: recorded %+v", name, row)
		}
	}
	take("accepted", b.stored("till", 1)[0], "accepted", "not asked the payer yet")
	paying := b.asked(plainReply, nil)
	b.paysNow(paying, 200_00, 200_00)
	take("paying", paying, "paying", "nothing left to choose")
	expired := b.asked(plainReply, nil)
	must(t, b.ends(expired, domain.StateExpired))
	take("expired", expired, "expired", "its end")
	late := storage.At(time.Now())
	take("about to expire", b.asked(plainReply, func(p *storage.Payment) { p.PayerUntil = &late }), "awaiting_payer", "time to choose is over")
	if got := b.temporal.updates(); len(got) != 0 {
		t.Errorf("told %q", got)
	}
	// No time is set for payments that asked before there was one.
	b.status(b.choose(b.asked(plainReply, func(p *storage.Payment) { p.PayerUntil = nil }), `{}`, nil), http.StatusAccepted)
}

func TestSomebodyElsesPaymentIsNotChosenFor(t *testing.T) {
	b := newBank(t)
	id := b.asked(plainReply, nil)
	for token, want := range map[string]int{secretOther: 404, secretViewer: 403, secretOp: 403, secretBoth: 403, secretStore: 403, "": 401} {
		b.status(b.send(call{method: "POST", path: "/v1/payments/" + id.String() + "/pay", body: "{}", token: token}), want)
	}
	for _, path := range []string{"5", "x", "%31"} {
		b.status(b.send(call{method: "POST", path: "/v1/payments/" + path + "/pay", body: "{}", token: secretAgent}), http.StatusNotFound)
	}
	if b.row(id).Choice != "" || len(b.temporal.updates()) != 0 {
		t.Error("somebody else chose")
	}
}

func TestChoicesAtOnce(t *testing.T) {
	b := newBank(t)
	equal, different := b.asked(plainReply, nil), b.asked(contractReply, nil)
	for _, a := range b.atOnce(50, func(int) answer { return b.choose(equal, `{"amountTo":200}`, nil) }) {
		b.status(a, http.StatusAccepted)
	}
	if got, want := b.row(equal).Choice, `{"amountTo":200.00,"amountFrom":200.00}`; got != want {
		t.Errorf("choice %s, want %s", got, want)
	}
	contracts := []string{"000000587", "000000588"}
	answers := b.atOnce(2, func(i int) answer { return b.choose(different, `{"contractId":"`+contracts[i]+`"}`, nil) })
	winner := 0
	if answers[0].StatusCode != http.StatusAccepted {
		winner = 1
	}
	b.status(answers[winner], http.StatusAccepted)
	if p := b.status(answers[1-winner], http.StatusConflict).problem(t); p.Code != "already_chosen" {
		t.Errorf("the loser got %+v", p)
	}
	if got := b.row(different).Choice; !strings.Contains(got, contracts[winner]) {
		t.Errorf("kept %s, the winner chose %s", got, contracts[winner])
	}
}

// What happens between reading the payment and recording the choice is found by
// the ledger.
func TestChoiceThatComesTooLate(t *testing.T) {
	b := newBank(t)
	chosen, expired := b.asked(plainReply, nil), b.asked(plainReply, nil)
	b.status(b.choose(chosen, `{}`, nil), http.StatusAccepted)
	must(t, b.ends(expired, domain.StateExpired))
	late := storage.PayerChoice{JSON: "{}", SHA256: "late", By: "till", At: time.Now()}
	for id, want := range map[domain.AgentTransactionID]string{chosen: "already_chosen", expired: "not_awaiting_payer", 5: "not in the ledger"} {
		if err := b.server.Choose(t.Context(), id, late); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("payment %s: %v, want %s", id, err, want)
		}
	}
}

// atOnce sends n requests that begin together.
func (b *bank) atOnce(n int, send func(i int) answer) []answer {
	answers := make([]answer, n)
	var gate, done sync.WaitGroup
	gate.Add(1)
	for i := range answers {
		done.Go(func() {
			gate.Wait()
			answers[i] = send(i)
		})
	}
	gate.Done()
	done.Wait()
	return answers
}

// The answer comes when the payment ends, or tells where it stands as soon as the
// workflow acted.
func TestWaitAfterTheChoice(t *testing.T) {
	b := newBank(t)
	id := b.asked(plainReply, nil)
	b.temporal.acting(func(update) (any, error) { b.paysNow(id, 200_00, 200_00); return nil, nil })
	if p := b.status(b.choose(id, `{}`, nil), http.StatusAccepted).payment(t); p.State != "paying" {
		t.Errorf("the workflow acted, and the answer says %s", p.State)
	}
	b.temporal.acting(nil)

	// A recorded choice asks nobody: the wait goes on to the end.
	id = b.asked(plainReply, nil)
	answered := make(chan answer, 1)
	go func() { answered <- b.choose(id, `{}`, map[string]string{"Prefer": "wait=60"}) }()
	for b.row(id).ChoiceSHA256 == "" {
		runtime.Gosched()
	}
	must(t, b.ends(id, domain.StateCancelled))
	a := b.status(<-answered, http.StatusOK)
	if p := a.payment(t); p.State != "cancelled" || a.Header.Get("Preference-Applied") != "wait=60" || a.Header.Get("Retry-After") != "" {
		t.Errorf("%s %v", a.body, a.Header)
	}
}

// Once recorded the choice stands, whatever Temporal does.
func TestChoiceWithoutTemporal(t *testing.T) {
	for name, b := range map[string]*bank{
		"down":    newBank(t, func(o *api.Options) { o.Temporal = noTemporal(t) }),
		"refuses": newBank(t),
	} {
		b.temporal.acting(func(update) (any, error) { return nil, serviceerror.NewNotFound("no such workflow") })
		id := b.asked(plainReply, nil)
		a := b.status(b.choose(id, `{}`, nil), http.StatusAccepted)
		if p := a.payment(t); p.State != "awaiting_payer" || b.row(id).Choice == "" {
			t.Errorf("%s: %s", name, a.body)
		}
		if name == "refuses" && !strings.Contains(logged.String(), "process="+id.WorkflowID()+" error=\"no such workflow\"") {
			t.Error("the log does not name the payment whose workflow was not told")
		}
	}
}

func TestChoiceWithoutLedger(t *testing.T) {
	b := newBank(t)
	id := b.asked(plainReply, nil)
	must(t, b.ledger.Close())
	a := b.status(b.choose(id, `{}`, nil), http.StatusServiceUnavailable)
	if p := a.problem(t); p.Code != "ledger_unavailable" || a.Header.Get("Retry-After") == "" {
		t.Errorf("%+v %v", p, a.Header)
	}
}

// What check answered is our own writing; if it cannot be read, nothing is chosen
// and nothing of it is told.
func TestChoiceOfAnUnreadableAnswer(t *testing.T) {
	b := newBank(t)
	id := b.asked(`{"resultMessage":"`+fullName, nil)
	if p := b.status(b.choose(id, `{}`, nil), http.StatusInternalServerError).problem(t); p.Code != "internal" || b.row(id).Choice != "" {
		t.Errorf("%+v", p)
	}
}
