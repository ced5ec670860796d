package api_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"tolem/api"
	"tolem/domain"
	"tolem/storage"
)

const (
	resolveFailed   = `{"outcome":"failed","reason":"` + reason + `","evidence":"` + evidence + `"}`
	resolvePaidOut  = `{"outcome":"paid_out","reason":"` + reason + `","evidence":"` + evidence + `"}`
	resolveReturned = `{"outcome":"returned","reason":"` + reason + `","evidence":"` + evidence + `"}`
)

// resolvable is an order or a return as an action answers it.
type resolvable struct {
	State    string `json:"state"`
	Held     bool   `json:"held"`
	Resolved bool   `json:"resolved"`
	Failure  *struct{ Reason string }
	Proposed *struct {
		Outcome, By string
		Until       time.Time
	}
	Action seenAction
}

// acts sends an operator's action on an order or a return.
func (b *bank) acts(token, path, action, body, key string) answer {
	b.t.Helper()
	return b.send(call{method: http.MethodPost, path: path + "/" + action, body: body, token: token, header: map[string]string{"Idempotency-Key": key}})
}

func (a answer) resolvable(t *testing.T) (v resolvable) {
	t.Helper()
	a.decode(t, &v)
	return v
}

// begunCreate has a create of the sold order on its way, of which nobody knows what became.
func (b *bank) begunCreate() {
	b.t.Helper()
	id := domain.StoreOrderID("17/1")
	begun, err := b.ledger.BeginOrderCall(b.t.Context(), storage.OrderCall{
		ID: id, To: domain.OrderCreating, From: []domain.OrderState{domain.OrderAccepted},
		Call: storage.Call{Process: id.WorkflowID(), Name: "create", Step: 1, At: time.Now(), Body: []byte("{}")},
	})
	must(b.t, err)
	if !begun.OK {
		b.t.Fatal("not begun")
	}
}

// Two people with evidence end an order, while Temporal answers nobody; a proposal is
// declined, and whoever proposed cannot be the second.
func TestResolveOrders(t *testing.T) {
	b := newBank(t, func(o *api.Options) { o.Temporal = noTemporal(t) })
	const path = "/v1/orders/17%2F1"
	b.status(b.sell(instalmentOrder), http.StatusAccepted)
	if p := b.status(b.acts(secretOp, path, "resolve", resolvePaidOut, "k0"), http.StatusConflict).problem(t); p.Code != "never_sent" {
		t.Errorf("%+v", p)
	}
	b.begunCreate()
	if p := b.status(b.acts(secretOp, path, "decline", because, "k1"), http.StatusConflict).problem(t); p.Code != "not_proposed" {
		t.Errorf("%+v", p)
	}
	for range 2 {
		o := b.status(b.acts(secretOp, path, "resolve", resolvePaidOut, "k2"), http.StatusAccepted).resolvable(t)
		if o.State != "creating" || o.Proposed == nil || o.Proposed.Outcome != "paid_out" || o.Proposed.By != "boss" || o.Action.Effect != "proposed" || o.Action.Evidence != evidence {
			t.Errorf("%+v", o)
		}
	}
	for key, c := range map[string]struct{ token, body, code string }{
		"k3": {secretOp, resolvePaidOut, "second_operator_needed"}, "k4": {secretBoth, resolveFailed, "other_outcome"},
	} {
		if p := b.status(b.acts(c.token, path, "resolve", c.body, key), http.StatusConflict).problem(t); p.Code != c.code {
			t.Errorf("%+v, want %s", p, c.code)
		}
	}
	if o := b.status(b.acts(secretBoth, path, "decline", because, "k5"), http.StatusOK).resolvable(t); o.Proposed != nil || o.Action.Effect != "declined" {
		t.Errorf("%+v", o)
	}
	b.status(b.acts(secretBoth, path, "resolve", resolveFailed, "k6"), http.StatusAccepted)
	for range 2 {
		o := b.status(b.acts(secretOp, path, "resolve", resolveFailed, "k7"), http.StatusOK).resolvable(t)
		if o.State != "failed" || !o.Resolved || o.Failure.Reason != "resolved" || o.Proposed != nil || o.Action.Effect != "resolved" {
			t.Errorf("%+v", o)
		}
	}
	if o := b.status(b.acts(secretBoth, path, "resolve", resolveFailed, "k6"), http.StatusOK).resolvable(t); o.Action.Effect != "proposed" {
		t.Errorf("the first one's, again: %+v", o)
	}
	if p := b.status(b.acts(secretOp, path, "resolve", resolveFailed, "k8"), http.StatusConflict).problem(t); p.Code != "order_ended" {
		t.Errorf("%+v", p)
	}
	var listed struct{ Items []seenAction }
	b.status(b.get(secretViewer, path+"/actions"), http.StatusOK).decode(t, &listed)
	if len(listed.Items) != 4 {
		t.Errorf("%+v", listed.Items)
	}
}

