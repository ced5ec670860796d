package operator_test

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"go.temporal.io/sdk/client"

	"tolem/activities"
	"tolem/api"
	"tolem/cmd/tolem/operator"
	"tolem/domain"
	"tolem/partners/cfront"
	"tolem/partners/processing"
	"tolem/storage"
)

const tokens = "aigul:operator:first-secret,berik:operator:second-secret,till:agent:till-secret"

// The API's log is not what these tests look at.
func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	os.Exit(m.Run())
}

// desk is an operator's terminal, and the real API with a ledger behind it. Temporal is
// away: payment orders are acted on in the ledger, and everything is read from there.
type desk struct {
	t      *testing.T
	ledger *storage.Ledger
	server *httptest.Server
	env    map[string]string
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	ledger, err := storage.Open(t.Context(), "sqlite://"+filepath.Join(t.TempDir(), "ledger.db"))
	must(t, err)
	t.Cleanup(func() { _ = ledger.Close() }) // the test is over
	_, err = ledger.Migrate(t.Context())
	must(t, err)
	temporal, err := client.NewLazyClient(client.Options{HostPort: "127.0.0.1:1"})
	must(t, err)
	t.Cleanup(temporal.Close)
	centre, err := processing.New(processing.Options{URL: "http://127.0.0.1:1", Token: "t", Timeout: time.Second})
	must(t, err)
	bank, err := cfront.New(cfront.Options{URL: "http://127.0.0.1:1", StoreID: "s", Secret: "s", Timeout: time.Second})
	must(t, err)
	who, err := api.ParseTokens(tokens)
	must(t, err)
	served, err := api.New(api.Options{
		Ledger: ledger, Temporal: temporal, Centre: centre, Tokens: func() api.Tokens { return who }, Ladder: domain.Ladder{Initial: time.Second, FactorMilli: 2000},
		PartnerTimeout: time.Second, Location: time.UTC, Bank: bank, Encode: activities.Encoder("HSBKKZKX", time.UTC),
		Agreement: cfront.Agreement{CreditProducts: []cfront.CreditProduct{{Name: "p", Parts: 3}}},
	})
	must(t, err)
	t.Cleanup(func() { must(t, served.Shutdown(context.Background())) })
	server := httptest.NewServer(served.Handler())
	t.Cleanup(server.Close)
	return &desk{t: t, ledger: ledger, server: server, env: map[string]string{"TOLEM_API": server.URL, "TOLEM_TOKEN": "first-secret"}}
}

// types gives a command, and returns what it prints and how it exits.
func (d *desk) types(args ...string) (out string, exit int) {
	d.t.Helper()
	root := &cobra.Command{Use: "tolem", SilenceErrors: true, SilenceUsage: true}
	root.AddCommand(operator.Commands(operator.Options{
		Getenv: func(name string) string { return d.env[name] }, Now: time.Now, Zone: time.UTC,
	})...)
	var b bytes.Buffer
	root.SetOut(&b)
	root.SetErr(&b)
	root.SetArgs(args)
	if err := root.ExecuteContext(d.t.Context()); err != nil {
		return b.String() + err.Error(), operator.ExitCode(err)
	}
	return b.String(), 0
}

// sees expects an exit code and words in what is printed.
func (d *desk) sees(exit int, words []string, args ...string) string {
	d.t.Helper()
	out, got := d.types(args...)
	if got != exit {
		d.t.Fatalf("%q exits with %d, want %d:\n%s", args, got, exit, out)
	}
	for _, w := range words {
		if !strings.Contains(out, w) {
			d.t.Errorf("%q does not say %q:\n%s", args, w, out)
		}
	}
	return out
}

// accepts puts payments into the ledger, the last one accepted now, the others a minute
// apart before it.
func (d *desk) accepts(n int) (ids []string) {
	d.t.Helper()
	amount, now := domain.Money(200_00), time.Now()
	for i := range n {
		p, _, err := d.ledger.Accept(d.t.Context(), storage.Payment{
			Caller: "till", IdempotencyKey: fmt.Sprint(i), RequestSHA256: "x", ServiceID: fmt.Sprint("P10", 11+i%2), Account: "7777731414", AmountTo: &amount,
			AutoPay: true, AgentTransactionDate: "2026-01-31T15:04:05", RetryInitial: time.Second, RetryFactorMilli: 2000,
			CreatedAt: storage.At(now.Add(time.Duration(i-n+1) * time.Minute)),
		})
		must(d.t, err)
		ids = append(ids, p.ID.String())
	}
	return ids
}

