package storage_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"tolem/domain"
	"tolem/storage"
)

// An event keeps the trace that brought it, whoever reports it again or tells it later.
func TestEventsKeepTheirTrace(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		under := func(trace string) context.Context { return storage.WithTraceparent(t.Context(), trace) }
		take(t, l, today, "a", loan("KD1", 10_000))
		gathered(t, l, "KD1")
		o := order(t, l, "KD1")
		sent, err := l.SendRequest(under("00-a"), "KD1", o.ID, noon)
		require.NoError(t, err)
		require.True(t, sent)
		for _, trace := range []string{"00-b", "00-c"} {
			_, _, _, err = l.ReportStatus(under(trace), status(o, "k1", domain.StatusAccepted, 0))
			require.NoError(t, err)
		}
		_, _, _, err = l.ReportStatus(under(""), status(o, "k2", domain.StatusActivated, 0))
		require.NoError(t, err)

		for _, want := range []string{"00-a", "00-b", ""} {
			for _, place := range []*storage.Place{nil, {Topic: "loxon"}} { // the first attempt's end is unknown
				call := storage.Call{Process: o.Contract.WorkflowID(), Name: "tell", At: noon}
				told, err := l.BeginTelling(under("00-d"), "KD1", call, func(storage.PaymentOrderEvent, storage.PaymentOrder) ([]byte, error) { return []byte("{}"), nil })
				require.NoError(t, err)
				require.True(t, told.OK)
				require.Equal(t, want, told.Event.Traceparent)
				require.NoError(t, l.RecordTelling(t.Context(), storage.Telling{Contract: "KD1", Told: told, Place: place, Call: call, Outcome: storage.Outcome{Kind: storage.Answered}}))
			}
		}
	})
}
