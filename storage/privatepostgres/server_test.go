package privatepostgres

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

func TestTwoServersAtOnceAreTwo(t *testing.T) {
	first, second := started(t, Options{}), started(t, Options{})
	if first.port == second.port || first.dir == second.dir || first.password == second.password {
		t.Fatalf("the servers share something: %s and %s", first.URL(), second.URL())
	}
	for _, s := range []*Server{first, second} {
		if _, err := s.CreateDatabase(t.Context(), "same_name"); err != nil {
			t.Error(err)
		}
	}
}

func TestCreateDatabaseGivesAnEmptyDatabaseUnderAnyName(t *testing.T) {
	s := started(t, Options{})
	const name = `төлем "2"; DROP/?#`
	url, err := s.CreateDatabase(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	if got := ask(t, url, "SELECT current_database()"); got != name {
		t.Errorf("connected to %q, want %q", got, name)
	}
	if got := ask(t, url, "SELECT count(*)::text FROM pg_tables WHERE schemaname = 'public'"); got != "0" {
		t.Errorf("a fresh database has %s tables", got)
	}
	if _, err := s.CreateDatabase(t.Context(), name); err == nil {
		t.Error("an existing name was accepted")
	}
}

func TestServerIsWhatThePackageCommentSays(t *testing.T) {
	for name, test := range map[string]struct {
		options Options
		durable string
	}{
		"for tests":  {Options{}, "off"},
		"benchmarks": {Options{Durable: true}, "on"},
	} {
		t.Run(name, func(t *testing.T) {
			s := started(t, test.options)
			for setting, want := range map[string]string{
				"fsync": test.durable, "synchronous_commit": test.durable, "full_page_writes": test.durable,
				"max_connections": "200", "listen_addresses": "127.0.0.1", "server_encoding": "UTF8",
				"TimeZone": "UTC", "lc_collate": "C",
			} {
				if got := ask(t, s.URL(), "SELECT coalesce(current_setting('"+setting+"', true), 'C')"); got != want {
					t.Errorf("%s = %s, want %s", setting, got, want)
				}
			}
			stranger := strings.Replace(s.URL(), s.password, "guess", 1)
			if conn, err := pgx.Connect(t.Context(), stranger); err == nil {
				_ = conn.Close(t.Context()) // the test has failed already
				t.Error("a wrong password was accepted")
			}
		})
	}
}

func TestDataDirKeepsDataAndHasOneOwner(t *testing.T) {
	dir, err := os.MkdirTemp("", "tolem-kept-") // t.TempDir is closed to other users, the server's included
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })

	first := started(t, Options{DataDir: dir})
	ask(t, first.URL(), "CREATE TABLE kept AS SELECT 'here' AS word; SELECT 'done'")
	if second, err := Start(t.Context(), Options{DataDir: dir}); err == nil {
		second.Stop()
		t.Error("two servers on one directory")
	} else if !strings.Contains(err.Error(), "another process uses it") {
		t.Errorf("error %q does not say that the directory is in use", err)
	}
	first.Stop()

	again := started(t, Options{DataDir: dir})
	if got := ask(t, again.URL(), "SELECT word FROM kept"); got != "here" {
		t.Errorf("read %q after a restart, want here", got)
	}
}

func TestHalfMadeClusterIsMadeAnew(t *testing.T) {
	dir, err := os.MkdirTemp("", "tolem-half-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	// initdb was killed after its first file.
	if err := os.Mkdir(filepath.Join(dir, "data"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "data", "PG_VERSION"), []byte("15\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := started(t, Options{DataDir: dir})
	if got := ask(t, s.URL(), "SELECT 'alive'"); got != "alive" {
		t.Error(got)
	}
}

func TestStartThatFailsLeavesNothingAndSaysWhy(t *testing.T) {
	temporary := t.TempDir()
	t.Setenv("TMPDIR", temporary) // closed to other users: only root gets as far as failing there
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s, err := Start(ctx, Options{})
	if err == nil {
		s.Stop()
		t.Fatal("started although the context was over")
	}
	if left, _ := filepath.Glob(filepath.Join(temporary, "*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	t.Log(err)
}

// started starts a server that the test's end stops.
func started(t *testing.T, o Options) *Server {
	t.Helper()
	s, err := Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	return s
}

// ask returns the one value of the last of the statements.
func ask(t *testing.T, url, statements string) string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(t.Context()) }() // the statements have their own result
	results, err := conn.PgConn().Exec(t.Context(), statements).ReadAll()
	if err != nil {
		t.Fatalf("%s: %v", statements, err)
	}
	return string(results[len(results)-1].Rows[0][0])
}
