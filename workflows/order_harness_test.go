package workflows_test

import (
	"context"
	"log/slog"
	"net/http/httptest"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/testsuite"

	"tolem/activities"
	"tolem/domain"
	"tolem/partners/cfront"
	simulated "tolem/simulators/cfront"
	"tolem/storage"
	"tolem/workflows"
)

// till is one ledger and one simulated bank of trade instalments with its own books.
// Executions of the real workflows, with real activities and the real client, run
// against them in skipped time.
type till struct {
	t      *testing.T
	ledger *storage.Ledger
	bank   *simulated.Bank
	url    string
	file   string // the ledger's
	speaks cfront.Dialect
	now    atomic.Value // func() time.Time: the running execution's skipped time
	change func(*activities.CFRONT)
	keys   int
}

const (
	agrees  = "+77010000011"
	thinks  = "+77010000012" // and never answers
	storeID = "store-1"
	secret  = "bank-secret"
)

func newTill(t *testing.T) *till {
	t.Helper()
	w := &till{t: t, file: filepath.Join(t.TempDir(), "ledger.db"), change: func(*activities.CFRONT) {}}
	w.now.Store(time.Now)
	var err error
	w.ledger, err = storage.Open(t.Context(), "sqlite://"+w.file)
	require.NoError(t, err)
	_, err = w.ledger.Migrate(t.Context())
	require.NoError(t, err)
	w.bank, err = simulated.New(simulated.Options{StoreID: storeID, Secret: secret, Now: func() time.Time { return w.now.Load().(func() time.Time)() }})
	require.NoError(t, err)
	server := httptest.NewServer(w.bank.Handler())
	w.url = server.URL
	t.Cleanup(func() {
		require.NoError(t, w.bank.Close())
		server.Close()
		require.NoError(t, w.ledger.Close())
	})
	return w
}

// set changes the simulated bank's settings.
func (w *till) set(change func(*simulated.Settings)) {
	w.t.Helper()
	s := w.bank.Settings()
	change(&s)
	require.NoError(w.t, w.bank.Set(s))
}

// accepted commits an order as the API does.
func (w *till) accepted(phone string, change func(*storage.InstalmentOrder)) domain.StoreOrderID {
	w.t.Helper()
	w.keys++
	id := domain.StoreOrderID("чек/" + string(rune('a'+w.keys)))
	body, err := cfront.CreateRequest{
		StoreOrderID: string(id), ClientPhone: phone, TotalSum: 9_000_000, InvoiceNumber: "17", InvoiceDate: "2026-02-17", InvoiceSource: "STORE",
		Programs: []cfront.Program{{Type: "Рассрочка 3", PartsCounts: []int{3}}},
		Products: []cfront.Product{{Name: "Телефон", Count: 1, Sum: 9_000_000}},
	}.Body(cfront.Dialect{})
	require.NoError(w.t, err)
	o := storage.InstalmentOrder{
		ID: id, Caller: "till-1", RequestSHA256: "-", Request: "{}", ClientPhone: phone, TotalSum: 9_000_000, CallbackToken: string(id), CreateBody: body,
		RetryInitial: time.Second, RetryFactorMilli: 2000, CreatedAt: storage.At(time.Now()),
	}
	if change != nil {
		change(&o)
	}
	_, created, err := w.ledger.AcceptOrder(w.t.Context(), o)
	require.NoError(w.t, err)
	require.True(w.t, created)
	return id
}

func (w *till) client() *cfront.Client {
	w.t.Helper()
	c, err := cfront.New(cfront.Options{URL: w.url, StoreID: storeID, Secret: secret, Timeout: 2 * time.Second, Dialect: w.speaks})
	require.NoError(w.t, err)
	return c
}

func (w *till) activities() *activities.CFRONT {
	a := &activities.CFRONT{Ledger: w.ledger, Bank: w.client()}
	w.change(a)
	return a
}

// sale is one run of an order's workflow in a worker process of its own.
type sale struct {
	*testsuite.TestWorkflowEnvironment
	w       *till
	id      domain.StoreOrderID
	input   workflows.OrderInput
	started map[string]int
	moments map[string]func()
	queues  map[string]bool // of the activities that were not made by the workflow's own worker
	// contradicts is the reason of the incident that stays after the end; "" for none.
	contradicts domain.OperatorReason
}

