package cfront

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tolem/domain"
)

// The golden files are made from the field tables of cfront.md 4, in their order: the
// document gives no examples of its own.

// golden reads one of them.
func golden(t testing.TB, path ...string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(append([]string{"testdata"}, path...)...))
	require.NoError(t, err)
	return bytes.TrimSuffix(b, []byte("\n"))
}

func money(m domain.Money) *domain.Money { return &m }

// everything is an application with every field of the table.
func everything() CreateRequest {
	r := application()
	r.StoreOrderID, r.TotalSum = "17/2", 1234_50
	r.InvoiceSource, r.PointID = "INTERNET", "A-1"
	r.Programs = []Program{{Type: "Рассрочка 3", PartsCounts: []int{3, 6}}, {PartsCounts: []int{12}}}
	r.Products = []Product{{Name: "Чайник", Count: 2, Sum: 500_00}, {Name: "Кружка", Count: 469, Sum: 50}}
	r.ResultCallback = "https://store.example/callbacks/cfront/token?a=1&b=2"
	r.SellerPhone, r.NDS, r.ExtInitialSum = "+77010000099", money(0), money(100_05)
	r.Merchant = &MerchantInfo{StoreName: "Магазин", EDRPOUCode: "00000001", IBANAccount: "UA000000000000000000000000000"}
	return r
}

// Bodies that are stored and sent again are pinned byte for byte: two decimals, text in
// Unicode, optional fields there or absent, never null.
func TestStoredBodies(t *testing.T) {
	asText := Dialect{MoneyAsText: true}
	bare := application()
	bare.Merchant = &MerchantInfo{} // says nothing, and is not sent
	toCard := ReturnRequest{OrderID: "9f0c", Sum: 100_50, StoreReturnID: "r1", ToCard: true}
	inCash := ReturnRequest{OrderID: "9f0c", Sum: 1, StoreReturnID: "r1", NDS: money(0)}
	for name, build := range map[string]func() ([]byte, error){
		"create":           func() ([]byte, error) { return bare.Body(Dialect{}) },
		"create-full":      func() ([]byte, error) { return everything().Body(Dialect{}) },
		"create-full-text": func() ([]byte, error) { return everything().Body(asText) },
		"order":            func() ([]byte, error) { return OrderBody("9f0c") },
		"return":           func() ([]byte, error) { return toCard.Body(Dialect{}) },
		"return-full-text": func() ([]byte, error) { return inCash.Body(asText) },
	} {
		body, err := build()
		require.NoError(t, err, name)
		require.Equal(t, string(golden(t, "requests", name+".json")), string(body), name)
	}
}

// exchange is one operation: what is sent, and where to.
type exchange struct {
	path   string
	golden string // of the request's bytes
	answer string
	call   func(*Client, context.Context) (Meta, error)
}

