package storage_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tolem/domain"
	"tolem/storage"
)

// lastEvent is the contract's event that came last.
func lastEvent(t *testing.T, l *storage.Ledger, contract domain.ContractNumber) storage.PaymentOrderEvent {
	t.Helper()
	events, err := l.PaymentOrderEvents(t.Context(), contract, 0, 100)
	require.NoError(t, err)
	require.NotEmpty(t, events)
	return events[len(events)-1]
}

// unwritable is a contract that was activated, whose reversal's refusal cannot be written.
func unwritable(t *testing.T, l *storage.Ledger, contract domain.ContractNumber) storage.PaymentOrder {
	t.Helper()
	take(t, l, today, "a"+string(contract), loan(string(contract), 1000))
	o := sent(t, l, contract)
	report(t, l, o, "a", domain.StatusActivated, 0)
	for range 2 {
		require.True(t, publish(t, l, contract, true).OK)
	}
	report(t, l, o, "bad", domain.StatusReversalNotAccepted, 0)
	return o
}

// Two people set an event aside that was never attempted; what follows names its number, and
// totals count it.
func TestEventSetAside(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		o := unwritable(t, l, "KD1")
		bad := lastEvent(t, l, "KD1")
		report(t, l, o, "e1", domain.StatusExecuted, 300)
		require.NoError(t, l.FlagPaymentOrder(t.Context(), "KD1", o.ID, domain.ReasonEventLate, "run"))
		aside := storage.PaymentOrderAsk{Event: bad.ID}
		done, _, err := tries(t, l, "KD1", domain.ActionSetAside, "aigul", "s1", aside)
		require.NoError(t, err)
		require.Equal(t, domain.EffectProposed, done.Effect)
		require.False(t, publish(t, l, "KD1", true).OK, "nothing is sent while it is proposed")
		standing, err := l.Standing(t.Context(), "KD1")
		require.NoError(t, err)
		require.Equal(t, int64(2), standing.Untold)
		require.NotNil(t, standing.AsideUntil)
		require.Nil(t, standing.SeekAt, "no attempt was made, so there is nothing to look for")

		_, _, err = tries(t, l, "KD1", domain.ActionSetAside, "aigul", "s2", aside)
		require.Equal(t, storage.ErrActionRefused{Refusal: domain.RefusalSecondOperator}, err)
		done, _, err = tries(t, l, "KD1", domain.ActionSetAside, "berik", "s3", aside)
		require.NoError(t, err)
		require.Equal(t, domain.EffectSetAside, done.Effect)
		require.Equal(t, bad.ID, *done.EventID)
		require.Empty(t, openReasons(t, l), "nothing is late any more")
		_, _, err = tries(t, l, "KD1", domain.ActionSetAside, "berik", "s4", aside)
		require.Equal(t, storage.ErrActionRefused{Refusal: domain.RefusalEventSetAside}, err)

		next := publish(t, l, "KD1", false)
		require.Equal(t, []any{int64(4), "3"}, []any{*next.Event.Seq, next.Event.SkippedSeqs})
		require.Equal(t, next.Event, publish(t, l, "KD1", true).Event, "the same at each repetition")
		require.False(t, publish(t, l, "KD1", true).OK)
		require.Equal(t, domain.Money(300), next.Event.Paid)
		n, err := l.UnsentEvents(t.Context(), "KD1")
		require.NoError(t, err)
		require.Zero(t, n)
		overview, err := l.Overview(t.Context(), time.Now(), nil)
		require.NoError(t, err)
		require.Zero(t, overview.Unsent)
		open, err := l.DueContracts(t.Context(), time.Now(), "", 10)
		require.NoError(t, err)
		require.Empty(t, open)
	})
}

// Several numbers in a row are named by what follows them, and by that alone.
func TestEventsSetAsideInARow(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		o := unwritable(t, l, "KD1")
		first := lastEvent(t, l, "KD1")
		report(t, l, o, "bad2", domain.StatusReversalNotAccepted, 0)
		second := lastEvent(t, l, "KD1")
		report(t, l, o, "e1", domain.StatusExecuted, 300)
		report(t, l, o, "e2", domain.StatusExecuted, 300)
		for _, e := range []storage.PaymentOrderEvent{second, first} {
			for _, by := range []string{"aigul", "berik"} {
				_, _, err := tries(t, l, "KD1", domain.ActionSetAside, by, by+e.EventKey, storage.PaymentOrderAsk{Event: e.ID})
				require.NoError(t, err)
			}
		}
		require.Equal(t, "3,4", publish(t, l, "KD1", true).Event.SkippedSeqs)
		require.Empty(t, publish(t, l, "KD1", true).Event.SkippedSeqs)
	})
}

