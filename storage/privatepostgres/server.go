package privatepostgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gofrs/flock"
	"github.com/jackc/pgx/v5"
)

const (
	superuser      = "postgres"
	maxConnections = 200 // a benchmark's server, API and worker hold up to 150 in all; the default is 100

	startLimit     = time.Minute            // initdb and start together take 2 s; a loaded two-core machine takes ten times that
	retryInterval  = 200 * time.Millisecond // between two starts, when a port or a data directory was not free yet
	readyInterval  = 20 * time.Millisecond  // between two questions whether the server answers
	fastLimit      = 15 * time.Second       // a fast shutdown writes one checkpoint
	immediateLimit = 5 * time.Second        // an immediate one writes nothing
)

// Options say what kind of server to start. The zero value is a server for
// tests: temporary and not durable.
type Options struct {
	// DataDir keeps the server's directory across starts; it is created where
	// missing, and one process at a time may use it. When we are root it passes
	// to the server's user, who must be able to reach it. Empty means a
	// temporary directory, which Stop removes.
	DataDir string
	// Durable makes a commit survive a power cut, as in production (fsync on):
	// what benchmarks measure. Otherwise data survives the server's crash only,
	// and commits do not wait for the disk.
	Durable bool
	// Replicated keeps what backups and standbys need: the write-ahead log is
	// archived, blocks have checksums, and a commit is in the log when it returns.
	Replicated bool
	// Log receives what initdb and the server print, from one goroutine at a
	// time. Nil discards it; the end of it is in Start's error all the same.
	Log io.Writer
}

// Server is a running PostgreSQL server. Its methods may be called from any
// goroutine.
type Server struct {
	options  Options
	binDir   string
	dir      string // holds the lock, the password and the data directory
	account  *account
	lock     *flock.Flock
	output   *output
	password string

	name   string // a standby's, at its primary
	port   int
	server *child // nil until it is started
	stop   sync.Once
}

// Start creates a database cluster where there is none, starts a server on it
// and returns when it answers. ctx and a limit of one minute bound the start;
// ctx ending later does not stop the server.
//
// Errors: ErrNotFound when no server is installed; a DataDir in use by another
// process; otherwise what initdb or the server printed last. After an error
// nothing runs and no temporary directory is left.
func Start(ctx context.Context, o Options) (*Server, error) {
	binDir, err := Find()
	if err != nil {
		return nil, err
	}
	account, err := unprivileged()
	if err != nil {
		return nil, err
	}
	sweep(os.TempDir())

	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	s := &Server{options: o, binDir: binDir, account: account, output: &output{log: o.Log}}
	if err := s.claimDirectory(); err != nil {
		return nil, err
	}
	if err := s.initialise(ctx); err != nil {
		s.Stop()
		return nil, err
	}
	if err := untilFree(ctx, s.launch); err != nil {
		s.Stop()
		return nil, err
	}
	return s, nil
}

// untilFree launches again while the cause of a failure passes. Two do: another process took
// the port between our choosing and the server's binding it; a server whose owner was just
// killed is still shutting down on the same DataDir.
func untilFree(ctx context.Context, launch func(context.Context) error) error {
	for {
		err := launch(ctx)
		if !errors.Is(err, errNotFree) {
			return err
		}
		select {
		case <-time.After(retryInterval):
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		}
	}
}

// URL is the address of the database postgres, as its superuser. It holds the
// password. It stays the same until Stop.
func (s *Server) URL() string {
	return s.DatabaseURL("postgres")
}

// CreateDatabase creates an empty database and returns its address. The name
// may be any text of up to 63 bytes; a name that exists is an error.
func (s *Server) CreateDatabase(ctx context.Context, name string) (string, error) {
	conn, err := pgx.Connect(ctx, s.URL())
	if err != nil {
		return "", fmt.Errorf("create database %s: %w", name, err)
	}
	defer func() { _ = conn.Close(ctx) }() // the statement has its own result
	if _, err := conn.Exec(ctx, "CREATE DATABASE "+pgx.Identifier{name}.Sanitize()); err != nil {
		return "", fmt.Errorf("create database %s: %w", name, err)
	}
	return s.DatabaseURL(name), nil
}

// Stop ends every connection, shuts the server down and waits for it: at most
// twenty seconds, after which the server is killed. A temporary directory is
// gone when it returns. Further calls wait for the first and do nothing.
func (s *Server) Stop() {
	s.stop.Do(func() {
		s.shutDown()
		_ = s.lock.Close() // closing our file is all that can fail; the lock ends with the process
		if s.options.DataDir == "" {
			_ = os.RemoveAll(s.dir) // what stays is swept by a later Start
		}
	})
}

