package processing

import (
	"encoding/json"
	"strconv"
	"strings"

	"tolem/domain"
	"tolem/partners/call"
)

// envelope is what every answer has, and the rest of its fields by their exact
// names.
type envelope struct {
	code    domain.Code
	message string
	fields  map[string]json.RawMessage
	double  map[string]bool // names that stand in the object twice
}

// parseEnvelope reads exactly one JSON object with an integer result. Its errors
// are unreadable: not_json, no_result.
func parseEnvelope(body []byte) (envelope, error) {
	o, ok := call.ReadObject(body)
	if !ok {
		return envelope{}, unreadable(ReasonNotJSON)
	}
	e := envelope{fields: o.Fields, double: o.Double}
	code, ok := integer(e.fields["result"], 9) // ledgers hold 32 bits; table 1 has three digits
	if !ok || e.double["result"] {
		return envelope{}, unreadable(ReasonNoResult)
	}
	e.code = domain.Code(code)
	e.message, _ = call.Text(e.fields["resultMessage"])
	return e, nil
}

// integer reads a JSON integer of at most so many digits: "0" as a string, 0.0,
// 1e0, -0 and null are none.
func integer(raw json.RawMessage, digits int) (int64, bool) {
	literal := strings.TrimPrefix(string(raw), "-")
	if literal == "" || len(literal) > digits || strings.Trim(literal, "0123456789") != "" || string(raw) == "-0" {
		return 0, false
	}
	n, err := strconv.ParseInt(string(raw), 10, 64)
	return n, err == nil
}

// id reads a transaction number: an integer, or the same as a string, of up to
// 18 digits. Absent, null, "", 0 and "0" name none: 0, true.
func (e envelope) id(name string) (int64, bool) {
	if e.double[name] {
		return 0, false
	}
	raw := e.fields[name]
	if len(raw) > 1 && raw[0] == '"' {
		raw = raw[1 : len(raw)-1] // an escape in it makes it no integer
	}
	switch string(raw) {
	case "", "null", "0":
		return 0, true
	}
	parsed, err := domain.ParseAgentTransactionID(string(raw)) // transactionId has the same form
	return int64(parsed), err == nil
}
