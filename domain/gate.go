package domain

// Gate says what a ledger takes, after a restore lost commits of it.
type Gate string

// The gates, stable names.
const (
	GateOpen        Gate = "open"
	GateClosed      Gate = "closed"      // it was restored: nothing is read, sent or taken
	GateReconciling Gate = "reconciling" // what may repeat a lost row is not taken
)
