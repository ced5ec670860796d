package storage

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"tolem/domain"
)

// MigrateTo brings an empty ledger's schema up to an older version.
func (l *Ledger) MigrateTo(ctx context.Context, version int64) error {
	provider, err := l.migrator()
	if err != nil {
		return err
	}
	_, err = provider.UpTo(ctx, version)
	return err
}

// Exec runs a statement on the ledger as it is.
func (l *Ledger) Exec(ctx context.Context, statement string, args ...any) error {
	return l.db.WithContext(ctx).Exec(statement, args...).Error
}

// OnPostgres says which of the two databases it is.
func (l *Ledger) OnPostgres() bool { return l.onPostgres() }

// Count runs a query of one number.
func (l *Ledger) Count(ctx context.Context, query string, into *int) error {
	return l.db.WithContext(ctx).Raw(query).Scan(into).Error
}

// Text runs a query of one text.
func (l *Ledger) Text(ctx context.Context, query string, into *string) error {
	return l.db.WithContext(ctx).Raw(query).Scan(into).Error
}

// InReadOnly runs a statement in a transaction that may only read, which its session does not
// report.
func (l *Ledger) InReadOnly(ctx context.Context, statement string) error {
	return l.db.WithContext(ctx).Transaction(func(tx *gorm.DB) error { return tx.Exec(statement).Error }, &sql.TxOptions{ReadOnly: true})
}

// WhileBusy does something while every connection of the pool is taken.
func (l *Ledger) WhileBusy(t *testing.T, do func()) {
	t.Helper()
	for range maxConnections {
		conn, err := l.pool.Conn(t.Context())
		require.NoError(t, err)
		defer func() { require.NoError(t, conn.Close()) }()
	}
	do()
}

var errRolledBack = errors.New("rolled back")

// RollBack raises in a transaction that is not committed.
func (l *Ledger) RollBack(ctx context.Context, about OpenIncident) error {
	return l.inTransaction(ctx, func(tx *gorm.DB) error {
		if err := raise(tx, subject{about.Process, about.Subject, about.Part}, about.Reason, "x"); err != nil {
			return err
		}
		return errRolledBack
	})
}

// FillWithEnded copies the ended processes that there are, one of each kind, n times, and
// has the database count what its planner goes by.
func (l *Ledger) FillWithEnded(t *testing.T, n int) {
	t.Helper()
	for _, c := range []struct {
		table string
		other map[string]string // columns that differ
	}{
		{"payments", map[string]string{"id": "n.i", "idempotency_key": "'copy' || n.i", "created_at": "created_at - n.i"}},
		{"instalment_orders", map[string]string{"id": "'copy' || n.i", "callback_token": "'copy' || n.i", "created_at": "created_at - n.i"}},
		{"collection_contracts", map[string]string{"contract": "'copy' || n.i"}},
		{"payment_orders", map[string]string{"id": "1000 + n.i", "contract": "'copy' || n.i", "request_ref": "'copy' || n.i", "order_ref": "'copy' || n.i"}},
	} {
		columns := l.columnsOf(t, c.table)
		values := slices.Clone(columns)
		for i, name := range columns {
			if other, ok := c.other[name]; ok {
				values[i] = other
			}
		}
		_, err := l.pool.ExecContext(t.Context(), fmt.Sprintf(`WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d)
			INSERT INTO %s (%s) SELECT %s FROM n, (SELECT * FROM %s LIMIT 1) AS one`,
			n, c.table, strings.Join(columns, ", "), strings.Join(values, ", "), c.table))
		require.NoError(t, err, c.table)
	}
	_, err := l.pool.ExecContext(t.Context(), "ANALYZE")
	require.NoError(t, err)
}

// statements is a logger that keeps the queries of a ledger, their values filled in.
type statements struct {
	logger.Interface
	all []string
}

func (s *statements) LogMode(logger.LogLevel) logger.Interface { return s }

func (s *statements) Trace(_ context.Context, _ time.Time, statement func() (string, int64), _ error) {
	text, _ := statement()
	s.all = append(s.all, text)
}

// Explain is how the database would run each query of what is done with a ledger.
func (l *Ledger) Explain(t *testing.T, do func(*Ledger) error) (plans []string) {
	t.Helper()
	heard := &statements{Interface: logger.Discard}
	require.NoError(t, do(&Ledger{db: l.db.Session(&gorm.Session{Logger: heard}), pool: l.pool, dialect: l.dialect}))
	prefix := "EXPLAIN QUERY PLAN "
	if l.onPostgres() {
		prefix = "EXPLAIN "
	}
	for _, query := range heard.all {
		var lines []map[string]any
		require.NoError(t, l.db.Raw(prefix+query).Scan(&lines).Error, query)
		plans = append(plans, query+"\n"+fmt.Sprint(lines))
	}
	return plans
}

// ExplainOverview is how the database would read each part of an overview if scanning
// a whole table were dear, as it is with millions of rows.
func ExplainOverview(t *testing.T, l *Ledger) (plans []string) {
	t.Helper()
	explain := func(query string, values ...any) {
		err := l.inTransaction(t.Context(), func(tx *gorm.DB) error {
			prefix := "EXPLAIN QUERY PLAN "
			if l.onPostgres() {
				prefix = "EXPLAIN "
				if err := tx.Exec("SET LOCAL enable_seqscan = off").Error; err != nil {
					return err
				}
			}
			var lines []map[string]any
			if err := tx.Raw(prefix+query, values...).Scan(&lines).Error; err != nil {
				return err
			}
			plans = append(plans, fmt.Sprint(lines))
			return nil
		})
		require.NoError(t, err)
	}
	for _, p := range domain.Processes() {
		query, values := openQuery(p.Process, time.Now(), []time.Duration{time.Minute})
		explain(query, values...)
	}
	explain(unsentQuery)
	return plans
}

// ReadTwice reads a payment twice in one snapshot, with something done in between.
func ReadTwice(ctx context.Context, l *Ledger, id domain.AgentTransactionID, between func()) (before, after Payment, err error) {
	err = l.snapshot(ctx, func(tx *gorm.DB) error {
		if before, err = readPayment(tx, id); err != nil {
			return err
		}
		between()
		after, err = readPayment(tx, id)
		return err
	})
	return before, after, err
}

// columnsOf names a table's columns.
func (l *Ledger) columnsOf(t *testing.T, table string) []string {
	t.Helper()
	rows, err := l.db.Raw("SELECT * FROM " + table + " LIMIT 0").Rows()
	require.NoError(t, err)
	defer func() { require.NoError(t, rows.Close()) }()
	columns, err := rows.Columns()
	require.NoError(t, err)
	require.NoError(t, rows.Err())
	return columns
}
