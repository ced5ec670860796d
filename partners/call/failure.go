package call

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"time"

	"tolem/domain"
)

// The reasons of a Failure below the partner's own protocol, stable words for logs,
// metrics and tests. A client adds those of its bodies.
const (
	ReasonCancelled = "cancelled" // the caller's context was cancelled
	ReasonTimeout   = "timeout"   // the call's own time-out or the caller's deadline
	ReasonRefused   = "refused"   // nobody listens, as far as we can tell
	ReasonReset     = "reset"     // the connection was cut
	ReasonDNS       = "dns"       // the host has no address
	ReasonTLS       = "tls"       // handshake or certificate
	ReasonTransport = "transport" // anything else below the body, such as broken HTTP
	ReasonStatus    = "status"    // an HTTP status that brings no answer
	ReasonRedirect  = "redirect"  // 3xx; none is followed
	ReasonTruncated = "truncated" // the answer ended too early
	ReasonTooLarge  = "too_large" // the body is over its limit
	ReasonNotJSON   = "not_json"  // the body is not exactly one JSON object
	ReasonNoBody    = "no_body"   // the caller passed no bytes; nothing was sent
)

// Failure is a call that brought no answer. It says nothing about what the partner
// did.
//
// Neither its text nor any error it wraps carries a body, a token, a query or personal
// data.
type Failure struct {
	Partner   string      // which protocol
	Operation string      // the partner's name of the call
	Host      string      // host and port
	Kind      domain.Kind // Unavailable only when nothing can have been sent, else Unknown
	Status    int         // HTTP status, 0 when none came
	Reason    string      // one of the Reason constants, or of the client's own
	Field     string      // of an answer whose content failed, such as stmt[0].amount; "" for the whole
	TraceID   string      // the partner's own name of the call; "" when none came
	Err       error       // the cause, if it is safe to show
	// RetryAfter is how long the partner asks to wait, with 429 or 503; 0 when it does not.
	RetryAfter time.Duration
}

// Error names partner, operation, host, reason, field and status, and nothing else.
func (f *Failure) Error() string {
	text := f.Partner + ": " + f.Operation + " at " + f.Host + ": " + f.Reason
	if f.Field != "" {
		text += " " + f.Field
	}
	if f.Status != 0 {
		text += " (HTTP " + strconv.Itoa(f.Status) + ")"
	}
	return text
}

// Unwrap is the cause.
func (f *Failure) Unwrap() error { return f.Err }

// Unreadable says that an answer came, a whole one with a status of success, and its content
// failed. A page that goes with another status is no answer.
func (f *Failure) Unreadable() bool {
	switch f.Reason {
	case ReasonCancelled, ReasonTimeout, ReasonRefused, ReasonReset, ReasonDNS, ReasonTLS, ReasonTransport, ReasonTruncated:
		return false
	}
	return f.Status >= 200 && f.Status <= 299
}

// Rejected says that the partner's web server turned us away: 401, 403, 404 or another
// 4xx but 408 and 429, which only ask for patience. Repeating alone will not help; a
// person has to fix token, address or agreement.
func (f *Failure) Rejected() bool { return Rejects(f.Status) }

// Rejects says whether a status is such a rejection.
func Rejects(status int) bool {
	return status >= 400 && status < 500 && status != http.StatusRequestTimeout && status != http.StatusTooManyRequests
}

// errTransport stands in for causes that may quote what came over the wire.
var errTransport = errors.New("http transport failed")

// Classify names what went wrong below the body and keeps a cause that is safe to show:
// errors that quote bytes of the answer ("malformed HTTP response …") are replaced.
func Classify(err error) (reason string, cause error) {
	var operation *net.OpError
	var dns *net.DNSError
	var timeout net.Error
	switch {
	case errors.Is(err, context.Canceled):
		return ReasonCancelled, context.Canceled
	case errors.Is(err, context.DeadlineExceeded):
		return ReasonTimeout, context.DeadlineExceeded
	case errors.As(err, &timeout) && timeout.Timeout():
		return ReasonTimeout, errTimeout
	case errors.As(err, &dns):
		return ReasonDNS, dns
	case isTLS(err):
		return ReasonTLS, errHandshake
	case errors.Is(err, syscall.ECONNREFUSED):
		return ReasonRefused, syscall.ECONNREFUSED
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return ReasonReset, syscall.ECONNRESET
	case errors.Is(err, io.ErrUnexpectedEOF):
		return ReasonTruncated, io.ErrUnexpectedEOF
	case errors.Is(err, io.EOF), isClosedIdle(err):
		return ReasonReset, io.EOF
	case errors.As(err, &operation):
		return ReasonTransport, operation // addresses and a system error, no content
	default:
		return ReasonTransport, errTransport
	}
}

var (
	errTimeout   = errors.New("timed out")
	errHandshake = errors.New("TLS handshake failed")
)

// isTLS recognises handshake failures. An alert is a private type of crypto/tls
// inside a *net.OpError, and some are plain strings, hence the prefix.
func isTLS(err error) bool {
	var certificate *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	var operation *net.OpError
	return errors.As(err, &certificate) || errors.As(err, &record) ||
		errors.Is(err, http.ErrSchemeMismatch) ||
		(errors.As(err, &operation) && (operation.Op == "remote error" || operation.Op == "local error")) ||
		strings.HasPrefix(err.Error(), "tls: ")
}

// isClosedIdle recognises a kept-alive connection that the partner closed while we were
// about to use it; net/http keeps the error to itself.
func isClosedIdle(err error) bool {
	return strings.HasSuffix(err.Error(), "server closed idle connection")
}
