package call

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/otel/trace"

	"tolem/domain"
)

const (
	// defaultTimeout bounds a whole call: dial, request, answer.
	defaultTimeout = 30 * time.Second

	// dialTimeout and handshakeTimeout leave the larger part of a call to the
	// partner's own work.
	dialTimeout      = 5 * time.Second
	handshakeTimeout = 5 * time.Second

	// idleTimeout is below what web servers usually grant (60 s or more), so
	// that it is we who close, and few calls meet a dying connection.
	idleTimeout = 30 * time.Second

	// maxIdlePerHost is about how many processes one worker has in flight.
	maxIdlePerHost = 64

	// maxHeader bounds the answer's header.
	maxHeader = 64 << 10
)

// Options say how to reach a partner.
type Options struct {
	Partner string        // the protocol's name, for errors
	URL     string        // what every path is added to, http or https
	Timeout time.Duration // of a whole call; 0 = 30 s
	TLS     *tls.Config   // nil = the system's roots, TLS 1.2 or newer
}

// Client makes calls to one partner. It is safe for concurrent use.
type Client struct {
	partner   string
	base      string // without a slash at its end
	host      string
	timeout   time.Duration
	transport *http.Transport
}

// New checks the options; it calls nobody. Errors name the field, not its value, which
// may hold a secret.
func New(o Options) (*Client, error) {
	u, err := parseURL(o.Partner, o.URL)
	if err != nil {
		return nil, err
	}
	if o.Timeout < 0 {
		return nil, errors.New(o.Partner + ": Timeout is negative")
	}
	if o.Timeout == 0 {
		o.Timeout = defaultTimeout
	}
	return &Client{
		partner: o.Partner, base: strings.TrimRight(u.String(), "/"), host: u.Host, timeout: o.Timeout, transport: newTransport(o),
	}, nil
}

// parseURL accepts http://host[:port][/path] and the same with https.
func parseURL(partner, text string) (*url.URL, error) {
	bad := func(rule string) error { return errors.New(partner + ": URL " + rule) }
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return nil, bad("is not an address such as https://host:port")
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, bad("must begin with http:// or https://")
	case u.Hostname() == "":
		return nil, bad("names no host")
	case u.User != nil:
		return nil, bad("must not carry a user or password")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || strings.Contains(text, "#"):
		return nil, bad("must not have a query or fragment")
	}
	if port := u.Port(); port != "" {
		if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
			return nil, bad("has a port outside 1 to 65535")
		}
	}
	return u, nil
}

// newTransport spells out what net/http would otherwise choose.
//
// HTTP/1.1 only. Under HTTP/2 the library decides by itself what to send again
// (a refused stream, a GOAWAY, a PROTOCOL_ERROR from the peer), bodyless calls
// even unasked, and one dying connection would leave every call on it of
// unknown outcome. Under HTTP/1.1 a request with a body, without GetBody and
// without Idempotency-Key is never sent twice (net/http, shouldRetryRequest). A GET is
// given an empty body for that, which is not to be seen on the wire; a POST without one is
// repeated only when not one byte of it was written.
func newTransport(o Options) *http.Transport {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if o.TLS != nil {
		config = o.TLS.Clone()
	}
	config.NextProtos = []string{"http/1.1"}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	return &http.Transport{
		Proxy:                  nil, // money takes no route that a stray variable names
		DialContext:            (&net.Dialer{Timeout: dialTimeout, KeepAlive: 15 * time.Second}).DialContext,
		TLSClientConfig:        config,
		TLSHandshakeTimeout:    handshakeTimeout,
		ResponseHeaderTimeout:  o.Timeout, // the call's own time-out ends it first
		ExpectContinueTimeout:  0,         // we never send Expect
		IdleConnTimeout:        idleTimeout,
		MaxIdleConns:           0, // no limit but the next one: there is one host
		MaxIdleConnsPerHost:    maxIdlePerHost,
		MaxConnsPerHost:        0, // the worker's limits bound the calls in flight
		MaxResponseHeaderBytes: maxHeader,
		DisableCompression:     true, // so that limits count what we read
		Protocols:              protocols,
	}
}

// Request is one call.
type Request struct {
	Operation string            // for errors
	Path      string            // added to the partner's URL, with its slash
	Query     url.Values        // of a GET; no error names it
	Body      []byte            // of a POST, sent as it is; none makes a call without a body
	Header    map[string]string // beside Accept, and Content-Type of a POST: application/json
	Limit     int64             // of the answer's body, in bytes
	// RefusalLimit is how much is read of the body of a 4xx answer, which is then no
	// Failure; 0 reads none: then every status but 2xx is one.
	RefusalLimit int64
	TraceHeader  string // of the answer, that names the call at the partner; "" when there is none
}

// Answer is what came back: 2xx, or 4xx where the request asked for that.
type Answer struct {
	Status  int
	Header  http.Header
	Body    []byte
	Size    int64 // of a 2xx body, in bytes
	TraceID string
}

// Post makes one call. Every outcome but an Answer is a *Failure.
func (c *Client) Post(ctx context.Context, r Request) (Answer, error) {
	return c.exchange(ctx, http.MethodPost, r, nil)
}

// Get makes one call that only reads. Every outcome but an Answer is a *Failure.
func (c *Client) Get(ctx context.Context, r Request) (Answer, error) {
	return c.exchange(ctx, http.MethodGet, r, nil)
}

// Stream is Get with the body of a 2xx answer copied to into, as it comes, and not kept:
// what was copied before an error is no answer. An error of into is returned as it is.
func (c *Client) Stream(ctx context.Context, r Request, into io.Writer) (Answer, error) {
	return c.exchange(ctx, http.MethodGet, r, &sink{Writer: into})
}

