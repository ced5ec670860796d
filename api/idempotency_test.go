package api_test

import (
	"context"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"tolem/api"
	"tolem/domain"
	"tolem/storage"
)

func TestSameKeySamePayment(t *testing.T) {
	b := newBank(t)
	key := map[string]string{"Idempotency-Key": "same"}
	body := `{"serviceId":"P1012","account":"7777731414","amountTo":200.00,"extras":{"account1":"0000000001"}}`
	first := b.status(b.pay(body, key), http.StatusAccepted).payment(t)
	for name, repeat := range map[string]string{
		"the same bytes": body,
		"other spelling": "{ \"extras\" : {\"ev_account1\":\"000000000\\u0031\"},\n\"autoPay\":true, \"amountTo\":2e2,\"account\":\"7777731414\", \"serviceId\":\"P1012\"}\n",
	} {
		a := b.status(b.pay(repeat, key), http.StatusAccepted)
		if p := a.payment(t); p.ID != first.ID || a.Header.Get("Idempotent-Replay") != "true" || a.Header.Get("Idempotency-Key") != "same" {
			t.Errorf("%s: %+v %v", name, p, a.Header)
		}
	}
	if n := len(b.temporal.started()); n != 3 {
		t.Errorf("%d starts of a payment that stays accepted, want one for each request", n)
	}
	for name, other := range map[string]string{
		"amount":    strings.Replace(body, "200.00", "200.01", 1),
		"account":   strings.Replace(body, "7777731414", "7777731415", 1),
		"extra":     strings.Replace(body, "0000000001", "0000000002", 1),
		"service":   `{"serviceId":"P1011","account":"7777731414","amountTo":200.00}`,
		"two steps": strings.Replace(body, `"amountTo"`, `"autoPay":false,"amountTo"`, 1),
		"id":        strings.Replace(body, `"amountTo"`, `"agentTransactionId":"5","amountTo"`, 1),
		"name":      strings.Replace(body, `"amountTo"`, `"fullName":"x","amountTo"`, 1),
		"card":      strings.Replace(body, `"amountTo"`, `"identityCard":"x","amountTo"`, 1),
		"from":      strings.Replace(body, `"amountTo"`, `"amountFrom":200.00,"amountTo"`, 1),
	} {
		a := b.status(b.pay(other, key), http.StatusUnprocessableEntity)
		if p := a.problem(t); p.Code != "idempotency_key_reused" {
			t.Errorf("%s: code %s", name, p.Code)
		}
	}
	// Keys belong to their caller.
	a := b.send(call{method: "POST", path: "/v1/payments", body: body, token: secretOther, header: key})
	if b.status(a, http.StatusAccepted).payment(t).ID == first.ID {
		t.Error("another caller's key found this caller's payment")
	}
	if n := b.rows(); n != 2 {
		t.Errorf("%d rows, want 2", n)
	}
}

func TestTakenID(t *testing.T) {
	b := newBank(t)
	body := strings.Replace(simple, `"amountTo"`, `"agentTransactionId":"777","amountTo"`, 1)
	b.status(b.pay(body, map[string]string{"Idempotency-Key": "a"}), http.StatusAccepted)
	a := b.status(b.pay(body, map[string]string{"Idempotency-Key": "b"}), http.StatusConflict)
	if p := a.problem(t); p.Code != "id_taken" || b.rows() != 1 {
		t.Errorf("code %s, %d rows", p.Code, b.rows())
	}
}

func TestManyAtOnceMakeOnePayment(t *testing.T) {
	b := newBank(t)
	created, ids := 0, map[string]bool{}
	for _, a := range b.atOnce(50, func(int) answer { return b.pay(simple, map[string]string{"Idempotency-Key": "at-once"}) }) {
		b.status(a, http.StatusAccepted)
		ids[a.payment(t).ID] = true
		if a.Header.Get("Idempotent-Replay") == "" {
			created++
		}
	}
	if b.rows() != 1 || len(ids) != 1 || created != 1 {
		t.Errorf("%d rows, %d ids, %d created by themselves; want one of each", b.rows(), len(ids), created)
	}
}

