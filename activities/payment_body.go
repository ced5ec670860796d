package activities

import (
	"tolem/domain"
	"tolem/partners/processing"
	"tolem/storage"
)

// The journal's names of the calls to the processing centre.
const (
	callCheck = "check"
	callPay   = "pay"
)

// checkBody is what check sends: the stored bytes, or before the first attempt
// the ones that will be stored with its outcome.
func checkBody(p storage.Payment) ([]byte, error) {
	if p.CheckBody != nil {
		return p.CheckBody, nil
	}
	return processing.CheckRequest{
		ServiceID: p.ServiceID, Account: p.Account, AgentTransactionID: p.ID, AgentTransactionDate: p.AgentTransactionDate,
		AmountTo: p.AmountTo, AmountFrom: p.AmountFrom, IdentityCard: p.IdentityCard, FullName: p.FullName, Extras: p.Extras,
	}.Body()
}

// intentToPay builds the bytes of every pay of the payment. amountFrom is always
// sent; without one from the caller it is amountTo.
func intentToPay(p storage.Payment, step int) (*storage.PayIntent, error) {
	from := *p.AmountTo // asks() stops a payment without it
	if p.AmountFrom != nil {
		from = *p.AmountFrom
	}
	return payIntent(p, step, *p.AmountTo, from, p.Extras, nil)
}

// offersNothing says that the payer of such a service chooses something, and check offered
// nothing to choose from.
func offersNothing(p storage.Payment, reply processing.Reply) bool {
	return p.ServiceType != nil && (*p.ServiceType == processing.TypeChoice || *p.ServiceType == processing.TypeReceipt) &&
		len(reply.Contracts) == 0 && len(reply.Invoices) == 0
}

// asks says what the payer has to decide before pay. The answer decides:
// contracts and receipts ask unless the request chose already; displays and rates alone
// stop nothing. The service's type decides only where the answer offers nothing: then the
// payer has to go ahead.
func asks(p storage.Payment, reply processing.Reply) domain.Question {
	switch {
	case len(reply.Invoices) > 0:
		return domain.AsksReceipt
	case len(reply.Contracts) > 0 && !offered(reply.Contracts, p.Extras[processing.ExtraContractID]):
		return domain.AsksContract
	case !p.AutoPay, offersNothing(p, reply):
		return domain.AsksGoAhead
	case p.AmountTo == nil:
		return domain.AsksAmount
	}
	if fixed, displayed, readable := reply.FixedAmount(); displayed && (!readable || fixed != *p.AmountTo) {
		return domain.AsksFixedAmount
	}
	return domain.AsksNothing
}

func offered(contracts []processing.Contract, id string) bool {
	for _, c := range contracts {
		if c.ContractID == id {
			return true
		}
	}
	return false
}
