package api_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"tolem/api"
	"tolem/domain"
	"tolem/storage"
)

// orders sends an action of an operator on a contract.
func (b *bank) orders(token string, contract domain.ContractNumber, action domain.Action, body, key string) answer {
	b.t.Helper()
	return b.send(call{method: http.MethodPost, path: contractPath(contract, "/"+string(action)), body: body, token: token, header: map[string]string{"Idempotency-Key": key}})
}

// ordered are the actions that the ledger holds of a contract.
func (b *bank) ordered(contract domain.ContractNumber) []storage.Action {
	b.t.Helper()
	rows, err := b.ledger.Actions(context.Background(), contract.WorkflowID(), 0, 1000)
	must(b.t, err)
	return rows
}

// Each action takes effect in the ledger at once, says who ordered it and why, and is the
// same answer when it comes again.
func TestActionsOnContracts(t *testing.T) {
	b := newBank(t)
	b.takes("ДБЗ/7 Қ")
	b.gathers("ДБЗ/7 Қ", domain.PartScan, domain.PartRefused)
	if o := b.shows("ДБЗ/7 Қ"); !o.NeedsOperator || o.Why != "dossier_refused" || o.Dossier[3].State != "refused" || o.Dossier[3].ErrorCode != 7 {
		t.Errorf("%+v", o)
	}
	for _, step := range []struct {
		action domain.Action
		body   string
		status int
		effect string
		shows  func(o paymentOrder) bool
	}{
		{domain.ActionHold, because, 200, "held", func(o paymentOrder) bool { return o.Held && o.NeedsOperator }},
		{domain.ActionRelease, because, 200, "released", func(o paymentOrder) bool { return !o.Held && o.NeedsOperator }},
		{domain.ActionRetry, `{"contract_date":"2020-01-31",` + because[1:], 200, "retried", func(o paymentOrder) bool {
			return !o.NeedsOperator && o.Why == "" && o.ContractDate == "2020-01-31" && o.Dossier[3].State == "missing"
		}},
		{domain.ActionRetry, because, 200, "retried", func(o paymentOrder) bool { return o.ContractDate == "2020-01-31" }},
		{domain.ActionClose, because, 202, "proposed", func(o paymentOrder) bool {
			return o.State == "gathering" && o.CloseUntil != nil && o.CloseUntil.After(time.Now())
		}},
	} {
		key := string(step.action) + step.body[2:5]
		a := b.status(b.orders(secretOp, "ДБЗ/7 Қ", step.action, step.body, key), step.status)
		o := a.paymentOrder(t)
		if w := o.Action; w.Action != string(step.action) || w.Effect != step.effect || w.By != "boss" || w.Reason != reason || w.DoneAt == nil {
			t.Errorf("%s: %s", step.action, a.body)
		}
		if o.Contract != "ДБЗ/7 Қ" || !step.shows(o) || !step.shows(b.shows("ДБЗ/7 Қ")) {
			t.Errorf("%s: %+v", step.action, o)
		}
		if a.Header.Get("Idempotency-Key") != key || a.Header.Get("Idempotent-Replay") != "" {
			t.Errorf("%s: header %v", step.action, a.Header)
		}
		again := b.status(b.orders(secretOp, "ДБЗ/7 Қ", step.action, " "+step.body+"\n", key), step.status)
		if string(again.body) != string(a.body) || again.Header.Get("Idempotent-Replay") != "true" {
			t.Errorf("%s again:\n%s %v, want\n%s", step.action, again.body, again.Header, a.body)
		}
	}
	var listed struct{ Items []seenAction }
	b.status(b.get(secretViewer, contractPath("ДБЗ/7 Қ", "/actions")), http.StatusOK).decode(t, &listed)
	if len(listed.Items) != 5 || listed.Items[4].Effect != "proposed" || listed.Items[4].By != "boss" || listed.Items[4].Reason != reason {
		t.Errorf("%+v", listed)
	}
	for _, process := range b.wakes() {
		if process != domain.ContractNumber("ДБЗ/7 Қ").WorkflowID()+" nudge" {
			t.Errorf("woke %s", process)
		}
	}
	if n := len(b.temporal.woken()); n < 5 {
		t.Errorf("%d wakes", n)
	}
}