// A replay needs the ledger and nothing else: not the catalogue, not Temporal,
// not the process that accepted, not an open workflow.
func TestReplayOfAnEndedPaymentNeedsOnlyTheLedger(t *testing.T) {
	b := newBank(t)
	key := map[string]string{"Idempotency-Key": "old"}
	first := b.status(b.pay(simple, key), http.StatusAccepted).payment(t)
	id, err := domain.ParseAgentTransactionID(first.ID)
	must(t, err)
	_, _, err = b.ledger.End(t.Context(), storage.Ending{PaymentID: id, Step: 1, State: domain.StateCancelled})
	must(t, err)
	b.saved(storage.Catalogue{Content: `{"services":null}`, Services: 1, FetchedAt: storage.At(time.Now())}) // newer, and cannot be read

	restarted := newBank(t, func(o *api.Options) {
		o.Ledger, o.Temporal = b.ledger, noTemporal(t)
	})
	restarted.centre.SetDown(true)
	a := restarted.status(restarted.pay(simple, map[string]string{"Idempotency-Key": "old", "Prefer": "wait=30"}), http.StatusOK)
	if p := a.payment(t); p.ID != first.ID || p.State != "cancelled" || a.Header.Get("Idempotent-Replay") != "true" {
		t.Errorf("%+v %v", p, a.Header)
	}
	fresh := restarted.status(restarted.pay(simple, nil), http.StatusServiceUnavailable)
	if p := fresh.problem(t); p.Code != "catalogue_unavailable" || fresh.Header.Get("Retry-After") == "" {
		t.Errorf("a new payment without a catalogue: %s", fresh.body)
	}
	if b.rows() != 1 {
		t.Errorf("%d rows, want 1", b.rows())
	}
}

// A payment on its way is shown, not started again, and the caller is told to
// look after the next attempt.
func TestReplayOfAPaymentOnItsWay(t *testing.T) {
	b := newBank(t)
	key := map[string]string{"Idempotency-Key": "busy", "Prefer": "wait=0"}
	id, err := domain.ParseAgentTransactionID(b.status(b.pay(simple, key), http.StatusAccepted).payment(t).ID)
	must(t, err)
	busy := domain.CodeInProgress
	_, _, err = b.ledger.RecordCheck(t.Context(), storage.CheckRecord{
		Call:    storage.Call{Process: id.WorkflowID(), Name: "check", Step: 1, Attempt: 1, Cause: domain.CauseScheduled, At: time.Now()},
		Outcome: storage.Outcome{Kind: storage.Answered, HTTPStatus: 200, Code: &busy},
		After:   storage.After{State: domain.StateChecking, Waits: 1, NextWait: time.Hour},
	})
	must(t, err)
	a := b.status(b.pay(simple, key), http.StatusAccepted)
	if p := a.payment(t); p.State != "checking" || *p.ResultCode != 1 || a.Header.Get("Retry-After") != "60" || a.Header.Get("Preference-Applied") != "wait=0" {
		t.Errorf("%s %v", a.body, a.Header)
	}
	if n := len(b.temporal.started()); n != 1 {
		t.Errorf("%d starts, want the first one only", n)
	}
}

func TestWaitEndsWithThePayment(t *testing.T) {
	for _, c := range []struct {
		name   string
		move   func(*testing.T, *storage.Ledger, domain.AgentTransactionID)
		status int
		state  string
	}{
		{"ended", func(t *testing.T, l *storage.Ledger, id domain.AgentTransactionID) {
			expirePayer(t, l, id)
			_, _, err := l.End(t.Context(), storage.Ending{PaymentID: id, Step: 9, State: domain.StateExpired})
			must(t, err)
		}, http.StatusCreated, "expired"},
		{"asks the payer", askPayer, http.StatusAccepted, "awaiting_payer"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBank(t)
			answered := make(chan answer, 1)
			go func() { answered <- b.pay(simple, map[string]string{"Prefer": "respond-async, wait=600"}) }()
			c.move(t, b.ledger, b.firstPayment())
			a := b.status(<-answered, c.status)
			if p := a.payment(t); p.State != c.state || a.Header.Get("Preference-Applied") != "wait=60" {
				t.Errorf("%+v %v", p, a.Header)
			}
		})
	}
}

// firstPayment is the id of the ledger's only payment, as soon as it is there.
func (b *bank) firstPayment() domain.AgentTransactionID {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), 30*time.Second) // of a broken server
	defer cancel()
	for {
		page, _, err := b.ledger.Payments(ctx, storage.PaymentFilter{}, "", 1)
		must(b.t, err)
		if len(page) == 1 {
			return page[0].ID
		}
		runtime.Gosched()
	}
}

