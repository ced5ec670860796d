package api

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"
	"go.temporal.io/sdk/client"

	"tolem/api/hosts"
	"tolem/api/probes"
	"tolem/domain"
	"tolem/partners/cfront"
	"tolem/partners/k2"
	"tolem/partners/processing"
	"tolem/storage"
	"tolem/workflows"
)

// Limits of the HTTP server, each with its reason.
const (
	readHeaderLimit = 5 * time.Second  // of the request line and header; slow ones hold a connection
	readLimit       = 20 * time.Second // of the whole request: 64 KiB at 3 KiB/s
	idleLimit       = 75 * time.Second // longer than the minute that balancers keep connections
	maxHeader       = 16 << 10         // bytes; a token, a key and cookies of a careless proxy fit
	writeMargin     = 30 * time.Second // for what a request does beside waiting and asking the partner
)

// Limits of one request's work, each with its reason.
const (
	ledgerLimit = 5 * time.Second  // of one read; an indexed read takes milliseconds
	acceptLimit = 10 * time.Second // of the commit; SQLite waits 5 s for its lock
	startLimit  = 15 * time.Second // of a workflow's start, or of telling it a choice; the sweep does what this does not
	// startPatience is how long a request waits for its workflow's start, or for
	// the workflow to act on a choice, before it is answered 202, which is true
	// already.
	startPatience = 2 * time.Second
)

// Options are what the API needs.
type Options struct {
	Ledger   *storage.Ledger
	Temporal client.Client
	Centre   *processing.Client
	Tokens   func() Tokens // who may call, asked at each request
	Hosts    hosts.Rule    // the names this API answers to; the zero value is every name
	Ladder   domain.Ladder // copied into every payment at acceptance
	// PartnerTimeout bounds one call to the centre; payments carry it to the
	// workflow, look-ups here keep to it.
	PartnerTimeout time.Duration
	PayerDeadline  time.Duration  // how long a payer may decide; 0 is 24 h
	RaiseAfter     time.Duration  // the age at which an open payment needs an operator; 0 is never
	Location       *time.Location // of agentTransactionDate
	// Bank is that of trade instalments, and Agreement what the store may send to it.
	Bank      *cfront.Client
	Agreement cfront.Agreement
	// CallbackURL is where the bank reaches this API, up to and without /callbacks; ""
	// asks for no callbacks.
	CallbackURL string
	OrderTerms  workflows.OrderTerms // which every order carries to its workflow
	// Encode makes the messages that Loxon gets: what it cannot write is not accepted.
	Encode storage.Encoder
	// K2Rules say how strict the card file's numbers are read.
	K2Rules         k2.Rules
	CollectionTerms workflows.CollectionTerms // which every contract carries to its workflow
	// Cluster fails while Temporal lacks what our processes need of it, with a probes.Lack;
	// nil asks nothing.
	Cluster  func(context.Context) error
	Registry *prometheus.Registry // served at /metrics; nil makes one
	Build    string               // which build this is, shown at /livez; "" shows nothing
	Tracing  trace.TracerProvider // makes a span for every request; nil makes none
}

// Server answers HTTP requests. It is safe for concurrent use.
type Server struct {
	ledger         *storage.Ledger
	temporal       client.Client
	centre         *processing.Client
	build          string
	tokens         func() Tokens
	hosts          hosts.Rule
	ladder         domain.Ladder
	partnerTimeout time.Duration
	actionLimit    time.Duration // of one action of a person
	bulkMost       int           // payments of one bulk action
	terms          workflows.PaymentTerms
	location       *time.Location
	bank           *cfront.Client
	agreement      cfront.Agreement
	callbackURL    string
	orderTerms     workflows.OrderTerms
	dictionary     dictionary
	k2Rules        k2.Rules
	encode         storage.Encoder

	collectionTerms workflows.CollectionTerms

	catalogue catalogue
	cluster   func(context.Context) error
	ready     *probes.Readiness
	comparing chan struct{} // holds one for each register that is being compared
	metrics   metrics
	tracer    trace.Tracer // nil: no spans
	docs      docs
	echo      *echo.Echo
	http      *http.Server

	starts   sync.WaitGroup // starts of workflows, and news to them, that requests no longer wait for
	leaving  atomic.Bool    // set by Leave: /readyz answers 503
	stop     sync.Once
	stopping chan struct{} // closed by Shutdown: nobody waits for a payment's end any longer
}