// takes puts a loan of a contract into the ledger.
func (d *desk) takes(contract string) {
	d.t.Helper()
	_, err := d.ledger.TakeLoans(d.t.Context(), storage.LoanBatch{Caller: "eko", Day: "2026-02-17", Digest: contract, At: time.Now(), Loans: []storage.Loan{{
		Contract: domain.ContractNumber(contract), LoanNumber: "KD1", IBAN: "KZ000000000000000000", Currency: "KZT", FullName: "Тестовый Тест",
		IINBIN: "000000000000", System: "way4", Debt: 2000_00, OverdueDays: 90,
	}}})
	must(d.t, err)
}

func TestListFiltersAndWalks(t *testing.T) {
	d := newDesk(t)
	d.sees(0, []string{"nothing is stuck"}, "payments", "list", "--stuck")
	ids := d.accepts(1100)
	id, err := domain.ParseAgentTransactionID(ids[1099])
	must(t, err)
	must(t, d.ledger.Flag(t.Context(), id, domain.ReasonUnknownCode, "x"))

	rows := func(want int, args ...string) string {
		t.Helper()
		out := d.sees(0, nil, append([]string{"payments", "list"}, args...)...)
		if got := strings.Count(out, "\n1") + strings.Count(out, "\n2"); got != want { // ids begin so
			t.Errorf("%q lists %d rows, want %d:\n%.2000s", args, got, want, out)
		}
		return out
	}
	rows(50)
	rows(1100, "--limit", "0")
	if out := rows(501, "--limit", "501"); !strings.Contains(out, "there are more than these 501") {
		t.Error("nobody is told that there are more")
	}
	rows(1, "--stuck", "--older-than", "30h")
	rows(1, "--needs-operator", "--state", "accepted,paying")
	rows(100, "--needs-operator=false", "--service", "P1011", "--limit", "100")
	rows(10, "--older-than", "1089m30s", "--limit", "0")
	d.sees(0, []string{"nothing is found"}, "payments", "list", "--code", "220")
	out := d.sees(0, nil, "payments", "list", "--stuck", "--limit", "600", "--json")
	var document struct {
		Items []struct {
			ID      string
			Account string
		}
		Next string
	}
	must(t, json.Unmarshal([]byte(out), &document))
	if len(document.Items) != 600 || document.Items[0].ID != ids[1099] || document.Items[0].Account != "7777731414" || document.Next == "" {
		t.Errorf("%d items, next %q: %.300s", len(document.Items), document.Next, out)
	}
	if out := rows(50, "--stuck"); strings.Contains(out, "7777731414") {
		t.Error("the table names the customer's account")
	}
}

// An order's number has a slash, a space and letters of its own; its returns come in one
// page.
func TestOrders(t *testing.T) {
	const id = "чек 12/7"
	d := newDesk(t)
	_, _, err := d.ledger.AcceptOrder(t.Context(), storage.InstalmentOrder{
		ID: id, Caller: "till", RequestSHA256: "x", Request: `{"invoice":{"number":"17","date":"2026-02-17","source":"STORE","point_id":"A-1"}}`,
		ClientPhone: "+77010000017", PointID: "A-1", TotalSum: 90_000_00, CallbackToken: "t", CreateBody: []byte("{}"),
		RetryInitial: time.Second, RetryFactorMilli: 2000, CreatedAt: storage.At(time.Now().Add(-time.Hour)),
	})
	must(t, err)
	d.sees(0, []string{id, "accepted", "1h00m"}, "orders", "list", "--stuck", "--point", "A-1")
	out := d.sees(0, []string{"nothing was sent to the bank yet", "Returns\n  none", "tolem orders hold 'чек 12/7'", "point of sale"}, "orders", "show", id)
	if strings.Contains(out, "7701") {
		t.Errorf("the client's phone is shown:\n%s", out)
	}
	d.sees(0, []string{"none"}, "orders", "returns", id)
	d.sees(0, []string{`{"items":[]}`}, "orders", "returns", id, "--json")
	d.sees(2, nil, "orders", "resolve", id)
}

