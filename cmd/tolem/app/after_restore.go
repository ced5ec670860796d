package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"

	"tolem/domain"
	"tolem/partners/loxon"
	"tolem/reconciliation"
	"tolem/storage"
	"tolem/workflows"
)

// AfterRestoreOptions say what a restore lost, and what the ledger is compared with.
type AfterRestoreOptions struct {
	storage.Window
	DryRun          bool
	Registers       []string // files: registers of the processing centre
	WithoutTemporal bool
	WithoutTopic    bool
}

// RestoreReport is what a run of after-restore did.
type RestoreReport struct {
	Held    storage.Restored
	DryRun  bool
	Stopped int // workflows of held rows, which the sweep starts from the ledger
	// Missing counts facts that somebody else has and the ledger not, by who has them; Fresh
	// are those that no earlier run has raised.
	Missing, Fresh map[string]int
}

// noticeLimit is how long processes that run need to see that the gate was closed.
const noticeLimit = 2 * markEvery

// registerRows bounds a register; see reconciliation.Limits.
const registerRows = 2_000_000

// AfterRestore makes a ledger that lost commits fit to go on: it closes the gate, holds every
// process that was open, skips numbers, compares with Temporal, Loxon's topic and registers,
// and lets people reconcile. It may run twice; see storage.HoldRestored.
func AfterRestore(ctx context.Context, c Config, o AfterRestoreOptions) (*RestoreReport, error) {
	ledger, err := openLedger(ctx, c, false)
	if err != nil {
		return nil, err
	}
	defer func() { _ = ledger.Close() }() // the work is committed
	a := &afterRestore{AfterRestoreOptions: o, ledger: ledger, report: &RestoreReport{DryRun: o.DryRun, Missing: map[string]int{}, Fresh: map[string]int{}}}
	if !o.WithoutTemporal {
		c.Temporal.Logger = log.NewStructuredLogger(slog.Default())
		if a.temporal, err = client.DialContext(ctx, c.Temporal); err != nil {
			return nil, fmt.Errorf("temporal at %s: %w (TEMPORAL_ADDRESS says where it is; --without-temporal leaves it out)", c.Temporal.HostPort, err)
		}
		defer a.temporal.Close()
	}
	if err := a.hold(ctx, c); err != nil {
		return nil, err
	}
	for _, compare := range []func(context.Context, Config) error{a.compareTemporal, a.compareTopic, a.compareRegisters} {
		if err := compare(ctx, c); err != nil {
			return nil, err
		}
	}
	if !o.DryRun {
		if _, err := ledger.Reconcile(ctx); err != nil {
			return nil, err
		}
	}
	return a.report, nil
}

// Reconciled opens the gate of a restored ledger by a person's word.
func Reconciled(ctx context.Context, c Config, why string) error {
	ledger, err := openLedger(ctx, c, false)
	if err != nil {
		return err
	}
	defer func() { _ = ledger.Close() }() // the work is committed
	return ledger.Reconciled(ctx, why)
}

type afterRestore struct {
	AfterRestoreOptions
	ledger   *storage.Ledger
	temporal client.Client
	report   *RestoreReport
}

