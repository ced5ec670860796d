package api_test

import (
	"context"
	"net/http"
	"testing"

	"go.temporal.io/sdk/converter"

	"tolem/activities"
	"tolem/api"
	"tolem/domain"
	"tolem/storage"
	"tolem/storage/privatepostgres/postgrestest"
)

// A proposal is dropped in the ledger at once, by a colleague or by whoever made it, and
// the payment's workflow is woken. The same request again is answered from the ledger.
func TestDecline(t *testing.T) {
	for name, c := range map[string]struct {
		token, by string
		change    func(*api.Options)
	}{
		"a colleague":     {secretBoth, "both", func(*api.Options) {}},
		"withdrawn":       {secretOp, "boss", func(*api.Options) {}},
		"PostgreSQL, too": {secretBoth, "both", func(o *api.Options) { o.Ledger = newLedger(t, postgrestest.ForTest(t)) }},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBank(t, c.change)
			id := b.flagged()
			b.temporal.acting(b.follows)
			b.status(b.act(id, domain.ActionResolve, resolved, "first"), http.StatusAccepted)
			told := len(b.temporal.updates())

			for n := range 2 {
				a := b.status(b.actBy(c.token, id, domain.ActionDecline, because, "d"), http.StatusOK)
				o := a.acted(t)
				if o.State != "paying" || o.Proposed != nil || o.Order.Effect != "declined" || o.Order.By != c.by || o.Order.Reason != reason {
					t.Errorf("%s", a.body)
				}
				if again := a.Header.Get("Idempotent-Replay") == "true"; again != (n == 1) {
					t.Errorf("%d: %v", n, a.Header)
				}
			}
			wakes := b.temporal.woken()
			if len(wakes) != 2 || len(b.temporal.updates()) != told {
				t.Fatalf("%d wakes, %q", len(wakes), b.temporal.updates())
			}
			var nudge activities.Nudge
			must(t, converter.GetDefaultDataConverter().FromPayloads(wakes[0].GetSignalInput(), &nudge))
			if wakes[0].GetWorkflowId() != id.WorkflowID() || wakes[0].GetSignalName() != "nudge" || nudge.Cause != domain.CauseOperator {
				t.Errorf("%v", wakes[0])
			}
			if p := b.status(b.actBy(c.token, id, domain.ActionDecline, because, "other"), http.StatusConflict).problem(t); p.Code != "not_proposed" {
				t.Errorf("%+v", p)
			}
			if rows := b.actions(id); len(rows) != 2 {
				t.Errorf("a refused decline is not kept: %+v", rows)
			}
			// The second word is a first one now.
			b.status(b.actBy(secretBoth, id, domain.ActionResolve, resolved, "second"), http.StatusAccepted)
		})
	}
}

// A hold that somebody ordered beside the proposal stays.
func TestDeclineLeavesTheHold(t *testing.T) {
	b := newBank(t)
	id := b.flagged()
	b.temporal.acting(b.follows)
	b.status(b.act(id, domain.ActionHold, because, "hold"), http.StatusOK)
	b.status(b.act(id, domain.ActionResolve, resolved, "first"), http.StatusAccepted)
	if o := b.status(b.act(id, domain.ActionDecline, because, "d"), http.StatusOK).acted(t); !o.Held || o.Proposed != nil {
		t.Errorf("%+v", o)
	}
}

func TestDeclineThatIsRefused(t *testing.T) {
	b := newBank(t)
	id := b.flagged()
	for name, c := range map[string]struct {
		body   string
		status int
		code   string
	}{
		"nothing proposed": {because, http.StatusConflict, "not_proposed"},
		"no reason":        {`{}`, http.StatusBadRequest, "invalid_request"},
		"an outcome":       {resolved, http.StatusBadRequest, "invalid_request"},
	} {
		if p := b.status(b.act(id, domain.ActionDecline, c.body, ""), c.status).problem(t); p.Code != c.code {
			t.Errorf("%s: %+v", name, p)
		}
	}
	ended := b.asked(plainReply, nil)
	_, _, err := b.ledger.End(context.Background(), storage.Ending{PaymentID: ended, Step: 99, State: domain.StateCancelled})
	must(t, err)
	if p := b.status(b.act(ended, domain.ActionDecline, because, ""), http.StatusConflict).problem(t); p.Code != "payment_ended" {
		t.Errorf("%+v", p)
	}
	if p := b.status(b.act(5, domain.ActionDecline, because, ""), http.StatusNotFound).problem(t); p.Code != "not_found" {
		t.Errorf("%+v", p)
	}
	if len(b.actions(id))+len(b.actions(ended)) != 0 || len(b.temporal.woken()) != 0 {
		t.Error("a refused decline was kept")
	}
}

// While Temporal does not answer, the proposal is dropped all the same; the same request
// again has the payment go on.
func TestDeclineWithoutTemporal(t *testing.T) {
	b := newBank(t)
	id := b.flagged()
	b.temporal.acting(b.follows)
	b.status(b.act(id, domain.ActionResolve, resolved, "first"), http.StatusAccepted)
	alone := newBank(t, func(o *api.Options) { o.Ledger, o.Temporal = b.ledger, noTemporal(t) })
	if p := alone.status(alone.act(id, domain.ActionDecline, because, "d"), http.StatusServiceUnavailable).problem(t); p.Code != "temporal_unavailable" {
		t.Errorf("%+v", p)
	}
	p, err := b.ledger.Payment(t.Context(), id)
	must(t, err)
	if p.Proposed != "" {
		t.Error("not dropped")
	}
	a := b.status(b.act(id, domain.ActionDecline, because, "d"), http.StatusOK)
	if a.acted(t).Order.Effect != "declined" || len(b.temporal.woken()) != 1 {
		t.Errorf("%s", a.body)
	}
}
