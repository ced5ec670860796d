// Package app assembles Tolem from a configuration: API, worker, or both in one
// process. The binary and the embedded stack share it.
package app

import (
	"errors"
	"fmt"
	"os"
	"time"

	"go.opentelemetry.io/otel/trace"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/envconfig"

	"tolem/api/hosts"
	"tolem/cmd/tolem/certificates"
	"tolem/cmd/tolem/timezone"
	"tolem/domain"
	"tolem/workers"
	"tolem/workflows"
)

// Config is everything that differs between one Tolem and another.
type Config struct {
	DatabaseURL     string             // DATABASE_URL: postgres://… or sqlite:///path
	Temporal        client.Options     // TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE and the rest of Temporal's env config
	Deployment      workers.Deployment // TEMPORAL_DEPLOYMENT_NAME, TEMPORAL_WORKER_BUILD_ID: the version that a worker belongs to
	APIAddr         string             // API_ADDR
	APIHosts        []string           // API_HOSTS: further names of the API; see hosts.For
	APITLS          certificates.Files // API_TLS_CERT, API_TLS_KEY, API_TLS_CLIENT_CA
	MetricsAddr     string             // METRICS_ADDR: where a worker without an API answers probes and serves its metrics; "" is nowhere
	Tokens          string             // API_TOKENS: name:role:secret,…
	TokensFile      string             // API_TOKENS_FILE: holds Tokens, and is followed
	ProcessingURL   string             // PROCESSING_URL: up to and without /api/v20
	ProcessingToken string             // PROCESSING_TOKEN
	ProcessingTLS   certificates.Files // PROCESSING_TLS_CA, PROCESSING_TLS_CERT, PROCESSING_TLS_KEY
	CFRONT          CFRONT
	Collection      Collection
	Ladder          domain.Ladder  // RETRY_INITIAL, RETRY_FACTOR
	PartnerTimeout  time.Duration  // PARTNER_TIMEOUT: one call to a partner
	Location        *time.Location // TIMEZONE
	DrainDelay      time.Duration  // DRAIN_DELAY: how long the API serves on after /readyz says that it leaves
	PayerDeadline   time.Duration  // PAYER_DEADLINE: how long a payer may decide between check and pay
	AgeWarn         time.Duration  // AGE_WARN: open payments older than this are counted and logged
	AgeRaise        time.Duration  // AGE_RAISE: open payments older than this need an operator
	// SweepOlderThan is how long a payment may be without a workflow before the
	// sweep starts it; 0 is a minute.
	SweepOlderThan time.Duration
	// Tracing makes the spans of API, workflows, activities and calls to partners; nil makes
	// none.
	Tracing trace.TracerProvider
}

// DefaultAPIAddr is where the API listens unless API_ADDR says otherwise.
const DefaultAPIAddr = "127.0.0.1:8080"

// Defaults of the environment, see docs/operating/configuration.md.
const (
	defaultDatabase       = "sqlite://tolem.db"
	defaultDeployment     = "tolem"
	defaultProcessingURL  = "http://127.0.0.1:8091/processing" // go run ./simulators, which asks for
	simulatorsToken       = "simulator"                        // this token
	defaultRetryInitial   = "1s"
	defaultRetryFactor    = "2"
	defaultPartnerTimeout = "30s"
	defaultTimezone       = "Asia/Almaty"
	defaultDrainDelay     = "5s" // Kubernetes takes a pod out of its services within a few seconds
	defaultPayerDeadline  = "24h"
	defaultAgeWarn        = "15m"
	defaultAgeRaise       = "4h"
)

// ErrConfig is wrapped by every error of Read; its text lists all that is wrong.
var ErrConfig = errors.New("configuration")