// New checks the options and prepares the routes. It calls nobody.
func New(o Options) (*Server, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	if o.Registry == nil {
		o.Registry = prometheus.NewRegistry()
	}
	measured, err := newMetrics(o.Registry)
	if err != nil {
		return nil, err
	}
	page, err := newDocs(context.Background()) // renders embedded files, calls nobody
	if err != nil {
		return nil, err
	}
	spoken, err := newDictionary()
	if err != nil {
		return nil, err
	}
	s := &Server{
		ledger: o.Ledger, temporal: o.Temporal, centre: o.Centre, build: o.Build, tokens: o.Tokens, hosts: o.Hosts,
		ladder: o.Ladder, partnerTimeout: o.PartnerTimeout, location: o.Location,
		actionLimit: o.PartnerTimeout + actionMargin, bulkMost: bulkMost,
		terms:   workflows.PaymentTerms{PartnerTimeout: o.PartnerTimeout, PayerDeadline: o.PayerDeadline, RaiseAfter: o.RaiseAfter},
		metrics: measured, docs: page, stopping: make(chan struct{}),
		comparing: make(chan struct{}, maxComparisons),
		bank:      o.Bank, agreement: o.Agreement, callbackURL: o.CallbackURL, orderTerms: o.OrderTerms, dictionary: spoken,
		k2Rules: o.K2Rules, encode: o.Encode, collectionTerms: o.CollectionTerms, cluster: o.Cluster,
	}
	s.catalogue = catalogue{fetch: o.Centre.Services, ledger: o.Ledger, limit: min(o.PartnerTimeout, catalogueLimit), now: time.Now}
	if o.Tracing != nil {
		s.tracer = o.Tracing.Tracer("tolem/api")
	}
	s.ready = s.readiness()
	s.echo = s.routes()
	s.http = &http.Server{
		Handler:           s.echo,
		ReadHeaderTimeout: readHeaderLimit,
		ReadTimeout:       readLimit,
		WriteTimeout:      maxWait + o.PartnerTimeout + writeMargin,
		IdleTimeout:       idleLimit,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          slog.NewLogLogger(slog.Default().Handler(), slog.LevelWarn), // addresses and TLS failures, no content
	}
	return s, nil
}

func (o Options) check() error {
	switch {
	case o.Ledger == nil:
		return errors.New("api: Ledger is missing")
	case o.Temporal == nil:
		return errors.New("api: Temporal is missing")
	case o.Centre == nil:
		return errors.New("api: Centre is missing")
	case o.Bank == nil:
		return errors.New("api: Bank is missing")
	case o.Tokens == nil || len(o.Tokens().callers) == 0:
		return errors.New("api: Tokens is empty: nobody could call")
	case o.PartnerTimeout <= 0:
		return errors.New("api: PartnerTimeout must be above 0")
	case o.Encode == nil:
		return errors.New("api: Encode is missing: statuses could be taken that nobody can be told of")
	case o.Location == nil:
		return errors.New("api: Location is missing: agentTransactionDate needs a time zone")
	}
	if err := o.Agreement.Check(); err != nil {
		return err
	}
	return o.Ladder.Check()
}

// Handler serves everything, for tests and for processes with a server of their
// own. Time-outs of reading and writing are Serve's.
func (s *Server) Handler() http.Handler { return s.echo }

