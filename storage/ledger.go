// Package storage is the ledger: the memory beyond Temporal's retention, and
// the list people search. One row is one accepted process; the journal beside
// it holds every call to a partner.
//
// It runs on PostgreSQL (production) and on SQLite (embedded). Unexported
// functions take a transaction, exported methods own one. Every state write can
// run twice or late: see writeState.
package storage

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/gofrs/flock"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
	"gorm.io/driver/postgres"
	"gorm.io/driver/sqlite"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"tolem/domain"
)

//go:embed migrations/postgres/*.sql migrations/sqlite/*.sql
var migrations embed.FS

// Errors that callers tell apart with errors.Is.
var (
	ErrNotFound  = errors.New("not in the ledger")
	ErrIDTaken   = errors.New("agentTransactionId is taken by another payment")
	ErrKeyReused = errors.New("idempotency key was used with another request")
)

// Ledger is a connection pool to one ledger database. It is safe for
// concurrent use.
type Ledger struct {
	db      *gorm.DB
	pool    *sql.DB
	probe   *sql.DB // one connection, for CheckWritable alone
	dialect goose.Dialect
	file    string // SQLite's; "" on PostgreSQL
	numbers paymentNumbers
	gate    gate
	onEnd   func(domain.Process, string) // nil tells nobody

	onIncident func(OpenIncident) // nil notifies nobody
}

// Open connects to postgres://… or sqlite:///path and checks that the database
// answers. It does not change the schema: see Migrate. Errors never contain the
// password of the address.
func Open(ctx context.Context, address string) (*Ledger, error) {
	l := &Ledger{}
	pool, dialect, err := openPool(address, l.checkConnection)
	if err != nil {
		return nil, err
	}
	probe, _, err := openPool(address, l.checkConnection)
	if err != nil {
		_ = pool.Close() // it has connected to nobody
		return nil, err
	}
	probe.SetMaxOpenConns(1)
	l.pool, l.probe, l.dialect = pool, probe, dialect
	if dialect == goose.DialectSQLite3 {
		l.file = strings.TrimPrefix(address, "sqlite://")
	}
	if err := l.Ping(ctx); err != nil {
		_ = l.Close() // the ping's error says more
		return nil, err
	}
	l.db, err = gorm.Open(l.dialector(), &gorm.Config{
		Logger:                 logger.Discard, // statements carry accounts and names
		SkipDefaultTransaction: true,           // exported methods own their transactions
		NowFunc:                func() time.Time { return time.Now().UTC() },
	})
	if err == nil {
		err = l.stopAtGate(l.db)
	}
	if err != nil {
		_ = l.Close() // as above
		return nil, fmt.Errorf("open the ledger: %w", err)
	}
	return l, nil
}

func (l *Ledger) dialector() gorm.Dialector {
	if l.dialect == goose.DialectPostgres {
		return postgres.New(postgres.Config{Conn: l.pool})
	}
	return sqlite.New(sqlite.Config{DriverName: "sqlite", Conn: l.pool})
}

// Ping says whether the ledger answers.
func (l *Ledger) Ping(ctx context.Context) error {
	if err := l.pool.PingContext(ctx); err != nil {
		return fmt.Errorf("the ledger does not answer: %w", err)
	}
	return nil
}

// Close ends all connections.
func (l *Ledger) Close() error { return errors.Join(l.probe.Close(), l.pool.Close()) }

// Migrate brings the schema up to this program's version and returns the names
// of the migrations it applied; none when there was nothing to do. Several
// processes may call it at once: one works, the others wait for it.
func (l *Ledger) Migrate(ctx context.Context) ([]string, error) {
	if err := l.checkEncoding(ctx); err != nil {
		return nil, err
	}
	provider, err := l.migrator()
	if err != nil {
		return nil, err
	}
	unlock, err := l.lockMigrations(ctx)
	if err != nil {
		return nil, fmt.Errorf("wait for another migration of the ledger: %w", err)
	}
	defer unlock()
	results, err := provider.Up(ctx)
	if err != nil {
		return nil, fmt.Errorf("migrate the ledger: %w", err)
	}
	var applied []string
	for _, r := range results {
		applied = append(applied, r.Source.Path)
	}
	return applied, nil
}

