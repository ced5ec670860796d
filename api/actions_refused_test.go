package api_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/converter"

	"tolem/api"
	"tolem/domain"
	"tolem/storage"
	"tolem/workflows"
)

// advice is what each refusal tells a person, beside the state.
var advice = map[domain.Refusal]string{
	domain.RefusalEnded:          "nothing leaves a final state",
	domain.RefusalAwaitsPayer:    "cancel ends it",
	domain.RefusalHeld:           "release it first",
	domain.RefusalNotHeld:        "nothing to release",
	domain.RefusalPaySent:        "the money may have moved",
	domain.RefusalNeverPaid:      "cancel ends it",
	domain.RefusalNoOperator:     "retry makes an attempt",
	domain.RefusalNumberExists:   "may have the money",
	domain.RefusalInProgress:     "a temporary code (1, 153, 220 or 255)",
	domain.RefusalNoRegister:     "POST /v1/reconciliation",
	domain.RefusalNotProposed:    "nothing to decline",
	domain.RefusalOtherOutcome:   "release drops the proposal",
	domain.RefusalSecondOperator: "a second operator has to confirm",
}

// A refusal is a 409 of its own code, whether the workflow's door or its main loop
// says it. It names the state and what to do, and whether an attempt was made. The
// action stays without an effect, and the same request asks the workflow again.
func TestRefusedOrders(t *testing.T) {
	b := newBank(t)
	for why, advice := range advice {
		for how, act := range map[string]func(update) (any, error){
			"at the door": func(update) (any, error) { return nil, refuses(why, domain.StatePaying) },
			"inside":      func(update) (any, error) { return workflows.ActionResult{Refusal: why, State: domain.StatePaying}, nil },
			"after an attempt": func(u update) (any, error) {
				return workflows.ActionResult{Effect: domain.EffectAttempted, Refusal: why, State: domain.StatePaying}, nil
			},
		} {
			id := b.flagged()
			b.temporal.acting(act)
			told := len(b.temporal.updates())
			begin := "the payment is paying: "
			if how == "after an attempt" {
				begin = "one more attempt was made and the payment is paying: "
			}
			for range 2 {
				a := b.status(b.act(id, domain.ActionResolve, resolved, "key-"+id.String()), http.StatusConflict)
				if p := a.problem(t); p.Code != string(why) || !strings.HasPrefix(p.Detail, begin) || !strings.Contains(p.Detail, advice) || a.Header.Get("Retry-After") != "" {
					t.Errorf("%s %s: %+v", why, how, p)
				}
			}
			if rows := b.actions(id); len(rows) != 1 || rows[0].Effect != "" || rows[0].DoneAt != nil {
				t.Errorf("%s %s: %+v", why, how, rows)
			}
			if got := b.temporal.updates()[told:]; len(got) != 2 || got[0] != got[1] {
				t.Errorf("%s %s: updates %q", why, how, got)
			}
		}
	}
}

// A worker may be newer than the API.
func TestRefusalThatNobodyKnows(t *testing.T) {
	b := newBank(t)
	b.temporal.acting(func(update) (any, error) { return nil, refuses("full_moon", domain.StatePaying) })
	if p := b.status(b.act(b.flagged(), domain.ActionRetry, because, ""), http.StatusInternalServerError).problem(t); p.Code != "internal" {
		t.Errorf("%+v", p)
	}
}

// A resolve that made its attempt and was refused then is refused when it comes
// again, as far as the ledger still knows why, and never reads as resolved.
func TestResolveRefusedAfterItsAttempt(t *testing.T) {
	b := newBank(t)
	id := b.flagged()
	busy := domain.CodeInProgress
	b.temporal.acting(func(u update) (any, error) {
		ctx := context.Background()
		call := storage.Call{Process: id.WorkflowID(), Name: "pay", Step: 4, Attempt: 2, Cause: domain.CauseOperator, At: time.Now(), Body: []byte("pay")}
		begun, err := b.ledger.BeginPay(ctx, call)
		if err == nil {
			_, err = b.ledger.RecordPay(ctx, call, begun.Started, storage.Outcome{Kind: storage.Answered, HTTPStatus: 200, Code: &busy},
				storage.After{State: domain.StatePaying})
		}
		if err == nil {
			err = b.ledger.Follow(ctx, storage.Following{PaymentID: id, OrderID: u.OrderID, Effect: domain.EffectAttempted})
		}
		return workflows.ActionResult{Effect: domain.EffectAttempted, Refusal: domain.RefusalInProgress, State: domain.StatePaying}, err
	})
	first := b.status(b.act(id, domain.ActionResolve, resolved, "k"), http.StatusConflict).problem(t)
	again := b.status(b.act(id, domain.ActionResolve, resolved, "k"), http.StatusConflict)
	if p := again.problem(t); p.Code != "in_progress" || p.Detail != first.Detail || again.Header.Get("Idempotent-Replay") != "true" || len(b.temporal.updates()) != 1 {
		t.Errorf("first %+v, again %+v", first, p)
	}
	// What an attempt alone asked for is done, whatever stands in the way of another.
	b.temporal.acting(b.follows)
	b.status(b.act(id, domain.ActionRetry, because, "r"), http.StatusOK)
	b.status(b.act(id, domain.ActionHold, because, "h"), http.StatusOK)
	b.status(b.act(id, domain.ActionRetry, because, "r"), http.StatusOK)
	// Where the ledger does not know why any more, nothing is resolved all the same.
	other := b.flagged()
	b.temporal.acting(func(u update) (any, error) {
		err := b.ledger.Follow(context.Background(), storage.Following{PaymentID: other, OrderID: u.OrderID, Effect: domain.EffectAttempted})
		return workflows.ActionResult{Effect: domain.EffectAttempted, Refusal: domain.RefusalSecondOperator, State: domain.StatePaying}, err
	})
	b.status(b.act(other, domain.ActionResolve, resolved, "o"), http.StatusConflict)
	if o := b.status(b.act(other, domain.ActionResolve, resolved, "o"), http.StatusAccepted).acted(t); o.State != "paying" || o.Order.Effect != "attempted" {
		t.Errorf("%+v", o)
	}
	// The end that the attempt brought is no refusal.
	must(t, b.ends(id, domain.StateSucceeded))
	if o := b.status(b.act(id, domain.ActionResolve, resolved, "k"), http.StatusOK).acted(t); o.State != "succeeded" || o.Order.Effect != "attempted" {
		t.Errorf("%+v", o)
	}
}

