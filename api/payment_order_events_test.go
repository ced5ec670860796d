package api_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"tolem/api"
	"tolem/domain"
)

// reported is the part of a reported status' answer that tests look at.
type reported struct {
	State string
	Event struct {
		ID, Seq   *int64
		EventSeq  *int64 `json:"event_seq"`
		Status    string
		Verdict   string
		State     string      `json:"state_after"`
		At        time.Time   `json:"event_date"`
		Increment json.Number `json:"paid_increment"`
		Refuse    string      `json:"refuse_referer"`
		Debt      json.Number
		Amount    json.Number
		Paid      json.Number `json:"paid_amount"`
	}
}

func (a answer) reported(t *testing.T) (r reported) {
	t.Helper()
	a.decode(t, &r)
	return r
}

const part = `{"status":"payment order executed","paid_amount":2500.50}`

// An event is named by its key, for ever: sent again it counts once, under another key twice,
// and as another one not at all.
func TestReportedStatusesByKey(t *testing.T) {
	b := newBank(t)
	b.collects("KD1")
	first := b.status(b.reports("KD1", "k1", part), http.StatusCreated)
	if r := first.reported(t); r.State != "part_paid" || *r.Event.EventSeq != 2 || r.Event.Verdict != "taken" || r.Event.Increment != "2500.50" ||
		r.Event.Paid != "2500.50" || r.Event.Debt != "7499.50" || r.Event.Amount != "10000.00" {
		t.Errorf("%s", first.body)
	}
	if first.Header.Get("Idempotency-Key") != "k1" || first.Header.Get("Idempotent-Replay") != "" {
		t.Errorf("header %v", first.Header)
	}
	for _, again := range []string{part, " " + part + "\n", strings.Replace(part, "2500.50", `"2500.5"`, 1)} {
		a := b.status(b.reports("KD1", "k1", again), http.StatusOK)
		if string(a.body) != string(first.body) || a.Header.Get("Idempotent-Replay") != "true" {
			t.Errorf("%s is answered %s %v", again, a.body, a.Header)
		}
	}
	for _, other := range []string{
		strings.Replace(part, "2500.50", "2500.51", 1), `{"status":"payment order activated"}`, strings.Replace(part, "{", `{"event_date":"2026-02-17 12:00:00",`, 1),
	} {
		if p := b.status(b.reports("KD1", "k1", other), http.StatusConflict).problem(t); p.Code != "idempotency_key_reused" {
			t.Errorf("%s: %+v", other, p)
		}
	}
	second := b.status(b.reports("KD1", "k2", part), http.StatusCreated).reported(t)
	if second.Event.Paid != "5001.00" || *second.Event.EventSeq != 3 {
		t.Errorf("%+v", second)
	}
	same(t, b.collectedEvents("KD1"), []string{
		"1 request was sent taken sent", "2 payment order executed taken part_paid", "3 payment order executed taken part_paid",
	})
}

// The key is looked up over the whole contract: an execution that is sent again after the next
// payment order has begun is not booked on that.
func TestReportedStatusAgainAfterTheNextOrder(t *testing.T) {
	b := newBank(t, midday)
	b.collects("KD1")
	b.status(b.reports("KD1", "a", `{"status":"payment order accepted"}`), http.StatusCreated)
	first := b.status(b.reports("KD1", "e1", part), http.StatusCreated)
	b.status(b.reports("KD1", "r", `{"status":"payment order reversed"}`), http.StatusCreated)
	b.takesTomorrow("KD1")
	b.sends("KD1")
	again := b.status(b.reports("KD1", "e1", part), http.StatusOK)
	if r, was := again.reported(t), first.reported(t); r.State != "reversed" || *r.Event.ID != *was.Event.ID || again.Header.Get("Idempotent-Replay") != "true" {
		t.Errorf("%s", again.body)
	}
	if p := b.status(b.reports("KD1", "e1", `{"status":"payment order executed","paid_amount":1}`), http.StatusConflict).problem(t); p.Code != "idempotency_key_reused" {
		t.Errorf("%+v", p)
	}
	if o := b.collected("KD1"); o.Paid != 0 || o.State != domain.PaymentOrderSent {
		t.Errorf("%s with %s paid", o.State, o.Paid)
	}
	same(t, b.collectedEvents("KD1")[4:], []string{"5 request was sent taken sent"})
}

