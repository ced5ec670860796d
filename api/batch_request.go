package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"unicode/utf8"
)

// Limits of a batch.
const (
	maxBatchBody = 16 << 20 // bytes: ten thousand rows of 1,600; a plain one has 100
	maxBatchRows = 10_000
)

// decodeBatch reads the body of POST /v1/payments/batch: exactly one JSON array of
// 1 to maxBatchRows objects. It looks at each byte a fixed number of times. What
// is in the objects is each row's own business.
func decodeBatch(body []byte) (rows []json.RawMessage, wrong fieldErrors) {
	refuse := func(code, rule string) ([]json.RawMessage, fieldErrors) {
		wrong.add("", code, rule)
		return nil, wrong
	}
	switch {
	case !utf8.Valid(body):
		return refuse(ruleJSON, "must be valid UTF-8")
	case !json.Valid(body):
		return refuse(ruleJSON, "must be exactly one well-formed JSON array and nothing after it")
	}
	d := json.NewDecoder(bytes.NewReader(body))
	if open, err := d.Token(); err != nil || open != json.Delim('[') {
		return refuse(ruleJSON, "must be a JSON array")
	}
	for d.More() {
		if len(rows) == maxBatchRows {
			return refuse(ruleTooLong, fmt.Sprintf("must have at most %d rows", maxBatchRows))
		}
		var row json.RawMessage
		if err := d.Decode(&row); err != nil || row[0] != '{' {
			return refuse(ruleType, fmt.Sprintf("must have objects only; what has index %d is none", len(rows)))
		}
		rows = append(rows, row)
	}
	if len(rows) == 0 {
		return refuse(ruleRequired, "must have at least one row")
	}
	return rows, nil
}

// decodeRow reads a row by the rules of POST /v1/payments, its limit included.
func decodeRow(row json.RawMessage) (r paymentRequest, wrong fieldErrors) {
	if len(row) > maxBody {
		wrong.add("", ruleTooLong, fmt.Sprintf("must have at most %d bytes", maxBody))
		return r, wrong
	}
	return decodePayment(row)
}
