package domain

// BatchID identifies one batch of payments in our ledger. It is made, read and
// written as generated payment ids are, and for the same reasons; the processing
// centre never sees it.
type BatchID int64

// ParseBatchID reads 1 to 18 decimal digits, without sign or leading zero. Its
// errors wrap ErrID.
func ParseBatchID(s string) (BatchID, error) {
	n, err := ParseAgentTransactionID(s)
	return BatchID(n), err
}

// String is the id in decimal digits.
func (id BatchID) String() string { return AgentTransactionID(id).String() }

// WorkflowID is the name in Temporal, logs and spans of the intake that starts
// the batch's payments: intake/<batch id>.
func (id BatchID) WorkflowID() string { return "intake/" + id.String() }

// MarshalJSON writes a string.
func (id BatchID) MarshalJSON() ([]byte, error) { return AgentTransactionID(id).MarshalJSON() }

// UnmarshalJSON accepts a string or an integer of 1 to 18 digits.
func (id *BatchID) UnmarshalJSON(b []byte) error { return (*AgentTransactionID)(id).UnmarshalJSON(b) }
