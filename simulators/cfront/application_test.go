package cfront_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tolem/simulators/cfront"
)

// A known store_order_id makes no second order, whatever else the body says (cfront.md 7).
func TestDuplicates(t *testing.T) {
	both(t, func(s *stand) {
		want := 201
		if s.old() {
			want = 409
		}
		first := s.creates("a", agrees, nil)
		for _, body := range []string{
			application("a", agrees, nil), application("a", thinks, map[string]string{"total_sum": "100.00"}), `{"store_order_id":"a"}`,
		} {
			again := s.call("order/create", body)
			require.Equal(t, want, again.status)
			require.Contains(t, first, again.field("order_id"))
			require.Nil(t, again.field("message"))
		}
		require.Equal(t, 201, s.call("order/create", application("b", "+77010000019", nil)).status)
		s.advances(time.Second)
		require.Equal(t, want, s.call("order/create", application("b", "+77010000019", nil)).status, "of an order that failed")
		require.Len(t, s.Orders(), 2)
		require.Equal(t, 1, s.Orders()[0].Creates)
		require.Equal(t, cfront.Hundredths(9_000_000), s.Orders()[0].Total)
	})
}

func TestOtherOpenOrder(t *testing.T) {
	s := start(t, nil)
	s.creates("a", thinks, nil)
	about := s.creates("b", thinks, nil)
	s.is("b", about, "FAIL/EXISTS_OTHER_OPEN_ORDER")
	s.advances(15 * time.Minute) // the first one is over
	about = s.creates("c", thinks, nil)
	s.is("c", about, "IN_PROCESS/WAITING_FOR_CLIENT")
}

