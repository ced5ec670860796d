package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"runtime"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"

	"tolem/simulators/partners"
	"tolem/stack/deployment"
	"tolem/storage"
)

// WaitingOptions of a run.
type WaitingOptions struct {
	Payments []int // how many wait when the memory is measured; each more than the one before
	// Settle bounds how long memory may take to come to rest after something happened. Above
	// two minutes Go has collected its garbage by then, however idle the worker is.
	Settle     time.Duration
	Deployment deployment.Options
	Progress   io.Writer
}

// WaitingResult is one run's figures.
type WaitingResult struct {
	CPUs       int         `json:"cpus"`
	Created    []Created   `json:"created"`
	Footprints []Footprint `json:"footprints"`
	Histories  []History   `json:"histories"`
}

// Created is how payments came to wait.
type Created struct {
	Payments  int     `json:"payments"`
	Seconds   float64 `json:"seconds"` // from the first batch until the last payment waited
	PerSecond float64 `json:"perSecond"`
}

// notYet is the first interval of the payments that wait: the longest there is.
const notYet = time.Hour

// shortLadder lets a payment of many attempts end within seconds.
var shortLadder = map[string]string{"RETRY_INITIAL": "20ms", "RETRY_FACTOR": "1.2"}

// waiting is a run.
type waiting struct {
	d        *deployment.Deployment
	o        WaitingOptions
	worker   *deployment.Program
	temporal client.Client
	ledger   *storage.Ledger
	payer              // whose payments wait for an hour
	hasty    payer     // whose payments have the short ladder
	number   int64     // of the last payment that waits, and how many they are
	cameAt   time.Time // when the ledger last had all of them waiting; zero before
	result   WaitingResult
}

// RunWaiting measures, on a deployment of its own with one worker process, what payments cost
// that wait for their next attempt: the memory of the worker and of the Temporal server with
// none, with each of the numbers asked for, and after the worker was killed and another one
// started; and how long the histories of a payment at once and of one of many attempts are.
//
// Every number is proved by ledger and Temporal before its memory is read; a payment that ended
// or is missing is an error. It reads /proc, which only Linux has.
func RunWaiting(ctx context.Context, o WaitingOptions) (WaitingResult, error) {
	w := &waiting{o: o}
	defer w.stop()
	err := w.run(ctx)
	return w.result, err
}

func (w *waiting) run(ctx context.Context) error {
	if runtime.GOOS != "linux" {
		return errors.New("the memory of a process is read from /proc, which only Linux has")
	}
	w.result.CPUs = runtime.NumCPU()
	if err := w.start(ctx); err != nil {
		return err
	}
	if err := w.settled(ctx, "no payment", 0); err != nil {
		return err
	}
	for _, n := range w.o.Payments {
		if err := w.wait(ctx, n); err != nil {
			return err
		}
	}
	if err := w.again(ctx, int(w.number)); err != nil {
		return err
	}
	if err := w.histories(ctx); err != nil {
		return err
	}
	return w.prove(ctx, int(w.number)) // none ended meanwhile
}

func (w *waiting) say(format string, args ...any) {
	_, _ = fmt.Fprintf(w.o.Progress, format+"\n", args...) // progress only
}

// start starts everything. The centre answers every pay that it is in progress, unless it is
// told otherwise for an account.
func (w *waiting) start(ctx context.Context) (err error) {
	w.say("starting PostgreSQL, Temporal, Kafka, simulators, APIs and worker …")
	if w.d, err = deployment.Start(ctx, w.o.Deployment); err != nil {
		return err
	}
	patient, err := w.d.StartAPI(map[string]string{"RETRY_INITIAL": notYet.String()})
	if err != nil {
		return err
	}
	hasty, err := w.d.StartAPI(shortLadder)
	if err != nil {
		return err
	}
	addr, err := w.d.Address()
	if err != nil {
		return err
	}
	if w.worker, err = w.d.StartWorker(map[string]string{"METRICS_ADDR": addr}); err != nil {
		return err
	}
	if w.ledger, err = storage.Open(ctx, w.d.Env["DATABASE_URL"]); err != nil {
		return err
	}
	if w.temporal, err = client.DialContext(ctx, client.Options{HostPort: w.d.Env["TEMPORAL_ADDRESS"], Logger: log.NewStructuredLogger(slog.Default())}); err != nil {
		return fmt.Errorf("dial Temporal: %w", err)
	}
	w.payer, w.hasty = newPayer(patient.URL, deployment.Token), newPayer(hasty.URL, deployment.Token)
	if err := w.script(ctx, "", answer{Code: 1, Times: 1_000_000}); err != nil {
		return err
	}
	return w.d.Ready(ctx)
}

// answer is one of the centre's, given so many times; code 0 is its usual behaviour.
type answer struct {
	Code  int `json:"code"`
	Times int `json:"times,omitempty"`
}

// script lays down the centre's answers to pay for an account, "" is any that has no own.
func (w *waiting) script(ctx context.Context, account string, answers ...answer) error {
	return w.d.Direct(ctx, partners.ProcessingPath+"/control/scripts", map[string]any{"call": "pay", "account": account, "answers": answers})
}

func (w *waiting) stop() {
	if w.temporal != nil {
		w.temporal.Close()
	}
	if w.ledger != nil {
		_ = w.ledger.Close() // it was only read
	}
	if w.d != nil {
		w.d.Stop()
	}
}

// wait brings the payments that wait to n, and measures.
func (w *waiting) wait(ctx context.Context, n int) error {
	created := Created{Payments: n - int(w.number)}
	if created.Payments <= 0 || n >= firstToEnd {
		return fmt.Errorf("%d payments are not more than the %d before and less than %d", n, w.number, firstToEnd)
	}
	began := time.Now()
	if err := w.create(ctx, n); err != nil {
		return err
	}
	if err := w.prove(ctx, n); err != nil {
		return err
	}
	created.Seconds = w.cameAt.Sub(began).Seconds()
	created.PerSecond = float64(created.Payments) / created.Seconds
	w.result.Created = append(w.result.Created, created)
	w.say("%d payments wait; the last %d came at %.1f/s", n, created.Payments, created.PerSecond)
	f, err := w.look(ctx)
	if err != nil {
		return err
	}
	f.When, f.Waiting = "as soon as they waited", n
	w.result.Footprints = append(w.result.Footprints, f)
	if err := w.settled(ctx, "at rest", n); err != nil {
		return err
	}
	return w.prove(ctx, n)
}

// again measures a worker that has just started, while n payments wait.
func (w *waiting) again(ctx context.Context, n int) error {
	w.say("killing the worker")
	was := w.worker.PID()
	w.worker.Kill()
	limited, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	err := deployment.Await(limited, 100*time.Millisecond, func(ctx context.Context) error {
		if pid := w.worker.PID(); pid == 0 || pid == was {
			return errors.New("no other worker starts")
		}
		_, err := deployment.Call(ctx, http.MethodGet, w.worker.URL+"/readyz", nil, nil)
		return err
	})
	if err != nil {
		return err
	}
	if err := w.settled(ctx, "worker killed, another one", n); err != nil {
		return err
	}
	return w.prove(ctx, n)
}
