package call

import (
	"encoding/json"

	"tolem/domain"
)

// Reading is one JSON object of a partner, read field by field by their exact names. What
// is missing where it must be there, or has another shape, makes it broken, and so does
// a field that is read and stands there twice.
type Reading struct {
	Object
	broken *bool // one for the whole answer
}

// Read reads exactly one JSON object; anything else is broken and empty.
func Read(body []byte) *Reading { return (&Reading{broken: new(bool)}).inner(body) }

func (o *Reading) inner(body []byte) *Reading {
	read, ok := ReadObject(body)
	o.Must(ok)
	return &Reading{read, o.broken}
}

// Must breaks the object unless something holds.
func (o *Reading) Must(hold bool) { *o.broken = *o.broken || !hold }

// OK says that everything read so far is there, and in its shape.
func (o *Reading) OK() bool { return !*o.broken }

// Raw is a field as it came; nil when it is absent or null.
func (o *Reading) Raw(name string) json.RawMessage {
	o.Must(!o.Double[name])
	if raw := o.Fields[name]; string(raw) != "null" {
		return raw
	}
	return nil
}

// Present says whether a field is there and not null.
func (o *Reading) Present(name string) bool { return o.Raw(name) != nil }

// Text reads a text that must be there and not be empty.
func (o *Reading) Text(name string) string {
	s := o.OptionalText(name)
	o.Must(s != "")
	return s
}

// OptionalText reads a string, or a number or boolean as it is written; "" when it is
// absent or null.
func (o *Reading) OptionalText(name string) string {
	s, ok := Text(o.Raw(name))
	o.Must(ok)
	return s
}

// Shown reads what is only shown: as OptionalText, and "" when it is no scalar.
func (o *Reading) Shown(name string) string {
	s, _ := Text(o.Fields[name])
	return s
}

// Boolean reads true or false, which must be there.
func (o *Reading) Boolean(name string) bool {
	literal := string(o.Raw(name))
	o.Must(literal == "true" || literal == "false")
	return literal == "true"
}

// Money reads an amount, a number or a text, "500", "500.0" or "500.00"; zero when it is
// absent or null.
func (o *Reading) Money(name string) (m domain.Money) {
	if raw := o.Raw(name); raw != nil {
		o.Must(m.UnmarshalJSON(raw) == nil) // which leaves zero where it fails
	}
	return m
}

// maxSum is the largest sum that an answer may tell, so that thousands of them always fit.
const maxSum = domain.Money(1e15)

// Sum reads an amount that must be there, and must not be below zero: it is never guessed.
func (o *Reading) Sum(name string) domain.Money {
	m := o.Money(name)
	o.Must(o.Present(name) && m >= 0 && m <= maxSum)
	return m
}

// Inner reads an object inside; an absent one is empty.
func (o *Reading) Inner(name string) *Reading {
	if raw := o.Raw(name); raw != nil {
		return o.inner(raw)
	}
	return &Reading{broken: o.broken}
}

// List reads a list of objects; an absent one is empty. each reads one of them.
func (o *Reading) List(name string, each func(*Reading)) {
	raw := o.Raw(name)
	if raw == nil {
		return
	}
	var items []json.RawMessage
	o.Must(json.Unmarshal(raw, &items) == nil)
	for _, item := range items {
		each(o.inner(item))
	}
}