// exchanges are all operations, as they go right.
func exchanges(t testing.TB) map[string]exchange {
	order, back := golden(t, "requests", "order.json"), golden(t, "requests", "return.json")
	state := string(golden(t, "responses", "state.json"))
	ask := LetterRequest{OrderID: "9f0c"}
	withInvoice := LetterRequest{OrderID: "9f0c", InvoiceNumber: "5", InvoiceDate: "2026-02-17"}
	return map[string]exchange{
		opValidate: {"/api/client/validate", "validate", string(golden(t, "responses", "validate.json")), func(c *Client, ctx context.Context) (Meta, error) {
			got, err := c.Validate(ctx, "+77010000011")
			return got.Meta, err
		}},
		opCreate: {"/api/order/create", "create", `{"order_id":"9f0c"}`, func(c *Client, ctx context.Context) (Meta, error) {
			got, err := c.Create(ctx, golden(t, "requests", "create.json"))
			return got.Meta, err
		}},
		opState: {"/api/order/state", "order", state, func(c *Client, ctx context.Context) (Meta, error) {
			got, err := c.State(ctx, "9f0c")
			return got.Meta, err
		}},
		opConfirm: {"/api/order/confirm", "order", state, func(c *Client, ctx context.Context) (Meta, error) {
			got, err := c.Confirm(ctx, order)
			return got.Meta, err
		}},
		opReject: {"/api/order/reject", "order", state, func(c *Client, ctx context.Context) (Meta, error) {
			got, err := c.Reject(ctx, order)
			return got.Meta, err
		}},
		opCheckPaid: {"/api/order/check/paid", "order", string(golden(t, "responses", "paid.json")), func(c *Client, ctx context.Context) (Meta, error) {
			got, err := c.CheckPaid(ctx, "9f0c")
			return got.Meta, err
		}},
		opLetterData: {"/api/order/data/for/guarantee/letter", "letter", string(golden(t, "responses", "letter-v2.json")), func(c *Client, ctx context.Context) (Meta, error) {
			got, err := c.LetterData(ctx, ask)
			return got.Meta, err
		}},
		opLetterPDF: {"/api/order/guarantee/letter", "letter-invoice", "%PDF-1.4\n", func(c *Client, ctx context.Context) (Meta, error) {
			_, err := c.LetterPDF(ctx, withInvoice)
			return Meta{}, err
		}},
		opReturn: {"/api/order/return", "return", `{"status":"OK"}`, func(c *Client, ctx context.Context) (Meta, error) {
			got, err := c.Return(ctx, back)
			return got.Meta, err
		}},
		opOrderData: {"/api/order/data", "order", string(golden(t, "responses", "order-data.json")), func(c *Client, ctx context.Context) (Meta, error) {
			got, err := c.OrderData(ctx, "9f0c", "17")
			return got.Meta, err
		}},
		opReport: {"/api/store/report", "report", string(golden(t, "responses", "report.json")), func(c *Client, ctx context.Context) (Meta, error) {
			got, err := c.StoreReport(ctx, "2026-02-17")
			return got.Meta, err
		}},
	}
}

// Every operation on the wire: "every operation is POST", the path, the store, the
// signature of exactly the bytes, JSON or PDF, and the bank's name of the call.
func TestOperationsOnTheWire(t *testing.T) {
	require.Len(t, exchanges(t), len(operations))
	for operation, x := range exchanges(t) {
		d := &desk{status: 200, body: x.answer, header: map[string]string{"Trace-Id": "t-1"}}
		meta, err := x.call(d.client(t, Dialect{}), t.Context())
		require.NoError(t, err, operation)
		if operation != opLetterPDF { // bytes alone
			require.Equal(t, Meta{HTTPStatus: 200, TraceID: "t-1"}, meta, operation)
		}
		require.Equal(t, "POST", d.method)
		require.Equal(t, x.path, d.path)
		require.Equal(t, string(golden(t, "requests", x.golden+".json")), string(d.sent), operation)
		accept := "application/json"
		if operation == opLetterPDF {
			accept = "application/pdf"
		}
		for name, want := range map[string]string{
			"store-id": "store-1", "signature": signature(d.sent), "Content-Type": "application/json", "Accept": accept,
			"Idempotency-Key": "", "X-Idempotency-Key": "", "Accept-Encoding": "",
		} {
			require.Equal(t, want, d.got.Get(name), "%s %s", operation, name)
		}
	}
}

