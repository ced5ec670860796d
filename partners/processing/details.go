package processing

import (
	"encoding/json"
	"strings"

	"tolem/domain"
	"tolem/partners/call"
)

// maxDisplays: "В объекте displays может вернутся от 1 до 30 параметров".
const maxDisplays = 30

// errDetails says that the code and the ids are readable and something that
// belongs to them is not. The reply beside it is valid without that part.
var errDetails error = unreadable(ReasonBadDetails)

// decodeReply reads an answer to check or pay.
//
// result, transactionId and agentTransactionId decide. A transactionId that is
// no id spoils code 0 only; an agentTransactionId that is no id spoils every
// code, because the answer can then not be matched to our question. Details
// belong to code 0 ("если result = 0"); beside any other code unreadable ones
// are dropped without an error.
func decodeReply(body []byte) (Reply, error) {
	e, err := parseEnvelope(body)
	if err != nil {
		return Reply{}, err
	}
	transactionID, whole := e.id("transactionId")
	agentTransactionID, named := e.id("agentTransactionId")
	if !named || (!whole && e.code == domain.CodeSuccess) {
		return Reply{}, unreadable(ReasonBadID)
	}
	r := Reply{
		Code: e.code, Message: e.message,
		TransactionID: transactionID, AgentTransactionID: domain.AgentTransactionID(agentTransactionID),
	}
	if !r.details(e.fields) && e.code == domain.CodeSuccess {
		return r, errDetails
	}
	return r, nil
}

// details reads each part on its own, so that one broken part costs no other.
func (r *Reply) details(fields map[string]json.RawMessage) bool {
	p := parts{whole: true}
	r.TransactionDate = p.text(fields["transactionDate"])
	r.StatusDate = p.text(fields["statusDate"])
	r.CurrencyRate = p.text(fields["currencyRate"])
	r.Rate = p.decimal(fields["rate"])
	r.FinalAmount = p.decimal(fields["finalAmount"])
	r.Currency = p.text(fields["currency"])
	r.Displays = p.displays(fields["displays"])
	r.Contracts = p.contracts(fields["contracts"])
	r.Invoices = p.invoices(fields["invoice"])
	return p.whole
}

// parts reads optional values and remembers whether all were readable. What is
// absent, null or, for numbers, "" is zero and no fault.
type parts struct{ whole bool }

func (p *parts) fault() { p.whole = false }

func (p *parts) text(raw json.RawMessage) string {
	s, ok := call.Text(raw)
	if !ok {
		p.fault()
	}
	return s
}

func (p *parts) decimal(raw json.RawMessage) *domain.Decimal {
	s := p.text(raw)
	if s == "" {
		return nil
	}
	d, err := domain.ParseDecimal(s)
	if err != nil {
		p.fault()
		return nil
	}
	return &d
}

// money reads an amount with up to two decimals; zeros beyond them change
// nothing and are cut ("1000.0000").
func (p *parts) money(raw json.RawMessage) *domain.Money {
	s := p.text(raw)
	if s == "" {
		return nil
	}
	if point := strings.IndexByte(s, '.'); point >= 0 && len(s) > point+3 && !strings.ContainsAny(s, "eE") {
		s = s[:point+3] + strings.TrimRight(s[point+3:], "0")
	}
	m, err := domain.ParseMoney(s)
	if err != nil {
		p.fault()
		return nil
	}
	return &m
}

// yes reads true or false, also as text or as 1 and 0.
func (p *parts) yes(raw json.RawMessage) bool {
	switch strings.ToLower(p.text(raw)) {
	case "true", "1":
		return true
	case "false", "0", "":
		return false
	}
	p.fault()
	return false
}

// into reads an object or a list into a struct of raw values.
func (p *parts) into(raw json.RawMessage, target any) bool {
	if len(raw) == 0 || string(raw) == "null" {
		return false
	}
	if json.Unmarshal(raw, target) != nil {
		p.fault()
		return false
	}
	return true
}

func (p *parts) displays(raw json.RawMessage) map[string]string {
	var values map[string]json.RawMessage
	if !p.into(raw, &values) || len(values) == 0 {
		return nil
	}
	if len(values) > maxDisplays {
		p.fault()
		return nil
	}
	shown := make(map[string]string, len(values))
	for name, value := range values {
		shown[strings.ReplaceAll(name, "\x00", "\ufffd")] = p.text(value)
	}
	return shown
}

