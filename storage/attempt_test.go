package storage_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tolem/domain"
	"tolem/storage"
)

// The intent and the started row of the first pay are committed with the answer
// to check.
func TestCheckCommitsTheIntent(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		p, _ := paying(t, l, "k")
		require.Equal(t, domain.StatePaying, p.State)
		require.Equal(t, []byte(`{"pay":1}`), p.PayBody)
		require.Equal(t, noon, p.PaySentAt.Time)
		require.Equal(t, []byte("{}"), p.CheckBody)
		require.Equal(t, amount+100, *p.AmountFrom)
		require.EqualValues(t, 77, *p.TransactionID)
		require.Equal(t, 2, p.Attempts)

		attempts, err := l.Attempts(t.Context(), p.ID.WorkflowID(), 0, 10)
		require.NoError(t, err)
		require.Len(t, attempts, 2)
		require.Equal(t, storage.Attempt{
			ID: attempts[0].ID, Call: "check", Attempt: 1, Cause: domain.CauseScheduled, At: storage.At(noon), Reported: true, ReportedID: attempts[0].ID,
			ReportedAt: storage.At(noon.Add(5 * time.Millisecond)), Duration: 5 * time.Millisecond,
			BodySHA256: storage.Digest([]byte("{}")), Outcome: storage.Answered, HTTPStatus: 200, ResultCode: new(domain.Code),
		}, attempts[0])
		require.Equal(t, "pay", attempts[1].Call)
		require.False(t, attempts[1].Reported)
		require.Equal(t, string(domain.Unknown), attempts[1].Outcome)
		require.Equal(t, storage.Digest(p.PayBody), attempts[1].BodySHA256)
	})
}

func TestPayIsRecorded(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		p, started := paying(t, l, "k")
		changed, err := l.RecordPay(t.Context(), call(p.ID, "pay", 2), started, answered(domain.CodeInProgress), storage.After{
			State: domain.StatePaying, OperatorReason: domain.ReasonUnknownCode, Waits: 1, NextWait: time.Minute,
		})
		require.NoError(t, err)
		require.True(t, changed)
		p = read(t, l, p.ID)
		require.Equal(t, 1, p.Waits)
		require.True(t, p.NeedsOperator)
		require.Equal(t, noon.Add(time.Minute+5*time.Millisecond), p.NextAttemptAt.Time)

		begun, err := l.BeginPay(t.Context(), call(p.ID, "pay", 3))
		require.NoError(t, err)
		require.True(t, begun.OK)
		require.Equal(t, 3, begun.Attempt)
		require.Equal(t, domain.CauseScheduled, begun.Cause)
		again, err := l.BeginPay(t.Context(), call(p.ID, "pay", 3))
		require.NoError(t, err)
		require.Equal(t, domain.CauseRecovery, again.Cause, "the same step begun twice")

		changed, err = l.RecordPay(t.Context(), call(p.ID, "pay", 3), again.Started, answered(0), storage.After{
			State: domain.StateSucceeded, TransactionID: 88, TransactionDate: "d", StatusDate: "s",
		})
		require.NoError(t, err)
		require.True(t, changed)
		p = read(t, l, p.ID)
		require.Equal(t, domain.StateSucceeded, p.State)
		require.False(t, p.NeedsOperator)
		require.Nil(t, p.NextAttemptAt)
		require.EqualValues(t, 88, *p.TransactionID)
		require.Equal(t, "d", p.TransactionDate)

		elsewhere, err := l.TransactionElsewhere(t.Context(), 88, p.ID+1)
		require.NoError(t, err)
		require.True(t, elsewhere)
		elsewhere, err = l.TransactionElsewhere(t.Context(), 88, p.ID)
		require.NoError(t, err)
		require.False(t, elsewhere)
	})
}

// Two executions may journal calls under one number; pages show both.
func TestAttemptsPageByJournalOrder(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		p := accept(t, l, request("k"))
		for range 3 { // the second and third come from executions that were late
			_, _, err := l.RecordCheck(t.Context(), storage.CheckRecord{
				Call: call(p.ID, "check", 1), Outcome: answered(1), After: storage.After{State: domain.StateChecking}})
			require.NoError(t, err)
		}
		seen, after := 0, int64(0)
		for {
			page, err := l.Attempts(t.Context(), p.ID.WorkflowID(), after, 1)
			require.NoError(t, err)
			if len(page) == 0 {
				break
			}
			require.Greater(t, page[0].ID, after)
			seen, after = seen+1, page[0].ID
		}
		require.Equal(t, 3, seen)
	})
}

