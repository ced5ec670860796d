// Package workflows holds one file for each process, readable as prose. They
// decide; activities do.
package workflows

import (
	"time"

	"go.temporal.io/sdk/workflow"

	"tolem/activities"
	"tolem/domain"
)

// Wire names. They are in recorded histories and in other programs: never change
// one.
const (
	PaymentWorkflow = "Payment"
	SweepWorkflow   = "Sweep"
	SweepSchedule   = "sweep"
	MainQueue       = "tolem"      // workflows and their local activities
	ProcessingQueue = "processing" // later attempts; its rate limit holds across workers
)

// payerDeadline is how long a payer may think between check and pay; the
// processing centre's receipts (expireDate) are rarely valid longer.
const payerDeadline = 24 * time.Hour

// The two steps of a payment. On the wire an attempt is its activity's name.
var (
	processing *activities.Processing // nil: only its method names are used here
	check      = step{name: "check", attempt: processing.Check}
	pay        = step{name: "pay", attempt: processing.Pay}
)

// Payment takes one accepted payment to a final state.
//
// When it returns, the money moved exactly once (succeeded), or certainly not
// at all (refused, cancelled, expired), or a named person decided; the ledger
// says the same. It returns an error only from a bug.
func Payment(ctx workflow.Context, in PaymentInput) (PaymentResult, error) {
	p, err := begin(in)
	if err != nil {
		return PaymentResult{}, err
	}

	p.until(ctx, check) // leaves the ledger in refused, awaiting_payer or paying, or the run cancelled
	if p.state == domain.StateAwaitingPayer {
		p.payerChooses(ctx)
	}
	switch {
	case ctx.Err() != nil: // Cancel from Temporal's UI
		p.endUnlessPaid(ctx, domain.StateCancelled)
	case p.state == domain.StateAwaitingPayer:
		p.endUnlessPaid(ctx, domain.StateExpired)
	}
	if p.closed() {
		return p.result(ctx), nil
	}

	paying, done := workflow.NewDisconnectedContext(ctx) // money may move from here: no cancel from outside
	defer done()
	p.flagCancel(ctx, paying)
	p.until(paying, pay)
	p.recordAnswer(paying) // if the attempt that brought it could not
	return p.result(ctx), nil
}
