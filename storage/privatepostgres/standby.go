package privatepostgres

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/url"
	"os"
	"strings"

	"github.com/jackc/pgx/v5"
)

// StartStandby starts a server that streams s, asynchronously: a commit does not
// wait for it. It takes queries and no commits, and belongs to our caller as s
// does. It needs Options.Replicated.
func (s *Server) StartStandby(ctx context.Context) (*Server, error) {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	standby := &Server{options: s.options, binDir: s.binDir, account: s.account, output: &output{log: s.options.Log}, password: s.password}
	standby.options.DataDir = ""
	if err := standby.claimDirectory(); err != nil {
		return nil, err
	}
	err := standby.stream(ctx, s)
	if err == nil {
		err = untilFree(ctx, standby.launch)
	}
	if err != nil {
		standby.Stop()
		return nil, err
	}
	return standby, nil
}

// Follow makes s, which has crashed or been shut down, a standby of another
// server, at its own address; what only s had is lost.
func (s *Server) Follow(ctx context.Context, primary *Server) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	s.shutDown()
	if err := os.RemoveAll(s.dataDir()); err != nil {
		return err
	}
	if err := s.stream(ctx, primary); err != nil {
		return err
	}
	return s.relaunch(ctx)
}

// stream makes the data directory that of a standby.
func (s *Server) stream(ctx context.Context, primary *Server) error {
	s.name = "standby_" + strings.ToLower(rand.Text())
	if err := s.copyFrom(ctx, primary, s.dataDir(), "--write-recovery-conf", "-d", "application_name="+s.name); err != nil {
		return err
	}
	return s.configure([]string{"synchronous_standby_names = ''"}, "standby.signal")
}

// CommitsWaitFor makes every later commit of s wait until standby has it on its
// disk: a synchronous standby. While the standby is away commits do not return.
// With nil they wait for nobody.
func (s *Server) CommitsWaitFor(ctx context.Context, standby *Server) error {
	name, holds := "", "SELECT current_setting('synchronous_standby_names') = ''"
	if standby != nil {
		name = standby.name
		holds = "SELECT EXISTS (SELECT FROM pg_stat_replication WHERE application_name = '" + name + "' AND sync_state = 'sync')"
	}
	if err := s.set(ctx, "synchronous_standby_names", name); err != nil {
		return err
	}
	return s.until(ctx, holds)
}

// Disconnect cuts a standby from its primary: it gets no later commit.
func (s *Server) Disconnect(ctx context.Context) error {
	if err := s.set(ctx, "primary_conninfo", ""); err != nil {
		return err
	}
	return s.until(ctx, "SELECT NOT EXISTS (SELECT FROM pg_stat_wal_receiver)")
}

// Promote makes a standby a primary. When it returns, the server takes commits;
// nothing stops the old primary from taking them, too.
func (s *Server) Promote(ctx context.Context) error {
	return s.tool(s.command(ctx, "pg_ctl", "promote", "-w", "-D", s.dataDir()))
}

// set changes a setting of the running server for good.
func (s *Server) set(ctx context.Context, name, value string) error {
	conn, err := pgx.Connect(ctx, s.URL())
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }() // the statements have their own results
	for _, statement := range []string{fmt.Sprintf("ALTER SYSTEM SET %s = '%s'", name, value), "SELECT pg_reload_conf()"} {
		if _, err := conn.Exec(ctx, statement); err != nil {
			return fmt.Errorf("%s: %w", statement, err)
		}
	}
	return nil
}

// EitherURL is the address of a database on whichever of the servers takes
// commits.
func EitherURL(database string, servers ...*Server) string {
	var hosts []string
	for _, s := range servers {
		hosts = append(hosts, s.host())
	}
	u := url.URL{
		Scheme: "postgres", User: url.UserPassword(superuser, servers[0].password), Host: strings.Join(hosts, ","), // a standby has its primary's password
		Path: "/" + database, RawQuery: "sslmode=disable&target_session_attrs=read-write",
	}
	return u.String()
}
