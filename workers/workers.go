// Package workers says what runs on which task queue, with which limits.
package workers

import (
	"fmt"
	"sync"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"tolem/activities"
	"tolem/workflows"
)

// Options are what a worker process needs.
type Options struct {
	Temporal   client.Client
	Deployment Deployment
	Processing *activities.Processing
	Ledger     *activities.Ledger
	Sweep      *activities.Sweep
	Balance    *activities.Balance
	Catalogue  *activities.Catalogue
	Intake     *activities.Intake
	CFRONT     *activities.CFRONT
	Collection *activities.Collection
	Loans      *activities.Loans
	// PartnerTimeout bounds one call to a partner; a stopping worker waits for it.
	PartnerTimeout time.Duration
}

// Limits, each with its reason.
const (
	// fixed pollers: 2 halve polled work, autoscaling gained nothing (measured).
	pollers = 16
	// an order has three calls of this kind in its life, and tills are few.
	bankPollers = 4
	// attempts a second at the processing centre on the later-attempts queue, over
	// all workers together.
	laterAttemptsPerSecond = 100
	// calls a second that may change something at the bank of trade instalments, over
	// all workers together.
	bankCallsPerSecond = 50
	// questions to the core banking system at once in one worker, each of up to four
	// parts; a batch of loans asks thousands, and ABS serves the bank's people too.
	absPollers, absAtOnce = 8, 32
	// events are told by one shared writer, which batches what comes together.
	loxonPollers, loxonAtOnce = 8, 200
	// attempts to tell a second, over all workers together: thousands of contracts that
	// find the broker away must not take Temporal from the payments. One tells up to 20
	// events.
	tellsPerSecond = 50
	// workflows that one process keeps ready, of which each takes about 80 KiB (measured on
	// waiting payments): 160 MiB. Ten thousand would be the default. One that was put out is
	// replayed from its history when it is due, which takes milliseconds.
	cachedWorkflows = 2000
	// local activities at once, first attempts mostly: bounds the calls of one
	// worker to the partner.
	localActivities = 200
	// stopMargin is what a call needs after its HTTP limit: 5 s of journal, and
	// the report to Temporal.
	stopMargin = 12 * time.Second
)

// StopLimit is the longest that the calls under way take when workers stop.
func StopLimit(partnerTimeout time.Duration) time.Duration { return partnerTimeout + stopMargin }

// Workers are the workers of one process.
type Workers struct{ queues []queue }

// queue is the worker of one task queue.
type queue struct {
	name string
	worker.Worker
}

// New registers workflows and activities with their queues. Nothing runs yet.
func New(o Options) *Workers {
	worker.SetStickyWorkflowCacheSize(cachedWorkflows) // the process's, and only before its first worker
	main := worker.New(o.Temporal, activities.QueueMain, worker.Options{
		DeploymentOptions:                       o.Deployment.options(),
		MaxConcurrentWorkflowTaskPollers:        pollers,
		MaxConcurrentActivityTaskPollers:        2, // housekeeping only
		MaxConcurrentLocalActivityExecutionSize: localActivities,
		WorkerStopTimeout:                       StopLimit(o.PartnerTimeout), // the default, 0, cuts calls off
	})
	for name, w := range workflows.All() {
		main.RegisterWorkflowWithOptions(w, workflow.RegisterOptions{Name: name})
	}
	activities.Register(main, o.Processing, o.Ledger, o.Sweep, o.Balance, o.Catalogue, o.Intake, o.CFRONT, o.Collection, o.Loans)

	later := o.calls(activities.QueueProcessing, worker.Options{MaxConcurrentActivityTaskPollers: pollers, TaskQueueActivitiesPerSecond: laterAttemptsPerSecond})
	activities.Register(later, o.Processing)
	bank := o.calls(activities.QueueCFRONT, worker.Options{MaxConcurrentActivityTaskPollers: bankPollers, TaskQueueActivitiesPerSecond: bankCallsPerSecond})
	activities.Register(bank, o.CFRONT)
	asking := o.calls(activities.QueueABS, worker.Options{MaxConcurrentActivityTaskPollers: absPollers, MaxConcurrentActivityExecutionSize: absAtOnce})
	activities.Register(asking, o.Collection)
	telling := o.calls(activities.QueueLoxon, worker.Options{MaxConcurrentActivityTaskPollers: loxonPollers,
		MaxConcurrentActivityExecutionSize: loxonAtOnce, TaskQueueActivitiesPerSecond: tellsPerSecond})
	activities.Register(telling, o.Collection)
	return &Workers{queues: []queue{
		{activities.QueueMain, main}, {activities.QueueProcessing, later}, {activities.QueueCFRONT, bank},
		{activities.QueueABS, asking}, {activities.QueueLoxon, telling},
	}}
}

// calls is a worker for calls to a partner, within limits: how many at once in this process,
// how many a second over all.
func (o Options) calls(queue string, limits worker.Options) worker.Worker {
	limits.DisableWorkflowWorker = true
	limits.DeploymentOptions = o.Deployment.options()
	limits.WorkerStopTimeout = StopLimit(o.PartnerTimeout)
	return worker.New(o.Temporal, queue, limits)
}

// Start polls until Stop. It fails when Temporal does not answer or the
// namespace does not exist.
func (w *Workers) Start() error {
	for i, q := range w.queues {
		if err := q.Start(); err != nil {
			(&Workers{w.queues[:i]}).Stop()
			return fmt.Errorf("start worker on queue %s: %w", q.name, err)
		}
	}
	return nil
}

// Stop takes no new work and waits for calls under way, at most PartnerTimeout
// and 12 s; what is not finished then is repeated by another worker.
func (w *Workers) Stop() {
	var all sync.WaitGroup
	for _, q := range w.queues {
		all.Go(q.Stop)
	}
	all.Wait()
}
