package workflows_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"

	"tolem/activities"
	"tolem/domain"
	"tolem/partners/processing"
	centre "tolem/simulators/processing"
	"tolem/storage"
	"tolem/workflows"
)

// bank is one ledger and one simulated processing centre with its own books.
// Executions of the real workflow, with real activities and the real client, run
// against them in skipped time.
type bank struct {
	t       *testing.T
	ledger  *storage.Ledger
	centre  *centre.Centre
	url     string
	file    string           // the ledger's
	now     func() time.Time // the running execution's skipped time
	timeout time.Duration
	keys    int // of orders so far
}

func newBank(t *testing.T) *bank {
	t.Helper()
	b := &bank{t: t, now: time.Now, timeout: 2 * time.Second}
	var err error
	b.file = filepath.Join(t.TempDir(), "ledger.db")
	b.ledger, err = storage.Open(t.Context(), "sqlite://"+b.file)
	require.NoError(t, err)
	_, err = b.ledger.Migrate(t.Context())
	require.NoError(t, err)
	b.centre, err = centre.New(centre.Options{Token: "secret", Now: func() time.Time { return b.now() }})
	require.NoError(t, err)
	server := httptest.NewServer(b.centre.Handler())
	b.url = server.URL
	t.Cleanup(func() {
		require.NoError(t, b.centre.Close())
		server.Close()
		require.NoError(t, b.ledger.Close())
	})
	return b
}

// accepted commits a payment as the API does. change alters the plain one.
func (b *bank) accepted(change func(*storage.Payment)) domain.AgentTransactionID {
	b.t.Helper()
	amount := domain.Money(20_000)
	p := storage.Payment{
		Caller: "shop", IdempotencyKey: b.t.Name(), RequestSHA256: "-", ServiceID: "P1011", Account: "7770017711",
		AmountTo: &amount, AutoPay: true, AgentTransactionDate: "2026-02-17T16:48:37",
		RetryInitial: time.Second, RetryFactorMilli: 2000, CreatedAt: storage.At(time.Now()),
	}
	if change != nil {
		change(&p)
	}
	p, created, err := b.ledger.Accept(b.t.Context(), p)
	require.NoError(b.t, err)
	require.True(b.t, created)
	return p.ID
}

// process is the activities of one worker process: what it keeps in memory dies
// with it.
func (b *bank) process() *activities.Processing {
	b.t.Helper()
	client, err := processing.New(processing.Options{URL: b.url, Token: "secret", Timeout: b.timeout})
	require.NoError(b.t, err)
	return &activities.Processing{Ledger: b.ledger, Centre: client}
}

// execution is one run of the payment workflow in a worker process of its own.
type execution struct {
	*testsuite.TestWorkflowEnvironment
	b       *bank
	id      domain.AgentTransactionID
	input   workflows.PaymentInput
	process *activities.Processing
	started map[string]int // activities begun so far, by name
	moments map[string]func()
	shared  map[string][]string // the queues of those that were not made by the workflow's own worker
	timers  int                 // begun so far
}

func (b *bank) execution(id domain.AgentTransactionID) *execution {
	b.t.Helper()
	suite := &testsuite.WorkflowTestSuite{}
	suite.SetLogger(log.NewStructuredLogger(slog.New(slog.DiscardHandler)))
	env := suite.NewTestWorkflowEnvironment()
	env.SetTestTimeout(time.Minute)
	env.RegisterWorkflow(workflows.Payment)
	e := &execution{TestWorkflowEnvironment: env, b: b, id: id, input: workflows.PaymentInput{
		PaymentID: id, ServiceID: "P1011", Ladder: domain.Ladder{Initial: time.Second, FactorMilli: 2000}, PartnerTimeout: b.timeout,
	}, process: b.process(), started: map[string]int{}, shared: map[string][]string{}, moments: map[string]func(){}}
	activities.Register(env, e.process)
	activities.Register(env, &activities.Ledger{Ledger: b.ledger})
	env.SetOnActivityStartedListener(func(info *activity.Info, _ context.Context, _ converter.EncodedValues) { e.begins(info) })
	env.SetOnLocalActivityStartedListener(func(info *activity.Info, _ context.Context, _ []any) { e.begins(info) })
	env.SetOnTimerScheduledListener(func(string, time.Duration) { e.timers++ })
	b.now = env.Now
	return e
}

