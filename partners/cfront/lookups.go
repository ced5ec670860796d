package cfront

import (
	"context"

	"tolem/domain"
	"tolem/partners/call"
)

// ClientFound is whom the bank knows by a phone.
type ClientFound struct {
	Found      bool
	FirstName  string
	LastName   string
	MiddleName string
	INN        string // "идентификационный код"; none from v2
	Meta
}

// Validate asks for the client of a phone (/api/client/validate). A client whom the bank
// does not know is Found false, however the bank says it; "клиенту придет смс с
// приглашением", so it is never asked again by itself. Errors as Create.
func (c *Client) Validate(ctx context.Context, phone string) (ClientFound, error) {
	body, err := PhoneBody(phone)
	if err != nil {
		return ClientFound{}, err
	}
	answer, err := c.post(ctx, opValidate, body, c.dialect.ClientNotFoundStatus...)
	switch {
	case err != nil:
		return ClientFound{}, err
	case answer.Status >= 400 && !call.Read(answer.Body).OK(): // of a wrong address: the bank writes {"message"}
		return ClientFound{}, c.bad(opValidate, answer, ReasonBadAnswer, "")
	case answer.Status >= 400:
		return ClientFound{Meta: metaOf(answer, call.Read(answer.Body))}, nil
	}
	found, o := decodeClient(answer.Body)
	if !o.OK() {
		return ClientFound{}, c.bad(opValidate, answer, ReasonBadAnswer, o.Field())
	}
	found.Meta = metaOf(answer, o)
	return found, nil
}

// decodeClient reads {found, client?}; the document names no found: then a client is one.
func decodeClient(body []byte) (ClientFound, *call.Reading) {
	o := call.Read(body)
	client := o
	if o.Present("client") {
		client = o.Inner("client")
	}
	f := ClientFound{
		FirstName: client.Shown("first_name"), LastName: client.Shown("last_name"),
		MiddleName: client.Shown("middle_name"), INN: client.Shown("inn"),
	}
	if f.Found = f.FirstName != "" || f.LastName != "" || f.INN != ""; o.Present("found") || !f.Found {
		f.Found = o.Boolean("found")
	}
	if !f.Found {
		f = ClientFound{}
	}
	return f, o
}

// OrderData is the bank's card of an order.
type OrderData struct {
	StoreOrderID  string
	TotalSum      domain.Money
	Source        string
	InvoiceNumber string
	InvoiceDate   string
	PointID       string
	CreatedAt     string // as the bank writes it
	MaskedCard    string
	IBAN          string
	Reverses      []Reverse
	Meta
}

// Reverse is one sum that the bank took back.
type Reverse struct {
	Sum domain.Money
	At  string // as the bank writes it; "" when it does not say
}

// Reversed is all that the bank took back.
func (d OrderData) Reversed() (sum domain.Money) {
	for _, r := range d.Reverses {
		sum += r.Sum
	}
	return sum
}

// OrderData asks for an order's card (/api/order/data). A card that names another order than
// the store's is no answer. Errors as Create.
func (c *Client) OrderData(ctx context.Context, orderID, storeOrderID string) (OrderData, error) {
	body, err := OrderBody(orderID)
	if err != nil {
		return OrderData{}, err
	}
	answer, err := c.post(ctx, opOrderData, body)
	if err != nil {
		return OrderData{}, err
	}
	data, o := decodeOrderData(answer.Body)
	o.Must(data.StoreOrderID == "" || data.StoreOrderID == storeOrderID, "store_order_id")
	if !o.OK() {
		return OrderData{}, c.bad(opOrderData, answer, ReasonBadAnswer, o.Field())
	}
	data.Meta = metaOf(answer, o)
	return data, nil
}

// maxReverses bounds what was taken back, so that its sum always fits.
const maxReverses = 1000

func decodeOrderData(body []byte) (OrderData, *call.Reading) {
	o := call.Read(body)
	d := OrderData{
		StoreOrderID: o.OptionalWord("store_order_id"), Source: o.Shown("source"),
		TotalSum:      o.RequiredMoney("total_sum"), // any object would else say that nothing was taken back
		InvoiceNumber: o.Shown("invoice_number"), InvoiceDate: o.Shown("invoice_date"), PointID: o.Shown("point_id"),
		CreatedAt: o.Shown("create_timestamp"), MaskedCard: o.Shown("maskedCard"), IBAN: o.Shown("iban"),
	}
	o.List("reverse_list", func(item *call.Reading) {
		d.Reverses = append(d.Reverses, Reverse{Sum: item.Sum("sum"), At: item.Shown("timestamp")})
	})
	o.Must(len(d.Reverses) <= maxReverses, "reverse_list")
	return d, o
}

// Report is what the bank paid the store for on one day.
type Report struct {
	Orders []ReportedOrder
	Meta
}

// ReportedOrder is one line of a report.
type ReportedOrder struct {
	OrderID           string
	InvoiceNumber     string
	OrderDate         string
	PayParts          string
	CommissionPercent string // as the bank writes it
	TotalSum          domain.Money
	TransferredSum    domain.Money
	Commission        domain.Money
	OperationAt       string
	ContractNumber    string
}

// StoreReport asks for a day's report (/api/store/report); day is YYYY-MM-DD. Errors as
// Create.
func (c *Client) StoreReport(ctx context.Context, day string) (Report, error) {
	if !isDate(day) {
		return Report{}, wrong("date", "is not YYYY-MM-DD")
	}
	body, err := encode(map[string]string{"date": day})
	if err != nil {
		return Report{}, err
	}
	answer, err := c.post(ctx, opReport, body)
	if err != nil {
		return Report{}, err
	}
	report, o := decodeReport(answer.Body)
	if !o.OK() {
		return Report{}, c.bad(opReport, answer, ReasonBadAnswer, o.Field())
	}
	report.Meta = metaOf(answer, o)
	c.calls.Dropped(ctx, opReport, report.Dropped)
	return report, nil
}

// decodeReport reads a day's lines; none is an answer, whether orders is empty or null. It
// must be named: any object would else say that nothing was paid.
func decodeReport(body []byte) (Report, *call.Reading) {
	o := call.Read(body)
	r := Report{Orders: []ReportedOrder{}}
	_, named := o.Fields["orders"]
	o.Must(named, "orders")
	o.List("orders", func(item *call.Reading) {
		r.Orders = append(r.Orders, ReportedOrder{
			OrderID: item.Text("order_id"), InvoiceNumber: item.Shown("invoice_number"), OrderDate: item.Shown("order_date"),
			PayParts: item.Shown("pay_parts"), CommissionPercent: item.Shown("commission_percent"),
			TotalSum: item.Sum("total_sum"), TransferredSum: item.Sum("transferred_sum"), Commission: item.Sum("commission"),
			OperationAt: item.Shown("operation_timestamp"), ContractNumber: item.Shown("odb_contract_number"),
		})
	})
	return r, o
}