// Two people close; one of them twice does not.
func TestClosingTakesTwo(t *testing.T) {
	b := newBank(t)
	b.collects("KD1")
	b.status(b.orders(secretOp, "KD1", domain.ActionClose, because, "first"), http.StatusAccepted)
	p := b.status(b.orders(secretOp, "KD1", domain.ActionClose, because, "mine-again"), http.StatusConflict).problem(t)
	if p.Code != "second_operator_needed" || !strings.Contains(p.Detail, "the payment order is sent") {
		t.Errorf("%+v", p)
	}
	if o := b.shows("KD1"); o.State != "sent" || len(b.ordered("KD1")) != 1 {
		t.Errorf("%+v with %d actions", o, len(b.ordered("KD1")))
	}
	for range 2 {
		o := b.status(b.orders(secretBoth, "KD1", domain.ActionClose, because, "second"), http.StatusOK).paymentOrder(t)
		if o.State != "closed" || o.EndedAt == nil || o.CloseUntil != nil || o.Action.Effect != "closed" || o.Action.By != "both" {
			t.Errorf("%+v", o)
		}
	}
	// It is closed: nobody has to confirm the first one's action any more.
	if o := b.status(b.orders(secretOp, "KD1", domain.ActionClose, because, "first"), http.StatusOK).paymentOrder(t); o.Action.Effect != "proposed" {
		t.Errorf("%+v", o)
	}
	same(t, b.collectedEvents("KD1"), []string{"1 request was sent taken sent"}) // Loxon is told of none
	if p := b.status(b.reports("KD1", "k", `{"status":"payment order activated"}`), http.StatusConflict).problem(t); p.Code != "status_not_possible" {
		t.Errorf("%+v", p)
	}
	// What the client's bank moves all the same is taken, and needs a person.
	if r := b.status(b.reports("KD1", "k", part), http.StatusCreated).reported(t); r.State != "closed" || *r.Event.EventSeq != 2 {
		t.Errorf("%+v", r)
	}
	if o := b.shows("KD1"); o.State != "closed" || !o.NeedsOperator || o.Why != "executed_after_close" || o.Paid != "2500.50" {
		t.Errorf("%+v", o)
	}
}

// A colleague's close is declined, one's own withdrawn, and nothing else changes.
func TestDecliningAClose(t *testing.T) {
	b := newBank(t)
	b.collects("KD1")
	if p := b.status(b.orders(secretOp, "KD1", domain.ActionDecline, because, "d0"), http.StatusConflict).problem(t); p.Code != "not_proposed" {
		t.Errorf("%+v", p)
	}
	for by, key := range map[string]string{secretOp: "1", secretBoth: "2"} {
		b.status(b.orders(secretOp, "KD1", domain.ActionClose, because, "c"+key), http.StatusAccepted)
		for range 2 { // sent again it is the same answer
			o := b.status(b.orders(by, "KD1", domain.ActionDecline, because, "d"+key), http.StatusOK).paymentOrder(t)
			if o.State != "sent" || o.CloseUntil != nil || o.Action.Effect != "declined" {
				t.Errorf("%+v", o)
			}
		}
	}
	b.status(b.orders(secretBoth, "KD1", domain.ActionClose, because, "c3"), http.StatusAccepted)
	if p := b.status(b.orders(secretOp, "KD1", domain.ActionDecline, `{"reason":"x","event":1.5}`, "d"), http.StatusBadRequest).problem(t); said(p) != "event format" {
		t.Errorf("%+v", p)
	}
	if p := b.status(b.orders(secretOp, "KD1", domain.ActionDecline, `{"reason":"x","event":77}`, "d"), http.StatusNotFound).problem(t); p.Code != "not_found" {
		t.Errorf("%+v", p)
	}
}

// publishes has everything of a contract taken by Loxon's broker, up to n events.
func (b *bank) publishes(contract domain.ContractNumber, n int) {
	b.t.Helper()
	for range n {
		made := storage.Call{Process: contract.WorkflowID(), Name: storage.CallTell, At: time.Now()}
		told, err := b.ledger.BeginTelling(context.Background(), contract, made, func(storage.PaymentOrderEvent, storage.PaymentOrder) ([]byte, error) { return []byte("{}"), nil })
		must(b.t, err)
		if !told.OK {
			b.t.Fatal("there is nothing to publish")
		}
		made.EventID = told.Event.ID
		must(b.t, b.ledger.RecordTelling(context.Background(), storage.Telling{Contract: contract, Told: told, Call: made,
			Outcome: storage.Outcome{Kind: storage.Answered}, Place: &storage.Place{Topic: "loxon"}}))
	}
}