// hold closes the gate, waits until processes that run have seen it, and holds.
func (a *afterRestore) hold(ctx context.Context, c Config) (err error) {
	known := int64(0)
	if a.temporal != nil {
		if known, err = c.cluster(a.temporal).LedgerMark(ctx); err != nil {
			return err
		}
	}
	did, err := a.ledger.HoldRestored(ctx, a.Window, known, true)
	if err != nil {
		return err
	}
	if a.DryRun || did.Before {
		a.report.Held = did
		return a.stop(ctx)
	}
	closed, err := a.ledger.CloseGate(ctx, "after-restore")
	if err != nil {
		return err
	}
	if closed {
		select {
		case <-time.After(noticeLimit):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if a.report.Held, err = a.ledger.HoldRestored(ctx, a.Window, known, false); err != nil {
		return err
	}
	return a.stop(ctx)
}

// stop ends the workflows of what was held: they may be ahead of the ledger. The sweep
// starts them from there, held. An earlier run that ended before it let people reconcile may
// not have come that far; while the gate is closed nobody starts them.
func (a *afterRestore) stop(ctx context.Context) error {
	if a.temporal == nil || a.DryRun || a.report.Held.Before && !a.report.Held.Broken {
		return nil
	}
	ids, err := a.ledger.HeldByRestore(ctx)
	if err != nil {
		return err
	}
	for _, id := range ids {
		err := a.temporal.TerminateWorkflow(ctx, id, "", "the ledger was restored: the sweep starts it from there")
		missing := new(serviceerror.NotFound)
		switch {
		case err == nil:
			a.report.Stopped++
		case !errors.As(err, &missing):
			return fmt.Errorf("stop %s: %w", id, err)
		}
	}
	return nil
}

// missing raises what somebody else has and the ledger has not.
func (a *afterRestore) missing(ctx context.Context, who string, about storage.OpenIncident, evidence string) error {
	fresh, err := a.ledger.RaiseMissing(ctx, about, evidence, a.DryRun)
	if err != nil {
		return err
	}
	a.report.Missing[who]++
	if fresh {
		a.report.Fresh[who]++
	}
	return nil
}

// compareTemporal looks for processes that Temporal has and the ledger lost: those that
// were started in the window, or open in it.
func (a *afterRestore) compareTemporal(ctx context.Context, _ Config) error {
	if a.temporal == nil {
		return nil
	}
	from, to := a.From.UTC().Format(time.RFC3339Nano), a.To.UTC().Format(time.RFC3339Nano)
	for _, name := range workflows.ProcessTypes() {
		request := &workflowservice.ListWorkflowExecutionsRequest{PageSize: 1000, Query: fmt.Sprintf(
			"WorkflowType = '%s' AND StartTime <= '%s' AND (StartTime >= '%s' OR ExecutionStatus = 'Running' OR CloseTime >= '%s')", name, to, from, from)}
		for {
			page, err := a.temporal.ListWorkflow(ctx, request)
			if err != nil {
				return fmt.Errorf("list workflows of type %s: %w", name, err)
			}
			for _, e := range page.GetExecutions() {
				if err := a.compareWorkflow(ctx, e.GetExecution().GetWorkflowId()); err != nil {
					return err
				}
			}
			if request.NextPageToken = page.GetNextPageToken(); len(request.NextPageToken) == 0 {
				break
			}
		}
	}
	return nil
}

func (a *afterRestore) compareWorkflow(ctx context.Context, id string) error {
	about, ok := subjectOf(id)
	if !ok {
		return nil
	}
	known, err := a.ledger.Knows(ctx, about)
	if err != nil || known {
		return err
	}
	return a.missing(ctx, "Temporal", about, "Temporal has the workflow of a process that the restored ledger has not")
}

// kinds are the processes by the first part of their workflows' names.
var kinds = map[string]domain.Process{
	"payment": domain.ProcessPayment, "order": domain.ProcessOrder, "return": domain.ProcessReturn, "paymentorder": domain.ProcessPaymentOrder,
}

// subjectOf is the process that a workflow's name stands for. A name that is a digest is
// taken as it is.
func subjectOf(id string) (about storage.OpenIncident, ok bool) {
	parts := strings.Split(id, "/")
	about.Process, ok = kinds[parts[0]]
	if !ok || len(parts) < 2 {
		return about, false
	}
	for i, into := range []*string{&about.Subject, &about.Part} {
		if i+1 >= len(parts) {
			break
		}
		text, err := url.PathUnescape(parts[i+1])
		if err != nil || !storage.Storable(text) {
			text = parts[i+1]
		}
		*into = text
	}
	return about, storage.Storable(id)
}

// compareTopic looks for events that Loxon's topic holds and the ledger lost.
func (a *afterRestore) compareTopic(ctx context.Context, c Config) error {
	if a.WithoutTopic {
		return nil
	}
	topic, err := c.Collection.topic()
	if err != nil {
		return err
	}
	_, err = loxon.ReadTopic(ctx, topic, func(r loxon.Record) error {
		contract, err := domain.ParseContractNumber(r.Key)
		seq, wrong := strconv.ParseInt(r.Seq, 10, 64)
		if err != nil || wrong != nil { // not of ours; verify says so
			return nil
		}
		known, err := a.ledger.KnowsSeq(ctx, contract, seq)
		if err != nil || known {
			return err
		}
		return a.missing(ctx, "Loxon's topic", storage.OpenIncident{Process: domain.ProcessPaymentOrder, Subject: string(contract)},
			fmt.Sprintf("%s at partition %d, offset %d", storage.LostEvent(seq), r.Partition, r.Offset))
	})
	if err != nil {
		return fmt.Errorf("%w (--without-topic leaves it out)", err)
	}
	return nil
}

// compareRegisters looks for payments that the processing centre has and the ledger lost.
func (a *afterRestore) compareRegisters(ctx context.Context, _ Config) error {
	for i, name := range a.Registers {
		file, err := os.Open(name)
		if err != nil {
			return fmt.Errorf("register %d: %w", i+1, err)
		}
		register, err := reconciliation.ReadRegister(file, reconciliation.Limits{Rows: registerRows})
		_ = file.Close() // it was only read
		if err != nil {
			return fmt.Errorf("register %d: %w", i+1, err)
		}
		for id := range register.IDs {
			about := storage.OpenIncident{Process: domain.ProcessPayment, Subject: id.String()}
			known, err := a.ledger.Knows(ctx, about)
			if err != nil {
				return err
			}
			if known {
				continue
			}
			if err := a.missing(ctx, "registers", about, "a register of the processing centre has a payment that the restored ledger has not"); err != nil {
				return err
			}
		}
	}
	return nil
}

// Print writes the report as a table.
func (r *RestoreReport) Print(out io.Writer) error {
	title := fmt.Sprintf("Restore %d:", r.Held.Epoch)
	switch {
	case r.DryRun:
		title += " a dry run, nothing was changed."
	case r.Held.Before:
		title += " already run for this window, nothing is held again."
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(table, "%s\n", title)
	for _, row := range []struct {
		what  string
		count int
	}{
		{"payments held", r.Held.Payments}, {"instalments held", r.Held.Orders}, {"returns held", r.Held.Returns}, {"payment orders held", r.Held.Demands},
		{"contracts whose event-seq jumped", int(r.Held.Contracts)}, {"workflows stopped, to start from the ledger", r.Stopped},
	} {
		fmt.Fprintf(table, "  %s\t%d\n", row.what, row.count)
	}
	for _, who := range []string{"Temporal", "Loxon's topic", "registers"} {
		fmt.Fprintf(table, "  in %s and not in the ledger\t%d (%d new)\n", who, r.Missing[who], r.Fresh[who])
	}
	return table.Flush()
}
