package cfront

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Every rule of the table of order/create (cfront.md 4.3), just inside and just outside.
// An error names the field, never its value.
func TestApplicationRules(t *testing.T) {
	long := func(n int) string { return strings.Repeat("я", n) } // characters, not bytes
	for _, c := range []struct {
		field string // "" is a request that is taken
		set   func(*CreateRequest)
	}{
		{"", func(*CreateRequest) {}},
		{"", func(r *CreateRequest) { r.StoreOrderID = long(64) }},
		{"store_order_id", func(r *CreateRequest) { r.StoreOrderID = long(65) }},
		{"store_order_id", func(r *CreateRequest) { r.StoreOrderID = "" }},
		{"store_order_id", func(r *CreateRequest) { r.StoreOrderID = "odd\xff" }},
		{"", func(r *CreateRequest) { r.ClientPhone = "+" + strings.Repeat("1", 9) }},
		{"", func(r *CreateRequest) { r.ClientPhone = "+" + strings.Repeat("1", 15) }},
		{"client_phone", func(r *CreateRequest) { r.ClientPhone = "+" + strings.Repeat("1", 8) }},
		{"client_phone", func(r *CreateRequest) { r.ClientPhone = "+" + strings.Repeat("1", 16) }},
		{"client_phone", func(r *CreateRequest) { r.ClientPhone = "77010000011" }},
		{"client_phone", func(r *CreateRequest) { r.ClientPhone = "+77010000011\n" }},
		{"client_phone", func(r *CreateRequest) { r.ClientPhone = "+7701000001١" }},
		{"", func(r *CreateRequest) { r.TotalSum = 100 }},
		{"total_sum", func(r *CreateRequest) { r.TotalSum = 99 }},
		{"invoice.number", func(r *CreateRequest) { r.InvoiceNumber = "" }},
		{"invoice.number", func(r *CreateRequest) { r.InvoiceNumber = "odd\xff" }},
		{"", func(r *CreateRequest) { r.InvoiceDate = "2028-02-29" }},
		{"invoice.date", func(r *CreateRequest) { r.InvoiceDate = "2026-02-29" }},
		{"invoice.date", func(r *CreateRequest) { r.InvoiceDate = "2026-2-17" }},
		{"invoice.date", func(r *CreateRequest) { r.InvoiceDate = "17.02.2026" }},
		{"invoice.date", func(r *CreateRequest) { r.InvoiceDate = "2026-02-17T00:00:00" }},
		{"invoice.date", func(r *CreateRequest) { r.InvoiceDate = "" }},
		{"invoice.source", func(r *CreateRequest) { r.InvoiceSource = "" }},
		{"invoice.source", func(r *CreateRequest) { r.InvoiceSource = "odd\xff" }},
		{"", func(r *CreateRequest) { r.PointID = long(50) }},
		{"invoice.point_id", func(r *CreateRequest) { r.PointID = long(51) }},
		{"invoice.point_id", func(r *CreateRequest) { r.PointID = "odd\xff" }},
		{"available_programs", func(r *CreateRequest) { r.Programs = nil }},
		{"available_programs", func(r *CreateRequest) { r.Programs[0].Type = "odd\xff" }},
		{"available_programs", func(r *CreateRequest) { r.Programs[0].PartsCounts = nil }},
		{"", func(r *CreateRequest) { r.Programs[0].PartsCounts = []int{1} }},
		{"available_programs.available_parts_count", func(r *CreateRequest) { r.Programs[0].PartsCounts = []int{3, 0} }},
		{"products", func(r *CreateRequest) { r.Products = nil }},
		{"", func(r *CreateRequest) { r.Products[0].Name = long(500) }},
		{"products.name", func(r *CreateRequest) { r.Products[0].Name = long(501) }},
		{"products.name", func(r *CreateRequest) { r.Products[0].Name = "" }},
		{"products.name", func(r *CreateRequest) { r.Products[0].Name = "odd\xff" }},
		{"products.count", func(r *CreateRequest) { r.Products[0].Count = 0 }},
		{"", func(r *CreateRequest) { r.Products[0].Sum = 1 }}, // "do not reject by default" what does not add up
		{"products.sum", func(r *CreateRequest) { r.Products[0].Sum = 0 }},
		{"result_callback", func(r *CreateRequest) { r.ResultCallback = "odd\xff" }},
		{"additional_params.seller_phone", func(r *CreateRequest) { r.SellerPhone = "+1" }},
		{"additional_params", func(r *CreateRequest) { r.NDS = money(-1) }},
		{"additional_params", func(r *CreateRequest) { r.ExtInitialSum = money(-1) }},
		{"financial_company_merchant_info", func(r *CreateRequest) { r.Merchant = &MerchantInfo{StoreName: "odd\xff"} }},
		{"financial_company_merchant_info", func(r *CreateRequest) { r.Merchant = &MerchantInfo{StoreName: "odd\xd0", EDRPOUCode: "\xbf"} }},
		{"financial_company_merchant_info", func(r *CreateRequest) { r.Merchant = &MerchantInfo{IBANAccount: "odd\xff"} }},
	} {
		r := application()
		c.set(&r)
		refuses(t, c.field, func() ([]byte, error) { return r.Body(Dialect{}) })
	}
}

