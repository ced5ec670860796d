package api_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	enumspb "go.temporal.io/api/enums/v1"

	"tolem/api"
	"tolem/storage"
)

// bad is a body and the rules that it breaks, as "field code".
type bad struct {
	body   string
	status int
	want   []string
}

// long is text of n letters, two bytes each.
func long(n int) string { return strings.Repeat("ж", n) }

// many is n extras.
func many(n int) string {
	var entries []string
	for i := range n {
		entries = append(entries, fmt.Sprintf(`"x%d":"1"`, i))
	}
	return strings.Join(entries, ",")
}

// with is a payment's body with further fields.
func with(fields string) string {
	return `{"serviceId":"P1011","account":"` + account + `",` + fields + `}`
}

var badPayments = map[string]bad{
	"empty":                {``, 400, []string{" json"}},
	"no object":            {`[1]`, 400, []string{" json"}},
	"null":                 {`null`, 400, []string{" json"}},
	"text":                 {`"x"`, 400, []string{" json"}},
	"cut off":              {`{"serviceId":"P1011"`, 400, []string{" json"}},
	"two objects":          {simple + `{}`, 400, []string{" json"}},
	"text after it":        {simple + ` x`, 400, []string{" json"}},
	"comma at the end":     {`{"serviceId":"P1011",}`, 400, []string{" json"}},
	"two byte order marks": {"\ufeff\ufeff" + simple, 400, []string{" json"}},
	"invisible characters": {`{"serviceId":"P1012","account":"77777\u200b31414","amountTo":1,"extras":{"account1":"00000\u00a000001"},"identityCard":"9001013000\u202e17"}`, 400,
		[]string{"account text", "extras.account1 text", "identityCard text"}},
	"broken UTF-8":             {"{\"account\":\"\xff\"}", 400, []string{" json"}},
	"NaN":                      {with(`"amountTo":NaN`), 400, []string{" json"}},
	"deep":                     {`{"extras":` + strings.Repeat("[", 9) + strings.Repeat("]", 9) + `}`, 400, []string{" nesting"}},
	"very deep and open":       {strings.Repeat(`{"a":`, 10000), 400, []string{" nesting"}},
	"nothing in it":            {`{}`, 400, []string{"serviceId required", "account required", "amountTo required"}},
	"unknown field":            {with(`"amountTo":1,"currency":"KZT"`), 400, []string{"currency unknown"}},
	"other capitals":           {with(`"amountto":1`), 400, []string{"amountto unknown", "amountTo required"}},
	"an account as a name":     {with(`"amountTo":1,"` + account + `":1`), 400, []string{"(not a name) unknown"}},
	"field twice":              {with(`"amountTo":1,"amountTo":2`), 400, []string{"amountTo duplicate"}},
	"escaped twin":             {with(`"amountTo":1,"amount\u0054o":2`), 400, []string{"amountTo duplicate"}},
	"amount is words":          {with(`"amountTo":"two hundred"`), 400, []string{"amountTo format"}},
	"amount is text, 3 digits": {with(`"amountTo":"200.001"`), 400, []string{"amountTo format"}},
	"amount is empty text":     {with(`"amountTo":""`), 400, []string{"amountTo format"}},
	"amount is text, 0":        {with(`"amountTo":"0.00"`), 400, []string{"amountTo range"}},
	"amount is true":           {with(`"amountTo":true`), 400, []string{"amountTo type"}},
	"amount is null":           {with(`"amountTo":null`), 400, []string{"amountTo type"}},
	"amount 0":                 {with(`"amountTo":0`), 400, []string{"amountTo range"}},
	"amount -0":                {with(`"amountTo":-0.00`), 400, []string{"amountTo range"}},
	"amount negative":          {with(`"amountTo":-1`), 400, []string{"amountTo range"}},
	"amount too large":         {with(`"amountTo":1000000000`), 400, []string{"amountTo range"}},
	"amount huge":              {with(`"amountTo":1e400`), 400, []string{"amountTo format"}},
	"amount with many digits":  {with(`"amountTo":` + strings.Repeat("9", 4000)), 400, []string{"amountTo format"}},
	"three decimals":           {with(`"amountTo":0.005`), 400, []string{"amountTo format"}},
	"amountFrom below":         {with(`"amountTo":200,"amountFrom":199.99`), 400, []string{"amountFrom range"}},
	"amountFrom alone":         {with(`"autoPay":false,"amountFrom":199.99`), 400, []string{"amountFrom range"}},
	"no amount with autoPay":   {`{"serviceId":"P1011","account":"` + account + `","autoPay":true}`, 400, []string{"amountTo required"}},
	"autoPay is text":          {with(`"amountTo":1,"autoPay":"no"`), 400, []string{"autoPay type"}},
	"autoPay is 0":             {with(`"amountTo":1,"autoPay":0`), 400, []string{"autoPay type"}},
	"account is a number":      {`{"serviceId":"P1011","account":` + account + `,"amountTo":1}`, 400, []string{"account type"}},
	"account empty":            {`{"serviceId":"P1011","account":"","amountTo":1}`, 400, []string{"account required"}},
	"account too long":         {`{"serviceId":"P1011","account":"` + long(201) + `","amountTo":1}`, 400, []string{"account too_long"}},
	"account breaks a line":    {`{"serviceId":"P1011","account":"7777731414\n","amountTo":1}`, 400, []string{"account text"}},
	"account with NUL":         {`{"serviceId":"P1011","account":"7777\u0000731414","amountTo":1}`, 400, []string{"account text"}},
	"half a surrogate":         {`{"serviceId":"P1011","account":"\ud800","amountTo":1}`, 400, []string{"account text"}},
	"account of other letters": {`{"serviceId":"P1011","account":"77777314","amountTo":1}`, 400, []string{"account pattern"}},
	"Arabic digits":            {`{"serviceId":"P1011","account":"٧٧٧٧٧٣١٤١٤","amountTo":1}`, 400, []string{"account pattern"}},
	"unknown service":          {`{"serviceId":"P9999","account":"1","amountTo":1}`, 400, []string{"serviceId unknown_service"}},
	"serviceId is a number":    {`{"serviceId":1,"account":"1","amountTo":1}`, 400, []string{"serviceId type"}},
	"serviceId too long":       {`{"serviceId":"` + long(65) + `","account":"1","amountTo":1}`, 400, []string{"serviceId too_long"}},
	"id too long":              {with(`"amountTo":1,"agentTransactionId":"1234567890123456789"`), 400, []string{"agentTransactionId format"}},
	"id 0":                     {with(`"amountTo":1,"agentTransactionId":0`), 400, []string{"agentTransactionId format"}},
	"id negative":              {with(`"amountTo":1,"agentTransactionId":-5`), 400, []string{"agentTransactionId format"}},
	"id with a fraction":       {with(`"amountTo":1,"agentTransactionId":5.0`), 400, []string{"agentTransactionId format"}},
	"id with an exponent":      {with(`"amountTo":1,"agentTransactionId":1e3`), 400, []string{"agentTransactionId format"}},
	"id with a zero first":     {with(`"amountTo":1,"agentTransactionId":"007"`), 400, []string{"agentTransactionId format"}},
	"id empty":                 {with(`"amountTo":1,"agentTransactionId":""`), 400, []string{"agentTransactionId format"}},
	"id is a list":             {with(`"amountTo":1,"agentTransactionId":[1]`), 400, []string{"agentTransactionId type"}},
	"id is null":               {with(`"amountTo":1,"agentTransactionId":null`), 400, []string{"agentTransactionId type"}},
	"identityCard too long":    {with(`"amountTo":1,"identityCard":"` + long(65) + `"`), 400, []string{"identityCard too_long"}},
	"fullName too long":        {with(`"amountTo":1,"fullName":"` + long(201) + `"`), 400, []string{"fullName too_long"}},
	"fullName with a bell":     {with(`"amountTo":1,"fullName":"a\u0007"`), 400, []string{"fullName text"}},
	"extras is a list":         {with(`"amountTo":1,"extras":[]`), 400, []string{"extras type"}},
	"extras is null":           {with(`"amountTo":1,"extras":null`), 400, []string{"extras type"}},
	"too many extras":          {with(`"amountTo":1,"extras":{` + many(51) + `}`), 400, []string{"extras too_long"}},
	"extra is a number":        {with(`"amountTo":1,"extras":{"account1":5}`), 400, []string{"extras.account1 type"}},
	"extra is an object":       {with(`"amountTo":1,"extras":{"account1":{}}`), 400, []string{"extras.account1 type"}},
	"extra too long":           {with(`"amountTo":1,"extras":{"account1":"` + long(501) + `"}`), 400, []string{"extras.account1 too_long"}},
	"extra's name too long":    {with(`"amountTo":1,"extras":{"` + long(65) + `":"1"}`), 400, []string{"extras format"}},
	"extra without a name":     {with(`"amountTo":1,"extras":{"ev_":"1"}`), 400, []string{"extras format"}},
	"unknown extra":            {with(`"amountTo":1,"extras":{"color":"red"}`), 400, []string{"extras.color unknown"}},
	"extra twice":              {`{"serviceId":"P1012","account":"7777731414","amountTo":1,"extras":{"account1":"0123456789","ev_account1":"0123456789"}}`, 400, []string{"extras.account1 duplicate"}},
	"missing extra":            {`{"serviceId":"P1012","account":"7777731414","amountTo":1}`, 400, []string{"extras.account1 required"}},
	"extra breaks its pattern": {`{"serviceId":"P1012","account":"7777731414","amountTo":1,"extras":{"ev_account1":"x"}}`, 400, []string{"extras.account1 pattern"}},
	"everything at once": {
		`{"serviceId":"P1012","account":"x","amountTo":-1,"fullName":5,"extras":{"color":"red"},"foo":1,"autoPay":null}`, 400,
		[]string{"foo unknown", "amountTo range", "fullName type", "autoPay type", "account pattern", "extras.account1 required", "extras.color unknown"},
	},
	"over 64 KiB": {`{"account":"` + strings.Repeat("x", 64<<10) + `"}`, 413, nil},
}