// sink remembers how writing failed, which is not the partner's doing.
type sink struct {
	io.Writer
	err error
}

// Write keeps the error.
func (s *sink) Write(p []byte) (n int, err error) {
	n, err = s.Writer.Write(p)
	s.err = err
	return n, err
}

// exchange makes one call, which has a span of its own; a 2xx body goes to into, or with
// none into the answer.
func (c *Client) exchange(ctx context.Context, method string, r Request, into *sink) (Answer, error) {
	span := Begin(ctx, c.protocol(), r.Operation, trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(keyMethod.String(method)))
	answer, err := c.made(ctx, method, r, into)
	span.ended(answer, err)
	return answer, err
}

// protocol is the partner's name without what a client adds to tell its addresses apart.
func (c *Client) protocol() string {
	name, _, _ := strings.Cut(c.partner, ":")
	return name
}

func (c *Client) made(ctx context.Context, method string, r Request, into *sink) (Answer, error) {
	if err := ctx.Err(); err != nil { // certainly nothing sent: the only place that may say so
		reason, cause := Classify(err)
		f := c.Failure(r.Operation, Answer{}, reason, cause)
		f.Kind = domain.Unavailable
		return Answer{}, f
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	request, err := c.request(ctx, method, r)
	if err != nil {
		return Answer{}, c.broken(ctx, r, Answer{}, err)
	}
	// The transport alone: http.Client would add redirects, cookies and
	// *url.Error, which prints addresses with their queries.
	response, err := c.transport.RoundTrip(request)
	if err != nil {
		return Answer{}, c.broken(ctx, r, Answer{}, err)
	}
	defer func() { _ = response.Body.Close() }() // what was read is judged below; closing adds nothing
	answer := Answer{Status: response.StatusCode, Header: response.Header}
	if r.TraceHeader != "" {
		answer.TraceID = legible(response.Header.Get(r.TraceHeader))
	}
	limit := r.Limit
	switch status := response.StatusCode; {
	case status >= 300 && status < 400:
		return answer, c.Failure(r.Operation, answer, ReasonRedirect, nil)
	case Rejects(status) && r.RefusalLimit > 0:
		limit = r.RefusalLimit
	case status < 200 || status > 299:
		return answer, c.Failure(r.Operation, answer, ReasonStatus, nil)
	}
	body := io.LimitReader(response.Body, limit+1)
	if into != nil && answer.Status < 300 {
		answer.Size, err = io.Copy(into, body)
	} else {
		answer.Body, err = io.ReadAll(body)
		answer.Size = int64(len(answer.Body))
	}
	switch {
	case into != nil && into.err != nil:
		return answer, into.err
	case err != nil:
		return answer, c.broken(ctx, r, answer, err)
	case answer.Size > limit:
		return answer, c.Failure(r.Operation, answer, ReasonTooLarge, nil)
	}
	return answer, nil
}

// maxTrace bounds what is kept of a partner's trace id, in bytes.
const maxTrace = 128

// legible keeps what can stand in a log line.
func legible(id string) string {
	if len(id) > maxTrace || strings.ContainsFunc(id, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return ""
	}
	return id
}

// request builds one request that net/http cannot send twice: it has a body, GetBody stays
// nil, and there is no Idempotency-Key.
func (c *Client) request(ctx context.Context, method string, r Request) (*http.Request, error) {
	request, err := http.NewRequestWithContext(ctx, method, c.base+r.Path, http.NoBody)
	if err != nil {
		return nil, err
	}
	request.URL.RawQuery = r.Query.Encode()
	request.GetBody = nil
	if method == http.MethodGet { // without a body net/http would send it once more on another connection
		request.Body = io.NopCloser(http.NoBody)
	}
	if len(r.Body) > 0 {
		request.Body = io.NopCloser(bytes.NewReader(r.Body))
		request.ContentLength = int64(len(r.Body))
	}
	if method == http.MethodPost {
		request.Header.Set("Content-Type", "application/json")
	}
	request.Header.Set("Accept", "application/json")
	for name, value := range r.Header {
		request.Header.Set(name, value)
	}
	return request, nil
}

// Failure is a call of unknown outcome.
func (c *Client) Failure(operation string, a Answer, reason string, cause error) *Failure {
	return &Failure{Partner: c.partner, Operation: operation, Host: c.host, Kind: domain.Unknown,
		Status: a.Status, Reason: reason, TraceID: a.TraceID, RetryAfter: retryAfter(a), Err: cause}
}

// Unreadable is an answer whose content failed; field is the first that did, "" for the
// whole of it.
func (c *Client) Unreadable(operation string, a Answer, reason, field string) *Failure {
	f := c.Failure(operation, a, reason, nil)
	f.Field = field
	return f
}

// Dropped logs the fields of an answer that could not be read and decide nothing, where no
// journal keeps their names.
func (c *Client) Dropped(ctx context.Context, operation, fields string) {
	if fields != "" {
		slog.InfoContext(ctx, "fields of an answer were dropped", "partner", c.protocol(), "operation", operation, "fields", fields)
	}
}

// broken is a call that failed below its body. Where the context is over, that is the
// reason, whatever the transport made of it.
func (c *Client) broken(ctx context.Context, r Request, a Answer, err error) *Failure {
	if over := ctx.Err(); over != nil {
		err = over
	}
	reason, cause := Classify(err)
	return c.Failure(r.Operation, a, reason, cause)
}

// CloseIdle ends the connections that are kept for the next call.
func (c *Client) CloseIdle() { c.transport.CloseIdleConnections() }

// HeaderValue says whether a text can be the value of an HTTP header.
func HeaderValue(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' })
}