// Two people set an event aside that can never be published; what they may do and what they
// see of it.
func TestSettingAnEventAside(t *testing.T) {
	b := newBank(t)
	b.collects("ДБЗ/7 Қ")
	b.publishes("ДБЗ/7 Қ", 1)
	event := b.status(b.reports("ДБЗ/7 Қ", "k", part), http.StatusCreated).reported(t).Event.ID
	type answered struct {
		paymentOrder
		Event struct {
			SetAside *struct{ Until, At *time.Time } `json:"set_aside"`
		}
	}
	path := contractPath("ДБЗ/7 Қ", fmt.Sprintf("/events/%d/set-aside", *event))
	asks := func(token, key string) answer {
		return b.send(call{method: http.MethodPost, path: path, body: because, token: token, header: map[string]string{"Idempotency-Key": key}})
	}
	read := func(a answer) (o answered) { a.decode(t, &o); return o }
	for range 2 {
		o := read(b.status(asks(secretOp, "s1"), http.StatusAccepted))
		if o.Action.Effect != "proposed" || o.Event.SetAside == nil || o.Event.SetAside.Until == nil || o.State != "part_paid" {
			t.Errorf("%+v", o)
		}
	}
	if p := b.status(asks(secretOp, "s2"), http.StatusConflict).problem(t); p.Code != "second_operator_needed" {
		t.Errorf("%+v", p)
	}
	o := read(b.status(asks(secretBoth, "s3"), http.StatusOK))
	if o.Action.Effect != "set_aside" || o.Event.SetAside == nil || o.Event.SetAside.At == nil || o.Paid != "2500.50" {
		t.Errorf("%+v", o)
	}
	b.status(asks(secretOp, "s1"), http.StatusOK) // nobody has to confirm any more
	if p := b.status(asks(secretOp, "s4"), http.StatusConflict).problem(t); p.Code != "event_set_aside" {
		t.Errorf("%+v", p)
	}
	for _, wrong := range []string{"/events/999/set-aside", "/events/x/set-aside"} {
		a := b.send(call{method: http.MethodPost, path: contractPath("ДБЗ/7 Қ", wrong), body: because, token: secretOp})
		if p := b.status(a, http.StatusNotFound).problem(t); p.Code != "not_found" {
			t.Errorf("%+v", p)
		}
	}
	var page struct {
		Items []struct {
			ID       int64
			SetAside *struct{ At *time.Time } `json:"set_aside"`
		}
	}
	b.status(b.get(secretViewer, contractPath("ДБЗ/7 Қ", "/events")), http.StatusOK).decode(t, &page)
	if len(page.Items) != 2 || page.Items[0].SetAside != nil || page.Items[1].SetAside == nil || page.Items[1].SetAside.At == nil {
		t.Errorf("%+v", page)
	}
}

// An attempt that was made may have published the event: the answer says what to do.
func TestSettingAnAttemptedEventAside(t *testing.T) {
	b := newBank(t)
	b.collects("KD1")
	made := storage.Call{Process: domain.ContractNumber("KD1").WorkflowID(), Name: storage.CallTell, At: time.Now()}
	told, err := b.ledger.BeginTelling(t.Context(), "KD1", made, func(storage.PaymentOrderEvent, storage.PaymentOrder) ([]byte, error) { return []byte("{}"), nil })
	must(t, err)
	path := contractPath("KD1", fmt.Sprintf("/events/%d/set-aside", told.Event.ID))
	b.status(b.send(call{method: http.MethodPost, path: path, body: because, token: secretOp}), http.StatusAccepted)
	p := b.status(b.send(call{method: http.MethodPost, path: path, body: because, token: secretBoth}), http.StatusConflict).problem(t)
	if p.Code != "topic_not_read" || !strings.Contains(p.Detail, "send the same request again in some minutes") {
		t.Errorf("%+v", p)
	}
}