// noWorkflow is Temporal's word on a payment whose workflow it does not have.
func noWorkflow(update) (any, error) { return nil, serviceerror.NewNotFound("workflow not found") }

// A payment without a workflow is started, with its own terms, and hears the action.
func TestOrderStartsWhatTemporalLost(t *testing.T) {
	b := newBank(t)
	accepted := storage.At(time.Now().Add(-20 * time.Hour))
	id := b.asked(plainReply, func(p *storage.Payment) { p.CreatedAt = accepted })
	chosen := b.asked(plainReply, func(p *storage.Payment) { p.CreatedAt = accepted })
	b.status(b.choose(chosen, `{}`, nil), http.StatusAccepted)
	for id, since := range map[domain.AgentTransactionID]time.Time{id: accepted.Time, chosen: b.row(chosen).ChosenAt.Time} {
		told, starts := len(b.temporal.updates()), len(b.temporal.started())
		b.temporal.acting(func(u update) (any, error) {
			if len(b.temporal.started()) == starts {
				return noWorkflow(u)
			}
			return b.follows(u)
		})
		if o := b.status(b.act(id, domain.ActionCancel, because, "k"+id.String()), http.StatusOK).acted(t); o.State != "cancelled" {
			t.Errorf("%+v", o)
		}
		started := b.temporal.started()[starts:]
		if len(started) != 1 || started[0].GetWorkflowId() != id.WorkflowID() ||
			started[0].GetWorkflowIdConflictPolicy() != enums.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING {
			t.Fatalf("starts %v", started)
		}
		var in workflows.PaymentInput
		must(t, converter.GetDefaultDataConverter().FromPayloads(started[0].GetInput(), &in))
		if in.PaymentID != id || in.ServiceID != "P1011" || in.Ladder != b.row(id).Ladder() || !in.Since.Equal(since) || in.PartnerTimeout != 5*time.Second {
			t.Errorf("started with %+v, want its age since %s", in, since)
		}
		if got := b.temporal.updates()[told:]; len(got) != 2 || got[0] != got[1] {
			t.Errorf("updates %q", got)
		}
	}
}

// An ended payment takes no action, and is not started again.
func TestOrderOfAnEndedPayment(t *testing.T) {
	b := newBank(t)
	b.temporal.acting(noWorkflow)
	for _, action := range domain.Actions() {
		id := b.flagged()
		must(t, b.ends(id, domain.StateSucceeded))
		for range 2 {
			p := b.status(b.act(id, action, actionBody(action), string(action)), http.StatusConflict).problem(t)
			if p.Code != "payment_ended" || p.Detail != "the payment is succeeded: nothing leaves a final state" {
				t.Errorf("%s: %+v", action, p)
			}
		}
		if rows := b.actions(id); len(rows) != 1 || rows[0].Effect != "" {
			t.Errorf("%s: rows %+v", action, rows)
		}
	}
	if n := len(b.temporal.started()); n != 0 {
		t.Errorf("%d starts of ended payments", n)
	}
}

// The action took effect and ended the payment, and its answer was lost: that is no
// refusal.
func TestOrderThatEndedThePaymentItself(t *testing.T) {
	b := newBank(t)
	id := b.asked(plainReply, nil)
	b.temporal.acting(func(u update) (any, error) {
		if _, err := b.follows(u); err != nil {
			return nil, err
		}
		return noWorkflow(u)
	})
	if o := b.status(b.act(id, domain.ActionCancel, because, "k"), http.StatusOK).acted(t); o.State != "cancelled" || o.Order.Effect != "cancelled" {
		t.Errorf("%+v", o)
	}
	if p := b.status(b.act(id, domain.ActionCancel, because, "another"), http.StatusConflict).problem(t); p.Code != "payment_ended" {
		t.Errorf("%+v", p)
	}
}

