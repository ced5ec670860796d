package domain

// Barred says why an end that was asked for is not written: the ledger has no evidence for
// it. What asks may come from anybody who reaches Temporal.
type Barred string

// The reasons, stable names on the wire.
const (
	BarredNoEvidence    Barred = "no_evidence"    // the journal has no answer of this payment that means it
	BarredUnknownAction Barred = "unknown_action" // nobody asked for it: no such action of this process
	BarredNotDue        Barred = "not_due"        // the payer's deadline has not passed by the database's clock
	BarredState         Barred = "state"          // no end at all, or one that this path never writes
)
