package workflows_test

import (
	"context"
	"log/slog"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/testsuite"

	"tolem/activities"
	"tolem/domain"
	"tolem/partners/loxon"
	"tolem/storage"
	"tolem/workflows"
)

// demand is one run of a contract's workflow in skipped time, with nobody where Loxon's
// broker should be.
type demand struct {
	*testsuite.TestWorkflowEnvironment
	t        *testing.T
	ledger   *storage.Ledger
	contract domain.ContractNumber
	started  map[string]int
}

const raiseAfter = 4 * time.Hour

// notAccepted is a contract whose payment order has ended, and of whose two events Loxon has
// none.
func notAccepted(t *testing.T) *demand {
	t.Helper()
	d := &demand{t: t, contract: "ДБЗ/7 Қ", started: map[string]int{}}
	var err error
	d.ledger, err = storage.Open(t.Context(), "sqlite://"+t.TempDir()+"/ledger.db")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, d.ledger.Close()) })
	_, err = d.ledger.Migrate(t.Context())
	require.NoError(t, err)
	_, err = d.ledger.TakeLoans(t.Context(), storage.LoanBatch{Caller: "eko", Day: "2026-02-17", Digest: "x", At: time.Now(),
		Loans: []storage.Loan{{Contract: d.contract, IBAN: "KZ000000000000000000", Currency: "KZT", IINBIN: "000000000000", Debt: 1000}}})
	require.NoError(t, err)
	o := d.order()
	for _, part := range domain.DossierParts() {
		require.NoError(t, d.ledger.RecordPart(t.Context(), storage.GatheredPart{Contract: d.contract, Asked: o.Account(),
			Call: storage.Call{Process: d.contract.WorkflowID(), At: time.Now()}, Outcome: storage.Outcome{Kind: storage.Answered},
			Item: storage.DossierItem{OrderID: o.ID, Part: part, State: domain.PartGot, UpdatedAt: storage.At(time.Now())}}))
	}
	sent, err := d.ledger.SendRequest(t.Context(), d.contract, o.ID, time.Now())
	require.NoError(t, err)
	require.True(t, sent)
	_, o, _, err = d.ledger.ReportStatus(t.Context(), storage.ReportedStatus{Contract: d.contract, Caller: "bank", Key: "n", RequestSHA256: "x",
		Status: domain.StatusNotAccepted, EventAt: time.Now(), At: time.Now()})
	require.NoError(t, err)
	require.True(t, o.State.Terminal())
	d.environment()
	return d
}

func (d *demand) environment() {
	d.t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(d.t, err)
	nobody := listener.Addr().String()
	require.NoError(d.t, listener.Close())
	producer, err := loxon.New(loxon.Options{Brokers: []string{nobody}, Topic: "loxon", DialTimeout: time.Second, WriteTimeout: time.Second})
	require.NoError(d.t, err)
	d.t.Cleanup(func() { require.NoError(d.t, producer.Close()) })
	suite := &testsuite.WorkflowTestSuite{}
	suite.SetLogger(log.NewStructuredLogger(slog.New(slog.DiscardHandler)))
	d.TestWorkflowEnvironment = suite.NewTestWorkflowEnvironment()
	d.SetTestTimeout(time.Minute)
	d.RegisterWorkflow(workflows.PaymentOrder)
	activities.Register(d, &activities.Collection{Ledger: d.ledger, Loxon: producer, Topic: "loxon", BIC: "HSBKKZKX", Zone: time.UTC, GuessDate: true})
	count := func(info *activity.Info) { d.started[info.ActivityType.Name]++ }
	d.SetOnActivityStartedListener(func(info *activity.Info, _ context.Context, _ converter.EncodedValues) { count(info) })
	d.SetOnLocalActivityStartedListener(func(info *activity.Info, _ context.Context, _ []any) { count(info) })
}

func (d *demand) order() storage.PaymentOrder {
	d.t.Helper()
	o, err := d.ledger.PaymentOrder(d.t.Context(), d.contract)
	require.NoError(d.t, err)
	return o
}

