package api_test

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"tolem/api"
	"tolem/domain"
	"tolem/storage"
	"tolem/storage/privatepostgres/postgrestest"
	"tolem/workflows"
)

const (
	because  = `{"reason":"` + reason + `"}`
	resolved = `{"outcome":"refused","reason":"` + reason + `","evidence":"` + evidence + `"}`
)

// actionBody is an action's right body.
func actionBody(action domain.Action) string {
	if action == domain.ActionResolve {
		return resolved
	}
	return because
}

// acted is the part of an action's answer that tests look at.
type acted struct {
	payment
	Held     bool
	Proposed *struct {
		Outcome string
		Until   time.Time
	}
	Order seenAction
}

type seenAction struct {
	ID, Action, Outcome, By, Reason, Evidence, Effect string
	RequestedAt                                       time.Time
	DoneAt                                            *time.Time
}

func (a answer) acted(t *testing.T) (o acted) {
	t.Helper()
	a.decode(t, &o)
	return o
}

// act sends an action of the operator boss.
func (b *bank) act(id domain.AgentTransactionID, action domain.Action, body, key string) answer {
	b.t.Helper()
	return b.actBy(secretOp, id, action, body, key)
}

func (b *bank) actBy(token string, id domain.AgentTransactionID, action domain.Action, body, key string) answer {
	b.t.Helper()
	c := call{method: http.MethodPost, path: "/v1/payments/" + id.String() + "/" + string(action), body: body, token: token}
	if key != "" {
		c.header = map[string]string{"Idempotency-Key": key}
	}
	return b.send(c)
}

// actions are the rows of a payment.
func (b *bank) actions(id domain.AgentTransactionID) []storage.Action {
	b.t.Helper()
	rows, err := b.ledger.Actions(context.Background(), id.WorkflowID(), 0, 1000)
	must(b.t, err)
	return rows
}

// flagged is a payment that pays and needs an operator.
func (b *bank) flagged() domain.AgentTransactionID {
	b.t.Helper()
	id := b.asked(plainReply, nil)
	b.paysNow(id, 200_00, 200_00)
	must(b.t, b.ledger.Flag(context.Background(), id, domain.ReasonUnknownCode, "x"))
	return id
}

// held is a payment that somebody holds.
func (b *bank) held() domain.AgentTransactionID {
	b.t.Helper()
	id := b.flagged()
	must(b.t, b.ledger.Follow(context.Background(), storage.Following{PaymentID: id, Effect: domain.EffectHeld, OrderID: b.placed(id)}))
	return id
}

// placed is an action in the ledger that nobody carried out.
func (b *bank) placed(id domain.AgentTransactionID) int64 {
	b.t.Helper()
	o, err := b.ledger.PlaceAction(context.Background(), storage.Action{
		Process: id.WorkflowID(), Action: domain.ActionHold, Caller: "somebody", IdempotencyKey: id.String(), RequestSHA256: "x", Reason: reason, RequestedAt: storage.At(time.Now()),
	})
	must(b.t, err)
	return o.ID
}

// follows is a workflow that does what it is told, by the ledger's own methods.
func (b *bank) follows(u update) (any, error) {
	ctx := context.Background()
	id, err := domain.ParseAgentTransactionID(strings.TrimPrefix(u.workflow, "payment/"))
	if err != nil {
		return nil, err
	}
	if u.name == "cancel" {
		p, _, err := b.ledger.End(ctx, storage.Ending{PaymentID: id, Step: 99, State: domain.StateCancelled, OrderID: u.OrderID})
		return workflows.ActionResult{Effect: domain.EffectCancelled, State: p.State}, err
	}
	effect := map[string]domain.Effect{
		"retry": domain.EffectAttempted, "hold": domain.EffectHeld, "release": domain.EffectReleased, "resolve": domain.EffectProposed,
	}[u.name]
	p, err := b.ledger.Payment(ctx, id)
	if err != nil {
		return nil, err
	}
	if u.name == "resolve" && p.Proposed != "" {
		p, refused, err := b.ledger.Confirm(ctx, storage.Confirmation{PaymentID: id, Step: 99, OrderID: u.OrderID})
		return workflows.ActionResult{Effect: domain.EffectResolved, Refusal: refused, State: p.State}, err
	}
	f := storage.Following{PaymentID: id, OrderID: u.OrderID, Effect: effect, Outcome: u.Outcome, Until: time.Now().Add(time.Hour)}
	return workflows.ActionResult{Effect: effect, State: p.State}, b.ledger.Follow(ctx, f)
}

