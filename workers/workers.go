// Package workers says what runs on which task queue, with which limits.
package workers

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"tolem/activities"
	"tolem/workflows"
)

// Options are what a worker process needs.
type Options struct {
	Temporal   client.Client
	Namespace  string
	Processing *activities.Processing
	Ledger     *activities.Ledger
	Sweep      *activities.Sweep
	Balance    *activities.Balance
	Catalogue  *activities.Catalogue
	Intake     *activities.Intake
	// PartnerTimeout bounds one call to a partner; a stopping worker waits for it.
	PartnerTimeout time.Duration
	// SweepOlderThan is how long an accepted payment may be without a workflow
	// before the sweep starts it; 0 is a minute.
	SweepOlderThan time.Duration
}

// Limits, each with its reason.
const (
	// fixed pollers: 2 halve polled work, autoscaling gained nothing (measured).
	pollers = 16
	// attempts a second at the processing centre on the later-attempts queue, over
	// all workers together.
	laterAttemptsPerSecond = 100
	// local activities at once, first attempts mostly: bounds the calls of one
	// worker to the partner.
	localActivities = 200
	// stopMargin is what a call needs after its HTTP limit: 5 s of journal, and
	// the report to Temporal.
	stopMargin = 12 * time.Second
)

// Workers are the workers of one process.
type Workers struct {
	main, processing worker.Worker
}

// New registers workflows and activities with their queues. Nothing runs yet.
func New(o Options) *Workers {
	main := worker.New(o.Temporal, workflows.MainQueue, worker.Options{
		MaxConcurrentWorkflowTaskPollers:        pollers,
		MaxConcurrentActivityTaskPollers:        2, // housekeeping only
		MaxConcurrentLocalActivityExecutionSize: localActivities,
		WorkerStopTimeout:                       o.PartnerTimeout + stopMargin, // the default, 0, cuts calls off
	})
	main.RegisterWorkflowWithOptions(workflows.Payment, workflow.RegisterOptions{Name: workflows.PaymentWorkflow})
	main.RegisterWorkflowWithOptions(workflows.Sweep, workflow.RegisterOptions{Name: workflows.SweepWorkflow})
	main.RegisterWorkflowWithOptions(workflows.Balance, workflow.RegisterOptions{Name: workflows.BalanceWorkflow})
	main.RegisterWorkflowWithOptions(workflows.Catalogue, workflow.RegisterOptions{Name: workflows.CatalogueWorkflow})
	main.RegisterWorkflowWithOptions(workflows.Intake, workflow.RegisterOptions{Name: workflows.IntakeWorkflow})
	for _, a := range []any{o.Processing, o.Ledger, o.Sweep, o.Balance, o.Catalogue, o.Intake} {
		main.RegisterActivity(a)
	}

	later := worker.New(o.Temporal, workflows.ProcessingQueue, worker.Options{
		DisableWorkflowWorker:            true,
		MaxConcurrentActivityTaskPollers: pollers,
		TaskQueueActivitiesPerSecond:     laterAttemptsPerSecond,
		WorkerStopTimeout:                o.PartnerTimeout + stopMargin,
	})
	later.RegisterActivity(o.Processing)
	return &Workers{main: main, processing: later}
}

// Start polls until Stop. It fails when Temporal does not answer or the
// namespace does not exist.
func (w *Workers) Start() error {
	if err := w.main.Start(); err != nil {
		return fmt.Errorf("start worker on queue %s: %w", workflows.MainQueue, err)
	}
	if err := w.processing.Start(); err != nil {
		w.main.Stop()
		return fmt.Errorf("start worker on queue %s: %w", workflows.ProcessingQueue, err)
	}
	return nil
}

// Stop takes no new work and waits for calls under way, at most PartnerTimeout
// and 12 s; what is not finished then is repeated by another worker.
func (w *Workers) Stop() {
	done := make(chan struct{})
	go func() { w.processing.Stop(); close(done) }()
	w.main.Stop()
	<-done
}

func prepareSearchAttributes(ctx context.Context, o Options) error {
	operator := o.Temporal.OperatorService()
	known, err := operator.ListSearchAttributes(ctx, &operatorservice.ListSearchAttributesRequest{Namespace: o.Namespace})
	if err != nil {
		return fmt.Errorf("list search attributes of namespace %s: %w", o.Namespace, err)
	}
	missing := map[string]enumspb.IndexedValueType{}
	for _, key := range workflows.SearchAttributes() {
		if _, ok := known.GetCustomAttributes()[key.GetName()]; !ok {
			missing[key.GetName()] = key.GetValueType()
		}
	}
	if len(missing) == 0 {
		return nil
	}
	_, err = operator.AddSearchAttributes(ctx, &operatorservice.AddSearchAttributesRequest{Namespace: o.Namespace, SearchAttributes: missing})
	var exists *serviceerror.AlreadyExists
	if err != nil && !errors.As(err, &exists) {
		return fmt.Errorf("add search attributes to namespace %s: %w", o.Namespace, err)
	}
	slog.InfoContext(ctx, "search attributes added", "namespace", o.Namespace, "number", len(missing))
	return nil
}
