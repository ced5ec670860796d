package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/legacy"

	"tolem/activities"
	"tolem/api"
	"tolem/domain"
	"tolem/partners/cfront"
	"tolem/partners/processing"
	simulator "tolem/simulators/processing"
	"tolem/storage"
	"tolem/storage/privatepostgres/postgrestest"
)

// Values that must never reach a log line or a problem.
const (
	secretAgent  = "agent-secret-7f3a"
	secretOther  = "other-secret-9b1c"
	secretViewer = "viewer-secret-44d0"
	secretBoth   = "both-secret-c0de"
	secretStore  = "store-secret-5e5e"
	secretK2     = "k2-secret-6b6b"
	secretOp     = "operator-secret-1a2b"
	account      = "7777731414"
	phone        = "7017654321"
	fullName     = "Иванов Иван Иванович"
	identityCard = "900101300123"
	reason       = "the-client-aigul-calls-every-hour" // why a person ordered something
	evidence     = "letter-17-3/204-of-the-centre"     // on what
	bankSecret   = "bank-secret-77aa"
	clientPhone  = "+77010009911"
)

const tokens = "till:agent:" + secretAgent + ",other:agent:" + secretOther + ",eye:viewer:" + secretViewer +
	",both:agent:" + secretBoth + ",both:operator:" + secretBoth + ",shop:store:" + secretStore +
	",card:k2:" + secretK2 + ",boss:operator:" + secretOp

// logged keeps every log line of the whole package's tests; TestMain looks
// through it at the end.
var logged lockedBuffer

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.NewTextHandler(&logged, &slog.HandlerOptions{Level: slog.LevelDebug})))
	postgrestest.Run(m)
	if leak := leaked(logged.String()); leak != "" {
		_, _ = os.Stderr.WriteString("a log line holds what no log may hold: " + leak + "\n")
		os.Exit(1)
	}
}

// leaked is the first secret value found in text, with what is around it.
func leaked(text string) string {
	for _, value := range []string{
		secretAgent, secretOther, secretViewer, secretBoth, secretStore, secretK2, secretOp, account, phone, fullName, identityCard, reason, evidence, bankSecret, clientPhone,
	} {
		if at := strings.Index(text, value); at >= 0 {
			return text[max(0, at-100):min(len(text), at+100)]
		}
	}
	return ""
}

// keys counts the Idempotency-Keys that tests did not choose themselves.
var keys atomic.Int64

// bank is the API with everything around it: a ledger on SQLite, the simulated
// centre behind the real client, and a Temporal frontend that runs nothing.
type bank struct {
	t        *testing.T
	server   *api.Server
	ledger   *storage.Ledger
	centre   *simulator.Centre
	temporal *frontend
	router   routers.Router
}

func newBank(t *testing.T, change ...func(*api.Options)) *bank {
	t.Helper()
	b := &bank{t: t, temporal: newFrontend(t), ledger: newLedger(t, "sqlite://"+filepath.Join(t.TempDir(), "ledger.db")), router: contract(t)}
	var err error
	b.centre, err = simulator.New(simulator.Options{Token: "centre-token"})
	must(t, err)
	partner := httptest.NewServer(b.centre.Handler())
	t.Cleanup(func() {
		_ = b.centre.Close() // in memory
		partner.Close()
	})
	ladder, err := domain.NewLadder(time.Second, "2")
	must(t, err)
	almaty, err := time.LoadLocation("Asia/Almaty")
	must(t, err)
	o := api.Options{
		Ledger: b.ledger, Temporal: b.temporal.client, Centre: newCentre(t, partner.URL), Tokens: allowing(t, tokens),
		Ladder: ladder, PartnerTimeout: 5 * time.Second, Location: almaty, Encode: activities.Encoder("HSBKKZKX", almaty),
		Bank: newInstalmentBank(t, "http://127.0.0.1:1"), Agreement: agreement, CallbackURL: "https://store.example/tolem",
	}
	for _, f := range change {
		f(&o)
	}
	b.server, err = api.New(o)
	must(t, err)
	b.ledger = o.Ledger
	return b
}