// Each action is in the ledger, goes to the workflow with ids only, and is answered
// with what it did. The same request again is answered from the ledger alone.
func TestOrders(t *testing.T) {
	for _, ledger := range []string{"sqlite", "postgres"} {
		for _, c := range []struct {
			action  domain.Action
			payment func(*bank) domain.AgentTransactionID
			status  int
			effect  string
			state   string
		}{
			{domain.ActionRetry, (*bank).flagged, 200, "attempted", "paying"},
			{domain.ActionHold, (*bank).flagged, 200, "held", "paying"},
			{domain.ActionRelease, (*bank).held, 200, "released", "paying"},
			{domain.ActionCancel, func(b *bank) domain.AgentTransactionID { return b.asked(plainReply, nil) }, 200, "cancelled", "cancelled"},
			{domain.ActionResolve, (*bank).flagged, 202, "proposed", "paying"},
		} {
			t.Run(ledger+" "+string(c.action), func(t *testing.T) {
				b := newBank(t, func(o *api.Options) {
					if ledger == "postgres" {
						o.Ledger = newLedger(t, postgrestest.ForTest(t))
					}
				})
				id := c.payment(b)
				var told update
				b.temporal.acting(func(u update) (any, error) { told = u; return b.follows(u) })
				a := b.status(b.act(id, c.action, actionBody(c.action), "key-1"), c.status)
				o := a.acted(t)
				if o.ID != id.String() || o.State != c.state || o.Account != account || o.Held != (c.action == domain.ActionHold) || (o.Proposed != nil) != (c.status == 202) {
					t.Errorf("payment %s", a.body)
				}
				if w := o.Order; w.Action != string(c.action) || w.By != "boss" || w.Reason != reason || w.Effect != c.effect || w.DoneAt == nil || time.Since(w.RequestedAt) > time.Hour {
					t.Errorf("action %s", a.body)
				}
				if resolve := c.action == domain.ActionResolve; resolve && (o.Order.Outcome != "resolved_refused" || o.Order.Evidence != evidence || o.Proposed.Outcome != "resolved_refused") ||
					!resolve && strings.Contains(string(a.body), `"outcome"`) || !resolve && strings.Contains(string(a.body), `"evidence"`) {
					t.Errorf("outcome and evidence: %s", a.body)
				}
				if a.Header.Get("Idempotency-Key") != "key-1" || a.Header.Get("Idempotent-Replay") != "" {
					t.Errorf("header %v", a.Header)
				}
				want := id.WorkflowID() + " " + string(c.action) + " boss key-1 Completed"
				if got := b.temporal.updates(); len(got) != 1 || got[0] != want || strconv.FormatInt(told.OrderID, 10) != o.Order.ID || string(told.Outcome) != o.Order.Outcome {
					t.Errorf("updates %q with %+v, want %q", got, told, want)
				}
				again := b.status(b.act(id, c.action, " "+actionBody(c.action)+"\n", "key-1"), c.status)
				if string(again.body) != string(a.body) || again.Header.Get("Idempotent-Replay") != "true" || len(b.temporal.updates()) != 1 {
					t.Errorf("again: %s %v, %d updates", again.body, again.Header, len(b.temporal.updates()))
				}
			})
		}
	}
}