func TestBadPayments(t *testing.T) {
	b := newBank(t)
	for name, c := range badPayments {
		t.Run(name, func(t *testing.T) {
			a := b.pay(c.body, nil)
			p := a.problem(t)
			var got []string
			for _, e := range p.Errors {
				got = append(got, e.Field+" "+e.Code)
			}
			slices.Sort(got)
			slices.Sort(c.want)
			if a.StatusCode != c.status || !slices.Equal(got, c.want) {
				t.Errorf("%d %q, want %d %q", a.StatusCode, got, c.status, c.want)
			}
			if (c.status == 400) != (p.Code == "invalid_request") {
				t.Errorf("code %s beside %d", p.Code, c.status)
			}
		})
	}
	if n := b.rows(); n != 0 {
		t.Errorf("the ledger holds %d payments after bad requests only", n)
	}
	if n := len(b.temporal.started()); n != 0 {
		t.Errorf("%d workflows were started by bad requests", n)
	}
	for _, r := range b.centre.Requests(0) {
		if r.Call != "services" {
			t.Errorf("a bad request made a call %q", r.Call)
		}
	}
}

func TestBadHeaders(t *testing.T) {
	b := newBank(t)
	for name, c := range map[string]struct {
		header map[string]string
		status int
		code   string
	}{
		"no Content-Type":      {map[string]string{"Content-Type": ""}, 415, "unsupported_media_type"},
		"form":                 {map[string]string{"Content-Type": "application/x-www-form-urlencoded"}, 415, "unsupported_media_type"},
		"other charset":        {map[string]string{"Content-Type": "application/json; charset=windows-1251"}, 415, "unsupported_media_type"},
		"compressed":           {map[string]string{"Content-Encoding": "gzip"}, 415, "unsupported_media_type"},
		"key with a space":     {map[string]string{"Idempotency-Key": "a b"}, 400, "invalid_parameter"},
		"key in Cyrillic":      {map[string]string{"Idempotency-Key": "ключ"}, 400, "invalid_parameter"},
		"key of 129":           {map[string]string{"Idempotency-Key": strings.Repeat("k", 129)}, 400, "invalid_parameter"},
		"upper-case JSON type": {map[string]string{"Content-Type": "Application/JSON; charset=UTF-8"}, 202, ""},
		"key of 128":           {map[string]string{"Idempotency-Key": strings.Repeat("k", 128)}, 202, ""},
	} {
		t.Run(name, func(t *testing.T) {
			before := b.rows()
			a := b.status(b.pay(simple, c.header), c.status)
			if c.status == 202 {
				return
			}
			if p := a.problem(t); p.Code != c.code {
				t.Errorf("code %s, want %s", p.Code, c.code)
			}
			if b.rows() != before {
				t.Error("a bad request was stored")
			}
		})
	}
}

