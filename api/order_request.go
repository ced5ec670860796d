package api

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"tolem/domain"
	"tolem/partners/cfront"
)

// Limits of an order's fields (cfront.md 4.3), in characters, entries or units.
const (
	maxInvoiceNumber = 64
	maxPoint         = 50
	maxProductName   = 500
	maxProducts      = 200
	maxPrograms      = 20
	maxCount         = 1_000_000
)

// phoneNumber is the international form: "+" and 9 to 15 digits.
var phoneNumber = regexp.MustCompile(`^\+[1-9][0-9]{8,14}$`)

const phoneRule = "must be a phone number such as +77010000017: + and 9 to 15 digits"

// orderTerms are what an order says of the purchase, as it is shown again.
type orderTerms struct {
	Invoice        invoiceView   `json:"invoice"`
	CreditProducts []productView `json:"credit_products"`
	Products       []goodsView   `json:"products"`
}

// invoiceView is the store's bill.
type invoiceView struct {
	Number  string `json:"number"`
	Date    string `json:"date"`   // YYYY-MM-DD
	Source  string `json:"source"` // INTERNET or STORE
	PointID string `json:"point_id,omitempty"`
}

// productView is a credit product, by its name and term at the bank.
type productView struct {
	Name  string `json:"name"`
	Parts int    `json:"parts"`
}

// goodsView is one line of what is bought.
type goodsView struct {
	Name  string       `json:"name"`
	Count int          `json:"count"`
	Sum   domain.Money `json:"sum"` // the price of one
}

// orderRequest is the body of POST /v1/orders.
type orderRequest struct {
	StoreOrderID domain.StoreOrderID `json:"store_order_id"`
	ClientPhone  string              `json:"client_phone"`
	TotalSum     domain.Money        `json:"total_sum"`
	orderTerms
	ValidateClient bool          `json:"validate_client"`
	AutoConfirm    bool          `json:"auto_confirm"`
	SellerPhone    string        `json:"seller_phone"`
	NDS            *domain.Money `json:"nds"`
	ExtInitialSum  *domain.Money `json:"ext_initial_sum"`
}

// digest is what a repeated order is known by.
func (r orderRequest) digest() string { return digestOf("instalment_order/1", r) }

// decodeOrder reads the body of POST /v1/orders, whose dates are in now's time zone.
// Everything that is wrong is reported at once.
func decodeOrder(body []byte, now time.Time) (r orderRequest, wrong fieldErrors) {
	var invoice, programs, products json.RawMessage
	keep := func(into *json.RawMessage) reader {
		return func(raw json.RawMessage) *complaint { *into = raw; return nil }
	}
	wrong = decodeObject(body, map[string]reader{
		"store_order_id":  func(raw json.RawMessage) *complaint { return storeNumber(raw, (*string)(&r.StoreOrderID)) },
		"client_phone":    func(raw json.RawMessage) *complaint { return phoneText(raw, &r.ClientPhone) },
		"total_sum":       func(raw json.RawMessage) *complaint { return money(cfront.MaxSum, raw, &r.TotalSum) },
		"invoice":         keep(&invoice),
		"credit_products": keep(&programs),
		"products":        keep(&products),
		"validate_client": func(raw json.RawMessage) *complaint { return yesOrNo(raw, &r.ValidateClient) },
		"auto_confirm":    func(raw json.RawMessage) *complaint { return yesOrNo(raw, &r.AutoConfirm) },
		"seller_phone":    func(raw json.RawMessage) *complaint { return phoneText(raw, &r.SellerPhone) },
		"nds":             func(raw json.RawMessage) *complaint { return amountUpTo(cfront.MaxSum, raw, &r.NDS) },
		"ext_initial_sum": func(raw json.RawMessage) *complaint { return amountUpTo(cfront.MaxSum, raw, &r.ExtInitialSum) },
	})
	if wrong.unreadable() {
		return r, wrong
	}
	for field, given := range map[string]bool{
		"store_order_id": r.StoreOrderID != "", "client_phone": r.ClientPhone != "", "total_sum": r.TotalSum != 0,
		"invoice": invoice != nil, "credit_products": programs != nil, "products": products != nil,
	} {
		wrong.require(field, given, "is required")
	}
	if invoice != nil {
		r.Invoice = decodeInvoice(invoice, now, &wrong)
	}
	if programs != nil {
		r.CreditProducts = decodeList(programs, listOf[productView]{"credit_products", maxPrograms, readProduct}, &wrong)
	}
	if products != nil {
		r.Products = decodeList(products, listOf[goodsView]{"products", maxProducts, readGoods}, &wrong)
	}
	return r, wrong
}

