package app

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"

	"tolem/verification"
)

// VerifyOptions say what Verify checks beside the ledger.
type VerifyOptions struct {
	Books           string // address of partners that show their books; "" asks none
	AllEnded        bool   // a process that has not ended is a finding
	WithoutTemporal bool
	WithoutTopic    bool
	Grace           time.Duration // that an open row may be without a running workflow
	Progress        func(string)  // is called with what is checked next
}

// Verify checks whether Tolem kept its promises; it changes nothing. Temporal must answer
// unless it is left out.
func Verify(ctx context.Context, c Config, o VerifyOptions) (*verification.Report, error) {
	ledger, err := openLedger(ctx, c, false)
	if err != nil {
		return nil, err
	}
	defer func() { _ = ledger.Close() }() // it was only read
	v := verification.Options{
		Ledger: ledger, Books: o.Books, AllEnded: o.AllEnded, Grace: o.Grace, Progress: o.Progress,
		Words: c.CFRONT.Agreement.SubStates, PaidByState: c.CFRONT.Agreement.PaidByState(),
	}
	if !o.WithoutTemporal {
		c.Temporal.Logger = log.NewStructuredLogger(slog.Default())
		if v.Temporal, err = client.DialContext(ctx, c.Temporal); err != nil {
			return nil, fmt.Errorf("temporal at %s: %w (TEMPORAL_ADDRESS says where it is; --without-temporal leaves it out)", c.Temporal.HostPort, err)
		}
		defer v.Temporal.Close()
	}
	if !o.WithoutTopic {
		if v.Loxon, err = c.Collection.topic(); err != nil {
			return nil, err
		}
	}
	return verification.Verify(ctx, v)
}
