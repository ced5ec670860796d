package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/labstack/echo/v4"
)

const (
	// maxBody bounds a body, in bytes; the largest payment that passes the rules
	// has 59 KB in Cyrillic, two bytes a letter.
	maxBody = 64 << 10

	// maxComplaints bounds what is said about one body: a payment has 59 fields at
	// most, and a body of other fields must not take time by the square of them.
	maxComplaints = 200

	// maxNesting bounds objects within objects; a payment needs two.
	maxNesting = 8

	mediaTypeRule = "send Content-Type: application/json in UTF-8, not compressed"
)

// The codes of field errors, stable names. ruleUnknown to ruleNesting speak of
// the JSON, the rest of the values.
const (
	ruleJSON           = "json"            // not exactly one well-formed JSON object in UTF-8
	ruleNesting        = "nesting"         // objects within objects without need
	ruleUnknown        = "unknown"         // no such field
	ruleDuplicate      = "duplicate"       // the field stands twice
	ruleType           = "type"            // a number where text belongs, and so on
	ruleRequired       = "required"        // missing or empty
	ruleTooLong        = "too_long"        // more characters, or entries, than allowed
	ruleText           = "text"            // control characters or broken text
	ruleFormat         = "format"          // not written as the field has to be
	ruleRange          = "range"           // too small or too large
	rulePattern        = "pattern"         // does not match the service's pattern
	ruleUnknownService = "unknown_service" // the catalogue has no such service
	ruleNotOffered     = "not_offered"     // check did not offer it, or not for this
	ruleMismatch       = "mismatch"        // differs from the amount that it must equal
	ruleExpired        = "expired"         // can no longer be paid
)

// readBody reads a JSON body of the usual size.
func readBody(c echo.Context) ([]byte, error) { return readUpTo(c, maxBody, readLimit) }

// readUpTo reads a JSON body of at most limit bytes, in the time that the
// connection has for it. It skips a byte order mark, as RFC 8259 lets a reader do.
func readUpTo(c echo.Context, limit int64, within time.Duration) ([]byte, error) {
	r := c.Request()
	if !hasType(r.Header, echo.MIMEApplicationJSON) {
		return nil, &problem{code: unsupportedMediaType, detail: mediaTypeRule}
	}
	body, err := readBytes(c, limit, within)
	return bytes.TrimPrefix(body, []byte("\ufeff")), err
}

// readBytes reads a body of any type, of at most limit bytes, in the time that the connection
// has for it.
func readBytes(c echo.Context, limit int64, within time.Duration) ([]byte, error) {
	body, err := io.ReadAll(http.MaxBytesReader(c.Response().Writer, c.Request().Body, limit))
	var tooLarge *http.MaxBytesError
	var timeout net.Error
	switch {
	case err == nil:
		return body, nil
	case errors.As(err, &tooLarge):
		return nil, err
	case errors.As(err, &timeout) && timeout.Timeout():
		return nil, &problem{code: requestTimeout, detail: "send the whole request within " + within.String()}
	}
	return nil, &problem{code: invalidRequest, detail: "the body broke off"}
}

// readOptionalBody reads a JSON body that may be left out: then it is {}.
func readOptionalBody(c echo.Context) ([]byte, error) {
	if c.Request().ContentLength == 0 {
		return []byte("{}"), nil
	}
	body, err := readBody(c)
	if err == nil && len(body) == 0 { // of a length that was not announced
		return []byte("{}"), nil
	}
	return body, err
}

// hasType says whether a body is of the media type, in UTF-8, not compressed.
func hasType(h http.Header, wanted string) bool {
	kind, parameters, err := mime.ParseMediaType(h.Get(echo.HeaderContentType))
	charset, named := parameters["charset"]
	encoding := h.Get(echo.HeaderContentEncoding)
	return err == nil && kind == wanted && (!named || strings.EqualFold(charset, "utf-8")) &&
		(encoding == "" || strings.EqualFold(encoding, "identity"))
}

// complaint is what is wrong with one value.
type complaint struct{ code, rule string }

// reader reads the value of one field; nil means that it was fine.
type reader func(raw json.RawMessage) *complaint

// fieldErrors collects what is wrong with a body.
type fieldErrors []fieldError

// add keeps one complaint of each kind for each field, and maxComplaints in all.
func (f *fieldErrors) add(field, code, rule string) {
	if len(*f) == maxComplaints {
		return
	}
	for _, e := range *f {
		if e.Field == field && e.Code == code {
			return
		}
	}
	*f = append(*f, fieldError{field, code, rule})
}

// has says whether a field was complained about.
func (f fieldErrors) has(field string) bool {
	return slices.ContainsFunc(f, func(e fieldError) bool { return e.Field == field })
}