// Whatever is late changes nothing: neither the state, nor the counters, nor an
// answer. Only the journal says that a call was made.
func TestLateWritesChangeNothing(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		p, started := paying(t, l, "k")
		_, err := l.RecordPay(t.Context(), call(p.ID, "pay", 2), started, answered(0), storage.After{State: domain.StateSucceeded})
		require.NoError(t, err)
		ended := read(t, l, p.ID)

		changed, second, err := l.RecordCheck(t.Context(), storage.CheckRecord{
			Call: call(p.ID, "check", 9), Outcome: answered(domain.CodeServiceClosed), After: storage.After{State: domain.StateRefused}, Pay: intent(10)})
		require.NoError(t, err)
		require.False(t, changed)
		require.Zero(t, second)
		changed, err = l.RecordPay(t.Context(), call(p.ID, "pay", 9), started, answered(domain.CodeOtherError), storage.After{State: domain.StateRefused})
		require.NoError(t, err)
		require.False(t, changed)
		begun, err := l.BeginPay(t.Context(), call(p.ID, "pay", 9))
		require.NoError(t, err)
		require.False(t, begun.OK)
		for _, state := range domain.TerminalStates() {
			now, err := end(l, p.ID, 9, state)
			require.NoError(t, err)
			require.Equal(t, domain.StateSucceeded, now.State)
		}
		require.NoError(t, l.Flag(t.Context(), p.ID, domain.ReasonRejected, "run-2"))
		require.Equal(t, ended, read(t, l, p.ID))
	})
}

func TestStepsOnlyGoUp(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		p := accept(t, l, request("k"))
		record := func(step int, c domain.Code) bool {
			changed, _, err := l.RecordCheck(t.Context(), storage.CheckRecord{
				Call: call(p.ID, "check", step), Outcome: answered(c), After: storage.After{State: domain.StateChecking, Waits: step}})
			require.NoError(t, err)
			return changed
		}
		require.True(t, record(5, 1))
		require.False(t, record(5, 153), "the same step again")
		require.False(t, record(4, 220), "an earlier step")
		require.Equal(t, domain.CodeInProgress, *read(t, l, p.ID).ResultCode)
		require.True(t, record(6, 255))
		begun, err := l.BeginPay(t.Context(), call(p.ID, "pay", 7))
		require.NoError(t, err)
		require.False(t, begun.OK, "no intent is committed")
	})
}

// cancelled, expired and a refusal at check never overwrite a pay that may have
// been sent.
func TestNothingEndsAPaidPaymentUnpaid(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		p, _ := paying(t, l, "k")
		for _, state := range []domain.State{domain.StateCancelled, domain.StateExpired} {
			now, err := end(l, p.ID, 9, state)
			require.NoError(t, err)
			require.Equal(t, domain.StatePaying, now.State)
		}
		changed, _, err := l.RecordCheck(t.Context(), storage.CheckRecord{
			Call: call(p.ID, "check", 9), Outcome: answered(domain.CodeServiceClosed), After: storage.After{State: domain.StateRefused}})
		require.NoError(t, err)
		require.False(t, changed)
		require.Equal(t, domain.StatePaying, read(t, l, p.ID).State)

		now, err := end(l, p.ID, 9, domain.StateSucceeded)
		require.NoError(t, err)
		require.Equal(t, domain.StateSucceeded, now.State)
	})
}

func TestFlag(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		p, _ := paying(t, l, "k")
		require.NoError(t, l.Flag(t.Context(), p.ID, domain.ReasonCancelledRun, "run-1"))
		require.NoError(t, l.Flag(t.Context(), p.ID, domain.ReasonCancelledRun, "run-1"))
		p = read(t, l, p.ID)
		require.True(t, p.NeedsOperator)
		require.Equal(t, domain.ReasonCancelledRun, p.OperatorReason)
		require.Equal(t, domain.StatePaying, p.State)
	})
}
