package api_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"tolem/api"
	"tolem/domain"
	"tolem/storage"
)

const invoiceText = `{"number":"17","date":"2026-02-17","source":"STORE","point_id":"A-1"}`

const instalmentOrder = `{"store_order_id":"17/1","client_phone":"` + clientPhone + `","total_sum":90000.00,` +
	`"invoice":` + invoiceText + `,"credit_products":[{"name":"Рассрочка 3","parts":3}],` +
	`"products":[{"name":"Телефон","count":2,"sum":45000.00}]}`

func (b *bank) sell(body string) answer {
	b.t.Helper()
	return b.send(call{method: http.MethodPost, path: "/v1/orders", body: body, token: secretStore})
}

func (b *bank) soldOrder() storage.InstalmentOrder {
	b.t.Helper()
	o, err := b.ledger.InstalmentOrder(b.t.Context(), "17/1")
	must(b.t, err)
	return o
}

// The same order again is the same order; another one under its number is refused.
func TestOrdersAreKnownByTheStoresNumber(t *testing.T) {
	b := newBank(t)
	b.status(b.sell(instalmentOrder), http.StatusAccepted)
	before := b.soldOrder()
	again := b.status(b.sell(strings.Replace(instalmentOrder, "90000.00", "90000", 1)), http.StatusAccepted)
	if again.Header.Get("Idempotent-Replay") != "true" {
		t.Errorf("no replay: %v", again.Header)
	}
	taken := b.status(b.sell(strings.Replace(instalmentOrder, `"number":"17"`, `"number":"18"`, 1)), http.StatusConflict)
	if code := taken.problem(t).Code; code != "store_order_id_taken" {
		t.Error(code)
	}
	if after := b.soldOrder(); after.RequestSHA256 != before.RequestSHA256 || string(after.CreateBody) != string(before.CreateBody) {
		t.Error("the first order changed")
	}
	if leak := b.temporal.leaked(t); leak != "" {
		t.Errorf("Temporal holds %s", leak)
	}
}

// Whatever is wrong is refused by name, and nothing is stored.
func TestOrdersThatBreakARule(t *testing.T) {
	b := newBank(t)
	for field, change := range map[string][2]string{
		"store_order_id":     {`"17/1"`, `" 17"`},
		"store_order_id ":    {`"17/1"`, `".."`},
		"store_order_id  ":   {`"17/1"`, `"."`},
		"store_order_id   ":  {`"17/1"`, `"16/../17/1"`},
		"client_phone":       {clientPhone, "87010009911"},
		"total_sum":          {`90000.00`, `90000.001`},
		"total_sum ":         {`90000.00`, `0.99`}, // the bank takes 1.00 and more
		"invoice.date":       {"2026-02-17", "2026-02-30"},
		"invoice.source":     {"STORE", "STREET"},
		"invoice.point_id":   {"A-1", "Z-9"},
		"credit_products[0]": {`"parts":3`, `"parts":4`},
		"products[0].count":  {`"count":2`, `"count":0`},
		"products[0].sum":    {`45000.00`, `-1`},
		"products[0].color":  {`"count":2`, `"count":2,"color":"red"`},
		"auto_confirm":       {`"client_phone"`, `"auto_confirm":"yes","client_phone"`},
		"credit_products":    {`[{"name":"Рассрочка 3","parts":3}]`, `[]`},
		"invoice":            {invoiceText, `"17"`},
		"invoice ":           {`"invoice":` + invoiceText + `,`, ``},
		"products":           {`"products":[`, `"products":["",`},
	} {
		a := b.status(b.sell(strings.Replace(instalmentOrder, change[0], change[1], 1)), http.StatusBadRequest)
		field = strings.TrimSpace(field)
		if p := a.problem(t); len(p.Errors) != 1 || !strings.HasPrefix(p.Errors[0].Field, field) {
			t.Errorf("%s alone is not named: %+v", field, p.Errors)
		}
	}
	if _, err := b.ledger.InstalmentOrder(t.Context(), "17/1"); err == nil {
		t.Error("something was stored")
	}
}

