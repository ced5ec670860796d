package storage_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tolem/domain"
	"tolem/storage"
)

// ordered is a person's action on a process.
func ordered(process, who string, action domain.Action, outcome domain.State, at time.Time) storage.Action {
	key := fmt.Sprint(process, action, outcome, at.UnixNano())
	return storage.Action{
		Process: process, Action: action, Outcome: outcome, Caller: who, IdempotencyKey: key, RequestSHA256: "sha-" + key,
		Reason: "the store asks", Evidence: "the bank's letter 17/3", RequestedAt: storage.At(at),
	}
}

// person acts on an order, one action a second.
type person struct {
	t   *testing.T
	l   *storage.Ledger
	id  domain.StoreOrderID
	now time.Time
}

func (p *person) does(who string, action domain.Action, outcome domain.OrderState) (storage.InstalmentOrder, domain.Effect, domain.Refusal) {
	p.t.Helper()
	p.now = p.now.Add(time.Second)
	done, now, fresh, err := p.l.ActOnOrder(p.t.Context(), p.id, ordered(p.id.WorkflowID(), who, action, domain.State(outcome), p.now))
	var refused storage.ErrActionRefused
	if err != nil {
		require.ErrorAs(p.t, err, &refused)
		return now, "", refused.Refusal
	}
	require.True(p.t, fresh)
	return now, done.Effect, ""
}

// Two people end an order that nobody else can end. The first one's word changes nothing,
// lapses after a day, and is dropped by a decline.
func TestResolveAnOrderByTwo(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		acceptOrder(t, l, "o")
		first := creates(t, l, "o", 1)
		require.Equal(t, domain.OrderCreating, first(storage.Outcome{Kind: string(domain.Unknown), Failure: "reset"}))
		p := &person{t: t, l: l, id: "o", now: noon}

		_, _, why := p.does("aigul", domain.ActionDecline, "")
		require.Equal(t, domain.RefusalNotProposed, why)
		o, effect, _ := p.does("aigul", domain.ActionResolve, domain.OrderFailed)
		require.Equal(t, domain.EffectProposed, effect)
		require.Equal(t, domain.OrderCreating, o.State)
		require.Equal(t, "failed", o.Live(p.now))
		require.Equal(t, "aigul", o.ProposedBy)
		_, _, why = p.does("aigul", domain.ActionResolve, domain.OrderFailed)
		require.Equal(t, domain.RefusalSecondOperator, why)
		_, _, why = p.does("berik", domain.ActionResolve, domain.OrderPaidOut)
		require.Equal(t, domain.RefusalOtherOutcome, why)
		o, effect, _ = p.does("berik", domain.ActionDecline, "")
		require.Equal(t, domain.EffectDeclined, effect)
		require.Empty(t, o.Live(p.now))

		p.does("aigul", domain.ActionResolve, domain.OrderFailed)
		p.now = p.now.Add(24*time.Hour + time.Second)
		o, effect, _ = p.does("berik", domain.ActionResolve, domain.OrderFailed)
		require.Equal(t, domain.EffectProposed, effect, "the first one's has lapsed")
		require.Equal(t, "berik", o.ProposedBy)
		second := ordered("order/o", "aigul", domain.ActionResolve, domain.State(domain.OrderFailed), p.now.Add(time.Minute))
		for n := range 2 {
			done, now, fresh, err := l.ActOnOrder(t.Context(), "o", second)
			require.NoError(t, err)
			require.Equal(t, n == 0, fresh)
			require.Equal(t, domain.EffectResolved, done.Effect)
			require.Equal(t, domain.OrderFailed, now.State)
			require.Equal(t, domain.FailResolved, now.FailReason)
			require.Equal(t, done.ID, *now.ResolvedAction)
			require.NotNil(t, now.EndedAt)
			require.Empty(t, now.Proposed)
		}
		_, _, why = p.does("berik", domain.ActionResolve, domain.OrderFailed)
		require.Equal(t, domain.RefusalOrderEnded, why)

		waking, err := l.OrdersToWake(t.Context(), time.Now().Add(time.Hour), "", 9)
		require.NoError(t, err)
		require.Len(t, waking, 1, "its workflow has to be told")
		require.NoError(t, l.OrderAwake(t.Context(), "o"))
		waking, err = l.OrdersToWake(t.Context(), time.Now().Add(time.Hour), "", 9)
		require.NoError(t, err)
		require.Empty(t, waking)
		actions, err := l.Actions(t.Context(), "order/o", 0, 99)
		require.NoError(t, err)
		require.Len(t, actions, 5, "what was refused is not kept")
	})
}