// Interrupt takes the server away for some time: it ends every connection, waits, and is
// there again at the same address, with what was committed. abruptly leaves no time to write
// anything, as a crash does. ctx ending shortens the wait; the server is started all the
// same. Nobody else may call Interrupt or Stop meanwhile.
func (s *Server) Interrupt(ctx context.Context, away time.Duration, abruptly bool) error {
	if abruptly {
		s.Crash()
	} else {
		s.shutDown()
	}
	select {
	case <-time.After(away):
	case <-ctx.Done():
	}
	starting, cancel := context.WithTimeout(context.WithoutCancel(ctx), startLimit)
	defer cancel()
	return s.relaunch(starting)
}

// Crash ends the server without leaving it time to write anything. Its directory stays until
// Stop.
func (s *Server) Crash() {
	_ = s.server.cmd.Process.Signal(immediateShutdown) // it may be gone; shutDown sees to it
	s.shutDown()
}

// relaunch starts the server at the address that it had.
func (s *Server) relaunch(ctx context.Context) error {
	return untilFree(ctx, func(ctx context.Context) error { return s.launchOn(ctx, s.port) })
}

func (s *Server) shutDown() {
	if s.server == nil {
		return
	}
	for _, step := range []struct {
		signal os.Signal
		limit  time.Duration
	}{{fastShutdown, fastLimit}, {immediateShutdown, immediateLimit}} {
		// An error means that it is gone, or that there are no signals here: the
		// kill below is for the second.
		if err := s.server.cmd.Process.Signal(step.signal); err != nil {
			break
		}
		select {
		case <-s.server.exited:
			return
		case <-time.After(step.limit):
		}
	}
	_ = s.server.cmd.Process.Kill() // fails only if it is gone
	<-s.server.exited
}

// DatabaseURL is the address of a database that exists on the server.
func (s *Server) DatabaseURL(name string) string {
	u := url.URL{
		Scheme:   "postgres",
		User:     url.UserPassword(superuser, s.password),
		Host:     s.host(),
		Path:     "/" + name,
		RawQuery: "sslmode=disable",
	}
	return u.String()
}

func (s *Server) host() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)) }

// errNotFree marks a start that may succeed when it is tried again.
var errNotFree = errors.New("port or data directory not free yet")

// launch starts the server on a free port and waits until it answers. After an
// error no process is left.
func (s *Server) launch(ctx context.Context) error {
	port, err := freePort()
	if err != nil {
		return err
	}
	return s.launchOn(ctx, port)
}

// launchOn does so on a port.
func (s *Server) launchOn(ctx context.Context, port int) (err error) {
	s.port = port
	s.output.forget()
	// The server must outlive ctx, which bounds the start only.
	s.server, err = start(s.command(context.WithoutCancel(ctx), "postgres", s.arguments()...))
	if err != nil {
		return err
	}
	if err = s.awaitAnswer(ctx); err == nil {
		return nil
	}
	s.shutDown()
	printed := s.output.tail()
	if strings.Contains(printed, "Address already in use") || strings.Contains(printed, `"postmaster.pid" already exists`) {
		err = errors.Join(err, errNotFree)
	}
	return fmt.Errorf("postgres: %w\n%s", err, printed)
}

func (s *Server) arguments() []string {
	args := []string{
		"-D", s.dataDir(), "-p", strconv.Itoa(s.port),
		"-c", "listen_addresses=127.0.0.1",
		"-c", "unix_socket_directories=", // TCP alone: a socket's path is limited to about 100 bytes
		"-c", "max_connections=" + strconv.Itoa(maxConnections),
		"-c", "logging_collector=off", // to us, not to a file
	}
	if !s.options.Durable {
		args = append(args, "-c", "fsync=off")
	}
	if s.options.Replicated {
		return append(args, "-c", "archive_mode=on", "-c", "archive_command="+archiveCommand, "-c", "archive_timeout="+archiveTimeout)
	}
	if !s.options.Durable {
		args = append(args, "-c", "synchronous_commit=off", "-c", "full_page_writes=off")
	}
	return args
}

// awaitAnswer returns when the server accepts a connection, or ends, or ctx does.
func (s *Server) awaitAnswer(ctx context.Context) error {
	for {
		conn, err := pgx.Connect(ctx, s.URL())
		if err == nil {
			return conn.Close(ctx)
		}
		select {
		case <-s.server.exited:
			return errors.New("it ended at once")
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		case <-time.After(readyInterval):
		}
	}
}

// command prepares one of PostgreSQL's programs: as the server's user, with
// nothing of our environment (PGDATA and the like would change what it does),
// printing to s.output.
func (s *Server) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, filepath.Join(s.binDir, name), args...)
	cmd.Dir = s.dir
	cmd.Env = []string{"LC_ALL=C", "TZ=UTC", "PATH=/usr/bin:/bin"}
	cmd.Stdout, cmd.Stderr = s.output, s.output
	cmd.WaitDelay = immediateLimit // after a kill its children may hold our pipe a little longer
	s.account.become(cmd)
	return cmd
}

// freePort returns a port that nobody listened on a moment ago.
func freePort() (int, error) {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	return listener.Addr().(*net.TCPAddr).Port, listener.Close()
}