// The key is what makes a report safe to send again: one made here would be lost with the
// answer, and an execution would count twice.
func TestReportedStatusesNeedAKey(t *testing.T) {
	b := newBank(t)
	b.collects("KD1")
	for key, want := range map[string]string{"": "Idempotency-Key required", "a b": "Idempotency-Key format", strings.Repeat("k", 129): "Idempotency-Key format", "ключ": "Idempotency-Key format"} {
		p := b.status(b.reports("KD1", key, part), http.StatusBadRequest).problem(t)
		if p.Code != "invalid_parameter" || said(p) != want {
			t.Errorf("%q: %s %s, want %s", key, p.Code, said(p), want)
		}
	}
	same(t, b.collectedEvents("KD1"), []string{"1 request was sent taken sent"})
	b.status(b.reports("KD1", strings.Repeat("k", 128), part), http.StatusCreated)
}

// The same report many times at once is one event.
func TestReportedStatusesAtOnce(t *testing.T) {
	b := newBank(t)
	b.collects("KD1")
	created := 0
	for _, a := range b.atOnce(8, func(int) answer { return b.reports("KD1", "k", part) }) {
		if a.StatusCode == http.StatusCreated {
			created++
		} else {
			b.status(a, http.StatusOK)
		}
	}
	if o := b.collected("KD1"); created != 1 || o.Paid != 2500_50 {
		t.Errorf("created %d times, %s paid", created, o.Paid)
	}
}

// Every field has its rule, and everything that is wrong is named at once.
func TestReportedStatusesThatBreakARule(t *testing.T) {
	b := newBank(t)
	b.collects("KD1")
	confirmed := func(more string) string { return `{"status":"request confirmed",` + more + `}` }
	for body, want := range map[string]string{
		``:                                     " json",
		`[]`:                                   " json",
		part + part:                            " json",
		`{}`:                                   "status required",
		`{"status":null}`:                      "status format",
		`{"status":7}`:                         "status type",
		`{"status":"payment order paid"}`:      "status format",
		`{"status":"Request confirmed"}`:       "status format",
		`{"status":"` + fullName + `"}`:        "status format",
		confirmed(`"status":"x"`):              "status duplicate",
		confirmed(`"iinbin":1`):                "iinbin unknown",
		confirmed(`"` + phone + `":1`):         "(not a name) unknown",
		confirmed(`"paid_amount":1`):           "paid_amount format",
		confirmed(`"event_date":"17.02.2026"`): "event_date format",
		confirmed(`"event_date":"2026-02-30 12:00:00"`):          "event_date format",
		confirmed(`"event_date":"2026-02-17T12:00:00Z"`):         "event_date format",
		confirmed(`"event_date":"2026-02-17 12:00:00.25"`):       "event_date format",
		confirmed(`"event_date":1771311600`):                     "event_date type",
		confirmed(`"event_date":""`):                             "event_date format",
		confirmed(`"bik":"HSBKKZK"`):                             "bik format",
		confirmed(`"bik":"hsbkkzkx"`):                            "bik format",
		confirmed(`"bik":7`):                                     "bik type",
		confirmed(`"refuse_referer":"OP"`):                       "refuse_referer format",
		confirmed(`"refuse_referer":""`):                         "refuse_referer format",
		confirmed(`"refuse_referer":1`):                          "refuse_referer type",
		confirmed(`"reference":"` + account + `"`):               "reference format",
		confirmed(`"reference":[]`):                              "reference type",
		`{"status":"payment order executed"}`:                    "paid_amount required",
		strings.Replace(part, "2500.50", "0", 1):                 "paid_amount range",
		strings.Replace(part, "2500.50", "-1", 1):                "paid_amount range",
		strings.Replace(part, "2500.50", "0.001", 1):             "paid_amount format",
		strings.Replace(part, "2500.50", "null", 1):              "paid_amount type",
		`{"status":"x","bik":1,"reference":"y","paid_amount":1}`: "status format, bik type, reference format, paid_amount format",
	} {
		p := b.status(b.reports("KD1", "k", body), http.StatusBadRequest).problem(t)
		if got := said(p); p.Code != "invalid_request" || !sameWords(got, want) {
			t.Errorf("%s: %s %q, want %q", body, p.Code, got, want)
		}
	}
	same(t, b.collectedEvents("KD1"), []string{"1 request was sent taken sent"})
	full := confirmed(`"event_date":"2026-02-17 12:00:00","bik":"HSBKKZKXABC","refuse_referer":"OP10000000000001"`)
	r := b.status(b.reports("KD1", "k", full), http.StatusCreated).reported(t)
	if want := time.Date(2026, 2, 17, 7, 0, 0, 0, time.UTC); !r.Event.At.Equal(want) || r.Event.Refuse != "OP10000000000001" {
		t.Errorf("%+v, want it at noon in Almaty", r)
	}
}

