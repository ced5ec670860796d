package api_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"go.temporal.io/api/serviceerror"

	"tolem/domain"
	"tolem/storage"
)

// bulk is a bulk action's answer.
type bulk struct {
	Action                         string
	DryRun                         bool
	Matched, Done, Refused, Failed int
	Reasons                        []struct {
		Reason string
		Number int
	}
}

// counts is "matched done refused failed" and the reasons.
func (a bulk) counts() string {
	line := fmt.Sprintf("%d %d %d %d", a.Matched, a.Done, a.Refused, a.Failed)
	for _, r := range a.Reasons {
		line += fmt.Sprintf(" %s=%d", r.Reason, r.Number)
	}
	return line
}

// retryMany is a bulk retry of what a filter matches.
func retryMany(filter string) string {
	return `{"filter":` + filter + `,"action":"retry","reason":"` + reason + `"}`
}

func (b *bank) actOnMany(body, key string) answer {
	b.t.Helper()
	c := call{method: http.MethodPost, path: "/v1/payments/actions", body: body, token: secretOp}
	if key != "" {
		c.header = map[string]string{"Idempotency-Key": key}
	}
	return b.send(c)
}

// bulk sends a bulk action that is taken.
func (b *bank) bulk(body, key string) (got bulk) {
	b.t.Helper()
	b.status(b.actOnMany(body, key), http.StatusOK).decode(b.t, &got)
	if got.Matched != got.Done+got.Refused+got.Failed || got.Reasons == nil {
		b.t.Errorf("the counts do not add up: %+v", got)
	}
	return got
}

