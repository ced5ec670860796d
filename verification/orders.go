package verification

import (
	"context"

	"tolem/domain"
	"tolem/storage"
)

func (v *verifier) orders(ctx context.Context) error {
	return v.Ledger.EachInstalment(ctx, func(o storage.InstalmentOrder, r storage.InstalmentRecord) error {
		id, terminal, resolved := o.ID.WorkflowID(), o.State.Terminal(), o.ResolvedAction != nil
		// Two people may have ended it while nobody knew what became of a call.
		v.journal(id, o.Attempts, terminal && !resolved, r.Calls, "create", string(domain.DecisionConfirm), string(domain.DecisionReject))
		v.resolved(id, string(o.State), resolved || o.FailReason == domain.FailResolved, r.ProcessRecord)
		made := map[string]int{}
		for _, c := range r.Calls {
			made[c.Call]++
		}
		v.report.check(StateFollows, id, (o.CreateSentAt != nil) == (made["create"] > 0), "%d creates were begun, and the order's row says otherwise", made["create"])
		v.report.check(StateFollows, id, made["confirm"] == 0 || made["reject"] == 0, "it was both confirmed and rejected")
		if o.State == domain.OrderPaidOut && !resolved {
			v.report.check(StateFollows, id, made["reject"] == 0 && o.BankOrderID != "", "paid out, and rejected or unknown to the bank")
		}
		v.flagged(id, o.NeedsOperator, r.ProcessRecord)
		v.bankAgrees(o)
		return v.process(ctx, "order", id, string(o.State), terminal, o.UpdatedAt.Time)
	})
}

func (v *verifier) returns(ctx context.Context) error {
	return v.Ledger.EachReturn(ctx, func(o storage.OrderReturn, r storage.ProcessRecord) error {
		id, terminal, resolved := o.OrderID.ReturnWorkflowID(o.ID), o.State.Terminal(), o.ResolvedAction != nil
		v.journal(id, o.Attempts, terminal && !resolved, r.Calls, "return")
		v.resolved(id, string(o.State), resolved, r)
		v.flagged(id, o.NeedsOperator, r)
		v.bankTookBack(o)
		if terminal { // its workflow goes on to ask where the order stands now
			v.report.seen("return", string(o.State), true)
			return nil
		}
		return v.process(ctx, "return", id, string(o.State), terminal, o.UpdatedAt.Time)
	})
}

// resolved checks that an instalment, or a return, that people ended was ended by two of
// them, on evidence.
func (v *verifier) resolved(id, state string, yes bool, r storage.ProcessRecord) {
	if !yes {
		return
	}
	v.report.expect(TwoPeople, id, approval{
		event: string(domain.EffectResolved), action: domain.ActionResolve, outcome: domain.State(state), effect: domain.EffectResolved,
		undone: []string{string(domain.EffectDeclined)},
	}.wants(r))
}
