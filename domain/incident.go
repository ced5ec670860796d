package domain

import "slices"

// An incident is what contradicts the end of a process, or waits too long for a person.
// It is a record of its own, independent of the process's state. Its reason is an
// OperatorReason.

// The reasons of incidents about payments that have ended, stable names.
const (
	ReasonPaidAfterEnd    OperatorReason = "paid_after_end"    // it ended as not paid, and a pay was answered 0 afterwards
	ReasonRefusedAfterEnd OperatorReason = "refused_after_end" // two people resolved it as succeeded, and the centre refused it afterwards
)

// ReasonEndedWithHeldID is that of a payment which an older version ended as not paid although
// the centre had said that it holds the id (215) before a pay of ours could be why.
const ReasonEndedWithHeldID OperatorReason = "ended_with_held_id"

// ReasonLedgerLate is that of a workflow whose write the ledger did not take for ten
// minutes; it is raised when the ledger is back.
const ReasonLedgerLate OperatorReason = "ledger_late"

// The reasons that a restored ledger raises, stable names.
const (
	// ReasonRestored is that of a process whose last writes may be lost: nothing is sent for it
	// and no answer ends it, until people release or resolve it.
	ReasonRestored OperatorReason = "restored"
	// ReasonMissingInLedger is that of an id that a partner or Temporal has, and the ledger not.
	ReasonMissingInLedger OperatorReason = "missing_in_ledger"
)

// lastingReasons are those that only a person closes: the process going on, or ending,
// takes nothing of them away.
var lastingReasons = []OperatorReason{ReasonBankOrderIDTaken, ReasonLoanChanged, ReasonLoanAfterExecuted, ReasonPublishedAside}

// moneyReasons are lasting ones after which somebody has to say where the money is.
var moneyReasons = []OperatorReason{
	ReasonPaidAfterEnd, ReasonRefusedAfterEnd, ReasonEndedWithHeldID, ReasonMissingInLedger,
	ReasonDecisionTooLate, ReasonConfirmedFailed, ReasonSaleAfterEnd, ReasonPayoutContradicted, ReasonReturnContradicted,
	ReasonExecutedAfterClose, ReasonEventKeyShared,
}

// eventReasons concern an event rather than its process: they go when the event is published.
var eventReasons = []OperatorReason{ReasonEventRejected, ReasonEventLate, ReasonTopicChanged}

// OperatorReasons lists every reason for which a person has to look.
func OperatorReasons() []OperatorReason {
	return []OperatorReason{
		ReasonUnknownCode, ReasonStrangeEcho, ReasonRejected, ReasonLateRefusal, ReasonNumberExists, ReasonCancelledRun, ReasonTooOld,
		ReasonUnreadableAnswer, ReasonNothingOffered,
		ReasonPaidAfterEnd, ReasonRefusedAfterEnd, ReasonEndedWithHeldID, ReasonLedgerLate, ReasonRestored, ReasonMissingInLedger,
		ReasonCreateUnknown, ReasonDecisionOpen, ReasonDecisionTooLate, ReasonNoPayout, ReasonUnknownBankState, ReasonBankOrderIDTaken, ReasonReturnUnknown,
		ReasonConfirmedFailed, ReasonSaleAfterEnd, ReasonPayoutContradicted, ReasonReturnContradicted,
		ReasonDossierRefused, ReasonNoContractDate, ReasonDossierLate, ReasonEventRejected, ReasonEventLate, ReasonTopicChanged,
		ReasonLoanChanged, ReasonLoanAfterExecuted, ReasonExecutedAfterClose, ReasonPublishedAside, ReasonEventKeyShared,
	}
}

// Known says whether r is a reason.
func (r OperatorReason) Known() bool { return slices.Contains(OperatorReasons(), r) }

// Lasting says that only a person closes an incident of this reason. Others are closed by
// Tolem itself when the process moves on.
func (r OperatorReason) Lasting() bool { return slices.Contains(lastingReasons, r) || r.AboutMoney() }

// LastingReasons lists the reasons of incidents that only a person closes.
func LastingReasons() []OperatorReason { return slices.Concat(lastingReasons, moneyReasons) }

// AboutMoney says that closing an incident of this reason takes two people, who record
// where the money really is.
func (r OperatorReason) AboutMoney() bool { return slices.Contains(moneyReasons, r) }

// EndsWithProcess says that an incident of this reason is closed by the end of its process.
func (r OperatorReason) EndsWithProcess() bool {
	return !r.Lasting() && !slices.Contains(eventReasons, r)
}

// Passing says that Tolem closes an incident of this reason itself.
func (r OperatorReason) Passing() bool { return !r.Lasting() }

// IncidentEntry is what happened to an incident.
type IncidentEntry string

// The entries, stable names of the API.
const (
	IncidentOpened       IncidentEntry = "opened"
	IncidentFact         IncidentEntry = "fact"         // another fact was learned; it clears the acknowledgement
	IncidentAcknowledged IncidentEntry = "acknowledged" // a person is looking into it
	IncidentProposed     IncidentEntry = "proposed"     // the first of two people said where the money is
	IncidentDeclined     IncidentEntry = "declined"     // the proposal was withdrawn, or another person declined it
	IncidentClosed       IncidentEntry = "closed"
)

// MoneyWhere is where the money of a process really is, as people recorded it.
type MoneyWhere string

// The answers.
const (
	MoneyMoved    MoneyWhere = "moved"
	MoneyNotMoved MoneyWhere = "not_moved"
)

// Known says whether w is an answer.
func (w MoneyWhere) Known() bool { return w == MoneyMoved || w == MoneyNotMoved }
