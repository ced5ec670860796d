package app

import (
	"context"
	"fmt"
	"log/slog"

	"tolem/storage"
)

// Migrate brings the ledger's schema up to this program's version and returns
// what it applied.
func Migrate(ctx context.Context, c Config) ([]string, error) {
	ledger, err := storage.Open(ctx, c.DatabaseURL)
	if err != nil {
		return nil, err
	}
	defer func() { _ = ledger.Close() }() // the work is committed
	return ledger.Migrate(ctx)
}

// keepTimezone fails when the ledger's days are kept in another time zone than ours: two
// processes would then book one payment on two days. The first process to start says which.
func (c Config) keepTimezone(ctx context.Context, ledger *storage.Ledger) error {
	ours := c.Location.String()
	kept, err := ledger.KeepTimezone(ctx, ours)
	if err == nil && kept != ours {
		err = fmt.Errorf("%w: TIMEZONE is %s, and the days of this ledger are kept in %s: set TIMEZONE=%s; or, to keep them in %s from now on, stop every process and run `tolem migrate --timezone`",
			ErrConfig, ours, kept, kept, ours)
	}
	return err
}

// ChangeTimezone has the ledger's days kept in TIMEZONE from now on, and returns the time zone
// that it had before. Days and dates that are stored stay as they are. Processes that run go on
// with theirs until they are started again.
func ChangeTimezone(ctx context.Context, c Config) (before string, err error) {
	ledger, err := openLedger(ctx, c, false)
	if err != nil {
		return "", err
	}
	defer func() { _ = ledger.Close() }() // the work is committed
	return ledger.ChangeTimezone(ctx, c.Location.String())
}

func openLedger(ctx context.Context, c Config, migrate bool) (*storage.Ledger, error) {
	ledger, err := storage.Open(ctx, c.DatabaseURL)
	if err != nil {
		return nil, fmt.Errorf("DATABASE_URL: %w", err)
	}
	if migrate {
		_, err = ledger.Migrate(ctx)
	} else {
		err = ledger.CheckSchema(ctx)
	}
	if err != nil {
		_ = ledger.Close() // the first error says more
		return nil, err
	}
	ledger.OnIncident(logIncident)
	return ledger, nil
}

// logIncident has the on-call engineer see an incident in the log without asking for it.
// Its evidence stays in the ledger.
func logIncident(o storage.OpenIncident) {
	slog.Error("an incident was opened: a person has to look", "process", o.WorkflowID(), "reason", string(o.Reason), "incident", o.ID)
}
