package privatepostgres

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// What was committed after the moment, and nothing else, is lost; the server is
// at its old address, can be backed up once more, and the backup once more restored.
func TestRestoreToAMoment(t *testing.T) {
	s := ledger(t)
	commit(t, s, 1)
	backup := backedUp(t, s)
	commit(t, s, 2)
	before := clock(t, s)
	commit(t, s, 3)
	for range 2 {
		lastCommit, err := s.Restore(t.Context(), backup, before)
		if err != nil {
			t.Fatal(err)
		}
		if lastCommit.After(before) {
			t.Errorf("the last commit was at %s, after %s", lastCommit, before)
		}
		kept(t, s, "1,2")
	}
	commit(t, s, 4)
	kept(t, backupRestored(t, s, backedUp(t, s), time.Time{}), "1,2,4")
}

// A shutdown archives the whole log, so that nothing is lost; a machine that is
// lost takes with it what was not archived.
func TestRestoreToTheEndOfTheArchive(t *testing.T) {
	s := ledger(t)
	backup := backedUp(t, s)
	commit(t, s, 1)
	kept(t, backupRestored(t, s, backup, time.Time{}), "1")

	backup = backedUp(t, s)
	commit(t, s, 2)
	segment := ask(t, s.URL(), "SELECT pg_walfile_name(pg_switch_wal())")
	if err := s.until(t.Context(), "SELECT last_archived_wal >= '"+segment+"' FROM pg_stat_archiver"); err != nil {
		t.Fatal(err)
	}
	if err := s.set(t.Context(), "archive_command", "false"); err != nil { // the archive is out of reach
		t.Fatal(err)
	}
	commit(t, s, 3)
	s.Crash()
	kept(t, backupRestored(t, s, backup, time.Time{}), "1,2")
}

// A synchronous standby has every commit that returned, however the primary
// ends, and the old primary can follow it.
func TestLosslessSwitchOverKeepsEveryCommit(t *testing.T) {
	s := ledger(t)
	standby := followed(t, s)
	if err := s.CommitsWaitFor(t.Context(), standby); err != nil {
		t.Fatal(err)
	}
	either := EitherURL("postgres", s, standby)
	for n := 1; n <= 20; n++ {
		commit(t, s, n)
	}
	s.Crash()
	if err := standby.Promote(t.Context()); err != nil {
		t.Fatal(err)
	}
	kept(t, standby, "1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20")
	if err := s.Follow(t.Context(), standby); err != nil {
		t.Fatal(err)
	}
	if got := ask(t, s.URL(), "SELECT pg_is_in_recovery()::text"); got != "true" {
		t.Error("the old primary takes commits")
	}
	if got := ask(t, either, "INSERT INTO commits VALUES (21) RETURNING n"); got != "21" {
		t.Error("the address of both leads to the old primary")
	}
}

// A synchronous standby that is away stops commits; they return when it is let go.
func TestCommitsWaitForASynchronousStandby(t *testing.T) {
	s := ledger(t)
	standby := followed(t, s)
	if err := s.CommitsWaitFor(t.Context(), standby); err != nil {
		t.Fatal(err)
	}
	if err := standby.Disconnect(t.Context()); err != nil {
		t.Fatal(err)
	}
	returned := make(chan string, 1)
	go func() { returned <- ask(t, s.URL(), "INSERT INTO commits VALUES (1) RETURNING n") }()
	if err := s.until(t.Context(), "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event = 'SyncRep')"); err != nil {
		t.Fatal(err)
	}
	if err := s.CommitsWaitFor(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if got := <-returned; got != "1" {
		t.Errorf("the commit returned %q", got)
	}
}

// An asynchronous standby lacks what it did not get in time.
func TestAsynchronousStandbyLosesTheTail(t *testing.T) {
	s := ledger(t)
	standby := followed(t, s)
	commit(t, s, 1)
	if err := standby.until(t.Context(), "SELECT EXISTS (SELECT FROM commits)"); err != nil {
		t.Fatal(err)
	}
	if err := standby.Disconnect(t.Context()); err != nil {
		t.Fatal(err)
	}
	commit(t, s, 2)
	s.Crash()
	if err := standby.Promote(t.Context()); err != nil {
		t.Fatal(err)
	}
	kept(t, standby, "1")
}

// ledger is a server with a table of commits.
func ledger(t *testing.T) *Server {
	t.Helper()
	s := started(t, Options{Replicated: true})
	ask(t, s.URL(), "CREATE TABLE commits (n INT); SELECT 'done'")
	return s
}

func commit(t *testing.T, s *Server, n int) {
	t.Helper()
	ask(t, s.URL(), fmt.Sprintf("INSERT INTO commits VALUES (%d) RETURNING n", n))
}

// kept compares the commits that a server has.
func kept(t *testing.T, s *Server, want string) {
	t.Helper()
	if got := ask(t, s.URL(), "SELECT coalesce(string_agg(n::text, ',' ORDER BY n), '') FROM commits"); got != want {
		t.Errorf("the server has the commits %s, want %s", got, want)
	}
}

func backedUp(t *testing.T, s *Server) *Backup {
	t.Helper()
	backup, err := s.BaseBackup(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return backup
}

func backupRestored(t *testing.T, s *Server, b *Backup, until time.Time) *Server {
	t.Helper()
	if _, err := s.Restore(t.Context(), b, until); err != nil {
		t.Fatal(err)
	}
	return s
}

func followed(t *testing.T, s *Server) *Server {
	t.Helper()
	standby, err := s.StartStandby(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(standby.Stop)
	return standby
}

// clock is the server's time.
func clock(t *testing.T, s *Server) (now time.Time) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), s.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }() // the query has its own result
	if err := conn.QueryRow(t.Context(), "SELECT clock_timestamp()").Scan(&now); err != nil {
		t.Fatal(err)
	}
	return now
}
