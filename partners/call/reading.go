package call

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"tolem/domain"
)

// Reading is one JSON object of a partner, read field by field by their exact names.
//
// A field that decides makes the whole answer unreadable when it is missing where it must
// be there, or has another shape; so does a name that stands twice in any object that is
// read. A field that is only shown never does: it is left out, and noted as dropped.
type Reading struct {
	Object
	path string // where the object is in the answer; "" for the answer itself
	*findings
}

// findings are of one whole answer. They hold names of fields, never values.
type findings struct {
	broken  bool
	field   string // the first that broke it; "" for the answer itself
	dropped []string
}

// Read reads exactly one JSON object; anything else is broken and empty.
func Read(body []byte) *Reading {
	object, ok := ReadObject(body)
	o := object.Reading()
	o.must(ok, "")
	return o
}

// Reading reads the object with findings of its own, as if it were a whole answer.
func (o Object) Reading() *Reading { return o.at("", new(findings)) }

// at is the object at its place in an answer.
func (o Object) at(path string, f *findings) *Reading {
	r := &Reading{Object: o, path: path, findings: f}
	for _, name := range sorted(o.Double) {
		r.must(false, fieldName(path, name))
	}
	return r
}

func sorted(names map[string]bool) (list []string) {
	for name := range names {
		list = append(list, name)
	}
	slices.Sort(list)
	return list
}

// legibleName is what a field may be called in a journal. Other names may be data.
var legibleName = regexp.MustCompile(`^[A-Za-z_]{1,40}$`)

// fieldName names a field of the object at path; only the object when the name may be data.
func fieldName(path, name string) string {
	switch {
	case !legibleName.MatchString(name):
		return path
	case path == "":
		return name
	}
	return path + "." + name
}

func (f *findings) must(hold bool, field string) {
	if !hold && !f.broken {
		f.broken, f.field = true, field
	}
}

// maxDropped bounds the names that are kept of what was dropped; a list of thousands may
// repeat one fault.
const maxDropped = 20

func (f *findings) drop(field string) {
	if len(f.dropped) < maxDropped && !slices.Contains(f.dropped, field) {
		f.dropped = append(f.dropped, field)
	}
}

// OK says that everything that decides and was read so far is there, and in its shape.
func (f *findings) OK() bool { return !f.broken }

// Field names the first field for which the answer is unreadable, as stmt[0].amount; "" when
// it is the answer itself.
func (f *findings) Field() string { return f.field }

// Dropped names the fields that are only shown and could not be read, with commas between
// them.
func (f *findings) Dropped() string { return strings.Join(f.dropped, ", ") }

// Must makes the answer unreadable for a field unless something holds.
func (o *Reading) Must(hold bool, name string) { o.must(hold, fieldName(o.path, name)) }

// Drop notes that a field which is only shown was left out.
func (o *Reading) Drop(name string) { o.drop(fieldName(o.path, name)) }

// Raw is a field as it came; nil when it is absent or null.
func (o *Reading) Raw(name string) json.RawMessage {
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
	o.Must(s != "", name)
	return s
}

// OptionalText reads a string, or a number or boolean as it is written; "" when it is
// absent or null.
func (o *Reading) OptionalText(name string) string {
	s, ok := Text(o.Raw(name))
	o.Must(ok, name)
	return s
}

// Word is Text without white space at its ends, for what is compared: columns of fixed
// width come padded.
func (o *Reading) Word(name string) string {
	s := o.OptionalWord(name)
	o.Must(s != "", name)
	return s
}

// OptionalWord is Word, and "" when it is absent or null.
func (o *Reading) OptionalWord(name string) string { return strings.TrimSpace(o.OptionalText(name)) }

// Shown reads what is only shown, as OptionalText does.
func (o *Reading) Shown(name string) string {
	s, ok := Text(o.Raw(name))
	if !ok {
		o.Drop(name)
	}
	return s
}

// Boolean reads true or false, which must be there.
func (o *Reading) Boolean(name string) bool {
	literal := string(o.Raw(name))
	o.Must(literal == "true" || literal == "false", name)
	return literal == "true"
}

