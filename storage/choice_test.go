package storage_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pressly/goose/v3"
	"github.com/stretchr/testify/require"

	"tolem/domain"
	"tolem/storage"
	"tolem/storage/privatepostgres/postgrestest"
)

// awaiting takes a payment to where its payer is asked for a contract.
func awaiting(t *testing.T, l *storage.Ledger, key string) storage.Payment {
	t.Helper()
	p := request(key)
	until := storage.At(noon.Add(24 * time.Hour))
	p.PayerUntil = &until
	p = accept(t, l, p)
	changed, _, err := l.RecordCheck(t.Context(), storage.CheckRecord{
		Call: call(p.ID, "check", 1), Outcome: answered(0), Answer: `{"resultCode":0}`, Asks: domain.AsksContract,
		After: storage.After{State: domain.StateAwaitingPayer},
	})
	require.NoError(t, err)
	require.True(t, changed)
	return read(t, l, p.ID)
}

func choice(name string) storage.PayerChoice {
	return storage.PayerChoice{JSON: `{"contractId":"` + name + `"}`, SHA256: "sha-" + name, By: "shop", At: noon.Add(time.Minute)}
}

func TestChoiceIsKeptOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		p := awaiting(t, l, "k")
		require.Empty(t, p.Choice)
		require.Nil(t, p.ChosenAt)
		require.Equal(t, noon.Add(24*time.Hour), p.PayerUntil.Time)

		stuck := func(since time.Time) int {
			page, _, err := l.Payments(t.Context(), storage.PaymentFilter{StuckSince: since}, "", 10)
			require.NoError(t, err)
			return len(page)
		}
		require.Zero(t, stuck(noon.Add(24*time.Hour)), "the payer thinks")

		now, err := l.Choose(t.Context(), p.ID, choice("1"))
		require.NoError(t, err)
		require.Equal(t, 1, stuck(noon.Add(2*time.Minute)), "the payer has chosen")
		require.Zero(t, stuck(noon.Add(time.Minute)), "its age counts from there")
		require.Equal(t, read(t, l, p.ID), now)
		require.Equal(t, `{"contractId":"1"}`, now.Choice)
		require.Equal(t, "sha-1", now.ChoiceSHA256)
		require.Equal(t, "shop", now.ChosenBy)
		require.Equal(t, noon.Add(time.Minute), now.ChosenAt.Time)
		require.Equal(t, domain.StateAwaitingPayer, now.State)
		require.Equal(t, p.Step, now.Step, "a choice is no order of the workflow")
		require.True(t, now.UpdatedAt.After(p.UpdatedAt.Time))

		again := choice("1")
		again.JSON, again.By, again.At = "{}", "another", noon.Add(time.Hour)
		same, err := l.Choose(t.Context(), p.ID, again)
		require.NoError(t, err)
		require.Equal(t, now, same)

		other, err := l.Choose(t.Context(), p.ID, choice("2"))
		require.ErrorIs(t, err, storage.ErrAlreadyChosen)
		require.Equal(t, now, other)
		require.Equal(t, now, read(t, l, p.ID))
	})
}

// A choice stays the answer to its own repetition, wherever the payment goes.
func TestChoiceIsRepeatedAfterTheEnd(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		p := awaiting(t, l, "k")
		_, err := l.Choose(t.Context(), p.ID, choice("1"))
		require.NoError(t, err)
		ended, err := end(l, p.ID, 9, domain.StateCancelled)
		require.NoError(t, err)

		same, err := l.Choose(t.Context(), p.ID, choice("1"))
		require.NoError(t, err)
		require.Equal(t, ended, same)
		_, err = l.Choose(t.Context(), p.ID, choice("2"))
		require.ErrorIs(t, err, storage.ErrAlreadyChosen)
	})
}

func TestNothingToChoose(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		accepted := accept(t, l, request("accepted"))
		paid, _ := paying(t, l, "paying")
		expired := awaiting(t, l, "expired")
		_, err := end(l, expired.ID, 9, domain.StateExpired)
		require.NoError(t, err)
		sent := accept(t, l, request("sent")) // no code of ours writes this; if one did, the money may have moved
		_, _, err = l.RecordCheck(t.Context(), storage.CheckRecord{
			Call: call(sent.ID, "check", 1), Outcome: answered(0), After: storage.After{State: domain.StateAwaitingPayer}, Pay: intent(2)})
		require.NoError(t, err)
		for _, p := range []storage.Payment{accepted, paid, expired, sent} {
			before := read(t, l, p.ID)
			now, err := l.Choose(t.Context(), p.ID, choice("1"))
			require.ErrorIs(t, err, storage.ErrNotAwaitingPayer)
			require.Equal(t, before, now)
			require.Equal(t, before, read(t, l, p.ID))
		}
		_, err = l.Choose(t.Context(), expired.ID+99, choice("1"))
		require.ErrorIs(t, err, storage.ErrNotFound)
		_, err = l.Choose(t.Context(), awaiting(t, l, "k").ID, storage.PayerChoice{JSON: "{}"})
		require.ErrorContains(t, err, "no digest")
	})
}

