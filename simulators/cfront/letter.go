package cfront

import (
	"net/http"
	"time"

	"tolem/simulators/parts"
)

// question is the body of the calls about one order.
type question struct {
	OrderID string `json:"order_id"`
	Invoice struct {
		Number string `json:"number"`
		Date   string `json:"date"`
	} `json:"invoice"` // of a letter: instead of those of create
}

// invoice is what a letter calls the order's invoice.
func (q question) invoice(o Order) (number, date string) {
	number, date = o.InvoiceNumber, o.InvoiceDate
	if q.Invoice.Number != "" {
		number = q.Invoice.Number
	}
	if q.Invoice.Date != "" {
		date = q.Invoice.Date
	}
	return number, date
}

// agreement is the number of an order's credit contract.
func (o Order) agreement() string { return "КД-" + o.OrderID[:8] }

// letterData tells of the contract (4.8).
func letterData(o Order, q question, version int) reply {
	header := map[string]any{"request_id": o.OrderID, "answer_datetime": nil, "from_organization": "Банк", "organization_id": "1"}
	if version == 2 {
		header["contract_number"], header["contract_date"] = "Б-1", "2020-01-15"
	}
	number, date := q.invoice(o)
	return says(http.StatusOK, map[string]any{"header": header, "expansion": map[string]any{
		"customer": map[string]any{"first_name": "Айгуль", "last_name": "Примерова", "middle_name": "Тестовна", "inn": "900101400011",
			"document": map[string]any{"id_card": map[string]string{"number": "000000001", "issued": "МВД", "date_of_issue": "2019-01-01", "valid_until": "2029-01-01"}}},
		"invoice":             map[string]any{"invoice_number": number, "invoice_date": date, "invoice_amount": o.Total},
		"payment_destination": map[string]string{"dest_id": "1", "dest_name": "Магазин", "dest_mfo": "000001", "dest_acc_number": "KZ000000000000000001"},
		"bank": map[string]any{"agreement": o.agreement(), "agreement_date": o.AgreedAt.UTC().Format(time.DateOnly), "credit_amount": o.Total,
			"customer_pay_amount": o.DownPayment, "available_parts_count": o.Parts, "credit_product": "Рассрочка"},
		"sign": "c2lnbg==", "stamp": "c3RhbXA=",
	}})
}

// letter is the guarantee letter as a PDF document of one page (4.9).
func letter(o Order, q question) reply {
	number, date := q.invoice(o)
	lines := []string{"Guarantee letter", "Order " + o.OrderID, "Agreement of " + o.AgreedAt.UTC().Format(time.DateOnly),
		"Invoice " + number + " of " + date, "Sum " + o.Total.String()}
	return reply{status: http.StatusOK, kind: "application/pdf", body: parts.Page(lines)}
}
