package domain

import "slices"

// The journal's words for a call that the bank answered with 4xx.
const (
	FailureRejected = "rejected"
	// FailureDuplicate is a status by which the bank says that it has the order already,
	// in an answer that does not name the order: no refusal.
	FailureDuplicate = "duplicate"
)

// BankAttempt is what the journal holds of one attempt of a request that may change
// something at the bank.
type BankAttempt struct {
	Reported bool   // its outcome was recorded; else nobody knows whether the bank got it
	Kind     Kind   // of its failure; "" or anything else for an answer
	Failure  string // FailureRejected for a refusal
	Status   int    // HTTP
	OwnBody  bool   // the answer had the bank's own error body, {"message": "…"}
}

// statusesWithoutVerdict are 4xx that refuse nothing: they ask for patience (408, 425,
// 429), or say that the bank has such a request already (409).
var statusesWithoutVerdict = []int{408, 409, 425, 429}

// statusesAboutUs are refusals of whoever asks and not of what is asked: the secret
// (401), the agreement (403) or the address (404) is wrong, which a person fixes.
var statusesAboutUs = []int{401, 403, 404}

// Definite says whether the bank certainly refused this attempt: a 4xx that gives a
// verdict, with the bank's own error body. A proxy's page is no word of the bank.
func (a BankAttempt) Definite() bool {
	return a.Reported && a.Failure == FailureRejected && a.OwnBody &&
		a.Status >= 400 && a.Status < 500 && !slices.Contains(statusesWithoutVerdict, a.Status)
}

// without says whether the attempt certainly had no effect at the bank.
func (a BankAttempt) without() bool {
	return a.Definite() || a.Reported && a.Kind == Unavailable // the client's word that nothing was sent
}

// NothingAtBank says whether a request certainly had no effect at the bank: every attempt
// so far was answered with a definite refusal. One whose outcome is not known may have
// been processed, whatever the bank answers afterwards.
func NothingAtBank(attempts []BankAttempt) bool {
	return !slices.ContainsFunc(attempts, func(a BankAttempt) bool { return !a.without() })
}

// CertainRefusal says whether the bank's answer to the newest attempt, the last of all,
// ends the request: it refuses what is asked, and no earlier attempt can have had an
// effect. What "not found" is in the bank's dialect does not matter here: a create or a
// return looks for nothing.
func CertainRefusal(attempts []BankAttempt) bool {
	if len(attempts) == 0 || !NothingAtBank(attempts) {
		return false
	}
	last := attempts[len(attempts)-1]
	return last.Definite() && !slices.Contains(statusesAboutUs, last.Status)
}