// begins counts the activities that begin, and does what a test wants done just
// then: the workflow waits for the activity meanwhile.
func (e *execution) begins(info *activity.Info) {
	e.started[info.ActivityType.Name]++
	if !info.IsLocalActivity {
		e.shared[info.ActivityType.Name] = append(e.shared[info.ActivityType.Name], info.TaskQueue)
	}
	if do := e.moments[fmt.Sprint(info.ActivityType.Name, e.started[info.ActivityType.Name])]; do != nil {
		do()
	}
}

// during does something when the n-th activity of a name has begun and has not
// done anything yet.
func (e *execution) during(name string, n int, do func()) { e.moments[fmt.Sprint(name, n)] = do }

// finish runs the workflow to its end. Whatever happened, what Temporal says and
// what the ledger says must agree.
func (e *execution) finish() storage.Payment {
	e.b.t.Helper()
	e.ExecuteWorkflow(workflows.Payment, e.input)
	require.True(e.b.t, e.IsWorkflowCompleted())
	require.NoError(e.b.t, e.GetWorkflowError())
	var result workflows.PaymentResult
	require.NoError(e.b.t, e.GetWorkflowResult(&result))
	payment := e.b.payment(e.id)
	require.Equal(e.b.t, payment.State, result.State, "a workflow closes only in the ledger's state")
	require.True(e.b.t, payment.State.Terminal())
	e.b.everyCallJournalled(e.id)
	return payment
}

// everyCallJournalled compares our journal with the requests the centre received:
// a call may be begun and never made, but none is made without a row.
func (b *bank) everyCallJournalled(id domain.AgentTransactionID) {
	b.t.Helper()
	attempts, err := b.ledger.Attempts(b.t.Context(), id.WorkflowID(), 0, 1000)
	require.NoError(b.t, err)
	journalled := map[string]int{}
	for _, a := range attempts {
		journalled[a.Call]++
	}
	for _, call := range []string{"check", "pay"} {
		require.LessOrEqual(b.t, len(b.requests(id, call)), journalled[call], "journalled calls of "+call)
	}
}

// run is accept and finish of a plain payment.
func (b *bank) run(change func(*storage.Payment)) storage.Payment {
	b.t.Helper()
	return b.execution(b.accepted(change)).finish()
}

func (b *bank) payment(id domain.AgentTransactionID) storage.Payment {
	b.t.Helper()
	p, err := b.ledger.Payment(context.WithoutCancel(b.t.Context()), id)
	require.NoError(b.t, err)
	return p
}

// scripted lays down the next answers of one call.
func (b *bank) scripted(call string, answers ...centre.Answer) {
	b.t.Helper()
	require.NoError(b.t, b.centre.Script(centre.Script{Call: call, Answers: answers}))
}

func code(c domain.Code) centre.Answer { return centre.Answer{Code: int(c)} }

func fault(f centre.Fault) centre.Answer { return centre.Answer{Fault: f} }

// once answers a code without looking at or touching the books.
func once(c domain.Code) centre.Answer { return centre.Answer{Code: int(c), Transient: true} }

// broken makes the ledger fail at what an SQL trigger names, until it is mended.
func (b *bank) broken(at string) (mend func()) {
	b.t.Helper()
	b.sql("CREATE TRIGGER broken BEFORE " + at + " BEGIN SELECT RAISE(FAIL, 'no space left'); END")
	return func() { b.sql("DROP TRIGGER broken") }
}

// openReasons are those of the payment's open incidents, the newest first.
func (b *bank) openReasons(id domain.AgentTransactionID) (all []domain.OperatorReason) {
	b.t.Helper()
	yes := true
	found, _, err := b.ledger.Incidents(context.WithoutCancel(b.t.Context()), storage.IncidentFilter{Process: domain.ProcessPayment, Subject: id.String(), Open: &yes}, "", 50)
	require.NoError(b.t, err)
	for _, i := range found {
		all = append(all, i.Reason)
	}
	return all
}

// deadlinePasses has every payer's deadline pass by the ledger's clock, which skipped time
// does not move.
func (b *bank) deadlinePasses() { b.sql("UPDATE payments SET payer_until = 1") }