func TestAcceptedPayment(t *testing.T) {
	b := newBank(t)
	body := `{"serviceId":"P1012","account":"7777731414","amountTo":1500.5,"amountFrom":1550,"extras":{"ev_account1":"0000000001"},
		"identityCard":"` + identityCard + `","fullName":"` + fullName + `","agentTransactionId":987654321}`
	a := b.status(b.pay(body, map[string]string{"Idempotency-Key": "key-1"}), http.StatusAccepted)
	p := a.payment(t)
	if p.ID != "987654321" || p.State != "accepted" || p.NeedsOperator || p.AmountTo != "1500.50" || p.Extras["account1"] != "0000000001" {
		t.Errorf("payment %+v: %s", p, a.body)
	}
	if a.Header.Get("Location") != "/v1/payments/987654321" || a.Header.Get("Idempotency-Key") != "key-1" ||
		a.Header.Get("Retry-After") != "1" || a.Header.Get("Idempotent-Replay") != "" {
		t.Errorf("header %v", a.Header)
	}
	for _, hidden := range []string{fullName, identityCard} {
		if strings.Contains(string(a.body), hidden) {
			t.Errorf("the answer shows %q", hidden)
		}
	}
	row, err := b.ledger.Payment(t.Context(), 987654321)
	must(t, err)
	almaty, err := time.LoadLocation("Asia/Almaty")
	must(t, err)
	if want := row.CreatedAt.In(almaty).Format("2006-01-02T15:04:05"); row.AgentTransactionDate != want || p.AgentTransactionDate != want {
		t.Errorf("agentTransactionDate %s, want %s", row.AgentTransactionDate, want)
	}
	if row.Caller != "till" || row.FullName != fullName || row.IdentityCard != identityCard || row.RetryInitial != time.Second || row.RetryFactorMilli != 2000 {
		t.Errorf("row %+v", row)
	}
	starts := b.temporal.started()
	if len(starts) != 1 || starts[0].GetWorkflowId() != "payment/987654321" {
		t.Fatalf("starts %v", starts)
	}
	if reuse, conflict := starts[0].GetWorkflowIdReusePolicy(), starts[0].GetWorkflowIdConflictPolicy(); reuse != enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE ||
		conflict != enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING {
		t.Errorf("started with %s, %s: a row that is open again after a restore could not be started", reuse, conflict)
	}
	if leak := leaked(starts[0].String()); leak != "" {
		t.Errorf("Temporal was told personal data: %s", leak)
	}
}

