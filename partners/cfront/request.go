package cfront

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"unicode/utf8"

	"tolem/domain"
)

// ErrRequest is wrapped by every error of Body and OrderBody. Such errors name the field,
// never its value.
var ErrRequest = errors.New("cfront: not a request of the protocol")

// Limits of requests (cfront.md 4.3), in characters.
const (
	maxStoreOrderID = 64
	maxOrderID      = 100
	maxPointID      = 50
	maxProductName  = 500
)

// phoneForm is the international form, of 9 to 15 digits.
var phoneForm = regexp.MustCompile(`^\+[0-9]{9,15}$`)

// minTotal is the least total_sum, in hundredths ("min 1").
const minTotal = domain.Money(100)

// MaxSum is the largest sum of an order or a return. The document names none: it is as large
// as a sum is written elsewhere here, and the agreement's max_total says less.
const MaxSum = domain.Money(999_999_999_99)

// CreateRequest is an application for a credit (/api/order/create).
type CreateRequest struct {
	StoreOrderID   string // the store's own number, by which the bank knows repetitions
	ClientPhone    string
	TotalSum       domain.Money
	InvoiceNumber  string
	InvoiceDate    string // YYYY-MM-DD
	InvoiceSource  string // INTERNET or STORE
	PointID        string // point of sale; "" is not sent
	Programs       []Program
	Products       []Product
	ResultCallback string // where the bank tells news; "" is not sent
	SellerPhone    string
	NDS            *domain.Money
	ExtInitialSum  *domain.Money // paid at the till already, outside the credit
	Merchant       *MerchantInfo
}

// Program is a credit product by its name at the bank, and its terms.
type Program struct {
	Type        string
	PartsCounts []int
}

// Product is one line of what is bought.
type Product struct {
	Name  string
	Count int
	Sum   domain.Money // the price of one
}

// MerchantInfo names the shop behind a financial company.
type MerchantInfo struct {
	StoreName   string `json:"store_name,omitempty"`
	EDRPOUCode  string `json:"edrpou_code,omitempty"`
	IBANAccount string `json:"iban_account,omitempty"`
}

func (m MerchantInfo) readable() bool {
	return utf8.ValidString(m.StoreName) && utf8.ValidString(m.EDRPOUCode) && utf8.ValidString(m.IBANAccount)
}

// ReturnRequest takes goods back (/api/order/return).
type ReturnRequest struct {
	OrderID       string
	Sum           domain.Money
	StoreReturnID string // the store's own number, by which the bank knows repetitions
	ToCard        bool   // the bank returns the money; else the store did, in cash
	NDS           *domain.Money
}

// amount is written as the dialect wants: with both decimals, as number or text.
type amount struct {
	domain.Money
	asText bool
}

// MarshalJSON writes 500.00 or "500.00".
func (a amount) MarshalJSON() ([]byte, error) {
	if a.asText {
		return []byte(`"` + a.String() + `"`), nil
	}
	return []byte(a.String()), nil
}

type wireCreate struct {
	StoreOrderID string `json:"store_order_id"`
	ClientPhone  string `json:"client_phone"`
	TotalSum     amount `json:"total_sum"`
	Invoice      struct {
		Number  string `json:"number"`
		Date    string `json:"date"`
		Source  string `json:"source"`
		PointID string `json:"point_id,omitempty"`
	} `json:"invoice"`
	Programs         []wireProgram   `json:"available_programs"`
	Products         []wireProduct   `json:"products"`
	ResultCallback   string          `json:"result_callback,omitempty"`
	AdditionalParams *wireAdditional `json:"additional_params,omitempty"`
	Merchant         *MerchantInfo   `json:"financial_company_merchant_info,omitempty"`
}

type wireProgram struct {
	PartsCounts []int  `json:"available_parts_count"`
	Type        string `json:"type,omitempty"`
}

type wireProduct struct {
	Name  string `json:"name"`
	Count int    `json:"count"`
	Sum   amount `json:"sum"`
}

type wireAdditional struct {
	SellerPhone   string  `json:"seller_phone,omitempty"`
	NDS           *amount `json:"nds,omitempty"`
	ExtInitialSum *amount `json:"ext_initial_sum,omitempty"`
}

// Body is the application's exact bytes: the same request gives the same bytes, with the
// fields in the order of the document and amounts with two decimals.
func (r CreateRequest) Body(d Dialect) ([]byte, error) {
	if err := r.check(); err != nil {
		return nil, err
	}
	w := wireCreate{
		StoreOrderID: r.StoreOrderID, ClientPhone: r.ClientPhone, TotalSum: amount{r.TotalSum, d.MoneyAsText},
		ResultCallback: r.ResultCallback,
	}
	if r.Merchant != nil && *r.Merchant != (MerchantInfo{}) {
		w.Merchant = r.Merchant
	}
	w.Invoice.Number, w.Invoice.Date, w.Invoice.Source, w.Invoice.PointID = r.InvoiceNumber, r.InvoiceDate, r.InvoiceSource, r.PointID
	for _, p := range r.Programs {
		w.Programs = append(w.Programs, wireProgram{p.PartsCounts, p.Type})
	}
	for _, p := range r.Products {
		w.Products = append(w.Products, wireProduct{p.Name, p.Count, amount{p.Sum, d.MoneyAsText}})
	}
	if r.SellerPhone != "" || r.NDS != nil || r.ExtInitialSum != nil {
		w.AdditionalParams = &wireAdditional{SellerPhone: r.SellerPhone, NDS: d.some(r.NDS), ExtInitialSum: d.some(r.ExtInitialSum)}
	}
	return encode(w)
}

