package workflows_test

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"tolem/activities"
	"tolem/domain"
	"tolem/storage"
	"tolem/workflows"
)

// batch commits rows as the API does: n of them from index first, with ids that
// the ledger makes, or from firstID if it is not 0.
func (b *bank) batch(first, n int, firstID domain.AgentTransactionID) (domain.BatchID, []domain.AgentTransactionID) {
	b.t.Helper()
	amount := domain.Money(20_000)
	rows := make([]storage.BatchRow, n)
	for i := range rows {
		p := storage.Payment{
			RequestSHA256: "-", ServiceID: "P1011", Account: "7770017711", FullName: "Иванов", AmountTo: &amount, AutoPay: true,
			AgentTransactionDate: "2026-02-17T16:48:37", RetryInitial: time.Second, RetryFactorMilli: 2000, CreatedAt: storage.At(time.Now()),
		}
		if firstID != 0 {
			p.ID = firstID + domain.AgentTransactionID(i)
		}
		rows[i] = storage.BatchRow{Index: first + i, Payment: p}
	}
	results, batch, err := b.ledger.AcceptBatch(context.WithoutCancel(b.t.Context()), "shop", b.t.Name(), rows)
	require.NoError(b.t, err)
	ids := make([]domain.AgentTransactionID, n)
	for i, r := range results {
		require.True(b.t, r.Created)
		ids[i] = r.ID
	}
	return batch, ids
}

// starts counts the starts of each payment.
type starts struct {
	mu sync.Mutex
	of map[domain.AgentTransactionID]int
	// hook runs in every start and says whether it fails.
	hook func(ctx context.Context, p storage.OpenPayment) error
}

func (s *starts) start(ctx context.Context, p storage.OpenPayment) error {
	s.mu.Lock()
	if s.of == nil {
		s.of = map[domain.AgentTransactionID]int{}
	}
	s.of[p.ID]++
	s.mu.Unlock()
	if s.hook != nil {
		return s.hook(ctx, p)
	}
	return nil
}

// intake runs the intake of a batch to its end, through all its runs. begin sees
// each run before it begins.
func (b *bank) intake(batch domain.BatchID, s *starts, begin func(run int, env *testsuite.TestWorkflowEnvironment)) (result workflows.IntakeResult, runs int) {
	b.t.Helper()
	in := workflows.IntakeInput{BatchID: batch}
	for {
		runs++
		suite := &testsuite.WorkflowTestSuite{}
		suite.SetLogger(log.NewStructuredLogger(slog.New(slog.DiscardHandler)))
		env := suite.NewTestWorkflowEnvironment()
		env.SetTestTimeout(time.Minute)
		env.RegisterWorkflowWithOptions(workflows.Intake, workflow.RegisterOptions{Name: activities.WorkflowIntake})
		activities.Register(env, &activities.Intake{Ledger: b.ledger, Start: s.start})
		if begin != nil {
			begin(runs, env)
		}
		env.ExecuteWorkflow(activities.WorkflowIntake, in)
		require.True(b.t, env.IsWorkflowCompleted())
		err := env.GetWorkflowError()
		if err == nil {
			require.NoError(b.t, env.GetWorkflowResult(&result))
			return result, runs
		}
		var next *workflow.ContinueAsNewError
		require.ErrorAs(b.t, err, &next)
		in = workflows.IntakeInput{} // what is left out must not stay
		require.NoError(b.t, converter.GetDefaultDataConverter().FromPayloads(next.Input, &in))
		require.NotContains(b.t, next.Input.String(), "7770017711", "items never travel in payloads")
	}
}

func TestIntakeStartsEveryPaymentOnce(t *testing.T) {
	for n, wantRuns := range map[int]int{1: 1, 500: 2, 1_203: 3} {
		t.Run(strconv.Itoa(n), func(t *testing.T) {
			b := newBank(t)
			batch, ids := b.batch(0, n, 0)
			other := b.accepted(nil)
			s := &starts{}
			result, runs := b.intake(batch, s, nil)
			require.Equal(t, wantRuns, runs)
			require.Equal(t, workflows.IntakeResult{Started: n}, result)
			require.Len(t, s.of, n)
			for _, id := range ids {
				require.Equal(t, 1, s.of[id])
			}
			require.Zero(t, s.of[other], "of no batch")
		})
	}
}

// What the intake started has moved on, or ended: it is not started again.
func TestIntakeLeavesAloneWhatMoved(t *testing.T) {
	b := newBank(t)
	batch, ids := b.batch(0, 3, 0)
	s := &starts{}
	b.intake(batch, s, nil)
	for _, id := range ids {
		require.Equal(t, domain.StateSucceeded, b.execution(id).finish().State)
		b.moved(id, 1)
	}
	_, added := b.batch(3, 1, 0)
	result, _ := b.intake(batch, s, nil)
	require.Equal(t, workflows.IntakeResult{Started: 1}, result)
	require.Equal(t, 1, s.of[ids[0]])
	require.Equal(t, 1, s.of[added[0]])
}

