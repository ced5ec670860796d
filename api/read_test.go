package api_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"tolem/api"
	"tolem/domain"
	"tolem/storage"
)

// stored puts n payments of one caller into the ledger, a minute apart, the last
// one now.
func (b *bank) stored(caller string, n int) []domain.AgentTransactionID {
	b.t.Helper()
	now := time.Now()
	ids := make([]domain.AgentTransactionID, n)
	for i := range ids {
		amount := domain.Money(100 * (i + 1))
		p, created, err := b.ledger.Accept(b.t.Context(), storage.Payment{
			Caller: caller, IdempotencyKey: strconv.Itoa(i), RequestSHA256: "x", ServiceID: "P1011", Account: account, AmountTo: &amount,
			AutoPay: true, AgentTransactionDate: "2026-01-31T15:04:05", RetryInitial: time.Second, RetryFactorMilli: 2000,
			CreatedAt: storage.At(now.Add(time.Duration(i-n+1) * time.Minute)),
		})
		must(b.t, err)
		if !created {
			b.t.Fatal("not created")
		}
		ids[i] = p.ID
	}
	return ids
}

type list struct {
	Items []payment
	Next  string
}

// list reads all pages and returns the ids, the newest first.
func (b *bank) list(token string, query url.Values) (ids []string) {
	b.t.Helper()
	for {
		var page list
		b.status(b.get(token, "/v1/payments?"+query.Encode()), http.StatusOK).decode(b.t, &page)
		for _, p := range page.Items {
			ids = append(ids, p.ID)
		}
		if page.Next == "" {
			return ids
		}
		query.Set("cursor", page.Next)
	}
}

func TestListFiltersAndPages(t *testing.T) {
	b := newBank(t)
	ids := b.stored("till", 7)
	other := b.stored("other", 2)
	askPayer(t, b.ledger, ids[2])
	_, _, err := b.ledger.End(t.Context(), storage.Ending{PaymentID: ids[4], Step: 1, State: domain.StateCancelled})
	must(t, err)
	must(t, b.ledger.Flag(t.Context(), ids[5], domain.ReasonUnknownCode, "x"))
	middle, err := b.ledger.Payment(t.Context(), ids[3])
	must(t, err)
	at := middle.CreatedAt.Format(time.RFC3339Nano)

	text := func(picked ...int) []string { // the newest first
		var out []string
		for i := len(picked) - 1; i >= 0; i-- {
			out = append(out, ids[picked[i]].String())
		}
		return out
	}
	for query, want := range map[string][]string{
		"":                                    text(0, 1, 2, 3, 4, 5, 6),
		"limit=1":                             text(0, 1, 2, 3, 4, 5, 6),
		"limit=3":                             text(0, 1, 2, 3, 4, 5, 6),
		"limit=7":                             text(0, 1, 2, 3, 4, 5, 6),
		"state=accepted":                      text(0, 1, 3, 5, 6),
		"state=awaiting_payer,cancelled":      text(2, 4),
		"state=awaiting_payer&state=accepted": text(0, 1, 2, 3, 5, 6),
		"state=paying":                        nil,
		"resultCode=0":                        text(2),
		"resultCode=220":                      nil,
		"needs_operator=true":                 text(5),
		"needs_operator=false&limit=2":        text(0, 1, 2, 3, 4, 6),
		"serviceId=P1011":                     text(0, 1, 2, 3, 4, 5, 6),
		"serviceId=P1012":                     nil,
		"createdAfter=" + at:                  text(3, 4, 5, 6),
		"createdBefore=" + at:                 text(0, 1, 2),
		"olderThan=150s":                      text(0, 1, 2, 3),
		"olderThan=2m30s&createdAfter=" + at:  text(3),
		"olderThan=PT2M30S":                   text(0, 1, 2, 3),
		"olderThan=1d":                        nil,
		"olderThan=1ms&createdBefore=" + at:   text(0, 1, 2),
		"olderThan=270s&createdBefore=" + at:  text(0, 1),
		"stuck=150s":                          text(0, 1, 3, 5), // not the payer's, not the cancelled one; and the flagged one
		"stuck=1d":                            text(5),
		"stuck=150s&state=accepted&limit=1":   text(0, 1, 3, 5),
	} {
		given, err := url.ParseQuery(query)
		must(t, err)
		if got := b.list(secretAgent, given); strings.Join(got, " ") != strings.Join(want, " ") {
			t.Errorf("%q lists\n%v, want\n%v", query, got, want)
		}
	}
	if got := b.list(secretViewer, url.Values{"limit": {"2"}}); len(got) != len(ids)+len(other) {
		t.Errorf("a viewer sees %d payments, want all %d", len(got), len(ids)+len(other))
	}
}

