package api

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"

	"go.temporal.io/sdk/client"
)

const (
	// maxWait is the longest that a request waits for a process; longer
	// preferences are cut to it.
	maxWait = 60 * time.Second

	// firstLook is when a waiting request first reads the ledger by itself, and
	// longestLook the most between two reads: the workflow does not end when the
	// payer is asked, so only the ledger tells. Each pause is twice the last; a
	// loaded ledger is not asked about processes whose end will be told anyway.
	firstLook   = 250 * time.Millisecond
	longestLook = 4 * time.Second
)

// preferredWait reads "Prefer: wait=N" (RFC 7240): whole seconds, cut to
// maxWait. Of several the first counts; what cannot be read is no preference.
func preferredWait(h http.Header) (time.Duration, bool) {
	for _, preference := range strings.Split(strings.Join(h.Values("Prefer"), ","), ",") {
		preference, _, _ = strings.Cut(preference, ";")
		name, value, _ := strings.Cut(preference, "=")
		if !strings.EqualFold(strings.TrimSpace(name), "wait") {
			continue
		}
		value = strings.Trim(strings.TrimSpace(value), `"`)
		if value == "" || strings.Trim(value, "0123456789") != "" {
			return 0, false
		}
		seconds, err := strconv.Atoi(value)
		if err != nil || seconds > int(maxWait/time.Second) { // more digits than an int has are many, too
			return maxWait, true
		}
		return time.Duration(seconds) * time.Second, true
	}
	return 0, false
}

// waiting is a request that waits for its process.
type waiting[Row any] struct {
	row     Row                            // as it was last read
	settled func(Row) bool                 // the caller has something to do, or nothing to wait for
	look    func(context.Context, Row) Row // reads it again
	run     client.WorkflowRun             // wakes at its end; nil: none
	stop    <-chan struct{}                // the server shuts down
}

// until returns the row as the ledger has it when it is settled, when the time is up,
// when the caller hangs up or when the server shuts down. It wakes at the end of run
// and, ever less often, by itself; a ledger that does not answer meanwhile leaves the
// row as it was last read.
func (w waiting[Row]) until(ctx context.Context, wait time.Duration) Row {
	if w.settled(w.row) || wait <= 0 {
		return w.row
	}
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	ended := make(chan struct{}, 1)
	if w.run != nil {
		go func() {
			_ = w.run.Get(ctx, nil) // the ledger says how it ended
			ended <- struct{}{}
		}()
	}
	pause := firstLook
	look := time.NewTimer(pause)
	defer look.Stop()
	for !w.settled(w.row) {
		select {
		case <-ended:
		case <-look.C:
			pause = min(2*pause, longestLook)
			look.Reset(pause)
		case <-w.stop:
			return w.row
		case <-ctx.Done():
			return w.look(context.WithoutCancel(ctx), w.row)
		}
		w.row = w.look(ctx, w.row)
	}
	return w.row
}
