package domain

// DossierPart is one of the four things that ABS is asked for before a payment order is
// sent.
type DossierPart string

// The parts.
const (
	PartClient    DossierPart = "client"    // "информация по клиенту"
	PartAccounts  DossierPart = "accounts"  // "список счетов по клиенту"
	PartStatement DossierPart = "statement" // the loan's disbursement, "выписка по счету на Дату"
	PartScan      DossierPart = "scan"      // "Скан ДБЗ"
)

// DossierParts lists them all: a dossier is complete when it has each.
func DossierParts() []DossierPart {
	return []DossierPart{PartClient, PartAccounts, PartStatement, PartScan}
}

// PartState is what there is of a part.
type PartState string

// The states of a part.
const (
	PartMissing PartState = "missing" // not asked for, or not answered: asked for again by itself
	PartGot     PartState = "got"
	PartRefused PartState = "refused" // ABS says no: asked for again when an operator says so
)

// Why a payment order needs an operator.
const (
	ReasonDossierRefused OperatorReason = "dossier_refused"  // ABS refuses a part of the dossier
	ReasonNoContractDate OperatorReason = "no_contract_date" // nobody told the contract's day, and it is not to be guessed
	ReasonDossierLate    OperatorReason = "dossier_late"     // a part is missing for longer than the limit
	ReasonEventRejected  OperatorReason = "event_rejected"   // no message carries this event, or the broker will never take it
	ReasonTopicChanged   OperatorReason = "topic_changed"    // Loxon's topic was recreated or shrunk: nothing is sent until a person closes the incident
	ReasonEventLate      OperatorReason = "event_late"       // an event is not told for longer than the limit

	// Contradictions: nothing that Tolem does takes them away.
	ReasonLoanChanged        OperatorReason = "loan_changed"         // IBAN, IIN or currency of a loan changed after its request was sent
	ReasonLoanAfterExecuted  OperatorReason = "loan_after_executed"  // a corrected loan on the day of an execution in full: not collected, or it would be twice
	ReasonExecutedAfterClose OperatorReason = "executed_after_close" // the client's bank moved money of a payment order that two operators had closed
	ReasonPublishedAside     OperatorReason = "published_set_aside"  // Loxon's topic holds an event that two operators had set aside
	ReasonEventKeyShared     OperatorReason = "event_key_shared"     // events of several payment orders came under one key: one of them may be booked on the wrong one
)