// Yes reads true or false, also as text or as 1 and 0; absent is false.
func (o *Reading) Yes(name string) bool {
	switch strings.ToLower(o.OptionalWord(name)) {
	case "true", "1":
		return true
	case "false", "0", "":
		return false
	}
	o.Must(false, name)
	return false
}

// Integer reads a whole number of at most so many digits, which must be there.
func (o *Reading) Integer(name string, digits int) int64 {
	n, present, ok := Integer(o.Raw(name), digits)
	o.Must(present && ok, name)
	return n
}

// OptionalMoney reads an amount; nil when it is absent.
func (o *Reading) OptionalMoney(name string) *domain.Money {
	m, ok := amount(o.Raw(name))
	o.Must(ok, name)
	return m
}

// Money is OptionalMoney, and zero when it is absent.
func (o *Reading) Money(name string) (m domain.Money) {
	if read := o.OptionalMoney(name); read != nil {
		m = *read
	}
	return m
}

// RequiredMoney reads an amount that must be there.
func (o *Reading) RequiredMoney(name string) (m domain.Money) {
	read := o.OptionalMoney(name)
	o.Must(read != nil, name)
	if read != nil {
		m = *read
	}
	return m
}

// ShownMoney reads an amount that is only shown; nil when it is absent or unreadable.
func (o *Reading) ShownMoney(name string) *domain.Money {
	m, ok := amount(o.Raw(name))
	if !ok {
		o.Drop(name)
	}
	return m
}

// maxSum is the largest sum that an answer may tell, so that thousands of them always fit.
const maxSum = domain.Money(1e15)

// Sum reads an amount that must be there, and must not be below zero: it is never guessed.
func (o *Reading) Sum(name string) domain.Money {
	m := o.RequiredMoney(name)
	o.Must(m >= 0 && m <= maxSum, name)
	return m
}

// Decimal reads a number that must be there and is no amount of ours.
func (o *Reading) Decimal(name string) (d domain.Decimal) {
	read, ok := decimalOf(o.Raw(name))
	o.Must(ok && read != nil, name)
	if read != nil {
		d = *read
	}
	return d
}

// ShownDecimal reads a number that is only shown; nil when it is absent or unreadable.
func (o *Reading) ShownDecimal(name string) *domain.Decimal {
	d, ok := decimalOf(o.Raw(name))
	if !ok {
		o.Drop(name)
	}
	return d
}

// Inner reads an object inside. An absent one is empty, and so is an empty list: PHP writes
// an object without fields so.
func (o *Reading) Inner(name string) *Reading {
	inner, ok := o.inside(name)
	o.Must(ok, name)
	return inner.at(fieldName(o.path, name), o.findings)
}

// ShownInner reads an object of which every field is only shown; it is empty when it is no
// object, or has a name twice.
func (o *Reading) ShownInner(name string) *Reading {
	inner, ok := o.inside(name)
	if !ok || len(inner.Double) > 0 {
		o.Drop(name)
		inner = Object{}
	}
	return inner.at(fieldName(o.path, name), o.findings)
}

func (o *Reading) inside(name string) (Object, bool) {
	raw := o.Raw(name)
	if raw == nil || isEmptyList(raw) {
		return Object{}, true
	}
	return ReadObject(raw)
}

func isEmptyList(raw json.RawMessage) bool {
	return len(raw) > 1 && raw[0] == '[' && len(strings.TrimSpace(string(raw[1:len(raw)-1]))) == 0
}

// List reads a list of objects; an absent one is empty, as null is. each reads one of them.
func (o *Reading) List(name string, each func(*Reading)) {
	for i, raw := range o.Items(name) {
		object, ok := ReadObject(raw)
		path := fmt.Sprintf("%s[%d]", fieldName(o.path, name), i)
		o.must(ok, path)
		each(object.at(path, o.findings))
	}
}

// Items reads a list of anything; an absent one is empty, as null is.
func (o *Reading) Items(name string) (items []json.RawMessage) {
	if raw := o.Raw(name); raw != nil {
		o.Must(json.Unmarshal(raw, &items) == nil, name)
	}
	return items
}
