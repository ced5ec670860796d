package workflows

import (
	"fmt"
	"time"

	"go.temporal.io/sdk/workflow"

	"tolem/activities"
	"tolem/domain"
)

// ChoiceResult answers the news of a choice with where it led.
type ChoiceResult struct {
	State domain.State `json:"state"`
}

// listenToPayer opens the door for the news that a choice is recorded. The choice
// itself is in the ledger.
func (p *payment) listenToPayer(ctx workflow.Context) error {
	return workflow.SetUpdateHandlerWithOptions(ctx, activities.UpdateChoose,
		func(ctx workflow.Context) (ChoiceResult, error) {
			before := p.looks
			p.nudge = activities.CauseChoice
			err := workflow.Await(ctx, func() bool { return p.looks > before || p.paySent || p.closed() })
			return ChoiceResult{State: p.state}, err // a Cancel of the run ends the wait: nothing was paid
		},
		workflow.UpdateHandlerOptions{
			Description: "the payer's choice is recorded in the ledger",
			Validator: func() error {
				if p.known && !p.asksPayer() {
					return Refused{State: p.state}.asError()
				}
				return nil
			},
		})
}

// asksPayer says that the payment waits for its payer: nothing is sent.
func (p *payment) asksPayer() bool {
	return p.state == domain.StateAwaitingPayer && !p.paySent
}

// payerChooses waits for the payer until the deadline, and says whether the
// ledger is worth a look. Nothing is sent meanwhile; a person may cancel.
func (p *payment) payerChooses(ctx workflow.Context) bool {
	if p.payerUntil.IsZero() {
		p.payerUntil = workflow.Now(ctx).Add(payerDeadline)
	}
	for {
		p.hear(ctx)
		nudged := p.nudge != ""
		p.nudge = ""
		switch now := workflow.Now(ctx); {
		case p.closed(), ctx.Err() != nil:
			return false
		case p.choiceHeld && p.standing().Stopped(): // the choice stands, and waits for the release
		case p.chosen, nudged, p.paySent: // the last: another execution paid
			return true
		case reached(p.payerUntil, now) && !p.heldID && !p.restored:
			return false
		}
		p.show(ctx)
		wake := p.payerWakes()
		if wake.IsZero() {
			_ = workflow.Await(ctx, p.interrupted) // only a cancel, which is read from ctx
			continue
		}
		sleepUntil(ctx, wake, fmt.Sprintf("waits for the payer (%s) · expires at %s UTC", p.last.Asks, p.payerUntil.UTC().Format(time.DateTime)), p.interrupted)
	}
}

// payerWakes is when a payment that waits for its payer looks again by itself: when the
// payer's time is up, unless that ends nothing, or a proposal lapses; zero when never.
func (p *payment) payerWakes() time.Time {
	until := p.payerUntil
	if p.heldID || p.restored || p.choiceHeld && p.standing().Stopped() {
		until = time.Time{}
	}
	return earliest(until, p.lapsesAt())
}

// commitChoice takes the recorded choice into the ledger's intent to pay; without
// a recorded choice, and while people hold it, the payment goes on waiting.
func (p *payment) commitChoice(ctx workflow.Context) {
	p.step++
	got, ok := persist(ctx, p, "commit the payer's choice", activities.CommitChoice,
		activities.AttemptInput{PaymentID: p.in.PaymentID, Step: p.step})
	switch {
	case !ok: // the run was cancelled meanwhile
	case got.State == domain.StateAwaitingPayer:
		p.step, p.chosen = max(p.step, got.Step), got.Chosen
		if p.choiceHeld = got.Chosen && (got.Held || got.Proposed != ""); p.choiceHeld {
			p.takeOver(got.Standing)
		}
	default:
		p.learn(got)
		p.since = workflow.Now(ctx)
	}
	p.looks++
}

// clockMargin is how long an expiry waits for the database's clock, which lags behind
// Temporal's.
const clockMargin = 5 * time.Second

// expire ends the payment because its payer did not choose in time. The deadline is the
// ledger's, by its clock.
func (p *payment) expire(ctx workflow.Context) {
	barred := p.end(ctx, activities.EndInput{State: domain.StateExpired, UnlessPaid: true, UnlessChosen: true})
	if barred == domain.BarredNotDue {
		p.payerUntil = workflow.Now(ctx).Add(clockMargin)
	}
}
