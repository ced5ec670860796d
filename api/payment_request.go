package api

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"tolem/domain"
	"tolem/partners/processing"
)

// Limits of a payment's fields, in characters where nothing else is said.
const (
	maxServiceID    = 64
	maxAccount      = 200 // "длиной до 200 символов"
	maxIdentityCard = 64  // an IIN has 12, no passport comes near
	maxFullName     = 200
	maxExtras       = 50 // entries; the catalogue's services ask for a handful
	maxExtraName    = 64
	maxExtraValue   = 500
)

// paymentRequest is the body of POST /v1/payments.
type paymentRequest struct {
	ServiceID          string                    `json:"serviceId"`
	Account            string                    `json:"account"`
	AmountTo           *domain.Money             `json:"amountTo"`
	AmountFrom         *domain.Money             `json:"amountFrom"`
	Extras             map[string]string         `json:"extras"` // names without ev_
	IdentityCard       string                    `json:"identityCard"`
	FullName           string                    `json:"fullName"`
	AutoPay            bool                      `json:"autoPay"`
	AgentTransactionID domain.AgentTransactionID `json:"agentTransactionId"` // 0: the ledger makes one
}

// digest is what a repeated payment is known by; ev_ makes no difference to it.
func (r paymentRequest) digest() string { return digestOf("payment/1", r) }

// decodePayment reads the body of POST /v1/payments and reports everything that
// is wrong with it and can be seen without the catalogue. The request holds what
// was readable.
func decodePayment(body []byte) (paymentRequest, fieldErrors) {
	r := paymentRequest{AutoPay: true}
	var extras json.RawMessage
	wrong := decodeObject(body, map[string]reader{
		"serviceId":          func(raw json.RawMessage) *complaint { return text(raw, maxServiceID, &r.ServiceID) },
		"account":            func(raw json.RawMessage) *complaint { return text(raw, maxAccount, &r.Account) },
		"amountTo":           func(raw json.RawMessage) *complaint { return amount(raw, &r.AmountTo) },
		"amountFrom":         func(raw json.RawMessage) *complaint { return amount(raw, &r.AmountFrom) },
		"identityCard":       func(raw json.RawMessage) *complaint { return text(raw, maxIdentityCard, &r.IdentityCard) },
		"fullName":           func(raw json.RawMessage) *complaint { return text(raw, maxFullName, &r.FullName) },
		"autoPay":            func(raw json.RawMessage) *complaint { return yesOrNo(raw, &r.AutoPay) },
		"agentTransactionId": func(raw json.RawMessage) *complaint { return transactionID(raw, &r.AgentTransactionID) },
		"extras":             func(raw json.RawMessage) *complaint { extras = raw; return nil },
	})
	if wrong.unreadable() {
		return r, wrong
	}
	if extras != nil {
		r.Extras = decodeExtras(extras, &wrong)
	}
	r.checkFields(&wrong)
	if len(wrong) == 0 {
		r.checkCarried(&wrong)
	}
	return r, wrong
}

// checkCarried builds the check that the payment begins with: one that cannot be written would
// be tried for ever. Its number and date are given at acceptance, in a form of our own.
func (r paymentRequest) checkCarried(wrong *fieldErrors) {
	_, err := processing.CheckRequest{
		ServiceID: r.ServiceID, Account: r.Account, AgentTransactionID: cmp.Or(r.AgentTransactionID, 1), AgentTransactionDate: processing.DateLayout,
		AmountTo: r.AmountTo, AmountFrom: r.AmountFrom, IdentityCard: r.IdentityCard, FullName: r.FullName, Extras: r.Extras,
	}.Body()
	if err != nil {
		wrong.add("", ruleFormat, strings.TrimPrefix(err.Error(), processing.ErrRequest.Error()+": "))
	}
}

// checkFields adds what is missing and what does not go together.
func (r paymentRequest) checkFields(wrong *fieldErrors) {
	wrong.require("serviceId", r.ServiceID != "", "is required")
	wrong.require("account", r.Account != "", "is required")
	wrong.require("amountTo", r.AmountTo != nil || !r.AutoPay || wrong.has("autoPay"), "is required unless autoPay is false")
	switch {
	case r.AmountFrom == nil || wrong.has("amountTo"):
	case r.AmountTo == nil:
		wrong.add("amountFrom", ruleRange, "must not stand without amountTo")
	case *r.AmountFrom < *r.AmountTo:
		wrong.add("amountFrom", ruleRange, "must not be below amountTo")
	}
}

// checkVisible adds the first character that nobody sees of each text that says who is paid: it
// came along from wherever the number was copied, and the centre would look for another account.
func (r paymentRequest) checkVisible(wrong *fieldErrors) {
	texts := map[string]string{"account": r.Account, "identityCard": r.IdentityCard}
	for name, value := range r.Extras {
		texts["extras."+name] = value
	}
	for field, value := range texts {
		if fault := domain.InvisibleFault(value); fault != "" {
			wrong.add(field, ruleText, fault+", which nobody sees")
		}
	}
}

