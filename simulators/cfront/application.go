package cfront

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

var ibanForm = regexp.MustCompile(`^UA[0-9]{27}$`)

// application is the body of create (4.3).
type application struct {
	StoreOrderID string          `json:"store_order_id"`
	ClientPhone  string          `json:"client_phone"`
	TotalSum     json.RawMessage `json:"total_sum"`
	Invoice      struct {
		Number  string          `json:"number"`
		Date    string          `json:"date"`
		Source  string          `json:"source"`
		PointID json.RawMessage `json:"point_id"` // official samples send a bare number
	} `json:"invoice"`
	Programs []struct {
		Type  string `json:"type"`
		Parts []int  `json:"available_parts_count"`
	} `json:"available_programs"`
	Products []struct {
		Name  string          `json:"name"`
		Count int             `json:"count"`
		Sum   json.RawMessage `json:"sum"` // of one piece
	} `json:"products"`
	ResultCallback   *string `json:"result_callback"`
	AdditionalParams struct {
		SellerPhone   string          `json:"seller_phone"`
		VAT           json.RawMessage `json:"nds"`
		ExtInitialSum json.RawMessage `json:"ext_initial_sum"`
	} `json:"additional_params"`
	FinancialCompany struct {
		StoreName   string `json:"store_name"`
		EDRPOUCode  string `json:"edrpou_code"`
		IBANAccount string `json:"iban_account"`
	} `json:"financial_company_merchant_info"`
}

// create takes an application; a known store_order_id is answered with the order of old,
// whatever else the body says.
func (b *Bank) create(in application, r *record) reply {
	s := b.books.settings
	if in.StoreOrderID == "" || utf8.RuneCountInString(in.StoreOrderID) > 64 {
		return refuses(http.StatusBadRequest, "store_order_id must have 1 to 64 characters")
	}
	if before, there := b.books.orders[in.StoreOrderID]; there {
		if s.Profile == OldGeneration {
			return says(http.StatusConflict, map[string]string{"order_id": before.OrderID})
		}
		return says(http.StatusCreated, map[string]string{"order_id": before.OrderID})
	}
	if s.MayNotCreate {
		return b.mayNot()
	}
	o, problem := b.apply(in)
	if problem != "" {
		return refuses(http.StatusBadRequest, "%s", problem)
	}
	for id, phone := range b.books.open {
		if phone == o.Phone && b.current(b.books.orders[id]).open() {
			o.State = State{stateFail, "EXISTS_OTHER_OPEN_ORDER"}
		}
	}
	b.enter(r, o)
	return says(http.StatusCreated, map[string]string{"order_id": o.OrderID})
}

// apply reads an application; problem says which rule it breaks.
func (b *Bank) apply(in application) (o Order, problem string) {
	s := b.books.settings
	total, ok := parseMoney(in.TotalSum, s.StrictNumbers)
	if !ok || total < s.leastTotal() {
		return o, "total_sum must be at least " + s.leastTotal().String()
	}
	down, problem := in.extras(s)
	for _, find := range []func(Settings) string{in.client, in.invoice, in.programs, func(s Settings) string { return in.goods(s, total) }} {
		if problem == "" {
			problem = find(s)
		}
	}
	if problem != "" {
		return o, problem
	}
	n := len(b.books.sequence) + 1
	o = Order{
		OrderID: fmt.Sprintf("%08x-0000-4000-8000-%012x", n, n*7919), StoreOrderID: in.StoreOrderID, Phone: in.ClientPhone, Total: total,
		InvoiceNumber: in.Invoice.Number, InvoiceDate: in.Invoice.Date, Source: in.Invoice.Source, Point: in.point(), Parts: in.Programs[0].Parts[0],
		DownPayment: down, State: State{stateInProcess, subWaitingForClient}, CreatedAt: b.time(),
	}
	if in.ResultCallback != nil {
		o.Callback = *in.ResultCallback
	}
	return o, ""
}

// client checks whom the application is for, and where to call back.
func (in application) client(Settings) string {
	if !phoneForm.MatchString(in.ClientPhone) {
		return "client_phone is not a number"
	}
	if in.ResultCallback == nil {
		return ""
	}
	if u, err := url.Parse(*in.ResultCallback); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return "result_callback is not a URL"
	}
	return ""
}