// finish runs the workflow to its end: the order has ended, and nothing is unsent.
func (d *demand) finish() {
	d.t.Helper()
	terms := workflows.CollectionTerms{PartnerTimeout: time.Second, RaiseAfter: raiseAfter, Again: workflows.Poll{First: time.Minute, Most: time.Hour}}
	d.ExecuteWorkflow(workflows.PaymentOrder, terms.Input(d.contract))
	require.True(d.t, d.IsWorkflowCompleted())
	require.NoError(d.t, d.GetWorkflowError())
	unsent, err := d.ledger.UnsentEvents(d.t.Context(), d.contract)
	require.NoError(d.t, err)
	require.Zero(d.t, unsent)
}

// at does something to the ledger at a moment of the skipped time, and wakes the workflow as
// the API does.
func (d *demand) at(after time.Duration, do func()) {
	d.RegisterDelayedCallback(func() {
		do()
		d.SignalWorkflow(activities.NudgeSignal, activities.Nudge{Cause: domain.CauseOperator})
	}, after)
}

// asks is a person's action on the contract.
func (d *demand) asks(who, key string, a domain.Action, event int64) {
	d.t.Helper()
	_, _, _, err := d.ledger.ActOnPaymentOrder(d.t.Context(), d.contract, storage.Action{Process: d.contract.WorkflowID(), Action: a, Caller: who,
		IdempotencyKey: key, RequestSHA256: key, RequestedAt: storage.At(time.Now())}, storage.PaymentOrderAsk{Event: event})
	require.NoError(d.t, err)
}

func (d *demand) events() []storage.PaymentOrderEvent {
	d.t.Helper()
	events, err := d.ledger.PaymentOrderEvents(d.t.Context(), d.contract, 0, 10)
	require.NoError(d.t, err)
	return events
}

// published is what the broker's answer would have recorded.
func (d *demand) published() {
	d.t.Helper()
	for range d.events() {
		made := storage.Call{Process: d.contract.WorkflowID(), Name: storage.CallTell, At: time.Now()}
		told, err := d.ledger.BeginTelling(d.t.Context(), d.contract, made, func(storage.PaymentOrderEvent, storage.PaymentOrder) ([]byte, error) { return []byte("{}"), nil })
		require.NoError(d.t, err)
		require.NoError(d.t, d.ledger.RecordTelling(d.t.Context(), storage.Telling{Contract: d.contract, Told: told, Call: made,
			Outcome: storage.Outcome{Kind: storage.Answered}, Place: &storage.Place{Topic: "loxon"}}))
	}
}

// The last event of an ended payment order is late as any other: a person is asked to look,
// once, and until the broker has it.
func TestEventsLateAfterTheEnd(t *testing.T) {
	d := notAccepted(t)
	raised := func() bool { return d.order().NeedsOperator }
	d.RegisterDelayedCallback(func() { require.False(t, raised()) }, raiseAfter-2*time.Minute)
	d.RegisterDelayedCallback(func() {
		require.True(t, raised())
		require.Equal(t, domain.ReasonEventLate, d.order().OperatorReason)
	}, raiseAfter+time.Minute)
	d.at(2*raiseAfter, func() {
		d.asks("aigul", "r", domain.ActionRetry, 0)
		require.True(t, raised(), "a retry publishes nothing by itself")
		d.published()
	})
	d.finish()
	require.False(t, raised())
	require.Equal(t, 1, d.started[activities.FlagContract.Name])
	require.Greater(t, d.started[activities.TellLoxon.Name], 8, "attempts go on")
}

// While two people decide whether an event is set aside nothing is sent, however long; then
// what follows goes on.
func TestNothingIsSentWhileAnEventIsSetAside(t *testing.T) {
	d := notAccepted(t)
	first, last := d.events()[0], d.events()[1]
	d.asks("aigul", "s1", domain.ActionSetAside, first.ID)
	d.at(20*time.Hour, func() {
		require.Zero(t, d.started[activities.TellLoxon.Name])
		d.asks("berik", "s2", domain.ActionSetAside, first.ID)
		d.asks("berik", "s3", domain.ActionSetAside, last.ID)
	})
	d.at(22*time.Hour, func() { d.asks("aigul", "s4", domain.ActionSetAside, last.ID) })
	d.finish()
	require.Zero(t, d.started[activities.TellLoxon.Name])
	require.Zero(t, d.started[activities.SeekEvents.Name], "there is nothing to look for")
}