// An order, and a return of goods, that end by nothing else are ended by two people, who
// are told what to type; Temporal is away.
func TestTwoPeopleEndAnOrder(t *testing.T) {
	const id, returned = "-чек 12/7", "в 1"
	d := newDesk(t)
	_, _, err := d.ledger.AcceptOrder(t.Context(), storage.InstalmentOrder{
		ID: id, Caller: "till", RequestSHA256: "x", Request: `{}`, TotalSum: 90_000_00, CallbackToken: "t", CreateBody: []byte("{}"),
		RetryInitial: time.Second, RetryFactorMilli: 2000, CreatedAt: storage.At(time.Now()),
	})
	must(t, err)
	call := storage.Call{Process: domain.StoreOrderID(id).WorkflowID(), Name: "create", Step: 1, At: time.Now(), Body: []byte("{}")}
	begun, err := d.ledger.BeginOrderCall(t.Context(), storage.OrderCall{ID: id, Call: call, To: domain.OrderCreating, From: []domain.OrderState{domain.OrderAccepted}})
	must(t, err)
	resolve := []string{"orders", "resolve", "--outcome", "failed", "--reason", "the store asks", "--evidence", "letter 17/3", "--", id}
	d.sees(1, []string{"not_proposed", "tolem orders show -- '-чек 12/7'"}, "orders", "decline", "--reason", "x", "--", id)
	d.sees(0, []string{"done: it is proposed", "calls go on meanwhile", "as the second operator, say the same",
		"tolem orders resolve --outcome failed --reason '…' --evidence '…' -- '-чек 12/7'"}, resolve...)
	d.sees(0, []string{"already done"}, resolve...)
	d.sees(0, []string{"is creating", "aigul said that it is failed", "drop what was proposed"}, "orders", "show", "--", id)
	d.env["TOLEM_TOKEN"] = "second-secret"
	d.sees(0, []string{"done: the proposal is dropped"}, "orders", "decline", "--reason", "not yet", "--", id)

	changed, err := d.ledger.RecordOrderCall(t.Context(), storage.OrderRecord{
		ID: id, Call: call, Started: begun.Started, Outcome: storage.Outcome{Kind: storage.Answered, HTTPStatus: 200},
		After: storage.OrderAfter{State: domain.OrderActive, BankOrderID: "b-1"},
	})
	must(t, err)
	if !changed {
		t.Fatal("not active")
	}
	_, _, err = d.ledger.AcceptReturn(t.Context(), storage.OrderReturn{
		OrderID: id, ID: returned, Caller: "till", RequestSHA256: "x", Sum: 100_00, Body: []byte("{}"),
		RetryInitial: time.Second, RetryFactorMilli: 2000, CreatedAt: storage.At(time.Now()),
	})
	must(t, err)
	d.sees(0, []string{returned, "accepted"}, "orders", "returns", "--", id)
	d.sees(0, []string{"return в 1 is accepted", "tolem returns hold --reason '…' -- '-чек 12/7' 'в 1'"}, "returns", "show", "--", id, returned)
	d.sees(0, []string{"done: it is held", "return в 1 is accepted, held"}, "returns", "hold", "--reason", "r", "--", id, returned)
	d.sees(1, []string{"order_held", "tolem returns release --reason '…' -- '-чек 12/7' 'в 1'"}, "returns", "retry", "--reason", "r", "--", id, returned)
	d.sees(0, []string{"done: it is released"}, "returns", "release", "--reason", "r", "--", id, returned)
	d.sees(0, []string{"done: the return is sent at once"}, "returns", "retry", "--reason", "r", "--", id, returned)
	resolve = []string{"returns", "resolve", "--outcome", "failed", "--reason", "the store asks", "--evidence", "letter 17/4", "--", id, returned}
	d.sees(0, []string{"done: it is proposed"}, resolve...)
	d.env["TOLEM_TOKEN"] = "first-secret"
	d.sees(0, []string{"done: it is resolved", "return в 1 is failed"}, resolve...)
	d.sees(0, []string{"nothing: it has ended", "resolve, failed", "letter 17/4", "berik"}, "returns", "show", "--", id, returned)
	d.sees(0, []string{"failed"}, "returns", "actions", "--", id, returned)
	d.sees(1, []string{"not_found", "tolem orders returns -- '-чек 12/7'"}, "returns", "show", "--", id, "other")
	d.sees(2, []string{"takes one STORE_ORDER_ID STORE_RETURN_ID"}, "returns", "show", "--", id)

	resolve = []string{"orders", "resolve", "--outcome", "paid_out", "--reason", "the store asks", "--evidence", "statement of 1 March", "--", id}
	d.sees(0, []string{"done: it is proposed"}, resolve...)
	d.env["TOLEM_TOKEN"] = "second-secret"
	d.sees(0, []string{"done: it is resolved", "is paid_out"}, resolve...)
	d.sees(0, []string{"Two operators said so"}, "orders", "show", "--", id)
}