// What is wrong with the body is said by name, and nothing is stored.
func TestResolveBodies(t *testing.T) {
	b := newBank(t)
	b.status(b.sell(instalmentOrder), http.StatusAccepted)
	for body, field := range map[string]string{
		`{"outcome":"failed","reason":"r"}`: "evidence", `{"outcome":"returned","reason":"r","evidence":"e"}`: "outcome",
		`{"reason":"r","evidence":"e"}`: "outcome", `{"outcome":"failed","evidence":"e"}`: "reason", `{"outcome":7,"reason":"r","evidence":"e"}`: "outcome",
	} {
		p := b.status(b.acts(secretOp, "/v1/orders/17%2F1", "resolve", body, "k"), http.StatusBadRequest).problem(t)
		if len(p.Errors) != 1 || p.Errors[0].Field != field {
			t.Errorf("%s: %+v", body, p.Errors)
		}
	}
	p := b.status(b.acts(secretOp, "/v1/orders/17%2F1", "decline", resolveFailed, "k"), http.StatusBadRequest).problem(t)
	if len(p.Errors) != 2 {
		t.Errorf("%+v", p.Errors)
	}
	if o := b.soldOrder(); o.Proposed != "" {
		t.Errorf("%+v", o)
	}
}

// A return is held, released, sent again and ended by people, in the ledger at once; its
// workflow is nudged.
func TestActionsOnReturns(t *testing.T) {
	b := newBank(t)
	b.status(b.sell(instalmentOrder), http.StatusAccepted)
	b.begunCreate()
	id := domain.StoreOrderID("17/1")
	changed, err := b.ledger.RecordOrderCall(t.Context(), storage.OrderRecord{
		ID: id, Call: storage.Call{Process: id.WorkflowID(), Name: "state", Step: 2, At: time.Now()}, Outcome: storage.Outcome{Kind: storage.Answered, HTTPStatus: 200},
		After: storage.OrderAfter{State: domain.OrderActive, BankOrderID: "b-1"},
	})
	must(t, err)
	if !changed {
		t.Fatal("not active")
	}
	back := func(return_ string) answer {
		t.Helper()
		return b.send(call{method: http.MethodPost, path: "/v1/orders/17%2F1/return", token: secretStore,
			body: `{"store_return_id":"` + return_ + `","sum":100.00,"return_money_to_card":true}`})
	}
	b.status(back("в/1"), http.StatusAccepted)
	path := "/v1/orders/17%2F1/returns/" + url.PathEscape("в/1")
	for _, step := range []struct {
		token, action, body string
		status              int
		effect, code        string
		shows               func(resolvable) bool
	}{
		{secretOp, "release", because, 409, "", "not_held", nil},
		{secretOp, "hold", because, 200, "held", "", func(r resolvable) bool { return r.Held }},
		{secretOp, "retry", because, 409, "", "order_held", nil},
		{secretOp, "release", because, 200, "released", "", func(r resolvable) bool { return !r.Held }},
		{secretOp, "retry", because, 200, "retried", "", func(r resolvable) bool { return r.State == "accepted" }},
		{secretOp, "resolve", resolveReturned, 409, "", "never_sent", nil},
		{secretOp, "resolve", resolveFailed, 202, "proposed", "", func(r resolvable) bool { return r.Proposed.Outcome == "failed" }},
		{secretBoth, "decline", because, 200, "declined", "", func(r resolvable) bool { return r.Proposed == nil }},
		{secretBoth, "resolve", resolveFailed, 202, "proposed", "", func(r resolvable) bool { return r.Proposed.By == "both" }},
		{secretOp, "resolve", resolveFailed, 200, "resolved", "", func(r resolvable) bool { return r.State == "failed" && r.Resolved }},
		{secretOp, "hold", because, 409, "", "order_ended", nil},
	} {
		a := b.status(b.acts(step.token, path, step.action, step.body, step.action+step.effect+step.code+step.token[:4]), step.status)
		if step.code != "" {
			if p := a.problem(t); p.Code != step.code || !strings.HasPrefix(p.Detail, "the return is ") {
				t.Errorf("%s: %+v", step.action, p)
			}
			continue
		}
		if r := a.resolvable(t); r.Action.Effect != step.effect || r.Action.Reason != reason || !step.shows(r) {
			t.Errorf("%s: %s", step.action, a.body)
		}
	}
	b.status(back("в/2"), http.StatusAccepted) // the stuck one blocks none any more
	if r := b.status(b.get(secretStore, path), http.StatusOK).resolvable(t); r.State != "failed" || !r.Resolved {
		t.Errorf("%+v", r)
	}
	var listed struct{ Items []seenAction }
	b.status(b.get(secretViewer, path+"/actions"), http.StatusOK).decode(t, &listed)
	if len(listed.Items) != 7 {
		t.Errorf("%+v", listed.Items)
	}
	b.status(b.get(secretStore, path+"/attempts"), http.StatusOK)
	for _, missing := range []string{"/v1/orders/17%2F1/returns/other", "/v1/orders/18/returns/r"} {
		b.status(b.get(secretStore, missing), http.StatusNotFound)
	}
	must(t, b.server.Shutdown(t.Context())) // whoever is being told has been told
	if nudges := b.temporal.signalled(); len(nudges) < 4 || nudges[0] != id.ReturnWorkflowID("в/1")+" nudge" {
		t.Errorf("%q", nudges)
	}
}

