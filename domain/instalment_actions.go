package domain

// Refusals of actions on instalments and their returns.
const (
	RefusalOrderEnded Refusal = "order_ended"         // nothing leaves a terminal state
	RefusalOrderHeld  Refusal = "order_held"          // release it first
	RefusalNeverSent  Refusal = "never_sent"          // the bank was never asked, so it cannot have paid or taken back
	RefusalBankSays   Refusal = "bank_says_otherwise" // the bank's last word contradicts the outcome
	// RefusalRejectFirst is for an application that is alive at the bank: the store
	// rejects it, so that the bank is told.
	RefusalRejectFirst Refusal = "reject_first"
)

// OrderActions lists what a person may ask of an instalment's workflow. Resolve and
// decline are carried out in the ledger, and the workflow reads them there.
func OrderActions() []Action { return []Action{ActionRetry, ActionHold, ActionRelease} }

// OrderOutcome says whether two people may resolve an instalment as ended in s: they say
// how it ended, and the states are those of every other end.
func OrderOutcome(s OrderState) bool { return s == OrderPaidOut || s == OrderFailed }

// OrderStanding is what decides whether an action may be taken on an instalment.
type OrderStanding struct {
	State    OrderState
	Held     bool
	Proposed OrderState // what a first operator's resolve proposed; "" without one, and after it has lapsed
	Sent     bool       // a create may have reached the bank
	Decision Decision   // the store's
	// BankSays is what the bank said last, answered or called back.
	BankSays BankMeaning
	// NoPayout says that the bank has not reported the pay-out in time (ReasonNoPayout).
	NoPayout bool
}

// Refuses says why an action may not be taken now; "" when it may. Resolve has rules of
// its own.
func (s OrderStanding) Refuses(a Action) Refusal {
	switch {
	case s.State.Terminal():
		return RefusalOrderEnded
	case a == ActionRetry && s.Held:
		return RefusalOrderHeld
	case a == ActionRelease && !s.Held:
		return RefusalNotHeld
	case a == ActionDecline && s.Proposed == "":
		return RefusalNotProposed
	}
	return ""
}

// RefusesResolve says why two people may not resolve the instalment as outcome now; ""
// when they may. They need no flag, because a bank that says nothing raises none in some
// states; they need evidence, and no word of the bank that contradicts it:
//
//   - failed, while the bank's last word is that it confirmed the sale. It then pays, or
//     the goods are returned. Only when it has not reported the pay-out in time may two
//     people say that there is no sale.
//   - failed, while bank and client decide and the store has not rejected: the application
//     is alive at the bank, which has to be told.
//   - paid_out, while the bank's last word is that the sale failed, and before anything
//     was sent.
func (s OrderStanding) RefusesResolve(outcome OrderState) Refusal {
	switch {
	case s.State.Terminal():
		return RefusalOrderEnded
	case outcome == OrderPaidOut && !s.Sent:
		return RefusalNeverSent
	case outcome == OrderPaidOut && s.BankSays == BankFailed:
		return RefusalBankSays
	case outcome == OrderFailed && (s.BankSays == BankActive || s.BankSays == BankDone) && !s.NoPayout:
		return RefusalBankSays
	case outcome == OrderFailed && s.Decision == "" && (s.State == OrderWaitingForClient || s.State == OrderWaitingForStore):
		return RefusalRejectFirst
	case s.Proposed != "" && s.Proposed != outcome:
		return RefusalOtherOutcome
	}
	return ""
}

// ReturnStanding is what decides whether an action may be taken on a return of goods.
type ReturnStanding struct {
	State    ReturnState
	Held     bool
	Proposed ReturnState // as OrderStanding's
	Sent     bool        // a return may have reached the bank
}

// Refuses says why an action may not be taken now; "" when it may. Resolve has rules of
// its own.
func (s ReturnStanding) Refuses(a Action) Refusal {
	switch {
	case s.State.Terminal():
		return RefusalOrderEnded
	case a == ActionRetry && s.Held:
		return RefusalOrderHeld
	case a == ActionRelease && !s.Held:
		return RefusalNotHeld
	case a == ActionDecline && s.Proposed == "":
		return RefusalNotProposed
	}
	return ""
}

// RefusesResolve says why two people may not resolve the return as outcome now; "" when
// they may. What the bank itself says that it has taken back ends a return without them.
func (s ReturnStanding) RefusesResolve(outcome ReturnState) Refusal {
	switch {
	case s.State.Terminal():
		return RefusalOrderEnded
	case outcome == ReturnReturned && !s.Sent:
		return RefusalNeverSent
	case s.Proposed != "" && s.Proposed != outcome:
		return RefusalOtherOutcome
	}
	return ""
}