func TestGeneratedID(t *testing.T) {
	b := newBank(t)
	a := b.status(b.pay(simple, map[string]string{"Idempotency-Key": "given"}), http.StatusAccepted)
	if id := a.payment(t).ID; !regexp.MustCompile(`^[1-9][0-9]{17}$`).MatchString(id) {
		t.Errorf("generated id %q", id)
	}
	if key := a.Header.Get("Idempotency-Key"); key != "given" {
		t.Errorf("answered with key %q", key)
	}
}

// A request that nothing makes safe to repeat is refused: sent twice it would be paid
// twice. The answer says what to send.
func TestPaymentWithoutKeyAndID(t *testing.T) {
	b := newBank(t)
	for range 2 {
		a := b.status(b.pay(simple, map[string]string{"Idempotency-Key": ""}), http.StatusBadRequest)
		p := a.problem(t)
		if p.Code != "invalid_parameter" || len(p.Errors) != 1 || p.Errors[0].Field != "Idempotency-Key" || p.Errors[0].Code != "required" {
			t.Errorf("%+v", p)
		}
		if !strings.Contains(p.Detail, "agentTransactionId") || a.Header.Get("Idempotency-Key") != "" {
			t.Errorf("%q %v", p.Detail, a.Header)
		}
	}
	if n := b.rows(); n != 0 || len(b.temporal.started()) != 0 {
		t.Errorf("%d rows", n)
	}
}

