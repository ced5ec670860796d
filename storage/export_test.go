package storage

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

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