// Read builds a Config from the environment. temporal is what Temporal's own env
// config says. All mistakes are reported at once, each with its variable's name;
// secrets are never repeated.
func Read(lookup func(string) string, temporal client.Options) (Config, error) {
	var wrong complaints
	note := wrong.note
	tokensFile := lookup(apiTokens + "_FILE")
	lookup = asked(lookup, note)
	get := func(name, otherwise string) string {
		if v := lookup(name); v != "" {
			return v
		}
		return otherwise
	}
	c := Config{
		DatabaseURL: get("DATABASE_URL", defaultDatabase), Temporal: temporal,
		APIAddr: get("API_ADDR", DefaultAPIAddr), MetricsAddr: lookup("METRICS_ADDR"), Tokens: lookup(apiTokens), TokensFile: tokensFile,
		ProcessingURL: lookup("PROCESSING_URL"), ProcessingToken: lookup("PROCESSING_TOKEN"),
	}
	if c.ProcessingURL == "" {
		c.ProcessingURL, c.ProcessingToken = defaultProcessingURL, get("PROCESSING_TOKEN", simulatorsToken)
	}
	c.Deployment = workers.Deployment{Name: get("TEMPORAL_DEPLOYMENT_NAME", defaultDeployment), BuildID: lookup("TEMPORAL_WORKER_BUILD_ID")}
	name, buildID := c.Deployment.Validate()
	note("TEMPORAL_DEPLOYMENT_NAME", name)
	note("TEMPORAL_WORKER_BUILD_ID", buildID)
	allowed, err := readPlaintext(lookup("ALLOW_PLAINTEXT"))
	note("ALLOW_PLAINTEXT", err)
	note("TEMPORAL_ADDRESS", allowed.checkTemporal(temporal))
	c.APIHosts, err = hosts.Parse(lookup("API_HOSTS"))
	note("API_HOSTS", err)
	c.APITLS = readAPITLS(get, note)
	c.ProcessingTLS = readTLS(get, note, "PROCESSING", address{"PROCESSING_URL", c.ProcessingURL})
	c.CFRONT = readCFRONT(get, c.callback(), note)
	c.Collection = readCollection(get, note)
	initial, err := time.ParseDuration(get("RETRY_INITIAL", defaultRetryInitial))
	note("RETRY_INITIAL", err)
	if err == nil {
		c.Ladder, err = domain.NewLadder(initial, get("RETRY_FACTOR", defaultRetryFactor))
		note("RETRY_INITIAL and RETRY_FACTOR", err)
	}
	readDurations(get, note, []duration{
		{"PARTNER_TIMEOUT", defaultPartnerTimeout, 100 * time.Millisecond, 10 * time.Minute, &c.PartnerTimeout},
		{"DRAIN_DELAY", defaultDrainDelay, 0, 5 * time.Minute, &c.DrainDelay},
		{"PAYER_DEADLINE", defaultPayerDeadline, time.Second, 30 * 24 * time.Hour, &c.PayerDeadline},
		{"AGE_WARN", defaultAgeWarn, time.Second, 365 * 24 * time.Hour, &c.AgeWarn},
		{"AGE_RAISE", defaultAgeRaise, time.Second, 365 * 24 * time.Hour, &c.AgeRaise},
	})
	c.CFRONT.Terms.PartnerTimeout = c.PartnerTimeout
	c.Collection.Terms.PartnerTimeout, c.Collection.Terms.Again.First = c.PartnerTimeout, initial
	c.Collection.ABS.Timeout = c.PartnerTimeout
	c.Location, err = timezone.Load(get("TIMEZONE", defaultTimezone))
	note("TIMEZONE", err)
	if len(wrong) > 0 {
		return Config{}, fmt.Errorf("%w: %w", ErrConfig, errors.Join(wrong...))
	}
	return c, nil
}

// complaints are all that is wrong with the environment.
type complaints []error

func (c *complaints) note(name string, err error) {
	if err != nil {
		*c = append(*c, fmt.Errorf("%s: %w", name, err))
	}
}

// duration is a variable that holds one, with its limits.
type duration struct {
	name, otherwise string
	least, most     time.Duration
	into            *time.Duration
}

func readDurations(get func(name, otherwise string) string, note func(string, error), durations []duration) {
	for _, d := range durations {
		var err error
		*d.into, err = time.ParseDuration(get(d.name, d.otherwise))
		if err == nil && (*d.into < d.least || *d.into > d.most) {
			err = fmt.Errorf("want %s to %s", d.least, d.most)
		}
		note(d.name, err)
	}
}

// terms are what every payment carries with it.
func (c Config) terms() workflows.PaymentTerms {
	return workflows.PaymentTerms{PartnerTimeout: c.PartnerTimeout, PayerDeadline: c.PayerDeadline, RaiseAfter: c.AgeRaise}
}

// TemporalFromEnv is what Temporal's own environment configuration says
// (TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE, TLS, API key, profiles), with the usual
// address where it names none. An error says that it is unreadable, or switches the
// verification of the server off.
func TemporalFromEnv() (client.Options, error) {
	key, from, err := secret(os.Getenv, temporalKey)
	if err != nil {
		return client.Options{}, fmt.Errorf("%w: %s: %w", ErrConfig, from, err)
	}
	temporal, err := envconfig.LoadClientOptions(envconfig.LoadClientOptionsRequest{EnvLookup: temporalEnv{key}})
	if err != nil {
		return client.Options{}, fmt.Errorf("temporal's environment configuration: %w", err)
	}
	if t := temporal.ConnectionOptions.TLS; t != nil && t.InsecureSkipVerify {
		return client.Options{}, fmt.Errorf("%w: TEMPORAL_TLS_DISABLE_HOST_VERIFICATION: whoever answers as Temporal gives the worker its tasks, so it is always verified; name its authority with TEMPORAL_TLS_SERVER_CA_CERT_PATH and its name with TEMPORAL_TLS_SERVER_NAME", ErrConfig)
	}
	if temporal.HostPort == "" {
		temporal.HostPort = client.DefaultHostPort
	}
	return temporal, nil
}

// DevelopmentTokens is an API_TOKENS for one developer, who may do what an agent, a store,
// the card file's bank and an operator may, and for a second operator.
func DevelopmentTokens(secret, second string) string {
	return "dev:agent:" + secret + ",dev:store:" + secret + ",dev:k2:" + secret + ",dev:operator:" + secret + ",second:operator:" + second
}
