package storage_test

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tolem/domain"
	"tolem/storage"
)

// An event repeated with its key after the next payment order has begun is the event that is
// there: it is not booked on the new one.
func TestEventRepeatedAfterTheNextOrderBegan(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		take(t, l, today, "a", loan("KD1", 1000))
		first := sent(t, l, "KD1")
		execution := storage.ReportedStatus{Contract: "KD1", Caller: "bank", Key: "e1", RequestSHA256: "300", Status: domain.StatusExecuted,
			PaidIncrement: 300, EventAt: noon, At: noon} // of the last payment order
		was, _, created, err := l.ReportStatus(t.Context(), execution)
		require.NoError(t, err)
		require.True(t, created)
		report(t, l, first, "r", domain.StatusReversed, 0)
		take(t, l, "2026-02-18", "b", loan("KD1", 700))
		second := sent(t, l, "KD1")
		require.NotEqual(t, first.ID, second.ID)
		told := len(seqs(t, l, "KD1"))

		again, of, created, err := l.ReportStatus(t.Context(), execution)
		require.NoError(t, err)
		require.False(t, created)
		require.Equal(t, was.ID, again.ID)
		require.Equal(t, []any{first.ID, domain.PaymentOrderReversed}, []any{of.ID, of.State}, "the payment order that it was about")
		require.Equal(t, domain.Money(0), order(t, l, "KD1").Paid)
		require.Len(t, seqs(t, l, "KD1"), told)

		execution.RequestSHA256 = "301"
		_, _, _, err = l.ReportStatus(t.Context(), execution)
		require.ErrorIs(t, err, storage.ErrKeyReused)
		execution.Key = "e2"
		_, of, created, err = l.ReportStatus(t.Context(), execution)
		require.NoError(t, err)
		require.True(t, created, "another key is another event")
		require.Equal(t, second.ID, of.ID)

		// K2's status service names the payment order, and each is told each code once.
		for _, o := range []storage.PaymentOrder{first, second, second} {
			_, of, _, err = l.ReportStatus(t.Context(), storage.ReportedStatus{Contract: "KD1", Reference: o.OrderRef, Caller: "eko",
				Key: storage.StatusCodeKey(domain.CodeInCardFile, o.OrderRef), RequestSHA256: "PC3", Status: domain.StatusActivated, EventAt: noon, At: noon})
			if o.ID == first.ID {
				require.ErrorIs(t, err, storage.ErrStatusRefused)
				continue
			}
			require.ErrorIs(t, err, storage.ErrStatusRefused, "it is executed in part")
			require.Equal(t, second.ID, of.ID)
		}
		_, _, _, err = l.ReportStatus(t.Context(), storage.ReportedStatus{Contract: "KD1", Reference: "PTP9999999999999", Caller: "bank", Key: "x", EventAt: noon, At: noon})
		require.ErrorIs(t, err, storage.ErrNoReference)
	})
}

// A close that is repeated after the next payment order has begun is about the one that it was
// about, and does nothing to the new one.
func TestActionRepeatedAfterTheNextOrderBegan(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		take(t, l, today, "a", loan("KD1", 1000))
		first := sent(t, l, "KD1")
		act(t, l, "KD1", domain.ActionClose, "aigul", "c1")
		act(t, l, "KD1", domain.ActionClose, "berik", "c2")
		take(t, l, "2026-02-18", "b", loan("KD1", 700))
		second := order(t, l, "KD1")
		require.NotEqual(t, first.ID, second.ID)
		for by, effect := range map[string]domain.Effect{"aigul": domain.EffectProposed, "berik": domain.EffectClosed} {
			key := map[string]string{"aigul": "c1", "berik": "c2"}[by]
			done, of, err := tries(t, l, "KD1", domain.ActionClose, by, key, storage.PaymentOrderAsk{})
			require.NoError(t, err)
			require.Equal(t, []any{effect, first.ID, domain.PaymentOrderClosed}, []any{done.Effect, of.ID, of.State})
		}
		// Actions from before their rows named a payment order are about the last one of their time.
		require.NoError(t, l.Exec(t.Context(), "UPDATE actions SET payment_order = NULL"))
		require.NoError(t, l.Exec(t.Context(), "UPDATE payment_orders SET created_at = ? WHERE id = ?", storage.At(noon.AddDate(1000, 0, 0)), second.ID))
		_, of, err := tries(t, l, "KD1", domain.ActionClose, "berik", "c2", storage.PaymentOrderAsk{})
		require.NoError(t, err)
		require.Equal(t, first.ID, of.ID)
		require.Equal(t, second.State, order(t, l, "KD1").State)
		require.Nil(t, order(t, l, "KD1").CloseAction)

		// A close that names its payment order never hits the next one, however late it comes.
		_, _, err = tries(t, l, "KD1", domain.ActionClose, "aigul", "c3", storage.PaymentOrderAsk{Reference: first.OrderRef})
		require.Equal(t, storage.ErrActionRefused{Refusal: domain.RefusalOrderEnded}, err)
		_, _, err = tries(t, l, "KD1", domain.ActionClose, "aigul", "c3", storage.PaymentOrderAsk{Reference: "PTP9999999999999"})
		require.ErrorIs(t, err, storage.ErrNoReference)
	})
}