// An ended payment order takes a retry while an event of the contract is unsent.
func TestRetryOfUnsentEventsAfterTheEnd(t *testing.T) {
	b := newBank(t)
	b.collects("KD1")
	b.status(b.reports("KD1", "k", `{"status":"payment order not accepted"}`), http.StatusCreated)
	b.publishes("KD1", 1)
	if o := b.status(b.orders(secretOp, "KD1", domain.ActionRetry, because, "r1"), http.StatusOK).paymentOrder(t); o.State != "not_accepted" || o.Action.Effect != "retried" || o.Unsent != 1 {
		t.Errorf("%+v", o)
	}
	b.publishes("KD1", 1)
	if p := b.status(b.orders(secretOp, "KD1", domain.ActionRetry, because, "r2"), http.StatusConflict).problem(t); p.Code != "order_ended" {
		t.Errorf("%+v", p)
	}
	if n := len(b.wakes()); n < 2 { // the report, and the retry
		t.Errorf("%d wakes", n)
	}
}

// A repeated close is about the payment order that it was about, and an action may name it.
func TestCloseAgainAfterTheNextOrder(t *testing.T) {
	b := newBank(t, midday)
	first := b.collects("KD1")
	b.status(b.orders(secretOp, "KD1", domain.ActionClose, because, "c1"), http.StatusAccepted)
	b.status(b.orders(secretBoth, "KD1", domain.ActionClose, because, "c2"), http.StatusOK)
	b.takesTomorrow("KD1")
	for token, key := range map[string]string{secretOp: "c1", secretBoth: "c2"} {
		o := b.status(b.orders(token, "KD1", domain.ActionClose, because, key), http.StatusOK).paymentOrder(t)
		if o.State != "closed" || o.Order != string(first.OrderRef) {
			t.Errorf("%+v", o)
		}
	}
	named := `{"reference":"` + string(first.OrderRef) + `",` + because[1:]
	if p := b.status(b.orders(secretOp, "KD1", domain.ActionClose, named, "c3"), http.StatusConflict).problem(t); p.Code != "order_ended" {
		t.Errorf("%+v", p)
	}
	if o := b.collected("KD1"); o.State != domain.PaymentOrderGathering || o.CloseAction != nil {
		t.Errorf("%+v", o)
	}
	named = strings.Replace(named, string(first.OrderRef), string(b.collected("KD1").OrderRef), 1)
	b.status(b.orders(secretOp, "KD1", domain.ActionClose, named, "c4"), http.StatusAccepted)
}

// What is refused says why, and leaves nothing.
func TestRefusedActionsOnContracts(t *testing.T) {
	b := newBank(t)
	b.takes("held", "free", "ended")
	b.sends("ended")
	b.status(b.orders(secretOp, "held", domain.ActionHold, because, "hold"), http.StatusOK)
	b.status(b.reports("ended", "k", `{"status":"payment order not accepted"}`), http.StatusCreated)
	b.publishes("ended", 2)
	for _, c := range []struct {
		contract domain.ContractNumber
		action   domain.Action
		code     string
	}{
		{"held", domain.ActionRetry, "payment_held"},
		{"free", domain.ActionRelease, "not_held"},
		{"ended", domain.ActionRetry, "order_ended"},
		{"ended", domain.ActionHold, "order_ended"},
		{"ended", domain.ActionRelease, "order_ended"},
		{"ended", domain.ActionClose, "order_ended"},
	} {
		before := b.collected(c.contract)
		for range 2 {
			if p := b.status(b.orders(secretOp, c.contract, c.action, because, "k"), http.StatusConflict).problem(t); p.Code != c.code {
				t.Errorf("%s %s: %+v", c.action, c.contract, p)
			}
		}
		if after := b.collected(c.contract); marshal(t, after) != marshal(t, before) {
			t.Errorf("%s changed %+v into %+v", c.action, before, after)
		}
	}
	if n := len(b.ordered("held")) + len(b.ordered("free")) + len(b.ordered("ended")); n != 1 {
		t.Errorf("%d actions, want the hold alone", n)
	}
	// A refused action used up no key.
	b.status(b.orders(secretOp, "free", domain.ActionHold, because, "k"), http.StatusOK)
}

