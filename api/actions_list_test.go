package api_test

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"tolem/domain"
)

// What people ordered is listed in order, with who, why, on what evidence and what
// it did.
func TestListOfOrders(t *testing.T) {
	b := newBank(t)
	id, other := b.flagged(), b.flagged()
	path := "/v1/payments/" + id.String() + "/actions"
	if a := b.status(b.get(secretViewer, path), http.StatusOK); string(a.body) != "{\"items\":[]}\n" {
		t.Errorf("actions of a payment without any: %s", a.body)
	}
	b.temporal.acting(b.follows)
	b.status(b.act(id, domain.ActionHold, because, "1"), http.StatusOK)
	b.status(b.act(other, domain.ActionHold, because, "2"), http.StatusOK)
	b.status(b.actBy(secretBoth, id, domain.ActionRelease, because, "3"), http.StatusOK)
	b.temporal.acting(func(update) (any, error) { return nil, refuses(domain.RefusalPaySent, domain.StatePaying) })
	b.status(b.act(id, domain.ActionCancel, because, "4"), http.StatusConflict)
	b.temporal.acting(b.follows)
	b.status(b.act(id, domain.ActionResolve, resolved, "5"), http.StatusAccepted)

	for _, limit := range []string{"1", "2", "3", "4", "5", "500"} {
		var all []seenAction
		query := url.Values{"limit": {limit}}
		for pages := 1; ; pages++ {
			var page struct {
				Items []seenAction
				Next  string
			}
			b.status(b.get(secretOp, path+"?"+query.Encode()), http.StatusOK).decode(t, &page)
			all = append(all, page.Items...)
			if page.Next == "" {
				most, err := strconv.Atoi(limit)
				must(t, err)
				if want := (4 + most - 1) / most; pages != want {
					t.Errorf("limit %s: %d pages, want %d", limit, pages, want)
				}
				break
			}
			query.Set("cursor", page.Next)
		}
		var lines []string
		for _, o := range all {
			if o.Reason != reason || time.Since(o.RequestedAt) > time.Hour || (o.Effect != "") != (o.DoneAt != nil) {
				t.Errorf("%+v", o)
			}
			lines = append(lines, o.By+" "+o.Action+" "+o.Outcome+" "+o.Effect+" "+o.Evidence)
		}
		want := []string{"boss hold  held ", "both release  released ", "boss cancel   ", "boss resolve resolved_refused proposed " + evidence}
		if !slices.Equal(lines, want) {
			t.Errorf("limit %s: %q, want %q", limit, lines, want)
		}
	}
	for _, query := range []string{"cursor=0", "cursor=-1", "cursor=x", "limit=0", "limit=501", "state=paying"} {
		if p := b.status(b.get(secretOp, path+"?"+query), http.StatusBadRequest).problem(t); p.Code != "invalid_parameter" {
			t.Errorf("%s: %+v", query, p)
		}
	}
	b.status(b.get(secretAgent, path), http.StatusForbidden)
}

// held finds what a person holds, also by a proposal; paused what waits for the
// centre.
func TestListOfHeldAndPaused(t *testing.T) {
	b := newBank(t)
	plain, held, proposed, paused, both := b.flagged(), b.flagged(), b.flagged(), b.flagged(), b.flagged()
	b.temporal.acting(b.follows)
	b.status(b.act(held, domain.ActionHold, because, ""), http.StatusOK)
	b.status(b.act(both, domain.ActionHold, because, ""), http.StatusOK)
	b.status(b.act(proposed, domain.ActionResolve, resolved, ""), http.StatusAccepted)
	for _, id := range []domain.AgentTransactionID{paused, both} {
		must(t, b.ledger.Pause(t.Context(), id, 50, time.Now().Add(time.Minute)))
	}
	for query, want := range map[string][]domain.AgentTransactionID{
		"held=true":                {held, proposed, both},
		"held=false":               {plain, paused},
		"paused=true":              {paused, both},
		"paused=false":             {plain, held, proposed},
		"held=true&paused=true":    {both},
		"held=false&paused=false":  {plain},
		"held=true&state=paying":   {held, proposed, both},
		"held=true&state=checking": nil,
	} {
		given, err := url.ParseQuery(query)
		must(t, err)
		var ids []string
		for _, id := range want {
			ids = append(ids, id.String())
		}
		got := b.list(secretViewer, given)
		slices.Sort(got)
		slices.Sort(ids)
		if !slices.Equal(got, ids) {
			t.Errorf("%s: %v, want %v", query, got, ids)
		}
	}
	for _, query := range []string{"held=yes", "held=", "paused=1", "paused=", "held=true&held=true"} {
		p := b.status(b.get(secretViewer, "/v1/payments?"+query), http.StatusBadRequest).problem(t)
		if p.Code != "invalid_parameter" || len(p.Errors) != 1 || p.Errors[0].Field != query[:len(p.Errors[0].Field)] {
			t.Errorf("%s: %+v", query, p)
		}
	}
	var shown struct{ Held, Paused bool }
	b.get(secretAgent, "/v1/payments/"+both.String()).decode(t, &shown)
	if !shown.Held || !shown.Paused {
		t.Errorf("a held and paused payment is shown as %+v", shown)
	}
	shown.Held, shown.Paused = false, false
	must(t, b.ends(both, domain.StateSucceeded))
	b.get(secretAgent, "/v1/payments/"+both.String()).decode(t, &shown)
	if shown.Held || shown.Paused {
		t.Error("an ended payment is shown as held or paused")
	}
}

// A proposal is shown until somebody confirms it, drops it, or it lapses.
func TestProposalIsShown(t *testing.T) {
	b := newBank(t)
	id := b.flagged()
	b.temporal.acting(b.follows)
	o := b.status(b.act(id, domain.ActionResolve, resolved, "k"), http.StatusAccepted).acted(t)
	for _, path := range []string{"", "/" + id.String()} {
		a := b.status(b.get(secretAgent, "/v1/payments"+path), http.StatusOK)
		if want := `"proposed":{"outcome":"resolved_refused","until":"` + o.Proposed.Until.Format(time.RFC3339Nano) + `"}`; !strings.Contains(string(a.body), want) {
			t.Errorf("%s misses %s", a.body, want)
		}
	}
	must(t, b.ledger.Lapse(t.Context(), id, b.actions(id)[0].ID, "x"))
	if a := b.get(secretAgent, "/v1/payments/"+id.String()); strings.Contains(string(a.body), "proposed") {
		t.Errorf("a proposal that lapsed is shown: %s", a.body)
	}
}
