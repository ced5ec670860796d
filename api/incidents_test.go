package api_test

import (
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tolem/api"
	"tolem/domain"
	"tolem/storage"
)

// incident is the part of an incident's answer that tests look at.
type incident struct {
	ID, Process, Subject, ReturnID, Link, Reason, State, Evidence string
	AboutMoney, Lasting, Acknowledged                             bool
	Facts                                                         int
	Proposed                                                      *struct {
		Money, TransactionNumber, By string
		Until                        time.Time
	}
	Entries []struct{ Entry, Evidence, By, Reason, Money, TransactionNumber, ActionID string }
	Action  *seenAction
}

// opens has an incident opened, and returns its path.
func (b *bank) opens(process domain.Process, subject, part string, why domain.OperatorReason) (path string) {
	b.t.Helper()
	must(b.t, b.ledger.Raise(b.t.Context(), storage.OpenIncident{Process: process, Subject: subject, Part: part, Reason: why}, "pay answered code 0"))
	open, err := b.ledger.OpenIncidentsOf(b.t.Context(), process, subject)
	must(b.t, err)
	return fmt.Sprintf("/v1/incidents/%d", open[len(open)-1].ID)
}

// endedUnpaid is a payment that ended as cancelled.
func (b *bank) endedUnpaid() string {
	b.t.Helper()
	id := b.status(b.pay(simple, map[string]string{"Idempotency-Key": fmt.Sprint("ended", b.rows())}), http.StatusAccepted).payment(b.t).ID
	number, err := domain.ParseAgentTransactionID(id)
	must(b.t, err)
	_, _, err = b.ledger.End(b.t.Context(), storage.Ending{PaymentID: number, Step: 1, State: domain.StateCancelled})
	must(b.t, err)
	return id
}

func (b *bank) onIncident(token, path, action, body, key string) answer {
	b.t.Helper()
	header := map[string]string{}
	if key != "" {
		header["Idempotency-Key"] = key
	}
	return b.send(call{method: http.MethodPost, path: path + "/" + action, body: body, token: token, header: header})
}

func (a answer) incident(t *testing.T) (i incident) {
	t.Helper()
	a.decode(t, &i)
	return i
}

