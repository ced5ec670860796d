package domain

import "testing"

func TestContradictions(t *testing.T) {
	refused := OrderKnown{State: OrderFailed}
	failed := OrderKnown{State: OrderFailed, Bank: BankFailed, AtBank: true}
	returned := OrderKnown{State: OrderFailed, Bank: BankReturned, AtBank: true}
	resolvedFailed := OrderKnown{State: OrderFailed, Bank: BankReady, AtBank: true, Decision: DecisionReject}
	paid := OrderKnown{State: OrderPaidOut, Bank: BankActive, AtBank: true, Decision: DecisionConfirm}
	resolvedPaid := OrderKnown{State: OrderPaidOut, Bank: BankReady, AtBank: true, Decision: DecisionConfirm}
	rejecting := OrderKnown{State: OrderRejecting, Bank: BankReady, AtBank: true, Decision: DecisionReject}
	tooLate := OrderKnown{State: OrderActive, Bank: BankActive, AtBank: true, Decision: DecisionReject}
	confirming := OrderKnown{State: OrderConfirming, Bank: BankReady, AtBank: true, Decision: DecisionConfirm}
	undecided := OrderKnown{State: OrderWaitingForStore, Bank: BankReady, AtBank: true}
	for name, c := range map[string]struct {
		k    OrderKnown
		says map[BankMeaning]OperatorReason // others: none
	}{
		"refused by the bank": {refused, map[BankMeaning]OperatorReason{
			BankPending: ReasonSaleAfterEnd, BankReady: ReasonSaleAfterEnd, BankActive: ReasonSaleAfterEnd, BankDone: ReasonSaleAfterEnd, BankReturned: ReasonSaleAfterEnd}},
		"failed at the bank": {failed, map[BankMeaning]OperatorReason{
			BankActive: ReasonSaleAfterEnd, BankDone: ReasonSaleAfterEnd, BankReturned: ReasonSaleAfterEnd}},
		"returned in full": {returned, nil},
		"resolved as failed": {resolvedFailed, map[BankMeaning]OperatorReason{
			BankActive: ReasonSaleAfterEnd, BankDone: ReasonSaleAfterEnd, BankReturned: ReasonSaleAfterEnd}},
		"paid out": {paid, map[BankMeaning]OperatorReason{BankFailed: ReasonPayoutContradicted}},
		"resolved as paid out": {resolvedPaid, map[BankMeaning]OperatorReason{
			BankFailed: ReasonPayoutContradicted, BankPending: ReasonPayoutContradicted, BankReady: ReasonPayoutContradicted}},
		"rejecting": {rejecting, map[BankMeaning]OperatorReason{
			BankActive: ReasonDecisionTooLate, BankDone: ReasonDecisionTooLate, BankReturned: ReasonDecisionTooLate}},
		"rejected too late, as is known": {tooLate, nil},
		"confirming":                     {confirming, map[BankMeaning]OperatorReason{BankFailed: ReasonConfirmedFailed}},
		"nobody decided":                 {undecided, nil},
	} {
		for _, says := range []BankMeaning{BankPending, BankReady, BankActive, BankDone, BankReturned, BankFailed, BankUnknown} {
			if got := c.k.Contradicts(says); got != c.says[says] {
				t.Errorf("%s, and the bank says %s: %q, want %q", name, says, got, c.says[says])
			}
		}
	}
	for _, r := range []OperatorReason{ReasonDecisionTooLate, ReasonConfirmedFailed, ReasonSaleAfterEnd, ReasonPayoutContradicted, ReasonReturnContradicted} {
		if !r.Lasting() || !r.AboutMoney() {
			t.Errorf("%s is not lasting, or not about money", r)
		}
	}
}