// A second operator's resolve ends the payment, and is 200 when it comes again.
func TestResolveByTwo(t *testing.T) {
	b := newBank(t)
	id := b.flagged()
	b.temporal.acting(b.follows)
	b.status(b.act(id, domain.ActionResolve, resolved, "first"), http.StatusAccepted)
	for range 2 {
		o := b.status(b.actBy(secretBoth, id, domain.ActionResolve, resolved, "second"), http.StatusOK).acted(t)
		if o.State != "resolved_refused" || o.Proposed != nil || o.Order.Effect != "resolved" || o.Order.By != "both" {
			t.Errorf("%+v", o)
		}
	}
	// The payment has ended: nobody has to confirm the first one's action any more.
	if o := b.status(b.act(id, domain.ActionResolve, resolved, "first"), http.StatusOK).acted(t); o.Order.Effect != "proposed" {
		t.Errorf("%+v", o)
	}
}

// An action that proposed did so, also when it was released and somebody proposed
// the opposite since.
func TestProposalThatWasDropped(t *testing.T) {
	b := newBank(t)
	id := b.flagged()
	b.temporal.acting(b.follows)
	b.status(b.act(id, domain.ActionResolve, resolved, "first"), http.StatusAccepted)
	b.status(b.act(id, domain.ActionRelease, because, "drop"), http.StatusOK)
	b.status(b.actBy(secretBoth, id, domain.ActionResolve, strings.Replace(resolved, "refused", "succeeded", 1), "second"), http.StatusAccepted)
	o := b.status(b.act(id, domain.ActionResolve, resolved, "first"), http.StatusAccepted).acted(t)
	if o.Order.Effect != "proposed" || o.Order.Outcome != "resolved_refused" || o.Proposed.Outcome != "resolved_succeeded" {
		t.Errorf("%+v", o)
	}
}

func TestGeneratedOrderKey(t *testing.T) {
	b := newBank(t)
	id := b.flagged()
	b.temporal.acting(b.follows)
	a := b.status(b.act(id, domain.ActionRetry, because, ""), http.StatusOK)
	key := a.Header.Get("Idempotency-Key")
	if rows := b.actions(id); len(key) != 36 || len(rows) != 1 || rows[0].IdempotencyKey != key {
		t.Fatalf("key %q, rows %+v", key, rows)
	}
	if again := b.status(b.act(id, domain.ActionRetry, because, key), http.StatusOK); again.Header.Get("Idempotent-Replay") != "true" {
		t.Error("the generated key made another action")
	}
}

// A key belongs to one caller's one request.
func TestOrderKeyReused(t *testing.T) {
	b := newBank(t)
	id, other := b.flagged(), b.flagged()
	b.temporal.acting(b.follows)
	b.status(b.act(id, domain.ActionResolve, resolved, "k"), http.StatusAccepted)
	for name, a := range map[string]answer{
		"action":   b.act(id, domain.ActionRetry, because, "k"),
		"payment":  b.act(other, domain.ActionResolve, resolved, "k"),
		"reason":   b.act(id, domain.ActionResolve, strings.Replace(resolved, reason, "x", 1), "k"),
		"outcome":  b.act(id, domain.ActionResolve, strings.Replace(resolved, "refused", "succeeded", 1), "k"),
		"evidence": b.act(id, domain.ActionResolve, strings.Replace(resolved, evidence, "x", 1), "k"),
	} {
		if p := b.status(a, http.StatusUnprocessableEntity).problem(t); p.Code != "idempotency_key_reused" {
			t.Errorf("%s: %+v", name, p)
		}
	}
	if n := len(b.actions(id)) + len(b.actions(other)); n != 1 || len(b.temporal.updates()) != 1 {
		t.Errorf("%d actions and %d updates, want the first of each", n, len(b.temporal.updates()))
	}
	b.status(b.actBy(secretBoth, id, domain.ActionRetry, because, "k"), http.StatusOK)
	if n := len(b.actions(id)); n != 2 {
		t.Errorf("%d actions; another caller's key is another key", n)
	}
}

