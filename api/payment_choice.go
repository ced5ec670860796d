package api

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"tolem/domain"
	"tolem/partners/processing"
	"tolem/storage"
)

// Limits of a choice's fields, in characters where nothing else is said.
const (
	maxLines        = 100 // of extraServices; the longest receipts have a few dozen
	maxSubServiceID = 200 // the centre's own; its examples have three
	maxLastCount    = 16  // 12 digits, a point and 3 decimals
)

// decodeChoice reads the body of POST /v1/payments/{id}/pay and reports everything
// that is wrong with it and can be seen without the payment. The choice holds what
// was readable.
func decodeChoice(body []byte) (processing.Choice, fieldErrors) {
	var c processing.Choice
	var lines json.RawMessage
	wrong := decodeObject(body, map[string]reader{
		"amountTo":      func(raw json.RawMessage) *complaint { return amount(raw, &c.AmountTo) },
		"amountFrom":    func(raw json.RawMessage) *complaint { return amount(raw, &c.AmountFrom) },
		"contractId":    func(raw json.RawMessage) *complaint { return text(raw, maxExtraValue, &c.ContractID) },
		"extraServices": func(raw json.RawMessage) *complaint { lines = raw; return nil },
	})
	if lines != nil {
		c.ExtraServices = decodeLines(lines, &wrong)
	}
	return c, wrong
}

// decodeLines reads the paid lines of a receipt.
func decodeLines(raw json.RawMessage, wrong *fieldErrors) []processing.PaidService {
	var list []json.RawMessage
	switch err := json.Unmarshal(raw, &list); {
	case err != nil || list == nil:
		wrong.add("extraServices", ruleType, "must be a list of objects")
		return nil
	case len(list) == 0:
		wrong.add("extraServices", ruleRequired, "must not be empty; leave it out if it is optional")
		return nil
	case len(list) > maxLines:
		wrong.add("extraServices", ruleTooLong, fmt.Sprintf("must have at most %d entries", maxLines))
		return nil
	}
	lines := make([]processing.PaidService, len(list))
	for i, raw := range list {
		lines[i] = decodeLine(fmt.Sprintf("extraServices[%d]", i), raw, wrong)
	}
	return lines
}

func decodeLine(field string, raw json.RawMessage, wrong *fieldErrors) (line processing.PaidService) {
	members, ok := objectMembers(raw)
	if !ok {
		wrong.add(field, ruleType, "must be an object")
		return line
	}
	var paid *domain.Money
	wrong.read(field+".", members, map[string]reader{
		"subServiceId": func(raw json.RawMessage) *complaint { return text(raw, maxSubServiceID, &line.SubServiceID) },
		"amount":       func(raw json.RawMessage) *complaint { return amount(raw, &paid) },
		"lastCount":    func(raw json.RawMessage) *complaint { return reading(raw, &line.LastCount) },
	})
	wrong.require(field+".subServiceId", line.SubServiceID != "", "is required")
	wrong.require(field+".amount", paid != nil, "is required")
	if paid != nil {
		line.Amount = *paid
	}
	return line
}

// reading reads what a meter shows, a text or a number, and keeps it as it was
// written.
func reading(raw json.RawMessage, into **string) *complaint {
	value := string(raw)
	switch first := raw[0]; {
	case first == '"':
		if c := text(raw, maxLastCount, &value); c != nil {
			return c
		}
	case first != '-' && (first < '0' || first > '9'):
		return &complaint{ruleType, "must be a string or a number"}
	case len(value) > maxLastCount:
		return &complaint{ruleTooLong, fmt.Sprintf("must have at most %d characters", maxLastCount)}
	}
	*into = &value
	return nil
}

// choiceRules turns what CheckChoice says into a field error's code.
var choiceRules = map[string]string{
	processing.ProblemMissing:     ruleRequired,
	processing.ProblemAmount:      ruleRange,
	processing.ProblemNotFixed:    ruleMismatch,
	processing.ProblemFixed:       ruleMismatch,
	processing.ProblemBelowTo:     ruleRange,
	processing.ProblemBelowMin:    ruleRange,
	processing.ProblemAboveMax:    ruleRange,
	processing.ProblemSum:         ruleMismatch,
	processing.ProblemSumTooLarge: ruleRange,
	processing.ProblemNotOffered:  ruleNotOffered,
	processing.ProblemNoContracts: ruleUnknown,
	processing.ProblemNoReceipt:   ruleUnknown,
	processing.ProblemLineTwice:   ruleDuplicate,
	processing.ProblemExpired:     ruleExpired,
	processing.ProblemReading:     ruleFormat,
	processing.ProblemNoMeter:     ruleUnknown,
}

// choiceErrors is what CheckChoice found, as field errors.
func choiceErrors(problems []processing.InputProblem) (wrong fieldErrors) {
	for _, p := range problems {
		reason, _, _ := strings.Cut(p.Reason, ": ") // amounts may follow
		wrong.add(p.Field, choiceRules[reason], p.Reason)
	}
	return wrong
}

// completed holds a choice against what check answered, as it could be chosen at
// the given moment, and makes it what the ledger keeps.
func (s *Server) completed(p storage.Payment, given processing.Choice, by string, at time.Time) (storage.PayerChoice, fieldErrors, error) {
	var reply processing.Reply
	if err := json.Unmarshal([]byte(p.CheckAnswer), &reply); err != nil { // its text may quote the answer
		return storage.PayerChoice{}, nil, errors.New("the stored answer to check of payment " + p.ID.String() + " is unreadable")
	}
	choice, problems := reply.CheckChoice(requestedBy(p), given, at.In(s.location))
	if len(problems) > 0 {
		return storage.PayerChoice{}, choiceErrors(problems), nil
	}
	kept, err := json.Marshal(choice)
	if err != nil {
		return storage.PayerChoice{}, nil, fmt.Errorf("write the choice: %w", err)
	}
	return storage.PayerChoice{JSON: string(kept), SHA256: choiceDigest(choice), By: by, At: at}, nil, nil
}

// requestedBy is what the payment's request named before check. Once pay is
// intended the row's amounts are pay's, and only the bytes of check, which repeat
// the request's, still say.
func requestedBy(p storage.Payment) processing.Requested {
	asked := processing.Requested{AmountTo: p.AmountTo, AmountFrom: p.AmountFrom, ContractID: p.Extras[processing.ExtraContractID]}
	var check struct {
		AmountTo   *domain.Money `json:"amountTo"`
		AmountFrom *domain.Money `json:"amountFrom"`
	}
	if p.PaySentAt != nil && json.Unmarshal(p.CheckBody, &check) == nil {
		asked.AmountTo, asked.AmountFrom = check.AmountTo, check.AmountFrom
	}
	return asked
}

// choiceDigest is what a repeated choice is known by: of the completed choice, so
// that a written-out default makes no difference; the order of a receipt's lines
// makes none either.
func choiceDigest(c processing.Choice) string {
	c.ExtraServices = slices.SortedFunc(slices.Values(c.ExtraServices), func(a, b processing.PaidService) int {
		return cmp.Compare(a.SubServiceID, b.SubServiceID) // each stands once
	})
	return digestOf("choice/1", c)
}
