package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// LoansOptions of a run.
type LoansOptions struct {
	Loans    int // in a batch, and empty workflows beside it
	Callers  int // who start the empty workflows, each waiting for its end
	Rounds   int // of both in turn, after one that warms up
	Progress io.Writer
	// ProfileDir receives a CPU profile of each round of loans; "" takes none.
	ProfileDir string
}

// LoansResult is one run's figures: medians over the rounds.
type LoansResult struct {
	CPUs           int     `json:"cpus"`
	Loans          int     `json:"loans"`
	Rounds         int     `json:"rounds"`
	AcceptedMillis float64 `json:"acceptedMillis"` // until the batch was durable and answered
	ToldSeconds    float64 `json:"toldSeconds"`    // until every dossier was complete and Loxon had its event
	EmptySeconds   float64 `json:"emptySeconds"`   // as many empty workflows
	// ToldToEmpty is how many empty workflows' time a loan takes: the lower the better.
	ToldToEmpty float64 `json:"toldToEmpty"`
}

// toldLimit bounds a round: a loan that is not told by then was lost, and must not
// look slow only.
const toldLimit = 10 * time.Minute

// RunLoans measures on the same stack as Run, in one run, batches of loans (taken in
// through K2's own service, dossier gathered from the simulated ABS in five calls each,
// "request was sent" read from the broker by the simulated Loxon) and as many empty
// workflows.
func RunLoans(ctx context.Context, o LoansOptions) (result LoansResult, err error) {
	b, err := prepare(ctx, o.Progress)
	if err != nil {
		return result, err
	}
	defer b.stop()
	var number atomic.Int64
	var accepted, told, empties []time.Duration
	for round := range o.Rounds + 1 {
		spentEmpty, err := b.emptyWorkflows(ctx, o, &number)
		if err != nil {
			return result, fmt.Errorf("empty workflow: %w", err)
		}
		var answered, spentTold time.Duration
		err = profiled(profileOf(o.ProfileDir, round), fmt.Sprintf("loans-%d", round), func() (err error) {
			answered, spentTold, err = b.loans(ctx, o.Loans, round)
			return err
		})
		if err != nil {
			return result, fmt.Errorf("loans: %w", err)
		}
		if round == 0 {
			continue
		}
		accepted, told, empties = append(accepted, answered), append(told, spentTold), append(empties, spentEmpty)
		_, _ = fmt.Fprintf(o.Progress, "round %d of %d · %d empty workflows %.1f s · batch answered in %.2f s, told after %.1f s\n", // progress only
			round, o.Rounds, o.Loans, spentEmpty.Seconds(), answered.Seconds(), spentTold.Seconds())
	}
	result = LoansResult{CPUs: runtime.NumCPU(), Loans: o.Loans, Rounds: o.Rounds,
		AcceptedMillis: float64(median(accepted).Microseconds()) / 1000, ToldSeconds: median(told).Seconds(), EmptySeconds: median(empties).Seconds()}
	result.ToldToEmpty = result.ToldSeconds / result.EmptySeconds
	return result, nil
}

func median(d []time.Duration) time.Duration {
	if len(d) == 0 {
		return 0
	}
	slices.Sort(d)
	return d[len(d)/2]
}

// emptyWorkflows runs as many as there are loans to their ends.
func (b *bench) emptyWorkflows(ctx context.Context, o LoansOptions, number *atomic.Int64) (time.Duration, error) {
	var left atomic.Int64
	left.Store(int64(o.Loans))
	errs := make([]error, o.Callers)
	var callers sync.WaitGroup
	began := time.Now()
	for c := range o.Callers {
		callers.Go(func() {
			for errs[c] == nil && left.Add(-1) >= 0 {
				errs[c] = b.runEmpty(ctx, number.Add(1))
			}
		})
	}
	callers.Wait()
	spent := time.Since(began)
	for _, err := range errs {
		if err != nil {
			return 0, err
		}
	}
	return spent, nil
}

// loans sends one batch and waits until the reader of the topic has an event of each.
func (b *bench) loans(ctx context.Context, n, round int) (answered, told time.Duration, err error) {
	before := b.stack.Loxon().Summary().Messages
	body, err := loanBatch(n, round)
	if err != nil {
		return 0, 0, err
	}
	began := time.Now()
	if err := b.sendLoans(ctx, body); err != nil {
		return 0, 0, err
	}
	answered = time.Since(began)
	for {
		books := b.stack.Loxon().Summary()
		switch {
		case books.Faults > 0 || books.Gaps > 0:
			return 0, 0, fmt.Errorf("Loxon's books show %d faults and %d gaps", books.Faults, books.Gaps)
		case books.Messages-before >= n:
			return answered, time.Since(began), nil
		case time.Since(began) > toldLimit:
			return 0, 0, fmt.Errorf("after %s Loxon has %d of %d events", toldLimit, books.Messages-before, n)
		}
		select {
		case <-ctx.Done():
			return 0, 0, ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// loanBatch is a body of K2's: invented contracts that no other round has.
func loanBatch(n, round int) ([]byte, error) {
	batch := make([]map[string]any, n)
	for i := range batch {
		batch[i] = map[string]any{
			"iban": "KZ000000000000000000", "cur": "KZT", "debt": 1000 + i, "fullname": "Тестов Тест", "contract_number": "KD-own",
			"dbz_contract_number": fmt.Sprintf("BENCH/%d/%d", round, i), "iinbin": "000000000000", "overdue_days": 90, "system": "way4",
		}
	}
	return json.Marshal(batch)
}

func (b *bench) sendLoans(ctx context.Context, body []byte) error {
	status, raw, err := b.post(ctx, "/restapi/services/k2loan_from_eko", nil, string(body))
	if err != nil {
		return err
	}
	var answer struct {
		Text string `json:"error_text"`
		Code int    `json:"error_code"`
	}
	if err := json.Unmarshal(raw, &answer); err != nil || answer.Code != 0 {
		return fmt.Errorf("the batch was not taken: %d, code %d, %s (%w)", status, answer.Code, answer.Text, err)
	}
	return nil
}

// Print writes the figures.
func (r LoansResult) Print(w io.Writer) error {
	_, err := fmt.Fprintf(w, "\n%d CPUs, %d loans a batch, median of %d rounds; Temporal and ledger on PostgreSQL\n\n"+
		"batch durable and answered       %8.2f s\nevery dossier complete and told  %8.1f s  (%.1f loans/s)\n%-33s%8.1f s  (%.1f/s)\n\nloan / empty workflow            %8.1f\n",
		r.CPUs, r.Loans, r.Rounds, r.AcceptedMillis/1000, r.ToldSeconds, float64(r.Loans)/r.ToldSeconds,
		fmt.Sprintf("%d empty workflows", r.Loans), r.EmptySeconds, float64(r.Loans)/r.EmptySeconds, r.ToldToEmpty)
	return err
}