func bankSignature(body string) string {
	mac := hmac.New(sha256.New, []byte(bankSecret))
	_, _ = mac.Write([]byte(body))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// News is durable before it is answered 200, kept once, and nothing that is not the
// bank's gets in.
func TestCallbacks(t *testing.T) {
	b := newBank(t)
	b.status(b.sell(instalmentOrder), http.StatusAccepted)
	path := "/callbacks/cfront/" + b.soldOrder().CallbackToken
	const news = `{"order_id":"9f0c","state":"IN_PROCESS","order_sub_state":"WAITING_FOR_STORE_CONFIRM","message":null}`
	unseen := func() int {
		ids, err := b.ledger.UnseenCallbacks(t.Context(), time.Now().Add(time.Hour), "", 10)
		must(t, err)
		return len(ids)
	}
	post := func(path, body, signature string) answer {
		return b.send(call{method: http.MethodPost, path: path, body: body, header: map[string]string{"signature": signature}})
	}
	large := `{"state":"` + strings.Repeat("x", 1<<20) + `"}`
	for name, c := range map[string]struct {
		path, body, signature string
		want                  int
	}{
		"no signature":        {path, news, "", 401},
		"of other bytes":      {path, news, bankSignature(news + " "), 401},
		"in lower case":       {path, news, strings.ToLower(bankSignature(news)), 401},
		"unknown address":     {"/callbacks/cfront/guessed", news, bankSignature(news), 404},
		"unsigned, and so on": {"/callbacks/cfront/guessed", news, "", 401},
		"no state":            {path, `{}`, bankSignature(`{}`), 400},
		"too large":           {path, large, bankSignature(large), 413},
	} {
		if a := post(c.path, c.body, c.signature); a.StatusCode != c.want {
			t.Errorf("%s: %d, want %d: %s", name, a.StatusCode, c.want, a.body)
		}
	}
	if n := unseen(); n != 0 {
		t.Fatalf("%d of them were kept", n)
	}
	for range 2 {
		b.status(post(path, news, bankSignature(news)), http.StatusOK)
		if n := unseen(); n != 1 {
			t.Fatalf("%d are kept", n)
		}
	}
	if o := b.soldOrder(); o.State != domain.OrderAccepted || o.Bank.State != "" {
		t.Errorf("a callback moved the order to %s, %s", o.State, o.Bank)
	}
	must(t, b.ledger.Close())
	if a := post(path, news, bankSignature(news)); a.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("%d without a ledger", a.StatusCode)
	}
}

// The first decision is the decision; the same one again is the same answer.
func TestDecisionsOverTheAPI(t *testing.T) {
	b := newBank(t)
	b.status(b.sell(instalmentOrder), http.StatusAccepted)
	decide := func(decision string) answer {
		return b.send(call{method: http.MethodPost, path: "/v1/orders/17%2F1/" + decision, token: secretStore})
	}
	if p := b.status(decide("confirm"), http.StatusConflict).problem(t); p.Code != "not_deciding" {
		t.Error("nothing to confirm yet: ", p.Code)
	}
	for range 2 { // nothing was sent: it has ended
		b.status(decide("reject"), http.StatusOK)
	}
	if o := b.soldOrder(); o.FailReason != domain.FailRejectedByStore {
		t.Errorf("%s, %q", o.State, o.FailReason)
	}
	p := b.status(decide("confirm"), http.StatusConflict).problem(t)
	if p.Code != "already_decided" || !strings.Contains(p.Detail, "shop decided reject at") {
		t.Errorf("%+v", p)
	}
}

// Every language has the same words, and there is one for every state and every
// sub-state that ends an order.
func TestWords(t *testing.T) {
	files, err := filepath.Glob("words/*.json")
	must(t, err)
	if len(files) < 2 {
		t.Fatal(files)
	}
	var keys []string
	for _, file := range files {
		raw, err := os.ReadFile(file)
		must(t, err)
		var words map[string]string
		must(t, json.Unmarshal(raw, &words))
		var here []string
		for key, text := range words {
			here = append(here, key)
			if strings.TrimSpace(text) == "" {
				t.Errorf("%s: %s says nothing", file, key)
			}
		}
		slices.Sort(here)
		if keys == nil {
			keys = here
		}
		if !slices.Equal(keys, here) {
			t.Errorf("%s has\n%v\n%s has\n%v", files[0], keys, file, here)
		}
	}
	for _, state := range []domain.OrderState{
		domain.OrderAccepted, domain.OrderCreating, domain.OrderWaitingForClient, domain.OrderWaitingForStore, domain.OrderConfirming,
		domain.OrderRejecting, domain.OrderActive, domain.OrderPaidOut, domain.OrderFailed,
	} {
		if !slices.Contains(keys, string(state)) {
			t.Errorf("no words for %s", state)
		}
	}
	for _, end := range []string{ // cfront.md 5
		"CLIENT_NOT_FOUND", "EXCEEDED_SUM_LIMIT", "PAY_PARTS_ARE_NOT_ACCEPTABLE", "EXISTS_OTHER_OPEN_ORDER", "NOT_ENOUGH_MONEY_FOR_INIT_DEBIT",
		"REJECTED_BY_CLIENT", "CLIENT_PUSH_TIMEOUT", "REJECTED_BY_STORE", "FAIL",
		domain.FailClientNotFound, domain.FailRefusedByBank, domain.FailRejectedByStore, domain.FailResolved,
	} {
		if !slices.Contains(keys, "failed."+end) {
			t.Errorf("no words for %s", end)
		}
	}
}

// FuzzCreateOrder holds the decoder to this: it never panics; what it accepts is one
// JSON object, and its canonical form is accepted as the same order.
func FuzzCreateOrder(f *testing.F) {
	for _, seed := range []string{instalmentOrder, `{}`, `null`, `{"invoice":[]}`, `{"products":[{}],"credit_products":{}}`, `{"nds":1,"ext_initial_sum":"2.00"}`, "\xff"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		digest, problems := api.DecodeOrder(body)
		if problems > 0 {
			return
		}
		var fields map[string]json.RawMessage
		if err := json.Unmarshal(body, &fields); err != nil {
			t.Fatalf("accepted what is no object: %v", err)
		}
		if again, problems := api.DecodeOrder([]byte(marshal(t, fields))); problems > 0 || again != digest {
			t.Fatalf("digest %s became %s (%d problems)", digest, again, problems)
		}
	})
}