// A callback that contradicts an end is an incident at once, and starts nothing.
func TestCallbackAfterTheEnd(t *testing.T) {
	b := newBank(t, func(o *api.Options) {
		o.Agreement = agreement
		o.Agreement.SubStates = domain.BankWords{"GOODS_OUT": domain.BankActive}
	})
	b.status(b.sell(instalmentOrder), http.StatusAccepted)
	b.status(b.send(call{method: http.MethodPost, path: "/v1/orders/17%2F1/reject", token: secretStore}), http.StatusOK)
	const news = `{"order_id":"9f0c","state":"IN_PROCESS","order_sub_state":"GOODS_OUT"}`
	b.status(b.send(call{method: http.MethodPost, path: "/callbacks/cfront/" + b.soldOrder().CallbackToken, body: news,
		header: map[string]string{"signature": bankSignature(news)}}), http.StatusOK)
	o := b.soldOrder()
	if !o.NeedsOperator || o.OperatorReason != domain.ReasonSaleAfterEnd || o.State != domain.OrderFailed {
		t.Errorf("%+v", o)
	}
	ids, err := b.ledger.UnseenCallbacks(t.Context(), time.Now().Add(time.Hour), "", 9)
	must(t, err)
	must(t, b.server.Shutdown(t.Context()))
	if starts := b.temporal.started(); len(ids) != 0 || len(starts) != 1 {
		t.Errorf("%q are unseen, and %d starts", ids, len(starts))
	}
}