// some is an amount that may be missing: absent, not 0.00.
func (d Dialect) some(m *domain.Money) *amount {
	if m == nil {
		return nil
	}
	return &amount{*m, d.MoneyAsText}
}

// outside says that a sum that may be missing is none.
func outside(m *domain.Money) bool { return m != nil && (*m < 0 || *m > MaxSum) }

func (r CreateRequest) check() error {
	switch {
	case !between(r.StoreOrderID, 1, maxStoreOrderID):
		return wrong("store_order_id", "must have 1 to 64 characters")
	case !phoneForm.MatchString(r.ClientPhone):
		return wrong("client_phone", "must be + and 9 to 15 digits")
	case r.TotalSum < minTotal || r.TotalSum > MaxSum:
		return wrong("total_sum", "must be from 1.00 to "+MaxSum.String())
	case r.InvoiceNumber == "" || !utf8.ValidString(r.InvoiceNumber):
		return wrong("invoice.number", "is empty or not valid UTF-8")
	case !isDate(r.InvoiceDate):
		return wrong("invoice.date", "is not YYYY-MM-DD")
	case r.InvoiceSource == "" || !utf8.ValidString(r.InvoiceSource):
		return wrong("invoice.source", "is empty or not valid UTF-8")
	case !between(r.PointID, 0, maxPointID):
		return wrong("invoice.point_id", "must have at most 50 characters")
	case !utf8.ValidString(r.ResultCallback):
		return wrong("result_callback", "is not valid UTF-8")
	case r.SellerPhone != "" && !phoneForm.MatchString(r.SellerPhone):
		return wrong("additional_params.seller_phone", "must be + and 9 to 15 digits")
	case outside(r.NDS) || outside(r.ExtInitialSum):
		return wrong("additional_params", "has an amount below zero or above "+MaxSum.String())
	case r.Merchant != nil && !r.Merchant.readable():
		return wrong("financial_company_merchant_info", "is not valid UTF-8")
	case len(r.Programs) == 0:
		return wrong("available_programs", "is empty")
	case len(r.Products) == 0:
		return wrong("products", "is empty")
	}
	return r.checkLines()
}

func (r CreateRequest) checkLines() error {
	for _, p := range r.Programs {
		if len(p.PartsCounts) == 0 || !utf8.ValidString(p.Type) {
			return wrong("available_programs", "has a program without parts, or whose type is not valid UTF-8")
		}
		for _, parts := range p.PartsCounts {
			if parts < 1 {
				return wrong("available_programs.available_parts_count", "must be at least 1")
			}
		}
	}
	for _, p := range r.Products {
		switch {
		case !between(p.Name, 1, maxProductName):
			return wrong("products.name", "must have 1 to 500 characters")
		case p.Count < 1:
			return wrong("products.count", "must be at least 1")
		case p.Sum < 1 || p.Sum > MaxSum:
			return wrong("products.sum", "must be from 0.01 to "+MaxSum.String())
		}
	}
	return nil
}

type wireReturn struct {
	OrderID       string          `json:"order_id"`
	Sum           amount          `json:"sum"`
	StoreReturnID string          `json:"store_return_id"`
	ToCard        bool            `json:"return_money_to_card"`
	Additional    *wireAdditional `json:"additional_params,omitempty"`
}

// Body is the return's exact bytes, as CreateRequest.Body.
func (r ReturnRequest) Body(d Dialect) ([]byte, error) {
	switch {
	case !between(r.OrderID, 1, maxOrderID):
		return nil, wrong("order_id", "must have 1 to 100 characters")
	case r.Sum < 1 || r.Sum > MaxSum:
		return nil, wrong("sum", "must be from 0.01 to "+MaxSum.String())
	case !between(r.StoreReturnID, 1, maxStoreOrderID):
		return nil, wrong("store_return_id", "must have 1 to 64 characters")
	case outside(r.NDS):
		return nil, wrong("additional_params.nds", "is below zero or above "+MaxSum.String())
	}
	w := wireReturn{OrderID: r.OrderID, Sum: amount{r.Sum, d.MoneyAsText}, StoreReturnID: r.StoreReturnID, ToCard: r.ToCard}
	if r.NDS != nil {
		w.Additional = &wireAdditional{NDS: d.some(r.NDS)}
	}
	return encode(w)
}

// PhoneBody names a client: the body of validate.
func PhoneBody(phone string) ([]byte, error) {
	if !phoneForm.MatchString(phone) {
		return nil, wrong("phone", "must be + and 9 to 15 digits")
	}
	return encode(map[string]string{"phone": phone})
}

// OrderBody names an order: the body of state, confirm, reject, check/paid, data, and of
// the letter's data with the order's own invoice.
func OrderBody(orderID string) ([]byte, error) {
	if !between(orderID, 1, maxOrderID) {
		return nil, wrong("order_id", "must have 1 to 100 characters")
	}
	return encode(struct {
		OrderID string `json:"order_id"`
	}{orderID})
}

// between says whether a text has so many characters, all of them readable.
func between(text string, least, most int) bool {
	n := utf8.RuneCountInString(text)
	return n >= least && n <= most && utf8.ValidString(text)
}

// encode writes compact JSON with &, < and > as they are.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRequest, err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// FieldError is an ErrRequest that names one field, as the document does, and its rule.
type FieldError struct{ Field, Rule string }

// Error names field and rule, never a value.
func (e *FieldError) Error() string { return ErrRequest.Error() + ": " + e.Field + " " + e.Rule }

// Unwrap is ErrRequest.
func (e *FieldError) Unwrap() error { return ErrRequest }

func wrong(field, rule string) error { return &FieldError{field, rule} }
