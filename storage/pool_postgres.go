package storage

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
)

const (
	// maxConnections of one process; PostgreSQL's default server takes 100 in all, and two
	// APIs with three workers must fit.
	maxConnections = 16
	// sessionLifetime bounds how long a session stays with a server that the address no
	// longer leads to.
	sessionLifetime = 5 * time.Minute
)

// readWrite is the value of target_session_attrs for sessions that can write.
const readWrite = "read-write"

// sqlReadOnly is the SQLSTATE of a write in a session that may only read.
const sqlReadOnly = "25006"

// sessions are a process's sessions with PostgreSQL. After a switch-over the name in the
// address leads to the new primary while the old node may stay up read-only, so a session
// that may only read is left: at connecting (target_session_attrs=read-write, unless the
// address says otherwise), when it is taken from the pool, and at SQLSTATE 25006.
//
// A pooler that gives every transaction another session (PgBouncer in transaction mode) loses
// prepared statements. Behind one, statements are sent unprepared, unless the address says
// how (default_query_exec_mode).
type sessions struct {
	onConnect connectionCheck
	modeGiven bool        // the address says how statements are sent
	pooled    atomic.Bool // a pooler was met
}

func openPostgres(address string, onConnect connectionCheck) (*sql.DB, error) {
	config, err := pgx.ParseConfig(address)
	if err != nil {
		return nil, errors.New("the ledger's address is not a valid postgres:// URL")
	}
	given, err := url.Parse(address)
	if err != nil {
		return nil, errors.New("the ledger's address is not a valid postgres:// URL") // it may hold a password
	}
	s := &sessions{onConnect: onConnect, modeGiven: given.Query().Has("default_query_exec_mode")}
	options := []stdlib.OptionOpenDB{stdlib.OptionBeforeConnect(s.prepare), stdlib.OptionAfterConnect(s.check)}
	wanted := given.Query().Get("target_session_attrs")
	if wanted == "" && config.ValidateConnect == nil {
		wanted, config.ValidateConnect = readWrite, pgconn.ValidateConnectTargetSessionAttrsReadWrite
	}
	if wanted == readWrite {
		options = append(options, stdlib.OptionResetSession(stillWritable))
	}
	keeps := config.OnPgError
	config.OnPgError = func(conn *pgconn.PgConn, e *pgconn.PgError) bool {
		return e.Code != sqlReadOnly && keeps(conn, e)
	}
	pool := stdlib.OpenDB(*config, options...)
	pool.SetMaxOpenConns(maxConnections)
	pool.SetMaxIdleConns(maxConnections) // the default, 2, reconnects under load
	pool.SetConnMaxIdleTime(sessionLifetime)
	pool.SetConnMaxLifetime(sessionLifetime)
	return pool, nil
}

// prepare says how a session that is about to be opened sends its statements.
func (s *sessions) prepare(_ context.Context, config *pgx.ConnConfig) error {
	if s.pooled.Load() {
		config.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe
	}
	return nil
}

// connectionCheck says why a session just opened is not to be used.
type connectionCheck func(ctx context.Context, conn *pgx.Conn) error

// check looks for a pooler in a session just opened, and then at the ledger that it reached.
func (s *sessions) check(ctx context.Context, conn *pgx.Conn) error {
	if err := s.findPooler(ctx, conn); err != nil {
		return err
	}
	if err := s.onConnect(ctx, conn); err != nil {
		return discard(ctx, conn, err)
	}
	return nil
}

// findPooler sees that the process id that we were given is a pooler's invention. The session
// is opened another time then, as prepare says.
func (s *sessions) findPooler(ctx context.Context, conn *pgx.Conn) error {
	if s.modeGiven || s.pooled.Load() {
		return nil
	}
	var pid int64
	if err := conn.QueryRow(ctx, "SELECT pg_backend_pid()", pgx.QueryExecModeExec).Scan(&pid); err != nil {
		return discard(ctx, conn, err)
	}
	if pid == int64(conn.PgConn().PID()) {
		return nil
	}
	s.pooled.Store(true)
	return discard(ctx, conn, driver.ErrBadConn) // database/sql connects another time
}

// discard ends a session for a reason: the driver forgets one whose check failed, open.
func discard(ctx context.Context, conn *pgx.Conn, reason error) error {
	_ = conn.Close(ctx) // the reason says more
	return reason
}

// stillWritable leaves a session whose server became read-only since it was opened; the
// server reports both with the answer to any statement (PostgreSQL 14 and later).
func stillWritable(_ context.Context, conn *pgx.Conn) error {
	for _, reported := range []string{"default_transaction_read_only", "in_hot_standby"} {
		if conn.PgConn().ParameterStatus(reported) == "on" {
			return driver.ErrBadConn
		}
	}
	return nil
}
