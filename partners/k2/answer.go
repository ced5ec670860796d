package k2

import (
	"encoding/json"
	"fmt"
	"strings"
)

// Code is an error_code of an answer; stable numbers, 0 is success.
type Code int

// The codes of our answers.
const (
	CodeOK          Code = 0
	CodeMalformed   Code = 1 // not the JSON that the service takes, or too much of it
	CodeInvalid     Code = 2 // a field breaks a rule
	CodeDuplicate   Code = 3 // two loans of one contract in one batch
	CodeUnknown     Code = 4 // nobody has a payment order of this reference
	CodeNotPossible Code = 5 // the payment order takes no such status any more
	CodeUnavailable Code = 6 // nothing was stored; send the same again later
	CodeInternal    Code = 7 // nothing was stored; the same again fails again until we fix it
)

// Answer is the body of every answer of both services.
type Answer struct {
	ErrorText string `json:"error_text"`
	ErrorCode Code   `json:"error_code"`
}

// OK is success.
func OK() Answer { return Answer{} }

// Bytes is the answer in JSON, its fields in the document's order.
func (a Answer) Bytes() []byte {
	raw, err := json.Marshal(a)
	if err != nil {
		panic(err) // a text and a number
	}
	return raw
}

// Problem is one rule that one field breaks.
type Problem struct {
	Index int    // of the loan in the batch, from 0; -1 where there is no batch
	Field string // as the document names it; "" = the whole item
	Rule  string // what it must be
}

// String names item, field and rule.
func (p Problem) String() string {
	text := p.Rule
	if p.Field != "" {
		text = p.Field + " " + text
	}
	if p.Index >= 0 {
		text = fmt.Sprintf("[%d] %s", p.Index, text)
	}
	return text
}

// maxProblems is how many problems one answer names.
const maxProblems = 20

// Refusal is why nothing of a call was kept. It names no value.
type Refusal struct {
	Code     Code
	Problems []Problem // at least one, at most maxProblems
	More     int       // how many more there are
}

// Error is the answer's error_text.
func (r *Refusal) Error() string {
	lines := make([]string, len(r.Problems))
	for i, p := range r.Problems {
		lines[i] = p.String()
	}
	text := strings.Join(lines, "; ")
	if r.More > 0 {
		text += fmt.Sprintf("; and %d more", r.More)
	}
	return text
}

// Answer is what the caller is told.
func (r *Refusal) Answer() Answer { return Answer{ErrorText: r.Error(), ErrorCode: r.Code} }

// refuse is a refusal of a whole call.
func refuse(code Code, index int, field, rule string) *Refusal {
	return &Refusal{Code: code, Problems: []Problem{{index, field, rule}}}
}

// add notes one more problem, or counts it. The first one decides the code.
func (r *Refusal) add(code Code, p Problem) {
	if r.Code == CodeOK {
		r.Code = code
	}
	if len(r.Problems) < maxProblems {
		r.Problems = append(r.Problems, p)
	} else {
		r.More++
	}
}
