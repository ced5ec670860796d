package verification

import (
	"context"
	"fmt"
	"time"

	"go.temporal.io/sdk/client"

	"tolem/domain"
	"tolem/partners/loxon"
	"tolem/storage"
)

// Options say where to look.
type Options struct {
	Ledger *storage.Ledger
	// Temporal is nil when it is not to be asked.
	Temporal client.Client
	// Loxon is the topic; without brokers it is not read.
	Loxon loxon.Options
	// Books is the address of partners that show their books, as `go run ./simulators`
	// and `go run ./stack` do; "" asks none.
	Books string
	// Words is what the bank's sub-states mean where they differ from the document, and
	// PaidByState that a confirmed instalment counts as paid out, as the workers have them.
	Words       domain.BankWords
	PaidByState bool
	// AllEnded makes a finding of every process that has not ended, and of every unsent event.
	AllEnded bool
	// Grace is how long an open row may be without a running workflow, which the sweep
	// starts within a minute or two.
	Grace time.Duration
	// Progress is called with what is checked next; nil calls nobody.
	Progress func(string)
}

// verifier is one verification under way.
type verifier struct {
	Options
	report   *Report
	running  map[string]bool       // what Temporal's visibility knew when the verification began; nil: not asked
	centre   map[int64]*booked     // the processing centre's books by our id; nil: not shown
	bank     map[string]*bankOrder // the bank's, likewise
	topic    *topic                // nil: not read
	restores restores
	began    time.Time
}

// Verify checks everything once. After an error not everything was checked; what was found is
// in the report, whose zero findings then mean nothing.
func Verify(ctx context.Context, o Options) (*Report, error) {
	if o.Progress == nil {
		o.Progress = func(string) {}
	}
	v := &verifier{Options: o, report: newReport(), began: time.Now()}
	for _, part := range []struct {
		what string
		look func(context.Context) error
	}{
		{"restores", v.readRestores}, {"the running workflows", v.readRuns}, {"the partners' books", v.readBooks}, {"Loxon's topic", v.readTopic},
		{"payments", v.payments}, {"instalments", v.orders}, {"returns of goods", v.returns}, {"collections", v.contracts}, {"incidents", v.incidents},
		{"failed workflows", v.failedRuns}, {"effects that nobody asked for", v.strangers},
	} {
		o.Progress(part.what)
		if err := part.look(ctx); err != nil {
			return v.report, fmt.Errorf("verify %s: %w", part.what, err)
		}
	}
	return v.report, nil
}

// process checks what is the same of every kind of process.
func (v *verifier) process(ctx context.Context, kind, id, state string, terminal bool, changed time.Time) error {
	v.report.seen(kind, state, terminal)
	if v.AllEnded {
		v.report.check(Ended, id, terminal, "is %s", state)
	}
	return v.oneRun(ctx, id, terminal, changed)
}
