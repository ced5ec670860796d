package cfront

import (
	"bytes"
	"context"
	"encoding/json"
	"time"
	"unicode/utf8"

	"tolem/partners/call"
)

// LetterRequest asks for the letter of an order.
type LetterRequest struct {
	OrderID       string
	InvoiceNumber string // "" leaves the order's own
	InvoiceDate   string // YYYY-MM-DD; "" likewise
}

func (r LetterRequest) body() ([]byte, error) {
	switch {
	case !between(r.OrderID, 1, maxOrderID):
		return nil, wrong("order_id", "must have 1 to 100 characters")
	case !utf8.ValidString(r.InvoiceNumber):
		return nil, wrong("invoice.number", "is not valid UTF-8")
	case r.InvoiceDate != "" && !isDate(r.InvoiceDate):
		return nil, wrong("invoice.date", "is not YYYY-MM-DD")
	}
	type invoice struct {
		Number string `json:"number,omitempty"`
		Date   string `json:"date,omitempty"`
	}
	w := struct {
		OrderID string   `json:"order_id"`
		Invoice *invoice `json:"invoice,omitempty"`
	}{OrderID: r.OrderID}
	if r.InvoiceNumber != "" || r.InvoiceDate != "" {
		w.Invoice = &invoice{r.InvoiceNumber, r.InvoiceDate}
	}
	return encode(w)
}

// Letter is what the bank tells of a contract: "дата, номер, реквизиты". Every field may
// be missing ("all fields optional in the schema", cfront.md 4.8), and all are as the
// bank writes them, amounts and dates too: a letter is shown, not computed with.
//
// The customer, signature and stamp are in Raw only, which is the whole answer, and
// heavy with personal data: it is passed on and never kept or logged.
type Letter struct {
	RequestID string // the answer's own number
	// StoreContractNumber and StoreContractDate are of the contract between bank and
	// store, from v2 only; the client's is Contract.
	StoreContractNumber string
	StoreContractDate   string
	InvoiceNumber       string
	InvoiceDate         string
	InvoiceAmount       string
	CreditAmount        string
	CustomerPays        string // customer_pay_amount, the down payment
	CreditProduct       string
	Requisites          Requisites
	Raw                 json.RawMessage // as it came, without a byte order mark
	Meta
	contractNumber string
	contractDate   string
}

// Requisites is where money of the contract goes (payment_destination).
type Requisites struct {
	ID       string
	Name     string
	MFO      string
	BankName string
	Account  string
}

// Contract is number and date of the client's credit contract, as the bank writes them
// (expansion.bank.agreement and agreement_date); "" when the letter has none.
func (l Letter) Contract() (number, date string) { return l.contractNumber, l.contractDate }

// LetterData asks for the data of a contract (/api/order/data/for/guarantee/letter).
// Errors as Create.
func (c *Client) LetterData(ctx context.Context, r LetterRequest) (Letter, error) {
	body, err := r.body()
	if err != nil {
		return Letter{}, err
	}
	answer, err := c.post(ctx, opLetterData, body)
	if err != nil {
		return Letter{}, err
	}
	letter, o := decodeLetter(answer.Body)
	if !o.OK() {
		return Letter{}, c.bad(opLetterData, answer, ReasonBadAnswer, o.Field())
	}
	letter.Meta = metaOf(answer, o)
	return letter, nil
}

// decodeLetter reads a letter. Number and date of the contract must be texts that fit
// into the ledger; what else is no text is left to Raw.
func decodeLetter(body []byte) (Letter, *call.Reading) {
	o := call.Read(body)
	header, expansion := o.ShownInner("header"), o.Inner("expansion")
	invoice, to, bank := expansion.ShownInner("invoice"), expansion.ShownInner("payment_destination"), expansion.Inner("bank")
	l := Letter{
		RequestID: header.Shown("request_id"), StoreContractNumber: header.Shown("contract_number"), StoreContractDate: header.Shown("contract_date"),
		InvoiceNumber: invoice.Shown("invoice_number"), InvoiceDate: invoice.Shown("invoice_date"), InvoiceAmount: invoice.Shown("invoice_amount"),
		CreditAmount: bank.Shown("credit_amount"), CustomerPays: bank.Shown("customer_pay_amount"), CreditProduct: bank.Shown("credit_product"),
		Requisites: Requisites{
			ID: to.Shown("dest_id"), Name: to.Shown("dest_name"), MFO: to.Shown("dest_mfo"),
			BankName: to.Shown("dest_bank_name"), Account: to.Shown("dest_acc_number"),
		},
		Raw:            bytes.TrimPrefix(body, []byte("\ufeff")), // with it, nobody could read it as JSON
		contractNumber: bank.OptionalText("agreement"), contractDate: bank.OptionalText("agreement_date"),
	}
	const longest = 128
	bank.Must(between(l.contractNumber, 0, longest), "agreement")
	bank.Must(between(l.contractDate, 0, longest), "agreement_date")
	return l, o
}

// LetterPDF fetches the letter itself (/api/order/guarantee/letter), of at most 8 MiB.
// Errors as Create.
func (c *Client) LetterPDF(ctx context.Context, r LetterRequest) (pdf []byte, err error) {
	body, err := r.body()
	if err != nil {
		return nil, err
	}
	answer, err := c.post(ctx, opLetterPDF, body)
	if err != nil {
		return nil, err
	}
	if !call.IsPDF(answer.Body) {
		return nil, c.bad(opLetterPDF, answer, ReasonBadAnswer, "")
	}
	return answer.Body, nil
}

// isDate says whether a text is a day of the calendar, YYYY-MM-DD.
func isDate(text string) bool {
	_, err := time.Parse(time.DateOnly, text)
	return err == nil
}
