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
		return ClientFound{}, c.bad(opValidate, answer, ReasonBadAnswer)
	case answer.Status >= 400:
		return ClientFound{Meta: metaOf(answer)}, nil
	}
	found, ok := decodeClient(answer.Body)
	if !ok {
		return ClientFound{}, c.bad(opValidate, answer, ReasonBadAnswer)
	}
	found.Meta = metaOf(answer)
	return found, nil
}

// decodeClient reads {found, client?}; the document names no found: then a client is one.
func decodeClient(body []byte) (ClientFound, bool) {
	o := call.Read(body)
	client := o
	if o.Present("client") {
		client = o.Inner("client")
	}
	f := ClientFound{
		FirstName: client.OptionalText("first_name"), LastName: client.OptionalText("last_name"),
		MiddleName: client.OptionalText("middle_name"), INN: client.OptionalText("inn"),
	}
	if f.Found = f.FirstName != "" || f.LastName != "" || f.INN != ""; o.Present("found") || !f.Found {
		f.Found = o.Boolean("found")
	}
	if !f.Found {
		f = ClientFound{}
	}
	return f, o.OK()
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
	data, ok := decodeOrderData(answer.Body)
	if !ok || data.StoreOrderID != "" && data.StoreOrderID != storeOrderID {
		return OrderData{}, c.bad(opOrderData, answer, ReasonBadAnswer)
	}
	data.Meta = metaOf(answer)
	return data, nil
}

// maxReverses bounds what was taken back, so that its sum always fits.
const maxReverses = 1000

func decodeOrderData(body []byte) (OrderData, bool) {
	o := call.Read(body)
	d := OrderData{
		StoreOrderID: o.OptionalText("store_order_id"), TotalSum: o.Money("total_sum"), Source: o.OptionalText("source"),
		InvoiceNumber: o.OptionalText("invoice_number"), InvoiceDate: o.OptionalText("invoice_date"), PointID: o.OptionalText("point_id"),
		CreatedAt: o.OptionalText("create_timestamp"), MaskedCard: o.OptionalText("maskedCard"), IBAN: o.OptionalText("iban"),
	}
	o.Must(o.Present("total_sum")) // any object would else say that nothing was taken back
	o.List("reverse_list", func(item *call.Reading) {
		r := Reverse{Sum: item.Sum("sum"), At: item.OptionalText("timestamp")}
		d.Reverses = append(d.Reverses, r)
	})
	o.Must(len(d.Reverses) <= maxReverses)
	return d, o.OK()
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
	report, ok := decodeReport(answer.Body)
	if !ok {
		return Report{}, c.bad(opReport, answer, ReasonBadAnswer)
	}
	report.Meta = metaOf(answer)
	return report, nil
}

func decodeReport(body []byte) (Report, bool) {
	o := call.Read(body)
	r := Report{Orders: []ReportedOrder{}}
	o.List("orders", func(item *call.Reading) {
		r.Orders = append(r.Orders, ReportedOrder{
			OrderID: item.Text("order_id"), InvoiceNumber: item.OptionalText("invoice_number"), OrderDate: item.OptionalText("order_date"),
			PayParts: item.OptionalText("pay_parts"), CommissionPercent: item.OptionalText("commission_percent"),
			TotalSum: item.Sum("total_sum"), TransferredSum: item.Sum("transferred_sum"), Commission: item.Sum("commission"),
			OperationAt: item.OptionalText("operation_timestamp"), ContractNumber: item.OptionalText("odb_contract_number"),
		})
	})
	o.Must(o.Present("orders"))
	return r, o.OK()
}
