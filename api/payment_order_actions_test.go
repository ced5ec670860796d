package api_test

import (
	"context"
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
	if p := b.status(b.reports("KD1", "k", part), http.StatusConflict).problem(t); p.Code != "status_not_possible" {
		t.Errorf("%+v", p)
	}
}

// What is refused says why, and leaves nothing.
func TestRefusedActionsOnContracts(t *testing.T) {
	b := newBank(t)
	b.takes("held", "free", "ended")
	b.sends("ended")
	b.status(b.orders(secretOp, "held", domain.ActionHold, because, "hold"), http.StatusOK)
	b.status(b.reports("ended", "k", `{"status":"payment order not accepted"}`), http.StatusCreated)
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
	all := []domain.Action{domain.ActionHold, domain.ActionRelease, domain.ActionRetry, domain.ActionClose}
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
	if want := []string{"held", "released", "retried", "proposed"}; !slices.Equal(effects, want) {
		t.Errorf("%v, want %v", effects, want)
	}
	must(t, b.ledger.Close())
	for _, action := range all {
		if p := b.status(b.orders(secretOp, "KD1", action, because, "k"), http.StatusServiceUnavailable).problem(t); p.Code != "ledger_unavailable" {
			t.Errorf("%+v", p)
		}
	}
}
