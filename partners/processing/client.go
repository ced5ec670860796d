package processing

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"tolem/domain"
)

const (
	// basePath is between the centre's address and the name of a call.
	basePath = "/api/v20/"

	// defaultTimeout bounds a whole call: dial, request, answer.
	defaultTimeout = 30 * time.Second

	// dialTimeout and handshakeTimeout leave the larger part of a call to the
	// centre's own work.
	dialTimeout      = 5 * time.Second
	handshakeTimeout = 5 * time.Second

	// idleTimeout is below what web servers usually grant (60 s or more), so
	// that it is we who close, and few calls meet a dying connection.
	idleTimeout = 30 * time.Second

	// maxIdlePerHost is about how many payments one worker has in flight.
	maxIdlePerHost = 64

	// maxResponse bounds every answer but the catalogue: the largest receipt
	// seen in the document is 2 KB.
	maxResponse = 1 << 20

	// maxCatalogue bounds services. An entry of the document's example takes
	// up to 1 KB, Cyrillic counted twice, and a centre offers thousands.
	maxCatalogue = 16 << 20

	// maxHeader bounds the answer's header.
	maxHeader = 64 << 10
)

// The calls of v20.
const (
	opServices = "services"
	opService  = "service"
	opBalance  = "balance"
	opCheck    = "check"
	opPay      = "pay"
	opOperator = "operatorByPhone"
)

// Options says how to reach the centre.
type Options struct {
	URL     string        // up to and without /api/v20, http or https
	Token   string        // sent as Authorization: Bearer; empty where the centre knows us by address
	Timeout time.Duration // of a whole call; 0 = 30 s
	TLS     *tls.Config   // nil = the system's roots, TLS 1.2 or newer
}

// Client speaks v20 with one processing centre. It is safe for concurrent use.
type Client struct {
	base      string
	host      string
	token     string
	timeout   time.Duration
	transport *http.Transport
}

// New checks the options; it calls nobody. Errors name the field, not its value,
// which may hold a secret.
func New(o Options) (*Client, error) {
	u, err := parseURL(o.URL)
	if err != nil {
		return nil, err
	}
	if strings.ContainsFunc(o.Token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return nil, errors.New("processing: Token has characters that no HTTP header carries (a line end?)")
	}
	if o.Timeout < 0 {
		return nil, errors.New("processing: Timeout is negative")
	}
	if o.Timeout == 0 {
		o.Timeout = defaultTimeout
	}
	return &Client{
		base:      strings.TrimRight(u.String(), "/") + basePath,
		host:      u.Host,
		token:     o.Token,
		timeout:   o.Timeout,
		transport: newTransport(o),
	}, nil
}

// parseURL accepts http://host[:port][/path] and the same with https.
func parseURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return nil, errors.New("processing: URL is not an address such as https://host:port")
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, errors.New("processing: URL must begin with http:// or https://")
	case u.Hostname() == "":
		return nil, errors.New("processing: URL names no host")
	case u.User != nil:
		return nil, errors.New("processing: URL must not carry a user or password")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || strings.Contains(text, "#"):
		return nil, errors.New("processing: URL must not have a query or fragment")
	case strings.HasSuffix(strings.TrimRight(u.Path, "/")+"/", basePath):
		return nil, errors.New("processing: URL must end before /api/v20, which is added to it")
	}
	if port := u.Port(); port != "" {
		if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
			return nil, errors.New("processing: URL has a port outside 1 to 65535")
		}
	}
	return u, nil
}

// newTransport spells out what net/http would otherwise choose.
//
// HTTP/1.1 only. Under HTTP/2 the library decides by itself what to send again
// (a refused stream, a GOAWAY, a PROTOCOL_ERROR from the peer), bodyless calls
// even unasked, and one dying connection would leave every payment on it of
// unknown outcome. Under HTTP/1.1 a request with a body, without GetBody and
// without Idempotency-Key is never sent twice (net/http, shouldRetryRequest); a
// bodyless read is repeated only when not one byte of it was written.
func newTransport(o Options) *http.Transport {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if o.TLS != nil {
		config = o.TLS.Clone()
	}
	config.NextProtos = []string{"http/1.1"}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	return &http.Transport{
		Proxy:                  nil, // payments take no route that a stray variable names
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

// post sends body to one call and returns the body of a 2xx answer. All other
// outcomes are a *Failure.
func (c *Client) post(ctx context.Context, operation string, body []byte) ([]byte, error) {
	if err := ctx.Err(); err != nil { // certainly nothing sent: the only place that may say so
		reason, cause := classify(err)
		return nil, &Failure{Operation: operation, Host: c.host, Kind: domain.Unavailable, Reason: reason, Err: cause}
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	request, err := c.request(ctx, operation, body)
	if err != nil {
		return nil, c.broken(ctx, operation, 0, err)
	}
	// The transport alone: http.Client would add redirects, cookies and
	// *url.Error, which prints addresses with their queries.
	response, err := c.transport.RoundTrip(request)
	if err != nil {
		return nil, c.broken(ctx, operation, 0, err)
	}
	defer func() { _ = response.Body.Close() }() // what was read is judged below; closing adds nothing
	switch status := response.StatusCode; {
	case status >= 300 && status < 400:
		return nil, c.failure(operation, status, ReasonRedirect, nil)
	case status < 200 || status > 299:
		return nil, c.failure(operation, status, ReasonStatus, nil)
	}
	limit := int64(maxResponse)
	if operation == opServices {
		limit = maxCatalogue
	}
	answer, err := io.ReadAll(io.LimitReader(response.Body, limit+1))
	switch {
	case err != nil:
		return nil, c.broken(ctx, operation, response.StatusCode, err)
	case int64(len(answer)) > limit:
		return nil, c.failure(operation, response.StatusCode, ReasonTooLarge, nil)
	}
	return answer, nil
}

// request builds one POST that net/http cannot send twice: GetBody stays nil and
// there is no Idempotency-Key.
func (c *Client) request(ctx context.Context, operation string, body []byte) (*http.Request, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.base+operation, http.NoBody)
	if err != nil {
		return nil, err
	}
	request.GetBody = nil
	if len(body) > 0 {
		request.Body = io.NopCloser(bytes.NewReader(body))
		request.ContentLength = int64(len(body))
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Accept", "application/json")
	if c.token != "" {
		request.Header.Set("Authorization", "Bearer "+c.token)
	}
	return request, nil
}

// failure is a call of unknown outcome.
func (c *Client) failure(operation string, status int, reason string, cause error) *Failure {
	return &Failure{Operation: operation, Host: c.host, Kind: domain.Unknown, Status: status, Reason: reason, Err: cause}
}

// broken is a call that failed below JSON. Where the context is over, that is
// the reason, whatever the transport made of it.
func (c *Client) broken(ctx context.Context, operation string, status int, err error) *Failure {
	if over := ctx.Err(); over != nil {
		err = over
	}
	reason, cause := classify(err)
	return c.failure(operation, status, reason, cause)
}

// unreadable is a 2xx answer that brought no usable code.
func (c *Client) unreadable(operation string, err error) error {
	var why unreadable
	if errors.As(err, &why) {
		return c.failure(operation, http.StatusOK, string(why), why)
	}
	return err
}
