package cfront

import (
	"bytes"
	"encoding/json"
	"strings"
	"unicode/utf8"

	"tolem/domain"
)

// object is one JSON object of the bank, read field by field by their exact names. What
// is missing or in another shape where it must be there makes it broken.
type object struct {
	fields map[string]json.RawMessage
	broken bool
}

// readObject reads exactly one JSON object; anything else is broken and empty.
func readObject(body []byte) *object {
	body = bytes.TrimPrefix(body, []byte("\ufeff")) // RFC 8259, section 8.1: a parser may ignore it
	o := &object{fields: map[string]json.RawMessage{}}
	trimmed := bytes.TrimLeft(body, " \t\r\n")
	if len(trimmed) == 0 || trimmed[0] != '{' || json.Unmarshal(body, &o.fields) != nil {
		o.broken = true
	}
	return o
}

// present says whether a field is there and not null.
func (o *object) present(name string) bool {
	raw, ok := o.fields[name]
	return ok && string(raw) != "null"
}

// text reads a text that must be there and not be empty.
func (o *object) text(name string) string {
	s := o.optionalText(name)
	o.broken = o.broken || s == ""
	return s
}

// optionalText reads a string, or a number or boolean as it is written; "" when it is
// absent, null, or no scalar. NUL becomes U+FFFD: PostgreSQL stores no NUL.
func (o *object) optionalText(name string) string {
	raw := o.fields[name]
	switch {
	case len(raw) == 0 || string(raw) == "null" || raw[0] == '{' || raw[0] == '[':
		return ""
	case raw[0] != '"':
		return string(raw)
	}
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return ""
	}
	return strings.ReplaceAll(s, "\x00", string(utf8.RuneError))
}

// boolean reads true or false, which must be there.
func (o *object) boolean(name string) bool {
	switch string(o.fields[name]) {
	case "true":
		return true
	case "false":
		return false
	}
	o.broken = true
	return false
}

// money reads an amount, a number or a text, "500", "500.0" or "500.00"; zero when it is
// absent or null. Anything else breaks the object.
func (o *object) money(name string) (m domain.Money) {
	if !o.present(name) {
		return 0
	}
	if m.UnmarshalJSON(o.fields[name]) != nil {
		o.broken = true
		return 0
	}
	return m
}

// object reads an object inside; an absent one is empty.
func (o *object) object(name string) *object {
	if !o.present(name) {
		return &object{fields: map[string]json.RawMessage{}}
	}
	inner := readObject(o.fields[name])
	o.broken = o.broken || inner.broken
	return inner
}

// list reads a list of objects; an absent one is empty. each reads one of them.
func (o *object) list(name string, each func(*object)) {
	if !o.present(name) {
		return
	}
	var items []json.RawMessage
	if json.Unmarshal(o.fields[name], &items) != nil {
		o.broken = true
		return
	}
	for _, raw := range items {
		item := readObject(raw)
		each(item)
		o.broken = o.broken || item.broken
	}
}
