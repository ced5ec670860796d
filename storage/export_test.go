package storage

import "context"

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
