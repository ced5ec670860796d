package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"

	"tolem/activities"
	"tolem/api"
	"tolem/api/hosts"
	"tolem/cmd/tolem/build"
	"tolem/cmd/tolem/tracing"
	"tolem/domain"
	"tolem/partners/cfront"
	"tolem/partners/loxon"
	"tolem/partners/processing"
	"tolem/storage"
	"tolem/workers"
	"tolem/workflows"
)

// Parts says what a process runs.
type Parts struct {
	API    bool
	Worker bool
	// Migrate brings the ledger's schema up first, instead of refusing an old one, and with
	// a worker sets Temporal's cluster up, instead of waiting until somebody has.
	Migrate bool
}

// meetLimit bounds the first call to Temporal, for which an API does not wait long.
const meetLimit = 5 * time.Second

// drainLimit bounds the answers still being written when a process stops.
const drainLimit = 15 * time.Second

// Running is a started process.
type Running struct {
	// Addr is where the API listens; "" without one.
	Addr string
	// URL is Addr with http:// or https:// before it; "" without an API.
	URL string
	// ProbesAddr is where the worker tells whether it is ready; "" without METRICS_ADDR.
	ProbesAddr string
	// Failed delivers the error that ended the API's server early.
	Failed <-chan error

	ledger   *storage.Ledger
	temporal client.Client
	workers  *workers.Workers
	loxon    *loxon.Producer
	server   *api.Server
	probes   *http.Server // the worker's; nil without METRICS_ADDR
	polling  atomic.Bool
	mark     *markKeeper

	instances  *instances
	drainDelay time.Duration // DRAIN_DELAY
}

// Start runs the parts over one Temporal client, so that a worker in the same
// process takes an API's payment without a round trip. When it returns, the API
// answers and the worker polls. Temporal may be away: an API then accepts
// payments all the same; a worker waits, its probes answering, until Temporal is
// there and set up, or ctx ends.
func Start(ctx context.Context, c Config, parts Parts) (r *Running, err error) {
	r = &Running{drainDelay: c.DrainDelay}
	var listener net.Listener
	defer func() {
		if err != nil {
			closeListener(listener)
			r.Stop()
		}
	}()
	if r.ledger, err = openLedger(ctx, c, parts.Migrate); err != nil {
		return r, err
	}
	if err = c.keepTimezone(ctx, r.ledger); err != nil {
		return r, err
	}
	c.warnOfPlainText(ctx)
	centre, err := c.centre()
	if err != nil {
		return r, err
	}
	bank, err := c.CFRONT.client()
	if err != nil {
		return r, err
	}
	registry := r.measure(&c, parts)
	if r.temporal, err = c.temporalClient(); err != nil {
		return r, err
	}
	if parts.API { // the port first: a busy one is the commonest mistake
		if listener, err = c.listenForAPI(ctx); err != nil {
			return r, err
		}
	}
	if parts.Worker {
		if err = r.meetCluster(ctx, c, registry, parts); err != nil {
			return r, err
		}
	}
	if err = r.keepMark(ctx, c, parts); err != nil {
		return r, err
	}
	if err = r.compareInstances(ctx, c, parts, registry); err != nil {
		return r, err
	}
	if parts.Worker {
		err = r.startWorker(ctx, c, partners{centre, bank}, activities.NewMetrics(registry))
		if err != nil {
			return r, err
		}
	}
	if parts.API {
		r.meetTemporal(ctx)
		err = r.startAPI(c, listener, registry, api.Options{
			Ledger: r.ledger, Temporal: r.temporal, Centre: centre, Ladder: c.Ladder,
			PartnerTimeout: c.PartnerTimeout, PayerDeadline: c.PayerDeadline, RaiseAfter: c.AgeRaise, Location: c.Location, Registry: registry, Tracing: c.Tracing,
			Bank: bank, Agreement: c.CFRONT.Agreement, CallbackURL: c.CFRONT.CallbackURL, OrderTerms: c.CFRONT.Terms,
			Encode: activities.Encoder(c.Collection.BIC, c.Location), K2Rules: c.Collection.Rules, CollectionTerms: c.Collection.Terms,
			Cluster: c.cluster(r.temporal).check, Build: build.Read().String(),
		})
	}
	return r, err
}

// temporalClient is one for API and worker, which calls nobody yet. What it traces, the
// workers that use it trace too.
func (c Config) temporalClient() (client.Client, error) {
	c.Temporal.Logger = log.NewStructuredLogger(slog.Default())
	if c.Tracing != nil {
		traced, err := tracing.Temporal(c.Tracing)
		if err != nil {
			return nil, fmt.Errorf("tracing of Temporal: %w", err)
		}
		c.Temporal.Interceptors = append(slices.Clone(c.Temporal.Interceptors), traced)
	}
	temporal, err := client.NewLazyClient(c.Temporal)
	if err != nil {
		return nil, fmt.Errorf("temporal client: %w", err)
	}
	return temporal, nil
}

// partners are the clients of one process.
type partners struct {
	centre *processing.Client
	bank   *cfront.Client
}