func newLedger(t *testing.T, address string) *storage.Ledger {
	t.Helper()
	ledger, err := storage.Open(t.Context(), address)
	must(t, err)
	t.Cleanup(func() { _ = ledger.Close() }) // closed twice where the test closes it
	_, err = ledger.Migrate(t.Context())
	must(t, err)
	return ledger
}

func newCentre(t *testing.T, url string) *processing.Client {
	t.Helper()
	c, err := processing.New(processing.Options{URL: url, Token: "centre-token", Timeout: 5 * time.Second})
	must(t, err)
	return c
}

// agreement is what the store may send to the bank of trade instalments.
var agreement = cfront.Agreement{
	CreditProducts: []cfront.CreditProduct{{Name: "Рассрочка 3", Parts: 3}, {Name: "Рассрочка 6", Parts: 6}},
	PointsOfSale:   []string{"A-1", "B/2"}, PointRequired: true,
}

func newInstalmentBank(t *testing.T, url string) *cfront.Client {
	t.Helper()
	c, err := cfront.New(cfront.Options{URL: url, StoreID: "store-1", Secret: bankSecret, Timeout: 5 * time.Second})
	must(t, err)
	return c
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

var contract = func() func(t *testing.T) routers.Router {
	var once sync.Once
	var router routers.Router
	return func(t *testing.T) routers.Router {
		t.Helper()
		once.Do(func() {
			openapi3filter.RegisterBodyDecoder("text/html", openapi3filter.PlainBodyDecoder)
			openapi3filter.RegisterBodyDecoder("text/css", openapi3filter.PlainBodyDecoder)
			router, _ = legacy.NewRouter(document(t))
		})
		if router == nil {
			t.Fatal("openapi.yaml is no contract")
		}
		return router
	}
}()

func document(t *testing.T) *openapi3.T {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromFile("openapi.yaml")
	must(t, err)
	must(t, doc.Validate(context.Background()))
	return doc
}

// call is one request; its zero values are left out.
type call struct {
	method, path, body string
	token              string
	header             map[string]string
}

// answer is what came back.
type answer struct {
	*http.Response
	body []byte
}

// send sends a request and checks what is true of every answer: it is in the
// contract, problems have their shape, and no problem leaks.
func (b *bank) send(c call) answer {
	b.t.Helper()
	return b.answer(b.request(c))
}

func (b *bank) request(c call) *http.Request {
	b.t.Helper()
	request := httptest.NewRequestWithContext(b.t.Context(), c.method, c.path, strings.NewReader(c.body))
	if c.method == http.MethodPost {
		request.Header.Set("Content-Type", "application/json")
	}
	if c.token != "" {
		request.Header.Set("Authorization", "Bearer "+c.token)
	}
	for name, value := range c.header {
		if value == "" {
			request.Header.Del(name)
			continue
		}
		request.Header.Set(name, value)
	}
	return request
}

// answer serves a request, and checks the answer as send does.
func (b *bank) answer(request *http.Request) answer {
	b.t.Helper()
	recorder := httptest.NewRecorder()
	b.server.Handler().ServeHTTP(recorder, request)
	response := recorder.Result()
	body, err := io.ReadAll(response.Body)
	must(b.t, err)
	a := answer{response, body}
	b.check(request, a)
	return a
}

func (b *bank) check(request *http.Request, a answer) {
	b.t.Helper()
	if a.Header.Get("X-Request-Id") == "" || a.Header.Get("X-Content-Type-Options") != "nosniff" {
		b.t.Errorf("%s %s: header misses the request's id or nosniff: %v", request.Method, request.URL.Path, a.Header)
	}
	inK2sShape := a.StatusCode >= http.StatusInternalServerError && strings.HasPrefix(request.URL.Path, "/restapi/")
	if a.StatusCode >= 400 && request.URL.Path != "/readyz" && !inK2sShape {
		p := a.problem(b.t)
		if p.Status != a.StatusCode || p.Instance != a.Header.Get("X-Request-Id") || p.Type != "urn:tolem:problem:"+p.Code || p.Title == "" {
			b.t.Errorf("%s %s: problem %+v does not go with status %d and id %s", request.Method, request.URL.Path, p, a.StatusCode, a.Header.Get("X-Request-Id"))
		}
		if leak := leaked(string(a.body)); leak != "" {
			b.t.Errorf("%s %s: problem leaks: %s", request.Method, request.URL.Path, leak)
		}
	}
	route, parameters, err := b.router.FindRoute(request)
	if err != nil || request.Method == http.MethodHead || strings.HasSuffix(request.URL.Path, "/") {
		return // not a route of the contract (which its router forgives a slash); a HEAD has no body to check
	}
	input := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{Request: request, PathParams: parameters, Route: route},
		Status:                 a.StatusCode, Header: a.Header,
		Options: &openapi3filter.Options{IncludeResponseStatus: true, MultiError: true},
	}
	if err := openapi3filter.ValidateResponse(b.t.Context(), input.SetBodyBytes(a.body)); err != nil {
		b.t.Errorf("%s %s: answer %d breaks the contract: %v\n%s", request.Method, request.URL.Path, a.StatusCode, err, a.body)
	}
}