// An incident about money from its opening to its closing by two people, as everybody sees
// it, and what its payment shows meanwhile and afterwards.
func TestAnIncidentAboutMoney(t *testing.T) {
	b := newBank(t)
	id := b.endedUnpaid()
	path := b.opens(domain.ProcessPayment, id, "", domain.ReasonPaidAfterEnd)
	i := b.status(b.get(secretViewer, path), http.StatusOK).incident(t)
	if i.Process != "payment" || i.Subject != id || i.Link != "/v1/payments/"+id || i.Reason != "paid_after_end" || i.State != "open" ||
		!i.AboutMoney || !i.Lasting || i.Acknowledged || i.Facts != 1 || i.Evidence != "pay answered code 0" || len(i.Entries) != 1 {
		t.Errorf("%+v", i)
	}
	var shown struct {
		State         string
		NeedsOperator bool `json:"needs_operator"`
		Incidents     []struct {
			ID, Reason   string
			OpenedAt     time.Time
			Acknowledged bool
		}
		Correction *struct {
			Money, TransactionNumber, Incident string
			At                                 time.Time
		}
	}
	payment := func() {
		t.Helper()
		shown.Incidents, shown.Correction = nil, nil
		b.status(b.get(secretAgent, i.Link), http.StatusOK).decode(t, &shown)
	}
	if payment(); shown.State != "cancelled" || !shown.NeedsOperator || len(shown.Incidents) != 1 || shown.Incidents[0].ID != i.ID || shown.Incidents[0].Reason != "paid_after_end" {
		t.Errorf("%+v", shown)
	}

	moved := `{"money":"moved","transactionNumber":"1234567890",` + because[1:]
	i = b.status(b.onIncident(secretOp, path, "acknowledge", because, "k1"), http.StatusOK).incident(t)
	if !i.Acknowledged || i.Action == nil || i.Action.Effect != "acknowledged" || i.Action.By != "boss" {
		t.Errorf("%+v", i)
	}
	first := b.status(b.onIncident(secretOp, path, "close", moved, "k2"), http.StatusAccepted)
	i = first.incident(t)
	if i.State != "open" || i.Proposed == nil || i.Proposed.Money != "moved" || i.Proposed.TransactionNumber != "1234567890" || i.Proposed.By != "boss" || i.Action.Effect != "proposed" {
		t.Errorf("%s", first.body)
	}
	again := b.status(b.onIncident(secretOp, path, "close", " "+moved, "k2"), http.StatusAccepted)
	if string(again.body) != string(first.body) || again.Header.Get("Idempotent-Replay") != "true" || first.Header.Get("Idempotent-Replay") != "" {
		t.Errorf("%v\n%s", again.Header, again.body)
	}
	refused := func(want string, a answer) {
		t.Helper()
		if p := b.status(a, http.StatusConflict).problem(t); p.Code != want || p.Detail == "" {
			t.Errorf("%+v, want %s", p, want)
		}
	}
	refused("second_operator_needed", b.onIncident(secretOp, path, "close", moved, "k3"))
	refused("other_outcome", b.onIncident(secretBoth, path, "close", `{"money":"not_moved",`+because[1:], "k4"))
	if a := b.onIncident(secretOp, path, "close", strings.Replace(moved, "1234567890", "1", 1), "k2"); b.status(a, http.StatusUnprocessableEntity).problem(t).Code != "idempotency_key_reused" {
		t.Errorf("%s", a.body)
	}
	i = b.status(b.onIncident(secretBoth, path, "decline", because, "k5"), http.StatusOK).incident(t)
	if i.Proposed != nil || i.Action.Effect != "declined" {
		t.Errorf("%+v", i)
	}
	refused("not_proposed", b.onIncident(secretBoth, path, "decline", because, "k6"))
	b.status(b.onIncident(secretBoth, path, "close", moved, "k7"), http.StatusAccepted)
	i = b.status(b.onIncident(secretOp, path, "close", moved, "k8"), http.StatusOK).incident(t)
	last := i.Entries[len(i.Entries)-1]
	if i.State != "closed" || i.Acknowledged || i.Proposed != nil || last.Entry != "closed" || last.By != "boss" || last.Money != "moved" || last.TransactionNumber != "1234567890" ||
		last.Reason != reason || last.ActionID != i.Action.ID {
		t.Errorf("%+v", i)
	}
	for _, action := range []string{"acknowledge", "close", "decline"} {
		body := map[bool]string{true: moved, false: because}[action == "close"]
		refused("incident_closed", b.onIncident(secretOp, path, action, body, "late "[:4]+action))
	}
	if payment(); shown.State != "cancelled" || shown.NeedsOperator || len(shown.Incidents) != 0 || shown.Correction == nil ||
		shown.Correction.Money != "moved" || shown.Correction.TransactionNumber != "1234567890" || shown.Correction.Incident != i.ID {
		t.Errorf("%+v, %+v", shown, shown.Correction)
	}
	var done struct{ Items []seenAction }
	if b.status(b.get(secretViewer, path+"/actions"), http.StatusOK).decode(t, &done); len(done.Items) != 5 { // refused ones are not kept
		t.Errorf("%+v", done)
	}
}

