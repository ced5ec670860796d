package processing

import (
	"context"
	"encoding/json"
	"errors"

	"tolem/domain"
)

// Reply is an answer to check or pay that brought a code ("Варианты ответов").
// It is stored and shown as JSON. What an answer does not name stays zero.
type Reply struct {
	Code    domain.Code `json:"resultCode"`
	Message string      `json:"resultMessage,omitempty"`
	// TransactionID is the centre's number, up to 18 digits, 0 when none came;
	// a string in JSON, because 18 digits do not survive a JavaScript number.
	TransactionID int64 `json:"transactionId,omitempty,string"`
	// AgentTransactionID is the payment the answer speaks of, 0 when it names none.
	AgentTransactionID domain.AgentTransactionID `json:"agentTransactionId,omitempty"`

	TransactionDate string `json:"transactionDate,omitempty"` // as the centre wrote it
	StatusDate      string `json:"statusDate,omitempty"`      // as the centre wrote it

	CurrencyRate string          `json:"currencyRate,omitempty"` // the rate in words, for the payer
	Rate         *domain.Decimal `json:"rate,omitempty"`
	FinalAmount  *domain.Decimal `json:"finalAmount,omitempty"` // in Currency
	Currency     string          `json:"currency,omitempty"`

	Displays  map[string]string `json:"displays,omitempty"`
	Contracts []Contract        `json:"contracts,omitempty"`
	Invoices  Invoices          `json:"invoice,omitempty"`

	// Dropped names the fields that could not be read and decide nothing, with commas
	// between them.
	Dropped string `json:"-"`
}

// Contract is one of the accounts, orders or contracts the payer chooses from
// ("Ответ для схемы с «выбором»"). The chosen ContractID travels in pay's extras.
type Contract struct {
	ContractID string        `json:"contractId"`
	Name       string        `json:"name,omitempty"`
	Number     string        `json:"contractNumber,omitempty"`
	Sum        *domain.Money `json:"contractSum,omitempty"`
	Date       string        `json:"contractDate,omitempty"` // yyyyMMddHHmmss
}

// Invoice is one receipt of several services ("Ответ для «комплексной схемы»").
type Invoice struct {
	InvoiceID     string           `json:"invoiceId,omitempty"`
	FormedDate    string           `json:"formedDate,omitempty"` // yyyyMMddHHmmss
	ExpireDate    string           `json:"expireDate,omitempty"` // yyyyMMddHHmmss
	ClientName    string           `json:"clientName,omitempty"`
	ClientAddress string           `json:"clientAddress,omitempty"`
	Services      []InvoiceService `json:"services,omitempty"`
}

// InvoiceService is one line of a receipt; its SubServiceID names it in pay's
// extraServices.
type InvoiceService struct {
	SubServiceID   string      `json:"subServiceId"`
	SubServiceName string      `json:"subServiceName,omitempty"`
	Data           InvoiceData `json:"data,omitzero"`
}

// InvoiceData is what a line says; a receipt may lack any of it.
type InvoiceData struct {
	PaySum    *domain.Money   `json:"paySum,omitempty"`
	Tariff    *domain.Decimal `json:"tariff,omitempty"`
	MinSum    *domain.Money   `json:"minSum,omitempty"` // 0 = no limit
	MaxSum    *domain.Money   `json:"maxSum,omitempty"` // 0 = no limit
	DebtInfo  string          `json:"debtInfo,omitempty"`
	IsMeter   bool            `json:"isMeter,omitempty"`
	PrevCount string          `json:"prevCount,omitempty"`
	LastCount string          `json:"lastCount,omitempty"`
	SI        string          `json:"si,omitempty"` // unit
	Comment   string          `json:"comment,omitempty"`
}

// Invoices is the list inside the document's "invoice" object, and keeps that
// shape in JSON: {"invoices": […]}.
type Invoices []Invoice

// MarshalJSON writes the document's shape.
func (i Invoices) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Invoices []Invoice `json:"invoices"`
	}{i})
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (i *Invoices) UnmarshalJSON(b []byte) error {
	var object struct {
		Invoices []Invoice `json:"invoices"`
	}
	if err := json.Unmarshal(b, &object); err != nil {
		return err
	}
	*i = object.Invoices
	return nil
}

// Check asks whether the payment may be made. body is CheckRequest.Body.
//
// Every code is a Reply. A *Failure means that no code came, or, for code 0,
// that what the payer would have to see or choose from is unreadable. No money
// moves by a check.
func (c *Client) Check(ctx context.Context, body []byte) (Reply, error) {
	return c.ask(ctx, opCheck, body)
}

// Pay orders the payment. body is PayRequest.Body, the same bytes each time: a
// repeat returns the result of the earlier order.
//
// Every code is a Reply, whatever else is unreadable in it. A *Failure means
// that no code came; the money may have moved.
func (c *Client) Pay(ctx context.Context, body []byte) (Reply, error) {
	return c.ask(ctx, opPay, body)
}

func (c *Client) ask(ctx context.Context, operation string, body []byte) (Reply, error) {
	if len(body) == 0 { // a bug of the caller; unlike a body, no body could be sent twice
		return Reply{}, c.failure(operation, 0, ReasonNoBody, nil)
	}
	answer, err := c.post(ctx, operation, body)
	if err != nil {
		return Reply{}, err
	}
	reply, err := decodeReply(answer)
	var why unreadable
	if operation == opPay && isBadDetails(err) && errors.As(err, &why) {
		reply.Dropped, err = joined(reply.Dropped, why.field), nil
	}
	if err == nil {
		return reply, nil
	}
	return Reply{}, c.unreadable(operation, err)
}

// Answer reduces the reply to what decides. asked is the payment we asked about.
//
// The reply is a strange echo when it names another payment, or when it brings
// code 0 and names none: the document makes agentTransactionId mandatory, and a
// success without it may belong to anybody.
func (r Reply) Answer(asked domain.AgentTransactionID) domain.Answer {
	code := r.Code
	unnamed := r.AgentTransactionID == 0
	return domain.Answer{
		Code:        &code,
		StrangeEcho: (unnamed && code == domain.CodeSuccess) || (!unnamed && r.AgentTransactionID != asked),
	}
}

// AnswerOf reduces the outcome of Check or Pay to what decides. An error, of
// whatever kind, brings no code.
func AnswerOf(reply Reply, err error, asked domain.AgentTransactionID) domain.Answer {
	if err == nil {
		return reply.Answer(asked)
	}
	var failure *Failure
	return domain.Answer{Rejected: errors.As(err, &failure) && failure.Rejected()}
}