// Rows that a resumed batch adds behind an intake that runs, in the middle or in
// its last page, are started by it: their signal has it read from the beginning.
func TestIntakeReadsAgainWhenRowsAreAdded(t *testing.T) {
	for name, during := range map[string]domain.AgentTransactionID{"in a full page": 1_000, "in the last page": 1_600} {
		t.Run(name, func(t *testing.T) {
			b := newBank(t)
			batch, _ := b.batch(0, 700, 1_000)
			var running *testsuite.TestWorkflowEnvironment
			var added []domain.AgentTransactionID
			var once sync.Once
			s := &starts{hook: func(_ context.Context, p storage.OpenPayment) error {
				if p.ID == during {
					once.Do(func() {
						_, added = b.batch(700, 5, 10) // below every id that was read
						running.SignalWorkflow(activities.SignalMore, nil)
					})
				}
				return nil
			}}
			b.intake(batch, s, func(_ int, env *testsuite.TestWorkflowEnvironment) { running = env })
			require.Len(t, added, 5)
			for _, id := range added {
				require.Equal(t, 1, s.of[id], "payment %s", id)
			}
			require.Len(t, s.of, 705)
		})
	}
}

// The signal that comes with the start itself is no reason to read twice.
func TestIntakeReadsOnceWhenStarted(t *testing.T) {
	b := newBank(t)
	batch, _ := b.batch(0, 501, 0)
	s := &starts{}
	_, runs := b.intake(batch, s, func(run int, env *testsuite.TestWorkflowEnvironment) {
		if run == 1 {
			env.RegisterDelayedCallback(func() { env.SignalWorkflow(activities.SignalMore, nil) }, 0)
		}
	})
	require.Equal(t, 2, runs)
	for _, n := range s.of {
		require.Equal(t, 1, n)
	}
}

// Starts that fail are counted and left to the sweep; they hold up nobody.
func TestIntakeCountsWhatItCouldNotStart(t *testing.T) {
	b := newBank(t)
	batch, ids := b.batch(0, 40, 0)
	s := &starts{hook: func(_ context.Context, p storage.OpenPayment) error {
		if p.ID%4 == 0 {
			return errors.New("temporal is away")
		}
		return nil
	}}
	result, runs := b.intake(batch, s, nil)
	require.Equal(t, 1, runs)
	require.Equal(t, workflows.IntakeResult{Started: 30, Failed: 10}, result)
	require.Len(t, s.of, len(ids))
}

// Eight starts run at once, and never more: one that is slow does not hold up the
// page, and a page does not flood Temporal.
func TestIntakeStartsEightAtOnce(t *testing.T) {
	b := newBank(t)
	batch, _ := b.batch(0, 64, 0)
	var mu sync.Mutex
	running, most := 0, 0
	eight := make(chan struct{})
	s := &starts{hook: func(ctx context.Context, _ storage.OpenPayment) error {
		mu.Lock()
		running++
		if most = max(most, running); running == 8 && most == 8 {
			select {
			case <-eight:
			default:
				close(eight)
			}
		}
		mu.Unlock()
		select {
		case <-eight:
		case <-ctx.Done():
		}
		mu.Lock()
		running--
		mu.Unlock()
		return ctx.Err()
	}}
	result, _ := b.intake(batch, s, nil)
	require.Equal(t, workflows.IntakeResult{Started: 64}, result)
	require.Equal(t, 8, most)
}

// A page waits for a ledger that does not answer, and loses nothing.
func TestIntakeOutlivesTheLedger(t *testing.T) {
	b := newBank(t)
	batch, ids := b.batch(0, 20, 0)
	db, err := sql.Open("sqlite", b.file)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	_, err = db.ExecContext(t.Context(), "ALTER TABLE payments RENAME TO away")
	require.NoError(t, err)
	failures := 0
	s := &starts{}
	result, _ := b.intake(batch, s, func(_ int, env *testsuite.TestWorkflowEnvironment) {
		env.SetOnActivityStartedListener(func(*activity.Info, context.Context, converter.EncodedValues) {
			if failures++; failures == 4 {
				_, err := db.ExecContext(context.WithoutCancel(t.Context()), "ALTER TABLE away RENAME TO payments")
				require.NoError(t, err)
			}
		})
	})
	require.Equal(t, 4, failures)
	require.Equal(t, workflows.IntakeResult{Started: len(ids)}, result)
}

// A worker that stops in the middle of a page reports nothing, so that another
// repeats it; a start under way is cut off, not forgotten.
func TestStoppedIntakePageIsRepeated(t *testing.T) {
	b := newBank(t)
	batch, ids := b.batch(0, 100, 0)
	ctx, cancel := context.WithCancel(t.Context())
	s := &starts{hook: func(ctx context.Context, p storage.OpenPayment) error {
		if p.ID == ids[20] {
			cancel()
		}
		return ctx.Err()
	}}
	page := func(ctx context.Context) error {
		env := (&testsuite.WorkflowTestSuite{}).NewTestActivityEnvironment()
		env.SetWorkerOptions(workerContext(ctx))
		of := &activities.Intake{Ledger: b.ledger, Start: s.start}
		env.RegisterActivity(of)
		_, err := env.ExecuteActivity(of.StartPage, activities.IntakePageInput{BatchID: batch})
		return err
	}
	err := page(ctx)
	require.Error(t, err)
	require.True(t, strings.Contains(err.Error(), "canceled"), err)
	require.Less(t, len(s.of), len(ids))
	require.NoError(t, page(t.Context()))
	require.Len(t, s.of, len(ids))
}
