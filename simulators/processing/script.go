package processing

import (
	"encoding/json"
	"fmt"
	"time"

	"tolem/simulators/parts"
)

// Fault is a way for an answer to go wrong on its way to the agent.
type Fault string

// The faults. "Processed" ones do what the request asks (at pay, money moves),
// and only the answer suffers.
const (
	LostAnswer             Fault = parts.LostAnswer           // processed; connection closed without a byte
	LostAnswerMidway       Fault = "lost_answer_midway"       // processed; closed after half of the body
	ResetBefore            Fault = parts.ResetBefore          // not processed; TCP RST
	Delay                  Fault = parts.Delay                // processed at once; answered after DelayMs
	DelayBefore            Fault = "delay_before"             // processed after DelayMs, even if the agent has gone by then
	Hang                   Fault = "hang"                     // processed; no answer until the agent goes away
	HTML502                Fault = "html_502"                 // not processed; a proxy's HTML page
	Status                 Fault = "status"                   // not processed; Answer.Status and Answer.Body
	StatusAfter            Fault = "status_after"             // processed; Answer.Status and Answer.Body
	TruncatedJSON          Fault = "truncated_json"           // processed; half of the JSON as a whole HTTP body
	Garbage                Fault = "garbage"                  // processed; 200 with something that is not JSON
	NotUTF8                Fault = "not_utf8"                 // processed; resultMessage holds bytes that are not UTF-8
	Redirect               Fault = "redirect"                 // not processed; 307 to a path that processes it if followed
	Oversize               Fault = "oversize"                 // processed; resultMessage over 1 MiB long
	Empty                  Fault = "empty"                    // processed; 200 without a body
	MissingResult          Fault = "missing_result"           // processed; no result in the answer
	TextResult             Fault = "text_result"              // processed; result as text: "0"
	WrongEcho              Fault = "wrong_echo"               // processed; agentTransactionId of the answer is one too high
	DuplicateTransactionID Fault = "duplicate_transaction_id" // processed; transactionId of another payment, if there is one
)

type nature struct {
	processed bool
	status    int  // HTTP status that the agent gets; 0 = none
	ids       bool // only for check and pay
}

var natures = map[Fault]nature{
	"":         {processed: true, status: 200},
	LostAnswer: {processed: true}, LostAnswerMidway: {processed: true, status: 200},
	ResetBefore: {}, Hang: {processed: true},
	Delay: {processed: true, status: 200}, DelayBefore: {processed: true, status: 200},
	HTML502: {status: 502}, Status: {}, StatusAfter: {processed: true}, Redirect: {status: 307},
	TruncatedJSON: {processed: true, status: 200}, Garbage: {processed: true, status: 200}, NotUTF8: {processed: true, status: 200},
	Oversize: {processed: true, status: 200}, Empty: {processed: true, status: 200},
	MissingResult: {processed: true, status: 200}, TextResult: {processed: true, status: 200},
	WrongEcho: {processed: true, status: 200, ids: true}, DuplicateTransactionID: {processed: true, status: 200, ids: true},
}

// Answer is what one request, or Times requests in a row, get. The zero Answer
// is normal behaviour, once.
type Answer struct {
	Code      int   `json:"code,omitempty"`      // 0 = behave normally
	Transient bool  `json:"transient,omitempty"` // answer Code without touching the books
	Fault     Fault `json:"fault,omitempty"`
	Times     int   `json:"times,omitempty"`   // 0 = once; at most 1 000 000
	DelayMs   int   `json:"delayMs,omitempty"` // milliseconds, at most an hour; before the answer, or with delay_before before processing
	// Status and Body are for the faults status and status_after. A body that
	// is JSON is sent as application/json, another one as text/plain.
	Status int    `json:"status,omitempty"`
	Body   string `json:"body,omitempty"`
	// TransactionID and AgentTransactionID replace the values in the answer by
	// any JSON, at check and pay.
	TransactionID      json.RawMessage `json:"transactionId,omitempty"`
	AgentTransactionID json.RawMessage `json:"agentTransactionId,omitempty"`
}

