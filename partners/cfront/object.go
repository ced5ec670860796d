package cfront

import (
	"encoding/json"

	"tolem/domain"
	"tolem/partners/call"
)

// object is one JSON object of the bank, read field by field by their exact names. What
// is missing where it must be there, or has another shape, makes it broken, and so does
// a field that is read and stands there twice.
type object struct {
	call.Object
	broken *bool // one for the whole answer
}

// readObject reads exactly one JSON object; anything else is broken and empty.
func readObject(body []byte) *object { return (&object{broken: new(bool)}).inner(body) }

func (o *object) inner(body []byte) *object {
	read, ok := call.ReadObject(body)
	o.must(ok)
	return &object{read, o.broken}
}

// must breaks the object unless something holds.
func (o *object) must(hold bool) { *o.broken = *o.broken || !hold }

// ok says that everything read so far is there, and in its shape.
func (o *object) ok() bool { return !*o.broken }

// raw is a field as it came; nil when it is absent or null.
func (o *object) raw(name string) json.RawMessage {
	o.must(!o.Double[name])
	if raw := o.Fields[name]; string(raw) != "null" {
		return raw
	}
	return nil
}

// present says whether a field is there and not null.
func (o *object) present(name string) bool { return o.raw(name) != nil }

// text reads a text that must be there and not be empty.
func (o *object) text(name string) string {
	s := o.optionalText(name)
	o.must(s != "")
	return s
}

// optionalText reads a string, or a number or boolean as it is written; "" when it is
// absent or null.
func (o *object) optionalText(name string) string {
	s, ok := call.Text(o.raw(name))
	o.must(ok)
	return s
}

// shown reads what is only shown: as optionalText, and "" when it is no scalar.
func (o *object) shown(name string) string {
	s, _ := call.Text(o.Fields[name])
	return s
}

// boolean reads true or false, which must be there.
func (o *object) boolean(name string) bool {
	literal := string(o.raw(name))
	o.must(literal == "true" || literal == "false")
	return literal == "true"
}

// money reads an amount, a number or a text, "500", "500.0" or "500.00"; zero when it is
// absent or null.
func (o *object) money(name string) (m domain.Money) {
	if raw := o.raw(name); raw != nil {
		o.must(m.UnmarshalJSON(raw) == nil) // which leaves zero where it fails
	}
	return m
}

// maxSum is the largest sum that an answer may tell.
const maxSum = domain.Money(1e15)

// sum reads an amount that must be there, and must not be below zero: it is never guessed.
func (o *object) sum(name string) domain.Money {
	m := o.money(name)
	o.must(o.present(name) && m >= 0 && m <= maxSum)
	return m
}

// object reads an object inside; an absent one is empty.
func (o *object) object(name string) *object {
	if raw := o.raw(name); raw != nil {
		return o.inner(raw)
	}
	return &object{broken: o.broken}
}

// list reads a list of objects; an absent one is empty. each reads one of them.
func (o *object) list(name string, each func(*object)) {
	raw := o.raw(name)
	if raw == nil {
		return
	}
	var items []json.RawMessage
	o.must(json.Unmarshal(raw, &items) == nil)
	for _, item := range items {
		each(o.inner(item))
	}
}
