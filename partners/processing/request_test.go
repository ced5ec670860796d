package processing

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"tolem/domain"
)

// What a check may carry; ok is what the bytes must contain, bad the field that
// the error must name.
func TestCheckBody(t *testing.T) {
	secret := "7770017711"
	for name, test := range map[string]struct {
		change  func(*CheckRequest)
		ok, bad string
	}{
		"no amounts":         {func(r *CheckRequest) { r.AmountTo, r.AmountFrom = nil, nil }, `"2015-02-17T16:48:37"}`, ""},
		"zero is an amount":  {func(r *CheckRequest) { r.AmountTo = money(0) }, `"amountTo":0.00,`, ""},
		"one tiyn":           {func(r *CheckRequest) { r.AmountTo = money(1) }, `"amountTo":0.01,`, ""},
		"18 digits":          {func(r *CheckRequest) { r.AgentTransactionID = 999999999999999999 }, `:999999999999999999,`, ""},
		"no HTML escaping":   {func(r *CheckRequest) { r.Account = `<a&b>"\` }, `"account":"<a&b>\"\\"`, ""},
		"Cyrillic as it is":  {func(r *CheckRequest) { r.FullName = "Әлия Ұлы" }, `"fullName":"Әлия Ұлы"`, ""},
		"200 characters":     {func(r *CheckRequest) { r.Account = strings.Repeat("ж", 200) }, `жж"`, ""},
		"an empty extra":     {func(r *CheckRequest) { r.Extras = map[string]string{"a": ""} }, `"extras":{"a":""}`, ""},
		"no extras":          {func(r *CheckRequest) { r.Extras = map[string]string{} }, `"amountFrom":200.00}`, ""},
		"sorted extras":      {func(r *CheckRequest) { r.Extras = map[string]string{"b": "2", "ev_c": "3", "a": "1"} }, `{"a":"1","b":"2","c":"3"}`, ""},
		"one prefix only":    {func(r *CheckRequest) { r.Extras = map[string]string{"ev_ev_a": "1"} }, `{"ev_a":"1"}`, ""},
		"201 characters":     {func(r *CheckRequest) { r.Account = strings.Repeat("ж", 201) }, "", "account"},
		"no account":         {func(r *CheckRequest) { r.Account = "" }, "", "account"},
		"no service":         {func(r *CheckRequest) { r.ServiceID = "" }, "", "serviceId"},
		"no id":              {func(r *CheckRequest) { r.AgentTransactionID = 0 }, "", "agentTransactionId"},
		"negative id":        {func(r *CheckRequest) { r.AgentTransactionID = -5 }, "", "agentTransactionId"},
		"19 digits":          {func(r *CheckRequest) { r.AgentTransactionID = 1e18 }, "", "agentTransactionId"},
		"a zone":             {func(r *CheckRequest) { r.AgentTransactionDate += "Z" }, "", "agentTransactionDate"},
		"milliseconds":       {func(r *CheckRequest) { r.AgentTransactionDate += ".123" }, "", "agentTransactionDate"},
		"no such day":        {func(r *CheckRequest) { r.AgentTransactionDate = "2015-02-30T16:48:37" }, "", "agentTransactionDate"},
		"negative amount":    {func(r *CheckRequest) { r.AmountFrom = money(-1) }, "", "amountFrom"},
		"both spellings":     {func(r *CheckRequest) { r.Extras = map[string]string{"a": secret, "ev_a": secret} }, "", "extras"},
		"an extra no name":   {func(r *CheckRequest) { r.Extras = map[string]string{"ev_": secret} }, "", "extras"},
		"broken UTF-8":       {func(r *CheckRequest) { r.Account = secret + "\xd0" }, "", "account"},
		"broken name":        {func(r *CheckRequest) { r.FullName = "\xff" }, "", "fullName"},
		"broken extra":       {func(r *CheckRequest) { r.Extras = map[string]string{"a": "\xd0"} }, "", "extras"},
		"halves of a letter": {func(r *CheckRequest) { r.Extras = map[string]string{"a": "\xd0", "b": "\xa4"} }, "", "extras"},
	} {
		t.Run(name, func(t *testing.T) {
			request := seedCheck()
			test.change(&request)
			body, err := request.Body()
			judgeBody(t, body, err, test.ok, test.bad)
		})
	}
}

// What a pay may carry.
func TestPayBody(t *testing.T) {
	lines := func(amounts ...domain.Money) func(*PayRequest) {
		return func(r *PayRequest) {
			for _, a := range amounts {
				r.ExtraServices = append(r.ExtraServices, PaidService{SubServiceID: "36", Amount: a})
			}
		}
	}
	for name, test := range map[string]struct {
		change  func(*PayRequest)
		ok, bad string
	}{
		"adds up":           {lines(150_00, 50_00), `[{"subServiceId":"36","amount":150.00},{"subServiceId":"36","amount":50.00}]`, ""},
		"a line of nothing": {lines(200_00, 0), `"amount":0.00}`, ""},
		"identity too":      {func(r *PayRequest) { r.IdentityCard, r.FullName = "1", "И" }, `"amountFrom":200.00,"identityCard":"1","fullName":"И"}`, ""},
		"does not add up":   {lines(150_00, 49_99), "", "extraServices"},
		"negative line":     {lines(250_00, -50_00), "", "extraServices"},
		"overflow":          {lines(9223372036854775807, 1, 200_00), "", "extraServices"},
		"line without id":   {func(r *PayRequest) { r.ExtraServices = []PaidService{{Amount: 200_00}} }, "", "subServiceId"},
		"broken counter": {func(r *PayRequest) {
			r.ExtraServices = []PaidService{{SubServiceID: "1", Amount: 200_00, LastCount: count("\xff")}}
		}, "", "extraServices"},
		"nothing credited": {func(r *PayRequest) { r.AmountTo = 0 }, "", "amountTo"},
		"nothing taken":    {func(r *PayRequest) { r.AmountFrom = 0 }, "", "amountFrom"},
		"negative":         {func(r *PayRequest) { r.AmountTo = -1 }, "", "amountTo"},
		"no id":            {func(r *PayRequest) { r.AgentTransactionID = 0 }, "", "agentTransactionId"},
	} {
		t.Run(name, func(t *testing.T) {
			request := seedPay()
			test.change(&request)
			body, err := request.Body()
			judgeBody(t, body, err, test.ok, test.bad)
		})
	}
}

func judgeBody(t *testing.T, body []byte, err error, ok, bad string) {
	t.Helper()
	switch {
	case bad == "" && (err != nil || !json.Valid(body) || !strings.Contains(string(body), ok)):
		t.Errorf("got %s, %v; want %s in it", body, err, ok)
	case bad != "" && (!errors.Is(err, ErrRequest) || !strings.Contains(err.Error(), bad) || body != nil):
		t.Errorf("got %s, %v; want an error that names %s", body, err, bad)
	case err != nil && strings.Contains(err.Error(), "777"):
		t.Errorf("the error repeats a value: %v", err)
	}
}

// New refuses what cannot work and names the field, never the value.
func TestNew(t *testing.T) {
	for _, good := range []string{"http://centre", "https://centre:8443", "https://centre/agent", "https://centre/agent/", "http://[::1]:80", "HTTP://centre/"} {
		if _, err := New(Options{URL: good, Token: "t0k.en-_~+/="}); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for _, bad := range []string{
		"", "centre", "centre:80", "//centre", "ftp://centre", "http://", "http://:80", "http:centre", "http://centre?", "http://centre?hunter2",
		"http://centre#hunter2", "http://user:hunter2@centre", "http://user@centre", "http://cen tre", "http://centre:port", "http://centre:0",
		"http://centre:70000", "http://centre/api/v20", "http://centre/api/v20/", "http://hunter2:hunter2@centre:x", "\x00",
	} {
		if _, err := New(Options{URL: bad}); err == nil || !strings.Contains(err.Error(), "URL") || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: %v", bad, err)
		}
	}
	for _, token := range []string{"hunter2\n", "hunter2 ", "hünter2", "hunter2\x00"} {
		if _, err := New(Options{URL: "http://centre", Token: token}); err == nil || !strings.Contains(err.Error(), "Token") || strings.Contains(err.Error(), "nter2") {
			t.Errorf("%q: %v", token, err)
		}
	}
	if _, err := New(Options{URL: "http://centre", Timeout: -time.Second}); err == nil {
		t.Error("a negative time-out was accepted")
	}
}
