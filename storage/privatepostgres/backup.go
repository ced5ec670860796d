package privatepostgres

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	// The server runs in its data directory, beside which the archive is. A
	// segment gets its name when it is whole.
	archiveCommand = "cp %p ../archive/%f.part && mv ../archive/%f.part ../archive/%f"
	restoreCommand = "cp ../archive/%f %p"
	archiveTimeout = "1s" // of a lost machine the archive lacks about this much

	restoreLimit = 5 * time.Minute // replays minutes of log, at the speed of the disk
)

// Backup is a base backup that a server made of itself. It is removed with the
// server's directory.
type Backup struct{ dir string }

// BaseBackup copies the running server with pg_basebackup. It needs
// Options.Replicated.
func (s *Server) BaseBackup(ctx context.Context) (*Backup, error) {
	dir, err := os.MkdirTemp(s.dir, "backup-")
	if err == nil {
		err = s.account.own(dir)
	}
	if err != nil {
		return nil, fmt.Errorf("directory for a base backup: %w", err)
	}
	return &Backup{dir}, s.copyFrom(ctx, s, dir)
}

// copyFrom copies the running source into an empty directory of s.
func (s *Server) copyFrom(ctx context.Context, source *Server, into string, more ...string) error {
	args := append([]string{"-D", into, "--checkpoint=fast", "--wal-method=stream", "--no-password"}, more...)
	if !s.options.Durable {
		args = append(args, "--no-sync")
	}
	cmd := s.command(ctx, "pg_basebackup", append(args,
		"-h", "127.0.0.1", "-p", strconv.Itoa(source.port), "-U", superuser)...)
	cmd.Env = append(cmd.Env, "PGPASSWORD="+source.password) // anybody may read a command line
	return s.tool(cmd)
}

// Restore takes the server back: it shuts it down unless it has crashed, puts
// the backup in the place of its data and replays the archived log, up to a
// moment after which something was committed or, if that is zero, to the log's
// end. When it returns, the server takes commits at the same address, and those
// after lastCommit, the last one that was replayed, are lost. The backup may be restored once more; it does not
// lead to what was committed after a restore. Nobody else may call another
// method meanwhile.
//
// A shutdown archives the whole log; after Crash the archive lacks what was
// committed within the last second or so.
func (s *Server) Restore(ctx context.Context, b *Backup, until time.Time) (lastCommit time.Time, err error) {
	ctx, cancel := context.WithTimeout(ctx, restoreLimit)
	defer cancel()
	s.shutDown()
	if err := os.RemoveAll(s.dataDir()); err != nil {
		return time.Time{}, err
	}
	copying := exec.CommandContext(ctx, "cp", "-a", b.dir, s.dataDir()) // keeps owner and mode, on which the server insists
	if out, err := copying.CombinedOutput(); err != nil {
		return time.Time{}, fmt.Errorf("copy the base backup: %w\n%s", err, out)
	}
	target := "" // not that of an earlier restore, either, whose settings a backup has
	if !until.IsZero() {
		target = until.UTC().Format("2006-01-02 15:04:05.000000") + "+00"
	}
	if err := s.configure([]string{
		"synchronous_standby_names = ''", // the standbys follow the server that was
		"restore_command = '" + restoreCommand + "'", "recovery_target_timeline = 'current'",
		"recovery_target_time = '" + target + "'", "recovery_target_action = 'promote'",
	}, "recovery.signal"); err != nil {
		return time.Time{}, err
	}
	if err := s.relaunch(ctx); err != nil {
		return time.Time{}, err
	}
	if err := s.until(ctx, "SELECT NOT pg_is_in_recovery()"); err != nil {
		return time.Time{}, fmt.Errorf("recovery of PostgreSQL: %w\n%s", err, s.output.tail())
	}
	var replayed *time.Time // none, if nothing was committed after the backup
	if err := s.query(ctx, "SELECT pg_last_xact_replay_timestamp()", &replayed); err != nil || replayed == nil {
		return time.Time{}, err
	}
	return *replayed, nil
}

// configure appends to the settings of a stopped server, where the last of a
// name wins, and leaves the file that has PostgreSQL read them as recovery's.
func (s *Server) configure(settings []string, signal string) error {
	file, err := os.OpenFile(filepath.Join(s.dataDir(), "postgresql.auto.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = file.WriteString(strings.Join(settings, "\n") + "\n")
	if closed := file.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return err
	}
	path := filepath.Join(s.dataDir(), signal)
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		return err
	}
	return s.account.own(path)
}

// until waits until a query returns true.
func (s *Server) until(ctx context.Context, holds string) error {
	for {
		var now bool
		err := s.query(ctx, holds, &now)
		if err == nil && now {
			return nil
		}
		select {
		case <-s.server.exited:
			return fmt.Errorf("the server ended: %w", s.server.err)
		case <-ctx.Done():
			return fmt.Errorf("%s: %w", holds, ctx.Err())
		case <-time.After(readyInterval):
		}
	}
}

// query reads the one value of a query on a connection of its own.
func (s *Server) query(ctx context.Context, sql string, into any) error {
	conn, err := pgx.Connect(ctx, s.URL())
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }() // the query has its own result
	return conn.QueryRow(ctx, sql).Scan(into)
}