// environment is a test environment with everything registered.
func (w *till) environment() *testsuite.TestWorkflowEnvironment {
	w.t.Helper()
	suite := &testsuite.WorkflowTestSuite{}
	suite.SetLogger(log.NewStructuredLogger(slog.New(slog.DiscardHandler)))
	env := suite.NewTestWorkflowEnvironment()
	env.SetTestTimeout(time.Minute)
	env.RegisterWorkflow(workflows.Order)
	env.RegisterWorkflow(workflows.Return)
	env.RegisterWorkflow(workflows.OrderMove)
	activities.Register(env, w.activities())
	activities.Register(env, &activities.Ledger{Ledger: w.ledger})
	w.now.Store(env.Now)
	return env
}

func (w *till) sale(id domain.StoreOrderID) *sale {
	w.t.Helper()
	s := &sale{TestWorkflowEnvironment: w.environment(), w: w, id: id, started: map[string]int{}, moments: map[string]func(){}, queues: map[string]bool{}}
	o := w.order(id)
	s.input = workflows.OrderTerms{
		PartnerTimeout: 2 * time.Second, RaiseAfter: 15 * time.Minute, PayoutRaiseAfter: 72 * time.Hour,
		Poll: workflows.Poll{First: 2 * time.Second, Most: time.Minute}, PayoutPoll: workflows.Poll{First: 2 * time.Second, Most: time.Hour},
	}.Order(id, o.Ladder(), workflows.OrderOptions{ValidateClient: o.ValidateClient, AutoConfirm: o.AutoConfirm})
	s.SetOnActivityStartedListener(func(info *activity.Info, _ context.Context, _ converter.EncodedValues) { s.begins(info) })
	s.SetOnLocalActivityStartedListener(func(info *activity.Info, _ context.Context, _ []any) { s.begins(info) })
	return s
}

func (s *sale) begins(info *activity.Info) {
	name := info.ActivityType.Name
	s.started[name]++
	if !info.IsLocalActivity {
		s.queues[info.TaskQueue] = true
	}
	if do := s.moments[name]; do != nil {
		do()
	}
}

// during does something each time an activity of a name begins.
func (s *sale) during(name string, do func()) { s.moments[name] = do }

// after does something at a moment of the skipped time.
func (s *sale) after(d time.Duration, do func()) { s.RegisterDelayedCallback(do, d) }

// decides lays down that the store decides at a moment: first the ledger's row, then the
// update, as the API does.
func (s *sale) decides(after time.Duration, d domain.Decision) *ordered {
	s.w.t.Helper()
	told := &ordered{}
	s.after(after, func() {
		_, err := s.w.ledger.Decide(context.Background(), s.id, d, "till-1")
		require.NoError(s.w.t, err)
		s.UpdateWorkflow(activities.UpdateDecide, string(d), told)
	})
	return told
}

// calledBack lays down that the bank calls back: the ledger's row, then the signal.
func (s *sale) calledBack(after time.Duration, state domain.BankState) {
	s.after(after, func() {
		_, err := s.w.ledger.RecordCallback(context.Background(), storage.Callback{OrderID: s.id, State: state.State, SubState: state.SubState, At: storage.At(time.Now())})
		require.NoError(s.w.t, err)
		s.SignalWorkflow(activities.NudgeSignal, activities.Nudge{Cause: domain.CauseNews})
	})
}

// acts lays down that an operator acts at a moment.
func (s *sale) acts(after time.Duration, action domain.Action) *orderAnswer {
	s.w.t.Helper()
	answer := &orderAnswer{}
	s.after(after, func() {
		s.w.keys++
		key := string(action) + string(rune('a'+s.w.keys))
		row, err := s.w.ledger.PlaceAction(context.Background(), storage.Action{
			Process: s.id.WorkflowID(), Action: action, Caller: "aigul", IdempotencyKey: key, RequestSHA256: "-", RequestedAt: storage.At(time.Now()),
		})
		require.NoError(s.w.t, err)
		s.UpdateWorkflow(string(action), key, answer, workflows.ActionInput{OrderID: row.ID})
	})
	return answer
}

// orderAnswer is what came of a person's action on an order.
type orderAnswer struct {
	done    bool
	refused error // at the door
	workflows.OrderActionResult
}

func (o *orderAnswer) Accept()          {}
func (o *orderAnswer) Reject(err error) { o.refused = err }
func (o *orderAnswer) Complete(success any, err error) {
	o.done = err == nil
	if o.done {
		o.OrderActionResult, _ = success.(workflows.OrderActionResult)
	}
}

