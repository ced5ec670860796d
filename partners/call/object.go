package call

import (
	"bytes"
	"encoding/json"
	"strings"
	"unicode/utf8"
)

// Object is one JSON object of a partner.
type Object struct {
	Fields map[string]json.RawMessage // by their exact names: encoding/json alone would take "Result" for result
	Double map[string]bool            // names that stand in it twice; which value counts is anybody's guess
}

// ReadObject reads exactly one JSON object, and nothing after it.
func ReadObject(body []byte) (o Object, ok bool) {
	body = bytes.TrimPrefix(body, []byte("\ufeff")) // RFC 8259, section 8.1: a parser may ignore it
	if !json.Valid(body) {                          // trailing bytes included
		return Object{}, false
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	if start, err := decoder.Token(); err != nil || start != json.Delim('{') {
		return Object{}, false
	}
	o = Object{Fields: map[string]json.RawMessage{}, Double: map[string]bool{}}
	for decoder.More() {
		key, err := decoder.Token()
		name, ok := key.(string)
		var value json.RawMessage
		if err != nil || !ok || decoder.Decode(&value) != nil {
			return Object{}, false
		}
		if _, seen := o.Fields[name]; seen {
			o.Double[name] = true
		}
		o.Fields[name] = value
	}
	return o, true
}

// Text reads any JSON scalar as text: a string's content, a number as it is
// written, true or false. Absent and null are "". Objects and arrays are no text.
//
// NUL becomes U+FFFD: Postgres stores no NUL, and an outcome that cannot be
// stored would be lost.
func Text(raw json.RawMessage) (string, bool) {
	switch {
	case len(raw) == 0 || string(raw) == "null":
		return "", true
	case raw[0] == '{' || raw[0] == '[':
		return "", false
	case raw[0] != '"':
		return string(raw), true
	}
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return "", false
	}
	return strings.ReplaceAll(s, "\x00", string(utf8.RuneError)), true
}
