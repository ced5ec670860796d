package cfront

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"tolem/simulators/parts"
)

// The calls, as the path names them.
const (
	CallValidate   = "client/validate"
	CallCreate     = "order/create"
	CallState      = "order/state"
	CallConfirm    = "order/confirm"
	CallReject     = "order/reject"
	CallCheckPaid  = "order/check/paid"
	CallLetterData = "order/data/for/guarantee/letter"
	CallLetter     = "order/guarantee/letter"
	CallReturn     = "order/return"
	CallData       = "order/data"
	CallInfo       = "order/info"
	CallReport     = "store/report"
)

var calls = []string{CallValidate, CallCreate, CallState, CallConfirm, CallReject, CallCheckPaid, CallLetterData, CallLetter, CallReturn, CallData, CallInfo, CallReport}

// Fault is a way for an answer to go wrong on its way to the store.
type Fault string

// The faults. "Processed" ones do what the request asks, and only the answer suffers.
const (
	LostAnswer       Fault = parts.LostAnswer     // processed; connection closed without a byte
	LostAnswerMidway Fault = "lost_answer_midway" // processed; closed after half of the body
	Delay            Fault = parts.Delay          // processed at once; answered after DelayMs
	DelayBefore      Fault = "delay_before"       // processed after DelayMs, even if the store has gone by then
	Hang             Fault = "hang"               // processed; no answer until the store goes away
	StatusAfter      Fault = "status_after"       // processed; Answer.Status and Answer.Body
	Truncated        Fault = "truncated"          // processed; half of the JSON as a whole HTTP body
	Garbage          Fault = "garbage"            // processed; something that is not JSON
	Empty            Fault = "empty"              // processed; no body
	WrongEcho        Fault = "wrong_echo"         // processed; the answer names another order
	NotUTF8          Fault = "not_utf8"           // processed; the JSON holds bytes that are not UTF-8
	Oversize         Fault = "oversize"           // processed; the answer is over 1 MiB long
	Redirect         Fault = "redirect"           // not processed; 307 to an address that processes it if followed
	ResetBefore      Fault = parts.ResetBefore    // not processed; TCP RST
	HTML502          Fault = "html_502"           // not processed; a proxy's HTML page
	Status           Fault = "status"             // not processed; Answer.Status and Answer.Body
)

// processed says whether a fault lets the request be processed.
var processed = map[Fault]bool{
	"": true, LostAnswer: true, LostAnswerMidway: true, Delay: true, DelayBefore: true, Hang: true, StatusAfter: true, Truncated: true,
	Garbage: true, Empty: true, NotUTF8: true, Oversize: true, Redirect: false, WrongEcho: true, ResetBefore: false, HTML502: false, Status: false,
}

// Answer is what one request, or Times requests in a row, get. The zero Answer is normal
// behaviour, once.
type Answer struct {
	Fault   Fault  `json:"fault,omitempty"`
	Times   int    `json:"times,omitempty"` // 0 = once
	DelayMs int    `json:"delayMs,omitempty"`
	Status  int    `json:"status,omitempty"` // of status and status_after
	Body    string `json:"body,omitempty"`   // likewise
}

func (a Answer) times() int { return max(a.Times, 1) }

func (a Answer) delay() time.Duration { return time.Duration(a.DelayMs) * time.Millisecond }

// Storm lets faults happen at random to one call.
type Storm = parts.Storm

// Script lays down how the answers to the next matching requests of one call go wrong.
// With neither StoreOrderID nor Phone it matches every request of the call.
type Script struct {
	Call         string   `json:"call"`
	StoreOrderID string   `json:"storeOrderId,omitempty"`
	Phone        string   `json:"phone,omitempty"`
	Answers      []Answer `json:"answers"`
}

var errNoSuchCall = parts.Wrong("call", "must be one of %s", strings.Join(calls, ", "))

const maxTimes = 1_000_000

func (s Script) validate() error {
	switch {
	case !slices.Contains(calls, s.Call):
		return errNoSuchCall
	case s.StoreOrderID != "" && s.Phone != "":
		return parts.Wrong("phone", "give storeOrderId or phone, not both")
	case len(s.Answers) == 0:
		return parts.Wrong("answers", "must not be empty")
	}
	for i, a := range s.Answers {
		if field, problem := a.validate(); problem != "" {
			return parts.Wrong(fmt.Sprintf("answers[%d].%s", i, field), "%s", problem)
		}
	}
	return nil
}

func (a Answer) validate() (field, problem string) {
	_, known := processed[a.Fault]
	hasStatus := a.Fault == Status || a.Fault == StatusAfter
	switch {
	case !known:
		return "fault", "is not known; GET /control lists them"
	case a.Times < 0 || a.Times > maxTimes:
		return "times", "must be 1 to 1000000"
	case a.DelayMs < 0 || a.DelayMs > parts.MaxDelayMs:
		return "delayMs", "must be 0 to 3600000"
	case a.DelayMs == 0 && (a.Fault == Delay || a.Fault == DelayBefore):
		return "delayMs", "is needed with this fault"
	case hasStatus != (a.Status != 0) || hasStatus && (a.Status < 200 || a.Status > 599):
		return "status", "goes with the faults status and status_after, 200 to 599"
	case !hasStatus && a.Body != "":
		return "body", "goes with the faults status and status_after"
	}
	return "", ""
}

// progress is a script and how many of its answers are used up.
type progress struct {
	Number int    `json:"number"`
	Script Script `json:"script"`
	Used   int    `json:"used"`
}

// current is the answer whose turn it is; false when all are used up.
func (p progress) current() (Answer, bool) {
	rest := p.Used
	for _, a := range p.Script.Answers {
		if rest < a.times() {
			return a, true
		}
		rest -= a.times()
	}
	return Answer{}, false
}

// matches says how well a script fits a request: 0 not at all, more for a narrower one.
func (s Script) matches(r Request) int {
	switch {
	case s.Call != r.Call:
		return 0
	case s.StoreOrderID != "":
		if s.StoreOrderID == r.StoreOrderID {
			return 3
		}
		return 0
	case s.Phone != "":
		if s.Phone == r.phone {
			return 2
		}
		return 0
	}
	return 1
}