func (r *Running) startWorker(ctx context.Context, c Config, p partners, metrics *activities.Metrics) error {
	centre := p.centre
	gathering, err := r.collection(ctx, c, metrics)
	if err != nil {
		return err
	}
	start := func(ctx context.Context, p storage.OpenPayment) error {
		_, err := workflows.StartPayment(ctx, r.temporal, c.terms().Input(p.ID, p.ServiceID, p.Ladder(), p.Since()))
		return err
	}
	o := workers.Options{
		Temporal: r.temporal, Deployment: c.Deployment,
		Processing: &activities.Processing{Ledger: r.ledger, Centre: centre, Metrics: metrics,
			Protection: activities.NewProtection(activities.ProtectionOptions{Metrics: metrics})},
		Ledger: &activities.Ledger{Ledger: r.ledger},
		Sweep: &activities.Sweep{Ledger: r.ledger, Temporal: r.temporal, Metrics: metrics, WarnAfter: c.AgeWarn, RaiseAfter: c.AgeRaise, Start: start,
			Orders: r.orderSweep(c, metrics), Contracts: r.contractSweep(c, metrics)},
		Balance:   &activities.Balance{Ledger: r.ledger, Centre: centre, Temporal: r.temporal, Metrics: metrics, Nudges: activities.NudgeLimiter()},
		Catalogue: &activities.Catalogue{Ledger: r.ledger, Centre: centre, Metrics: metrics},
		CFRONT: &activities.CFRONT{Ledger: r.ledger, Bank: p.bank, Words: c.CFRONT.Agreement.SubStates, Metrics: metrics,
			PaidByState: c.CFRONT.Agreement.PaidByState()},
		Collection: gathering, Loans: r.loans(c, metrics),
		Intake:         &activities.Intake{Ledger: r.ledger, Metrics: metrics, Start: start},
		PartnerTimeout: c.PartnerTimeout,
	}
	w := workers.New(o)
	if err := w.Start(); err != nil {
		return err
	}
	r.workers = w
	r.polling.Store(true)
	if c.Deployment.Versioned() {
		slog.InfoContext(ctx, "the worker gets tasks when its version is promoted", "deployment", c.Deployment.Name, "build", c.Deployment.BuildID)
	}
	return nil
}

// orderSweep starts what the ledger has of orders and Temporal has not.
func (r *Running) orderSweep(c Config, metrics *activities.Metrics) *activities.OrderSweep {
	terms := c.CFRONT.Terms
	return &activities.OrderSweep{
		Ledger: r.ledger, Temporal: r.temporal, Metrics: metrics,
		StartOrder: func(ctx context.Context, o storage.InstalmentOrder) error {
			_, err := workflows.StartOrder(ctx, r.temporal, terms.Order(o.ID, o.Ladder(), workflows.OrderOptions{ValidateClient: o.ValidateClient, AutoConfirm: o.AutoConfirm}))
			return err
		},
		StartReturn: func(ctx context.Context, g storage.OrderReturn) error {
			_, err := workflows.StartReturn(ctx, r.temporal, terms.Return(g.OrderID, g.ID, g.Ladder()))
			return err
		},
		Move: func(ctx context.Context, id domain.StoreOrderID) error {
			return workflows.StartMove(ctx, r.temporal, id)
		},
	}
}

// meetTemporal makes the client's first call, alone. Until a client knows what its
// server can do, concurrent calls race in the SDK: ExecuteWorkflow reads
// WorkflowClient.capabilities without the lock under which another call's
// loadCapabilities writes them (go.temporal.io/sdk v1.50.0). If Temporal is away now,
// the first requests after it is back may still race; all that hangs on it is the
// eager start of one payment, which needs a worker in this process, and a worker has
// met Temporal before. It may go when the SDK reads them under its lock.
func (r *Running) meetTemporal(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, meetLimit)
	defer cancel()
	if _, err := r.temporal.CheckHealth(ctx, &client.CheckHealthRequest{}); err != nil {
		slog.WarnContext(ctx, "Temporal does not answer; payments are accepted, and start when it does", "error", err)
	}
}

func (r *Running) startAPI(c Config, listener net.Listener, registry *prometheus.Registry, o api.Options) (err error) {
	if o.Tokens, err = c.tokens(registry); err != nil {
		return err
	}
	o.Hosts = c.hosts(listener.Addr())
	if r.server, err = api.New(o); err != nil {
		return err
	}
	r.Addr = listener.Addr().String()
	r.URL = c.scheme() + r.Addr
	failed := make(chan error, 1)
	r.Failed = failed
	go func() {
		if err := r.server.Serve(listener); err != nil {
			failed <- err
		}
	}()
	return nil
}

// hosts are the names that an API which listens on addr answers to. The bank's callbacks come
// by the name that the bank was given.
func (c Config) hosts(addr net.Addr) hosts.Rule {
	rule := hosts.For(addr, c.APIHosts...)
	if u, err := url.Parse(c.CFRONT.CallbackURL); err == nil && u.Hostname() != "" {
		rule = rule.Also(u.Hostname())
	}
	return rule
}

// listen opens a port of ours; a busy one is named, with the variable that says which.
func listen(ctx context.Context, variable, addr string) (net.Listener, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("the address %s is in use by another program: stop it, or set %s", addr, variable)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", variable, err)
	}
	return listener, nil
}

// listenForAPI opens the API's port, with TLS where there is a certificate.
func (c Config) listenForAPI(ctx context.Context) (net.Listener, error) {
	listener, err := listen(ctx, "API_ADDR", c.APIAddr)
	if err != nil {
		return nil, err
	}
	return c.secured(ctx, listener)
}

func closeListener(l net.Listener) {
	if l != nil {
		_ = l.Close() // never served
	}
}

func namespace(o client.Options) string {
	if o.Namespace == "" {
		return client.DefaultNamespace
	}
	return o.Namespace
}
