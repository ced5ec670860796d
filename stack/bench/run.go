package bench

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/worker"

	"tolem/domain"
	"tolem/partners/processing"
	"tolem/stack/datadir"
	"tolem/stack/embedded"
	"tolem/storage"
	"tolem/storage/privatepostgres"
)

// queue of the workflows that ours are compared with.
const queue = "bench"

// Run starts a PostgreSQL of its own with durable settings, the embedded stack
// on it, and measures in one run (a) an empty workflow, (b) our payment through
// the HTTP API with ledger and simulated partner, (c) the same payment written
// with four regular activities. It needs PostgreSQL's server binaries.
func Run(ctx context.Context, o Options) (result Result, err error) {
	b, err := prepare(ctx, o.Progress)
	if err != nil {
		return result, err
	}
	defer b.stop()
	emptyLoad := &load{key: "empty", name: "(a) empty workflow", run: b.runEmpty}
	paymentLoad := &load{key: "payment", name: "(b) payment through the HTTP API", run: b.pay}
	textbookLoad := &load{key: "textbook", name: "(c) payment with 4 regular activities", run: b.runTextbook}
	if err := measure(ctx, o, []*load{emptyLoad, paymentLoad, textbookLoad}); err != nil {
		return result, err
	}
	return o.result(emptyLoad, paymentLoad, textbookLoad), nil
}

// bench is what all ways of working share.
type bench struct {
	postgres *privatepostgres.Server
	dir      *datadir.Dir
	stack    *embedded.Stack
	temporal client.Client
	worker   worker.Worker
	ledger   *storage.Ledger
	payer
}

// prepare starts everything. After an error nothing runs.
func prepare(ctx context.Context, progress io.Writer) (*bench, error) {
	b := &bench{}
	for _, part := range []func(context.Context) error{
		func(ctx context.Context) error { return b.startStack(ctx, progress) }, b.startWorker,
	} {
		if err := part(ctx); err != nil {
			b.stop()
			return nil, err
		}
	}
	return b, nil
}

func (b *bench) startStack(ctx context.Context, progress io.Writer) (err error) {
	if b.postgres, err = privatepostgres.Start(ctx, privatepostgres.Options{Durable: true}); err != nil {
		return err
	}
	ledgerURL, err := b.postgres.CreateDatabase(ctx, "ledger")
	if err != nil {
		return err
	}
	if b.dir, err = datadir.Ephemeral(); err != nil {
		return err
	}
	env := map[string]string{"DATABASE_URL": ledgerURL, "API_ADDR": "127.0.0.1:0"}
	b.stack, err = embedded.Start(ctx, embedded.Options{
		Dir: b.dir, TemporalDB: b.postgres.URL(), TemporalAddr: "127.0.0.1:0", KafkaAddr: "127.0.0.1:0", SimulatorsAddr: "127.0.0.1:0",
		Getenv: func(name string) string { return env[name] }, Progress: progress,
	})
	if err == nil {
		b.payer = newPayer("http://"+b.stack.APIAddr, b.stack.Token)
	}
	return err
}

// startWorker starts the worker of what ours is compared with.
func (b *bench) startWorker(ctx context.Context) (err error) {
	b.temporal, err = client.DialContext(ctx, client.Options{
		HostPort: b.stack.Env["TEMPORAL_ADDRESS"], Logger: log.NewStructuredLogger(slog.Default()),
	})
	if err != nil {
		return fmt.Errorf("dial Temporal: %w", err)
	}
	if b.ledger, err = storage.Open(ctx, b.stack.Env["DATABASE_URL"]); err != nil {
		return err
	}
	centre, err := processing.New(processing.Options{URL: b.stack.Env["PROCESSING_URL"], Token: b.stack.Env["PROCESSING_TOKEN"]})
	if err != nil {
		return err
	}
	w := worker.New(b.temporal, queue, worker.Options{MaxConcurrentWorkflowTaskPollers: 16, MaxConcurrentActivityTaskPollers: 16})
	w.RegisterWorkflow(empty)
	w.RegisterWorkflow(textbook)
	w.RegisterActivity(&textbookSteps{ledger: b.ledger, centre: centre})
	if err := w.Start(); err != nil {
		return err
	}
	b.worker = w
	return nil
}

// stop ends what runs, in the order in which it was needed.
func (b *bench) stop() {
	if b.worker != nil {
		b.worker.Stop()
	}
	if b.temporal != nil {
		b.temporal.Close()
	}
	if b.ledger != nil {
		_ = b.ledger.Close() // nothing is written any more
	}
	if b.stack != nil {
		b.stack.Stop()
	}
	if b.dir != nil {
		_ = b.dir.Close() // a temporary directory
	}
	if b.postgres != nil {
		b.postgres.Stop()
	}
}

func (b *bench) options(id string) client.StartWorkflowOptions {
	return client.StartWorkflowOptions{ID: id, TaskQueue: queue, EnableEagerStart: true}
}

func (b *bench) runEmpty(ctx context.Context, n int64) error {
	run, err := b.temporal.ExecuteWorkflow(ctx, b.options(fmt.Sprintf("empty/%d", n)), empty)
	if err != nil {
		return err
	}
	return run.Get(ctx, nil)
}

func (b *bench) runTextbook(ctx context.Context, n int64) error {
	amount := domain.Money(20_000)
	p, _, err := b.ledger.Accept(ctx, storage.Payment{
		Caller: "bench", IdempotencyKey: fmt.Sprintf("textbook-%d", n), RequestSHA256: "-", ServiceID: "P1011",
		Account: fmt.Sprintf("777%07d", n*10+1), AmountTo: &amount, AutoPay: true, AgentTransactionDate: "2026-02-17T16:48:37",
		RetryInitial: time.Second, RetryFactorMilli: 2000, CreatedAt: storage.At(time.Now()),
	})
	if err != nil {
		return err
	}
	run, err := b.temporal.ExecuteWorkflow(ctx, b.options(fmt.Sprintf("textbook/%d", n)), textbook, p.ID)
	if err != nil {
		return err
	}
	return run.Get(ctx, nil)
}