// The rules of order/return (cfront.md 4.9) and of what names an order.
func TestOtherRequestRules(t *testing.T) {
	order := func(id string) func() ([]byte, error) { return func() ([]byte, error) { return OrderBody(id) } }
	refuses(t, "", order(strings.Repeat("я", 100)))
	refuses(t, "order_id", order(strings.Repeat("я", 101)))
	refuses(t, "order_id", order(""))
	refuses(t, "order_id", order("odd\xff"))

	for _, c := range []struct {
		field string
		r     ReturnRequest
	}{
		{"", ReturnRequest{OrderID: "9f0c", Sum: 1, StoreReturnID: strings.Repeat("я", 64)}},
		{"order_id", ReturnRequest{Sum: 1, StoreReturnID: "r1"}},
		{"sum", ReturnRequest{OrderID: "9f0c", StoreReturnID: "r1"}},
		{"store_return_id", ReturnRequest{OrderID: "9f0c", Sum: 1}},
		{"store_return_id", ReturnRequest{OrderID: "9f0c", Sum: 1, StoreReturnID: strings.Repeat("я", 65)}},
		{"additional_params.nds", ReturnRequest{OrderID: "9f0c", Sum: 1, StoreReturnID: "r1", NDS: money(-1)}},
	} {
		refuses(t, c.field, func() ([]byte, error) { return c.r.Body(Dialect{}) })
	}

	refuses(t, "order_id", LetterRequest{}.body)
	refuses(t, "invoice.number", LetterRequest{OrderID: "9f0c", InvoiceNumber: "odd\xff"}.body)
	refuses(t, "invoice.date", LetterRequest{OrderID: "9f0c", InvoiceDate: "17.02.2026"}.body)
	refuses(t, "", LetterRequest{OrderID: "9f0c", InvoiceDate: "2026-02-17"}.body)
}

// refuses wants an error that names the field and shows no value; none for "".
func refuses(t *testing.T, field string, build func() ([]byte, error)) {
	t.Helper()
	body, err := build()
	if field == "" {
		require.NoError(t, err)
		return
	}
	require.ErrorIs(t, err, ErrRequest)
	require.Regexp(t, `: `+strings.ReplaceAll(field, ".", `\.`)+` (must|is|has)`, err.Error())
	require.Nil(t, body)
	for _, value := range []string{"odd", "7701", "17.02", "яя", "Чайник"} {
		require.NotContains(t, err.Error(), value)
	}
}

// What is wrong is found before anything is sent.
func TestBadQuestionsAreNotSent(t *testing.T) {
	d := &desk{status: 200, body: `{}`}
	c := d.client(t, Dialect{})
	for field, ask := range map[string]func() error{
		"phone":    func() error { _, err := c.Validate(t.Context(), "77010000011"); return err },
		"date":     func() error { _, err := c.StoreReport(t.Context(), "2026-02-30"); return err },
		"order_id": func() error { _, err := c.State(t.Context(), ""); return err },
	} {
		refuses(t, field, func() ([]byte, error) { return nil, ask() })
	}
	for _, ask := range []func() error{
		func() error { _, err := c.CheckPaid(t.Context(), ""); return err },
		func() error { _, err := c.OrderData(t.Context(), "", ""); return err },
		func() error { _, err := c.LetterData(t.Context(), LetterRequest{}); return err },
		func() error { _, err := c.LetterPDF(t.Context(), LetterRequest{}); return err },
	} {
		require.ErrorIs(t, ask(), ErrRequest)
	}
	require.Zero(t, d.asked.Load())
}