// What closing has to say depends on the incident; everything else is refused by name, and
// nothing is stored.
func TestActionsOnIncidentsThatBreakARule(t *testing.T) {
	b := newBank(t)
	money := b.opens(domain.ProcessPayment, b.endedUnpaid(), "", domain.ReasonPaidAfterEnd)
	other := b.opens(domain.ProcessOrder, "17/1", "", domain.ReasonNoPayout)
	for body, want := range map[string]string{ // of close, for the one about money
		because:                                                      "money required",
		`{"money":"moved",` + because[1:]:                            "transactionNumber required",
		`{"money":"gone",` + because[1:]:                             "money format",
		`{"money":1,` + because[1:]:                                  "money type",
		`{"money":"moved","transactionNumber":"1"}`:                  "reason required",
		`{"money":"moved","transactionNumber":1}`:                    "transactionNumber type",
		`{"money":"moved","transactionNumber":"AB-1",` + because[1:]: "transactionNumber format",
		`{"money":"moved","transactionNumber":"007",` + because[1:]:  "transactionNumber format",
		`{"money":"moved","transactionNumber":"-1",` + because[1:]:   "transactionNumber format",
		`{"money":"not_moved","transactionNumber":"7"}`:              "transactionNumber mismatch",
		`{"money":"moved","money":"moved"}`:                          "money duplicate",
		`{"reason":"x\u0000"}`:                                       "reason text",
		`[]`:                                                         " json",
	} {
		b.expectComplaint(b.onIncident(secretOp, money, "close", body, ""), want)
	}
	for action, c := range map[string][2]string{
		"close":       {`{"money":"moved","transactionNumber":"1",` + because[1:], "money mismatch"},
		"acknowledge": {`{"money":"moved",` + because[1:], "money unknown"}, "decline": {`{"evidence":"x",` + because[1:], "evidence unknown"},
	} {
		b.expectComplaint(b.onIncident(secretOp, other, action, c[0], ""), c[1])
		b.expectComplaint(b.onIncident(secretOp, other, action, "{}", ""), "reason required")
	}
	for _, path := range []string{money, other} {
		if i := b.status(b.get(secretOp, path), http.StatusOK).incident(t); len(i.Entries) != 1 || i.Acknowledged {
			t.Errorf("%+v", i)
		}
	}
	// a bank's number has letters
	returned := b.opens(domain.ProcessReturn, "17/1", "r-1", domain.ReasonPaidAfterEnd)
	b.status(b.onIncident(secretOp, returned, "close", `{"money":"moved","transactionNumber":"АБ-1/7",`+because[1:], ""), http.StatusAccepted)
	i := b.status(b.onIncident(secretOp, other, "close", because, ""), http.StatusOK).incident(t)
	if i.State != "closed" || i.Entries[1].Money != "" {
		t.Errorf("%+v", i)
	}
}

// expectComplaint wants a body refused for a field and rule, "field rule".
func (b *bank) expectComplaint(a answer, want string) {
	b.t.Helper()
	p := b.status(a, http.StatusBadRequest).problem(b.t)
	for _, e := range p.Errors {
		if e.Field+" "+e.Code == want {
			return
		}
	}
	b.t.Errorf("%+v, want %s", p.Errors, want)
}

// The contract's examples of actions on incidents are accepted.
func TestExamplesOfIncidents(t *testing.T) {
	b := newBank(t)
	for _, action := range []string{"acknowledge", "close", "decline"} {
		path := "/v1/incidents/{id}/" + action
		example := marshal(t, document(t).Paths.Value(path).Post.RequestBody.Value.Content["application/json"].Example)
		of := b.opens(domain.ProcessPayment, b.endedUnpaid(), "", domain.ReasonPaidAfterEnd)
		if action == "decline" {
			b.status(b.onIncident(secretBoth, of, "close", `{"money":"not_moved",`+because[1:], ""), http.StatusAccepted)
		}
		if a := b.onIncident(secretOp, of, action, example, ""); a.StatusCode >= 300 || b.promises(of+"/"+action, example) != nil {
			t.Errorf("%s: %d %s, %s", action, a.StatusCode, a.body, example)
		}
	}
	for _, body := range []string{`{"reason":"x","money":"gone"}`, `{"reason":"x","transactionNumber":7}`, `{"money":"moved"}`, `{"reason":"x","colour":"red"}`} {
		if b.promises("/v1/incidents/1/close", body) == nil {
			t.Errorf("the contract has nothing against %s", body)
		}
	}
}

