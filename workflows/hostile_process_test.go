package workflows_test

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/testsuite"

	"tolem/activities"
	"tolem/domain"
	simulated "tolem/simulators/cfront"
	centre "tolem/simulators/processing"
	"tolem/storage"
	"tolem/workflows"
)

// foreigners are ids that a stranger may send: one of nothing, and those of a payment and an
// order with an action of its own.
type foreigners struct {
	payment, other   domain.AgentTransactionID
	order            domain.StoreOrderID
	otherAction      int64 // a resolve of the other payment
	otherOrderAction int64 // a hold of the other order
}

// nonsense is what every activity, update and signal is sent beside its own rows.
var nonsense = []string{`{}`, `null`, `[]`, `"text"`, `17`, `{"paymentId":17.5,"orderId":{},"step":"x"}`}

// hostile holds, for every activity by its wire name, the inputs of a stranger. A name that
// is registered and has no row here fails the test.
func (f foreigners) hostile() map[string][]string {
	unknownPayment := `{"paymentId":"999","step":3,"cause":"scheduled"}`
	unknownOrder := `{"orderId":"nowhere","returnId":"r","step":3,"cause":"scheduled","decision":"confirm"}`
	unknownContract := `{"contract":"nowhere","step":3,"cause":"scheduled","reason":"dossier_late"}`
	of := func(id any, more string) string { return fmt.Sprintf(`{"paymentId":"%v",%s}`, id, more) }
	ofOrder := func(more string) string { return fmt.Sprintf(`{"orderId":%q,%s}`, f.order, more) }
	tooFar := of(f.payment, `"step":9223372036854775807,"cause":"scheduled"`)
	return map[string][]string{
		"Check": {unknownPayment, tooFar}, "Pay": {unknownPayment, tooFar}, "CommitChoice": {unknownPayment, tooFar}, "CommitIntent": {unknownPayment, tooFar},
		"EndPayment": {
			unknownPayment,
			of(f.payment, `"step":99,"state":"succeeded","code":0,"transactionId":4242`),
			of(f.payment, `"step":99,"state":"refused","code":300`),
			of(f.payment, `"step":99,"state":"refused"`),
			of(f.payment, `"step":99,"state":"resolved_succeeded"`), of(f.payment, `"step":99,"state":"resolved_refused"`),
			of(f.payment, `"step":99,"state":"cancelled"`), of(f.payment, `"step":99,"state":"expired"`),
			of(f.payment, fmt.Sprintf(`"step":99,"state":"cancelled","orderId":%d`, f.otherAction)),
			of(f.payment, `"step":99,"state":"accepted"`), of(f.payment, `"step":99,"state":"invented"`), of(f.payment, `"step":99`),
		},
		"FlagPayment": {unknownPayment, of(f.payment, `"reason":"invented"`), of(f.payment, `"reason":""`)},
		"FollowOrder": {
			of(999, `"orderId":1,"effect":"held"`),
			of(f.payment, `"orderId":999,"effect":"held"`), of(f.payment, fmt.Sprintf(`"orderId":%d,"effect":"proposed","outcome":"resolved_refused"`, f.otherAction)),
			of(f.other, fmt.Sprintf(`"orderId":%d,"effect":"held"`, f.otherAction)), of(f.other, fmt.Sprintf(`"orderId":%d,"effect":"resolved"`, f.otherAction)),
		},
		"ConfirmOrder":  {of(999, `"step":3,"orderId":1`), of(f.payment, `"step":99,"orderId":999`), of(f.payment, fmt.Sprintf(`"step":99,"orderId":%d`, f.otherAction))},
		"LapseProposal": {of(999, `"orderId":1`), of(f.other, `"orderId":999`)},
		"ReadPayment":   {unknownPayment, of(f.payment, `"step":99`)},
		"LookUpAction":  {`{"process":"payment/999","actionId":1,"action":"hold"}`, fmt.Sprintf(`{"process":"payment/%d","actionId":%d,"action":"hold"}`, f.payment, f.otherAction)},

		"ReadOrder": {unknownOrder}, "AskClient": {unknownOrder}, "CreateAtBank": {unknownOrder}, "DecideAtBank": {unknownOrder}, "AskState": {unknownOrder},
		"AskPayout": {unknownOrder}, "AskContract": {unknownOrder}, "ReturnAtBank": {unknownOrder}, "AskReturned": {unknownOrder}, "ReadReturn": {unknownOrder}, "MoveSettled": {unknownOrder},
		"EndUnsentOrder":      {unknownOrder, ofOrder(`"step":99,"failReason":"rejected_by_store"`), ofOrder(`"step":99,"failReason":"invented"`)},
		"FlagInstalmentOrder": {unknownOrder, ofOrder(`"reason":"invented"`)},
		"FollowInstalmentAction": {
			unknownOrder, ofOrder(`"actionId":999,"effect":"held"`), ofOrder(fmt.Sprintf(`"actionId":%d,"effect":"held"`, f.otherOrderAction)),
		},
		"AutoConfirm": {unknownOrder, ofOrder(`"step":3`)},
		"FlagReturn":  {unknownOrder, ofOrder(`"returnId":"r","reason":"invented"`)},

		"ReadContract": {unknownContract}, "GatherDossier": {unknownContract}, "SendRequest": {unknownContract}, "TellLoxon": {unknownContract},
		"SeekEvents":   {unknownContract},
		"FlagContract": {unknownContract, `{"contract":"nowhere","reason":"invented"}`},

		"StartMissing": {}, "WatchBalance": {}, "Refresh": {}, // they take no ids
		"StartPage":  {`{"batchId":"999","after":"1"}`},
		"StartLoans": {`{"batchId":"999","after":1}`},
	}
}

