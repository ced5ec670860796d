package processing

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"regexp"
	"strconv"
	"unicode/utf8"
)

// object is one JSON object with its values unread, so that an amount can be
// examined as it stands in the text.
type object map[string]json.RawMessage

var errRepeatedName = errors.New("имя повторяется")

// parseObject reads exactly one JSON object in UTF-8 without repeated names.
func parseObject(text []byte) (object, error) {
	if !utf8.Valid(text) {
		return nil, errors.New("не UTF-8")
	}
	d := json.NewDecoder(bytes.NewReader(text))
	open, err := d.Token()
	if err != nil {
		return nil, err
	}
	if open != json.Delim('{') {
		return nil, errors.New("не объект")
	}
	o := object{}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, err
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, err
		}
		if _, twice := o[name.(string)]; twice { // an object's key token is always a string
			return nil, errRepeatedName
		}
		o[name.(string)] = value
	}
	if _, err := d.Token(); err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("лишний текст после объекта")
	}
	return o, nil
}

// only objects to a name that the document does not have.
func (o object) only(names ...string) *refusal {
	known := make(map[string]bool, len(names))
	for _, n := range names {
		known[n] = true
	}
	for name := range o {
		if !known[name] {
			return bad("неизвестное поле")
		}
	}
	return nil
}

// text reads a required string.
func (o object) text(name string) (string, *refusal) {
	raw, there := o[name]
	if !there {
		return "", bad(name + ": нет поля")
	}
	var s *string
	if err := json.Unmarshal(raw, &s); err != nil || s == nil {
		return "", bad(name + ": не строка")
	}
	return *s, nil
}

// optionalText reads a string of at most 200 characters, "" if the name is not
// there.
func (o object) optionalText(name string) (string, *refusal) {
	if _, there := o[name]; !there {
		return "", nil
	}
	s, no := o.text(name)
	if no == nil && utf8.RuneCountInString(s) > maxText {
		return "", bad(name + ": длиннее 200 знаков")
	}
	return s, no
}

// amount reads an amount, 0 and false if the name is not there.
func (o object) amount(name string) (Tiyn, bool, *refusal) {
	raw, there := o[name]
	if !there {
		return 0, false, nil
	}
	t, ok := parseTiyn(string(raw))
	if !ok {
		return 0, true, bad(name + ": сумма пишется числом с двумя знаками после точки")
	}
	return t, true, nil
}

// texts reads an object of strings, such as extras.
func (o object) texts(name string) (map[string]string, *refusal) {
	raw, there := o[name]
	if !there {
		return nil, nil
	}
	inner, err := parseObject(raw)
	if err != nil {
		return nil, bad(name + ": не объект")
	}
	values := map[string]string{}
	for key := range inner {
		s, no := inner.text(key)
		if no != nil {
			return nil, bad(name + ": значения должны быть строками")
		}
		values[key] = s
	}
	return values, nil
}

var transactionID = regexp.MustCompile(`^[1-9][0-9]{0,17}$`)

// number reads agentTransactionId: an integer literal of at most 18 digits.
func (o object) number(name string) (int64, *refusal) {
	raw, there := o[name]
	if !there {
		return 0, bad(name + ": нет поля")
	}
	if !transactionID.Match(raw) {
		return 0, bad(name + ": не целое число до 18 знаков")
	}
	n, err := strconv.ParseInt(string(raw), 10, 64)
	if err != nil {
		return 0, bad(name + ": не целое число до 18 знаков")
	}
	return n, nil
}

// addressed reads, as far as they can be read at all, the id and account of a
// request, for the list of requests and for scripts: a malformed request is
// still a request of that payment.
func addressed(body []byte) (id int64, account string) {
	var loose struct {
		ID      json.RawMessage `json:"agentTransactionId"`
		Account json.RawMessage `json:"account"`
	}
	if json.Unmarshal(body, &loose) != nil {
		return 0, ""
	}
	if digits := bytes.Trim(loose.ID, `"`); transactionID.Match(digits) {
		id, _ = strconv.ParseInt(string(digits), 10, 64) // 18 digits always fit
	}
	if json.Unmarshal(loose.Account, &account) != nil {
		account = ""
	}
	return id, account
}

// canonical is the JSON value without white space, order and ways of escaping;
// number literals stay as they are written.
func canonical(body []byte) ([]byte, error) {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var value any
	if err := d.Decode(&value); err != nil {
		return nil, err
	}
	return json.Marshal(value)
}