func (in application) point() string { return strings.Trim(string(in.Invoice.PointID), `"`) }

func (in application) invoice(s Settings) string {
	_, err := time.Parse(time.DateOnly, in.Invoice.Date)
	switch {
	case in.Invoice.Number == "" || err != nil:
		return "invoice must have number and date"
	case in.Invoice.Source != "INTERNET" && in.Invoice.Source != "STORE":
		return "invoice.source must be INTERNET or STORE"
	case in.point() == "null" || len(in.Invoice.PointID) > 0 && in.point() == "" || utf8.RuneCountInString(in.point()) > 50:
		return "invoice.point_id must have 1 to 50 characters"
	case !s.takesPoint(in.point()):
		return "point of sale is not registered"
	}
	return ""
}

// programs checks what is asked for against what the bank offers: every term of every
// program.
func (in application) programs(s Settings) string {
	if len(in.Programs) == 0 || s.Profile == NewGeneration && len(in.Programs) != 1 {
		return "available_programs must name one program"
	}
	for _, p := range in.Programs {
		if len(p.Parts) == 0 || s.Profile == OldGeneration && p.Type == "" {
			return "available_programs must have type and available_parts_count"
		}
		for _, term := range p.Parts {
			if term < 1 || s.Profile == NewGeneration && (term < 3 || term > 25) {
				return "available_parts_count is out of range"
			}
			if !s.offers(Product{p.Type, term}) {
				return "no such credit product"
			}
		}
	}
	return ""
}

func (in application) goods(s Settings, total Hundredths) string {
	sum := Hundredths(0)
	for _, p := range in.Products {
		price, ok := parseMoney(p.Sum, s.StrictNumbers)
		if !ok || price < 1 || p.Count < 1 || p.Name == "" || utf8.RuneCountInString(p.Name) > 500 {
			return "products must have name, count and sum"
		}
		sum += price * Hundredths(p.Count)
	}
	if len(in.Products) == 0 || s.CheckTotal && sum != total {
		return "products must add up to total_sum"
	}
	return ""
}

// extras checks what may be left out, and returns the down payment.
func (in application) extras(s Settings) (down Hundredths, problem string) {
	digits := func(text string) bool { return strings.Trim(text, "0123456789") == "" }
	for _, money := range []json.RawMessage{in.AdditionalParams.VAT, in.AdditionalParams.ExtInitialSum} {
		if _, ok := parseMoney(money, s.StrictNumbers); !ok && len(money) > 0 {
			return 0, "additional_params must have sums"
		}
	}
	switch f := in.FinancialCompany; {
	case in.AdditionalParams.SellerPhone != "" && !phoneForm.MatchString(in.AdditionalParams.SellerPhone):
		return 0, "additional_params.seller_phone is not a number"
	case !digits(f.EDRPOUCode), f.IBANAccount != "" && !ibanForm.MatchString(f.IBANAccount):
		return 0, "financial_company_merchant_info has a wrong code or account"
	}
	down, _ = parseMoney(in.AdditionalParams.ExtInitialSum, s.StrictNumbers) // none is 0
	return down, ""
}

// mayNot is the answer to a store that may not create applications: 403 in the new
// generation, which alone has one.
func (b *Bank) mayNot() reply {
	if b.books.settings.Profile == NewGeneration {
		return refuses(http.StatusForbidden, "the store may not create applications")
	}
	return refuses(http.StatusBadRequest, "the store may not create applications")
}

// lowerCase says whether every field name in a JSON document is in lower case, as all names
// of the requests are: the bank does not know store_order_id by the name of Store_Order_ID.
func lowerCase(document any) bool {
	switch value := document.(type) {
	case map[string]any:
		for name, inner := range value {
			if name != strings.ToLower(name) || !lowerCase(inner) {
				return false
			}
		}
	case []any:
		return !slices.ContainsFunc(value, func(inner any) bool { return !lowerCase(inner) })
	}
	return true
}
