package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"go.temporal.io/api/workflowservice/v1"

	"tolem/domain"
)

const (
	// rows of a batch: few enough batches that their intakes leave the worker room for the payments.
	rows = 2500
	// senders send batches at the same time.
	senders = 4
	// patience is how long nothing may happen before what is missing counts as lost.
	patience = 2 * time.Minute
	// toldEvery is the time between two lines of progress.
	toldEvery = 10 * time.Second
)

// create has the API accept payments in batches until there are n.
func (w *waiting) create(ctx context.Context, n int) error {
	batches := make(chan [2]int64)
	errs := make([]error, senders)
	var all sync.WaitGroup
	for s := range senders {
		all.Go(func() {
			for b := range batches {
				if errs[s] == nil {
					errs[s] = w.batch(ctx, b[0], b[1])
				}
			}
		})
	}
	for first := w.number + 1; first <= int64(n); first += rows {
		batches <- [2]int64{first, min(first+rows-1, int64(n))}
	}
	close(batches)
	all.Wait()
	w.number = int64(n)
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	w.say("%d payments are accepted", n)
	return nil
}

// batch has the payments of these numbers accepted, all of them.
func (w *waiting) batch(ctx context.Context, first, last int64) error {
	var items []string
	for n := first; n <= last; n++ {
		items = append(items, paymentBody(n))
	}
	header := map[string]string{"Idempotency-Key": fmt.Sprintf("waiting-%d", first)}
	status, raw, err := w.post(ctx, "/v1/payments/batch", header, "["+strings.Join(items, ",")+"]")
	if err != nil {
		return err
	}
	var made struct {
		Counts struct {
			Accepted int `json:"accepted"`
		} `json:"counts"`
	}
	if err := json.Unmarshal(raw, &made); err != nil || status != http.StatusAccepted || made.Counts.Accepted != len(items) {
		return fmt.Errorf("of a batch of %d payments %d were accepted: %d %.300s (%w)", len(items), made.Counts.Accepted, status, raw, err)
	}
	return nil
}

// standing is where the payments stand.
type standing struct {
	open    int64 // in the ledger
	waiting int64 // of these, in the ledger: the pay was sent and answered that it is in progress
	timed   int64 // in Temporal: running, their next attempt in the future; read when the ledger has all
}

// prove returns when ledger and Temporal say that n payments wait, and nothing else is open. It
// fails at once when fewer are open, and when nothing changes for as long as its patience.
func (w *waiting) prove(ctx context.Context, n int) error {
	var last standing
	changed, told := time.Now(), time.Now()
	for w.cameAt = (time.Time{}); ; {
		now, err := w.standing(ctx, int64(n))
		if err != nil {
			return err
		}
		if now.waiting == int64(n) && w.cameAt.IsZero() {
			w.cameAt = time.Now()
		}
		if now != last {
			last, changed = now, time.Now()
		}
		switch {
		case now.open != int64(n):
			return fmt.Errorf("%d payments are open instead of %d: others ended or are missing", now.open, n)
		case now.waiting == int64(n) && now.timed == int64(n):
			return nil
		case time.Since(changed) > patience:
			return fmt.Errorf("of %d payments %d wait in the ledger and %d in Temporal, and nothing changes for %s", n, now.waiting, now.timed, patience)
		case time.Since(told) > toldEvery:
			told = time.Now()
			w.say("%d of %d payments wait", now.waiting, n)
		}
		select {
		case <-time.After(250 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (w *waiting) standing(ctx context.Context, n int64) (s standing, err error) {
	now := time.Now()
	overview, err := w.ledger.Overview(ctx, now, nil)
	if err != nil {
		return s, err
	}
	for _, o := range overview.Open {
		s.open += o.Number
		if o.Process == domain.ProcessPayment && o.State == string(domain.StatePaying) && o.Code != nil && *o.Code == domain.CodeInProgress {
			s.waiting += o.Number
		}
	}
	if s.waiting < n {
		return s, nil
	}
	count, err := w.temporal.CountWorkflow(ctx, &workflowservice.CountWorkflowExecutionsRequest{
		Query: fmt.Sprintf("WorkflowType = 'Payment' AND ExecutionStatus = 'Running' AND NextAttemptAt > '%s'", now.UTC().Format(time.RFC3339)),
	})
	if err != nil {
		return s, fmt.Errorf("count waiting payments in Temporal: %w", err)
	}
	s.timed = count.GetCount()
	return s, nil
}
