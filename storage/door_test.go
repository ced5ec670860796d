package storage_test

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"tolem/domain"
	"tolem/storage"
)

// Executions are added up without running over: what no sum can hold is too much, whatever
// the payment order is for.
func TestExecutionsThatNoSumHolds(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		take(t, l, today, "a", loan("KD1", math.MaxInt64), loan("KD2", 2_000_000_000_00))
		for contract, first := range map[domain.ContractNumber]domain.Money{"KD1": math.MaxInt64 - 1, "KD2": 1_999_999_999_99} {
			o := sent(t, l, contract)
			_, o, _, err := l.ReportStatus(t.Context(), status(o, "k1", domain.StatusExecuted, first))
			require.NoError(t, err)
			_, _, _, err = l.ReportStatus(t.Context(), status(o, "k2", domain.StatusExecuted, math.MaxInt64))
			require.ErrorIs(t, err, storage.ErrOverpaid)
			_, _, _, err = l.ReportStatus(t.Context(), status(o, "k3", domain.StatusExecuted, 2))
			require.ErrorIs(t, err, storage.ErrOverpaid)
			_, o, _, err = l.ReportStatus(t.Context(), status(o, "k4", domain.StatusExecuted, 1))
			require.NoError(t, err)
			require.Equal(t, domain.PaymentOrderExecuted, o.State)
			require.Equal(t, first+1, o.Paid)
		}
	})
}

// cannot is an encoder that cannot write some statuses.
func cannot(statuses ...domain.PaymentOrderStatus) storage.Encoder {
	return func(e storage.PaymentOrderEvent, o storage.PaymentOrder) ([]byte, error) {
		if slices.Contains(statuses, e.Status) {
			return nil, errors.New("event: event_date has no year of four digits")
		}
		return fmt.Appendf(nil, "%s %s %s/%s debt %s", o.Contract, e.Status, e.Paid, e.Amount, e.Debt), nil
	}
}

// A status that could not be published is not stored, whether its request was sent or not; one
// that could is encoded with the sums that it would be published with.
func TestStatusesThatNoMessageCarries(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		take(t, l, today, "a", loan("KD1", 10_000), loan("KD2", 10_000))
		sent(t, l, "KD1")
		for _, contract := range []domain.ContractNumber{"KD1", "KD2"} {
			before := order(t, l, contract)
			r := status(before, "k", domain.StatusExecuted, 4_000)
			r.Encode = cannot(domain.StatusExecuted)
			_, _, created, err := l.ReportStatus(t.Context(), r)
			var refused *storage.UnencodableError
			require.ErrorAs(t, err, &refused)
			require.False(t, created)
			require.Equal(t, before, order(t, l, contract))

			var message []byte
			r.Encode = func(e storage.PaymentOrderEvent, o storage.PaymentOrder) (made []byte, err error) {
				message, err = cannot()(e, o)
				return message, err
			}
			_, _, created, err = l.ReportStatus(t.Context(), r)
			require.NoError(t, err)
			require.True(t, created, "nothing was stored under its key")
			require.Equal(t, string(contract)+" payment order executed 40.00/100.00 debt 60.00", string(message))
		}
		require.Equal(t, []string{"request was sent 0.00/100.00 debt 100.00", "payment order executed 40.00/100.00 debt 60.00"}, seqs(t, l, "KD1"))
	})
}

// One loan whose request could not be published refuses the batch, by its index as it was
// given; the same batch is taken whole when it can.
func TestLoansThatNoMessageCarries(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		batch := storage.LoanBatch{Caller: "eko", Day: today, Digest: "a", At: noon,
			Loans: []storage.Loan{loan("KD9", 100), loan("KD5", 100), loan("KD1", 100)}} // not in the order of their locks
		batch.Encode = func(e storage.PaymentOrderEvent, o storage.PaymentOrder) ([]byte, error) {
			require.Equal(t, domain.StatusRequestSent, e.Status)
			require.Equal(t, domain.Money(100), e.Amount)
			return nil, map[domain.ContractNumber]error{"KD5": errors.New("no")}[o.Contract]
		}
		_, err := l.TakeLoans(t.Context(), batch)
		var refused *storage.UnencodableError
		require.ErrorAs(t, err, &refused)
		require.Equal(t, 1, refused.Loan)
		_, err = l.PaymentOrder(t.Context(), "KD9")
		require.ErrorIs(t, err, storage.ErrNotFound)
		batch.Encode = cannot()
		taken, err := l.TakeLoans(t.Context(), batch)
		require.NoError(t, err)
		require.Equal(t, 3, taken.Begun)
	})
}

// An event that an older version stored and no message carries fails nothing: it stays first, a
// person is asked to look, once, whatever the payment order's state, and it is published as soon
// as it can be.
func TestStoredEventsThatNoMessageCarries(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		take(t, l, today, "a", loan("KD1", 10_000), loan("KD2", 10_000))
		for contract, last := range map[domain.ContractNumber]domain.PaymentOrderStatus{"KD1": domain.StatusActivated, "KD2": domain.StatusNotAccepted} {
			o := sent(t, l, contract)
			_, _, _, err := l.ReportStatus(t.Context(), status(o, "k", last, 0))
			require.NoError(t, err)
			ended := order(t, l, contract).State.Terminal()
			begin := func(encode storage.Encoder) storage.Told {
				t.Helper()
				told, err := l.BeginTelling(t.Context(), contract, storage.Call{Process: o.Contract.WorkflowID(), Name: "tell", Step: 1, At: noon}, encode)
				require.NoError(t, err)
				return told
			}
			for range 3 {
				told := begin(cannot(domain.StatusRequestSent))
				require.False(t, told.OK)
				require.Equal(t, "event: event_date has no year of four digits", told.Rejected)
				require.EqualValues(t, 1, *told.Event.Seq)
			}
			now := order(t, l, contract)
			require.True(t, now.NeedsOperator)
			require.Equal(t, domain.ReasonEventRejected, now.OperatorReason)
			require.Equal(t, o.Attempts, now.Attempts, "nothing was sent")
			require.Equal(t, ended, now.State.Terminal())
			yes := true
			listed, _, err := l.PaymentOrders(t.Context(), storage.PaymentOrderFilter{NeedsOperator: &yes}, "", 10)
			require.NoError(t, err)
			require.Len(t, listed, 1)
			incidents := incidentsOf(t, l, storage.IncidentFilter{Process: domain.ProcessPaymentOrder, Subject: string(contract)})
			require.Len(t, incidents, 1)
			require.Len(t, incidents[0].Entries, 1, "a fact that is known is not added")
			require.Equal(t, "event-seq 1: event: event_date has no year of four digits", incidents[0].Entries[0].Evidence)

			for seq := range int64(2) {
				told := begin(cannot())
				require.True(t, told.OK)
				require.Equal(t, seq+1, *told.Event.Seq, "nothing overtook it")
				require.NoError(t, l.RecordTelling(t.Context(), storage.Telling{Contract: contract, Told: told, Place: &storage.Place{Topic: "loxon"},
					Call: storage.Call{Process: o.Contract.WorkflowID(), Name: "tell", At: noon}, Outcome: storage.Outcome{Kind: storage.Answered}}))
			}
			require.False(t, order(t, l, contract).NeedsOperator)
			require.False(t, incidentsOf(t, l, storage.IncidentFilter{Process: domain.ProcessPaymentOrder, Subject: string(contract)})[0].Open)
		}
	})
}