// What differs between banks of the family (cfront.md 11).
func TestDialects(t *testing.T) {
	for name, c := range map[string]struct {
		dialect   Dialect
		operation string
		path      string
		header    map[string]string // "*" is the signature
	}{
		"v2 client": {Dialect{ValidateV2: true}, opValidate, "/api/v2/client/validate", map[string]string{"store-id": "store-1", "signature": "*"}},
		"v2 letter": {Dialect{LetterV2: true}, opLetterData, "/api/v2/order/data/for/guarantee/letter", nil},
		"v1 letter": {Dialect{ValidateV2: true}, opLetterData, "/api/order/data/for/guarantee/letter", nil},
		"one PDF":   {Dialect{LetterV2: true}, opLetterPDF, "/api/order/guarantee/letter", nil},
		"v1 client": {Dialect{LetterV2: true}, opValidate, "/api/client/validate", nil},
		"prefix":    {Dialect{PathPrefix: "/pay/api/"}, opState, "/pay/api/order/state", nil},
		"no prefix": {Dialect{PathPrefix: "/"}, opState, "/order/state", nil},
		"own path":  {Dialect{PathPrefix: "/pay", Paths: map[string]string{opState: "/status"}}, opState, "/status", nil},
		"other":     {Dialect{PathPrefix: "/pay", Paths: map[string]string{opState: "/status"}}, opReject, "/pay/order/reject", nil},
		"headers":   {Dialect{StoreIDHeader: "X-Store", SignatureHeader: "X-Sign"}, opState, "/api/order/state", map[string]string{"X-Store": "store-1", "X-Sign": "*", "store-id": "", "signature": ""}},
		"unsigned":  {Dialect{Unsigned: true}, opState, "/api/order/state", map[string]string{"store-id": "store-1", "signature": ""}},
	} {
		t.Run(name, func(t *testing.T) {
			x := exchanges(t)[c.operation]
			d := &desk{status: 200, body: x.answer}
			_, err := x.call(d.client(t, c.dialect), t.Context())
			require.NoError(t, err)
			require.Equal(t, c.path, d.path)
			for name, want := range c.header {
				require.Equal(t, strings.ReplaceAll(want, "*", signature(d.sent)), d.got.Get(name), name)
			}
		})
	}
}

// Answers as the tables tell them, nulls and numbers in texts included.
func TestAnswersOfTheTables(t *testing.T) {
	letter, o := decodeLetter(golden(t, "responses", "letter-v2.json"))
	require.True(t, o.OK())
	number, date := letter.Contract()
	require.Equal(t, []string{"КД-1", "17.02.2026"}, []string{number, date}, "the client's contract, not the store's")
	require.Equal(t, string(golden(t, "responses", "letter-v2.json")), string(letter.Raw))
	require.Equal(t, Letter{
		RequestID: "r-1", StoreContractNumber: "Б-1", StoreContractDate: "2020-01-15",
		InvoiceNumber: "5", InvoiceDate: "2026-02-17", InvoiceAmount: "500.00", CreditAmount: "500.00", CustomerPays: "100", CreditProduct: "Рассрочка 3",
		Requisites: Requisites{ID: "1", Name: "Магазин", MFO: "000001", BankName: "Банк", Account: "KZ000000000000000001"},
		Raw:        letter.Raw, contractNumber: number, contractDate: date,
	}, letter)

	data, o := decodeOrderData(golden(t, "responses", "order-data.json"))
	require.True(t, o.OK())
	require.Equal(t, OrderData{
		StoreOrderID: "17", TotalSum: 500_00, Source: "CHECKOUT", InvoiceNumber: "5", InvoiceDate: "2026-02-17", MaskedCard: "4441********0001",
		Reverses: []Reverse{{Sum: 100_50, At: "2026-02-18T12:00:00"}, {Sum: 50}},
	}, data)
	require.Equal(t, domain.Money(101_00), data.Reversed())

	report, o := decodeReport(golden(t, "responses", "report.json"))
	require.True(t, o.OK())
	require.Equal(t, []ReportedOrder{{
		OrderID: "9f0c", InvoiceNumber: "5", OrderDate: "2026-02-17", PayParts: "3", CommissionPercent: "2.5",
		TotalSum: 500_00, TransferredSum: 487_50, Commission: 12_50, ContractNumber: "КД-1",
	}}, report.Orders)

	found, o := decodeClient(golden(t, "responses", "validate.json"))
	require.True(t, o.OK())
	require.Equal(t, ClientFound{Found: true, FirstName: "Айгуль", LastName: "Примерова", INN: "900101400011"}, found)

	paid, o := decodePaid(golden(t, "responses", "paid.json"))
	require.True(t, o.OK())
	require.Equal(t, Paid{CanReturnToCard: true}, paid)

	standing, err := DecodeStanding(golden(t, "responses", "state.json"))
	require.NoError(t, err)
	require.Equal(t, Standing{OrderID: "9f0c", State: "IN_PROCESS", SubState: "WAITING_FOR_STORE_CONFIRM"}, standing)
}
