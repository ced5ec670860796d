package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// payLimit bounds a payment: one that has not ended by then was lost, and must not look slow
// only.
const payLimit = 5 * time.Minute

// payer pays through the HTTP API as an agent does.
type payer struct {
	http  *http.Client
	api   string
	token string
}

func newPayer(api, token string) payer {
	return payer{http: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1000}, Timeout: time.Minute}, api: api, token: token}
}

// paid is a payment as the API shows it.
type paid struct {
	ID       string `json:"id"`
	State    string `json:"state"`
	Attempts int    `json:"attempts"`
}

// pay makes payment n and returns when it has succeeded; anything else is an error.
func (p *payer) pay(ctx context.Context, n int64) error {
	_, err := p.succeed(ctx, n)
	return err
}

// succeed makes payment n and asks again, with the same key, for as long as the answer is that
// it is under way.
func (p *payer) succeed(ctx context.Context, n int64) (paid, error) {
	ctx, cancel := context.WithTimeout(ctx, payLimit)
	defer cancel()
	header := map[string]string{"Idempotency-Key": fmt.Sprintf("bench-%d", n), "Prefer": "wait=30"}
	for {
		status, answer, err := p.post(ctx, "/v1/payments", header, paymentBody(n))
		if err != nil {
			return paid{}, err
		}
		if status == http.StatusAccepted {
			continue
		}
		var made paid
		if err := json.Unmarshal(answer, &made); err != nil || status/100 != 2 || made.State != "succeeded" {
			return paid{}, fmt.Errorf("the payment did not succeed: %d %s (%w)", status, answer, err)
		}
		return made, nil
	}
}

// account is that of payment n; the simulated centre gives it no meaning.
func account(n int64) string { return fmt.Sprintf("777%07d", n*10+1) }

func paymentBody(n int64) string {
	return fmt.Sprintf(`{"serviceId":"P1011","account":"%s","amountTo":200.00}`, account(n))
}

func (p *payer) post(ctx context.Context, path string, header map[string]string, body string) (status int, answer []byte, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, p.api+path, strings.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	request.Header.Set("Authorization", "Bearer "+p.token)
	request.Header.Set("Content-Type", "application/json")
	for name, value := range header {
		request.Header.Set(name, value)
	}
	response, err := p.http.Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer func() { _ = response.Body.Close() }() // read to its end below
	answer, err = io.ReadAll(response.Body)
	return response.StatusCode, answer, err
}
