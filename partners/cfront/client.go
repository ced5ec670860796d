package cfront

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"tolem/partners/call"
)

const (
	// maxAnswer bounds every JSON answer, in bytes; a letter's data with stamp and
	// signature take tens of KB.
	maxAnswer = 1 << 20
	// maxReport bounds a day's report: thousands of orders of half a KB.
	maxReport = 16 << 20
	// maxLetter bounds the letter as PDF.
	maxLetter = 8 << 20
	// maxRefusal bounds the body of a 4xx answer: {"message": "<text>"}.
	maxRefusal = 64 << 10

	// traceHeader is on every answer; the bank's support asks for it (cfront.md 1).
	traceHeader = "Trace-Id"
)

// Reasons of a Failure beside those of every call.
const (
	ReasonBadAnswer    = "bad_answer"    // a 2xx answer lacks what it is for, or has it in another shape
	ReasonStrangeEcho  = "strange_echo"  // the answer names another order than the one asked for
	ReasonNotOK        = "not_ok"        // the status of a return is not OK
	ReasonBadSignature = "bad_signature" // the answer's signature is missing or wrong
)

// Options says how to reach the bank.
type Options struct {
	URL     string        // up to and without /api, http or https
	StoreID string        // that the bank gave the store
	Secret  string        // of the signature; text, not hex or base64
	Timeout time.Duration // of a whole call; 0 = 30 s
	TLS     *tls.Config   // nil = the system's roots, TLS 1.2 or newer
	Dialect Dialect
}

// Client speaks with one bank for one store. It is safe for concurrent use.
type Client struct {
	calls   *call.Client
	storeID string
	secret  []byte
	dialect Dialect
}

// New checks the options; it calls nobody. Errors name the field, never its value.
func New(o Options) (*Client, error) {
	caller, err := call.New(call.Options{Partner: Partner, URL: o.URL, Timeout: o.Timeout, TLS: o.TLS})
	switch {
	case err != nil:
		return nil, err
	case o.StoreID == "" || !call.HeaderValue(o.StoreID):
		return nil, errors.New("cfront: StoreID is empty or has characters that no HTTP header carries")
	case o.Secret == "" && !o.Dialect.Unsigned:
		return nil, errors.New("cfront: Secret is empty: requests could not be signed")
	}
	if err := o.Dialect.Check(); err != nil {
		return nil, fmt.Errorf("cfront: Dialect: %w", err)
	}
	return &Client{calls: caller, storeID: o.StoreID, secret: []byte(o.Secret), dialect: o.Dialect.filled()}, nil
}

// Meta is what an answer says of the call itself.
type Meta struct {
	HTTPStatus int
	TraceID    string // the bank's name of the call; "" when it gave none
	// Dropped names the fields that could not be read and decide nothing, with commas
	// between them.
	Dropped string
}

// Rejection is the bank's refusal of one request. It decides nothing about what an
// earlier request of the same kind may have done.
type Rejection struct {
	Operation    string
	Status       int
	Message      string // the bank's text; it may name people, and is not part of Error
	TraceID      string
	NotFound     bool // the bank says that it has no such order or client
	Unauthorized bool // 401, 403: signature, store or agreement
	// Duplicate is a status that says that the bank has the order already, in an answer
	// that does not name the order.
	Duplicate bool
}

// Error names operation, status and, where there is one, trace id.
func (r *Rejection) Error() string {
	text := "cfront: " + r.Operation + " was refused with HTTP " + strconv.Itoa(r.Status)
	if r.TraceID != "" {
		text += " (trace " + r.TraceID + ")"
	}
	return text
}

// post sends the exact bytes, signed, and returns a 2xx answer, or a 4xx that the caller
// understands. All other outcomes are a *Rejection or a *call.Failure.
func (c *Client) post(ctx context.Context, operation string, body []byte, understood ...int) (call.Answer, error) {
	r := c.request(operation, body)
	if len(body) == 0 { // a bug of the caller; unlike a body, no body could be sent twice
		return call.Answer{}, c.calls.Failure(operation, call.Answer{}, call.ReasonNoBody, nil)
	}
	answer, err := c.calls.Post(ctx, r)
	if err != nil {
		return answer, err
	}
	if !c.dialect.Unsigned && c.dialect.CheckResponseSignature && !c.VerifySignature(answer.Body, answer.Header.Get(c.dialect.SignatureHeader)) {
		return answer, c.calls.Failure(operation, answer, ReasonBadSignature, nil)
	}
	if operation != opLetterPDF {
		answer.Body = answer.UTF8() // the signature is that of the bytes as they came
	}
	if answer.Status < 300 || slices.Contains(understood, answer.Status) {
		return answer, nil
	}
	return answer, c.rejection(operation, answer)
}

func (c *Client) request(operation string, body []byte) call.Request {
	r := call.Request{
		Operation: operation, Path: c.dialect.path(operation), Body: body, Limit: maxAnswer, RefusalLimit: maxRefusal, TraceHeader: traceHeader,
		Header: map[string]string{c.dialect.StoreIDHeader: c.storeID},
	}
	switch operation {
	case opReport:
		r.Limit = maxReport
	case opLetterPDF:
		r.Limit, r.Header["Accept"] = maxLetter, "application/pdf"
	}
	if !c.dialect.Unsigned {
		r.Header[c.dialect.SignatureHeader] = c.Sign(body)
	}
	return r
}

func (c *Client) rejection(operation string, a call.Answer) *Rejection {
	return &Rejection{
		Operation: operation, Status: a.Status, Message: call.Read(a.Body).Shown("message"), TraceID: a.TraceID,
		NotFound: slices.Contains(c.dialect.NotFoundStatus, a.Status), Unauthorized: a.Status == 401 || a.Status == 403,
	}
}

// bad is a 2xx answer that does not say what it is for; field is the first that failed.
func (c *Client) bad(operation string, a call.Answer, reason, field string) error {
	return c.calls.Unreadable(operation, a, reason, field)
}

func metaOf(a call.Answer, o *call.Reading) Meta {
	return Meta{HTTPStatus: a.Status, TraceID: a.TraceID, Dropped: o.Dropped()}
}

// Sign is the signature of exactly these bytes: base64 of HMAC-SHA256 (cfront.md 2).
func (c *Client) Sign(body []byte) string {
	mac := hmac.New(sha256.New, c.secret)
	mac.Write(body)
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// VerifySignature says whether a callback's signature is that of its raw bytes. It takes
// the same time for every wrong signature. Where the bank signs nothing it is true.
func (c *Client) VerifySignature(body []byte, signature string) bool {
	return c.dialect.Unsigned || hmac.Equal([]byte(c.Sign(body)), []byte(signature))
}

// SignatureHeader is the name of the header that carries a callback's signature.
func (c *Client) SignatureHeader() string { return c.dialect.SignatureHeader }
