package api

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"

	"go.temporal.io/sdk/client"

	"tolem/domain"
	"tolem/storage"
)

const (
	// maxWait is the longest that a request waits for a payment; longer
	// preferences are cut to it.
	maxWait = 60 * time.Second

	// firstLook is when a waiting request first reads the ledger by itself, and
	// longestLook the most between two reads: the workflow does not end when the
	// payer is asked, so only the ledger tells. Each pause is twice the last; a
	// loaded ledger is not asked about payments whose end will be told anyway.
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

// settled says whether a waiting caller has something to do: the payment ended,
// or asks the payer, who has not chosen yet.
func settled(p storage.Payment) bool { return p.State.Terminal() || asksNow(p) }

// asksNow says whether the payer has something to choose.
func asksNow(p storage.Payment) bool {
	return p.State == domain.StateAwaitingPayer && p.ChoiceSHA256 == ""
}

// await returns the payment as the ledger has it when it is settled, when the
// time is up, when the caller hangs up or when the server shuts down. It wakes
// at the end of run and, ever less often, by itself; a ledger that does not answer meanwhile
// leaves the payment as it was last read.
func (s *Server) await(ctx context.Context, p storage.Payment, run client.WorkflowRun, wait time.Duration) storage.Payment {
	if settled(p) || wait <= 0 {
		return p
	}
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	ended := make(chan struct{}, 1)
	if run != nil {
		go func() {
			_ = run.Get(ctx, nil) // the ledger says how it ended
			ended <- struct{}{}
		}()
	}
	pause := firstLook
	look := time.NewTimer(pause)
	defer look.Stop()
	for !settled(p) {
		select {
		case <-ended:
		case <-look.C:
			pause = min(2*pause, longestLook)
			look.Reset(pause)
		case <-s.stopping:
			return p
		case <-ctx.Done():
			return s.look(context.WithoutCancel(ctx), p)
		}
		p = s.look(ctx, p)
	}
	return p
}

// look reads the payment again; what was known stands if the ledger does not
// answer.
func (s *Server) look(ctx context.Context, p storage.Payment) storage.Payment {
	ctx, cancel := context.WithTimeout(ctx, ledgerLimit)
	defer cancel()
	now, err := s.ledger.Payment(ctx, p.ID)
	if err != nil {
		return p
	}
	return now
}
