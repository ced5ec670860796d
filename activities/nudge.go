package activities

import "tolem/domain"

// CauseChoice nudges a payment that waits for its payer to look into the ledger.
// No attempt has this cause.
const CauseChoice domain.Cause = "choice"

// Nudge is why: CauseBalance retries a payment that waits on code 220 at once,
// CauseOperator has the process read what a person's action changed in the ledger.
type Nudge struct {
	Cause domain.Cause `json:"cause"`
}