// A body has 64 KiB of JSON.
func TestBodiesOfReportedStatuses(t *testing.T) {
	b := newBank(t)
	b.collects("KD1")
	path := contractPath("KD1", "/events")
	for name, c := range map[string]struct {
		body, kind, code string
		status           int
	}{
		"a byte too many": {part + strings.Repeat(" ", 64<<10-len(part)+1), "application/json", "body_too_large", 413},
		"a form":          {part, "application/x-www-form-urlencoded", "unsupported_media_type", 415},
		"no type":         {part, "", "unsupported_media_type", 415},
	} {
		a := b.send(call{method: http.MethodPost, path: path, body: c.body, token: secretK2, header: map[string]string{"Idempotency-Key": "k", "Content-Type": c.kind}})
		if p := b.status(a, c.status).problem(t); p.Code != c.code {
			t.Errorf("%s: %+v", name, p)
		}
	}
	b.status(b.reports("KD1", "k", part+strings.Repeat(" ", 64<<10-len(part))), http.StatusCreated)
}

// A status before the dossier is complete is stored, and told after the request.
func TestReportedStatusBeforeTheRequest(t *testing.T) {
	b := newBank(t)
	b.takes("KD1")
	early := b.status(b.reports("KD1", "k1", part), http.StatusCreated)
	if r := early.reported(t); r.State != "gathering" || r.Event.EventSeq != nil || r.Event.State != "part_paid" || r.Event.Paid != "" {
		t.Errorf("%s", early.body)
	}
	b.gathers("KD1", domain.PartClient, domain.PartGot)
	b.status(b.reports("KD1", "k2", `{"status":"payment order executed","paid_amount":7499.50}`), http.StatusCreated)
	b.sends("KD1")
	same(t, b.collectedEvents("KD1"), []string{
		"2 payment order executed taken part_paid", "3 payment order executed taken executed", "1 request was sent taken sent",
	})
	again := b.status(b.reports("KD1", "k1", part), http.StatusOK).reported(t)
	if again.State != "executed" || *again.Event.EventSeq != 2 || again.Event.Debt != "7499.50" || again.Event.Paid != "2500.50" {
		t.Errorf("%+v", again)
	}
	if o := b.shows("KD1"); o.State != "executed" || o.Paid != "10000.00" || o.Debt != "0.00" || o.EndedAt == nil {
		t.Errorf("%+v", o)
	}
}

