// Package embedded runs everything Tolem needs in one process: Temporal with its
// web UI, a Kafka broker, the simulated partners, and Tolem's API and worker.
package embedded

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"go.opentelemetry.io/otel/trace"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"tolem/cmd/tolem/app"
	"tolem/simulators/loxon"
	"tolem/simulators/partners"
	"tolem/stack/datadir"
	"tolem/stack/kafkabroker"
	"tolem/stack/temporalserver"
	"tolem/workers"
	"tolem/workflows"
)

// Options say what runs and where it listens. Port 0 picks a free one.
type Options struct {
	Dir            *datadir.Dir
	TemporalDB     string // postgres://… for Temporal's own data; "" is a SQLite file
	TemporalAddr   string
	UIAddr         string
	UIWriteActions bool // people may change things in Temporal's web UI
	KafkaAddr      string
	SimulatorsAddr string
	// InfraOnly leaves API and worker to other processes.
	InfraOnly bool
	// Getenv is the environment. An address set there replaces the embedded part:
	// TEMPORAL_ADDRESS, DATABASE_URL, PROCESSING_URL, CFRONT_URL, KAFKA_BROKERS,
	// API_TOKENS.
	Getenv func(string) string
	// Temporal is the client's configuration when TEMPORAL_ADDRESS is set.
	Temporal client.Options
	// Progress tells a person what is being started.
	Progress io.Writer
	// SweepOlderThan is the worker's; 0 is its default.
	SweepOlderThan time.Duration
	// Tracing makes the spans of API and worker; nil makes none.
	Tracing trace.TracerProvider
}

// Stack is everything, running.
type Stack struct {
	Env     map[string]string // for other processes that want to join
	APIAddr string            // "" with InfraOnly
	APIURL  string            // the same with http:// or https:// before it
	UIAddr  string            // "" when Temporal is not the embedded one
	Token   string            // for the API; "" when API_TOKENS was given
	// SecondToken is that of a second operator; "" when API_TOKENS was given.
	SecondToken string
	// Failed delivers the error of a part that ended early.
	Failed chan error

	o        Options
	temporal *temporalserver.Server
	kafka    *kafkabroker.Broker
	partners *partners.Partners
	loxon    *loxon.Consumer // nil when the broker is not the embedded one
	http     *http.Server
	app      *app.Running
}

// Start runs the parts in the order in which they need each other. When it
// returns, the API answers and the worker polls. After an error nothing runs.
func Start(ctx context.Context, o Options) (*Stack, error) {
	s := &Stack{o: o, Env: map[string]string{}, Failed: make(chan error, 4)}
	for _, part := range []func(context.Context) error{s.startTemporal, s.startKafka, s.startPartners, s.chooseLedger, s.chooseTokens, s.startApp} {
		if err := part(ctx); err != nil {
			s.Stop()
			return nil, err
		}
	}
	return s, nil
}

// replaced says whether the environment names an own part in place of the
// embedded one, and passes it on.
func (s *Stack) replaced(variable string) bool {
	value := s.o.Getenv(variable)
	if value != "" {
		s.Env[variable] = value
		s.progress("%s is set: using that", variable)
	}
	return value != ""
}

func (s *Stack) progress(format string, args ...any) {
	_, _ = fmt.Fprintf(s.o.Progress, format+"\n", args...) // a terminal that is gone needs no progress
}

func (s *Stack) startTemporal(ctx context.Context) (err error) {
	if s.replaced("TEMPORAL_ADDRESS") {
		return nil
	}
	where := "SQLite"
	if s.o.TemporalDB != "" {
		where = "PostgreSQL"
	}
	s.progress("starting Temporal on %s …", where)
	dir, err := s.o.Dir.Sub("temporal")
	if err != nil {
		return err
	}
	s.temporal, err = temporalserver.Start(ctx, temporalserver.Options{
		DataDir: dir, PostgresURL: s.o.TemporalDB, FrontendAddr: s.o.TemporalAddr,
		UIAddr: s.o.UIAddr, UIWriteActions: s.o.UIWriteActions,
		Retention: workers.Retention, SearchAttributes: SearchAttributes(),
	})
	if err != nil {
		return fmt.Errorf("temporal: %w", err)
	}
	s.UIAddr = s.temporal.UIAddr()
	s.Env["TEMPORAL_ADDRESS"] = s.temporal.FrontendAddr()
	return nil
}

