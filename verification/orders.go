package verification

import (
	"context"

	"tolem/domain"
	"tolem/storage"
)

func (v *verifier) orders(ctx context.Context) error {
	return v.Ledger.EachInstalment(ctx, func(o storage.InstalmentOrder, r storage.InstalmentRecord) error {
		id, terminal := o.ID.WorkflowID(), o.State.Terminal()
		v.journal(id, o.Attempts, terminal, r.Calls, "create", string(domain.DecisionConfirm), string(domain.DecisionReject))
		made := map[string]int{}
		for _, c := range r.Calls {
			made[c.Call]++
		}
		v.report.check(StateFollows, id, (o.CreateSentAt != nil) == (made["create"] > 0), "%d creates were begun, and the order's row says otherwise", made["create"])
		v.report.check(StateFollows, id, made["confirm"] == 0 || made["reject"] == 0, "it was both confirmed and rejected")
		if o.State == domain.OrderPaidOut {
			v.report.check(StateFollows, id, made["reject"] == 0 && o.BankOrderID != "", "paid out, and rejected or unknown to the bank")
		}
		v.flagged(id, o.NeedsOperator, r.ProcessRecord)
		v.bankAgrees(o)
		return v.process(ctx, "order", id, string(o.State), terminal, o.UpdatedAt.Time)
	})
}

func (v *verifier) returns(ctx context.Context) error {
	return v.Ledger.EachReturn(ctx, func(o storage.OrderReturn, r storage.ProcessRecord) error {
		id, terminal := o.OrderID.ReturnWorkflowID(o.ID), o.State.Terminal()
		v.journal(id, o.Attempts, terminal, r.Calls, "return")
		v.flagged(id, o.NeedsOperator, r)
		v.bankTookBack(o)
		if terminal { // its workflow goes on to ask where the order stands now
			v.report.seen("return", string(o.State), true)
			return nil
		}
		return v.process(ctx, "return", id, string(o.State), terminal, o.UpdatedAt.Time)
	})
}
