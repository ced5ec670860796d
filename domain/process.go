package domain

// Process is a kind of the long processes that are run here.
type Process string

// The kinds, stable names of metrics.
const (
	ProcessPayment      Process = "payment"
	ProcessOrder        Process = "order"         // an instalment order
	ProcessReturn       Process = "return"        // of an instalment order's goods
	ProcessPaymentOrder Process = "payment_order" // of the card file
)

// ProcessStates are the states of one kind of process.
type ProcessStates struct {
	Process        Process
	Open, Terminal []string
}

// Processes lists the kinds with their states.
func Processes() []ProcessStates {
	return []ProcessStates{
		{ProcessPayment, words(OpenStates()), words(TerminalStates())},
		{ProcessOrder, words(OpenOrderStates()), words(TerminalOrderStates())},
		{ProcessReturn, words(OpenReturnStates()), words(TerminalReturnStates())},
		{ProcessPaymentOrder, words(OpenPaymentOrderStates()), words(TerminalPaymentOrderStates())},
	}
}

func words[State ~string](states []State) []string {
	all := make([]string, len(states))
	for i, s := range states {
		all[i] = string(s)
	}
	return all
}