func TestBadParameters(t *testing.T) {
	b := newBank(t)
	for query, field := range map[string]string{
		"status=paying":             "status",
		"state=":                    "state",
		"state=done":                "state",
		"state=paying,,":            "state",
		"serviceId=":                "serviceId",
		"serviceId=a&serviceId=b":   "serviceId",
		"resultCode=x":              "resultCode",
		"resultCode=99999999999":    "resultCode",
		"needs_operator=yes":        "needs_operator",
		"batchId=x":                 "batchId",
		"batchId=0":                 "batchId",
		"batchId=":                  "batchId",
		"olderThan=15":              "olderThan",
		"olderThan=-15m":            "olderThan",
		"stuck=":                    "stuck",
		"stuck=true":                "stuck",
		"olderThan=0s":              "olderThan",
		"olderThan=":                "olderThan",
		"olderThan=99999999999h":    "olderThan",
		"createdAfter=yesterday":    "createdAfter",
		"createdBefore=2026-01-31":  "createdBefore",
		"limit=0":                   "limit",
		"limit=501":                 "limit",
		"limit=x":                   "limit",
		"cursor=x":                  "cursor",
		"cursor=!":                  "cursor",
		"limit=1&limit=2":           "limit",
		account + "=1":              "(not a name)",
		"limit=1&cursor=" + account: "cursor",
	} {
		a := b.status(b.get(secretAgent, "/v1/payments?"+query), http.StatusBadRequest)
		if p := a.problem(t); p.Code != "invalid_parameter" || len(p.Errors) != 1 || p.Errors[0].Field != field {
			t.Errorf("%q: %s", query, a.body)
		}
	}
	for _, path := range []string{
		"/v1/payments?a;b", "/v1/payments?%zz", "/v1/payments/5?x=1", "/v1/services?x=1", "/v1/balance?x=1", "/v1/services/P1011?x=1",
		"/v1/payments/5/attempts?state=paying",
	} {
		b.status(b.get(secretAgent, path), http.StatusBadRequest)
	}
	id := b.stored("till", 1)[0].String()
	for _, query := range []string{"cursor=0", "cursor=x", "limit=501"} {
		b.status(b.get(secretAgent, "/v1/payments/"+id+"/attempts?"+query), http.StatusBadRequest)
	}
}

func TestDurations(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"90s": 90 * time.Second, "15m": 15 * time.Minute, "1h30m": 90 * time.Minute, "7d": 168 * time.Hour, "1d12h": 36 * time.Hour,
		"PT15M": 15 * time.Minute, "P7D": 168 * time.Hour, "P1DT12H": 36 * time.Hour, "250ms": 250 * time.Millisecond,
		"": 0, "15": 0, "d": 0, "-1d": 0, "1d-1h": 0, "P": 0, "PT": 0, "1w": 0, "40000d": 0, strings.Repeat("1", 33): 0,
	} {
		got, err := api.PageDuration(text)
		if (err == nil) != (want > 0) || got != want {
			t.Errorf("%q: %s %v, want %s", text, got, err, want)
		}
	}
}

func TestPaymentShowsWhatCheckAnswered(t *testing.T) {
	b := newBank(t)
	id := b.stored("till", 1)[0]
	askPayer(t, b.ledger, id)
	a := b.status(b.get(secretAgent, "/v1/payments/"+id.String()), http.StatusOK)
	p := a.payment(t)
	if p.State != "awaiting_payer" || p.Asks != "contract" || p.TransactionID != "999000111222333444" || *p.ResultCode != 0 || len(p.Contracts) != 1 {
		t.Errorf("%s", a.body)
	}
	for _, shown := range []string{
		`"displays":{"fio":"x"}`, `"contractSum":10.00`, `"invoice":{"invoices":[{"invoiceId":"7"`, `"rate":0.0012345678`,
		`"finalAmount":1.5`, `"currency":"USD"`, `"currencyRate":"1 = 500"`, `"amountTo":1.00`,
	} {
		if !strings.Contains(string(a.body), shown) {
			t.Errorf("%s misses %s", a.body, shown)
		}
	}
	listed := b.get(secretAgent, "/v1/payments")
	if strings.Contains(string(listed.body), "displays") || strings.Contains(string(listed.body), "contractSum") {
		t.Errorf("a list shows what check answered: %s", listed.body)
	}
}