// told are the ids of the payments whose workflows were told something, sorted.
func (b *bank) told() (ids []string) {
	for _, line := range b.temporal.updates() {
		id, _, _ := strings.Cut(strings.TrimPrefix(line, "payment/"), " ")
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

func idsOf(payments ...domain.AgentTransactionID) (ids []string) {
	for _, id := range payments {
		ids = append(ids, id.String())
	}
	slices.Sort(ids)
	return ids
}

// Those conditions that are given must all hold, and only open payments match.
func TestBulkFilter(t *testing.T) {
	b := newBank(t)
	accepted := b.stored("till", 3) // two, one and no minute old
	asked := b.asked(plainReply, func(p *storage.Payment) { p.ServiceID = "P0006" })
	paying := b.asked(plainReply, nil)
	b.paysNow(paying, 200_00, 200_00)
	flagged := b.flagged()
	ended := b.flagged()
	must(t, b.ends(ended, domain.StateSucceeded))
	for filter, want := range map[string][]string{
		`{"state":"accepted"}`:                        idsOf(accepted...),
		`{"state":["paying","awaiting_payer"]}`:       idsOf(asked, paying, flagged),
		`{"state":"checking"}`:                        nil,
		`{"code":0}`:                                  idsOf(asked, paying, flagged),
		`{"code":220}`:                                nil,
		`{"service":"P0006"}`:                         idsOf(asked),
		`{"service":"P0007"}`:                         nil,
		`{"age":"30s"}`:                               idsOf(accepted[:2]...),
		`{"age":"PT90S"}`:                             idsOf(accepted[0]),
		`{"needs_operator":true}`:                     idsOf(flagged),
		`{"needs_operator":false}`:                    idsOf(append(accepted, asked, paying)...),
		`{"state":"paying","needs_operator":false}`:   idsOf(paying),
		`{"state":"paying","service":"P0006"}`:        nil,
		`{"state":"accepted","age":"30s","code":0}`:   nil,
		`{"code":0,"service":"P1011","age":"1d"}`:     nil,
		`{"code":0,"needs_operator":true,"age":"1h"}`: nil,
	} {
		b.temporal.forget()
		b.temporal.acting(b.follows)
		if got := b.bulk(retryMany(filter), ""); got.Matched != len(want) || got.Done != len(want) || got.Action != "retry" || got.DryRun {
			t.Errorf("%s: %+v, want %d", filter, got, len(want))
		}
		if got := b.told(); !slices.Equal(got, want) {
			t.Errorf("%s: told %v, want %v", filter, got, want)
		}
	}
}

var badBulks = map[string]string{
	``:                                                   " json",
	`[]`:                                                 " json",
	`{}`:                                                 "filter required, action required, reason required",
	`{"filter":{"state":"paying"}}`:                      "action required, reason required",
	retryMany(`{}`):                                      "filter required",
	retryMany(`null`):                                    "filter json",
	retryMany(`[]`):                                      "filter json",
	retryMany(`"paying"`):                                "filter json",
	retryMany(`{"status":"paying"}`):                     "filter.status unknown",
	retryMany(`{"state":"succeeded"}`):                   "filter.state format",
	retryMany(`{"state":"Paying"}`):                      "filter.state format",
	retryMany(`{"state":""}`):                            "filter.state format",
	retryMany(`{"state":[]}`):                            "filter.state format",
	retryMany(`{"state":null}`):                          "filter.state format",
	retryMany(`{"state":5}`):                             "filter.state format",
	retryMany(`{"state":["paying",5]}`):                  "filter.state format",
	retryMany(`{"state":["paying","x"]}`):                "filter.state format",
	retryMany(`{"code":"220"}`):                          "filter.code type",
	retryMany(`{"code":2.5}`):                            "filter.code type",
	retryMany(`{"code":null}`):                           "filter.code type",
	retryMany(`{"code":99999999999}`):                    "filter.code type",
	retryMany(`{"service":""}`):                          "filter.service required",
	retryMany(`{"service":5}`):                           "filter.service type",
	retryMany(`{"service":"` + long(65) + `"}`):          "filter.service too_long",
	retryMany(`{"age":"15"}`):                            "filter.age format",
	retryMany(`{"age":"0s"}`):                            "filter.age format",
	retryMany(`{"age":"-1h"}`):                           "filter.age format",
	retryMany(`{"age":900}`):                             "filter.age type",
	retryMany(`{"age":"` + long(33) + `"}`):              "filter.age too_long",
	retryMany(`{"needs_operator":"yes"}`):                "filter.needs_operator type",
	retryMany(`{"needs_operator":null}`):                 "filter.needs_operator type",
	retryMany(`{"code":1,"code":2}`):                     "filter.code duplicate",
	retryMany(`{"code":1,"` + account + `":2}`):          "filter.(not a name) unknown",
	`{"filter":{"code":1},"action":"retry"}`:             "reason required",
	`{"filter":{"code":1},"action":"retry","reason":""}`: "reason required",
	`{"filter":{"code":1},"action":"retry","reason":"` + long(501) + `"}`:     "reason too_long",
	`{"filter":{"code":1},"action":"pay","reason":"a"}`:                       "action format",
	`{"filter":{"code":1},"action":"resolve","reason":"a"}`:                   "action format",
	`{"filter":{"code":1},"action":null,"reason":"a"}`:                        "action format",
	`{"filter":{"code":1},"action":5,"reason":"a"}`:                           "action type",
	`{"filter":{"code":1},"action":"retry","reason":"a","dryRun":"yes"}`:      "dryRun type",
	`{"filter":{"code":1},"action":"retry","reason":"a","evidence":"b"}`:      "evidence unknown",
	`{"filter":{"code":1,"state":"x","age":1},"action":"x","dryRun":1,"a":1}`: "filter.state format, filter.age type, action format, dryRun type, a unknown, reason required",
}

func TestBadBulks(t *testing.T) {
	b := newBank(t)
	id := b.flagged()
	for body, want := range badBulks {
		p := b.status(b.actOnMany(body, ""), http.StatusBadRequest).problem(t)
		if got := said(p); p.Code != "invalid_request" || !sameWords(got, want) {
			t.Errorf("%s: %s %q, want %q", body, p.Code, got, want)
		}
	}
	for token, want := range map[string]int{secretAgent: 403, secretViewer: 403, secretStore: 403, secretK2: 403, "": 401} {
		b.status(b.send(call{method: http.MethodPost, path: "/v1/payments/actions", body: retryMany(`{"code":0}`), token: token}), want)
	}
	if n := len(b.actions(id)); n != 0 || len(b.temporal.updates()) != 0 {
		t.Errorf("%d actions, %d updates", n, len(b.temporal.updates()))
	}
}

// A dry run says what each payment would answer now, and does nothing.
func TestBulkDryRun(t *testing.T) {
	b := newBank(t)
	asked, paying, flagged, held := b.asked(plainReply, nil), b.asked(plainReply, nil), b.flagged(), b.held()
	b.paysNow(paying, 200_00, 200_00)
	for action, want := range map[string]string{
		"retry":   "4 2 2 0 awaiting_payer=1 payment_held=1",
		"hold":    "4 3 1 0 awaiting_payer=1",
		"release": "4 1 3 0 awaiting_payer=1 not_held=2",
		"cancel":  "4 1 3 0 pay_sent=3",
	} {
		got := b.bulk(`{"filter":{"code":0},"dryRun":true,"action":"`+action+`","reason":"`+reason+`"}`, "dry")
		if got.counts() != want || !got.DryRun || got.Action != action {
			t.Errorf("%s: %s, want %s", action, got.counts(), want)
		}
	}
	for _, id := range []domain.AgentTransactionID{asked, paying, flagged} {
		if n := len(b.actions(id)); n != 0 {
			t.Errorf("a dry run placed %d actions", n)
		}
	}
	if n := len(b.actions(held)); n != 1 || len(b.temporal.updates())+len(b.temporal.started()) != 0 {
		t.Errorf("%d actions of a held payment, %d updates", n, len(b.temporal.updates()))
	}
	// Its key is free: nothing was placed under it.
	b.temporal.acting(b.follows)
	if got := b.bulk(retryMany(`{"needs_operator":true}`), "dry"); got.counts() != "2 2 0 0" {
		t.Errorf("after the dry run: %s", got.counts())
	}
}

// Some are done, some are refused, some are not known: the counts say all of it, and
// the same request finishes those that are not done, of those that matched at first.
func TestBulkIsFinishedByItsKey(t *testing.T) {
	b := newBank(t)
	b.server.SetActionLimit(300 * time.Millisecond)
	var ids []domain.AgentTransactionID
	for range 7 {
		ids = append(ids, b.flagged())
	}
	role := map[string]int{}
	for i, id := range ids {
		role[id.WorkflowID()] = i
	}
	b.temporal.acting(func(u update) (any, error) {
		switch role[u.workflow] {
		case 0, 1:
			return nil, refuses(domain.RefusalHeld, domain.StatePaying)
		case 2:
			return nil, refuses(domain.RefusalNotHeld, domain.StatePaying)
		case 3:
			return nil, serviceerror.NewInternal("x")
		case 4:
			return nil, refuses("full_moon", domain.StatePaying)
		}
		return b.follows(u)
	})
	a := b.actOnMany(retryMany(`{"needs_operator":true}`), "k")
	var first bulk
	b.status(a, http.StatusOK).decode(t, &first)
	if want := "7 2 3 2 internal=1 not_held=1 payment_held=2 temporal_unavailable=1"; first.counts() != want || a.Header.Get("Idempotency-Key") != "k" {
		t.Errorf("%s, want %s", first.counts(), want)
	}
	for i, id := range ids {
		rows := b.actions(id)
		if len(rows) != 1 || rows[0].Caller != "boss" || rows[0].Reason != reason || rows[0].Bulk != "k" || (rows[0].Effect != "") != (i > 4) {
			t.Fatalf("order %d: %+v", i, rows)
		}
	}
	lines := b.temporal.updates()
	if want := ids[6].WorkflowID() + " retry boss k " + ids[6].String() + " Completed"; !slices.Contains(lines, want) {
		t.Errorf("updates %q miss %q", lines, want)
	}

	late := b.flagged() // matches now, and did not at first
	b.temporal.forget()
	b.temporal.acting(b.follows)
	if got := b.bulk(retryMany(`{"needs_operator":true}`), "k"); got.counts() != "7 7 0 0" {
		t.Errorf("again: %s", got.counts())
	}
	if got := b.told(); !slices.Equal(got, idsOf(ids[:5]...)) || len(b.actions(late)) != 0 {
		t.Errorf("again told %v, want the unfinished %v", got, idsOf(ids[:5]...))
	}
	if got := b.bulk(retryMany(`{"needs_operator":true}`), "k"); got.counts() != "7 7 0 0" || len(b.told()) != 5 {
		t.Errorf("a third time: %s, told %v", got.counts(), b.told())
	}
	for _, body := range []string{
		retryMany(`{"needs_operator":false}`), strings.Replace(retryMany(`{"needs_operator":true}`), "retry", "hold", 1),
		strings.Replace(retryMany(`{"needs_operator":true}`), reason, "x", 1), retryMany(`{"needs_operator":true,"age":"1ms"}`),
	} {
		if p := b.status(b.actOnMany(body, "k"), http.StatusUnprocessableEntity).problem(t); p.Code != "idempotency_key_reused" {
			t.Errorf("%s: %+v", body, p)
		}
	}
	if len(b.actions(late)) != 0 {
		t.Error("a refused bulk action placed something")
	}
}

func TestBulkAtOnce(t *testing.T) {
	b := newBank(t)
	ids := []domain.AgentTransactionID{b.flagged(), b.flagged(), b.flagged()}
	b.temporal.acting(b.follows)
	for _, a := range b.atOnce(10, func(int) answer { return b.actOnMany(retryMany(`{"needs_operator":true}`), "k") }) {
		var got bulk
		b.status(a, http.StatusOK).decode(t, &got)
		if got.counts() != "3 3 0 0" {
			t.Errorf("%s", got.counts())
		}
	}
	for _, id := range ids {
		if n := len(b.actions(id)); n != 1 {
			t.Errorf("%d actions for one payment", n)
		}
	}
}

func TestBulkOfTooMany(t *testing.T) {
	b := newBank(t)
	b.server.SetBulkMost(2)
	ids := []domain.AgentTransactionID{b.flagged(), b.flagged(), b.flagged()}
	for _, dry := range []string{`"dryRun":true,`, ``} {
		body := `{` + dry + retryMany(`{"needs_operator":true}`)[1:]
		p := b.status(b.actOnMany(body, "k"), http.StatusUnprocessableEntity).problem(t)
		if p.Code != "too_many_matched" || !strings.Contains(p.Detail, "at most 2 payments and nothing was done") {
			t.Errorf("%+v", p)
		}
	}
	for _, id := range ids {
		if n := len(b.actions(id)); n != 0 {
			t.Errorf("%d actions", n)
		}
	}
	must(t, b.ends(ids[0], domain.StateSucceeded))
	b.temporal.acting(b.follows)
	if got := b.bulk(retryMany(`{"needs_operator":true}`), "k"); got.counts() != "2 2 0 0" {
		t.Errorf("as many as allowed: %s", got.counts())
	}
	if got := b.bulk(retryMany(`{"code":220}`), ""); got.counts() != "0 0 0 0" {
		t.Errorf("nothing matches: %s", got.counts())
	}
}

// What is not reached in time was not sent; the same request finishes it.
func TestBulkOutOfTime(t *testing.T) {
	b := newBank(t)
	done, left := b.flagged(), b.flagged()
	b.temporal.acting(func(u update) (any, error) {
		if u.workflow == left.WorkflowID() {
			return nil, refuses(domain.RefusalHeld, domain.StatePaying)
		}
		return b.follows(u)
	})
	b.bulk(retryMany(`{"needs_operator":true}`), "k")
	orders := append(b.actions(done), b.actions(left)...)
	b.temporal.forget()
	over, end := context.WithDeadline(t.Context(), time.Now())
	defer end()
	got := marshal(t, b.server.CarryOutAll(over, domain.ActionRetry, orders))
	if want := `{"action":"retry","dryRun":false,"matched":2,"done":1,"refused":0,"failed":1,"reasons":[{"reason":"not_reached_in_time","number":1}]}`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if len(b.told()) != 0 {
		t.Errorf("told %v after the end", b.told())
	}
}

func TestBulkWithoutLedger(t *testing.T) {
	b := newBank(t)
	b.flagged()
	must(t, b.ledger.Close())
	for _, dry := range []string{`"dryRun":true,`, ``} {
		a := b.status(b.actOnMany(`{`+dry+retryMany(`{"code":0}`)[1:], ""), http.StatusServiceUnavailable)
		if p := a.problem(t); p.Code != "ledger_unavailable" || a.Header.Get("Retry-After") == "" || len(b.temporal.updates()) != 0 {
			t.Errorf("%+v", p)
		}
	}
}

// deadlined is a connection that remembers until when it may be answered.
type deadlined struct {
	*httptest.ResponseRecorder
	until time.Time
}

// SetWriteDeadline remembers it.
func (d *deadlined) SetWriteDeadline(until time.Time) error {
	d.until = until
	return nil
}

// A bulk action may take longer than any other request, the last of its actions too.
func TestBulkHasTimeToAnswer(t *testing.T) {
	b := newBank(t)
	b.server.SetActionLimit(time.Hour)
	connection := &deadlined{ResponseRecorder: httptest.NewRecorder()}
	b.server.Handler().ServeHTTP(connection, b.request(call{
		method: http.MethodPost, path: "/v1/payments/actions", body: retryMany(`{"code":0}`), token: secretOp,
	}))
	if left := time.Until(connection.until); connection.Code != http.StatusOK || left < time.Hour+4*time.Minute {
		t.Errorf("%d, and %s left to answer", connection.Code, left)
	}
}
