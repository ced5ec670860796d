package verification

import (
	"context"
	"slices"

	"tolem/domain"
	"tolem/storage"
)

func (v *verifier) returns(ctx context.Context) error {
	return v.Ledger.EachReturn(ctx, func(g storage.OrderReturn, r storage.ProcessRecord) error { return v.goodsReturn(ctx, g, r) })
}

// The calls of a return of goods, as the journal names them.
const (
	callReturn = "return"
	callData   = "order_data"
)

// goodsReturn checks one return of goods.
func (v *verifier) goodsReturn(ctx context.Context, g storage.OrderReturn, r storage.ProcessRecord) error {
	id, terminal := g.WorkflowID(), g.State.Terminal()
	v.journal(id, g.Attempts, false, r.Calls, callReturn) // an unknown outcome: see returnProblem
	if !excused(r) {
		v.report.expect(StateFollows, id, returnProblem(g, r))
	}
	if g.ResolvedAction != nil {
		v.report.expect(TwoPeople, id, resolution(domain.State(g.State)).wants(r))
	}
	v.flagged(id, g.NeedsOperator, r)
	if err := v.restored(ctx, restoredRow{id, g.Restored, g.RestoredEpoch, g.CreatedAt, terminal, g.ResolvedAction != nil}, r); err != nil {
		return err
	}
	v.bankTookBack(g, r)
	if terminal { // its workflow goes on to ask where the order stands now
		v.report.seen("return", string(g.State), true)
		return nil
	}
	return v.process(ctx, "return", id, string(g.State), terminal, g.UpdatedAt.Time)
}

// returnProblem says why a return did not end as it says; "" when it did.
func returnProblem(g storage.OrderReturn, r storage.ProcessRecord) string {
	attempts := bankAttempts(r.Calls, callReturn)
	took := slices.ContainsFunc(r.Calls, func(c storage.Attempt) bool { return c.Call == callReturn && c.Outcome == storage.Answered })
	resolved := g.ResolvedAction != nil
	switch {
	case (g.SentAt != nil) != (len(attempts) > 0):
		return "its row and its journal do not agree on whether it was ever sent"
	case g.State == domain.ReturnFailed && took:
		return "failed, and the bank took it"
	case g.State == domain.ReturnFailed && !resolved && !domain.CertainRefusal(attempts):
		return "failed, and not every attempt was certainly refused"
	case g.State == domain.ReturnReturned && !resolved && !took && !reversed(g, r):
		return "returned, and the bank never said so"
	}
	return ""
}

// reversed says whether the bank listed the return's sum among what it has taken back, after
// the return was first sent.
func reversed(g storage.OrderReturn, r storage.ProcessRecord) bool {
	if g.ReversedBefore == nil {
		return false
	}
	sent := false
	for _, c := range r.Calls {
		sent = sent || c.Call == callReturn
		if sent && c.Call == callData && c.Outcome == storage.Answered {
			sum, err := domain.ParseMoney(c.ResultMessage)
			if c.ResultMessage == "" || err == nil && sum == *g.ReversedBefore+g.Sum { // older rows have no sum
				return true
			}
		}
	}
	return false
}
