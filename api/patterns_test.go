package api_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"tolem/api"
)

// A pattern that does not compile is shown and refuses payments by name; one that
// would run for years ends, and refuses too. Nothing of either is stored or sent.
func TestForeignPatterns(t *testing.T) {
	list := strings.Join([]string{
		entry("GOOD", `^\d{10}$`), entry("DOTNET", `^(?!0)\w{3,}$`), entry("OPEN", `^(\d{10}$`), entry("LONG", strings.Repeat("a", 5000)),
		entry("SLOW", `^(?=a)(a+)+$`),
		`{"serviceId":"EXTRA","type":0,"inputs":[{"name":"account","regexp":"^\\d+$"},{"name":"ev_zone","required":true,"regexp":"*"},{"name":"ev_note","regexp":"("}]}`,
	}, ",")
	b := newBank(t, func(o *api.Options) { o.Centre = tells(t, func() string { return list }) })
	b.services("")
	for name, bank := range map[string]*bank{"told by the centre": b, "read from the ledger": b.restarted()} {
		t.Run(name, func(t *testing.T) {
			bank.t = t
			bank.foreignPatterns()
		})
	}
}

func (b *bank) foreignPatterns() {
	b.t.Helper()
	want := map[string][]string{"OPEN": {"account"}, "LONG": {"account"}, "EXTRA": {"extras.zone", "extras.note"}}
	listed := b.services("").Items
	if len(listed) != 6 {
		b.t.Errorf("%d services", len(listed))
	}
	for _, s := range listed {
		var one struct {
			Problems []struct{ Field, Problem string }
		}
		a := b.status(b.get(secretAgent, "/v1/services/"+s.ServiceID), http.StatusOK)
		a.decode(b.t, &one)
		var fields []string
		for _, p := range s.Problems {
			fields = append(fields, p.Field)
			if p.Problem != "pattern does not compile" {
				b.t.Errorf("%s: %+v", s.ServiceID, p)
			}
		}
		if !slices.Equal(fields, want[s.ServiceID]) || !slices.Equal(one.Problems, s.Problems) || strings.Contains(string(a.body), "problems") != (fields != nil) {
			b.t.Errorf("%s has problems with %q, alone %+v", s.ServiceID, fields, one.Problems)
		}
	}
	before := b.rows()
	for _, c := range []struct{ service, account, more, field, message string }{
		{"OPEN", "1234567890", ``, "account", "pattern of the catalogue does not compile"},
		{"LONG", "1234567890", ``, "account", "pattern of the catalogue does not compile"},
		{"EXTRA", "5", `,"extras":{"zone":"1"}`, "extras.zone", "pattern of the catalogue does not compile"},
		{"SLOW", strings.Repeat("a", 199) + "!", ``, "account", "pattern of the catalogue takes too long on this value"},
		{"DOTNET", "0ф1", ``, "account", "does not match the pattern of the catalogue"},
	} {
		a := b.status(b.pay(`{"serviceId":"`+c.service+`","account":"`+c.account+`","amountTo":1`+c.more+`}`, nil), http.StatusBadRequest)
		p := a.problem(b.t)
		if len(p.Errors) != 1 || p.Errors[0].Field != c.field || p.Errors[0].Code != "pattern" || p.Errors[0].Message != c.message {
			b.t.Errorf("%s: %s", c.service, a.body)
		}
	}
	if b.rows() != before {
		b.t.Errorf("%d payments more after bad requests", b.rows()-before)
	}
	for service, fits := range map[string]string{"GOOD": "1234567890", "DOTNET": "фыв", "SLOW": "aaa"} {
		b.status(b.pay(`{"serviceId":"`+service+`","account":"`+fits+`","amountTo":1}`, nil), http.StatusAccepted)
	}
}