// Every rule of an application, by generation: "" is taken, "old" and "new" only there.
func TestRulesOfCreate(t *testing.T) {
	programs := func(of string) map[string]string { return map[string]string{"available_programs": of} }
	invoice := func(of string) map[string]string { return map[string]string{"invoice": of} }
	cases := []struct {
		change map[string]string
		taken  string
	}{
		{nil, "both"},
		{map[string]string{"store_order_id": `"` + strings.Repeat("я", 64) + `"`}, "both"},
		{map[string]string{"store_order_id": `"` + strings.Repeat("я", 65) + `"`}, ""},
		{map[string]string{"store_order_id": `""`}, ""},
		{map[string]string{"store_order_id": `17`}, ""},
		{map[string]string{"client_phone": `"77010000011"`}, ""},
		{map[string]string{"client_phone": ``}, ""},
		{map[string]string{"client_phone": ``, "Client_Phone": `"+77010000011"`}, ""},
		{map[string]string{"total_sum": `1.00`}, "old"},
		{map[string]string{"total_sum": `0.99`}, ""},
		{map[string]string{"total_sum": `2`}, "both"},
		{map[string]string{"total_sum": `2.5`}, "both"},
		{map[string]string{"total_sum": `"2.50"`}, "both"},
		{map[string]string{"total_sum": `2.505`}, ""},
		{map[string]string{"total_sum": `2.`}, ""},
		{map[string]string{"total_sum": `2e3`}, ""},
		{map[string]string{"total_sum": `-2.00`}, ""},
		{map[string]string{"total_sum": `null`}, ""},
		{map[string]string{"total_sum": ``}, ""},
		{invoice(`{"number":"17","date":"2026-02-30","source":"STORE"}`), ""},
		{invoice(`{"number":"17","date":"17.02.2026","source":"STORE"}`), ""},
		{invoice(`{"number":"","date":"2026-02-17","source":"STORE"}`), ""},
		{invoice(`{"number":"17","date":"2026-02-17","source":"INTERNET"}`), "both"},
		{invoice(`{"number":"17","date":"2026-02-17","source":"SHOP"}`), ""},
		{invoice(`{"number":"17","date":"2026-02-17","source":"STORE","point_id":7}`), "both"},
		{invoice(`{"number":"17","date":"2026-02-17","source":"STORE","point_id":""}`), ""},
		{invoice(`{"number":"17","date":"2026-02-17","source":"STORE","point_id":null}`), ""},
		{invoice(`{"number":"17","date":"2026-02-17","source":"STORE","point_id":"` + strings.Repeat("7", 51) + `"}`), ""},
		{programs(`[]`), ""},
		{programs(`[{"type":"Рассрочка 3","available_parts_count":[]}]`), ""},
		{programs(`[{"type":"","available_parts_count":[3]}]`), "new"},
		{programs(`[{"available_parts_count":[3]}]`), "new"},
		{programs(`[{"type":"Рассрочка 3","available_parts_count":[2]}]`), "old"},
		{programs(`[{"type":"Рассрочка 3","available_parts_count":[26]}]`), "old"},
		{programs(`[{"type":"Рассрочка 3","available_parts_count":[0]}]`), ""},
		{programs(`[{"type":"a","available_parts_count":[3]},{"type":"b","available_parts_count":[4]}]`), "old"},
		{map[string]string{"products": `[]`}, ""},
		{map[string]string{"products": `[{"name":"","count":1,"sum":1.00}]`}, ""},
		{map[string]string{"products": `[{"name":"a","count":0,"sum":1.00}]`}, ""},
		{map[string]string{"products": `[{"name":"a","count":1,"sum":0.00}]`}, ""},
		{map[string]string{"products": `[{"name":"a","count":1,"sum":1.00}]`}, "both"}, // the bank does not add up
		{map[string]string{"result_callback": `"http://127.0.0.1:9/x"`}, "both"},
		{map[string]string{"result_callback": `"/x"`}, ""},
		{map[string]string{"result_callback": `"http:///x"`}, ""},
		{map[string]string{"result_callback": `""`}, ""},
		{map[string]string{"additional_params": `{"seller_phone":"+77010000099","nds":12.00,"ext_initial_sum":1000.00}`}, "both"},
		{map[string]string{"additional_params": `{"seller_phone":"99"}`}, ""},
		{map[string]string{"additional_params": `{"ext_initial_sum":"much"}`}, ""},
		{map[string]string{"financial_company_merchant_info": `{"store_name":"A","edrpou_code":"123","iban_account":"UA` + strings.Repeat("1", 27) + `"}`}, "both"},
		{map[string]string{"financial_company_merchant_info": `{"edrpou_code":"12a"}`}, ""},
		{map[string]string{"financial_company_merchant_info": `{"iban_account":"KZ1"}`}, ""},
		{map[string]string{"field_of_the_future": `{"a":[1]}`}, "both"},
	}
	both(t, func(s *stand) {
		for _, c := range cases {
			want := 400
			if c.taken == "both" || c.taken == string(s.Settings().Profile) {
				want = 201
			}
			body := application("a", agrees, c.change)
			fresh := start(s.t, nil)
			fresh.set(func(settings *cfront.Settings) { settings.Profile = s.Settings().Profile })
			a := fresh.call("order/create", body)
			require.Equal(s.t, want, a.status, "%s: %s", body, a.body)
			require.Equal(s.t, want == 201, len(fresh.Orders()) == 1, body)
		}
	})
	s := start(t, nil)
	require.Equal(t, 400, s.call("order/create", "{").status)
	require.Equal(t, 400, s.call("order/create", "[]").status)
}