// SearchAttributes are those of Tolem's workflows, as the embedded Temporal server takes them.
func SearchAttributes() map[string]enumspb.IndexedValueType {
	attributes := map[string]enumspb.IndexedValueType{}
	for _, key := range workflows.SearchAttributes() {
		attributes[key.GetName()] = key.GetValueType()
	}
	return attributes
}

// loxonTopic is the one topic that is written to.
const loxonTopic = "loxon"

func (s *Stack) startKafka(context.Context) (err error) {
	if s.replaced("KAFKA_BROKERS") {
		return nil
	}
	s.progress("starting the Kafka broker …")
	dir, err := s.o.Dir.Sub("kafka")
	if err != nil {
		return err
	}
	s.kafka, err = kafkabroker.Start(kafkabroker.Options{DataDir: dir, Addr: s.o.KafkaAddr, Topics: []string{loxonTopic}, Partitions: 4})
	if err != nil {
		return fmt.Errorf("kafka: %w", err)
	}
	s.Env["KAFKA_BROKERS"], s.Env["LOXON_TOPIC"] = s.kafka.Addr(), loxonTopic
	return nil
}

func (s *Stack) startPartners(ctx context.Context) error {
	if s.replaced("PROCESSING_URL") {
		s.Env["PROCESSING_TOKEN"] = s.o.Getenv("PROCESSING_TOKEN")
		return nil
	}
	s.progress("starting the simulated partners …")
	dir, err := s.o.Dir.Sub("simulators")
	if err != nil {
		return err
	}
	s.partners, err = partners.New(partners.Options{Dir: dir, Token: partners.DefaultToken, Log: slog.Default()})
	if err != nil {
		return fmt.Errorf("simulators: %w", err)
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", s.o.SimulatorsAddr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("the simulators' address %s is in use by another program: stop it, or choose another with --simulators-addr", s.o.SimulatorsAddr)
	}
	if err != nil {
		return fmt.Errorf("simulators: %w", err)
	}
	handler := s.partners.Handler()
	if s.kafka != nil {
		if handler, err = s.withLoxon(handler); err != nil {
			return err
		}
	}
	s.http = &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	go func() {
		if err := s.http.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			s.Failed <- fmt.Errorf("simulators: %w", err)
		}
	}()
	s.Env["PROCESSING_URL"] = "http://" + listener.Addr().String() + partners.ProcessingPath
	s.Env["PROCESSING_TOKEN"] = partners.DefaultToken
	s.useSimulatedABS("http://" + listener.Addr().String())
	return s.useSimulatedBank("http://" + listener.Addr().String())
}

// loxonPath is the prefix of the simulated Loxon's books.
const loxonPath = "/loxon"

// withLoxon puts the simulated Loxon, which reads the embedded broker, beside the partners.
func (s *Stack) withLoxon(others http.Handler) (http.Handler, error) {
	var err error
	if s.loxon, err = loxon.New(loxon.Options{Brokers: []string{s.kafka.Addr()}, Topic: loxonTopic, Log: slog.Default()}); err != nil {
		return nil, fmt.Errorf("simulated Loxon: %w", err)
	}
	mux := http.NewServeMux()
	mux.Handle(loxonPath+"/", http.StripPrefix(loxonPath, s.loxon.Handler()))
	mux.Handle("/", others)
	return mux, nil
}

// Loxon is the simulated reader of our events; nil when the environment named a broker.
func (s *Stack) Loxon() *loxon.Consumer { return s.loxon }

// useSimulatedABS leads workers to the simulated core banking system, unless the environment
// names another.
func (s *Stack) useSimulatedABS(base string) {
	services := map[string]string{
		"ABS_CLIENT_URL": "/client", "ABS_ACCOUNTS_URL": "/accounts", "ABS_STATEMENT_URL": "/statement", "ABS_SCAN_URL": "/scan",
	}
	own := s.replaced("ABS_CLIENT_URL")
	for name, path := range services {
		if s.Env[name] = s.o.Getenv(name); !own {
			s.Env[name] = base + partners.ABSPath + path
		}
	}
	if own {
		return
	}
	for name, value := range map[string]string{"K2_CHECK_DIGITS": "no", "BANK_BIC": "HSBKKZKX"} { // the document's samples are zeros
		if !s.replaced(name) {
			s.Env[name] = value
		}
	}
}