// books dumps every table of the ledger whose rows say where money is, who asked for what,
// and what needs a person.
func (b *bank) books() string {
	b.t.Helper()
	db, err := sql.Open("sqlite", b.file+"?_pragma=busy_timeout(5000)")
	require.NoError(b.t, err)
	defer func() { require.NoError(b.t, db.Close()) }()
	var all strings.Builder
	for _, table := range []string{"payments", "actions", "journal", "instalment_orders", "order_returns", "payment_orders", "payment_order_events", "open_incidents", "incident_entries"} {
		b.dump(db, table, &all)
	}
	return all.String()
}

// dump writes a table's rows.
func (b *bank) dump(db *sql.DB, table string, into *strings.Builder) {
	b.t.Helper()
	rows, err := db.QueryContext(b.t.Context(), "SELECT * FROM "+table+" ORDER BY 1, 2")
	require.NoError(b.t, err)
	defer func() { require.NoError(b.t, rows.Close()) }()
	columns, err := rows.Columns()
	require.NoError(b.t, err)
	values, fields := make([]any, len(columns)), make([]any, len(columns))
	for i := range values {
		fields[i] = &values[i]
	}
	for rows.Next() {
		require.NoError(b.t, rows.Scan(fields...))
		fmt.Fprintln(into, table, values)
	}
	require.NoError(b.t, rows.Err())
}

// foreigners fills a ledger with processes that strangers may name.
func (b *bank) foreigners(w *till) foreigners {
	b.t.Helper()
	b.scripted("pay", code(220), code(220))
	f := foreigners{payment: b.accepted(nil), other: b.accepted(func(p *storage.Payment) { p.IdempotencyKey = "other" })}
	b.attemptsOfALostRun(f.payment, 2)
	b.attemptsOfALostRun(f.other, 2)
	place := func(process string, action domain.Action, outcome domain.State) int64 {
		a, err := b.ledger.PlaceAction(b.t.Context(), storage.Action{Process: process, Action: action, Outcome: outcome, Caller: "aigul",
			IdempotencyKey: process, RequestSHA256: "-", Reason: "the client calls", Evidence: "letter 12/3", RequestedAt: storage.At(time.Now())})
		require.NoError(b.t, err)
		return a.ID
	}
	f.otherAction = place(f.other.WorkflowID(), domain.ActionResolve, domain.StateResolvedSucceeded)
	f.order = w.accepted(agrees, nil)
	f.otherOrderAction = place(w.accepted(agrees, nil).WorkflowID(), domain.ActionHold, "")
	return f
}