func TestRegisters(t *testing.T) {
	both(t, func(s *stand) {
		s.set(func(c *cfront.Settings) {
			c.Points = []string{"7"}
			c.Products = []cfront.Product{{Name: "Рассрочка 3", Parts: 3}, {Name: "Рассрочка 6", Parts: 6}}
			c.MinTotal, c.StrictNumbers, c.CheckTotal = 50_000, true, true
		})
		at := func(point string) string {
			return `{"number":"17","date":"2026-02-17","source":"STORE","point_id":` + point + `}`
		}
		for _, c := range []struct {
			name   string
			change map[string]string
			taken  bool
		}{
			{"a", map[string]string{"invoice": at(`"7"`)}, true},
			{"b", map[string]string{"invoice": at(`7`)}, true},
			{"c", map[string]string{"invoice": at(`"8"`)}, false},
			{"d", nil, false}, // no point at all
			{"e", map[string]string{"invoice": at(`7`), "available_programs": `[{"type":"Рассрочка 3","available_parts_count":[6]}]`}, false},
			{"f", map[string]string{"invoice": at(`7`), "available_programs": `[{"type":"Рассрочка 3","available_parts_count":[3,6]}]`}, false},
			{"g", map[string]string{"invoice": at(`7`), "available_programs": `[{"type":"рассрочка 3","available_parts_count":[3]}]`}, false},
			{"h", map[string]string{"invoice": at(`7`), "available_programs": `[{"available_parts_count":[6]}]`}, !s.old()},
			{"i", map[string]string{"invoice": at(`7`), "available_programs": `[{"available_parts_count":[7]}]`}, false},
			{"j", map[string]string{"invoice": at(`7`), "total_sum": `499.99`, "products": `[{"name":"a","count":1,"sum":499.99}]`}, false},
			{"k", map[string]string{"invoice": at(`7`), "total_sum": `500.00`, "products": `[{"name":"a","count":1,"sum":500.00}]`}, true},
			{"l", map[string]string{"invoice": at(`7`), "total_sum": `500`, "products": `[{"name":"a","count":1,"sum":500.00}]`}, false},
			{"m", map[string]string{"invoice": at(`7`), "total_sum": `"500.00"`, "products": `[{"name":"a","count":1,"sum":500.00}]`}, false},
			{"n", map[string]string{"invoice": at(`7`), "total_sum": `500.01`, "products": `[{"name":"a","count":1,"sum":500.00}]`}, false},
		} {
			a := s.call("order/create", application(c.name, agrees, c.change))
			require.Equal(t, c.taken, a.status == 201, "%s: %s", c.name, a.body)
		}
	})
}

// Both ways of not knowing a client, who is invited each time (4.1, seed 1).
func TestValidate(t *testing.T) {
	both(t, func(s *stand) {
		for _, call := range []string{"client/validate", "v2/client/validate"} {
			a := s.call(call, `{"phone":"+77010000011"}`)
			require.Equal(t, true, a.field("found"))
			require.Equal(t, call == "client/validate", a.field("client") != nil)
			require.Equal(t, `{"found":false}`, s.call(call, `{"phone":"+77010000010"}`).body)
			require.Equal(t, 400, s.call(call, `{"phone":"10"}`).status)
			require.Equal(t, 400, s.call(call, `{}`).status)
		}
		require.Equal(t, 2, s.Invitations("+77010000010"))
		s.set(func(c *cfront.Settings) { c.ClientNotFound = 404 })
		a := s.call("client/validate", `{"phone":"+77010000010"}`)
		require.Equal(t, 404, a.status)
		require.NotEmpty(t, a.field("message"))
		require.Equal(t, 3, s.Invitations("+77010000010"))
		require.Zero(t, s.Invitations("+77010000011"))
	})
}

func TestRefusedStores(t *testing.T) {
	both(t, func(s *stand) {
		before := s.creates("a", thinks, nil)
		s.set(func(c *cfront.Settings) { c.MayNotCreate, c.ValidatesPerMinute = true, 2 })
		want := 403
		if s.old() {
			want = 400
		}
		require.Equal(t, want, s.call("order/create", application("b", agrees, nil)).status)
		require.Equal(t, want, s.call("client/validate", `{"phone":"+77010000011"}`).status)
		require.Equal(t, 200, s.call("order/state", before).status)
		s.set(func(c *cfront.Settings) { c.MayNotCreate = false })
		s.advances(time.Minute)
		for i := range 4 {
			want := 200
			if i >= 2 {
				want = 429
			}
			require.Equal(t, want, s.call("client/validate", `{"phone":"+77010000011"}`).status, "validate %d", i)
		}
		s.advances(time.Minute)
		require.Equal(t, 200, s.call("client/validate", `{"phone":"+77010000011"}`).status)
	})
}
