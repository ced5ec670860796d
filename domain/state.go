package domain

// State is where a payment stands.
type State string

// The states of a payment. Those after StatePaying are terminal.
const (
	StateAccepted          State = "accepted"           // committed by the API, nothing asked yet
	StateChecking          State = "checking"           // check was asked at least once, no pay ever sent
	StateAwaitingPayer     State = "awaiting_payer"     // the payer has to choose; no pay ever sent
	StatePaying            State = "paying"             // pay may have been sent; only a final code or a person ends it
	StateSucceeded         State = "succeeded"          // the money moved, once
	StateRefused           State = "refused"            // the money certainly did not move
	StateCancelled         State = "cancelled"          // ended by a person before any pay
	StateExpired           State = "expired"            // the payer did not choose in time; no pay ever sent
	StateResolvedSucceeded State = "resolved_succeeded" // a named person decided: it moved
	StateResolvedRefused   State = "resolved_refused"   // a named person decided: it did not
)

// TerminalStates lists the states that nothing leaves.
func TerminalStates() []State {
	return []State{StateSucceeded, StateRefused, StateCancelled, StateExpired, StateResolvedSucceeded, StateResolvedRefused}
}

// OpenStates lists the states that a workflow still moves.
func OpenStates() []State {
	return []State{StateAccepted, StateChecking, StateAwaitingPayer, StatePaying}
}

// Terminal says whether nothing leaves the state.
func (s State) Terminal() bool {
	for _, t := range TerminalStates() {
		if s == t {
			return true
		}
	}
	return false
}

// NotMoved says that the terminal state claims, without two people's word, that the money
// certainly did not move.
func (s State) NotMoved() bool {
	return s == StateRefused || s == StateCancelled || s == StateExpired
}

// MovingStates lists the open states that a payment leaves by itself within minutes when
// all is well. In the other one, awaiting_payer, it waits for a person outside until he has
// chosen.
func MovingStates() []State { return []State{StateAccepted, StateChecking, StatePaying} }

// Known says whether s is a state of a payment.
func (s State) Known() bool {
	for _, o := range OpenStates() {
		if s == o {
			return true
		}
	}
	return s.Terminal()
}

// Resolved says that two people ended the payment.
func (s State) Resolved() bool { return s == StateResolvedSucceeded || s == StateResolvedRefused }

// Moved says whether a payment that ended in s is one whose money moved.
func (s State) Moved() bool { return s == StateSucceeded || s == StateResolvedSucceeded }
