package storage_test

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tolem/domain"
	"tolem/storage"
	"tolem/storage/privatepostgres/postgrestest"
)

func TestMain(m *testing.M) { postgrestest.Run(m) }

// onBoth runs a test of the ledger on SQLite and on a real PostgreSQL.
func onBoth(t *testing.T, test func(t *testing.T, l *storage.Ledger)) {
	t.Helper()
	for name, address := range addresses(t) {
		t.Run(name, func(t *testing.T) { test(t, open(t, address)) })
	}
}

// addresses are those of a new SQLite file and of a new database of PostgreSQL.
func addresses(t *testing.T) map[string]string {
	t.Helper()
	return map[string]string{
		"sqlite": "sqlite://" + filepath.Join(t.TempDir(), "ledger.db"), "postgres": postgrestest.ForTest(t),
	}
}

func open(t *testing.T, address string) *storage.Ledger {
	t.Helper()
	l, err := storage.Open(t.Context(), address)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, l.Close()) })
	_, err = l.Migrate(t.Context())
	require.NoError(t, err)
	return l
}

var (
	noon   = time.Date(2026, 2, 17, 12, 0, 0, 123_456_000, time.UTC)
	amount = domain.Money(20_000)
)

// request is a payment as the API hands it over.
func request(key string) storage.Payment {
	return storage.Payment{
		Caller: "shop", IdempotencyKey: key, RequestSHA256: "sha-" + key, ServiceID: "P1011", Account: "7770017711",
		AmountTo: &amount, Extras: storage.Extras{"account1": "ф\"1"}, FullName: "Иванов", AutoPay: true,
		AgentTransactionDate: "2026-02-17T17:00:00", RetryInitial: time.Second, RetryFactorMilli: 2000, CreatedAt: storage.At(noon),
	}
}

func accept(t *testing.T, l *storage.Ledger, p storage.Payment) storage.Payment {
	t.Helper()
	accepted, created, err := l.Accept(t.Context(), p)
	require.NoError(t, err)
	require.True(t, created)
	return accepted
}

func read(t *testing.T, l *storage.Ledger, id domain.AgentTransactionID) storage.Payment {
	t.Helper()
	p, err := l.Payment(t.Context(), id)
	require.NoError(t, err)
	return p
}

// call is an attempt of a payment as the activities order it.
func call(id domain.AgentTransactionID, name string, step int) storage.Call {
	return storage.Call{Process: id.WorkflowID(), Name: name, Step: step, Attempt: step, Execution: "run-1", Cause: domain.CauseScheduled, At: noon, Body: []byte("{}")}
}

func answered(c domain.Code) storage.Outcome {
	return storage.Outcome{Kind: storage.Answered, Code: &c, Duration: 5 * time.Millisecond, HTTPStatus: 200}
}

func intent(step int) *storage.PayIntent {
	return &storage.PayIntent{Body: []byte(`{"pay":1}`), AmountTo: amount, AmountFrom: amount + 100, Step: step, At: noon}
}

// paying takes a payment to the committed intent: check at step 1, pay at 2.
func paying(t *testing.T, l *storage.Ledger, key string) (p storage.Payment, started int64) {
	t.Helper()
	p = accept(t, l, request(key))
	changed, started, err := l.RecordCheck(t.Context(), storage.CheckRecord{
		Call: call(p.ID, "check", 1), Outcome: answered(0), Answer: `{"code":0}`,
		After: storage.After{State: domain.StatePaying, TransactionID: 77}, Pay: intent(2),
	})
	require.NoError(t, err)
	require.True(t, changed)
	require.NotZero(t, started)
	return read(t, l, p.ID), started
}

// end ends a payment, with the evidence that this end takes.
func end(l *storage.Ledger, id domain.AgentTransactionID, step int, state domain.State) (storage.Payment, error) {
	e := storage.Ending{PaymentID: id, Step: step, State: state, Execution: "run-1"}
	ctx := context.Background()
	p, err := l.Payment(ctx, id)
	if err != nil {
		return p, err
	}
	call, code := "pay", domain.CodeOtherError
	switch {
	case state == domain.StateSucceeded:
		code = domain.CodeSuccess
	case p.PaySentAt == nil:
		call = "check"
	}
	switch state {
	case domain.StateSucceeded, domain.StateRefused:
		e.Code = &code
		err = l.Exec(ctx, `INSERT INTO journal (process, phase, call, step, attempt, execution, cause, waited, at, duration, body_sha256, outcome, failure, http_status, result_code, result_message)
			VALUES (?, 'outcome', ?, 0, 0, '', '', 0, 0, 0, '', 'answered', '', 200, ?, '')`, id.WorkflowID(), call, code)
	case domain.StateExpired:
		if p.State.Terminal() {
			break
		}
		err = l.Exec(ctx, "UPDATE payments SET payer_until = 1 WHERE id = ?", id)
	}
	if err != nil {
		return p, err
	}
	now, _, err := l.End(ctx, e)
	return now, err
}