// An agentTransactionId alone makes a repetition known: the same request is the same
// payment, another one under it is refused.
func TestPaymentWithoutKeyIsKnownByItsID(t *testing.T) {
	b := newBank(t)
	none := map[string]string{"Idempotency-Key": ""}
	body := strings.Replace(simple, `"amountTo"`, `"agentTransactionId":"777","amountTo"`, 1)
	b.status(b.pay(body, none), http.StatusAccepted)
	again := b.status(b.pay(body, none), http.StatusAccepted)
	if again.Header.Get("Idempotent-Replay") != "true" || again.payment(t).ID != "777" {
		t.Errorf("%s %v", again.body, again.Header)
	}
	for name, other := range map[string]call{
		"another amount": {body: strings.Replace(body, "200.00", "200.01", 1), token: secretAgent},
		"another caller": {body: body, token: secretOther},
		"another key":    {body: body, token: secretAgent, header: map[string]string{"Idempotency-Key": "k"}},
	} {
		other.method, other.path = http.MethodPost, "/v1/payments"
		if p := b.status(b.send(other), http.StatusConflict).problem(t); p.Code != "id_taken" {
			t.Errorf("%s: %s", name, p.Code)
		}
	}
	b.saved(storage.Catalogue{Content: `{"services":null}`, Services: 1, FetchedAt: storage.At(time.Now())}) // newer, and cannot be read
	b.status(b.pay(body, none), http.StatusAccepted)
	if n := b.rows(); n != 1 {
		t.Errorf("%d rows", n)
	}
}

func TestTemporalDown(t *testing.T) {
	b := newBank(t, func(o *api.Options) { o.Temporal = noTemporal(t) })
	a := b.status(b.pay(simple, nil), http.StatusAccepted)
	if p := a.payment(t); p.State != "accepted" || b.rows() != 1 {
		t.Errorf("payment %+v, %d rows", p, b.rows())
	}
	if !strings.Contains(logged.String(), "process=payment/"+a.payment(t).ID) {
		t.Error("the log does not name the payment that was not started")
	}
}

func TestLedgerDown(t *testing.T) {
	b := newBank(t)
	must(t, b.ledger.Close())
	for _, a := range []answer{
		b.pay(simple, nil), b.get(secretAgent, "/v1/payments"), b.get(secretAgent, "/v1/payments/5"), b.get(secretAgent, "/v1/payments/5/attempts"),
	} {
		b.status(a, http.StatusServiceUnavailable)
		if p := a.problem(t); p.Code != "ledger_unavailable" || a.Header.Get("Retry-After") == "" {
			t.Errorf("code %s, Retry-After %q", p.Code, a.Header.Get("Retry-After"))
		}
	}
	if n := len(b.temporal.started()); n != 0 {
		t.Errorf("%d workflows started without a row", n)
	}
	a := b.get("", "/readyz")
	b.status(a, http.StatusServiceUnavailable)
	if !strings.Contains(string(a.body), "ledger: failed\n") || !strings.Contains(string(a.body), "temporal: ok\n") {
		t.Errorf("readyz %q", a.body)
	}
	b.status(b.get("", "/livez"), http.StatusOK)
}

// brokenBody is a body that ends with an error.
type brokenBody struct{ err error }

// Read fails.
func (b brokenBody) Read([]byte) (int, error) { return 0, b.err }

func TestBodyThatDoesNotCome(t *testing.T) {
	b := newBank(t)
	for code, broken := range map[string]error{"request_timeout": os.ErrDeadlineExceeded, "invalid_request": io.ErrUnexpectedEOF} {
		for _, path := range []string{"/v1/payments", "/callbacks/cfront/some"} {
			request := httptest.NewRequest(http.MethodPost, path, brokenBody{broken})
			request.Header = http.Header{"Content-Type": {"application/json"}, "Authorization": {"Bearer " + secretAgent}}
			recorder := httptest.NewRecorder()
			b.server.Handler().ServeHTTP(recorder, request)
			a := answer{recorder.Result(), recorder.Body.Bytes()}
			b.check(request, a)
			if p := a.problem(t); p.Code != code || b.rows() != 0 {
				t.Errorf("%s, %v: %s", path, broken, a.body)
			}
		}
	}
}
