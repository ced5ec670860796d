package reconciliation

import (
	"bytes"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"tolem/domain"
)

// readers read the values that are compared; they return the rule that a value
// breaks, or "".
var readers = [numColumns]func(r *reading, value []byte, e *entry) (Rule, string){
	columnID:            readID,
	columnTransactionID: readTransactionID,
	columnDate:          readDate,
	columnServiceID:     readServiceID,
	columnAmountTo:      readAmountTo,
	columnState:         readState,

	columnIDText:            readIDText, // after the columns that they repeat
	columnTransactionIDText: readTransactionIDText,
	columnAmountToText:      readAmountToText,
}

func readID(r *reading, value []byte, e *entry) (Rule, string) {
	id, err := domain.ParseAgentTransactionID(string(value))
	switch {
	case err == nil:
		e.id = id
		return "", ""
	case !shortNumber.Match(value):
		return RuleFormat, "must be 1 to 18 digits, not beginning with 0"
	case r.at[columnIDText] >= 0:
		return "", "" // readIDText has it
	}
	return RuleDestroyed, destroyedNumbers
}

// readIDText takes the id of a row from our own column that spreadsheets keep.
func readIDText(_ *reading, value []byte, e *entry) (Rule, string) {
	id, rule, message := whole(value, int64(e.id))
	if e.id = domain.AgentTransactionID(id); rule == "" && id == 0 {
		return RuleDestroyed, destroyedNumbers
	}
	return rule, message
}

// readTransactionID takes 0 for none: a payment that was refused may have none.
// [assumption]
func readTransactionID(r *reading, value []byte, e *entry) (Rule, string) {
	if len(value) == 0 || string(value) == "0" {
		return "", ""
	}
	id, err := domain.ParseAgentTransactionID(string(value)) // "так же целое число длиной до 18 знаков"
	switch {
	case err == nil:
		e.transactionID = int64(id)
		return "", ""
	case !shortNumber.Match(value):
		return RuleFormat, "must be empty or 1 to 18 digits, not beginning with 0"
	case r.at[columnTransactionIDText] >= 0:
		return "", "" // readTransactionIDText has it
	}
	return RuleDestroyed, destroyedNumbers
}

// readTransactionIDText takes the transactionId of a row from our own column that
// spreadsheets keep.
func readTransactionIDText(r *reading, value []byte, e *entry) (rule Rule, message string) {
	e.transactionID, rule, message = whole(value, e.transactionID)
	if at := r.at[columnTransactionID]; rule == "" && e.transactionID == 0 && at >= 0 && shortNumber.Match(r.value(at)) {
		return RuleDestroyed, destroyedNumbers
	}
	return rule, message
}

// whole is a number from a column of text. What the row's column of numbers says, read, 0
// for nothing, must be the same or what a spreadsheet left of it; without a text it counts.
func whole(text []byte, read int64) (number int64, rule Rule, message string) {
	if len(text) == 0 {
		return read, "", ""
	}
	parsed, err := domain.ParseAgentTransactionID(string(text))
	number = int64(parsed)
	switch {
	case err != nil && shortNumber.Match(text):
		return read, RuleDestroyed, destroyedNumbers
	case err != nil:
		return read, RuleFormat, "must be empty or 1 to 18 digits, not beginning with 0"
	case read != 0 && read != number && !remainsOf(read, number):
		return read, RuleFormat, "must be the number that the row has without Text"
	}
	return number, "", ""
}

// readDate keeps the day.
func readDate(_ *reading, value []byte, e *entry) (Rule, string) {
	if len(value) == 0 {
		return "", ""
	}
	day, ok := dayOf(string(value))
	if !ok {
		return RuleFormat, "must be empty, YYYY-MM-DDThh:mm:ss, YYYY-MM-DD or DD.MM.YYYY, a time may follow after a blank " +
			"(where it has slashes, nobody can know which number is the month)"
	}
	e.day = day
	return "", ""
}

// dates are how a day may be written, alone or with its time: the protocol's way first, a
// blank for its T, and with points as here, where spreadsheets drop zeros, seconds and the
// century.
var dates = []string{
	"2006-01-02T15:04:05", time.DateOnly, time.DateTime, "2006-01-02 15:04", "2.1.2006", "2.1.2006 15:04:05", "2.1.2006 15:04",
	"2.1.06", "2.1.06 15:04:05", "2.1.06 15:04",
}

// dayOf reads a day, alone or with its time, as the number 20060102.
func dayOf(text string) (day int32, ok bool) {
	if strings.IndexByte(text, ',') >= 0 || len(text) > len("2006-01-02T15:04:05") { // fractions of a second are no part of it
		return 0, false
	}
	for _, layout := range dates {
		if at, err := time.Parse(layout, text); err == nil {
			return int32(at.Year()*10000 + int(at.Month())*100 + at.Day()), true // a year has four digits
		}
	}
	return 0, false
}

