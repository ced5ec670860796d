package storage_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tolem/domain"
	"tolem/storage"
)

// unreadable is the outcome of an answer that failed for a field.
func unreadable(field string) storage.Outcome {
	return storage.Outcome{Kind: string(domain.Unknown), Failure: "bad_details", Field: field, HTTPStatus: 200, Unreadable: true}
}

// An answer is compared with the last one of the same call alone; the journal has word and
// field, and what was dropped; the next code closes the incident.
func TestUnreadableAnswersAreCompared(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		p := accept(t, l, request("k"))
		other := accept(t, l, request("other"))
		step := 0
		record := func(id domain.AgentTransactionID, o storage.Outcome) (repeats bool) {
			step++
			repeats, err := l.RepeatsUnreadable(t.Context(), call(id, "check", step), o)
			require.NoError(t, err)
			after := storage.After{State: domain.StateChecking}
			if repeats {
				after.OperatorReason = domain.ReasonUnreadableAnswer
			}
			_, _, err = l.RecordCheck(t.Context(), storage.CheckRecord{Call: call(id, "check", step), Outcome: o, After: after})
			require.NoError(t, err)
			return repeats
		}
		require.False(t, record(p.ID, unreadable("rate")))
		require.False(t, record(other.ID, unreadable("rate")), "of another process")
		require.False(t, record(p.ID, unreadable("invoice")), "another field")
		require.True(t, record(p.ID, unreadable("invoice")))
		require.Equal(t, domain.ReasonUnreadableAnswer, read(t, l, p.ID).OperatorReason)
		repeats, err := l.RepeatsUnreadable(t.Context(), call(p.ID, "pay", 9), unreadable("invoice"))
		require.NoError(t, err)
		require.False(t, repeats, "of another call")
		broken := storage.Outcome{Kind: string(domain.Unknown), Failure: "status", HTTPStatus: 502}
		require.False(t, record(p.ID, broken))
		require.False(t, record(p.ID, broken), "no answer came")
		require.False(t, record(p.ID, unreadable("invoice")), "not twice in a row")
		require.True(t, read(t, l, p.ID).NeedsOperator)

		readable := answered(domain.CodeInProgress)
		readable.Dropped = "rate, contracts[0].contractSum"
		require.False(t, record(p.ID, readable))
		require.False(t, read(t, l, p.ID).NeedsOperator)
		attempts, err := l.Attempts(t.Context(), p.ID.WorkflowID(), 0, 100)
		require.NoError(t, err)
		require.Equal(t, []string{"bad_details rate", "bad_details invoice"}, []string{attempts[0].Failure, attempts[1].Failure})
		require.Equal(t, readable.Dropped, attempts[len(attempts)-1].Dropped)
	})
}

// Payments and journals from before keep what they say, and know no service type.
func TestReadersOfOlderLedgers(t *testing.T) {
	for name, address := range addresses(t) {
		t.Run(name, func(t *testing.T) {
			l, err := storage.Open(t.Context(), address)
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, l.Close()) })
			require.NoError(t, l.MigrateTo(t.Context(), 18))
			require.NoError(t, l.Exec(t.Context(), `INSERT INTO journal (process, phase, call, step, attempt, execution, cause, waited, at, duration, body_sha256, outcome, failure, http_status, result_message, trace_id)
				VALUES ('payment/12', 'call', 'check', 1, 1, 'r', 'scheduled', 0, 1, 1, 'sha', 'unknown', 'bad_details', 200, '', '')`))
			_, err = l.Migrate(t.Context())
			require.NoError(t, err)
			attempts, err := l.Attempts(t.Context(), "payment/12", 0, 9)
			require.NoError(t, err)
			require.Equal(t, []string{"bad_details", ""}, []string{attempts[0].Failure, attempts[0].Dropped})
			repeats, err := l.RepeatsUnreadable(t.Context(), storage.Call{Process: "payment/12", Name: "check", At: time.Now()}, unreadable("rate"))
			require.NoError(t, err)
			require.False(t, repeats, "nobody knows for which field it failed")
			kind := 2
			p := request("k")
			p.ServiceType = &kind
			require.Equal(t, 2, *accept(t, l, p).ServiceType)
		})
	}
}
