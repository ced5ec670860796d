package domain

// Action is what a person orders for an open payment.
type Action string

// The actions, stable names of the API and of the workflow's updates.
const (
	ActionRetry   Action = "retry"   // one attempt now; the growing interval goes on from where it was
	ActionHold    Action = "hold"    // no attempts until it is released
	ActionRelease Action = "release" // attempts again, the next one at once
	ActionCancel  Action = "cancel"  // end it; only while no pay was ever sent
	ActionResolve Action = "resolve" // a person's word on where the money is
	ActionClose   Action = "close"   // end a payment order of the card file, or an incident; a second operator approves
	ActionDecline Action = "decline" // drop a proposal, one's own or a colleague's

	ActionAcknowledge Action = "acknowledge" // say that one looks into an incident
	ActionSetAside    Action = "set-aside"   // never publish an event of a payment order; a second operator approves
)

// Actions lists them all.
func Actions() []Action {
	return []Action{ActionRetry, ActionHold, ActionRelease, ActionCancel, ActionResolve}
}

// Known says whether a is an action.
func (a Action) Known() bool {
	for _, known := range Actions() {
		if a == known {
			return true
		}
	}
	return false
}

// Effect is what an action really did.
type Effect string

// The effects, stable names of the API.
const (
	EffectAttempted Effect = "attempted" // an attempt was made; the payment says what came of it
	EffectHeld      Effect = "held"      // nothing is sent until it is released
	EffectReleased  Effect = "released"  // an attempt follows at once
	EffectCancelled Effect = "cancelled" // ended, and no pay was ever sent
	EffectProposed  Effect = "proposed"  // held until a second operator orders the same
	EffectResolved  Effect = "resolved"  // a second operator confirmed; the payment has ended
	EffectRetried   Effect = "retried"   // what is missing is asked for, and what is not told is told, at once
	EffectClosed    Effect = "closed"    // the payment order, or the incident, is closed
	EffectDeclined  Effect = "declined"  // the proposal is dropped

	EffectAcknowledged Effect = "acknowledged"
	EffectSetAside     Effect = "set_aside" // a second operator approved; the event is never published
)

// Refusal says why an action was not taken.
type Refusal string

// The refusals, stable names of the API.
const (
	RefusalEnded          Refusal = "payment_ended"          // nothing leaves a terminal state
	RefusalAwaitsPayer    Refusal = "awaiting_payer"         // nothing is attempted while the payer decides
	RefusalHeld           Refusal = "payment_held"           // release it first
	RefusalNotHeld        Refusal = "not_held"               // nothing to release
	RefusalPaySent        Refusal = "pay_sent"               // the money may have moved: cancelling could be a lie
	RefusalNumberExists   Refusal = "number_exists"          // the centre holds this id, and may have the money: the same
	RefusalNeverPaid      Refusal = "never_paid"             // no pay was ever sent: nothing to resolve, cancel it
	RefusalNoOperator     Refusal = "operator_not_needed"    // the payment takes care of itself
	RefusalInProgress     Refusal = "in_progress"            // the centre's last word on the payment is that it works on it
	RefusalNoRegister     Refusal = "no_register"            // the register that is cited is not stored, or is no evidence
	RefusalOtherOutcome   Refusal = "other_outcome"          // a first operator proposed the opposite
	RefusalSecondOperator Refusal = "second_operator_needed" // the one who proposed cannot confirm
	RefusalUnknownAction  Refusal = "unknown_action"         // the ledger has no such action of this process
	RefusalNotProposed    Refusal = "not_proposed"           // there is no proposal to decline
	RefusalIncidentClosed Refusal = "incident_closed"        // nothing is done to a closed incident
	RefusalEventPublished Refusal = "event_published"        // the broker has it
	RefusalEventSetAside  Refusal = "event_set_aside"        // two operators set it aside before
	RefusalEventNotDue    Refusal = "event_not_due"          // it has no place in what Loxon is notified of
	RefusalTopicNotRead   Refusal = "topic_not_read"         // it may have been published: the topic is read first
)

// EvidenceKind is what a resolve cites beside its free text. "" is nothing in particular.
type EvidenceKind string

// The kinds that outweigh the centre's last word on a payment, stable names of the API.
const (
	EvidenceCentreCancelled EvidenceKind = "centre_cancelled" // the centre's written word that it cancelled the payment
	EvidenceRegister        EvidenceKind = "register"         // a stored register of the closed day, which does not contain the payment
)

// Known says whether k is one of the kinds.
func (k EvidenceKind) Known() bool { return k == EvidenceCentreCancelled || k == EvidenceRegister }

// Standing is what decides whether an action may be taken: nothing personal.
type Standing struct {
	State         State
	PaySent       bool  // a pay may have been sent
	Held          bool  // by a person
	Restored      bool  // the ledger may have lost that a pay was sent
	Proposed      State // what a first operator's resolve proposed; "" without one
	NeedsOperator bool
	Code          *Code // the last
	// PaymentCode is the last code that spoke of the payment itself; nil without one.
	PaymentCode *Code
	// HeldID says that the centre holds this id since before a pay of ours.
	HeldID           bool
	ProposedEvidence EvidenceKind // what the proposal cites
}

// Stopped says whether nothing may be sent until a person acts, or a proposal
// lapses.
func (s Standing) Stopped() bool { return s.Held || s.Restored || s.Proposed != "" }

// Refuses says why an action may not be taken now; "" when it may. outcome is
// resolve's: resolved_succeeded or resolved_refused. A resolve that cites evidence asks
// RefusesResolve.
func (s Standing) Refuses(a Action, outcome State) Refusal {
	switch {
	case a == ActionResolve:
		return s.RefusesResolve(outcome, "")
	case s.State.Terminal():
		return RefusalEnded
	case a == ActionDecline && s.Proposed == "":
		return RefusalNotProposed
	case a == ActionDecline:
		return ""
	case a == ActionCancel && s.PaySent:
		return RefusalPaySent
	case a == ActionCancel && s.HeldID:
		return RefusalNumberExists
	case a == ActionCancel && s.Restored:
		return RefusalHeld
	case a == ActionCancel, a == ActionRelease && s.Stopped():
		return ""
	case s.State == StateAwaitingPayer:
		return RefusalAwaitsPayer
	case a == ActionRetry && s.Stopped():
		return RefusalHeld
	case a == ActionRelease:
		return RefusalNotHeld
	}
	return ""
}

// RefusesResolve says why a resolve that cites evidence of a kind, or "", may not be taken
// now.
//
// "refused" is not believed while the centre's last word on the payment is that it works
// on it (1, 153, 220, 255: "временный статус"), whatever it said of the last request since:
// unless both people cite evidence that outweighs that word.
func (s Standing) RefusesResolve(outcome State, cites EvidenceKind) Refusal {
	proven := cites.Known() && (s.Proposed == "" || s.ProposedEvidence.Known())
	switch {
	case s.State.Terminal():
		return RefusalEnded
	case !s.PaySent && !s.HeldID && !s.Restored:
		return RefusalNeverPaid
	case !s.NeedsOperator:
		return RefusalNoOperator
	case s.Proposed != "" && s.Proposed != outcome:
		return RefusalOtherOutcome
	case outcome == StateResolvedRefused && s.inProgress() && !proven:
		return RefusalInProgress
	}
	return ""
}

// inProgress says that the centre's last word on the payment is a temporary one. What
// began under an older version knows the last code alone.
func (s Standing) inProgress() bool {
	word := s.PaymentCode
	if word == nil {
		word = s.Code
	}
	return word != nil && word.OfPayment() && !word.Final()
}