// The list narrows by its parameters and walks; incidents of processes that the ledger does
// not have are in it.
func TestListOfIncidents(t *testing.T) {
	b := newBank(t)
	b.opens(domain.ProcessPayment, "175000000000000042", "", domain.ReasonPaidAfterEnd)
	b.opens(domain.ProcessOrder, "17/1", "", domain.ReasonNoPayout)
	returned := b.opens(domain.ProcessReturn, "17/1", "r/1", domain.ReasonRejected)
	closed := b.opens(domain.ProcessPaymentOrder, "ДБЗ/7 Қ", "", domain.ReasonEventLate)
	b.status(b.onIncident(secretOp, returned, "acknowledge", because, ""), http.StatusOK)
	b.status(b.onIncident(secretOp, closed, "close", because, ""), http.StatusOK)
	list := func(query string) (links []string, next string) {
		t.Helper()
		var page struct {
			Items []incident
			Next  string
		}
		b.status(b.get(secretViewer, "/v1/incidents?"+query), http.StatusOK).decode(t, &page)
		for _, i := range page.Items {
			if len(i.Entries) != 0 || i.Evidence == "" {
				t.Errorf("%+v", i)
			}
			links = append(links, i.Link)
		}
		return links, page.Next
	}
	const ofPayment, ofOrder, ofReturn = "/v1/payments/175000000000000042", "/v1/orders/17%2F1", "/v1/orders/17%2F1/returns/r%2F1"
	ofContract := "/v1/payment-orders/" + url.PathEscape("ДБЗ/7 Қ")
	for query, want := range map[string][]string{
		"": {ofContract, ofReturn, ofOrder, ofPayment}, "state=open": {ofReturn, ofOrder, ofPayment}, "state=closed": {ofContract},
		"acknowledged=true": {ofReturn}, "acknowledged=false": {ofOrder, ofPayment}, "process=return": {ofReturn}, "reason=no_payout": {ofOrder},
		"subject=17%2F1": {ofReturn, ofOrder}, "subject=17%2F1&process=order": {ofOrder}, "olderThan=1h": nil, "reason=too_old": nil,
		"subject=" + url.QueryEscape("ДБЗ/7 Қ") + "&state=open": nil,
	} {
		if got, _ := list(query); strings.Join(got, " ") != strings.Join(want, " ") {
			t.Errorf("%s: %q, want %q", query, got, want)
		}
	}
	var walked []string
	for cursor := ""; ; {
		links, next := list("limit=3&cursor=" + cursor)
		walked = append(walked, links...)
		if cursor = next; next == "" {
			break
		}
	}
	if len(walked) != 4 {
		t.Errorf("%q", walked)
	}
	for query, field := range map[string]string{
		"process=k2": "process", "process=": "process", "subject=": "subject", "reason=": "reason", "reason=nothing_of_ours": "reason",
		"state=new": "state", "state=open&state=closed": "state", "acknowledged=1": "acknowledged", "olderThan=soon": "olderThan", "limit=0": "limit", "cursor=x": "cursor", "stuck=1h": "stuck",
	} {
		p := b.status(b.get(secretViewer, "/v1/incidents?"+query), http.StatusBadRequest).problem(t)
		if len(p.Errors) != 1 || p.Errors[0].Field != field {
			t.Errorf("%s: %+v", query, p)
		}
	}
	for _, id := range []string{"0", "-1", "x", "99", "9223372036854775808"} {
		if p := b.status(b.get(secretOp, "/v1/incidents/"+id), http.StatusNotFound).problem(t); !strings.Contains(p.Detail, "no incident") {
			t.Errorf("%+v", p)
		}
	}
}

