package storm

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"go.temporal.io/sdk/client"

	"tolem/cmd/tolem/app"
	"tolem/simulators/partners"
	"tolem/storage/privatepostgres"
)

// How the deployment works: short limits, so that a storm of minutes has what a bank has in
// days.
const (
	workers        = 3
	apis           = 2
	partnerTimeout = 2 * time.Second
	pastTimeout    = 3 * time.Second // of an answer that comes after the call was given up
	token          = "storm-token"
	readyLimit     = 3 * time.Minute
)

// deployment is Tolem as in production: every part a process of its own.
type deployment struct {
	postgres   *privatepostgres.Server
	temporal   *program
	kafka      *program
	simulators *program
	tolem      []*program // APIs and workers
	urls       []string   // of the APIs
	partners   string     // the simulators' address
	env        map[string]string
}

// deploy starts everything and returns when it answers. After an error nothing runs.
func deploy(ctx context.Context, o Options) (d *deployment, err error) {
	d = &deployment{}
	defer func() {
		if err != nil {
			d.stop()
		}
	}()
	if d.postgres, err = privatepostgres.Start(ctx, privatepostgres.Options{Durable: true}); err != nil {
		return d, err
	}
	ledger, err := d.postgres.CreateDatabase(ctx, "ledger")
	if err != nil {
		return d, err
	}
	addrs, err := freeAddresses(3 + apis)
	if err != nil {
		return d, err
	}
	d.partners = "http://" + addrs[2]
	d.env = environment(ledger, addrs, o.Dir)
	if err := os.WriteFile(d.env["CFRONT_AGREEMENT"], app.DevelopmentAgreement, 0o600); err != nil {
		return d, err
	}
	for _, p := range []struct {
		into *(*program)
		name string
		path string
		args []string
	}{
		{&d.temporal, "temporal", o.Programs.Stack, []string{"part", "temporal", "--addr", addrs[0], "--postgres", d.postgres.URL()}},
		{&d.kafka, "kafka", o.Programs.Stack, []string{"part", "kafka", "--addr", addrs[1], "--data", filepath.Join(o.Dir, "kafka")}},
		{&d.simulators, "simulators", o.Programs.Simulators, []string{"--addr", addrs[2], "--data", filepath.Join(o.Dir, "books")}},
	} {
		if *p.into, err = launch(o.Dir, p.name, p.path, d.env, p.args...); err != nil {
			return d, err
		}
	}
	config, err := d.config()
	if err != nil {
		return d, err
	}
	if _, err := app.Migrate(ctx, config); err != nil {
		return d, err
	}
	if err := setUp(ctx, config); err != nil {
		return d, err
	}
	if err := d.deployTolem(o, addrs[3:]); err != nil {
		return d, err
	}
	return d, d.ready(ctx)
}

// setUp gives Temporal what Tolem needs of it, as soon as it answers.
func setUp(ctx context.Context, config app.Config) error {
	ctx, cancel := context.WithTimeout(ctx, readyLimit)
	defer cancel()
	for {
		_, err := app.Setup(ctx, config)
		if err == nil {
			return nil
		}
		if pause(ctx, time.Second) != nil {
			return err
		}
	}
}

func (d *deployment) deployTolem(o Options, addrs []string) error {
	for n, addr := range addrs {
		env := map[string]string{"API_ADDR": addr}
		for key, value := range d.env {
			if key != "API_ADDR" {
				env[key] = value
			}
		}
		p, err := launch(o.Dir, fmt.Sprintf("api-%d", n+1), o.Programs.Tolem, env, "api")
		if err != nil {
			return err
		}
		d.tolem, d.urls = append(d.tolem, p), append(d.urls, "http://"+addr)
	}
	for n := range workers {
		p, err := launch(o.Dir, fmt.Sprintf("worker-%d", n+1), o.Programs.Tolem, d.env, "worker")
		if err != nil {
			return err
		}
		d.tolem = append(d.tolem, p)
	}
	return nil
}