// Whoever reaches Temporal can start any activity with any input: nothing moves, nothing is
// asked of a partner, and nothing is flagged.
func TestHostileActivities(t *testing.T) {
	b, w := newBank(t), newTill(t)
	w.ledger = b.ledger // one ledger for all
	f := b.foreigners(w)
	rows := f.hostile()
	sets := []activities.Set{
		b.process(), &activities.Ledger{Ledger: b.ledger}, w.activities(), &activities.Collection{Ledger: b.ledger, Zone: time.UTC},
		&activities.Sweep{Ledger: b.ledger}, &activities.Balance{Ledger: b.ledger}, &activities.Catalogue{Ledger: b.ledger},
		&activities.Intake{Ledger: b.ledger}, &activities.Loans{Ledger: b.ledger},
	}
	before, asked := b.books(), len(b.requests(f.payment, "pay"))
	for _, a := range activities.Registrations(sets...) {
		inputs, ok := rows[a.Name]
		require.True(t, ok, "%s has no row of hostile inputs", a.Name)
		for _, input := range append(nonsense, inputs...) {
			env := quiet().NewTestActivityEnvironment()
			env.SetTestTimeout(time.Second)
			activities.Register(env, sets...)
			if value, err := env.ExecuteActivity(a.Name, json.RawMessage(input)); err == nil {
				var result any
				_ = value.Get(&result) // only that nothing moved is of interest
			}
			require.Equal(t, before, b.books(), "%s %s", a.Name, input)
		}
	}
	require.Len(t, b.requests(f.payment, "pay"), asked)
	require.Empty(t, w.bank.Orders(), "the bank of instalments was asked for nothing")
}

// quiet makes environments that do not log what strangers are answered.
func quiet() *testsuite.WorkflowTestSuite {
	suite := &testsuite.WorkflowTestSuite{}
	suite.SetLogger(log.NewStructuredLogger(slog.New(slog.DiscardHandler)))
	return suite
}

// answerOf is what an update sent by a stranger came to.
type answerOf struct {
	refused, err error
	done         bool
	result       any
}

func (*answerOf) Accept()            {}
func (a *answerOf) Reject(err error) { a.refused = err }
func (a *answerOf) Complete(result any, err error) {
	a.done, a.result, a.err = true, result, err
}

// Whoever reaches Temporal can send any update and signal to a running payment: nothing is
// attempted for it, nothing is held, every one is answered, and the next scheduled attempt
// happens.
func TestHostileUpdatesOfAPayment(t *testing.T) {
	b, w := newBank(t), newTill(t)
	w.ledger = b.ledger
	f := b.foreigners(w)
	b.scripted("pay", centre.Answer{Code: 220, Times: 9}) // 1 + 2 + … + 256 s
	id := b.accepted(func(p *storage.Payment) { p.IdempotencyKey = "attacked" })
	run := b.execution(id)
	var sent []*answerOf
	run.RegisterDelayedCallback(func() {
		require.NoError(t, b.ledger.Flag(t.Context(), id, domain.ReasonTooOld, "x"))
		before, attempts := b.books(), len(b.requests(id, "pay"))
		inputs := append([]string{
			`{"orderId":999}`, `{"orderId":-1,"outcome":"resolved_refused"}`, `{"orderId":999,"outcome":"resolved_succeeded"}`,
			fmt.Sprintf(`{"orderId":%d,"outcome":"resolved_succeeded"}`, f.otherAction),
		}, nonsense...)
		for n, name := range append(actionNames(), activities.UpdateChoose, activities.UpdateDecide, "invented") {
			for m, input := range inputs {
				a := &answerOf{}
				sent = append(sent, a)
				run.UpdateWorkflow(name, fmt.Sprintf("hostile %d %d", n, m), a, json.RawMessage(input))
			}
		}
		for _, signal := range []string{activities.NudgeSignal, activities.SignalMore, "invented"} {
			for _, input := range append([]string{`{"cause":"operator"}`, `{"cause":"invented"}`}, nonsense...) {
				run.SignalWorkflow(signal, json.RawMessage(input))
			}
		}
		run.RegisterDelayedCallback(func() {
			require.Equal(t, before, b.books())
			require.Len(t, b.requests(id, "pay"), attempts, "nothing is sent for a stranger")
			for _, a := range sent {
				require.True(t, a.done || a.refused != nil, "every update is answered")
			}
		}, 20*time.Second)
	}, 200*time.Second) // pays at 0, 1, 3, … 127 and 255 s
	p := run.finish()
	require.Equal(t, domain.StateSucceeded, p.State)
	require.False(t, p.Held)
	b.moved(id, 1)
	b.scheduledWaitsGrow(id)
	for _, cause := range b.causes(id) {
		require.Equal(t, domain.CauseScheduled, cause)
	}
}