// down takes the payments away from the ledger: nothing can be read or written.
func (b *bank) down() (up func()) {
	b.t.Helper()
	b.sql("ALTER TABLE payments RENAME TO payments_away")
	return func() { b.sql("ALTER TABLE payments_away RENAME TO payments") }
}

// sql runs one statement beside the ledger.
func (b *bank) sql(statement string) {
	b.t.Helper()
	db, err := sql.Open("sqlite", b.file+"?_pragma=busy_timeout(5000)")
	require.NoError(b.t, err)
	defer func() { require.NoError(b.t, db.Close()) }()
	_, err = db.ExecContext(context.WithoutCancel(b.t.Context()), statement)
	require.NoError(b.t, err)
}

// requests are the bytes and times of one call as the centre received them.
func (b *bank) requests(id domain.AgentTransactionID, call string) (got []centre.Request) {
	for _, r := range b.centre.Requests(int64(id)) {
		if r.Call == call {
			got = append(got, r)
		}
	}
	return got
}

// moved asserts, by the centre's own books, how often the payer's money moved
// and, if it did, for how much.
func (b *bank) moved(id domain.AgentTransactionID, times int) {
	b.t.Helper()
	require.Equal(b.t, times, b.centre.Effects(int64(id)), "effects in the processing centre's books")
	if times == 1 {
		booked, _ := b.centre.Payment(int64(id))
		require.EqualValues(b.t, *b.payment(id).AmountTo, booked.AmountTo)
	}
}

// sameBytes asserts that no byte changed between the attempts of one call.
func (b *bank) sameBytes(id domain.AgentTransactionID, call string) {
	b.t.Helper()
	requests := b.requests(id, call)
	for _, r := range requests {
		require.Equal(b.t, requests[0].Body, r.Body)
		require.True(b.t, json.Valid([]byte(r.Body)))
	}
}

// TestMain keeps the attempts' log lines out of the results.
func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	m.Run()
}

func pointer[T any](v T) *T { return &v }

// attemptsOfALostRun makes the attempts of a run that Temporal then lost: check,
// and pays up the ladder. The process that made them is gone when it returns.
func (b *bank) attemptsOfALostRun(id domain.AgentTransactionID, attempts int) {
	b.t.Helper()
	env := (&testsuite.WorkflowTestSuite{}).NewTestActivityEnvironment()
	process := b.process()
	activities.Register(env, process)
	ladder := domain.Ladder{Initial: time.Second, FactorMilli: 2000}
	for i := range attempts {
		in := activities.AttemptInput{PaymentID: id, Step: i + 1, Cause: domain.CauseScheduled, Waits: max(0, i-1), NextWait: ladder.Wait(max(0, i-1) + 1)}
		attempt := process.Pay
		if i == 0 {
			attempt = process.Check
		}
		if i > 1 {
			in.Waited = ladder.Wait(i - 1)
		}
		_, err := env.ExecuteActivity(attempt, in)
		require.NoError(b.t, err)
	}
}

// orderOfALostRun is a person's order that a run followed before Temporal lost it:
// the ledger has the order and its effect.
func (b *bank) orderOfALostRun(id domain.AgentTransactionID, who string, action domain.Action, f storage.Following) {
	b.t.Helper()
	order, err := b.ledger.PlaceAction(b.t.Context(), storage.Action{
		Process: id.WorkflowID(), Action: action, Outcome: f.Outcome, Caller: who, IdempotencyKey: "of a lost run", RequestSHA256: "-",
		Reason: "the client calls", RequestedAt: storage.At(time.Now()),
	})
	require.NoError(b.t, err)
	f.PaymentID, f.OrderID = id, order.ID
	require.NoError(b.t, b.ledger.Follow(b.t.Context(), f))
}

// dieAfterEffect does what a worker did that was killed between the partner's
// effect and our record: check answered and recorded, pay executed, nothing of
// that written or remembered.
func (b *bank) dieAfterEffect(id domain.AgentTransactionID) {
	b.t.Helper()
	b.attemptsOfALostRun(id, 1)
	reply, err := b.process().Centre.Pay(b.t.Context(), b.payment(id).PayBody)
	require.NoError(b.t, err)
	require.Equal(b.t, domain.CodeSuccess, reply.Code)
}

// workerContext makes activities run under a context of the test's.
func workerContext(ctx context.Context) worker.Options {
	return worker.Options{BackgroundActivityContext: ctx}
}