func environment(ledger string, addrs []string, dir string) map[string]string {
	base := "http://" + addrs[2]
	return map[string]string{
		"DATABASE_URL": ledger, "TEMPORAL_ADDRESS": addrs[0], "KAFKA_BROKERS": addrs[1], "LOXON_TOPIC": "loxon",
		"PROCESSING_URL": base + partners.ProcessingPath, "PROCESSING_TOKEN": partners.DefaultToken,
		"CFRONT_URL": base + partners.CFRONTPath, "CFRONT_STORE_ID": partners.CFRONTStoreID, "CFRONT_SECRET": partners.CFRONTSecret,
		"CFRONT_AGREEMENT": filepath.Join(dir, "agreement.json"), "CFRONT_CALLBACK_URL": "http://" + addrs[3],
		"CFRONT_POLL_FIRST": "500ms", "CFRONT_POLL_MAX": "10s", "CFRONT_PAYOUT_POLL_MAX": "10s",
		"ABS_CLIENT_URL": base + partners.ABSPath + "/client", "ABS_ACCOUNTS_URL": base + partners.ABSPath + "/accounts",
		"ABS_STATEMENT_URL": base + partners.ABSPath + "/statement", "ABS_SCAN_URL": base + partners.ABSPath + "/scan",
		"BANK_BIC": "HSBKKZKX", "K2_CHECK_DIGITS": "no", "DOCUMENTS_DIR": filepath.Join(dir, "documents"),
		"API_TOKENS":      app.DevelopmentTokens(token, token+"-2"),
		"PARTNER_TIMEOUT": partnerTimeout.String(), "RETRY_INITIAL": "500ms", "RETRY_FACTOR": "1.5", "COLLECTION_RETRY_MAX": "15s",
	}
}

// config is the configuration that every process of the deployment has.
func (d *deployment) config() (app.Config, error) {
	return app.Read(func(name string) string { return d.env[name] }, client.Options{HostPort: d.env["TEMPORAL_ADDRESS"]})
}

// ready waits until every API is ready, which needs ledger and Temporal, and the broker and
// the simulators listen.
func (d *deployment) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyLimit)
	defer cancel()
	for {
		err := d.answers(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-time.After(200 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("the deployment does not become ready: %w", err)
		}
	}
}

func (d *deployment) answers(ctx context.Context) error {
	for _, url := range append([]string{d.partners + "/"}, d.readiness()...) {
		if _, err := call(ctx, http.MethodGet, url, nil, nil); err != nil {
			return err
		}
	}
	conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "tcp", d.env["KAFKA_BROKERS"])
	if err == nil {
		_ = conn.Close() // it listens
	}
	return err
}

func (d *deployment) readiness() (urls []string) {
	for _, url := range d.urls {
		urls = append(urls, url+"/readyz")
	}
	return urls
}

// stop ends everything, in the order in which it was needed.
func (d *deployment) stop() {
	for _, p := range append(d.tolem, d.simulators, d.kafka, d.temporal) {
		if p != nil {
			p.stop()
		}
	}
	if d.postgres != nil {
		d.postgres.Stop()
	}
}

// freeAddresses are loopback addresses that nobody listens on now, and that no outgoing
// connection takes meanwhile: systems take those from above.
func freeAddresses(n int) (addrs []string, err error) {
	for port := 20_000 + os.Getpid()%5_000; len(addrs) < n && port < 32_000; port++ {
		listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			continue
		}
		addrs = append(addrs, listener.Addr().String())
		if err := listener.Close(); err != nil {
			return nil, err
		}
	}
	if len(addrs) < n {
		return nil, errors.New("no free ports")
	}
	return addrs, nil
}

// reader is everybody's HTTP client; an API that waits for its ledger answers later than a
// process lives.
var reader = &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 100}}

// call makes one request and returns the body of a 2xx.
func call(ctx context.Context, method, url string, body []byte, header map[string]string) ([]byte, error) {
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
		return nil, &refusal{status: response.StatusCode, text: fmt.Sprintf("%s %s: %s %s", method, url, response.Status, raw)}
	}
	return raw, nil
}

// refusal is an answer other than 2xx.
type refusal struct {
	status int
	text   string
}

func (r *refusal) Error() string { return r.text }

// direct tells a simulator how to behave.
func (d *deployment) direct(ctx context.Context, path string, how any) error {
	body, err := json.Marshal(how)
	if err != nil {
		return err
	}
	_, err = call(ctx, http.MethodPost, d.partners+path, body, nil)
	return err
}
