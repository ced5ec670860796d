package processing

import (
	"errors"
	"maps"
	"slices"
	"strings"

	"tolem/domain"
	"tolem/partners/call"
)

// isBadDetails says that the code and the ids are readable and something that
// belongs to them is not. The reply beside such an error is valid without that part.
func isBadDetails(err error) bool {
	var why unreadable
	return errors.As(err, &why) && why.reason == ReasonBadDetails
}

// badDetails is such an error.
func badDetails(o *call.Reading) error { return unreadable{ReasonBadDetails, o.Field()} }

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
	switch {
	case !named:
		return Reply{}, unreadable{ReasonBadID, "agentTransactionId"}
	case !whole && e.code == domain.CodeSuccess:
		return Reply{}, unreadable{ReasonBadID, "transactionId"}
	case !whole:
		transactionID = 0
		e.findings.Drop("transactionId")
	}
	r := Reply{
		Code: e.code, Message: e.message,
		TransactionID: transactionID, AgentTransactionID: domain.AgentTransactionID(agentTransactionID),
	}
	details := e.Reading()
	r.details(details)
	r.Dropped = joined(e.findings.Dropped(), details.Dropped())
	if details.OK() {
		return r, nil
	}
	if e.code == domain.CodeSuccess {
		return r, badDetails(details)
	}
	return r.withoutDetails(details), nil
}

// withoutDetails is a reply of which only code, message and ids count, and the note that the
// rest could not be read.
func (r Reply) withoutDetails(details *call.Reading) Reply {
	r.Dropped = joined(r.Dropped, details.Field())
	return r
}

func joined(names ...string) string {
	kept := names[:0]
	for _, name := range names {
		if name != "" {
			kept = append(kept, name)
		}
	}
	return strings.Join(kept, ", ")
}

// details reads what belongs to code 0. The payer's choice decides: contracts and receipts,
// their ids and amounts, meters, and the fixed amount. All else is only shown.
func (r *Reply) details(o *call.Reading) {
	r.TransactionDate, r.StatusDate = o.Shown("transactionDate"), o.Shown("statusDate")
	r.CurrencyRate, r.Rate = o.Shown("currencyRate"), o.ShownDecimal("rate")
	r.FinalAmount, r.Currency = o.ShownDecimal("finalAmount"), o.Shown("currency")
	r.Displays = displays(o.Inner("displays"))
	o.List("contracts", func(c *call.Reading) {
		r.Contracts = append(r.Contracts, Contract{
			ContractID: c.Text("contractId"), Name: c.Shown("name"), Number: c.Shown("contractNumber"),
			Sum: c.ShownMoney("contractSum"), Date: c.Shown("contractDate"),
		})
	})
	o.Inner("invoice").List("invoices", func(i *call.Reading) {
		invoice := Invoice{
			InvoiceID: i.Shown("invoiceId"), FormedDate: i.Shown("formedDate"), ExpireDate: i.Shown("expireDate"),
			ClientName: i.Shown("clientName"), ClientAddress: i.Shown("clientAddress"),
		}
		i.List("services", func(s *call.Reading) {
			invoice.Services = append(invoice.Services, InvoiceService{
				SubServiceID: s.Text("subServiceId"), SubServiceName: s.Shown("subServiceName"), Data: invoiceData(s.Inner("data")),
			})
		})
		r.Invoices = append(r.Invoices, invoice)
	})
}

// displays reads the values that are shown under their names; of them the fixed amount
// decides.
func displays(o *call.Reading) (shown map[string]string) {
	for _, name := range slices.Sorted(maps.Keys(o.Fields)) {
		value, ok := call.Text(o.Fields[name])
		switch {
		case ok:
			if shown == nil {
				shown = make(map[string]string, len(o.Fields))
			}
			shown[strings.ReplaceAll(name, "\x00", "\ufffd")] = value
		case name == displayFixedAmount:
			o.Must(false, name)
		default:
			o.Drop(name)
		}
	}
	return shown
}

// invoiceData reads what one line of a receipt says.
func invoiceData(o *call.Reading) InvoiceData {
	return InvoiceData{
		PaySum: o.OptionalMoney("paySum"), Tariff: o.ShownDecimal("tariff"),
		MinSum: o.OptionalMoney("minSum"), MaxSum: o.OptionalMoney("maxSum"),
		DebtInfo: o.Shown("debtInfo"), IsMeter: o.Yes("isMeter"),
		PrevCount: o.Shown("prevCount"), LastCount: o.Shown("lastCount"),
		SI: o.Shown("si"), Comment: o.Shown("comment"),
	}
}