// A key belongs to one caller's one action.
func TestKeysOfActionsOnContracts(t *testing.T) {
	b := newBank(t)
	b.takes("KD1", "KD2")
	b.status(b.orders(secretOp, "KD1", domain.ActionRetry, because, "k"), http.StatusOK)
	for name, a := range map[string]answer{
		"action":   b.orders(secretOp, "KD1", domain.ActionHold, because, "k"),
		"contract": b.orders(secretOp, "KD2", domain.ActionRetry, because, "k"),
		"reason":   b.orders(secretOp, "KD1", domain.ActionRetry, `{"reason":"x"}`, "k"),
		"day":      b.orders(secretOp, "KD1", domain.ActionRetry, `{"contract_date":"2020-01-31",`+because[1:], "k"),
	} {
		if p := b.status(a, http.StatusUnprocessableEntity).problem(t); p.Code != "idempotency_key_reused" {
			t.Errorf("%s: %+v", name, p)
		}
	}
	b.status(b.orders(secretBoth, "KD1", domain.ActionHold, because, "k"), http.StatusOK)
	made := b.status(b.orders(secretOp, "KD1", domain.ActionRelease, because, ""), http.StatusOK).Header.Get("Idempotency-Key")
	if again := b.status(b.orders(secretOp, "KD1", domain.ActionRelease, because, made), http.StatusOK); again.Header.Get("Idempotent-Replay") != "true" {
		t.Errorf("the key that was made, %q, made another action", made)
	}
	if n := len(b.ordered("KD1")); n != 3 || len(b.ordered("KD2")) != 0 {
		t.Errorf("%d actions", n)
	}
}

// Everything that is wrong with a body is named, and nothing is done.
func TestActionsOnContractsThatBreakARule(t *testing.T) {
	b := newBank(t)
	b.takes("KD1")
	before := marshal(t, b.collected("KD1"))
	for _, c := range []struct {
		action     domain.Action
		body, want string
	}{
		{domain.ActionRetry, ``, " json"},
		{domain.ActionHold, `{}`, "reason required"},
		{domain.ActionRelease, `{"reason":""}`, "reason required"},
		{domain.ActionClose, `{"reason":7}`, "reason type"},
		{domain.ActionClose, `{"reason":"` + long(501) + `"}`, "reason too_long"},
		{domain.ActionRetry, `{"contract_date":"31.01.2020"}`, "contract_date format, reason required"},
		{domain.ActionRetry, `{"reason":"a","contract_date":"2020-02-30"}`, "contract_date format"},
		{domain.ActionRetry, `{"reason":"a","contract_date":20200131}`, "contract_date type"},
		{domain.ActionHold, `{"reason":"a","contract_date":"2020-01-31"}`, "contract_date unknown"},
		{domain.ActionClose, resolved, "outcome unknown, evidence unknown"},
	} {
		p := b.status(b.orders(secretOp, "KD1", c.action, c.body, "k"), http.StatusBadRequest).problem(t)
		if p.Code != "invalid_request" || !sameWords(said(p), c.want) {
			t.Errorf("%s %s: %s %s, want %s", c.action, c.body, p.Code, said(p), c.want)
		}
	}
	if marshal(t, b.collected("KD1")) != before || len(b.ordered("KD1")) != 0 || len(b.wakes()) != 0 {
		t.Error("a bad body did something")
	}
}

// No contract, no ledger: nothing is done. No Temporal: it is.
func TestActionsOnContractsWithout(t *testing.T) {
	b := newBank(t, func(o *api.Options) { o.Temporal = noTemporal(t) })
	b.takes("KD1")
	all := []domain.Action{domain.ActionHold, domain.ActionRelease, domain.ActionRetry, domain.ActionClose, domain.ActionDecline}
	for _, action := range all {
		if p := b.status(b.orders(secretOp, account, action, because, "k"), http.StatusNotFound).problem(t); p.Code != "not_found" {
			t.Errorf("%+v", p)
		}
		b.orders(secretOp, "KD1", action, because, string(action))
	}
	var effects []string
	for _, a := range b.ordered("KD1") {
		effects = append(effects, string(a.Effect))
	}
	if want := []string{"held", "released", "retried", "proposed", "declined"}; !slices.Equal(effects, want) {
		t.Errorf("%v, want %v", effects, want)
	}
	must(t, b.ledger.Close())
	for _, action := range all {
		if p := b.status(b.orders(secretOp, "KD1", action, because, "k"), http.StatusServiceUnavailable).problem(t); p.Code != "ledger_unavailable" {
			t.Errorf("%+v", p)
		}
	}
}
