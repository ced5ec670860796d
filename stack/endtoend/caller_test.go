package endtoend

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// httpClient is the callers' client; its time-out is longer than any Prefer: wait.
var httpClient = &http.Client{Timeout: 2 * time.Minute}

func answers(url string) bool {
	response, err := httpClient.Get(url)
	if err != nil {
		return false
	}
	defer func() { _ = response.Body.Close() }() // nothing to read
	return response.StatusCode == http.StatusOK
}

// caller is a user of the API.
type caller struct {
	t          *testing.T
	api, token string
}

// payment is the API's view, as far as tests read it.
type payment struct {
	ID            string `json:"id"`
	State         string `json:"state"`
	NeedsOperator bool   `json:"needs_operator"`
	ResultCode    *int   `json:"resultCode"`
	TransactionID string `json:"transactionId"`
	Attempts      int    `json:"attempts"`
	// NextAttemptAt is zero while none is planned.
	NextAttemptAt time.Time `json:"nextAttemptAt"`
	Held          bool      `json:"held"`
	Paused        bool      `json:"paused"`
	ExpiresAt     string    `json:"expiresAt"`
	UpdatedAt     string    `json:"updatedAt"`
	// AmountTo is tenge with two decimals.
	AmountTo             json.Number `json:"amountTo"`
	AgentTransactionDate string      `json:"agentTransactionDate"`
}

type attempt struct {
	Attempt    int    `json:"attempt"`
	Call       string `json:"call"`
	Cause      string `json:"cause"`
	WaitedMs   int64  `json:"waitedMs"`
	Reported   bool   `json:"reported"`
	ResultCode *int   `json:"resultCode"`
	BodySHA256 string `json:"bodySha256"`
}

// do makes one request and decodes its JSON answer.
func (c *caller) do(method, path, body string, header map[string]string, into any) (status int, answer string) {
	c.t.Helper()
	request, err := http.NewRequestWithContext(context.Background(), method, c.api+path, strings.NewReader(body))
	require.NoError(c.t, err)
	request.Header.Set("Authorization", "Bearer "+c.token)
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	for name, value := range header {
		request.Header.Set(name, value)
	}
	response, err := httpClient.Do(request)
	require.NoError(c.t, err)
	defer func() { _ = response.Body.Close() }() // read to its end below
	raw, err := io.ReadAll(response.Body)
	require.NoError(c.t, err)
	if into != nil {
		require.NoError(c.t, json.NewDecoder(bytes.NewReader(raw)).Decode(into), string(raw))
	}
	return response.StatusCode, string(raw)
}

const plain = `{"serviceId":"P1011","account":"7770017711","amountTo":200.00,"fullName":"Тестов Тест"}`

// pays creates a plain payment and returns at once.
func (c *caller) pays(key string) payment { return c.paysFor(key, plain) }

// paysFor creates a payment from a body; "" is the plain one.
func (c *caller) paysFor(key, body string) payment {
	c.t.Helper()
	if body == "" {
		body = plain
	}
	var p payment
	status, answer := c.do(http.MethodPost, "/v1/payments", body, map[string]string{"Idempotency-Key": key}, &p)
	require.Contains(c.t, []int{http.StatusAccepted, http.StatusCreated, http.StatusOK}, status, answer)
	return p
}

func (c *caller) reads(id string) payment {
	c.t.Helper()
	var p payment
	status, answer := c.do(http.MethodGet, "/v1/payments/"+id, "", nil, &p)
	require.Equal(c.t, http.StatusOK, status, answer)
	return p
}

func (c *caller) attempts(id string) []attempt {
	c.t.Helper()
	var page struct {
		Items []attempt `json:"items"`
	}
	status, answer := c.do(http.MethodGet, "/v1/payments/"+id+"/attempts", "", nil, &page)
	require.Equal(c.t, http.StatusOK, status, answer)
	return page.Items
}

// finds waits until a payment has a state. One that waits for its next attempt may wait longer
// than our patience: the interval has grown for as long as the test has run.
func (c *caller) finds(id, state string) (p payment) {
	c.t.Helper()
	what, limit := "payment "+id+" is "+state, patience
	eventually(c.t, what+", or waits", func() bool {
		p = c.reads(id)
		wait := time.Until(p.NextAttemptAt)
		limit = patience + max(0, wait)
		return p.State == state || wait > 0
	})
	require.Eventually(c.t, func() bool {
		p = c.reads(id)
		return p.State == state
	}, limit, 100*time.Millisecond, what)
	return p
}
