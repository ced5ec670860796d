package domain

// The reasons of incidents about instalments and returns, stable names. All are about
// money: goods or a credit are where one side does not expect them.
const (
	// ReasonConfirmedFailed: the store confirmed, so the goods were handed over, and the
	// bank says that the sale failed.
	ReasonConfirmedFailed OperatorReason = "confirmed_and_failed"
	// ReasonSaleAfterEnd: it ended without a sale on credit, and the bank has the sale, or
	// an application for it.
	ReasonSaleAfterEnd OperatorReason = "sale_after_end"
	// ReasonPayoutContradicted: it ended paid out, and the bank says that there is no sale.
	ReasonPayoutContradicted OperatorReason = "payout_contradicted"
	// ReasonReturnContradicted: a return ended, and the bank's answer says the opposite.
	ReasonReturnContradicted OperatorReason = "return_contradicted"
)

// OrderKnown is what the ledger holds of an instalment when the bank says something.
type OrderKnown struct {
	State    OrderState
	Decision Decision
	Bank     BankMeaning // the bank's last word that was taken over; "" without one
	AtBank   bool        // the bank's number of the order is known
}

// Contradicts says for which reason a person has to look, because what the bank says now
// contradicts the store's decision or the end of the instalment; "" when nothing does, or
// when the word is older than what is known.
func (k OrderKnown) Contradicts(says BankMeaning) OperatorReason {
	switch {
	case k.State == OrderFailed:
		return k.contradictsFailed(says)
	case k.State == OrderPaidOut && says == BankFailed:
		return ReasonPayoutContradicted
	case k.State == OrderPaidOut && !k.Bank.Settled() && (says == BankPending || says == BankReady): // two people said that it was paid
		return ReasonPayoutContradicted
	case k.State.Terminal():
		return ""
	case k.Decision == DecisionReject && says.Settled() && !k.Bank.Settled():
		return ReasonDecisionTooLate
	case k.Decision == DecisionConfirm && says == BankFailed:
		return ReasonConfirmedFailed
	}
	return ""
}

func (k OrderKnown) contradictsFailed(says BankMeaning) OperatorReason {
	switch {
	case k.Bank == BankReturned: // the sale was undone in full; its earlier states may come late
		return ""
	case says.Settled():
		return ReasonSaleAfterEnd
	case !k.AtBank && (says == BankPending || says == BankReady): // it ended as one that the bank does not have
		return ReasonSaleAfterEnd
	}
	return ""
}
