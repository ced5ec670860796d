package operator

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

const (
	defaultAPI = "http://127.0.0.1:8080"
	// answerLimit is longer than the API takes for an action that makes an attempt, with
	// its own default time-outs.
	answerLimit = 3 * time.Minute
	answerMost  = 64 << 20 // bytes; the longest page of payments with all they carry
	pageMost    = 500      // rows, the API's limit
)

// client sends requests to the API.
type client struct {
	base, token string
	http        *http.Client
}

// connect reads where the API is and whose token is sent. It calls nobody.
func connect(cmd *cobra.Command, o Options) (*client, error) {
	given := func(flag, variable, otherwise string) string {
		if value, _ := cmd.Flags().GetString(flag); value != "" { // it is declared as a string
			return value
		}
		if value := o.Getenv(variable); value != "" {
			return value
		}
		return otherwise
	}
	base := strings.TrimRight(given("api", "TOLEM_API", defaultAPI), "/")
	address, err := url.Parse(base)
	if err != nil || address.Scheme != "http" && address.Scheme != "https" || address.Host == "" || address.RawQuery != "" || address.User != nil {
		return nil, wrongUsage(cmd, "the API's address (--api or TOLEM_API) must be such as https://tolem.bank.example, with neither user nor query")
	}
	token, err := readToken(cmd, o)
	if err != nil {
		return nil, err
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	if transport.TLSClientConfig, err = trust(cmd); err != nil {
		return nil, err
	}
	return &client{base: base, token: token, http: &http.Client{
		Transport: transport, Timeout: answerLimit,
		// a redirect would take the token elsewhere, and turn an action into a question
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

func readToken(cmd *cobra.Command, o Options) (string, error) {
	token := o.Getenv("TOLEM_TOKEN")
	if file, _ := cmd.Flags().GetString("token-file"); file != "" { // it is declared as a string
		content, err := os.ReadFile(file)
		if err != nil {
			return "", wrongUsage(cmd, "--token-file: %s", err)
		}
		token, _, _ = strings.Cut(string(content), "\n")
	}
	if token = strings.TrimSpace(token); token == "" {
		return "", wrongUsage(cmd, "no token: set TOLEM_TOKEN, or give --token-file FILE")
	}
	if strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return "", wrongUsage(cmd, "the token (--token-file or TOLEM_TOKEN) has characters that no token has")
	}
	return token, nil
}

// trust is the system's CAs and the one of --ca-file.
func trust(cmd *cobra.Command) (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	file, _ := cmd.Flags().GetString("ca-file") // it is declared as a string
	if file == "" {
		return config, nil
	}
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, wrongUsage(cmd, "--ca-file: %s", err)
	}
	if config.RootCAs, err = x509.SystemCertPool(); err != nil {
		config.RootCAs = x509.NewCertPool()
	}
	if !config.RootCAs.AppendCertsFromPEM(content) {
		return nil, wrongUsage(cmd, "--ca-file: %s holds no certificate in PEM", file)
	}
	return config, nil
}

// unreachableError is a request that the API did not answer.
type unreachableError struct {
	base   string
	acting bool // it was sent to change something
	cause  error
}

func (e *unreachableError) Error() string {
	next := "see that the API runs there; --api or TOLEM_API says where it is"
	var unknown x509.UnknownAuthorityError
	if errors.As(e.cause, &unknown) {
		next = "give the CA that signed its certificate with --ca-file"
	}
	if e.acting {
		next = "the action may have taken effect: give the same command again, it is one action; " + next
	}
	return fmt.Sprintf("The API at %s did not answer.\n  why      %s\n  next     %s", e.base, e.cause, next)
}

func (e *unreachableError) Unwrap() error { return e.cause }

// get asks for something.
func (c *client) get(ctx context.Context, path string, query url.Values) (json.RawMessage, error) {
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	return c.do(ctx, http.MethodGet, path, "", nil)
}

// post orders something, once for its key.
func (c *client) post(ctx context.Context, path, key string, body any) (json.RawMessage, error) {
	encoded, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	return c.do(ctx, http.MethodPost, path, key, encoded)
}

func (c *client) do(ctx context.Context, method, path, key string, body []byte) (json.RawMessage, error) {
	failed := func(err error) error {
		var of *url.Error // names the whole URL, and with it the id
		if errors.As(err, &of) {
			err = of.Err
		}
		return &unreachableError{base: c.base, acting: method != http.MethodGet, cause: err}
	}
	request, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(body))
	if err != nil {
		return nil, failed(err)
	}
	request.Header.Set("Authorization", "Bearer "+c.token)
	request.Header.Set("Accept", "application/json, application/problem+json")
	request.Header.Set("Accept-Language", "en")
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
		request.Header.Set("Idempotency-Key", key)
	}
	response, err := c.http.Do(request)
	if err != nil {
		return nil, failed(err)
	}
	defer func() { _ = response.Body.Close() }() // read to its end, or given up
	content, err := io.ReadAll(io.LimitReader(response.Body, answerMost+1))
	switch {
	case err != nil:
		return nil, failed(err)
	case len(content) > answerMost:
		return nil, failed(fmt.Errorf("the answer is over %d MiB: lower --limit", answerMost>>20))
	}
	answer, err := understood(response, content)
	if err != nil && !isProblem(err) {
		return nil, failed(err)
	}
	return answer, err
}

// understood is the API's answer or its problem; anything else comes from another program.
func understood(response *http.Response, content []byte) (json.RawMessage, error) {
	media, _, _ := mime.ParseMediaType(response.Header.Get("Content-Type")) // a broken one is none
	switch {
	case response.StatusCode < 300 && media == "application/json" && json.Valid(content):
		return content, nil
	case response.StatusCode >= 400 && media == "application/problem+json":
		p := &problem{Status: response.StatusCode, RetryAfter: response.Header.Get("Retry-After")}
		if err := json.Unmarshal(content, p); err == nil && p.Code != "" {
			return nil, p
		}
	}
	return nil, fmt.Errorf("what answers there is not Tolem's API: HTTP %d, %q", response.StatusCode, media)
}

// page is one page of a list.
type page struct {
	Items []json.RawMessage `json:"items"`
	Next  string            `json:"next,omitempty"` // cursor of the following page; "" on the last
}

// walk reads a list from page to page: at most limit rows, or all of them where limit is 0.
// Next of its answer is "" when nothing follows.
func (c *client) walk(ctx context.Context, path string, query url.Values, limit int) (whole page, err error) {
	whole.Items = []json.RawMessage{}
	for {
		size := pageMost
		if limit > 0 {
			size = min(limit-len(whole.Items), pageMost)
		}
		query.Set("limit", strconv.Itoa(size))
		answer, err := c.get(ctx, path, query)
		if err != nil {
			return whole, err
		}
		var next page
		if err := json.Unmarshal(answer, &next); err != nil {
			return whole, fmt.Errorf("the API's list is not understood: %w", err)
		}
		whole.Items, whole.Next = append(whole.Items, next.Items...), next.Next
		if whole.Next == "" || limit > 0 && len(whole.Items) >= limit {
			return whole, nil
		}
		query.Set("cursor", whole.Next)
	}
}
