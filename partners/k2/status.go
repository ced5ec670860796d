package k2

import (
	"encoding/json"

	"tolem/domain"
	"tolem/partners/call"
)

// Status is one status of a payment order ("статус входящего платежного требования").
type Status struct {
	Reference domain.Reference // "Референс платежного требования"
	Code      domain.BankStatusCode
}

// DecodeStatus reads the body of k2req_status_from_eko, or returns a *Refusal that names every
// field that is wrong.
func DecodeStatus(body []byte) (Status, error) {
	object, ok := call.ReadObject(body)
	if !ok {
		return Status{}, refuse(CodeMalformed, -1, "", "the body must be exactly one JSON object")
	}
	var s Status
	wrong := &Refusal{}
	readFields(object, []field{
		{"reference", "must be the reference of a payment order, as PTP00000000001", func(raw json.RawMessage) bool {
			return text((*string)(&s.Reference), func(r string) bool { _, err := domain.ParseReference(r); return err == nil })(raw)
		}},
		{"status_code", "must be PC1 or PC3", func(raw json.RawMessage) bool {
			return text((*string)(&s.Code), func(c string) bool { _, known := domain.BankStatusCode(c).Status(); return known })(raw)
		}},
	}, func(field, rule string) { wrong.add(CodeInvalid, Problem{-1, field, rule}) })
	if wrong.Code != CodeOK {
		return Status{}, wrong
	}
	return s, nil
}