// checkEncoding fails where the database cannot hold every name and account.
func (l *Ledger) checkEncoding(ctx context.Context) error {
	if !l.onPostgres() {
		return nil
	}
	var encoding string
	if err := l.pool.QueryRowContext(ctx, "SHOW server_encoding").Scan(&encoding); err != nil {
		return fmt.Errorf("read the encoding of the ledger's database: %w", err)
	}
	if encoding != "UTF8" {
		return fmt.Errorf("the encoding of the ledger's database is %s, and names and accounts need UTF8: create the database with ENCODING 'UTF8' TEMPLATE template0", encoding)
	}
	return nil
}

// migrationWait bounds the wait for another process's migration.
const migrationWait = 5 * time.Minute

// lockMigrations has one process migrate at a time, until it unlocks or ends. On SQLite it is
// a lock file beside the ledger's. On PostgreSQL it is goose's advisory lock, held by a
// transaction and not, as goose does, by a session: behind a pooler that is somebody else's.
func (l *Ledger) lockMigrations(ctx context.Context) (unlock func(), err error) {
	waiting, cancel := context.WithTimeout(ctx, migrationWait)
	defer cancel()
	if l.file != "" {
		file := flock.New(l.file + ".migrating")
		_, err := file.TryLockContext(waiting, 50*time.Millisecond)
		return func() { _ = file.Close() }, err // the lock ends with the process at the latest
	}
	tx, err := l.pool.BeginTx(ctx, nil)
	if err != nil {
		return nil, err
	}
	unlock = func() { _ = tx.Rollback() } // nothing was written; the lock ends with the session at the latest
	if _, err := tx.ExecContext(waiting, "SET LOCAL idle_in_transaction_session_timeout = 0"); err != nil {
		unlock()
		return nil, err
	}
	if _, err := tx.ExecContext(waiting, "SELECT pg_advisory_xact_lock($1)", lock.DefaultLockID); err != nil {
		unlock()
		return nil, err
	}
	return unlock, nil
}

// CheckSchema fails, with the command to run, when migrations are missing.
func (l *Ledger) CheckSchema(ctx context.Context) error {
	provider, err := l.migrator()
	if err != nil {
		return err
	}
	pending, err := provider.HasPending(ctx)
	if err != nil {
		return fmt.Errorf("read the ledger's schema version: %w", err)
	}
	if pending {
		return errors.New("the ledger's schema is older than this program: run `tolem migrate` first")
	}
	return nil
}

func (l *Ledger) migrator() (*goose.Provider, error) {
	folder := "migrations/sqlite"
	if l.onPostgres() {
		folder = "migrations/postgres"
	}
	files, err := fs.Sub(migrations, folder)
	if err != nil {
		return nil, fmt.Errorf("embedded migrations: %w", err)
	}
	provider, err := goose.NewProvider(l.dialect, l.pool, files)
	if err != nil {
		return nil, fmt.Errorf("prepare migrations: %w", err)
	}
	return provider, nil
}

// inTransaction runs do in one transaction; an error rolls everything back. The
// ends that it wrote, and the incidents that it opened, are reported after the commit.
func (l *Ledger) inTransaction(ctx context.Context, do func(tx *gorm.DB) error) error {
	var written news
	if err := l.db.WithContext(written.within(ctx)).Transaction(do); err != nil {
		return err
	}
	l.report(written)
	return nil
}

// planAnew has PostgreSQL plan every statement of a transaction for its values. A
// prepared one keeps, after five executions, the plan that was right then: one that was
// first used on an empty table reads the whole table for every chunk of a batch.
func (l *Ledger) planAnew(tx *gorm.DB) error {
	if l.dialect != goose.DialectPostgres {
		return nil
	}
	return tx.Exec("SET LOCAL plan_cache_mode = force_custom_plan").Error
}