// Forward, never back; a repeat is acknowledged and told to nobody; never more than the
// amount; and after the end only that it is the end.
func TestWhereStatusesLead(t *testing.T) {
	b := newBank(t)
	b.collects("KD1")
	executed := func(amount string) string { return `{"status":"payment order executed","paid_amount":` + amount + `}` }
	status := func(s domain.PaymentOrderStatus) string { return `{"status":"` + string(s) + `"}` }
	for i, step := range []struct {
		body string
		want int
		says string // the state, or the problem
	}{
		{status(domain.StatusRequestSent), 409, "status_not_possible"}, // ours alone
		{status(domain.StatusReversed), 409, "status_not_possible"},
		{status(domain.StatusActivated), 201, "activated"},
		{status(domain.StatusActivated), 201, "activated"},
		{status(domain.StatusRequestConfirmed), 409, "status_not_possible"},
		{status(domain.StatusNotAccepted), 409, "status_not_possible"},
		{status(domain.StatusReversalNotAccepted), 201, "activated"},
		{executed("10000.01"), 422, "overpaid"},
		{executed("4000"), 201, "part_paid"},
		{executed("6000.01"), 422, "overpaid"},
		{executed("6000"), 201, "executed"},
		{executed("1"), 409, "status_not_possible"},
		{status(domain.StatusReversed), 409, "status_not_possible"},
		{status(domain.StatusReversedBefore), 409, "status_not_possible"},
		{status(domain.StatusExecutedBefore), 201, "executed"},
	} {
		a := b.status(b.reports("KD1", "k"+string(rune('a'+i)), step.body), step.want)
		if got := a.reported(t).State; a.StatusCode < 400 && got != step.says {
			t.Errorf("%s leads to %s, want %s", step.body, got, step.says)
		}
		if a.StatusCode >= 400 {
			if p := a.problem(t); p.Code != step.says {
				t.Errorf("%s: %+v", step.body, p)
			}
		}
	}
	same(t, b.collectedEvents("KD1"), []string{
		"1 request was sent taken sent", "2 payment order activated taken activated", "- payment order activated repeated activated",
		"3 reversal of payment order was not accepted taken activated", "4 payment order executed taken part_paid",
		"5 payment order executed taken executed", "6 reversal of payment order was not accepted (was executed before) taken executed",
	})
}

// A report may name an earlier payment order of the contract, and no other.
func TestReportedStatusByReference(t *testing.T) {
	b := newBank(t, midday)
	first, other := b.collects("KD1"), b.collects("KD2")
	b.status(b.reports("KD1", "no", `{"status":"payment order not accepted"}`), http.StatusCreated)
	b.takesTomorrow("KD1")
	confirmed := func(reference domain.Reference) string {
		return `{"status":"request confirmed","reference":"` + string(reference) + `"}`
	}
	for reference, want := range map[domain.Reference]int{first.OrderRef: 409, other.OrderRef: 404, "PTP9999999999999": 404, b.collected("KD1").OrderRef: 201} {
		b.status(b.reports("KD1", string(reference), confirmed(reference)), want)
	}
	same(t, b.collectedEvents("KD2"), []string{"1 request was sent taken sent"})
}

// No contract, no ledger: nothing is stored. No Temporal: it is.
func TestReportedStatusWithout(t *testing.T) {
	b := newBank(t, func(o *api.Options) { o.Temporal = noTemporal(t) })
	for _, contract := range []domain.ContractNumber{"KD1", account, "ДБЗ/7 Қ", domain.ContractNumber(strings.Repeat("1", 65)), " x"} {
		if p := b.status(b.reports(contract, "k", part), http.StatusNotFound).problem(t); p.Code != "not_found" {
			t.Errorf("%+v", p)
		}
	}
	b.collects("KD1")
	b.status(b.reports("KD1", "k1", part), http.StatusCreated)
	same(t, b.collectedEvents("KD1"), []string{"1 request was sent taken sent", "2 payment order executed taken part_paid"})
	must(t, b.ledger.Close())
	a := b.status(b.reports("KD1", "k2", part), http.StatusServiceUnavailable)
	if p := a.problem(t); p.Code != "ledger_unavailable" || a.Header.Get("Retry-After") == "" {
		t.Errorf("%+v %v", p, a.Header)
	}
}