// An event that may have been published is set aside only after the topic was read to its end
// and did not hold it; another attempt in between makes it read again.
func TestEventSetAsideAfterAnAttempt(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		take(t, l, today, "a", loan("KD1", 1000))
		o := sent(t, l, "KD1")
		request := lastEvent(t, l, "KD1")
		publish(t, l, "KD1", false)
		aside := storage.PaymentOrderAsk{Event: request.ID}
		propose := func(key string) {
			_, _, err := tries(t, l, "KD1", domain.ActionSetAside, "aigul", key, aside)
			require.NoError(t, err)
		}
		approve := func(key string) error {
			_, _, err := tries(t, l, "KD1", domain.ActionSetAside, "berik", key, aside)
			return err
		}
		unread := storage.ErrActionRefused{Refusal: domain.RefusalTopicNotRead}
		propose("s1")
		require.Equal(t, unread, approve("s2"))
		standing, err := l.Standing(t.Context(), "KD1")
		require.NoError(t, err)
		require.Equal(t, noon.Add(time.Minute), *standing.SeekAt, "what the attempt wrote may still be under way")
		search := func(read bool, found map[int64]storage.Place) {
			sought, err := l.SoughtEvents(t.Context(), "KD1")
			require.NoError(t, err)
			require.Len(t, sought, 1)
			require.NoError(t, l.RecordTopicSearch(t.Context(), storage.TopicSearch{Contract: "KD1", Sought: sought, Found: found, Read: read,
				Call: storage.Call{Process: o.Contract.WorkflowID(), Name: "seek", At: noon}, Outcome: storage.Outcome{Kind: storage.Answered}}))
		}
		search(false, nil)
		require.Equal(t, unread, approve("s2"), "it was not read to its end")
		search(true, nil)
		standing, err = l.Standing(t.Context(), "KD1")
		require.NoError(t, err)
		require.Nil(t, standing.SeekAt)

		// Declined, it is attempted again; what was read before counts for nothing.
		act(t, l, "KD1", domain.ActionDecline, "berik", "d1")
		publish(t, l, "KD1", false)
		propose("s3")
		require.Equal(t, unread, approve("s4"))

		// An attempt that was begun while the topic was read makes the reading worthless.
		sought, err := l.SoughtEvents(t.Context(), "KD1")
		require.NoError(t, err)
		act(t, l, "KD1", domain.ActionDecline, "aigul", "d2")
		publish(t, l, "KD1", false)
		propose("s5")
		require.NoError(t, l.RecordTopicSearch(t.Context(), storage.TopicSearch{Contract: "KD1", Sought: sought, Read: true,
			Call: storage.Call{Process: o.Contract.WorkflowID(), Name: "seek", At: noon}, Outcome: storage.Outcome{Kind: storage.Answered}}))
		require.Equal(t, unread, approve("s6"))
		search(true, nil)
		require.NoError(t, approve("s7"))

		// A frozen attempt that reaches the broker all the same is seen.
		late := storage.Told{OK: true, Event: request}
		require.NoError(t, l.RecordTelling(t.Context(), storage.Telling{Contract: "KD1", Told: late, Place: &storage.Place{Topic: "loxon", Offset: 9},
			Call: storage.Call{Process: o.Contract.WorkflowID(), Name: storage.CallTell, At: noon}, Outcome: storage.Outcome{Kind: storage.Answered}}))
		require.Regexp(t, `^KD1 published_set_aside: event \d+ at loxon/0/9$`, openReasons(t, l)[0])
	})
}

// What the topic holds is published: nobody sets it aside.
func TestEventThatTheTopicHolds(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		take(t, l, today, "a", loan("KD1", 1000))
		o := sent(t, l, "KD1")
		request := lastEvent(t, l, "KD1")
		publish(t, l, "KD1", false)
		require.NoError(t, l.FlagPaymentOrder(t.Context(), "KD1", o.ID, domain.ReasonEventLate, "run"))
		aside := storage.PaymentOrderAsk{Event: request.ID}
		_, _, err := tries(t, l, "KD1", domain.ActionSetAside, "aigul", "s1", aside)
		require.NoError(t, err)
		sought, err := l.SoughtEvents(t.Context(), "KD1")
		require.NoError(t, err)
		require.NoError(t, l.RecordTopicSearch(t.Context(), storage.TopicSearch{Contract: "KD1", Sought: sought, Read: true,
			Found: map[int64]storage.Place{request.ID: {Topic: "loxon", Partition: 2, Offset: 7}},
			Call:  storage.Call{Process: o.Contract.WorkflowID(), Name: "seek", At: noon}, Outcome: storage.Outcome{Kind: storage.Answered}}))
		_, _, err = tries(t, l, "KD1", domain.ActionSetAside, "berik", "s2", aside)
		require.Equal(t, storage.ErrActionRefused{Refusal: domain.RefusalEventPublished}, err)
		now := lastEvent(t, l, "KD1")
		require.Equal(t, []any{2, int64(7)}, []any{now.TopicPartition, now.TopicOffset})
		require.NotNil(t, now.ToldAt)
		require.Empty(t, openReasons(t, l))
	})
}