// Whatever Temporal says but an answer: the action is recorded and 503, and the same
// request later takes effect once, by the same update.
func TestOrderWithoutTemporal(t *testing.T) {
	silent := make(chan struct{})
	defer close(silent)
	for name, act := range map[string]func(update) (any, error){
		"unavailable": func(update) (any, error) { return nil, serviceerror.NewUnavailable("x") },
		"deadline":    func(update) (any, error) { return nil, serviceerror.NewDeadlineExceeded("x") },
		"no answer":   func(update) (any, error) { <-silent; return nil, serviceerror.NewUnavailable("x") },
		"resource exhausted": func(update) (any, error) {
			return nil, serviceerror.NewResourceExhausted(enums.RESOURCE_EXHAUSTED_CAUSE_CONCURRENT_LIMIT, "x")
		},
		"broken":     func(update) (any, error) { return nil, serviceerror.NewInternal("x") },
		"lost again": noWorkflow,
	} {
		t.Run(name, func(t *testing.T) {
			b := newBank(t)
			b.server.SetActionLimit(300 * time.Millisecond)
			id := b.flagged()
			b.temporal.acting(act)
			a := b.status(b.act(id, domain.ActionHold, because, "k"), http.StatusServiceUnavailable)
			if p := a.problem(t); p.Code != "temporal_unavailable" || a.Header.Get("Retry-After") != "5" || !strings.Contains(p.Detail, "the same Idempotency-Key") {
				t.Errorf("%+v %v", p, a.Header)
			}
			if rows := b.actions(id); len(rows) != 1 || rows[0].Effect != "" {
				t.Errorf("rows %+v", rows)
			}
			b.temporal.acting(b.follows)
			b.server.SetActionLimit(time.Minute)
			if o := b.status(b.act(id, domain.ActionHold, because, "k"), http.StatusOK).acted(t); o.Order.Effect != "held" || len(b.actions(id)) != 1 {
				t.Errorf("%+v", o)
			}
			for _, line := range b.temporal.updates() {
				if line != id.WorkflowID()+" hold boss k Completed" {
					t.Errorf("update %q", line)
				}
			}
		})
	}
	b := newBank(t, func(o *api.Options) { o.Temporal = noTemporal(t) })
	b.server.SetActionLimit(300 * time.Millisecond)
	id := b.flagged()
	b.status(b.act(id, domain.ActionHold, because, "k"), http.StatusServiceUnavailable)
	if !strings.Contains(logged.String(), "process="+id.WorkflowID()+" action=") {
		t.Error("the log does not name the payment whose action was not answered")
	}
}

// Nobody waits for an action longer than the client does, and yet it is carried out.
func TestOrderWhoseCallerHangsUp(t *testing.T) {
	b := newBank(t)
	id := b.flagged()
	ctx, hangUp := context.WithCancel(t.Context())
	b.temporal.acting(func(u update) (any, error) { hangUp(); return b.follows(u) })
	c := call{method: http.MethodPost, path: "/v1/payments/" + id.String() + "/hold", body: because, token: secretOp}
	if a := b.answer(b.request(c).WithContext(ctx)); a.StatusCode != http.StatusOK {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
	if rows := b.actions(id); len(rows) != 1 || rows[0].Effect != domain.EffectHeld || !b.row(id).Held {
		t.Errorf("rows %+v", rows)
	}
}

func TestOrderWithoutLedger(t *testing.T) {
	unavailable := func(b *bank, a answer) {
		t.Helper()
		if p := b.status(a, http.StatusServiceUnavailable).problem(t); p.Code != "ledger_unavailable" || a.Header.Get("Retry-After") == "" {
			t.Errorf("%+v", p)
		}
	}
	b := newBank(t)
	id := b.flagged()
	must(t, b.ledger.Close())
	for _, action := range domain.Actions() {
		unavailable(b, b.act(id, action, actionBody(action), ""))
	}
	unavailable(b, b.get(secretViewer, "/v1/payments/"+id.String()+"/actions"))
	if len(b.temporal.updates()) != 0 {
		t.Error("an action was sent that is not in the ledger")
	}
	for name, act := range map[string]func(update) (any, error){
		"after the order": func(update) (any, error) { return workflows.ActionResult{Effect: domain.EffectHeld}, nil },
		"no workflow":     noWorkflow,
	} {
		b := newBank(t)
		id := b.flagged()
		b.temporal.acting(func(u update) (any, error) {
			if err := b.ledger.Close(); err != nil {
				return nil, err
			}
			return act(u)
		})
		unavailable(b, b.act(id, domain.ActionHold, because, ""))
		if len(b.temporal.started()) != 0 {
			t.Errorf("%s: started what may have ended", name)
		}
	}
}