// Script lays down the answers to the next matching requests of one call. With
// neither AgentTransactionID nor Account it matches every request of the call.
type Script struct {
	Call               string   `json:"call"`
	AgentTransactionID int64    `json:"agentTransactionId,omitempty"`
	Account            string   `json:"account,omitempty"`
	Answers            []Answer `json:"answers"`
}

// Storm lets faults happen at random to one call.
type Storm = parts.Storm

// FieldError says which field of a script, storm or control request is wrong.
type FieldError = parts.FieldError

func wrong(field, format string, args ...any) error { return parts.Wrong(field, format, args...) }

const maxTimes = 1_000_000

func (s Script) validate() error {
	paying := s.Call == callCheck || s.Call == callPay
	switch {
	case !knownCall(s.Call):
		return wrong("call", "%s", noSuchCall)
	case s.AgentTransactionID < 0 || s.AgentTransactionID > 999_999_999_999_999_999:
		return wrong("agentTransactionId", "must have 1 to 18 digits")
	case s.AgentTransactionID != 0 && s.Account != "":
		return wrong("account", "give agentTransactionId or account, not both")
	case !paying && (s.AgentTransactionID != 0 || s.Account != ""):
		return wrong("call", "only check and pay have an agentTransactionId and an account")
	case len(s.Answers) == 0:
		return wrong("answers", "must not be empty")
	}
	for i, a := range s.Answers {
		if field, problem := a.validate(paying); problem != "" {
			return wrong(fmt.Sprintf("answers[%d].%s", i, field), "%s", problem)
		}
	}
	return nil
}

func (a Answer) validate(paying bool) (field, problem string) {
	n, known := natures[a.Fault]
	hasStatus := a.Fault == Status || a.Fault == StatusAfter
	replaces := len(a.TransactionID)+len(a.AgentTransactionID) > 0
	switch {
	case !known:
		return "fault", "is not known; GET /control lists them"
	case n.ids && !paying:
		return "fault", "is only for check and pay"
	case a.Code != 0 && !n.processed:
		return "code", "cannot be answered: with this fault nothing is processed"
	case a.Transient && a.Code == 0:
		return "transient", "needs a code"
	case a.Times < 0 || a.Times > maxTimes:
		return "times", "must be 1 to 1000000"
	case a.DelayMs < 0 || a.DelayMs > parts.MaxDelayMs:
		return "delayMs", "must be 0 to 3600000"
	case a.DelayMs == 0 && (a.Fault == Delay || a.Fault == DelayBefore):
		return "delayMs", "is needed with this fault"
	case hasStatus && (a.Status < 200 || a.Status > 599):
		return "status", "must be 200 to 599 with this fault"
	case !hasStatus && a.Status != 0:
		return "status", "goes with the faults status and status_after"
	case !hasStatus && a.Body != "":
		return "body", "goes with the faults status and status_after"
	case replaces && !paying:
		return "transactionId", "is only for check and pay"
	case len(a.TransactionID) > 0 && !json.Valid(a.TransactionID):
		return "transactionId", "must be JSON"
	case len(a.AgentTransactionID) > 0 && !json.Valid(a.AgentTransactionID):
		return "agentTransactionId", "must be JSON"
	}
	return "", ""
}

func (a Answer) delay() time.Duration { return time.Duration(a.DelayMs) * time.Millisecond }

func (a Answer) times() int { return max(a.Times, 1) }

// status is the HTTP status that the agent gets, 0 for none.
func (a Answer) status() int {
	if a.Fault == Status || a.Fault == StatusAfter {
		return a.Status
	}
	return natures[a.Fault].status
}

// progress is a script and how many of its answers are used up.
type progress struct {
	Number int    `json:"number"`
	Script Script `json:"script"`
	Used   int    `json:"used"`
}

// current is the answer whose turn it is; false when all are used up.
func (p *progress) current() (Answer, bool) {
	rest := p.Used
	for _, a := range p.Script.Answers {
		if rest < a.times() {
			return a, true
		}
		rest -= a.times()
	}
	return Answer{}, false
}

// target is what a script is for.
type target struct {
	call    string
	id      int64
	account string
}

func (s Script) target() target { return target{s.Call, s.AgentTransactionID, s.Account} }