func decodeInvoice(raw json.RawMessage, now time.Time, wrong *fieldErrors) (v invoiceView) {
	inner := decodeObject(raw, map[string]reader{
		"number":   func(raw json.RawMessage) *complaint { return text(raw, maxInvoiceNumber, &v.Number) },
		"date":     func(raw json.RawMessage) *complaint { return date(raw, now, &v.Date) },
		"source":   func(raw json.RawMessage) *complaint { return source(raw, &v.Source) },
		"point_id": func(raw json.RawMessage) *complaint { return text(raw, maxPoint, &v.PointID) },
	})
	if !inner.unreadable() {
		for field, given := range map[string]bool{"number": v.Number != "", "date": v.Date != "", "source": v.Source != ""} {
			inner.require(field, given, "is required")
		}
	}
	wrong.within("invoice", inner)
	return v
}

// within adds what is wrong with an object inside the body.
func (f *fieldErrors) within(prefix string, inner fieldErrors) {
	for _, e := range inner {
		f.add(strings.TrimSuffix(prefix+"."+e.Field, "."), e.Code, e.Message)
	}
}

// listOf is how a list of objects is read.
type listOf[T any] struct {
	field string
	most  int
	read  func(T, *T) (map[string]reader, map[string]func() bool)
}

// decodeList reads a list of 1 to most objects.
func decodeList[T any](raw json.RawMessage, l listOf[T], wrong *fieldErrors) []T {
	var items []json.RawMessage
	if err := json.Unmarshal(raw, &items); err != nil || string(raw) == "null" {
		wrong.add(l.field, ruleType, "must be a list")
		return nil
	}
	if len(items) < 1 || len(items) > l.most {
		wrong.add(l.field, ruleRange, fmt.Sprintf("must have 1 to %d entries", l.most))
		return nil
	}
	list := make([]T, len(items))
	for i := range items {
		fields, required := l.read(list[i], &list[i])
		inner := decodeObject(items[i], fields)
		if !inner.unreadable() {
			for field, given := range required {
				inner.require(field, given(), "is required")
			}
		}
		wrong.within(l.field+"["+strconv.Itoa(i)+"]", inner)
	}
	return list
}

func readProduct(_ productView, v *productView) (map[string]reader, map[string]func() bool) {
	return map[string]reader{
		"name":  func(raw json.RawMessage) *complaint { return text(raw, maxProductName, &v.Name) },
		"parts": func(raw json.RawMessage) *complaint { return whole1(raw, 1000, &v.Parts) },
	}, map[string]func() bool{"name": func() bool { return v.Name != "" }, "parts": func() bool { return v.Parts != 0 }}
}

func readGoods(_ goodsView, v *goodsView) (map[string]reader, map[string]func() bool) {
	return map[string]reader{
			"name":  func(raw json.RawMessage) *complaint { return text(raw, maxProductName, &v.Name) },
			"count": func(raw json.RawMessage) *complaint { return whole1(raw, maxCount, &v.Count) },
			"sum":   func(raw json.RawMessage) *complaint { return money(cfront.MaxSum, raw, &v.Sum) },
		}, map[string]func() bool{
			"name": func() bool { return v.Name != "" }, "count": func() bool { return v.Count != 0 }, "sum": func() bool { return v.Sum != 0 },
		}
}