// By the workflow's clock a proposal has lapsed and by the ledger's it has not: the workflow
// waits longer each time, and asks no faster than for a broker that is away.
func TestProposalThatLapsesLaterByTheLedger(t *testing.T) {
	d := notAccepted(t)
	d.asks("aigul", "s1", domain.ActionSetAside, d.events()[0].ID)
	d.at(48*time.Hour, func() {
		require.Greater(t, d.started[activities.TellLoxon.Name], 5)
		require.Less(t, d.started[activities.TellLoxon.Name], 60)
		calls, err := d.ledger.Attempts(t.Context(), d.contract.WorkflowID(), 0, 100)
		require.NoError(t, err)
		for _, c := range calls {
			require.NotEqual(t, storage.CallTell, c.Call, "nothing was sent")
		}
		d.asks("berik", "d", domain.ActionDecline, 0)
		d.published()
	})
	d.finish()
}

// An event that may have been published is looked for in the topic, and again where the topic
// cannot be read; nothing is sent meanwhile.
func TestTopicIsReadForAnAttemptedEvent(t *testing.T) {
	d := notAccepted(t)
	made := storage.Call{Process: d.contract.WorkflowID(), Name: storage.CallTell, At: time.Now()}
	told, err := d.ledger.BeginTelling(t.Context(), d.contract, made, func(storage.PaymentOrderEvent, storage.PaymentOrder) ([]byte, error) { return []byte("{}"), nil })
	require.NoError(t, err)
	require.NoError(t, d.ledger.RecordTelling(t.Context(), storage.Telling{Contract: d.contract, Told: told, Call: made,
		Outcome: storage.Outcome{Kind: string(domain.Invalid), Failure: "too_large"}, Reason: domain.ReasonEventRejected}))
	d.asks("aigul", "s1", domain.ActionSetAside, told.Event.ID)
	d.at(10*time.Hour, func() {
		require.Zero(t, d.started[activities.TellLoxon.Name])
		require.Greater(t, d.started[activities.SeekEvents.Name], 8)
		require.Less(t, d.started[activities.SeekEvents.Name], 30)
		calls, err := d.ledger.Attempts(t.Context(), d.contract.WorkflowID(), 0, 100)
		require.NoError(t, err)
		require.Equal(t, []string{"seek", "unavailable"}, []string{calls[len(calls)-1].Call, calls[len(calls)-1].Outcome})
		d.asks("aigul", "d", domain.ActionDecline, 0)
		d.published()
	})
	d.finish()
	require.False(t, d.order().NeedsOperator)
}

// What an attempt of unknown outcome wrote may still be under way by the ledger's clock: the
// topic is not read yet, and the workflow asks for it no faster than for a broker that is away.
func TestTopicIsNotReadTooSoon(t *testing.T) {
	d := notAccepted(t)
	made := storage.Call{Process: d.contract.WorkflowID(), Name: storage.CallTell, At: time.Now().Add(time.Hour)}
	told, err := d.ledger.BeginTelling(t.Context(), d.contract, made, func(storage.PaymentOrderEvent, storage.PaymentOrder) ([]byte, error) { return []byte("{}"), nil })
	require.NoError(t, err)
	d.asks("aigul", "s1", domain.ActionSetAside, told.Event.ID)
	d.at(10*time.Hour, func() {
		require.Positive(t, d.started[activities.SeekEvents.Name])
		require.Less(t, d.started[activities.SeekEvents.Name], 30)
		calls, err := d.ledger.Attempts(t.Context(), d.contract.WorkflowID(), 0, 100)
		require.NoError(t, err)
		require.Equal(t, storage.CallTell, calls[len(calls)-1].Call, "the topic was not read")
		d.asks("aigul", "d", domain.ActionDecline, 0)
		d.published()
	})
	d.finish()
}