func TestOrdersAtOnce(t *testing.T) {
	b := newBank(t)
	id := b.flagged()
	b.temporal.acting(b.follows)
	ids := map[string]bool{}
	for _, a := range b.atOnce(50, func(int) answer { return b.act(id, domain.ActionHold, because, "k") }) {
		ids[b.status(a, http.StatusOK).acted(t).Order.ID] = true
	}
	if rows := b.actions(id); len(rows) != 1 || len(ids) != 1 {
		t.Errorf("%d rows, ids %v; want one", len(rows), ids)
	}
	for _, line := range b.temporal.updates() {
		if line != id.WorkflowID()+" hold boss k Completed" {
			t.Errorf("update %q", line)
		}
	}
}

var badOrders = map[string]struct {
	action domain.Action
	body   string
	want   string
}{
	"empty":                    {domain.ActionRetry, ``, " json"},
	"no object":                {domain.ActionHold, `[]`, " json"},
	"nothing in it":            {domain.ActionRelease, `{}`, "reason required"},
	"reason empty":             {domain.ActionCancel, `{"reason":""}`, "reason required"},
	"reason null":              {domain.ActionCancel, `{"reason":null}`, "reason type"},
	"reason is a number":       {domain.ActionRetry, `{"reason":5}`, "reason type"},
	"reason too long":          {domain.ActionRetry, `{"reason":"` + long(501) + `"}`, "reason too_long"},
	"reason breaks a line":     {domain.ActionRetry, `{"reason":"a\nb"}`, "reason text"},
	"reason twice":             {domain.ActionRetry, `{"reason":"a","reason":"b"}`, "reason duplicate"},
	"unknown field":            {domain.ActionRetry, `{"reason":"a","note":"b"}`, "note unknown"},
	"evidence of a retry":      {domain.ActionRetry, resolved, "outcome unknown, evidence unknown"},
	"evidence of a cancel":     {domain.ActionCancel, `{"reason":"a","evidence":"b"}`, "evidence unknown"},
	"resolve with nothing":     {domain.ActionResolve, `{}`, "reason required, outcome required, evidence required"},
	"no outcome":               {domain.ActionResolve, `{"reason":"a","evidence":"b"}`, "outcome required"},
	"no evidence":              {domain.ActionResolve, `{"reason":"a","outcome":"refused"}`, "evidence required"},
	"no reason":                {domain.ActionResolve, `{"evidence":"a","outcome":"refused"}`, "reason required"},
	"evidence too long":        {domain.ActionResolve, `{"reason":"a","outcome":"refused","evidence":"` + long(2001) + `"}`, "evidence too_long"},
	"outcome is a state":       {domain.ActionResolve, `{"reason":"a","outcome":"resolved_refused","evidence":"b"}`, "outcome format"},
	"outcome in capitals":      {domain.ActionResolve, `{"reason":"a","outcome":"Refused","evidence":"b"}`, "outcome format"},
	"outcome is yes":           {domain.ActionResolve, `{"reason":"a","outcome":true,"evidence":"b"}`, "outcome type"},
	"everything at once":       {domain.ActionResolve, `{"outcome":"x","evidence":7,"foo":1}`, "outcome format, evidence type, foo unknown, reason required"},
	"evidence of no kind":      {domain.ActionResolve, `{"outcome":"refused","reason":"a","evidence":"b","evidenceKind":"hearsay"}`, "evidenceKind format"},
	"evidence kind is 1":       {domain.ActionResolve, `{"outcome":"refused","reason":"a","evidence":"b","evidenceKind":1}`, "evidenceKind type"},
	"no register":              {domain.ActionResolve, `{"outcome":"refused","reason":"a","evidence":"b","evidenceKind":"register"}`, "registerSha256 required"},
	"register alone":           {domain.ActionResolve, `{"outcome":"refused","reason":"a","evidence":"b","registerSha256":"` + strings.Repeat("0", 64) + `"}`, "registerSha256 range"},
	"register in capitals":     {domain.ActionResolve, `{"outcome":"refused","reason":"a","evidence":"b","evidenceKind":"register","registerSha256":"` + strings.Repeat("A", 64) + `"}`, "registerSha256 format"},
	"evidence kind of a retry": {domain.ActionRetry, `{"reason":"a","evidenceKind":"register"}`, "evidenceKind unknown"},
	"an account as the reason": {domain.ActionRetry, `{"reason":"` + account + `\u0000"}`, "reason text"},
}