// askPayer records an answer to check that offers a contract.
func askPayer(t *testing.T, l *storage.Ledger, id domain.AgentTransactionID) {
	t.Helper()
	code := domain.CodeSuccess
	_, _, err := l.RecordCheck(t.Context(), storage.CheckRecord{
		Call: storage.Call{Process: id.WorkflowID(), Name: "check", Step: 1, Attempt: 1, Execution: "x", Cause: domain.CauseScheduled, At: time.Now(), Body: []byte("{}")},
		Outcome: storage.Outcome{
			Kind: storage.Answered, HTTPStatus: 200, Code: &code, Message: "OK", Duration: 7 * time.Millisecond,
		},
		After: storage.After{State: domain.StateAwaitingPayer, TransactionID: 999000111222333444},
		Asks:  domain.AsksContract,
		Answer: `{"resultCode":0,"transactionId":"999000111222333444","displays":{"fio":"x"},"rate":0.0012345678,"finalAmount":1.5,
			"currency":"USD","currencyRate":"1 = 500","contracts":[{"contractId":"1","contractSum":10.00}],
			"invoice":{"invoices":[{"invoiceId":"7","services":[{"subServiceId":"s","data":{"paySum":1.00,"tariff":2.5,"isMeter":true}}]}]}}`,
	})
	must(t, err)
}

func TestPreferredWait(t *testing.T) {
	for header, want := range map[string]time.Duration{
		"wait=0": 0, "wait=5": 5 * time.Second, "wait = 5": 5 * time.Second, `wait="5"`: 5 * time.Second, "Wait=5": 5 * time.Second,
		"wait=61": time.Minute, "wait=99999999999999999999999": time.Minute, "respond-async, wait=10; x=1": 10 * time.Second, "wait=3, wait=9": 3 * time.Second,
		"": -1, "wait": -1, "wait=": -1, "wait=-1": -1, "wait=1.5": -1, "wait=soon": -1, "waiting=5": -1,
	} {
		got, ok := api.PreferredWait(http.Header{"Prefer": {header}})
		if ok != (want >= 0) || (ok && got != want) {
			t.Errorf("%q: %s %t, want %s", header, got, ok, want)
		}
	}
}

// The quoted form of a key, a structured field's, is the same key, in every route that takes one;
// the answer names the key.
func TestQuotedKeys(t *testing.T) {
	onBothLedgers(t, func(t *testing.T, b *bank) {
		var ids []string
		for _, key := range []string{`"key-1"`, "key-1", `"key-1"`} {
			a := b.status(b.pay(simple, map[string]string{"Idempotency-Key": key}), http.StatusAccepted)
			ids = append(ids, a.payment(t).ID)
			if got := a.Header.Get("Idempotency-Key"); got != "key-1" {
				t.Errorf("%s is answered as %s", key, got)
			}
		}
		if b.rows() != 1 || ids[0] != ids[1] || ids[0] != ids[2] {
			t.Errorf("%d rows of one key: %v", b.rows(), ids)
		}
		other := strings.Replace(simple, "200.00", "201.00", 1)
		if p := b.status(b.pay(other, map[string]string{"Idempotency-Key": `"key-1"`}), http.StatusUnprocessableEntity).problem(t); p.Code != "idempotency_key_reused" {
			t.Error(p.Code)
		}
		b.status(b.sendBatch(`"rows"`, "["+simple+"]"), http.StatusAccepted)
		if again := b.batch("rows", http.StatusOK, simple); again.Items[0].Status != "replayed" {
			t.Errorf("%+v", again.Items)
		}
		b.takes("KD1")
		b.sends("KD1")
		activated := `{"status":"payment order activated"}`
		b.status(b.reports("KD1", `"e1"`, activated), http.StatusCreated)
		b.status(b.reports("KD1", "e1", activated), http.StatusOK)
		b.status(b.orders(secretOp, "KD1", domain.ActionHold, `{"reason":"r"}`, `"h"`), http.StatusOK)
		b.status(b.orders(secretOp, "KD1", domain.ActionHold, `{"reason":"r"}`, "h"), http.StatusOK)
		if n := len(b.ordered("KD1")); n != 1 {
			t.Errorf("%d actions of one key", n)
		}
		b.status(b.pay(simple, map[string]string{"Idempotency-Key": `"` + strings.Repeat("k", 126) + `"`}), http.StatusAccepted)
		b.status(b.pay(simple, map[string]string{"Idempotency-Key": `"` + strings.Repeat("k", 129) + `"`}), http.StatusBadRequest)
		b.status(b.pay(simple, map[string]string{"Idempotency-Key": `"with space"`}), http.StatusBadRequest)
	})
}
