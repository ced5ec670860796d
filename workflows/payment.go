// Package workflows holds one file for each process, readable as prose. They
// decide; activities do.
package workflows

import (
	"time"

	"go.temporal.io/sdk/workflow"

	"tolem/activities"
	"tolem/domain"
)

// Deadlines. All but the last travel in the payment's input; these stand in for
// what the input of an older payment does not say.
const (
	// payerDeadline is how long a payer may think between check and pay; the
	// processing centre's receipts (expireDate) are rarely valid longer.
	payerDeadline = 24 * time.Hour
	// confirmDeadline is how long a first operator's resolve waits for a second
	// one: a working day, whatever the shift.
	confirmDeadline = 24 * time.Hour
)

// The two steps of a payment.
var (
	check = step{name: "check", attempt: activities.Check}
	pay   = step{name: "pay", attempt: activities.Pay}
)

// Payment takes one accepted payment to a final state.
//
// When it returns, the money moved exactly once (succeeded), or certainly not
// at all (refused, cancelled, expired), or a named person decided; the ledger
// says the same. It returns an error only from a bug.
func Payment(ctx workflow.Context, in PaymentInput) (PaymentResult, error) {
	p, err := begin(ctx, in)
	if err != nil {
		return PaymentResult{}, err
	}

	p.untilPaying(ctx)
	if ctx.Err() != nil { // Cancel from Temporal's UI
		p.end(ctx, activities.EndInput{State: domain.StateCancelled, UnlessPaid: true})
	}
	if p.closed() {
		return p.result(ctx), p.lost
	}

	paying, done := workflow.NewDisconnectedContext(ctx) // money may move from here: no cancel from outside
	defer done()
	p.flagCancel(ctx, paying)
	p.untilPaying(paying) // of a payment whose id the centre holds: it cannot be cancelled either
	for !p.closed() {
		p.until(paying, pay)
		p.recordAnswer(paying) // of a run that began before unrecorded answers were asked again
	}
	return p.result(paying), p.lost
}

// untilPaying takes the payment through check and its payer's choice to the committed
// intent to pay, or to an end.
func (p *payment) untilPaying(ctx workflow.Context) {
	for !p.checked() && ctx.Err() == nil { // leaves the ledger in refused, awaiting_payer, paying or cancelled, or the run cancelled
		p.until(ctx, check)
		p.commitIntent(ctx) // where check left that open
	}
	for p.asksPayer() && ctx.Err() == nil {
		if p.payerChooses(ctx) {
			p.commitChoice(ctx)
		} else if ctx.Err() == nil {
			p.expire(ctx)
		}
	}
}