// The bank's last word bars the opposite outcome, also one that it only called back; unless
// it has not reported the pay-out in time.
func TestResolveAgainstTheBanksWord(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		acceptOrder(t, l, "unsent")
		_, _, why := (&person{t: t, l: l, id: "unsent", now: noon}).does("aigul", domain.ActionResolve, domain.OrderPaidOut)
		require.Equal(t, domain.RefusalNeverSent, why)

		waitingForStore(t, l, "alive")
		p := &person{t: t, l: l, id: "alive", now: noon}
		_, _, why = p.does("aigul", domain.ActionResolve, domain.OrderFailed)
		require.Equal(t, domain.RefusalRejectFirst, why)
		_, err := l.Decide(t.Context(), "alive", domain.DecisionReject, "till")
		require.NoError(t, err)
		_, err = l.RecordCallback(t.Context(), storage.Callback{OrderID: "alive", State: "SUCCESS", SubState: "ACTIVE", At: storage.At(noon)})
		require.NoError(t, err)
		_, _, why = p.does("aigul", domain.ActionResolve, domain.OrderFailed)
		require.Equal(t, domain.RefusalBankSays, why, "called back, and not asked yet")
		_, effect, _ := p.does("aigul", domain.ActionResolve, domain.OrderPaidOut)
		require.Equal(t, domain.EffectProposed, effect)

		activeOrder(t, l, "active")
		p = &person{t: t, l: l, id: "active", now: noon}
		_, _, why = p.does("aigul", domain.ActionResolve, domain.OrderFailed)
		require.Equal(t, domain.RefusalBankSays, why)
		require.NoError(t, l.FlagOrder(t.Context(), "active", domain.ReasonNoPayout, "run-1"))
		_, effect, _ = p.does("aigul", domain.ActionResolve, domain.OrderFailed)
		require.Equal(t, domain.EffectProposed, effect)
		o, effect, _ := p.does("berik", domain.ActionResolve, domain.OrderFailed)
		require.Equal(t, domain.EffectResolved, effect)
		require.False(t, o.NeedsOperator, "no_payout goes with the end")
	})
}

// Twenty people say the same at once: one proposes, one ends it.
func TestResolveAtOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		acceptOrder(t, l, "o")
		creates(t, l, "o", 1)
		var lock sync.Mutex
		effects := map[string]int{}
		var all sync.WaitGroup
		for n := range 20 {
			all.Go(func() {
				a := ordered("order/o", fmt.Sprint("operator-", n), domain.ActionResolve, domain.State(domain.OrderPaidOut), noon.Add(time.Duration(n)))
				done, _, _, err := l.ActOnOrder(t.Context(), "o", a)
				lock.Lock()
				defer lock.Unlock()
				if err != nil {
					effects[err.Error()]++
					return
				}
				effects[string(done.Effect)]++
			})
		}
		all.Wait()
		require.Equal(t, map[string]int{"proposed": 1, "resolved": 1, "action refused: order_ended": 18}, effects)
	})
}

// A rejection of what the bank certainly does not have ends it at once; of what it may
// have, it waits for the bank's number.
func TestRejectionEndsWhatWasNeverSent(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		reject := func(id domain.StoreOrderID) storage.InstalmentOrder {
			t.Helper()
			o, err := l.Decide(t.Context(), id, domain.DecisionReject, "till")
			require.NoError(t, err)
			return o
		}
		acceptOrder(t, l, "unsent")
		for range 2 {
			o := reject("unsent")
			require.Equal(t, domain.OrderFailed, o.State)
			require.Equal(t, domain.FailRejectedByStore, o.FailReason)
		}
		require.False(t, begins(t, l, "unsent", "create", 9, domain.OrderCreating, domain.OrderAccepted, domain.OrderCreating).OK)

		acceptOrder(t, l, "turned-away")
		creates(t, l, "turned-away", 1)(rejected(401, "who?"))
		require.Equal(t, domain.FailRejectedByStore, reject("turned-away").FailReason, "the bank certainly has nothing")

		acceptOrder(t, l, "sent")
		answer := creates(t, l, "sent", 1)
		require.Equal(t, domain.OrderCreating, reject("sent").State)
		answer(storage.Outcome{Kind: string(domain.Unknown), Failure: "reset"})
		require.True(t, begins(t, l, "sent", "create", 2, domain.OrderCreating, domain.OrderAccepted, domain.OrderCreating).OK, "to learn the bank's number")
	})
}

// The first create and the rejection at once, many times: the order was sent and is
// rejected at the bank, or it ended and nothing was sent.
func TestRejectionAgainstTheFirstCreate(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		for n := range 25 {
			id := domain.StoreOrderID(fmt.Sprint("o-", n))
			acceptOrder(t, l, id)
			var begun storage.BegunOrder
			var both sync.WaitGroup
			both.Go(func() {
				begun, _ = l.BeginOrderCall(t.Context(), storage.OrderCall{
					ID: id, Call: orderCall(id, "create", 1), To: domain.OrderCreating, From: []domain.OrderState{domain.OrderAccepted}})
			})
			both.Go(func() { _, _ = l.Decide(t.Context(), id, domain.DecisionReject, "till") })
			both.Wait()
			o := readOrder(t, l, id)
			require.Equal(t, domain.DecisionReject, o.Decision)
			require.Equal(t, map[bool]domain.OrderState{true: domain.OrderCreating, false: domain.OrderFailed}[begun.OK], o.State)
			require.Equal(t, begun.OK, o.CreateSentAt != nil)
		}
	})
}