// What the client's bank executes of a payment order that two operators closed is published,
// and a person has to look: the money moved.
func TestExecutionsAfterClose(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		take(t, l, today, "a", loan("KD1", 1000), loan("KD2", 1000))
		o := sent(t, l, "KD1")
		report(t, l, o, "e1", domain.StatusExecuted, 300)
		act(t, l, "KD1", domain.ActionClose, "aigul", "c1")
		act(t, l, "KD1", domain.ActionClose, "berik", "c2")
		require.Empty(t, openReasons(t, l))
		for key, paid := range map[string]domain.Money{"e2": 200, "e3": 500} {
			require.Equal(t, domain.PaymentOrderClosed, report(t, l, o, key, domain.StatusExecuted, paid).State)
		}
		_, _, _, err := l.ReportStatus(t.Context(), status(o, "e4", domain.StatusExecuted, 1))
		require.ErrorIs(t, err, storage.ErrOverpaid)
		_, _, _, err = l.ReportStatus(t.Context(), status(o, "s", domain.StatusReversed, 0))
		require.ErrorIs(t, err, storage.ErrStatusRefused)
		now := order(t, l, "KD1")
		require.Equal(t, []any{domain.PaymentOrderClosed, domain.Money(1000), domain.Money(0), true}, []any{now.State, now.Paid, now.DebtNow(), now.NeedsOperator})
		require.Len(t, seqs(t, l, "KD1"), 4)
		require.Len(t, openReasons(t, l), 1)
		require.Regexp(t, `^KD1 executed_after_close: PTP\d+: event \d+ PTP\d+: event \d+$`, openReasons(t, l)[0])
		require.True(t, domain.ReasonExecutedAfterClose.AboutMoney())

		// An execution that waited for a request that is never sent now.
		o = order(t, l, "KD2")
		report(t, l, o, "a", domain.StatusAccepted, 0)
		report(t, l, o, "e1", domain.StatusExecuted, 100)
		act(t, l, "KD2", domain.ActionClose, "aigul", "c3")
		require.Empty(t, seqs(t, l, "KD2"))
		act(t, l, "KD2", domain.ActionClose, "berik", "c4")
		report(t, l, o, "e2", domain.StatusExecuted, 50)
		require.Equal(t, []string{"payment order executed 1.00/10.00 debt 9.00", "payment order executed 1.50/10.00 debt 8.50"}, seqs(t, l, "KD2"))
		require.Len(t, openReasons(t, l), 2)
	})
}