// A payment order is looked at, held, released, held again, and closed by two people; its
// contract's number has a slash, a space and letters of its own.
func TestActionsOnWhatIsStuck(t *testing.T) {
	const contract = "ДБЗ/7 Қ"
	d := newDesk(t)
	d.takes(contract)
	d.sees(0, []string{contract, "gathering"}, "payment-orders", "list", "--stuck", "--older-than", "1ms")
	d.sees(0, []string{"Its dossier is being gathered", "tolem payment-orders hold 'ДБЗ/7 Қ' --reason '…'", "Attempts\n  none"}, "payment-orders", "show", contract)
	hold := []string{"payment-orders", "hold", contract, "--reason", "the branch asks"}
	first := d.sees(0, []string{"done: it is held", "is gathering, held"}, hold...)
	again := d.sees(0, []string{"already done", "and not again"}, hold...)
	if key := func(out string) string { return out[strings.Index(out, "Idempotency-Key:"):] }; key(first) != key(again) {
		t.Errorf("the same command has two keys:\n%s\n%s", first, again)
	}
	d.sees(1, []string{"payment_held (HTTP 409)", "it is held: release it first", "tolem payment-orders release 'ДБЗ/7 Қ'"}, "payment-orders", "retry", contract, "--reason", "now")
	d.sees(0, []string{"done: it is released"}, "payment-orders", "release", contract, "--reason", "found")
	d.sees(0, []string{"done: it is held"}, hold...) // not a repetition: it was released in between
	d.sees(0, []string{"done: it is held"}, append(hold, "--idempotency-key", "k-1")...)
	d.sees(1, []string{"idempotency_key_reused", "another --idempotency-key"}, "payment-orders", "close", contract, "--reason", "x", "--idempotency-key", "k-1")

	cease := []string{"payment-orders", "close", contract, "--reason", "paid in cash"}
	d.sees(0, []string{"done: it is proposed", "as the second operator, end it"}, cease...)
	d.sees(0, []string{"already done"}, cease...)
	d.sees(1, []string{"second_operator_needed", "have a second operator"}, append(cease, "--idempotency-key", "k-2")...)
	d.env["TOLEM_TOKEN"] = "second-secret"
	d.sees(0, []string{"done: it is closed", "is closed"}, cease...)
	d.sees(1, []string{"order_ended", "see what can be done"}, "payment-orders", "hold", contract, "--reason", "late")
	d.sees(0, []string{"nothing: it has ended", "aigul", "berik", "proposed", "paid in cash"}, "payment-orders", "show", contract)
	if out := d.sees(0, nil, "payment-orders", "actions", contract); strings.Count(out, "\n") != 7 { // a head and six actions
		t.Errorf("a repetition is in the journal, or an action is not:\n%s", out)
	}
	d.sees(0, []string{`"state":"closed"`}, "payment-orders", "show", contract, "--json")
}

// A close is withdrawn, and an event that can never be published is set aside by two people.
func TestSettingAsideAndDeclining(t *testing.T) {
	const contract = "ДБЗ/7 Қ"
	d := newDesk(t)
	d.takes(contract)
	o, err := d.ledger.PaymentOrder(t.Context(), contract)
	must(t, err)
	for _, part := range domain.DossierParts() {
		must(t, d.ledger.RecordPart(t.Context(), storage.GatheredPart{Contract: contract, Asked: o.Account(), Call: storage.Call{Process: o.Contract.WorkflowID(), At: time.Now()},
			Outcome: storage.Outcome{Kind: storage.Answered}, Item: storage.DossierItem{OrderID: o.ID, Part: part, State: domain.PartGot, UpdatedAt: storage.At(time.Now())}}))
	}
	_, err = d.ledger.SendRequest(t.Context(), contract, o.ID, time.Now())
	must(t, err)
	d.sees(0, []string{"done: it is proposed"}, "payment-orders", "close", contract, "--reason", "paid in cash", "--reference", string(o.OrderRef))
	d.sees(0, []string{"done: the proposal is dropped", "is sent"}, "payment-orders", "decline", contract, "--reason", "a mistake")
	d.sees(1, []string{"not_proposed (HTTP 409)", "see what can be done"}, "payment-orders", "decline", contract, "--reason", "another")
	d.sees(0, []string{"ID  SEQ", "1   1", "not yet"}, "payment-orders", "events", contract)
	aside := []string{"payment-orders", "set-aside", contract, "--event", "1", "--reason", "its date cannot be written"}
	d.sees(2, []string{"--event is missing"}, "payment-orders", "set-aside", contract, "--reason", "x")
	d.sees(0, []string{"done: it is proposed"}, aside...)
	d.sees(0, []string{"already done"}, aside...)
	d.env["TOLEM_TOKEN"] = "second-secret"
	d.sees(0, []string{"done: the event is set aside"}, aside...)
	d.sees(0, []string{"never: set aside"}, "payment-orders", "events", contract)
	d.sees(1, []string{"not_found"}, "payment-orders", "set-aside", contract, "--event", "77", "--reason", "x")
}