// The same for an order whose client still thinks: it is neither held nor decided, and the
// next look happens.
func TestHostileUpdatesOfAnOrder(t *testing.T) {
	w := newTill(t)
	id, other := w.accepted(thinks, nil), w.accepted(thinks, nil)
	foreign, err := w.ledger.PlaceAction(t.Context(), storage.Action{Process: other.WorkflowID(), Action: domain.ActionHold, Caller: "aigul",
		IdempotencyKey: "h", RequestSHA256: "-", RequestedAt: storage.At(time.Now())})
	require.NoError(t, err)
	s := w.sale(id)
	var sent []*answerOf
	s.after(30*time.Second, func() {
		inputs := append([]string{`{"orderId":999}`, fmt.Sprintf(`{"orderId":%d}`, foreign.ID)}, nonsense...)
		for n, name := range []string{"retry", "hold", "release", activities.UpdateDecide, activities.UpdateChoose, "invented"} {
			for m, input := range inputs {
				a := &answerOf{}
				sent = append(sent, a)
				s.UpdateWorkflow(name, fmt.Sprintf("hostile %d %d", n, m), a, json.RawMessage(input))
			}
		}
	})
	looks := 0
	s.after(40*time.Second, func() {
		o := w.order(id)
		require.Equal(t, domain.OrderWaitingForClient, o.State)
		require.False(t, o.Held)
		require.Empty(t, o.Decision)
		for _, a := range sent {
			require.True(t, a.done || a.refused != nil, "every update is answered")
		}
		looks, _ = w.calls(id, simulated.CallState)
	})
	s.after(3*time.Minute, func() {
		now, _ := w.calls(id, simulated.CallState)
		require.Greater(t, now, looks, "the next look happens")
	})
	s.decides(4*time.Minute, domain.DecisionReject)
	require.Equal(t, domain.OrderFailed, s.finish().State)
}

func actionNames() (names []string) {
	for _, action := range domain.Actions() {
		names = append(names, string(action))
	}
	return names
}

// A workflow that a stranger starts for nothing ends by itself, and asks nobody.
func TestWorkflowsForNothingEnd(t *testing.T) {
	b, w := newBank(t), newTill(t)
	w.ledger = b.ledger
	ladder := domain.Ladder{Initial: time.Second, FactorMilli: 2000}
	for name, start := range map[string]struct {
		workflow any
		input    any
	}{
		"payment": {workflows.Payment, workflows.PaymentInput{PaymentID: 999, Ladder: ladder, PartnerTimeout: time.Second}},
		"order":   {workflows.Order, workflows.OrderInput{OrderID: "nowhere", Ladder: ladder, PartnerTimeout: time.Second}},
		"return":  {workflows.Return, workflows.ReturnInput{OrderID: "nowhere", ReturnID: "r", Ladder: ladder, PartnerTimeout: time.Second}},
		"contract": {workflows.PaymentOrder, workflows.PaymentOrderInput{Contract: "nowhere", PartnerTimeout: time.Second,
			Again: workflows.Poll{First: time.Second, Most: time.Minute}}},
	} {
		t.Run(name, func(t *testing.T) {
			env := quiet().NewTestWorkflowEnvironment()
			env.SetTestTimeout(10 * time.Second)
			env.RegisterWorkflow(start.workflow)
			activities.Register(env, b.process(), &activities.Ledger{Ledger: b.ledger}, w.activities(), &activities.Collection{Ledger: b.ledger, Zone: time.UTC})
			env.ExecuteWorkflow(start.workflow, start.input)
			require.True(t, env.IsWorkflowCompleted())
			require.True(t, activities.IsFinal(env.GetWorkflowError()), "%v", env.GetWorkflowError())
		})
	}
	require.Empty(t, b.centre.Requests(999))
}
