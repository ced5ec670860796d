package storage_test

import (
	"context"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"tolem/domain"
	"tolem/storage"
	"tolem/storage/privatepostgres/postgrestest"
)

// with adds a setting to the address of a database.
func with(t *testing.T, address, name, value string) string {
	t.Helper()
	u, err := url.Parse(address)
	require.NoError(t, err)
	q := u.Query()
	q.Set(name, value)
	u.RawQuery = q.Encode()
	return u.String()
}

// A session whose server became read-only is left before a statement meets it: PostgreSQL
// reports the change by itself.
func TestReportedReadOnlySessionIsLeft(t *testing.T) {
	for _, change := range []string{"SET default_transaction_read_only = on", "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY"} {
		l := open(t, postgrestest.ForTest(t))
		require.NoError(t, l.Exec(t.Context(), change)) // of the one session that there is
		accept(t, l, request("k"))
	}
}

// A session in which a write fails as read-only is closed at once; the next one is another.
func TestReadOnlySessionIsClosed(t *testing.T) {
	l := open(t, postgrestest.ForTest(t))
	session := func() (pid int) {
		require.NoError(t, l.Count(t.Context(), "SELECT pg_backend_pid()", &pid))
		return pid
	}
	before := session()
	require.Equal(t, before, session(), "otherwise a session is kept")
	require.ErrorContains(t, l.InReadOnly(t.Context(), "INSERT INTO settings (name, value, updated_at) VALUES ('x', 'x', 1)"), "25006")
	require.NotEqual(t, before, session())
	accept(t, l, request("k"))
}

// A server that only reads, a standby or an old primary, is not taken for the ledger, unless
// the address says that reading is enough.
func TestReadOnlyServer(t *testing.T) {
	address := postgrestest.ForTest(t)
	l := open(t, address)
	p := accept(t, l, request("k"))
	var name string
	require.NoError(t, l.Text(t.Context(), "SELECT current_database()", &name))
	require.NoError(t, l.Exec(t.Context(), "ALTER DATABASE "+name+" SET default_transaction_read_only = on"))

	_, err := storage.Open(t.Context(), address)
	require.ErrorContains(t, err, "read only")
	reading, err := storage.Open(t.Context(), with(t, address, "target_session_attrs", "any"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, reading.Close()) })
	for range 3 {
		require.Equal(t, p.ID, read(t, reading, p.ID).ID)
	}
}

// Readiness proves a write: while every connection of the pool is taken, and not where the
// server only reads or, its disk being full, can make no file longer, although what fits into
// the files that there are is still written.
func TestCheckWritable(t *testing.T) {
	onBoth(t, func(t *testing.T, l *storage.Ledger) {
		for range 3 {
			require.NoError(t, l.CheckWritable(t.Context()))
		}
		var rows int
		require.NoError(t, l.Count(t.Context(), "SELECT count(*) FROM readiness", &rows))
		require.Equal(t, 1, rows)
	})
	address := postgrestest.ForTest(t)
	l := open(t, address)
	l.WhileBusy(t, func() { require.NoError(t, l.CheckWritable(t.Context())) })

	var folder, file, name string
	require.NoError(t, l.Text(t.Context(), "SHOW data_directory", &folder))
	require.NoError(t, l.Text(t.Context(), "SELECT pg_relation_filepath('readiness')", &file))
	files := filepath.Join(folder, filepath.Dir(file))
	require.NoError(t, os.Chmod(files, 0o500)) // the server's user can add no file; root's could
	t.Cleanup(func() { require.NoError(t, os.Chmod(files, 0o700)) })
	require.NoError(t, l.Exec(t.Context(), "INSERT INTO settings (name, value, updated_at) VALUES ('fits', 'x', 1)"))
	require.ErrorContains(t, l.CheckWritable(t.Context()), "cannot be written")
	require.NoError(t, os.Chmod(files, 0o700))
	require.NoError(t, l.CheckWritable(t.Context()))

	require.NoError(t, l.Text(t.Context(), "SELECT current_database()", &name))
	require.NoError(t, l.Exec(t.Context(), "ALTER DATABASE "+name+" SET default_transaction_read_only = on"))
	require.ErrorContains(t, opened(t, with(t, address, "target_session_attrs", "any")).CheckWritable(t.Context()), "25006")
}

// Migrate refuses a database that cannot hold every name.
func TestMigrateNeedsUTF8(t *testing.T) {
	address := postgrestest.ForTest(t)
	admin := open(t, address)
	for _, encoding := range []string{"LATIN1", "WIN1251", "SQL_ASCII"} {
		u, err := url.Parse(address)
		require.NoError(t, err)
		name := "tolem_test_encoding_" + u.Path[len(u.Path)-10:]
		require.NoError(t, admin.Exec(t.Context(), "CREATE DATABASE "+name+" ENCODING '"+encoding+"' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"))
		u.Path = "/" + name
		l, err := storage.Open(t.Context(), u.String())
		require.NoError(t, err)
		_, err = l.Migrate(t.Context())
		require.NoError(t, l.Close())
		require.NoError(t, admin.Exec(context.Background(), "DROP DATABASE "+name+" WITH (FORCE)"))
		require.ErrorContains(t, err, encoding)
		require.ErrorContains(t, err, "ENCODING 'UTF8'")
	}
}

// Behind PgBouncer in transaction mode, where every transaction may have another session, two
// processes migrate and work as they do on PostgreSQL itself.
func TestBehindPgBouncer(t *testing.T) {
	address := bouncer(t, postgrestest.ForTest(t))
	var all sync.WaitGroup
	for _, l := range []*storage.Ledger{opened(t, address), opened(t, address)} {
		all.Go(func() {
			_, err := l.Migrate(t.Context())
			require.NoError(t, err)
			require.NoError(t, l.CheckSchema(t.Context()))
			var callers sync.WaitGroup
			for n := range 8 {
				callers.Go(func() {
					for i := range 5 {
						p := request(string(rune('a'+n)) + string(rune('a'+i)))
						p, _, err := l.Accept(t.Context(), p) // the other process accepts the same
						require.NoError(t, err)
						require.Equal(t, p.ID, read(t, l, p.ID).ID)
						_, err = end(l, p.ID, 9, domain.StateRefused)
						require.NoError(t, err)
					}
				})
			}
			callers.Wait()
		})
	}
	all.Wait()
	var payments int
	require.NoError(t, opened(t, address).Count(t.Context(), "SELECT count(*) FROM payments", &payments))
	require.Equal(t, 40, payments)
}

func opened(t *testing.T, address string) *storage.Ledger {
	t.Helper()
	l, err := storage.Open(t.Context(), address)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, l.Close()) })
	return l
}
