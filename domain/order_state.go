package domain

import "slices"

// OrderState is where an instalment order stands.
type OrderState string

// The states of an order. The last two are terminal.
const (
	OrderAccepted         OrderState = "accepted"           // committed by the API, nothing sent yet
	OrderCreating         OrderState = "creating"           // create may have been sent; the bank's number is not known
	OrderWaitingForClient OrderState = "waiting_for_client" // the bank has it; bank and client decide
	OrderWaitingForStore  OrderState = "waiting_for_store"  // the client agreed; goods are handed over, or not
	OrderConfirming       OrderState = "confirming"         // confirm may have been sent
	OrderRejecting        OrderState = "rejecting"          // reject may have been sent
	OrderActive           OrderState = "active"             // the bank confirmed the sale; the pay-out is not known yet
	OrderPaidOut          OrderState = "paid_out"           // the store is paid
	OrderFailed           OrderState = "failed"             // no sale on credit: refused, rejected, expired, or returned in full before the pay-out
)

// OpenOrderStates lists the states that a workflow still moves.
func OpenOrderStates() []OrderState {
	return []OrderState{OrderAccepted, OrderCreating, OrderWaitingForClient, OrderWaitingForStore, OrderConfirming, OrderRejecting, OrderActive}
}

// MovingOrderStates lists the open states that an order leaves by itself within minutes when
// all is well. In the others it waits for the client, the store, or the pay-out of another day.
func MovingOrderStates() []OrderState {
	return []OrderState{OrderAccepted, OrderCreating, OrderConfirming, OrderRejecting}
}

// TerminalOrderStates lists the states that nothing leaves.
func TerminalOrderStates() []OrderState { return []OrderState{OrderPaidOut, OrderFailed} }

// Terminal says whether nothing leaves the state.
func (s OrderState) Terminal() bool { return slices.Contains(TerminalOrderStates(), s) }

// Known says whether s is a state of an order.
func (s OrderState) Known() bool { return s.Terminal() || slices.Contains(OpenOrderStates(), s) }

// Settled says whether the bank confirmed the sale, so that goods may be returned.
func (s OrderState) Settled() bool { return s == OrderActive || s == OrderPaidOut }

// Decision is the store's word on an order that its client agreed to. It is taken
// once.
type Decision string

// The decisions; "" is none.
const (
	DecisionConfirm Decision = "confirm" // the goods were handed over
	DecisionReject  Decision = "reject"  // there is no sale
)

// Deciding is the state of an order while a decision may be on its way.
func (d Decision) Deciding() OrderState {
	if d == DecisionConfirm {
		return OrderConfirming
	}
	return OrderRejecting
}

// Takes says whether an order in state s takes the decision: confirm once the
// client agreed ("ждет со стороны магазина подтверждение"), reject at any time
// before the bank confirmed ("клиент в последний момент передумал").
func (d Decision) Takes(s OrderState) bool {
	switch s {
	case OrderWaitingForStore:
		return true
	case OrderAccepted, OrderCreating, OrderWaitingForClient:
		return d == DecisionReject
	}
	return false
}

// ReturnState is where the return of goods stands.
type ReturnState string

// The states of a return. The last two are terminal.
const (
	ReturnAccepted  ReturnState = "accepted"  // committed by the API, nothing sent yet
	ReturnReturning ReturnState = "returning" // return may have been sent
	ReturnReturned  ReturnState = "returned"  // the bank took the goods' price off the credit, once
	ReturnFailed    ReturnState = "failed"    // the bank refused, and certainly took nothing off
)

// OpenReturnStates lists the states that a workflow still moves.
func OpenReturnStates() []ReturnState { return []ReturnState{ReturnAccepted, ReturnReturning} }

// TerminalReturnStates lists the states that nothing leaves.
func TerminalReturnStates() []ReturnState { return []ReturnState{ReturnReturned, ReturnFailed} }

// Terminal says whether nothing leaves the state.
func (s ReturnState) Terminal() bool { return slices.Contains(TerminalReturnStates(), s) }

// Why an order failed when the bank told no sub-state, stable names.
const (
	FailClientNotFound  = "client_not_found"  // the bank does not know the client; nothing was created
	FailRefusedByBank   = "refused_by_bank"   // the bank refused create, and certainly created nothing
	FailRejectedByStore = "rejected_by_store" // while the bank certainly had nothing
	FailResolved        = "resolved"          // two people said that there is no sale on credit
)

// The reasons for which a person has to look at an order or a return, stable
// names; ReasonRejected and ReasonCancelledRun are for orders too.
const (
	ReasonCreateUnknown    OperatorReason = "create_unknown"      // nobody knows whether the bank has the order
	ReasonDecisionOpen     OperatorReason = "decision_open"       // confirm or reject was sent, and the bank's state is not final
	ReasonDecisionTooLate  OperatorReason = "decision_too_late"   // rejected here, and the bank confirmed
	ReasonNoPayout         OperatorReason = "no_payout"           // the bank has not told of the pay-out in time
	ReasonUnknownBankState OperatorReason = "unknown_bank_state"  // a state that the document does not know
	ReasonBankOrderIDTaken OperatorReason = "bank_order_id_taken" // create was answered with the bank's number of another order of ours
	ReasonReturnUnknown    OperatorReason = "return_unknown"      // nobody knows whether the bank took the goods' price off
)
