package processing

import (
	"context"
	"crypto/tls"
	"errors"
	"net/http"
	"strings"
	"time"

	"tolem/partners/call"
)

const (
	// basePath is between the centre's address and the name of a call.
	basePath = "/api/v20/"

	// maxResponse bounds every answer but the catalogue: the largest receipt
	// seen in the document is 2 KB.
	maxResponse = 1 << 20

	// maxCatalogue bounds services. An entry of the document's example takes
	// up to 1 KB, Cyrillic counted twice, and a centre offers thousands.
	maxCatalogue = 16 << 20
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
	calls *call.Client
	token string
}

// ErrToken is a token that no request can carry.
var ErrToken = errors.New("processing: Token has characters that no HTTP header carries (a line end?)")

// New checks the options; it calls nobody. Errors name the field, not its value,
// which may hold a secret.
func New(o Options) (*Client, error) {
	caller, err := call.New(call.Options{Partner: Partner, URL: o.URL, Timeout: o.Timeout, TLS: o.TLS})
	switch {
	case err != nil:
		return nil, err
	case strings.HasSuffix(strings.TrimRight(o.URL, "/")+"/", basePath):
		return nil, errors.New("processing: URL must end before /api/v20, which is added to it")
	case !call.HeaderValue(o.Token):
		return nil, ErrToken
	}
	return &Client{calls: caller, token: o.Token}, nil
}

// post sends body to one call and returns the body of a 2xx answer. All other
// outcomes are a *Failure.
func (c *Client) post(ctx context.Context, operation string, body []byte) ([]byte, error) {
	r := call.Request{Operation: operation, Path: basePath + operation, Body: body, Limit: maxResponse, Header: map[string]string{}}
	if operation == opServices {
		r.Limit = maxCatalogue
	}
	if c.token != "" {
		r.Header["Authorization"] = "Bearer " + c.token
	}
	answer, err := c.calls.Post(ctx, r)
	return answer.UTF8(), err
}

// failure is a call of unknown outcome.
func (c *Client) failure(operation string, status int, reason string, cause error) *Failure {
	return c.calls.Failure(operation, call.Answer{Status: status}, reason, cause)
}

// unreadable is a 2xx answer that brought no usable code.
func (c *Client) unreadable(operation string, err error) error {
	var why unreadable
	if errors.As(err, &why) {
		return c.calls.Unreadable(operation, call.Answer{Status: http.StatusOK}, why.reason, why.field)
	}
	return err
}
