package domain

import "slices"

// PaymentOrderState is where a payment order ("платёжное требование") of the card file
// stands at the client's bank.
type PaymentOrderState string

// The states of a payment order. The last four are terminal.
const (
	PaymentOrderGathering   PaymentOrderState = "gathering"    // taken in; its dossier is not complete, nothing was sent
	PaymentOrderSent        PaymentOrderState = "sent"         // the request was sent
	PaymentOrderConfirmed   PaymentOrderState = "confirmed"    // the request was confirmed
	PaymentOrderAccepted    PaymentOrderState = "accepted"     // by the bank (PC1)
	PaymentOrderActivated   PaymentOrderState = "activated"    // taken into the bank's card file (PC3)
	PaymentOrderPartPaid    PaymentOrderState = "part_paid"    // executed in part, once or more often
	PaymentOrderExecuted    PaymentOrderState = "executed"     // in full
	PaymentOrderReversed    PaymentOrderState = "reversed"     // taken back
	PaymentOrderNotAccepted PaymentOrderState = "not_accepted" // the bank refused it
	PaymentOrderClosed      PaymentOrderState = "closed"       // two operators ended it, of which Loxon is not notified; of executions after it, it is
)

// OpenPaymentOrderStates lists the states that a workflow still moves.
func OpenPaymentOrderStates() []PaymentOrderState {
	return []PaymentOrderState{
		PaymentOrderGathering, PaymentOrderSent, PaymentOrderConfirmed, PaymentOrderAccepted, PaymentOrderActivated, PaymentOrderPartPaid,
	}
}

// MovingPaymentOrderStates lists the open states that a payment order leaves by itself within
// minutes when all is well. Once it is sent, the client's bank takes days or months.
func MovingPaymentOrderStates() []PaymentOrderState {
	return []PaymentOrderState{PaymentOrderGathering}
}

// TerminalPaymentOrderStates lists the states that nothing leaves.
func TerminalPaymentOrderStates() []PaymentOrderState {
	return []PaymentOrderState{PaymentOrderExecuted, PaymentOrderReversed, PaymentOrderNotAccepted, PaymentOrderClosed}
}

// Terminal says whether nothing leaves the state.
func (s PaymentOrderState) Terminal() bool { return slices.Contains(TerminalPaymentOrderStates(), s) }

// Known says whether s is a state of a payment order.
func (s PaymentOrderState) Known() bool {
	return s.Terminal() || slices.Contains(OpenPaymentOrderStates(), s)
}

// PaymentOrderStatus is one status of a payment order, in the very words of the Kafka
// page's table "Значение статусов".
type PaymentOrderStatus string

// The ten statuses.
const (
	StatusRequestSent         PaymentOrderStatus = "request was sent"       // ours: the dossier is complete
	StatusRequestConfirmed    PaymentOrderStatus = "request confirmed"      // "запрос подтвержден"
	StatusAccepted            PaymentOrderStatus = "payment order accepted" // "ПТ принято банком"
	StatusNotAccepted         PaymentOrderStatus = "payment order not accepted"
	StatusActivated           PaymentOrderStatus = "payment order activated" // "ПТ активировано"
	StatusExecuted            PaymentOrderStatus = "payment order executed"  // in part or in full: the sums say which
	StatusReversed            PaymentOrderStatus = "payment order reversed"  // "ПТ отозвано"
	StatusReversalNotAccepted PaymentOrderStatus = "reversal of payment order was not accepted"
	StatusReversedBefore      PaymentOrderStatus = "reversal of payment order was not accepted (was reversed before)"
	StatusExecutedBefore      PaymentOrderStatus = "reversal of payment order was not accepted (was executed before)"
)

// PaymentOrderStatuses lists them in the order of a payment order's life.
func PaymentOrderStatuses() []PaymentOrderStatus {
	return []PaymentOrderStatus{
		StatusRequestSent, StatusRequestConfirmed, StatusAccepted, StatusNotAccepted, StatusActivated, StatusExecuted, StatusReversed,
		StatusReversalNotAccepted, StatusReversedBefore, StatusExecutedBefore,
	}
}

// Known says whether the document has the status.
func (s PaymentOrderStatus) Known() bool { return slices.Contains(PaymentOrderStatuses(), s) }