// amount reads an amount of a payment: up to processing.MaxAmount.
func amount(raw json.RawMessage, into **domain.Money) *complaint {
	return amountUpTo(processing.MaxAmount, raw, into)
}

// amountUpTo reads a number, or a text that holds one (for callers whose numbers are
// floats), with at most two decimals, above 0 and up to most: what the partner takes that
// it goes to.
func amountUpTo(most domain.Money, raw json.RawMessage, into **domain.Money) *complaint {
	if raw[0] != '-' && raw[0] != '"' && (raw[0] < '0' || raw[0] > '9') {
		return &complaint{ruleType, "must be a number, or a text that holds one"}
	}
	var m domain.Money
	switch err := m.UnmarshalJSON(raw); {
	case err != nil:
		return &complaint{ruleFormat, "must have at most two decimals and " + most.String() + " at most"}
	case !m.Positive() || m > most:
		return &complaint{ruleRange, "must be above 0 and at most " + most.String()}
	}
	*into = &m
	return nil
}

func yesOrNo(raw json.RawMessage, into *bool) *complaint {
	switch string(raw) {
	case "true":
		*into = true
	case "false":
		*into = false
	default:
		return &complaint{ruleType, "must be true or false"}
	}
	return nil
}

// transactionID reads 1 to 18 digits, as a string or an integer.
func transactionID(raw json.RawMessage, into *domain.AgentTransactionID) *complaint {
	if raw[0] != '"' && raw[0] != '-' && (raw[0] < '0' || raw[0] > '9') {
		return &complaint{ruleType, "must be a string or an integer"}
	}
	if err := into.UnmarshalJSON(raw); err != nil {
		*into = 0
		return &complaint{ruleFormat, "must have 1 to 18 digits, the first not 0"}
	}
	return nil
}

// decodeExtras reads an object of strings. Names lose their ev_, which the
// catalogue writes and a request does not.
func decodeExtras(raw json.RawMessage, wrong *fieldErrors) map[string]string {
	members, ok := objectMembers(raw)
	switch {
	case !ok:
		wrong.add("extras", ruleType, "must be an object of strings")
		return nil
	case len(members) > maxExtras:
		wrong.add("extras", ruleTooLong, fmt.Sprintf("must have at most %d entries", maxExtras))
		return nil
	}
	extras := make(map[string]string, len(members))
	for _, m := range members {
		name := strings.TrimPrefix(m.name, "ev_")
		if c := plain(name, maxExtraName); c != nil || name == "" {
			wrong.add("extras", ruleFormat, fmt.Sprintf("names must have 1 to %d characters, no control characters", maxExtraName))
			continue
		}
		field := extraField(name)
		if _, twice := extras[name]; twice {
			wrong.add(field, ruleDuplicate, "must stand once, with or without ev_")
			continue
		}
		var value string
		if c := extraValue(m.value, &value); c != nil {
			wrong.add(field, c.code, c.rule)
		}
		extras[name] = value
	}
	return extras
}

// extraValue reads a string that may be empty.
func extraValue(raw json.RawMessage, into *string) *complaint {
	if string(raw) == `""` {
		return nil
	}
	return text(raw, maxExtraValue, into)
}

// extraField names an extra in a problem.
func extraField(name string) string {
	if !identifier.MatchString(name) {
		return "extras"
	}
	return "extras." + name
}

// inputRules turns what the catalogue's check says into a field error's code.
var inputRules = map[string]string{
	processing.ProblemMissing: ruleRequired,
	processing.ProblemTooLong: ruleTooLong,
	processing.ProblemText:    ruleText,
	processing.ProblemPattern: rulePattern,
	processing.ProblemBroken:  rulePattern,
	processing.ProblemSlow:    rulePattern,
	processing.ProblemUnknown: ruleUnknown,
	processing.ProblemTwice:   ruleDuplicate,
}

// checkService adds what the service's description in the catalogue forbids:
// "Перед отправкой запроса в процессинг, интерфейс Агента должен произвести
// проверку корректности в соответствии с регулярным выражением".
func (r paymentRequest) checkService(service processing.Service, wrong *fieldErrors) {
	unreadable := slices.Clone(*wrong) // those fields are there, and have their complaint
	for _, p := range service.CheckInputs(r.Account, r.Extras) {
		field := p.Field
		if name, extra := strings.CutPrefix(field, "extras."); extra {
			field = extraField(name)
		}
		if unreadable.has(field) {
			continue
		}
		wrong.add(field, inputRules[p.Reason], p.Reason)
	}
}