// finish runs the workflow to its end. Whatever happened, Temporal, the ledger and the
// bank's books agree: one order at most, one decision at most, one end.
func (s *sale) finish() storage.InstalmentOrder {
	s.w.t.Helper()
	s.ExecuteWorkflow(workflows.Order, s.input)
	require.True(s.w.t, s.IsWorkflowCompleted())
	require.NoError(s.w.t, s.GetWorkflowError())
	var result workflows.OrderResult
	require.NoError(s.w.t, s.GetWorkflowResult(&result))
	o := s.w.order(s.id)
	require.Equal(s.w.t, o.State, result.State, "a workflow closes only in the ledger's state")
	require.True(s.w.t, o.State.Terminal())
	if require.Equal(s.w.t, s.contradicts != "", o.NeedsOperator, o.OperatorReason); o.NeedsOperator {
		require.Equal(s.w.t, s.contradicts, o.OperatorReason)
	}
	s.w.agree(o)
	return o
}

// agree compares an order that ended with the bank's books.
func (w *till) agree(o storage.InstalmentOrder) {
	w.t.Helper()
	booked, there := w.bank.Order(string(o.ID))
	require.LessOrEqual(w.t, booked.Confirms+booked.Rejects, 1, "one decision")
	require.Zero(w.t, w.bank.Totals().Broken)
	switch {
	case !there:
		require.Equal(w.t, domain.OrderFailed, o.State)
		require.Empty(w.t, o.BankOrderID)
	case o.State == domain.OrderPaidOut:
		require.Equal(w.t, "SUCCESS", booked.State.Main)
	case booked.State.Sub != "RETURNED":
		require.Equal(w.t, "FAIL", booked.State.Main)
		require.Equal(w.t, booked.State.Sub, o.FailReason)
	}
	if there {
		require.Equal(w.t, booked.OrderID, o.BankOrderID)
	}
	w.journalled(o.ID.WorkflowID(), o.ID, map[string]string{"create": simulated.CallCreate, "confirm": simulated.CallConfirm, "reject": simulated.CallReject})
}

// journalled says that the bank got no request of a process without a row of ours, that no
// byte changed between attempts, and that scheduled waits only grow. made are the calls that
// the process makes, by the journal's names and the bank's.
func (w *till) journalled(process string, id domain.StoreOrderID, made map[string]string) {
	w.t.Helper()
	calls, err := w.ledger.Attempts(context.Background(), process, 0, 10_000)
	require.NoError(w.t, err)
	rows, bodies, waited := map[string]int{}, map[string]string{}, map[string]time.Duration{}
	for _, c := range calls {
		rows[c.Call]++
		switch c.Call {
		case "create", "confirm", "reject", "return":
			if before, ok := bodies[c.Call]; ok {
				require.Equal(w.t, before, c.BodySHA256, "bytes of %s", c.Call)
			}
			bodies[c.Call] = c.BodySHA256
			if c.Waited > 0 {
				require.Greater(w.t, c.Waited, waited[c.Call], "waits of %s", c.Call)
				waited[c.Call] = c.Waited
			}
		}
	}
	for name, call := range made {
		received := 0
		for _, r := range w.bank.Requests(string(id)) {
			if r.Call != call {
				continue
			}
			if r.BodySHA256 == bodies[name] {
				received++
			} else {
				require.Equal(w.t, simulated.CallReturn, call, "bytes of %s as the bank got them", name) // of another return
			}
		}
		require.LessOrEqual(w.t, received, rows[name], "journalled calls of %s", name)
	}
}

func (w *till) order(id domain.StoreOrderID) storage.InstalmentOrder {
	w.t.Helper()
	o, err := w.ledger.InstalmentOrder(context.Background(), id)
	require.NoError(w.t, err)
	return o
}

// scripted lays down how the next answers of one call go wrong.
func (w *till) scripted(call string, answers ...simulated.Answer) {
	w.t.Helper()
	require.NoError(w.t, w.bank.Script(simulated.Script{Call: call, Answers: answers}))
}

// calls counts the requests of one call about an order, and those that were processed.
func (w *till) calls(id domain.StoreOrderID, call string) (made, processed int) {
	for _, r := range w.bank.Requests(string(id)) {
		if r.Call == call {
			made++
			if r.Processed {
				processed++
			}
		}
	}
	return made, processed
}