// checkAgreement adds what the agreement with the bank forbids.
func (r orderRequest) checkAgreement(a cfront.Agreement, wrong *fieldErrors) {
	for i, p := range r.CreditProducts {
		field := fmt.Sprintf("credit_products[%d]", i)
		if !wrong.has(field+".name") && !wrong.has(field+".parts") && !wrong.has(field) && !a.Offers(cfront.CreditProduct(p)) {
			wrong.add(field, ruleNotOffered, "is no credit product that the bank agreed to: its name and parts must be just as the bank wrote them")
		}
	}
	switch point := r.Invoice.PointID; {
	case point == "" && a.PointRequired && !wrong.has("invoice"):
		wrong.require("invoice.point_id", false, "is required: the bank keeps a register of points of sale")
	case point != "" && !a.TakesPoint(point):
		wrong.add("invoice.point_id", ruleNotOffered, "is not among the points of sale that the bank registered")
	}
	if !wrong.has("total_sum") && (a.MinTotal != nil && r.TotalSum < *a.MinTotal || a.MaxTotal != nil && r.TotalSum > *a.MaxTotal) {
		wrong.add("total_sum", ruleRange, "is outside what the bank agreed to")
	}
}

// create is what the bank is asked, in full.
func (r orderRequest) create(callback string) cfront.CreateRequest {
	request := cfront.CreateRequest{
		StoreOrderID: r.StoreOrderID.String(), ClientPhone: r.ClientPhone, TotalSum: r.TotalSum,
		InvoiceNumber: r.Invoice.Number, InvoiceDate: r.Invoice.Date, InvoiceSource: r.Invoice.Source, PointID: r.Invoice.PointID,
		ResultCallback: callback, SellerPhone: r.SellerPhone, NDS: r.NDS, ExtInitialSum: r.ExtInitialSum,
	}
	for _, p := range r.CreditProducts {
		request.Programs = append(request.Programs, cfront.Program{Type: p.Name, PartsCounts: []int{p.Parts}})
	}
	for _, p := range r.Products {
		request.Products = append(request.Products, cfront.Product{Name: p.Name, Count: p.Count, Sum: p.Sum})
	}
	return request
}

// storeNumber reads a number of the store's own: 1 to 64 printable characters.
func storeNumber(raw json.RawMessage, into *string) *complaint {
	if c := text(raw, 64, into); c != nil {
		return c
	}
	if _, err := domain.ParseStoreOrderID(*into); err != nil {
		return &complaint{ruleFormat, "must be 1 to 64 printable characters without spaces at the ends"}
	}
	if !domain.SafeInPath(*into) {
		return &complaint{ruleFormat, "must not be or contain the path segments . and .."}
	}
	return nil
}

// phoneText reads an international phone number.
func phoneText(raw json.RawMessage, into *string) *complaint {
	var phone string
	if c := text(raw, 32, &phone); c != nil || !phoneNumber.MatchString(phone) {
		return &complaint{ruleFormat, phoneRule}
	}
	*into = phone
	return nil
}

// money reads an amount that must be given, as amountUpTo does.
func money(most domain.Money, raw json.RawMessage, into *domain.Money) *complaint {
	given := into
	c := amountUpTo(most, raw, &given)
	if c == nil {
		*into = *given
	}
	return c
}

// whole1 reads an integer from 1.
func whole1(raw json.RawMessage, most int, into *int) *complaint {
	n, err := strconv.Atoi(string(raw))
	if err != nil {
		return &complaint{ruleType, "must be an integer"}
	}
	if n < 1 || n > most {
		return &complaint{ruleRange, fmt.Sprintf("must be from 1 to %d", most)}
	}
	*into = n
	return nil
}

// date reads a day such as 2026-02-17, in now's time zone.
func date(raw json.RawMessage, now time.Time, into *string) *complaint {
	var day string
	if c := text(raw, 10, &day); c != nil {
		return c
	}
	if _, err := time.Parse(time.DateOnly, day); err != nil {
		return &complaint{ruleFormat, "must be a day such as 2026-02-17"}
	}
	if !domain.AcceptableDay(day, now) {
		return &complaint{ruleRange, "must be " + domain.DateRule}
	}
	*into = day
	return nil
}

// source reads where the purchase is made.
func source(raw json.RawMessage, into *string) *complaint {
	var word string
	if c := text(raw, 32, &word); c != nil {
		return c
	}
	if word != "INTERNET" && word != "STORE" {
		return &complaint{ruleFormat, "must be INTERNET or STORE"}
	}
	*into = word
	return nil
}
