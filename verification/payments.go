package verification

import (
	"context"

	"tolem/domain"
	"tolem/storage"
)

func (v *verifier) payments(ctx context.Context) error {
	return v.Ledger.EachPayment(ctx, func(p storage.Payment, calls []storage.Attempt) error {
		id, terminal := p.ID.WorkflowID(), p.State.Terminal()
		v.journal(id, p.Attempts, terminal, calls, "check", "pay")
		v.paid(p, calls)
		v.centreAgrees(p)
		return v.process(ctx, "payment", id, string(p.State), terminal, p.UpdatedAt.Time)
	})
}

// paid checks that a payment's state is what its calls say.
func (v *verifier) paid(p storage.Payment, calls []storage.Attempt) {
	id := p.ID.WorkflowID()
	pays, succeeded, refused := 0, false, false
	for _, c := range calls {
		if c.Call != "pay" {
			continue
		}
		pays++
		if c.Outcome == storage.Answered && c.ResultCode != nil {
			succeeded = succeeded || *c.ResultCode == domain.CodeSuccess
			refused = refused || c.ResultCode.Final() && *c.ResultCode != domain.CodeSuccess
		}
	}
	v.report.check(StateFollows, id, (p.PaySentAt != nil) == (pays > 0), "%d pays were begun, and the intent to pay says otherwise", pays)
	switch p.State {
	case domain.StateSucceeded:
		v.report.check(StateFollows, id, succeeded, "succeeded, and no pay was answered so")
	case domain.StateRefused:
		v.report.check(StateFollows, id, !succeeded && (pays == 0 || refused), "refused, and its pays do not say so")
	case domain.StateCancelled, domain.StateExpired:
		v.report.check(StateFollows, id, pays == 0, "%s, and %d pays were begun", p.State, pays)
	}
	if p.PayBody != nil && pays > 0 {
		for _, c := range calls {
			if c.Call == "pay" {
				v.report.check(SameBytes, id, c.BodySHA256 == storage.Digest(p.PayBody), "pay %d is not the stored body", c.Attempt)
			}
		}
	}
}
