package privatepostgres

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/gofrs/flock"
)

// claimDirectory makes s.dir ours: it exists, no other process may use it, and
// the server's user can write to it.
func (s *Server) claimDirectory() error {
	dir, err := s.makeDirectory()
	if err != nil {
		return fmt.Errorf("directory for PostgreSQL: %w", err)
	}
	s.dir = dir
	s.lock = flock.New(filepath.Join(dir, lockName))
	locked, err := s.lock.TryLock()
	if err == nil && !locked {
		err = errors.New("another process uses it")
	}
	if err == nil {
		err = s.account.own(dir)
	}
	if err == nil && s.options.Replicated {
		err = s.makeArchive()
	}
	if err == nil {
		return nil
	}
	_ = s.lock.Close() // see Stop
	if s.options.DataDir == "" {
		_ = os.RemoveAll(dir) // nothing but the lock is in it
	}
	return fmt.Errorf("directory %s for PostgreSQL: %w", dir, err)
}

// makeArchive makes the directory for the archived log.
func (s *Server) makeArchive() error {
	archive := filepath.Join(s.dir, "archive")
	if err := os.MkdirAll(archive, 0o700); err != nil {
		return err
	}
	return s.account.own(archive)
}

func (s *Server) makeDirectory() (string, error) {
	if s.options.DataDir == "" {
		return os.MkdirTemp("", directoryPrefix)
	}
	dir, err := filepath.Abs(s.options.DataDir) // the server runs in another working directory
	if err != nil {
		return "", err
	}
	return dir, os.MkdirAll(dir, 0o700)
}

func (s *Server) dataDir() string { return filepath.Join(s.dir, "data") }

// initialise makes a cluster in the data directory, unless there is one, and
// sets s.password to its superuser's. A cluster that initdb did not finish is
// removed first: PG_VERSION is not proof that it did, so a file of ours is.
func (s *Server) initialise(ctx context.Context) error {
	passwordFile := filepath.Join(s.dir, "password")
	finished := filepath.Join(s.dir, "initialised")
	if _, err := os.Stat(finished); err == nil {
		password, err := os.ReadFile(passwordFile)
		s.password = string(password)
		return err
	}
	if err := os.RemoveAll(s.dataDir()); err != nil {
		return err
	}
	s.password = rand.Text()
	if err := os.WriteFile(passwordFile, []byte(s.password), 0o600); err != nil {
		return err
	}
	if err := s.account.own(passwordFile); err != nil {
		return err
	}
	args := []string{"-D", s.dataDir(), "-U", superuser, "--auth=scram-sha-256", "--pwfile=" + passwordFile, "--encoding=UTF8", "--locale=C"}
	if !s.options.Durable {
		args = append(args, "--no-sync")
	}
	if s.options.Replicated {
		args = append(args, "--data-checksums", "--wal-segsize=1")
	}
	if err := s.tool(s.command(ctx, "initdb", args...)); err != nil {
		return err
	}
	return os.WriteFile(finished, nil, 0o600)
}

// tool runs one of PostgreSQL's programs to its end.
func (s *Server) tool(cmd *exec.Cmd) error {
	s.output.forget()
	program, err := start(cmd)
	if err != nil {
		return err
	}
	<-program.exited
	if program.err != nil {
		return fmt.Errorf("%s: %w\n%s", filepath.Base(cmd.Path), program.err, s.output.tail())
	}
	return nil
}