// useSimulatedBank leads API and worker to the simulated bank of trade instalments, and
// the bank back to the API, unless the environment names another.
func (s *Stack) useSimulatedBank(base string) error {
	if s.replaced("CFRONT_URL") {
		for _, name := range []string{"CFRONT_STORE_ID", "CFRONT_SECRET", "CFRONT_CALLBACK_URL", "CFRONT_AGREEMENT"} {
			s.Env[name] = s.o.Getenv(name)
		}
		return nil
	}
	agreement := filepath.Join(s.o.Dir.Path(), "agreement.json")
	if err := os.WriteFile(agreement, app.DevelopmentAgreement, 0o600); err != nil {
		return fmt.Errorf("agreement with the simulated bank: %w", err)
	}
	api := s.o.Getenv("API_ADDR")
	if api == "" {
		api = app.DefaultAPIAddr
	}
	s.Env["CFRONT_URL"], s.Env["CFRONT_AGREEMENT"] = base+partners.CFRONTPath, agreement
	s.Env["CFRONT_STORE_ID"], s.Env["CFRONT_SECRET"] = partners.CFRONTStoreID, partners.CFRONTSecret
	if !s.replaced("CFRONT_CALLBACK_URL") && s.o.Getenv("API_TLS_CERT") == "" { // behind TLS the simulated bank is polled
		s.Env["CFRONT_CALLBACK_URL"] = "http://" + api
	}
	return nil
}

// chooseLedger says where the ledger is, and the documents beside it.
func (s *Stack) chooseLedger(context.Context) error {
	if !s.replaced("DOCUMENTS_DIR") {
		s.Env["DOCUMENTS_DIR"] = filepath.Join(s.o.Dir.Path(), "documents")
	}
	if !s.replaced("DATABASE_URL") {
		s.Env["DATABASE_URL"] = "sqlite://" + filepath.Join(s.o.Dir.Path(), "ledger.db")
	}
	return nil
}

// chooseTokens gives the developer one secret that may create as an agent and as a
// store and act as an operator, and the secret of a second operator, who confirms what the first
// one resolves.
func (s *Stack) chooseTokens(context.Context) error {
	if s.replaced("API_TOKENS") {
		return nil
	}
	secret, err := s.o.Dir.Secret("secret")
	if err != nil {
		return err
	}
	second, err := s.o.Dir.Secret("second-secret")
	if err != nil {
		return err
	}
	s.Token, s.SecondToken = secret, second
	s.Env["API_TOKENS"] = app.DevelopmentTokens(secret, second)
	return nil
}

func (s *Stack) startApp(ctx context.Context) error {
	temporal := s.o.Temporal
	if s.temporal != nil {
		temporal = client.Options{HostPort: s.temporal.FrontendAddr()}
	}
	config, err := app.Read(func(name string) string {
		if value, ok := s.Env[name]; ok {
			return value
		}
		return s.o.Getenv(name)
	}, temporal)
	if err != nil {
		return err
	}
	config.SweepOlderThan, config.Tracing = s.o.SweepOlderThan, s.o.Tracing
	if s.o.InfraOnly {
		if _, err = app.Migrate(ctx, config); err != nil {
			return err
		}
		_, err = app.Setup(ctx, config)
		return err
	}
	s.progress("starting API and worker …")
	if s.app, err = app.Start(ctx, config, app.Parts{API: true, Worker: true, Migrate: true}); err != nil {
		return err
	}
	s.APIAddr, s.APIURL = s.app.Addr, s.app.URL
	go func() {
		if err, ok := <-s.app.Failed; ok {
			s.Failed <- fmt.Errorf("API: %w", err)
		}
	}()
	return nil
}

// Partners are the simulated partners, for a test that asks where the money is;
// nil when the environment replaced them.
func (s *Stack) Partners() *partners.Partners { return s.partners }

// Stop drains API and worker, then ends the rest. The data stay.
func (s *Stack) Stop() {
	if s.app != nil {
		s.app.Stop()
	}
	if s.partners != nil {
		if err := s.partners.Close(); err != nil {
			slog.Error("the simulators' books did not close", "error", err)
		}
	}
	if s.http != nil {
		_ = s.http.Close() // the partners answered or cut every request
	}
	if s.loxon != nil {
		if err := s.loxon.Close(); err != nil {
			slog.Error("the simulated Loxon did not stop", "error", err)
		}
	}
	if s.kafka != nil {
		s.kafka.Stop()
	}
	if s.temporal != nil {
		s.temporal.Stop()
	}
}

// EnvLines are the variables another process needs to join, in order.
func (s *Stack) EnvLines() []string {
	var lines []string
	for _, name := range slices.Sorted(maps.Keys(s.Env)) {
		lines = append(lines, name+"="+s.Env[name])
	}
	return lines
}
