package storage_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tolem/domain"
	"tolem/storage"
)

// clerk acts on a return, one action a second.
type clerk struct {
	t     *testing.T
	l     *storage.Ledger
	order domain.StoreOrderID
	id    domain.StoreReturnID
	now   time.Time
}

func (c *clerk) does(who string, action domain.Action, outcome domain.ReturnState) (storage.OrderReturn, domain.Effect, domain.Refusal) {
	c.t.Helper()
	c.now = c.now.Add(time.Second)
	done, now, _, err := c.l.ActOnReturn(c.t.Context(), c.order, c.id, ordered(c.order.ReturnWorkflowID(c.id), who, action, domain.State(outcome), c.now))
	var refused storage.ErrActionRefused
	if err != nil {
		require.ErrorAs(c.t, err, &refused)
		return now, "", refused.Refusal
	}
	return now, done.Effect, ""
}

// goesOut begins a call to return; record commits its outcome.
func goesOut(t *testing.T, l *storage.Ledger, order domain.StoreOrderID, id domain.StoreReturnID, step int) (ok bool, record func(storage.Outcome, storage.ReturnAfter) bool) {
	t.Helper()
	call := returnCall(order, id, "return", step)
	begun, err := l.BeginReturn(t.Context(), call)
	require.NoError(t, err)
	return begun.OK, func(o storage.Outcome, after storage.ReturnAfter) bool {
		t.Helper()
		changed, err := l.RecordReturn(t.Context(), call, begun.Started, o, after)
		require.NoError(t, err)
		return changed
	}
}

// A return that nobody else can end is held, released and resolved by two, in the ledger
// alone; then the next return of the order is taken.
func TestActionsOnReturn(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		activeOrder(t, l, "o")
		accept := func(id domain.StoreReturnID) error {
			_, _, err := l.AcceptReturn(t.Context(), returnOf("o", id, 40_000))
			return err
		}
		require.NoError(t, accept("r1"))
		c := &clerk{t: t, l: l, order: "o", id: "r1", now: noon}
		_, _, why := c.does("aigul", domain.ActionResolve, domain.ReturnReturned)
		require.Equal(t, domain.RefusalNeverSent, why)
		ok, record := goesOut(t, l, "o", "r1", 1)
		require.True(t, ok)
		record(storage.Outcome{Kind: string(domain.Unknown), Failure: "reset"}, storage.ReturnAfter{Waits: 1, NextWait: time.Hour})
		require.NoError(t, l.FlagReturn(t.Context(), "o", "r1", domain.ReasonReturnUnknown, "run-1"))

		r, effect, _ := c.does("aigul", domain.ActionHold, "")
		require.Equal(t, domain.EffectHeld, effect)
		require.True(t, r.Held && r.NextAttemptAt == nil)
		ok, _ = goesOut(t, l, "o", "r1", 2)
		require.False(t, ok, "nothing is sent while it is held")
		_, _, why = c.does("aigul", domain.ActionRetry, "")
		require.Equal(t, domain.RefusalOrderHeld, why)
		r, effect, _ = c.does("aigul", domain.ActionRelease, "")
		require.Equal(t, domain.EffectReleased, effect)
		require.False(t, r.Held)
		_, effect, _ = c.does("aigul", domain.ActionRetry, "")
		require.Equal(t, domain.EffectRetried, effect)
		waking, err := l.ReturnsToWake(t.Context(), time.Now().Add(time.Hour), "", 9)
		require.NoError(t, err)
		require.Len(t, waking, 1)
		_, err = l.ReturnAwake(t.Context(), "o", "r1")
		require.NoError(t, err)
		waking, err = l.ReturnsToWake(t.Context(), time.Now().Add(time.Hour), "", 9)
		require.NoError(t, err)
		require.Empty(t, waking)

		require.ErrorIs(t, accept("r2"), storage.ErrReturnOpen)
		c.does("aigul", domain.ActionResolve, domain.ReturnFailed)
		_, effect, _ = c.does("berik", domain.ActionDecline, "")
		require.Equal(t, domain.EffectDeclined, effect)
		c.does("berik", domain.ActionResolve, domain.ReturnFailed)
		_, _, why = c.does("berik", domain.ActionResolve, domain.ReturnFailed)
		require.Equal(t, domain.RefusalSecondOperator, why)
		r, effect, _ = c.does("aigul", domain.ActionResolve, domain.ReturnFailed)
		require.Equal(t, domain.EffectResolved, effect)
		require.Equal(t, domain.ReturnFailed, r.State)
		require.False(t, r.NeedsOperator)
		require.NotNil(t, r.ResolvedAction)
		require.NoError(t, accept("r2"), "a stuck one no longer blocks it")
		require.Zero(t, readOrder(t, l, "o").ReturnedSum)
	})
}

// A return resolved as taken back counts in the order's sum; an answer that comes later and
// says the opposite is an incident.
func TestResolvedReturnAndLateAnswers(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		activeOrder(t, l, "o")
		resolve := func(id domain.StoreReturnID, outcome domain.ReturnState) func(storage.Outcome, storage.ReturnAfter) bool {
			t.Helper()
			_, _, err := l.AcceptReturn(t.Context(), returnOf("o", id, 30_000))
			require.NoError(t, err)
			_, record := goesOut(t, l, "o", id, 1)
			c := &clerk{t: t, l: l, order: "o", id: id, now: noon}
			c.does("aigul", domain.ActionResolve, outcome)
			r, _, _ := c.does("berik", domain.ActionResolve, outcome)
			require.Equal(t, outcome, r.State)
			return record
		}
		contradicted := func(id domain.StoreReturnID) []domain.OperatorReason {
			t.Helper()
			var why []domain.OperatorReason
			for _, i := range incidentsOf(t, l, storage.IncidentFilter{Process: domain.ProcessReturn, Subject: "o", Part: string(id)}) {
				why = append(why, i.Reason)
			}
			return why
		}
		late := resolve("taken", domain.ReturnReturned)
		require.EqualValues(t, 30_000, readOrder(t, l, "o").ReturnedSum)
		require.False(t, late(bankAnswered, storage.ReturnAfter{State: domain.ReturnReturned}))
		require.Empty(t, contradicted("taken"), "the bank says the same")
		require.EqualValues(t, 30_000, readOrder(t, l, "o").ReturnedSum, "once")

		late = resolve("refused", domain.ReturnReturned)
		require.False(t, late(rejected(400, "no"), storage.ReturnAfter{OperatorReason: domain.ReasonRejected}))
		require.Equal(t, []domain.OperatorReason{domain.ReasonReturnContradicted}, contradicted("refused"))

		late = resolve("not-taken", domain.ReturnFailed)
		require.False(t, late(bankAnswered, storage.ReturnAfter{State: domain.ReturnReturned}))
		require.Equal(t, []domain.OperatorReason{domain.ReasonReturnContradicted}, contradicted("not-taken"))
		r, err := l.OrderReturn(t.Context(), "o", "not-taken")
		require.NoError(t, err)
		require.True(t, r.NeedsOperator)
		require.Equal(t, domain.ReturnFailed, r.State)
	})
}
