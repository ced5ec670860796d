package cfront

import (
	"encoding/json"

	"tolem/domain"
	"tolem/partners/call"
)

// object is one JSON object of the bank, read field by field by their exact names. What
// is missing or in another shape where it must be there makes it broken.
type object struct {
	fields map[string]json.RawMessage
	broken bool
}

// readObject reads exactly one JSON object; anything else is broken and empty.
func readObject(body []byte) *object {
	o, ok := call.ReadObject(body)
	return &object{fields: o.Fields, broken: !ok}
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
// absent, null, or no scalar.
func (o *object) optionalText(name string) string {
	s, _ := call.Text(o.fields[name])
	return s
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
		return &object{}
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