// The end of a payment order takes nothing from an event that Loxon does not have: the row
// goes on needing an operator, is listed as stuck, and takes a retry.
func TestUnsentEventOfAnEndedOrder(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		take(t, l, today, "a", loan("KD1", 1000))
		o := sent(t, l, "KD1")
		publish(t, l, "KD1", true)
		require.NoError(t, l.FlagPaymentOrder(t.Context(), "KD1", o.ID, domain.ReasonDossierLate, "run"))
		end := report(t, l, o, "n", domain.StatusNotAccepted, 0)
		require.False(t, end.NeedsOperator, "what ends with the process")
		yes := true
		listed := func(f storage.PaymentOrderFilter) int {
			page, _, err := l.PaymentOrders(t.Context(), f, "", 10)
			require.NoError(t, err)
			return len(page)
		}
		require.Equal(t, 1, listed(storage.PaymentOrderFilter{StuckSince: noon.Add(time.Microsecond)}), "unsent for a while")
		require.Zero(t, listed(storage.PaymentOrderFilter{StuckSince: noon}))

		require.NoError(t, l.FlagPaymentOrder(t.Context(), "KD1", o.ID, domain.ReasonEventLate, "run"))
		require.Equal(t, 1, listed(storage.PaymentOrderFilter{NeedsOperator: &yes}))
		require.Equal(t, 1, listed(storage.PaymentOrderFilter{StuckSince: noon}))
		act(t, l, "KD1", domain.ActionRetry, "aigul", "r1")
		require.Equal(t, []string{"KD1 event_late: payment order 1"}, openReasons(t, l), "a retry takes it away no more than the end")
		publish(t, l, "KD1", false)
		require.Len(t, openReasons(t, l), 1)
		publish(t, l, "KD1", true)
		require.Empty(t, openReasons(t, l))
		require.False(t, order(t, l, "KD1").NeedsOperator)
		require.Zero(t, listed(storage.PaymentOrderFilter{StuckSince: noon.Add(time.Microsecond)}))
		_, _, err := tries(t, l, "KD1", domain.ActionRetry, "aigul", "r2", storage.PaymentOrderAsk{})
		require.Equal(t, storage.ErrActionRefused{Refusal: domain.RefusalOrderEnded}, err, "there is nothing left")
	})
}

// A flag raised while the payment order was open is not taken away by its end.
func TestRejectedEventOutlivesItsOrder(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		take(t, l, today, "a", loan("KD1", 1000))
		o := sent(t, l, "KD1")
		reject(t, l, "KD1")
		require.True(t, order(t, l, "KD1").NeedsOperator)
		require.True(t, report(t, l, o, "n", domain.StatusNotAccepted, 0).NeedsOperator)
		require.Equal(t, []string{"KD1 event_rejected: event-seq 1: too_large"}, openReasons(t, l))
		act(t, l, "KD1", domain.ActionRetry, "aigul", "r1")
		standing, err := l.Standing(t.Context(), "KD1")
		require.NoError(t, err)
		require.Equal(t, []domain.OperatorReason{domain.ReasonEventRejected}, standing.Raised)
	})
}

// publish makes one attempt to publish the contract's next event, which the broker takes or
// does not answer.
func publish(t *testing.T, l *storage.Ledger, contract domain.ContractNumber, takes bool) storage.Told {
	t.Helper()
	return attempt(t, l, contract, func(told storage.Told, r *storage.Telling) {
		if takes {
			r.Outcome, r.Place = storage.Outcome{Kind: storage.Answered}, &storage.Place{Topic: "loxon", Offset: *told.Event.Seq}
		}
	})
}

// reject makes one that the broker certainly refuses.
func reject(t *testing.T, l *storage.Ledger, contract domain.ContractNumber) {
	t.Helper()
	attempt(t, l, contract, func(_ storage.Told, r *storage.Telling) {
		r.Outcome, r.Reason = storage.Outcome{Kind: string(domain.Invalid), Failure: "too_large"}, domain.ReasonEventRejected
	})
}

func attempt(t *testing.T, l *storage.Ledger, contract domain.ContractNumber, ends func(storage.Told, *storage.Telling)) storage.Told {
	t.Helper()
	made := storage.Call{Process: contract.WorkflowID(), Name: storage.CallTell, Step: 1, At: noon}
	told, err := l.BeginTelling(t.Context(), contract, made, func(e storage.PaymentOrderEvent, _ storage.PaymentOrder) ([]byte, error) {
		if e.Status == domain.StatusReversalNotAccepted {
			return nil, errors.New("it cannot be written")
		}
		return []byte(e.EventKey), nil
	})
	require.NoError(t, err)
	if !told.OK {
		return told
	}
	made.EventID = told.Event.ID
	r := storage.Telling{Contract: contract, Told: told, Call: made, Outcome: storage.Outcome{Kind: string(domain.Unknown), Failure: "timeout"}}
	ends(told, &r)
	require.NoError(t, l.RecordTelling(t.Context(), r))
	return told
}