// Every way to fail says what happened and what to do next, with its exit code.
func TestProblemsAndExitCodes(t *testing.T) {
	d := newDesk(t)
	id := d.accepts(1)[0]
	d.sees(1, []string{"There is nothing here.", "not_found (HTTP 404)", "tolem payments list", "request  "}, "payments", "show", "42")
	d.sees(1, []string{"not_found"}, "orders", "show", "чек 12/7")
	d.sees(1, []string{"field    olderThan: must be a duration", "mend the flag"}, "payments", "list", "--older-than", "soon")
	d.sees(1, []string{"temporal_unavailable (HTTP 503)", "it is one action"}, "payments", "retry", id, "--reason", "the client calls")
	for _, wrong := range [][]string{
		{"payments", "resend"}, {"payments", "show"}, {"payments", "show", "1", "2"}, {"payments", "show", ""}, {"payments", "list", "x"}, {"payments", "list", "--limit", "-1"},
		{"payments", "list", "--colour", "red"}, {"payments", "hold", id}, {"payments", "hold", id, "--reason", " "}, {"payments", "resolve", id, "--reason", "r", "--outcome", "refused"},
		{"payments", "list", "--api", "tolem.bank"}, {"payments", "list", "--api", "ftp://x"}, {"payments", "list", "--token-file", "/nowhere"}, {"payments", "list", "--ca-file", "/nowhere"},
	} {
		d.sees(2, []string{"--help says what it takes"}, wrong...)
	}
	d.env["TOLEM_TOKEN"] = "till-secret"
	d.sees(0, []string{"not for this token's role"}, "payments", "show", id)
	d.sees(1, []string{"forbidden (HTTP 403)", "operator", "token of the role"}, "payments", "hold", id, "--reason", "r")
	d.env["TOLEM_TOKEN"] = "strangers-secret"
	out := d.sees(1, []string{"unauthorized (HTTP 401)", "TOLEM_TOKEN"}, "payments", "list")
	if strings.Contains(out, "strangers-secret") {
		t.Error("the token is printed")
	}
	delete(d.env, "TOLEM_TOKEN")
	d.sees(2, []string{"no token"}, "payments", "list")
	file := filepath.Join(t.TempDir(), "token")
	must(t, os.WriteFile(file, []byte("first-secret\n"), 0o600))
	d.sees(0, []string{id}, "payments", "list", "--token-file", file)
	d.sees(1, []string{"tolem payments list --token-file " + file}, "payments", "show", "42", "--token-file", file)
	d.env["TOLEM_TOKEN"] = "first-secret"
	d.server.Close()
	out = d.sees(3, []string{"did not answer", "--api or TOLEM_API"}, "payments", "show", id)
	if strings.Contains(out, id) {
		t.Error("the error names the whole URL")
	}
}

// Over TLS the private CA is named, or the API is not believed; and what is no API at all
// is told apart from a refusal.
func TestPrivateCAAndStrangers(t *testing.T) {
	d := newDesk(t)
	id := d.accepts(1)[0]
	secure := httptest.NewUnstartedServer(d.server.Config.Handler)
	secure.Config.ErrorLog = log.New(io.Discard, "", 0) // the handshake that the client gives up
	secure.StartTLS()
	defer secure.Close()
	d.env["TOLEM_API"] = secure.URL
	d.sees(3, []string{"--ca-file"}, "payments", "list")
	ca := filepath.Join(t.TempDir(), "ca.pem")
	must(t, os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secure.Certificate().Raw}), 0o600))
	d.sees(0, []string{id}, "payments", "list", "--ca-file", ca)
	stranger := httptest.NewServer(nil) // answers 404 with text
	defer stranger.Close()
	d.sees(3, []string{"not Tolem's API"}, "payments", "list", "--api", stranger.URL)
}
