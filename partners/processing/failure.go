package processing

import (
	"fmt"
	"strings"

	"tolem/domain"
	"tolem/partners/call"
)

// The reasons of a Failure, stable words for logs, metrics and tests: those of every
// call, and those of this protocol's bodies.
const (
	ReasonCancelled  = call.ReasonCancelled
	ReasonTimeout    = call.ReasonTimeout
	ReasonRefused    = call.ReasonRefused
	ReasonReset      = call.ReasonReset
	ReasonDNS        = call.ReasonDNS
	ReasonTLS        = call.ReasonTLS
	ReasonTransport  = call.ReasonTransport
	ReasonStatus     = call.ReasonStatus
	ReasonRedirect   = call.ReasonRedirect
	ReasonTruncated  = call.ReasonTruncated
	ReasonTooLarge   = call.ReasonTooLarge
	ReasonNotJSON    = call.ReasonNotJSON
	ReasonNoBody     = call.ReasonNoBody
	ReasonNoResult   = "no_result"   // no integer result, or two
	ReasonBadID      = "bad_id"      // transactionId or agentTransactionId is no id
	ReasonBadDetails = "bad_details" // a code came, but what belongs to it is unreadable
)

// Failure is a call that brought no code. It says nothing about the money.
type Failure = call.Failure

// Refusal is a result other than 0 to a read-only call. Message is the centre's
// own text; it may name a phone number and is not part of Error.
type Refusal struct {
	Operation string
	Code      domain.Code
	Message   string
}

// Error names the operation and the code.
func (r *Refusal) Error() string {
	return fmt.Sprintf("processing: %s answered with code %d (%s)", r.Operation, r.Code, r.Code.Text())
}

// unreadable is why a body could not be read.
type unreadable struct {
	reason string // a Reason constant
	field  string // the first that failed; "" for the whole answer
}

func (u unreadable) Error() string { return strings.TrimSpace(u.reason + " " + u.field) }
