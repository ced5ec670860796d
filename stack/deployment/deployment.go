// Package deployment runs Tolem as in production, every part a process of its own: PostgreSQL,
// Temporal, the Kafka broker, the simulated partners, and as many APIs and workers as its user
// starts.
package deployment

import (
	"context"
	"fmt"
	"maps"
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

// Token is that of everybody who calls an API of a deployment.
const Token = "deployment-token"

// readyLimit is how long parts may take to answer.
const readyLimit = 3 * time.Minute

// Options of a deployment.
type Options struct {
	Dir      string // logs and data; an existing directory
	Programs Programs
	// Settings are the environment of every API and worker, beside what leads them to the
	// other parts.
	Settings map[string]string
}

// Deployment is running.
type Deployment struct {
	Postgres   *privatepostgres.Server // with durable commits
	Temporal   *Program
	Kafka      *Program
	Simulators *Program
	Tolem      []*Program        // APIs and workers, in the order of their starts
	URLs       []string          // of the APIs
	Partners   string            // the simulators' address
	Env        map[string]string // of every API and worker

	o     Options
	ports ports
	first string // address of the first API, to which the bank calls back
	made  map[string]int
}

// Start starts everything but APIs and workers, for which ledger and Temporal are then set up.
// After an error nothing runs.
func Start(ctx context.Context, o Options) (d *Deployment, err error) {
	d = &Deployment{o: o, made: map[string]int{}}
	defer func() {
		if err != nil {
			d.Stop()
		}
	}()
	if d.Postgres, err = privatepostgres.Start(ctx, privatepostgres.Options{Durable: true}); err != nil {
		return d, err
	}
	ledger, err := d.Postgres.CreateDatabase(ctx, "ledger")
	if err != nil {
		return d, err
	}
	if err := d.launchParts(ledger); err != nil {
		return d, err
	}
	config, err := d.Config()
	if err != nil {
		return d, err
	}
	if _, err := app.Migrate(ctx, config); err != nil {
		return d, err
	}
	limited, cancel := context.WithTimeout(ctx, readyLimit)
	defer cancel()
	return d, Await(limited, time.Second, func(ctx context.Context) error { // as soon as Temporal answers
		_, err := app.Setup(ctx, config)
		return err
	})
}

// launchParts starts Temporal, the broker and the simulators, and says in Env where they are.
func (d *Deployment) launchParts(ledger string) error {
	var addrs [3]string
	for i := range addrs {
		var err error
		if addrs[i], err = d.Address(); err != nil {
			return err
		}
	}
	first, err := d.Address()
	if err != nil {
		return err
	}
	d.first, d.Partners = first, "http://"+addrs[2]
	d.Env = d.environment(ledger, addrs)
	if err := os.WriteFile(d.Env["CFRONT_AGREEMENT"], app.DevelopmentAgreement, 0o600); err != nil {
		return err
	}
	for _, p := range []struct {
		into *(*Program)
		name string
		path string
		args []string
	}{
		{&d.Temporal, "temporal", d.o.Programs.Stack, []string{"part", "temporal", "--addr", addrs[0], "--postgres", d.Postgres.URL()}},
		{&d.Kafka, "kafka", d.o.Programs.Stack, []string{"part", "kafka", "--addr", addrs[1], "--data", filepath.Join(d.o.Dir, "kafka")}},
		{&d.Simulators, "simulators", d.o.Programs.Simulators, []string{"--addr", addrs[2], "--data", filepath.Join(d.o.Dir, "books")}},
	} {
		if *p.into, err = launch(d.o.Dir, p.name, p.path, d.Env, p.args...); err != nil {
			return err
		}
	}
	return nil
}

func (d *Deployment) environment(ledger string, addrs [3]string) map[string]string {
	env := map[string]string{
		"DATABASE_URL": ledger, "TEMPORAL_ADDRESS": addrs[0], "KAFKA_BROKERS": addrs[1], "LOXON_TOPIC": "loxon",
		"PROCESSING_URL": d.Partners + partners.ProcessingPath, "PROCESSING_TOKEN": partners.DefaultToken,
		"CFRONT_URL": d.Partners + partners.CFRONTPath, "CFRONT_STORE_ID": partners.CFRONTStoreID, "CFRONT_SECRET": partners.CFRONTSecret,
		"CFRONT_AGREEMENT": filepath.Join(d.o.Dir, "agreement.json"), "CFRONT_CALLBACK_URL": "http://" + d.first,
		"ABS_CLIENT_URL": d.Partners + partners.ABSPath + "/client", "ABS_ACCOUNTS_URL": d.Partners + partners.ABSPath + "/accounts",
		"ABS_STATEMENT_URL": d.Partners + partners.ABSPath + "/statement", "ABS_SCAN_URL": d.Partners + partners.ABSPath + "/scan",
		"BANK_BIC": "HSBKKZKX", "K2_CHECK_DIGITS": "no",
		"DRAIN_DELAY":   "0s", // nobody routes
		"DOCUMENTS_DIR": filepath.Join(d.o.Dir, "documents"),
		"API_TOKENS":    app.DevelopmentTokens(Token, Token+"-2"),
	}
	maps.Copy(env, d.o.Settings)
	return env
}

// StartAPI starts one more API, with settings of its own beside the deployment's; it may not
// answer yet.
func (d *Deployment) StartAPI(settings map[string]string) (*Program, error) {
	addr := d.first
	if len(d.URLs) > 0 {
		var err error
		if addr, err = d.Address(); err != nil {
			return nil, err
		}
	}
	own := map[string]string{"API_ADDR": addr}
	maps.Copy(own, settings)
	p, err := d.start("api", addr, own)
	if err == nil {
		d.URLs = append(d.URLs, p.URL)
	}
	return p, err
}

// StartWorker starts one more worker, with settings of its own beside the deployment's; it may
// not poll yet. With METRICS_ADDR among them it answers there.
func (d *Deployment) StartWorker(settings map[string]string) (*Program, error) {
	return d.start("worker", settings["METRICS_ADDR"], settings)
}

func (d *Deployment) start(verb, addr string, settings map[string]string) (*Program, error) {
	env := maps.Clone(d.Env)
	maps.Copy(env, settings)
	d.made[verb]++
	p, err := launch(d.o.Dir, fmt.Sprintf("%s-%d", verb, d.made[verb]), d.o.Programs.Tolem, env, verb)
	if err != nil {
		return nil, err
	}
	if addr != "" {
		p.URL = "http://" + addr
	}
	d.Tolem = append(d.Tolem, p)
	return p, nil
}

// Config is the configuration that every API and worker has.
func (d *Deployment) Config() (app.Config, error) {
	return app.Read(func(name string) string { return d.Env[name] }, client.Options{HostPort: d.Env["TEMPORAL_ADDRESS"]})
}

// Ready waits until every API and worker that answers HTTP is ready, which needs ledger and
// Temporal, and the broker and the simulators listen.
func (d *Deployment) Ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyLimit)
	defer cancel()
	if err := Await(ctx, 200*time.Millisecond, d.answers); err != nil {
		return fmt.Errorf("the deployment does not become ready: %w", err)
	}
	return nil
}

func (d *Deployment) answers(ctx context.Context) error {
	urls := []string{d.Partners + "/"}
	for _, p := range d.Tolem {
		if p.URL != "" && !p.ended() {
			urls = append(urls, p.URL+"/readyz")
		}
	}
	for _, url := range urls {
		if _, err := Call(ctx, http.MethodGet, url, nil, nil); err != nil {
			return err
		}
	}
	conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "tcp", d.Env["KAFKA_BROKERS"])
	if err == nil {
		_ = conn.Close() // it listens
	}
	return err
}

// Stop ends everything, in the order in which it was needed.
func (d *Deployment) Stop() {
	for _, p := range append(d.Tolem, d.Simulators, d.Kafka, d.Temporal) {
		if p != nil {
			p.Stop()
		}
	}
	if d.Postgres != nil {
		d.Postgres.Stop()
	}
}

// Await repeats what until it succeeds. When ctx ends first it returns the last error.
func Await(ctx context.Context, every time.Duration, what func(context.Context) error) error {
	for {
		err := what(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-time.After(every):
		case <-ctx.Done():
			return err
		}
	}
}