func TestBadOrders(t *testing.T) {
	b := newBank(t)
	id := b.flagged()
	for name, c := range badOrders {
		p := b.status(b.act(id, c.action, c.body, ""), http.StatusBadRequest).problem(t)
		if got := said(p); p.Code != "invalid_request" || !sameWords(got, c.want) {
			t.Errorf("%s: %s %q, want %q", name, p.Code, got, c.want)
		}
	}
	for name, header := range map[string]map[string]string{
		"key with a space": {"Idempotency-Key": "a b"},
		"key of 129":       {"Idempotency-Key": strings.Repeat("k", 129)},
	} {
		a := b.send(call{method: http.MethodPost, path: "/v1/payments/" + id.String() + "/retry", body: because, token: secretOp, header: header})
		if p := b.status(a, http.StatusBadRequest).problem(t); p.Code != "invalid_parameter" {
			t.Errorf("%s: %+v", name, p)
		}
	}
	if n := len(b.actions(id)); n != 0 || len(b.temporal.updates()) != 0 {
		t.Errorf("%d actions and %d updates of bad requests", n, len(b.temporal.updates()))
	}
	b.temporal.acting(b.follows)
	longest := fmt.Sprintf(`{"outcome":"succeeded","reason":"%s","evidence":"%s"}`, long(500), long(2000))
	b.status(b.act(id, domain.ActionResolve, longest, strings.Repeat("k", 128)), http.StatusAccepted)
}

// said lists a problem's field errors, "field code".
func said(p problem) string {
	var parts []string
	for _, e := range p.Errors {
		parts = append(parts, e.Field+" "+e.Code)
	}
	return strings.Join(parts, ", ")
}

// sameWords compares two lists, whatever their order.
func sameWords(got, want string) bool {
	count := map[string]int{}
	for _, part := range strings.Split(got, ", ") {
		count[part]++
	}
	for _, part := range strings.Split(want, ", ") {
		count[part]--
	}
	for _, n := range count {
		if n != 0 {
			return false
		}
	}
	return true
}

func TestOrderOfNoPayment(t *testing.T) {
	b := newBank(t)
	for _, id := range []string{"5", "0", "x", "%31", account} {
		for _, action := range domain.Actions() {
			a := b.send(call{method: http.MethodPost, path: "/v1/payments/" + id + "/" + string(action), body: actionBody(action), token: secretOp})
			if p := b.status(a, http.StatusNotFound).problem(t); p.Code != "not_found" {
				t.Errorf("%s of %s: %+v", action, id, p)
			}
		}
		b.status(b.get(secretViewer, "/v1/payments/"+id+"/actions"), http.StatusNotFound)
	}
	id := b.flagged()
	for token, want := range map[string]int{secretAgent: 403, secretViewer: 403, secretStore: 403, secretK2: 403, "": 401} {
		for _, action := range domain.Actions() {
			b.status(b.actBy(token, id, action, actionBody(action), ""), want)
		}
	}
	if n := len(b.actions(id)); n != 0 || len(b.temporal.updates()) != 0 {
		t.Errorf("%d actions, %d updates", n, len(b.temporal.updates()))
	}
}
