package verification

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tolem/domain"
	"tolem/storage"
)

// books is a ledger in which a test keeps processes as Tolem does, and plants what Tolem
// never writes.
type books struct {
	*testing.T
	*storage.Ledger
	raw   *sql.DB
	topic *topic // nil: not read
	keys  int    // of actions so far
}

func newBooks(t *testing.T) *books {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ledger.db")
	ledger, err := storage.Open(t.Context(), "sqlite://"+path)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, ledger.Close()) })
	_, err = ledger.Migrate(t.Context())
	require.NoError(t, err)
	raw, err := sql.Open("sqlite", "file:"+path+"?_pragma=busy_timeout(5000)")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, raw.Close()) })
	return &books{T: t, Ledger: ledger, raw: raw}
}

// plant writes past Tolem what it never writes: the statement has to change something.
func (b *books) plant(statement string, args ...any) {
	b.Helper()
	done, err := b.raw.ExecContext(b.Context(), statement, args...)
	require.NoError(b, err, statement)
	rows, err := done.RowsAffected()
	require.NoError(b, err)
	require.Positive(b, rows, statement)
}

// do fails the test with an error of the ledger.
func (b *books) do(err error) {
	b.Helper()
	require.NoError(b, err)
}

// verify checks the books as `tolem verify` does, and returns "check process" of every
// finding.
func (b *books) verify() (found []string) {
	b.Helper()
	v := &verifier{Options: Options{Ledger: b.Ledger, Grace: time.Minute}, report: newReport(), topic: b.topic, began: time.Now()}
	for _, look := range []func(context.Context) error{v.readRestores, v.payments, v.orders, v.returns, v.contracts, v.incidents, v.strangeEvents} {
		require.NoError(b, look(b.Context()))
	}
	for _, f := range v.report.Findings {
		b.Log(f)
		found = append(found, fmt.Sprint(f.Check, " ", f.Process))
	}
	return found
}

// planted is a process that Tolem kept, what is planted in it, and the one check that finds
// it.
type planted struct {
	keep  func(b *books) (process string)
	plant func(b *books, process string) // nil plants nothing
	finds Check                          // "" finds nothing
}

// run plants each in a ledger of its own.
func run(t *testing.T, plants map[string]planted) {
	t.Helper()
	for name, p := range plants {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBooks(t)
			process := p.keep(b)
			require.Empty(t, b.verify(), "what Tolem keeps has no finding")
			if p.plant != nil {
				p.plant(b, process)
			}
			var want []string
			if p.finds != "" {
				want = []string{fmt.Sprint(p.finds, " ", process)}
			}
			require.Equal(t, want, b.verify())
		})
	}
}

// asks commits an action of a person on a process.
func (b *books) asks(process, who string, a storage.Action) storage.Action {
	b.Helper()
	b.keys++
	a.Process, a.Caller, a.IdempotencyKey, a.RequestedAt = process, who, fmt.Sprint("key-", b.keys), storage.At(time.Now())
	a.RequestSHA256, a.Reason = a.IdempotencyKey, "why"
	placed, err := b.PlaceAction(b.Context(), a)
	b.do(err)
	return placed
}

// closes closes the one open incident, by the word of people on where the money is.
func (b *books) closes(money domain.MoneyWhere, people ...string) {
	b.Helper()
	open := true
	page, _, err := b.Incidents(b.Context(), storage.IncidentFilter{Open: &open}, "", 10)
	b.do(err)
	require.Len(b, page, 1)
	for _, who := range people {
		b.keys++
		key := fmt.Sprint("key-", b.keys)
		_, err := b.ActOnIncident(b.Context(), page[0].ID, storage.Action{
			Action: domain.ActionClose, Caller: who, IdempotencyKey: key, RequestSHA256: key, Reason: "why", RequestedAt: storage.At(time.Now()),
		}, storage.IncidentClosing{Money: money})
		b.do(err)
	}
}
