package loxon

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Message is what Loxon is told. A field that was wrong is empty.
type Message struct {
	EventDate      string      `json:"event_date,omitempty"`
	BIK            string      `json:"bik,omitempty"`
	PTReferer      string      `json:"pt_referer,omitempty"`
	RefuseReferer  string      `json:"refuse_referer,omitempty"`
	ReqReferer     string      `json:"req_referer,omitempty"`
	ContractNumber string      `json:"contract_number,omitempty"`
	Debt           json.Number `json:"debt,omitempty"`
	Amount         json.Number `json:"amount,omitempty"`
	PaidAmount     json.Number `json:"paid_amount,omitempty"`
	Status         string      `json:"status,omitempty"`
}

// statuses is the document's "Значение статусов".
var statuses = []string{
	"request was sent",
	"payment order accepted",
	"payment order not accepted",
	"reversal of payment order was not accepted",
	"reversal of payment order was not accepted (was reversed before)",
	"reversal of payment order was not accepted (was executed before)",
	"request confirmed",
	"payment order activated",
	"payment order executed",
	"payment order reversed",
}

// maxMessage is the longest message that is read, in bytes; the document's has 300.
const maxMessage = 64 << 10

// maxText is the longest text of a field, in bytes; what is kept of a message is bounded by it.
const maxText = 1 << 10

// maxName is how much of an unknown field's name is shown, in bytes.
const maxName = 64

var (
	sumForm = regexp.MustCompile(`^(?:0|[1-9][0-9]{0,17})(?:\.[0-9]{1,2})?$`)
	bicForm = regexp.MustCompile(`^[A-Z0-9]{8}(?:[A-Z0-9]{3})?$`)
)

// problem is what is wrong with a field, or with all of the message.
type problem struct{ field, text string }

// field is one field of the document: where its text or its sum goes.
type field struct {
	name     string
	text     *string
	sum      *json.Number
	optional bool
	check    func(string) string // "" or what is wrong with the text
	seen     bool
}

func (m *Message) fields() []field {
	return []field{
		{name: "event_date", text: &m.EventDate, check: checkDate},
		{name: "bik", text: &m.BIK, check: checkBIC},
		{name: "pt_referer", text: &m.PTReferer, optional: true},
		{name: "refuse_referer", text: &m.RefuseReferer, optional: true},
		{name: "req_referer", text: &m.ReqReferer, optional: true},
		{name: "contract_number", text: &m.ContractNumber},
		{name: "debt", sum: &m.Debt},
		{name: "amount", sum: &m.Amount},
		{name: "paid_amount", sum: &m.PaidAmount},
		{name: "status", text: &m.Status, check: checkStatus},
	}
}

func checkDate(s string) string {
	if when, err := time.Parse(time.DateTime, s); err != nil || when.Format(time.DateTime) != s { // Parse takes fractions too
		return "is not YYYY-MM-DD HH24:MI:SS"
	}
	return ""
}

func checkBIC(s string) string {
	if !bicForm.MatchString(s) {
		return "is not a BIC of 8 or 11 characters"
	}
	return ""
}

func checkStatus(s string) string {
	if !slices.Contains(statuses, s) {
		return "is not a status of the document"
	}
	return ""
}

// read decodes a message and lists everything that is wrong with it.
func read(value []byte) (m Message, problems []problem) {
	switch {
	case len(value) > maxMessage:
		return m, []problem{{"", "is over 64 KiB"}}
	case !utf8.Valid(value):
		return m, []problem{{"", "is not UTF-8"}}
	}
	fields := m.fields()
	d := json.NewDecoder(bytes.NewReader(value))
	d.UseNumber()
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return m, []problem{{"", "is not a JSON object"}}
	}
	for d.More() {
		p, err := readField(d, fields)
		if err != nil {
			return m, append(problems, problem{"", "is not a JSON object"})
		}
		problems = append(problems, p...)
	}
	if _, err := d.Token(); err != nil {
		return m, append(problems, problem{"", "is not a JSON object"})
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		problems = append(problems, problem{"", "has something after its JSON object"})
	}
	for _, f := range fields {
		if !f.seen && !f.optional {
			problems = append(problems, problem{f.name, "is missing"})
		}
	}
	return m, problems
}

// readField reads a name and its value, whatever that is.
func readField(d *json.Decoder, fields []field) ([]problem, error) {
	name, err := d.Token()
	if err != nil {
		return nil, err
	}
	var raw json.RawMessage
	if err := d.Decode(&raw); err != nil {
		return nil, err
	}
	at := slices.IndexFunc(fields, func(f field) bool { return f.name == name })
	if at < 0 {
		text, _ := name.(string) // as every name in an object
		return []problem{{strings.ToValidUTF8(text[:min(len(text), maxName)], ""), "is not a field of the document"}}, nil
	}
	if fields[at].seen {
		return []problem{{fields[at].name, "is there twice"}}, nil
	}
	fields[at].seen = true
	if text := fields[at].take(raw); text != "" {
		return []problem{{fields[at].name, text}}, nil
	}
	return nil, nil
}

// take keeps a value, or says what is wrong with it.
func (f *field) take(raw json.RawMessage) string {
	if f.sum != nil {
		if !sumForm.Match(raw) {
			return "is not a number of at most two decimals, not below zero"
		}
		*f.sum = json.Number(raw)
		return ""
	}
	var text string
	if raw[0] != '"' || json.Unmarshal(raw, &text) != nil {
		return "is not a text"
	}
	switch {
	case text == "":
		return "is empty"
	case len(text) > maxText:
		return "is over 1 KiB"
	}
	if f.check != nil {
		if wrong := f.check(text); wrong != "" {
			return wrong
		}
	}
	*f.text = text
	return ""
}
