package storage_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tolem/domain"
	"tolem/storage"
)

func returnOf(order domain.StoreOrderID, id domain.StoreReturnID, sum domain.Money) storage.OrderReturn {
	return storage.OrderReturn{
		OrderID: order, ID: id, Caller: "till", RequestSHA256: fmt.Sprint("sha-", id, sum), Sum: sum, ToCard: true, Body: []byte(`{"return":1}`),
		RetryInitial: time.Second, RetryFactorMilli: 2000, CreatedAt: storage.At(noon),
	}
}

// returnCall is a call of a return's process.
func returnCall(order domain.StoreOrderID, id domain.StoreReturnID, name string, step int) storage.ReturnCall {
	call := orderCall(order, name, step)
	call.Process = order.ReturnWorkflowID(id)
	return storage.ReturnCall{OrderID: order, ID: id, Call: call}
}

// Returns come one after the other, and together are at most the order's price.
func TestAcceptReturn(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		accept := func(r storage.OrderReturn) (bool, error) {
			_, created, err := l.AcceptReturn(t.Context(), r)
			return created, err
		}
		ends := func(id domain.StoreReturnID, state domain.ReturnState) {
			t.Helper()
			changed, err := l.RecordReturn(t.Context(), returnCall("o", id, "return", 1), 0, bankAnswered, storage.ReturnAfter{State: state})
			require.NoError(t, err)
			require.True(t, changed)
		}
		waitingForStore(t, l, "early")
		_, err := accept(returnOf("early", "r", 1))
		require.ErrorIs(t, err, storage.ErrNotReturnable)
		_, err = accept(returnOf("nobody's", "r", 1))
		require.ErrorIs(t, err, storage.ErrNotFound)

		o := activeOrder(t, l, "o")
		_, err = accept(returnOf("o", "r1", o.TotalSum+1))
		require.ErrorIs(t, err, storage.ErrReturnTooLarge)
		created, err := accept(returnOf("o", "r1", 40_000))
		require.NoError(t, err)
		require.True(t, created)
		created, err = accept(returnOf("o", "r1", 40_000))
		require.NoError(t, err)
		require.False(t, created)
		_, err = accept(returnOf("o", "r1", 50_000))
		require.ErrorIs(t, err, storage.ErrReturnIDTaken)
		_, err = accept(returnOf("o", "r2", 1))
		require.ErrorIs(t, err, storage.ErrReturnOpen)
		ends("r1", domain.ReturnReturned)
		require.EqualValues(t, 40_000, readOrder(t, l, "o").ReturnedSum)

		_, err = accept(returnOf("o", "r2", 60_001))
		require.ErrorIs(t, err, storage.ErrReturnTooLarge)
		_, err = accept(returnOf("o", "r2", 60_000))
		require.NoError(t, err)
		ends("r2", domain.ReturnFailed)
		require.EqualValues(t, 40_000, readOrder(t, l, "o").ReturnedSum, "a refused one counts nothing")
		_, err = accept(returnOf("o", "r3", 60_000))
		require.NoError(t, err)
		ends("r3", domain.ReturnReturned)
		require.EqualValues(t, 100_000, readOrder(t, l, "o").ReturnedSum)
		_, err = accept(returnOf("o", "r4", 1))
		require.ErrorIs(t, err, storage.ErrReturnTooLarge)
		all, err := l.OrderReturns(t.Context(), "o")
		require.NoError(t, err)
		require.Len(t, all, 3)
	})
}

// Twenty returns of the whole price at once: one is taken.
func TestAcceptReturnsAtOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		o := activeOrder(t, l, "o")
		var taken atomic.Int32
		var all sync.WaitGroup
		for n := range 20 {
			all.Go(func() {
				_, created, err := l.AcceptReturn(t.Context(), returnOf("o", domain.StoreReturnID(fmt.Sprint("r", n)), o.TotalSum))
				if created {
					taken.Add(1)
					return
				}
				require.ErrorIs(t, err, storage.ErrReturnOpen)
			})
		}
		all.Wait()
		require.EqualValues(t, 1, taken.Load())
		open, err := l.OpenReturns(t.Context(), noon.Add(time.Hour), "", 10)
		require.NoError(t, err)
		require.Len(t, open, 1)
	})
}