func (p *parts) contracts(raw json.RawMessage) []Contract {
	var list []struct {
		ContractID     json.RawMessage `json:"contractId"`
		Name           json.RawMessage `json:"name"`
		ContractNumber json.RawMessage `json:"contractNumber"`
		ContractSum    json.RawMessage `json:"contractSum"`
		ContractDate   json.RawMessage `json:"contractDate"`
	}
	if !p.into(raw, &list) {
		return nil
	}
	var contracts []Contract
	for _, c := range list {
		contracts = append(contracts, Contract{
			ContractID: p.required(c.ContractID),
			Name:       p.text(c.Name),
			Number:     p.text(c.ContractNumber),
			Sum:        p.money(c.ContractSum),
			Date:       p.text(c.ContractDate),
		})
	}
	return contracts
}

// required reads a text that must not be missing: nothing could be chosen by it.
func (p *parts) required(raw json.RawMessage) string {
	s := p.text(raw)
	if s == "" {
		p.fault()
	}
	return s
}

func (p *parts) invoices(raw json.RawMessage) []Invoice {
	var container struct {
		Invoices []struct {
			InvoiceID     json.RawMessage `json:"invoiceId"`
			FormedDate    json.RawMessage `json:"formedDate"`
			ExpireDate    json.RawMessage `json:"expireDate"`
			ClientName    json.RawMessage `json:"clientName"`
			ClientAddress json.RawMessage `json:"clientAddress"`
			Services      json.RawMessage `json:"services"`
		} `json:"invoices"`
	}
	if !p.into(raw, &container) {
		return nil
	}
	var invoices []Invoice
	for _, i := range container.Invoices {
		invoices = append(invoices, Invoice{
			InvoiceID:     p.text(i.InvoiceID),
			FormedDate:    p.text(i.FormedDate),
			ExpireDate:    p.text(i.ExpireDate),
			ClientName:    p.text(i.ClientName),
			ClientAddress: p.text(i.ClientAddress),
			Services:      p.lines(i.Services),
		})
	}
	return invoices
}

// lines reads the services of one receipt.
func (p *parts) lines(raw json.RawMessage) []InvoiceService {
	var list []struct {
		SubServiceID   json.RawMessage `json:"subServiceId"`
		SubServiceName json.RawMessage `json:"subServiceName"`
		Data           json.RawMessage `json:"data"`
	}
	if !p.into(raw, &list) {
		return nil
	}
	var lines []InvoiceService
	for _, s := range list {
		lines = append(lines, InvoiceService{
			SubServiceID:   p.required(s.SubServiceID),
			SubServiceName: p.text(s.SubServiceName),
			Data:           p.data(s.Data),
		})
	}
	return lines
}

// data reads what one line of a receipt says.
func (p *parts) data(raw json.RawMessage) InvoiceData {
	var d struct {
		PaySum    json.RawMessage `json:"paySum"`
		Tariff    json.RawMessage `json:"tariff"`
		MinSum    json.RawMessage `json:"minSum"`
		MaxSum    json.RawMessage `json:"maxSum"`
		DebtInfo  json.RawMessage `json:"debtInfo"`
		IsMeter   json.RawMessage `json:"isMeter"`
		PrevCount json.RawMessage `json:"prevCount"`
		LastCount json.RawMessage `json:"lastCount"`
		SI        json.RawMessage `json:"si"`
		Comment   json.RawMessage `json:"comment"`
	}
	if !p.into(raw, &d) {
		return InvoiceData{}
	}
	return InvoiceData{
		PaySum: p.money(d.PaySum), Tariff: p.decimal(d.Tariff),
		MinSum: p.money(d.MinSum), MaxSum: p.money(d.MaxSum),
		DebtInfo: p.text(d.DebtInfo), IsMeter: p.yes(d.IsMeter),
		PrevCount: p.text(d.PrevCount), LastCount: p.text(d.LastCount),
		SI: p.text(d.SI), Comment: p.text(d.Comment),
	}
}