// Every kind of process shows its open incidents and its correction, ended or not, and is in
// the lists of what needs a person.
func TestProcessesShowTheirIncidents(t *testing.T) {
	b := newBank(t)
	b.status(b.sell(instalmentOrder), http.StatusAccepted)
	b.collects("KD1")
	b.opens(domain.ProcessOrder, "17/1", "", domain.ReasonCreateUnknown)
	b.opens(domain.ProcessPaymentOrder, "KD1", "", domain.ReasonPaidAfterEnd)
	b.opens(domain.ProcessPaymentOrder, "KD1", "", domain.ReasonEventLate)
	b.status(b.reports("KD1", "k", `{"status":"payment order not accepted"}`), http.StatusCreated)
	id := b.endedUnpaid()
	b.opens(domain.ProcessPayment, id, "", domain.ReasonPaidAfterEnd)
	for path, want := range map[string]string{
		"/v1/orders/17%2F1": "create_unknown", contractPath("KD1", ""): "paid_after_end event_late", "/v1/payments/" + id: "paid_after_end",
	} {
		var shown struct{ Incidents []struct{ Reason string } }
		a := b.status(b.get(secretOp, path), http.StatusOK)
		a.decode(t, &shown)
		var got []string
		for _, i := range shown.Incidents {
			got = append(got, i.Reason)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %s", path, a.body)
		}
		list := path[:strings.LastIndex(path, "/")]
		for _, query := range []string{"?needs_operator=true", "?stuck=1h"} {
			var page struct{ Items []map[string]any }
			if b.status(b.get(secretOp, list+query), http.StatusOK).decode(t, &page); len(page.Items) != 1 {
				t.Errorf("%s%s: %d items", list, query, len(page.Items))
			}
		}
	}
}

// Returns of one order have their incidents and corrections apart.
func TestReturnsShowTheirIncidents(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ledger.db")
	b := newBank(t, func(o *api.Options) { o.Ledger = newLedger(t, "sqlite://"+file) })
	b.status(b.sell(instalmentOrder), http.StatusAccepted)
	for _, number := range []string{"r1", "r2", "r3"} {
		inLedger(t, file, `INSERT INTO order_returns (order_id, id, caller, request_sha256, sum, to_card, body, retry_initial, retry_factor_milli, state,
			needs_operator, operator_reason, step, attempts, waits, bank_message, created_at, updated_at)
			VALUES ('17/1', '`+number+`', 'shop', 'x', 100, true, x'00', 1, 2000, 'failed', false, '', 1, 1, 0, '', 1, 1)`)
	}
	path := b.opens(domain.ProcessReturn, "17/1", "r2", domain.ReasonPaidAfterEnd)
	for _, token := range []string{secretOp, secretBoth} {
		b.onIncident(token, path, "close", `{"money":"moved","transactionNumber":"A-7",`+because[1:], "")
	}
	b.opens(domain.ProcessReturn, "17/1", "r3", domain.ReasonPaidAfterEnd)
	var page struct {
		Items []struct {
			ID            string `json:"store_return_id"`
			NeedsOperator bool   `json:"needs_operator"`
			Incidents     []struct{ Reason string }
			Correction    *struct{ Money, TransactionNumber string }
		}
	}
	a := b.status(b.get(secretStore, "/v1/orders/17%2F1/returns"), http.StatusOK)
	a.decode(t, &page)
	plain, corrected, open := page.Items[0], page.Items[1], page.Items[2]
	if plain.Incidents != nil || plain.Correction != nil || corrected.Incidents != nil || corrected.NeedsOperator || corrected.Correction == nil ||
		corrected.Correction.TransactionNumber != "A-7" || len(open.Incidents) != 1 || open.Correction != nil || !open.NeedsOperator {
		t.Errorf("%s", a.body)
	}
}

// A process that never needed a person is answered without a look at incidents.
func TestUnflaggedProcessesReadNoIncidents(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.db")
	b := newBank(t, func(o *api.Options) { o.Ledger = newLedger(t, "sqlite://"+path) })
	b.status(b.sell(instalmentOrder), http.StatusAccepted)
	b.takes("KD1")
	id, flagged := b.endedUnpaid(), b.endedUnpaid()
	b.opens(domain.ProcessPayment, flagged, "", domain.ReasonPaidAfterEnd)
	inLedger(t, path, "ALTER TABLE open_incidents RENAME TO gone")
	inLedger(t, path, "ALTER TABLE incident_entries RENAME TO gone_too")
	for path, want := range map[string]int{
		"/v1/payments/" + id: 200, "/v1/orders/17%2F1": 200, "/v1/orders/17%2F1/returns": 200, contractPath("KD1", ""): 200,
		"/v1/payments": 200, "/v1/payments/" + flagged: 500, // there is no such table
	} {
		b.status(b.get(secretOp, path), want)
	}
}