// Fifty times the same choice at once is one choice; two choices at once are one
// choice and one error. The journal has one event for each payment.
func TestChoicesAtOnce(t *testing.T) {
	addresses := map[string]string{
		"sqlite": "sqlite://" + filepath.Join(t.TempDir(), "ledger.db"), "postgres": postgrestest.ForTest(t),
	}
	for name, address := range addresses {
		t.Run(name, func(t *testing.T) {
			l := open(t, address)
			equal, different := awaiting(t, l, "equal"), awaiting(t, l, "different")
			outcomes := atOnce(50, func(i int) error {
				c := choice("same")
				c.By = fmt.Sprint("caller ", i)
				now, err := l.Choose(context.Background(), equal.ID, c)
				if err == nil && now.ChoiceSHA256 != "sha-same" {
					err = errors.New("no choice in what was returned")
				}
				return err
			})
			require.Len(t, outcomes, 50)
			for _, err := range outcomes {
				require.NoError(t, err)
			}
			outcomes = atOnce(2, func(i int) error {
				_, err := l.Choose(context.Background(), different.ID, choice(fmt.Sprint(i)))
				return err
			})
			loser := 0
			if outcomes[0] == nil {
				loser = 1
			}
			require.NoError(t, outcomes[1-loser])
			require.ErrorIs(t, outcomes[loser], storage.ErrAlreadyChosen)
			require.Equal(t, choice(fmt.Sprint(1-loser)).JSON, read(t, l, different.ID).Choice)

			for _, p := range []storage.Payment{equal, different} {
				require.Equal(t, []string{read(t, l, p.ID).ChoiceSHA256}, journalledChoices(t, address, p.ID))
			}
		})
	}
}

// atOnce runs n callers that begin together and returns how each ended.
func atOnce(n int, do func(i int) error) []error {
	outcomes := make([]error, n)
	var gate, done sync.WaitGroup
	gate.Add(1)
	for i := range outcomes {
		done.Go(func() {
			gate.Wait()
			outcomes[i] = do(i)
		})
	}
	gate.Done()
	done.Wait()
	return outcomes
}

// journalledChoices are the digests of a payment's events "chosen".
func journalledChoices(t *testing.T, address string, id domain.AgentTransactionID) (digests []string) {
	t.Helper()
	db, _ := database(t, address)
	rows, err := db.QueryContext(t.Context(), "SELECT body_sha256 FROM journal WHERE phase = 'event' AND call = 'chosen' AND process = '"+id.WorkflowID()+"'")
	require.NoError(t, err)
	defer func() { require.NoError(t, rows.Close()) }()
	for rows.Next() {
		var digest string
		require.NoError(t, rows.Scan(&digest))
		digests = append(digests, digest)
	}
	require.NoError(t, rows.Err())
	return digests
}

// database opens a ledger's database beside the ledger.
func database(t *testing.T, address string) (*sql.DB, goose.Dialect) {
	t.Helper()
	driver, dialect := "pgx", goose.DialectPostgres
	if file, ok := strings.CutPrefix(address, "sqlite://"); ok {
		driver, address, dialect = "sqlite", file, goose.DialectSQLite3
	}
	db, err := sql.Open(driver, address)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db, dialect
}

// Payments that a ledger held before choices were kept are there afterwards,
// without one.
func TestOldPaymentsGetNoChoice(t *testing.T) {
	for folder, address := range map[string]string{
		"sqlite": "sqlite://" + filepath.Join(t.TempDir(), "ledger.db"), "postgres": postgrestest.ForTest(t),
	} {
		t.Run(folder, func(t *testing.T) {
			db, dialect := database(t, address)
			provider, err := goose.NewProvider(dialect, db, os.DirFS(filepath.Join("migrations", folder)))
			require.NoError(t, err)
			_, err = provider.UpTo(t.Context(), 1)
			require.NoError(t, err)
			_, err = db.ExecContext(t.Context(), `INSERT INTO payments (id, caller, idempotency_key, request_sha256, service_id, account,
				amount_to, extras, identity_card, full_name, auto_pay, agent_transaction_date, retry_initial, retry_factor_milli, state,
				needs_operator, operator_reason, step, attempts, waits, result_message, transaction_date, status_date, check_answer,
				asks_payer, created_at, updated_at)
				VALUES (5, 'shop', 'k', 'sha', 'P0006', '880101300123', 20000, '{}', '', '', true, '2026-02-17T17:00:00', 1, 2000,
				'awaiting_payer', false, '', 1, 1, 0, '', '', '', '{}', 'contract', 1, 1)`)
			require.NoError(t, err)

			l := open(t, address)
			p := read(t, l, 5)
			require.Empty(t, p.Choice+p.ChoiceSHA256+p.ChosenBy)
			require.Nil(t, p.ChosenAt)
			require.Nil(t, p.PayerUntil)
			now, err := l.Choose(t.Context(), p.ID, choice("1"))
			require.NoError(t, err)
			require.Equal(t, "sha-1", now.ChoiceSHA256)
			_, err = provider.DownTo(t.Context(), 1)
			require.NoError(t, err)
		})
	}
}
