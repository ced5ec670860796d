package k2

import (
	"tolem/domain"
	"tolem/partners/call"
)

// Status is one status of a payment order ("статус входящего платежного требования").
type Status struct {
	Reference domain.Reference // "Референс платежного требования"
	Code      domain.BankStatusCode
}

const (
	referenceRule = "must be the reference of a payment order, as PTP00000000001"
	codeRule      = "must be PC1 or PC3"
)

// DecodeStatus reads the body of k2req_status_from_eko, or returns a *Refusal that names every
// field that is wrong.
func DecodeStatus(body []byte) (Status, error) {
	if isUTF16(body) {
		return Status{}, errUTF16
	}
	object, ok := call.ReadObject(body) // which skips a byte order mark
	if !ok {
		return Status{}, refuse(CodeMalformed, -1, "", "the body must be exactly one JSON object")
	}
	var s Status
	wrong := &Refusal{}
	readFields(object, []field{
		{"reference", text((*string)(&s.Reference), referenceRule, func(r string) string { _, err := domain.ParseReference(r); return unless(err == nil, referenceRule) })},
		{"status_code", text((*string)(&s.Code), codeRule, func(c string) string { _, known := domain.BankStatusCode(c).Status(); return unless(known, codeRule) })},
	}, func(field, rule string) { wrong.add(CodeInvalid, Problem{-1, field, rule}) })
	if wrong.Code != CodeOK {
		return Status{}, wrong
	}
	return s, nil
}
