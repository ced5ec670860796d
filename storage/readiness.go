package storage

import (
	"context"
	"fmt"
)

// CheckWritable proves what the work needs of the ledger: a commit, on a connection of its own,
// so that it waits neither for the work nor for a session that the pool has kept. On PostgreSQL
// the row goes into a file made for it, because a full disk refuses that and nothing that fits
// into what is there. On SQLite it goes into the pages that there are.
func (l *Ledger) CheckWritable(ctx context.Context) error {
	empty := "DELETE FROM readiness"
	if l.onPostgres() {
		empty = "TRUNCATE readiness"
	}
	tx, err := l.probe.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("the ledger does not answer: %w", err)
	}
	defer func() { _ = tx.Rollback() }() // after a commit it does nothing
	for _, statement := range []string{empty, "INSERT INTO readiness (written) VALUES ('written')"} {
		if _, err := tx.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("the ledger cannot be written: %w", err)
		}
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("the ledger cannot be written: %w", err)
	}
	return nil
}
