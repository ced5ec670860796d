package processing

import (
	"tolem/domain"
	"tolem/partners/call"
)

// envelope is what every answer has, and the rest of its fields by their exact
// names.
type envelope struct {
	code    domain.Code
	message string
	call.Object
	findings *call.Reading // of the envelope's own fields
}

// parseEnvelope reads exactly one JSON object with a whole number as its result, no text.
// Its errors are unreadable: not_json, no_result.
func parseEnvelope(body []byte) (envelope, error) {
	object, ok := call.ReadObject(body)
	if !ok {
		return envelope{}, unreadable{reason: ReasonNotJSON}
	}
	e := envelope{Object: object, findings: call.Object{Fields: object.Fields}.Reading()} // which names of it stand twice is looked at one by one
	code, present, ok := call.Integer(object.Fields["result"], 9)                         // ledgers hold 32 bits; table 1 has three digits
	if !ok || !present || object.Fields["result"][0] == '"' || object.Double["result"] {
		return envelope{}, unreadable{ReasonNoResult, "result"}
	}
	e.code, e.message = domain.Code(code), e.findings.Shown("resultMessage")
	return e, nil
}

// id reads a transaction number: a whole number, or a text that holds one, of up to
// 18 digits. Absent, null, "" and 0 name none: 0, true.
func (e envelope) id(name string) (int64, bool) {
	n, _, ok := call.Integer(e.Fields[name], 18)
	return n, ok && n >= 0 && !e.Double[name]
}
