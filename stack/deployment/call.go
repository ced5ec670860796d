package deployment

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"
)

// reader is everybody's HTTP client; an API that waits for its ledger answers later than a
// process lives.
var reader = &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 100}}

// Call makes one request and returns the body of a 2xx. Another answer is a *Refusal.
func Call(ctx context.Context, method, url string, body []byte, header map[string]string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	for name, value := range header {
		request.Header.Set(name, value)
	}
	response, err := reader.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }() // read to its end below
	raw, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	if response.StatusCode/100 != 2 {
		return nil, &Refusal{Status: response.StatusCode, text: fmt.Sprintf("%s %s: %s %s", method, url, response.Status, raw)}
	}
	return raw, nil
}

// Refusal is an answer other than 2xx.
type Refusal struct {
	Status int
	text   string
}

func (r *Refusal) Error() string { return r.text }

// Direct tells a simulator how to behave.
func (d *Deployment) Direct(ctx context.Context, path string, how any) error {
	body, err := json.Marshal(how)
	if err != nil {
		return err
	}
	_, err = Call(ctx, http.MethodPost, d.Partners+path, body, nil)
	return err
}