// An event whose every attempt the broker certainly refused is looked for at once.
func TestEventThatTheBrokerRefused(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		take(t, l, today, "a", loan("KD1", 1000))
		sent(t, l, "KD1")
		reject(t, l, "KD1")
		event := lastEvent(t, l, "KD1")
		_, _, err := tries(t, l, "KD1", domain.ActionSetAside, "aigul", "s1", storage.PaymentOrderAsk{Event: event.ID})
		require.NoError(t, err)
		sought, err := l.SoughtEvents(t.Context(), "KD1")
		require.NoError(t, err)
		require.Len(t, sought, 1)
		require.Equal(t, event.ReceivedAt.Time, sought[0].At)
	})
}

// A proposal lapses after a day, is declined by a colleague or withdrawn by whoever made it;
// nothing else changes.
func TestProposalsAreDeclined(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		o := unwritable(t, l, "KD1")
		bad := lastEvent(t, l, "KD1")
		before := order(t, l, "KD1")
		decline := func(by, key string, ask storage.PaymentOrderAsk) error {
			_, _, err := tries(t, l, "KD1", domain.ActionDecline, by, key, ask)
			return err
		}
		aside := storage.PaymentOrderAsk{Event: bad.ID}
		nothing := storage.ErrActionRefused{Refusal: domain.RefusalNotProposed}
		require.Equal(t, nothing, decline("berik", "d1", storage.PaymentOrderAsk{}))
		act(t, l, "KD1", domain.ActionClose, "aigul", "c1")
		require.Equal(t, nothing, decline("berik", "d2", aside), "the close is another proposal")
		require.NoError(t, decline("berik", "d3", storage.PaymentOrderAsk{}))
		require.Equal(t, nothing, decline("berik", "d4", storage.PaymentOrderAsk{}))
		act(t, l, "KD1", domain.ActionClose, "aigul", "c2")
		require.NoError(t, decline("aigul", "d5", storage.PaymentOrderAsk{}), "withdrawn")
		after := order(t, l, "KD1")
		after.UpdatedAt = before.UpdatedAt
		require.Equal(t, before, after)
		require.Equal(t, domain.PaymentOrderActivated, act(t, l, "KD1", domain.ActionClose, "berik", "c3").State, "it is a first proposal again")

		_, _, err := tries(t, l, "KD1", domain.ActionSetAside, "aigul", "s1", aside)
		require.NoError(t, err)
		require.NoError(t, decline("berik", "d6", aside), "the set-aside alone")
		require.NotNil(t, order(t, l, "KD1").CloseAction)
		_, _, err = tries(t, l, "KD1", domain.ActionSetAside, "aigul", "s2", aside)
		require.NoError(t, err)
		require.NoError(t, decline("aigul", "d7", storage.PaymentOrderAsk{}), "everything that is proposed")
		require.Nil(t, order(t, l, "KD1").CloseAction)
		require.Nil(t, lastEvent(t, l, "KD1").AsideAction)

		// A day later nobody waits any more: the second one's is a first one's.
		for _, step := range []struct {
			by, key string
			at      time.Time
			effect  domain.Effect
		}{{"aigul", "s3", noon, domain.EffectProposed}, {"berik", "s4", noon.AddDate(0, 0, 1).Add(time.Second), domain.EffectProposed}} {
			done, _, _, err := l.ActOnPaymentOrder(t.Context(), "KD1", storage.Action{Process: o.Contract.WorkflowID(), Action: domain.ActionSetAside,
				Caller: step.by, IdempotencyKey: step.key, RequestedAt: storage.At(step.at)}, aside)
			require.NoError(t, err)
			require.Equal(t, step.effect, done.Effect)
		}
		_, _, err = tries(t, l, "KD1", domain.ActionSetAside, "aigul", "s5", storage.PaymentOrderAsk{Event: 999})
		require.ErrorIs(t, err, storage.ErrNoEvent)
		report(t, l, o, "again", domain.StatusExecuted, 1)
	})
}

// What has no number cannot be set aside.
func TestEventWithoutANumber(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		take(t, l, today, "a", loan("KD1", 1000))
		report(t, l, order(t, l, "KD1"), "a", domain.StatusAccepted, 0)
		_, _, err := tries(t, l, "KD1", domain.ActionSetAside, "aigul", "s1", storage.PaymentOrderAsk{Event: lastEvent(t, l, "KD1").ID})
		require.Equal(t, storage.ErrActionRefused{Refusal: domain.RefusalEventNotDue}, err)
	})
}