func readServiceID(r *reading, value []byte, e *entry) (Rule, string) {
	if at, known := r.services[string(value)]; known {
		e.service = at
		return "", ""
	}
	switch {
	case utf8.RuneCount(value) > maxServiceID:
		return RuleTooLong, fmt.Sprintf("must have at most %d characters", maxServiceID)
	case !utf8.Valid(value) || bytes.ContainsRune(value, utf8.RuneError) || strings.ContainsFunc(string(value), unicode.IsControl):
		return RuleText, "must be UTF-8 without control characters"
	case len(r.register.services) > maxServices:
		return RuleTooLong, fmt.Sprintf("must not be the %dth different one", maxServices+1)
	}
	e.service = uint16(len(r.register.services)) // maxServices
	name := string(value)
	r.services[name] = e.service
	r.register.services = append(r.register.services, name)
	return "", ""
}

// readAmountTo takes an empty amount; row refuses it where money moved.
func readAmountTo(r *reading, value []byte, e *entry) (Rule, string) {
	if len(value) == 0 {
		return "", ""
	}
	amount, ok := amountOf(string(value))
	switch {
	case !ok && dateOfAmount.Match(value) && r.at[columnAmountToText] >= 0:
		return "", "" // readAmountToText has it
	case !ok && dateOfAmount.Match(value):
		return RuleDestroyed, destroyedAmounts
	case !ok:
		return RuleFormat, "must be an amount such as 200.00 or 200,00, with no digit but 0 after the second decimal; " +
			"1.234 and 1,234 can be read in two ways"
	case amount < 0 || amount > maxAmount:
		return RuleRange, "must be from 0 to " + maxAmount.String()
	}
	e.amountTo = amount
	return "", ""
}

// readAmountToText takes the amount of a row from our own column that spreadsheets keep.
func readAmountToText(r *reading, value []byte, e *entry) (Rule, string) {
	read := e.amountTo
	if len(value) == 0 {
		if at := r.at[columnAmountTo]; read == noAmount && dateOfAmount.Match(r.value(at)) {
			return RuleDestroyed, destroyedAmounts
		}
		return "", ""
	}
	rule, message := readAmountTo(r, value, e)
	switch {
	case rule == "" && e.amountTo == noAmount: // a date here, too
		return RuleDestroyed, destroyedAmounts
	case rule == "" && read != noAmount && read != e.amountTo:
		return RuleFormat, "must be the amount that the row has without Text"
	}
	return rule, message
}

// blanks may stand between the groups of an amount's digits: the ones that spreadsheets put
// there do not break lines.
var blanks = strings.NewReplacer(" ", " ", "\u00a0", " ", "\u202f", " ")

// amountOf reads an amount with a point or a comma before its decimals and, in groups of
// three, with blanks or the other of the two between its digits. Zeros after the second
// decimal say nothing. ok is false where it can be read in two ways: 1,234 is over a
// thousand to one, and one and a bit to another.
func amountOf(text string) (amount domain.Money, ok bool) {
	if strings.ContainsAny(text, "eE") {
		amount, err := domain.ParseMoney(text)
		return amount, err == nil
	}
	text = blanks.Replace(text)
	whole, decimals, group := text, "", " "
	if at := strings.LastIndexAny(text, ".,"); at >= 0 {
		mark := text[at : at+1]
		if group = strings.ReplaceAll(" ,.", mark, ""); strings.Count(text, mark) > 1 {
			group = mark // 1,234,567: no decimals
		} else {
			whole, decimals = text[:at], text[at+1:]
			if len(decimals) == 3 && len(whole) <= 3 && whole != "0" {
				return 0, false
			}
		}
	}
	if at := strings.IndexAny(whole, group); at >= 0 {
		groups := strings.Split(whole, whole[at:at+1])
		for i, g := range groups {
			if len(g) > 3 || len(g) < 3 && i > 0 {
				return 0, false
			}
		}
		whole = strings.Join(groups, "")
	}
	for len(decimals) > 2 && decimals[len(decimals)-1] == '0' {
		decimals = decimals[:len(decimals)-1]
	}
	if decimals != "" || strings.HasSuffix(text, ".") || strings.HasSuffix(text, ",") {
		whole += "." + decimals
	}
	amount, err := domain.ParseMoney(whole)
	return amount, err == nil
}

func readState(r *reading, value []byte, e *entry) (Rule, string) {
	r.scratch = r.scratch[:0]
	for _, c := range value {
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		r.scratch = append(r.scratch, c)
	}
	at, known := wordAt[string(r.scratch)]
	if !known {
		return RuleState, "must be a state of a payment, a code of the protocol's table 1, or one of the words in the contract"
	}
	e.word = at
	return "", ""
}
