package activities

import "tolem/domain"

// NudgeSignal wakes a payment's workflow to look again. A nudge that finds
// nothing to do changes nothing, so it may come late, twice or never.
const NudgeSignal = "nudge"

// Nudge is why: CauseBalance retries a payment that waits on code 220 at once.
type Nudge struct {
	Cause domain.Cause `json:"cause"`
}