func TestReturnIsRecordedStepByStep(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		activeOrder(t, l, "o")
		r, _, err := l.AcceptReturn(t.Context(), returnOf("o", "r/1", 40_000))
		require.NoError(t, err)
		read, err := l.OrderReturn(t.Context(), "o", "r/1")
		require.NoError(t, err)
		require.Equal(t, r, read)

		call := returnCall("o", "r/1", "return", 1)
		call.ReversedBefore = 500
		begun, err := l.BeginReturn(t.Context(), call)
		require.NoError(t, err)
		require.True(t, begun.OK && begun.First)
		changed, err := l.RecordReturn(t.Context(), call, begun.Started, storage.Outcome{Kind: "unknown", Failure: "timeout"},
			storage.ReturnAfter{Waits: 1, NextWait: time.Minute, OperatorReason: domain.ReasonRejected})
		require.NoError(t, err)
		require.True(t, changed)
		call.Call.Step, call.ReversedBefore = 2, 40_500
		begun, err = l.BeginReturn(t.Context(), call)
		require.NoError(t, err)
		require.False(t, begun.First)
		read, err = l.OrderReturn(t.Context(), "o", "r/1")
		require.NoError(t, err)
		require.EqualValues(t, 500, *read.ReversedBefore, "what was before the first")
		require.Equal(t, domain.ReturnReturning, read.State)
		require.True(t, read.NeedsOperator)

		changed, err = l.RecordReturn(t.Context(), call, begun.Started, bankAnswered, storage.ReturnAfter{State: domain.ReturnReturned})
		require.NoError(t, err)
		require.True(t, changed)
		call.Call.Step = 3
		changed, err = l.RecordReturn(t.Context(), call, 0, bankAnswered, storage.ReturnAfter{State: domain.ReturnReturned})
		require.NoError(t, err)
		require.False(t, changed, "nothing leaves the end")
		begun, err = l.BeginReturn(t.Context(), call)
		require.NoError(t, err)
		require.False(t, begun.OK)
		require.EqualValues(t, 40_000, readOrder(t, l, "o").ReturnedSum, "once")
		require.NoError(t, l.FlagReturn(t.Context(), "o", "r/1", domain.ReasonReturnUnknown, "run-1"))
		read, err = l.OrderReturn(t.Context(), "o", "r/1")
		require.NoError(t, err)
		require.False(t, read.NeedsOperator)
		calls, err := l.Attempts(t.Context(), read.WorkflowID(), 0, 99)
		require.NoError(t, err)
		require.Len(t, calls, 3)
	})
}

// The bank is asked for a phone once a minute, whoever asks.
func TestMayValidate(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		ask := func(phone string, at time.Time) (bool, time.Duration) {
			t.Helper()
			ok, wait, err := l.MayValidate(t.Context(), phone, at, time.Minute)
			require.NoError(t, err)
			return ok, wait
		}
		ok, _ := ask("+77010000001", noon)
		require.True(t, ok)
		ok, wait := ask("+77010000001", noon.Add(20*time.Second))
		require.False(t, ok)
		require.Equal(t, 40*time.Second, wait)
		ok, _ = ask("+77010000002", noon.Add(20*time.Second))
		require.True(t, ok)
		ok, _ = ask("+77010000001", noon.Add(time.Minute))
		require.True(t, ok)
		var taken atomic.Int32
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				if ok, _ := ask("+77010000003", noon); ok {
					taken.Add(1)
				}
			})
		}
		all.Wait()
		require.EqualValues(t, 1, taken.Load())
	})
}