func TestNoSuchPayment(t *testing.T) {
	b := newBank(t)
	for _, id := range []string{"5", "0", "x", "1234567890123456789", "-1", "%31", "5%2F6", "%D0%BF", account} {
		a := b.status(b.get(secretAgent, "/v1/payments/"+id), http.StatusNotFound)
		if p := a.problem(t); p.Code != "not_found" {
			t.Errorf("%s: %s", id, p.Code)
		}
		b.status(b.get(secretAgent, "/v1/payments/"+id+"/attempts"), http.StatusNotFound)
	}
	id := b.stored("till", 1)[0].String()
	escaped := "%" + strconv.FormatInt(int64(id[0]), 16) + id[1:]
	b.status(b.get(secretAgent, "/v1/payments/"+escaped), http.StatusOK)
}

// threeAttempts journals a check, a pay that was answered "in progress", and a
// pay whose execution died.
func (b *bank) threeAttempts(id domain.AgentTransactionID) {
	b.t.Helper()
	code, busy := domain.CodeSuccess, domain.CodeInProgress
	call := func(step int, name string, waited time.Duration) storage.Call {
		return storage.Call{
			Process: id.WorkflowID(), Name: name, Step: step, Attempt: step, Execution: "x", Cause: domain.CauseScheduled,
			Waited: waited, At: time.Now(), Body: []byte(name),
		}
	}
	changed, started, err := b.ledger.RecordCheck(b.t.Context(), storage.CheckRecord{
		Call:    call(1, "check", 0),
		Outcome: storage.Outcome{Kind: storage.Answered, HTTPStatus: 200, Code: &code, Duration: 7 * time.Millisecond},
		After:   storage.After{State: domain.StatePaying}, Answer: "{}",
		Pay: &storage.PayIntent{Body: []byte("pay"), AmountTo: 100, AmountFrom: 100, Step: 2, At: time.Now()},
	})
	must(b.t, err)
	if !changed {
		b.t.Fatal("not changed")
	}
	_, err = b.ledger.RecordPay(b.t.Context(), call(2, "pay", 0), started,
		storage.Outcome{Kind: storage.Answered, HTTPStatus: 200, Code: &busy, Message: "busy"}, storage.After{State: domain.StatePaying, Waits: 1, NextWait: time.Hour})
	must(b.t, err)
	_, err = b.ledger.BeginPay(b.t.Context(), call(3, "pay", 1500*time.Millisecond)) // and died
	must(b.t, err)
}

func TestAttempts(t *testing.T) {
	b := newBank(t)
	id := b.stored("till", 1)[0]
	b.threeAttempts(id)

	type item struct {
		Attempt, HTTPStatus                                      int
		Call, Cause, Outcome, Failure, ResultText, ResultMessage string
		WaitedMs, DurationMs                                     int64
		Reported                                                 bool
		ResultCode                                               *int
		BodySha256                                               string
		StartedAt                                                time.Time
	}
	var items []item
	for cursor, pages := "", 0; ; pages++ {
		var page struct {
			Items []item
			Next  string
		}
		path := "/v1/payments/" + id.String() + "/attempts?limit=2"
		if cursor != "" {
			path += "&cursor=" + cursor
		}
		b.status(b.get(secretViewer, path), http.StatusOK).decode(t, &page)
		items = append(items, page.Items...)
		if cursor = page.Next; cursor == "" {
			break
		}
	}
	if len(items) != 3 {
		t.Fatalf("%d attempts: %+v", len(items), items)
	}
	if i := items[0]; i.Call != "check" || i.DurationMs != 7 || i.ResultText != "success" || !i.Reported || i.HTTPStatus != 200 {
		t.Errorf("check %+v", i)
	}
	if i := items[1]; i.Call != "pay" || *i.ResultCode != 1 || i.ResultMessage != "busy" || i.BodySha256 != storage.Digest([]byte("pay")) {
		t.Errorf("first pay %+v", i)
	}
	if i := items[2]; i.Reported || i.Outcome != "unknown" || i.WaitedMs != 1500 || i.Attempt != 3 || i.ResultCode != nil {
		t.Errorf("second pay %+v", i)
	}
	var p struct {
		Attempts      int
		NextAttemptAt *time.Time
	}
	must(t, json.Unmarshal(b.get(secretAgent, "/v1/payments/"+id.String()).body, &p))
	if p.Attempts != 3 || p.NextAttemptAt == nil || p.NextAttemptAt.Location() != time.UTC {
		t.Errorf("payment %+v", p)
	}
	empty := b.stored("other", 1)[0]
	if a := b.get(secretViewer, "/v1/payments/"+empty.String()+"/attempts"); string(a.body) != "{\"items\":[]}\n" {
		t.Errorf("attempts of a new payment: %s", a.body)
	}
}
