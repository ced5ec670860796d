package domain

// Cause says why an attempt was made. Only the waits before scheduled attempts
// make up the growing ladder.
type Cause string

// The causes.
const (
	CauseScheduled Cause = "scheduled" // the first attempt, or the ladder's turn
	CauseRecovery  Cause = "recovery"  // an execution died; its attempt may or may not have happened
	CauseOperator  Cause = "operator"  // a person asked
	CauseBalance   Cause = "balance"   // the agent's balance rose
	CauseNews      Cause = "news"      // the bank called back, or the store decided
)