// require complains about a field that was not given, unless it was complained
// about already.
func (f *fieldErrors) require(field string, given bool, rule string) {
	if !given && !f.has(field) {
		f.add(field, ruleRequired, rule)
	}
}

// unreadable says that the body is no object, so that nothing can be said of its
// fields.
func (f fieldErrors) unreadable() bool { return len(f) == 1 && f[0].Field == "" }

// problem is the answer that names everything at once; nil when nothing is
// wrong.
func (f fieldErrors) problem() error {
	if len(f) == 0 {
		return nil
	}
	return &problem{code: invalidRequest, detail: "errors lists every rule that the body breaks; nothing was stored", fields: f}
}

// decodeObject reads exactly one JSON object whose members are among fields, by
// their exact names, each at most once. It reports everything that is wrong.
func decodeObject(body []byte, fields map[string]reader) (wrong fieldErrors) {
	if code, rule := wellFormed(body); code != "" {
		wrong.add("", code, rule)
		return wrong
	}
	members, ok := objectMembers(body)
	if !ok {
		wrong.add("", ruleJSON, "must be a JSON object")
		return wrong
	}
	wrong.read("", members, fields)
	return wrong
}

// read reads the members of one object, each of them among fields and once.
// Complaints name a field with prefix before it.
func (f *fieldErrors) read(prefix string, members []member, fields map[string]reader) {
	seen := map[string]bool{}
	for _, m := range members {
		read, known := fields[m.name]
		switch {
		case !known:
			f.add(prefix+safeName(m.name), ruleUnknown, "is not a field of this request")
		case seen[m.name]:
			f.add(prefix+m.name, ruleDuplicate, "must stand once")
		default:
			if c := read(m.value); c != nil {
				f.add(prefix+m.name, c.code, c.rule)
			}
		}
		seen[m.name] = true
	}
}

// wellFormed finds what makes a body unreadable as a whole.
func wellFormed(body []byte) (code, rule string) {
	switch {
	case !utf8.Valid(body):
		return ruleJSON, "must be valid UTF-8"
	case nesting(body) > maxNesting:
		return ruleNesting, fmt.Sprintf("must not nest deeper than %d", maxNesting)
	case !json.Valid(body):
		return ruleJSON, "must be exactly one well-formed JSON object and nothing after it"
	}
	return "", ""
}

// nesting is how deep brackets are open in what may or may not be JSON.
func nesting(body []byte) (deepest int) {
	depth, inText := 0, false
	for i := 0; i < len(body); i++ {
		switch c := body[i]; {
		case inText && c == '\\':
			i++ // the next character is escaped, and no quote that ends the text
		case c == '"':
			inText = !inText
		case inText:
		case c == '{' || c == '[':
			depth++
			deepest = max(deepest, depth)
		case c == '}' || c == ']':
			depth--
		}
	}
	return deepest
}

// member is one name and value of an object.
type member struct {
	name  string
	value json.RawMessage
}

// objectMembers lists the members of a valid JSON value in their order, also
// those that stand twice. ok is false when the value is no object.
func objectMembers(valid []byte) (members []member, ok bool) {
	d := json.NewDecoder(bytes.NewReader(valid))
	if open, err := d.Token(); err != nil || open != json.Delim('{') {
		return nil, false
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, false
		}
		text, isText := name.(string)
		var value json.RawMessage
		if err := d.Decode(&value); err != nil || !isText {
			return nil, false
		}
		members = append(members, member{text, value})
	}
	return members, true
}

// text reads a string of 1 to limit characters without control characters.
// U+FFFD is refused too: it is what half a surrogate pair turns into.
func text(raw json.RawMessage, limit int, into *string) *complaint {
	if raw[0] != '"' {
		return &complaint{ruleType, "must be a string"}
	}
	var value string
	if err := json.Unmarshal(raw, &value); err != nil {
		return &complaint{ruleText, "must be readable text"}
	}
	if c := plain(value, limit); c != nil {
		return c
	}
	if value == "" {
		return &complaint{ruleRequired, "must not be empty; leave it out if it is optional"}
	}
	*into = value
	return nil
}

// plain complains about text that is too long or not plain.
func plain(value string, limit int) *complaint {
	switch {
	case utf8.RuneCountInString(value) > limit:
		return &complaint{ruleTooLong, fmt.Sprintf("must have at most %d characters", limit)}
	case strings.ContainsFunc(value, func(r rune) bool { return unicode.IsControl(r) || r == utf8.RuneError }):
		return &complaint{ruleText, "must not have control characters or broken text"}
	}
	return nil
}