func (b *bank) get(token, path string) answer {
	b.t.Helper()
	return b.send(call{method: http.MethodGet, path: path, token: token})
}

// pay posts a payment; without an Idempotency-Key in header it has one of its own. An
// empty one sends none.
func (b *bank) pay(body string, header map[string]string) answer {
	b.t.Helper()
	header = maps.Clone(header)
	if _, given := header["Idempotency-Key"]; !given {
		if header == nil {
			header = map[string]string{}
		}
		header["Idempotency-Key"] = fmt.Sprint("own-", keys.Add(1))
	}
	return b.send(call{method: http.MethodPost, path: "/v1/payments", body: body, token: secretAgent, header: header})
}

func (b *bank) status(a answer, want int) answer {
	b.t.Helper()
	if a.StatusCode != want {
		b.t.Fatalf("status %d, want %d: %s", a.StatusCode, want, a.body)
	}
	return a
}

// rows counts the payments of the ledger.
func (b *bank) rows() int {
	b.t.Helper()
	page, _, err := b.ledger.Payments(context.Background(), storage.PaymentFilter{}, "", 1000)
	must(b.t, err)
	return len(page)
}

type problem struct {
	Type, Title, Detail, Code, Instance string
	Status                              int
	ResultCode                          *int
	Errors                              []struct{ Field, Code, Message string }
}

func (a answer) problem(t *testing.T) (p problem) {
	t.Helper()
	if got := a.Header.Get("Content-Type"); got != "application/problem+json" {
		t.Fatalf("status %d with Content-Type %q, want a problem: %s", a.StatusCode, got, a.body)
	}
	a.decode(t, &p)
	return p
}

func (a answer) decode(t *testing.T, into any) {
	t.Helper()
	if err := json.Unmarshal(a.body, into); err != nil {
		t.Fatalf("%v: %s", err, a.body)
	}
}

// payment is the part of a payment's answer that tests look at.
type payment struct {
	ID, State, ServiceID, Account, TransactionID, Asks string
	NeedsOperator                                      bool        `json:"needs_operator"`
	AmountTo                                           json.Number `json:"amountTo"`
	Extras                                             map[string]string
	ResultCode                                         *int
	AgentTransactionDate                               string
	Contracts                                          []map[string]any
}

func (a answer) payment(t *testing.T) (p payment) {
	t.Helper()
	a.decode(t, &p)
	return p
}

const simple = `{"serviceId":"P1011","account":"` + account + `","amountTo":200.00,"fullName":"` + fullName + `","identityCard":"` + identityCard + `"}`

// allowing are the callers of an API_TOKENS.
func allowing(t *testing.T, entries string) func() api.Tokens {
	t.Helper()
	parsed, err := api.ParseTokens(entries)
	must(t, err)
	return func() api.Tokens { return parsed }
}
