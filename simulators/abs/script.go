package abs

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"tolem/simulators/parts"
)

// The calls, as the path names them.
const (
	CallClient    = "client"
	CallAccounts  = "accounts"
	CallStatement = "statement"
	CallScan      = "scan"
)

var calls = []string{CallClient, CallAccounts, CallStatement, CallScan}

// Fault is a way for an answer to be none, or to go wrong on its way.
type Fault string

// The faults.
const (
	Unknown   Fault = "unknown"    // nobody of this number: error_code 1, for a scan 404
	EmptyList Fault = "empty_list" // accounts, statement: success without a line
	Refused   Fault = "refused"    // Answer.ErrorCode and ErrorText in JSON, with 200 even for a scan
	Other     Fault = "other"      // client: the card of another client

	LostAnswer       Fault = parts.LostAnswer     // connection closed without a byte
	LostAnswerMidway Fault = "lost_answer_midway" // closed after half of the body
	ResetAfter       Fault = "reset_after"        // TCP RST instead of the answer
	Delay            Fault = parts.Delay          // answered after DelayMs
	Hang             Fault = "hang"               // no answer until the caller goes away
	Truncated        Fault = "truncated"          // half of the answer as a whole HTTP body
	Garbage          Fault = "garbage"            // something that is neither JSON nor a document
	HTML200          Fault = "html_200"           // a page of HTML, with 200
	Empty            Fault = "empty"              // 200 without a body
	NotUTF8          Fault = "not_utf8"           // all but scan: the JSON is in Windows-1251
	Oversize         Fault = "oversize"           // right, but Answer.Bytes long

	ResetBefore Fault = parts.ResetBefore // not processed; TCP RST
	HTML502     Fault = "html_502"        // not processed; a proxy's HTML page
	Status      Fault = "status"          // not processed; Answer.Status and Answer.Body
	Redirect    Fault = "redirect"        // not processed; 307 to an address that processes it if followed
)

// trait says of a fault where it may happen and what of the answer is left.
type trait struct {
	calls     []string // nil = all
	processed bool
	whole     bool // the caller gets what was asked for
}

var traits = map[Fault]trait{
	"": {nil, true, true}, Unknown: {nil, true, false}, Refused: {nil, true, false},
	EmptyList: {[]string{CallAccounts, CallStatement}, true, true}, Other: {[]string{CallClient}, true, false},
	LostAnswer: {nil, true, false}, LostAnswerMidway: {nil, true, false}, ResetAfter: {nil, true, false}, Delay: {nil, true, true},
	Hang: {nil, true, false}, Truncated: {nil, true, false}, Garbage: {nil, true, false}, HTML200: {nil, true, false}, Empty: {nil, true, false},
	NotUTF8: {[]string{CallClient, CallAccounts, CallStatement}, true, false}, Oversize: {nil, true, true},
	ResetBefore: {}, HTML502: {}, Status: {}, Redirect: {},
}

// Answer is what one request, or Times requests in a row, get. The zero Answer is normal
// behaviour, once.
type Answer struct {
	Fault     Fault  `json:"fault,omitempty"`
	Times     int    `json:"times,omitempty"`     // 0 = once
	DelayMs   int    `json:"delayMs,omitempty"`   // of any fault
	Status    int    `json:"status,omitempty"`    // of status
	Body      string `json:"body,omitempty"`      // likewise
	ErrorCode int    `json:"errorCode,omitempty"` // of refused
	ErrorText string `json:"errorText,omitempty"` // likewise
	Bytes     int64  `json:"bytes,omitempty"`     // of oversize, at most a gibibyte; 0 = 2 MiB, of a scan 64 MiB
}

func (a Answer) times() int { return max(a.Times, 1) }

func (a Answer) delay() time.Duration { return time.Duration(a.DelayMs) * time.Millisecond }

// Storm lets faults happen at random to one call.
type Storm = parts.Storm

// Script lays down what the next matching requests of one call get.
type Script struct {
	Call string `json:"call"`
	// About is the IIN or BIN of client and accounts, the IBAN of statement, the contract of
	// scan; "" = any.
	About   string   `json:"about,omitempty"`
	Answers []Answer `json:"answers"`
}

var errNoSuchCall = parts.Wrong("call", "must be one of %s", strings.Join(calls, ", "))

const (
	maxTimes = 1_000_000
	maxBytes = 1 << 30
)

func (s Script) validate() error {
	switch {
	case !slices.Contains(calls, s.Call):
		return errNoSuchCall
	case len(s.Answers) == 0:
		return parts.Wrong("answers", "must not be empty")
	}
	for i, a := range s.Answers {
		if field, problem := a.validate(s.Call); problem != "" {
			return parts.Wrong(fmt.Sprintf("answers[%d].%s", i, field), "%s", problem)
		}
	}
	return nil
}

func (a Answer) validate(call string) (field, problem string) {
	fault, known := traits[a.Fault]
	switch {
	case !known:
		return "fault", "is not known; GET /control lists them"
	case fault.calls != nil && !slices.Contains(fault.calls, call):
		return "fault", "goes with " + strings.Join(fault.calls, ", ")
	case a.Times < 0 || a.Times > maxTimes:
		return "times", "must be 1 to 1000000"
	case a.DelayMs < 0 || a.DelayMs > parts.MaxDelayMs:
		return "delayMs", "must be 0 to 3600000"
	case a.DelayMs == 0 && a.Fault == Delay:
		return "delayMs", "is needed with this fault"
	case (a.Fault == Status) != (a.Status != 0) || a.Status != 0 && (a.Status < 200 || a.Status > 599):
		return "status", "goes with the fault status, 200 to 599"
	case a.Fault != Status && a.Body != "":
		return "body", "goes with the fault status"
	case (a.Fault == Refused) != (a.ErrorCode != 0):
		return "errorCode", "goes with the fault refused, not 0"
	case a.Fault != Refused && a.ErrorText != "":
		return "errorText", "goes with the fault refused"
	case a.Fault != Oversize && a.Bytes != 0, a.Bytes < 0, a.Bytes > maxBytes:
		return "bytes", "goes with the fault oversize, up to 1073741824"
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
	case s.Call != r.Call || s.About != "" && s.About != r.About:
		return 0
	case s.About != "":
		return 2
	}
	return 1
}