// paymentOrderMove is what one status may do.
type paymentOrderMove struct {
	from []PaymentOrderState
	to   PaymentOrderState // "" keeps the state
}

// paymentOrderMoves is the state machine (k2.md, "The process", 4): forward, with steps
// left out where a status got lost, and never back. StatusRequestSent is not in it: it is
// ours, and is told when the dossier is complete. StatusExecuted leads to part_paid or
// executed, as After is told.
var paymentOrderMoves = map[PaymentOrderStatus]paymentOrderMove{
	StatusRequestConfirmed:    {[]PaymentOrderState{PaymentOrderSent}, PaymentOrderConfirmed},
	StatusAccepted:            {[]PaymentOrderState{PaymentOrderSent, PaymentOrderConfirmed}, PaymentOrderAccepted},
	StatusActivated:           {[]PaymentOrderState{PaymentOrderSent, PaymentOrderConfirmed, PaymentOrderAccepted}, PaymentOrderActivated},
	StatusNotAccepted:         {[]PaymentOrderState{PaymentOrderSent, PaymentOrderConfirmed, PaymentOrderAccepted}, PaymentOrderNotAccepted},
	StatusExecuted:            {[]PaymentOrderState{PaymentOrderSent, PaymentOrderConfirmed, PaymentOrderAccepted, PaymentOrderActivated, PaymentOrderPartPaid}, PaymentOrderExecuted},
	StatusReversed:            {[]PaymentOrderState{PaymentOrderAccepted, PaymentOrderActivated, PaymentOrderPartPaid}, PaymentOrderReversed},
	StatusReversalNotAccepted: {[]PaymentOrderState{PaymentOrderAccepted, PaymentOrderActivated, PaymentOrderPartPaid}, ""},
	StatusReversedBefore:      {[]PaymentOrderState{PaymentOrderReversed}, ""},
	StatusExecutedBefore:      {[]PaymentOrderState{PaymentOrderExecuted}, ""},
}

// StatusVerdict is what becomes of a status that somebody reports.
type StatusVerdict string

// The verdicts.
const (
	StatusTaken    StatusVerdict = "taken"    // it changes the order, or is news of it: it is told to Loxon
	StatusRepeated StatusVerdict = "repeated" // the order is there already: acknowledged, and told to nobody
	StatusRefused  StatusVerdict = "refused"  // it would lead back, or past an end
)

// After is the state after a reported status; inFull says of StatusExecuted that nothing
// is left to pay. While the dossier is gathered a status counts as if the request had been
// sent: it is told after it. An execution of a closed payment order is taken and leaves it
// closed. What is repeated or refused leaves the state as it is.
func (s PaymentOrderState) After(status PaymentOrderStatus, inFull bool) (PaymentOrderState, StatusVerdict) {
	from := s
	if from == PaymentOrderGathering {
		from = PaymentOrderSent
	}
	move, known := paymentOrderMoves[status]
	switch {
	case s == PaymentOrderClosed && status == StatusExecuted: // the client's bank moved money that nobody may forget
		return s, StatusTaken
	case known && slices.Contains(move.from, from) && status == StatusExecuted && !inFull:
		return PaymentOrderPartPaid, StatusTaken
	case known && slices.Contains(move.from, from) && move.to == "":
		return s, StatusTaken
	case known && slices.Contains(move.from, from):
		return move.to, StatusTaken
	case known && move.to == from && status != StatusExecuted: // an execution is known by its own key, not by the state
		return s, StatusRepeated
	}
	return s, StatusRefused
}

// BankStatusCode is a status code of "Сервис приема статусов входящего платежного
// требования".
type BankStatusCode string

// The codes.
const (
	CodeAcceptedByBank BankStatusCode = "PC1" // "Принята банком"
	CodeInCardFile     BankStatusCode = "PC3" // "Принята в картотеку банка"
)

// Status is what a code means; false for one that the document does not know.
func (c BankStatusCode) Status() (PaymentOrderStatus, bool) {
	switch c {
	case CodeAcceptedByBank:
		return StatusAccepted, true
	case CodeInCardFile:
		return StatusActivated, true
	}
	return "", false
}