// Serve answers on l until Shutdown, and then returns nil at once, while
// Shutdown still waits for requests under way.
func (s *Server) Serve(l net.Listener) error {
	if err := s.http.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// Leave has /readyz answer 503 from now on, so that no new callers are sent here; everything
// else goes on.
func (s *Server) Leave() { s.leaving.Store(true) }

// Shutdown stops accepting connections, tells requests that wait for a payment's
// end to answer now, and returns when the last request is answered and the last
// workflow's start is through, or ctx ends.
func (s *Server) Shutdown(ctx context.Context) error {
	s.Leave()
	s.stop.Do(func() { close(s.stopping) })
	err := s.http.Shutdown(ctx)
	through := make(chan struct{})
	go func() { s.starts.Wait(); close(through) }()
	select {
	case <-through:
	case <-ctx.Done():
	}
	return err
}

// route is one line of the API.
type route struct {
	method  string
	path    string
	roles   []role   // one of these is needed; nil asks for no token
	query   []string // the query parameters it takes
	handler echo.HandlerFunc
}

// table lists every route, but those of instalments, collections and incidents. Those
// without a token tell nothing about payments: /metrics holds counts and route templates
// only, is scraped by programs that rarely keep secrets, and API_ADDR is loopback unless
// somebody opens it.
func (s *Server) table() []route {
	everybody := []role{roleAgent, roleViewer, roleOperator}
	return []route{
		{http.MethodPost, "/v1/payments", []role{roleAgent}, nil, s.createPayment},
		{http.MethodPost, "/v1/payments/batch", []role{roleAgent}, nil, s.createBatch},
		{http.MethodGet, "/v1/payments", everybody, paymentParameters, s.listPayments},
		{http.MethodGet, "/v1/payments/:id", everybody, nil, s.getPayment},
		{http.MethodPost, "/v1/payments/:id/pay", []role{roleAgent}, nil, s.payPayment},
		{http.MethodGet, "/v1/payments/:id/attempts", everybody, []string{"limit", "cursor"}, s.attempts(s.paymentProcess).list},
		{http.MethodGet, "/v1/payments/:id/actions", []role{roleViewer, roleOperator}, []string{"limit", "cursor"}, s.actions(s.paymentProcess).list},
		{http.MethodPost, "/v1/payments/:id/retry", []role{roleOperator}, nil, s.actOnPayment(domain.ActionRetry)},
		{http.MethodPost, "/v1/payments/:id/hold", []role{roleOperator}, nil, s.actOnPayment(domain.ActionHold)},
		{http.MethodPost, "/v1/payments/:id/release", []role{roleOperator}, nil, s.actOnPayment(domain.ActionRelease)},
		{http.MethodPost, "/v1/payments/:id/cancel", []role{roleOperator}, nil, s.actOnPayment(domain.ActionCancel)},
		{http.MethodPost, "/v1/payments/:id/resolve", []role{roleOperator}, nil, s.actOnPayment(domain.ActionResolve)},
		{http.MethodPost, "/v1/payments/:id/decline", []role{roleOperator}, nil, s.declinePayment},
		{http.MethodPost, "/v1/payments/actions", []role{roleOperator}, nil, s.actOnMany},
		{http.MethodGet, "/v1/services", everybody, []string{"refresh"}, s.listServices},
		{http.MethodGet, "/v1/services/:serviceId", everybody, nil, s.getService},
		{http.MethodGet, "/v1/balance", everybody, nil, s.getBalance},
		{http.MethodGet, "/v1/balance/history", []role{roleViewer, roleOperator}, []string{"limit", "cursor"}, s.listBalances},
		{http.MethodPost, "/v1/operators/lookup", everybody, nil, s.lookupOperator},
		{http.MethodGet, "/v1/reconciliation", []role{roleViewer, roleOperator}, []string{"date", "format"}, s.exportDay},
		{http.MethodPost, "/v1/reconciliation", []role{roleOperator}, []string{"date", "format"}, s.compareDay},
		{http.MethodPost, "/v1/clients/validate", []role{roleStore}, nil, s.validateClient},
		{http.MethodPost, "/callbacks/cfront/:token", nil, nil, s.callback}, // signed by the bank
		{http.MethodGet, "/livez", nil, nil, s.livez},
		{http.MethodGet, "/readyz", nil, nil, s.readyz},
		{http.MethodGet, "/metrics", nil, nil, s.metrics.serve},
		{http.MethodGet, "/openapi.yaml", nil, nil, s.docs.contract},
		{http.MethodGet, "/docs", nil, nil, s.docs.page},
		{http.MethodGet, "/docs/:asset", nil, nil, s.docs.asset},
	}
}

// routes registers the table. HEAD is served wherever GET is (net/http drops the
// body); OPTIONS answers 204 with Allow.
func (s *Server) routes() *echo.Echo {
	e := echo.New()
	e.HTTPErrorHandler = s.writeProblem
	e.IPExtractor = echo.ExtractIPDirect() // nobody asks; the default trusts any X-Forwarded-For
	e.Use(identify, s.observe, rescue, secure, s.underOwnName, storable)
	for _, r := range slices.Concat(s.table(), s.instalmentRoutes(), s.collectionRoutes(), s.incidentRoutes()) {
		handler := s.gated(r)
		if r.roles != nil {
			handler = s.authorise(r.roles, onlyParameters(r.query, handler))
		}
		methods := []string{r.method}
		if r.method == http.MethodGet {
			methods = append(methods, http.MethodHead)
		}
		for _, method := range methods {
			e.Add(method, r.path, handler)
		}
	}
	return e
}
