package api

import (
	"net/url"
	"strconv"
	"time"

	"tolem/domain"
	"tolem/storage"
)

// incidentView is an incident as the API shows it: nothing personal but what people wrote.
type incidentView struct {
	ID         string                `json:"id"`
	Process    domain.Process        `json:"process"`
	Subject    string                `json:"subject"`            // the API's id of the process; of a return that of its order
	ReturnID   string                `json:"returnId,omitempty"` // store_return_id
	Link       string                `json:"link"`               // the path of the process; a restored ledger may not have it
	Reason     domain.OperatorReason `json:"reason"`
	AboutMoney bool                  `json:"aboutMoney"` // closing takes two people, who record where the money is
	Lasting    bool                  `json:"lasting"`    // only a person closes it
	State      string                `json:"state"`      // open or closed
	// Acknowledged is that a person looks into it, and no fact came since.
	Acknowledged bool                `json:"acknowledged"`
	Facts        int                 `json:"facts"`
	Evidence     string              `json:"evidence"` // of the last fact
	Proposed     *moneyProposalView  `json:"proposed,omitempty"`
	OpenedAt     time.Time           `json:"openedAt"`
	ChangedAt    time.Time           `json:"changedAt"`
	Entries      []incidentEntryView `json:"entries,omitempty"` // not in lists
}

// moneyProposalView is a first person's word on where the money is, which waits for a second
// person's.
type moneyProposalView struct {
	Money             domain.MoneyWhere `json:"money"`
	TransactionNumber string            `json:"transactionNumber,omitempty"`
	By                string            `json:"by"`
	Until             time.Time         `json:"until"`
}

// incidentEntryView is one thing that happened to an incident.
type incidentEntryView struct {
	Entry             domain.IncidentEntry `json:"entry"`
	At                time.Time            `json:"at"`
	Evidence          string               `json:"evidence,omitempty"` // of a fact
	By                string               `json:"by,omitempty"`       // the token's name; none is Tolem itself
	Reason            string               `json:"reason,omitempty"`   // why, in a person's words
	Money             domain.MoneyWhere    `json:"money,omitempty"`
	TransactionNumber string               `json:"transactionNumber,omitempty"`
	ActionID          string               `json:"actionId,omitempty"`
}

// The states of an incident.
const (
	incidentOpen   = "open"
	incidentClosed = "closed"
)

// incidentSummary is an incident without its entries.
func incidentSummary(i storage.Incident) incidentView {
	v := incidentView{
		ID: strconv.FormatInt(i.ID, 10), Process: i.Process, Subject: i.Subject, ReturnID: i.Part, Link: linkOf(i), Reason: i.Reason,
		AboutMoney: i.Reason.AboutMoney(), Lasting: i.Reason.Lasting(), State: incidentClosed, Acknowledged: i.Acknowledged,
		OpenedAt: i.OpenedAt.Time, ChangedAt: i.OpenedAt.Time,
	}
	if i.Open {
		v.State = incidentOpen
	}
	for _, e := range i.Entries {
		v.ChangedAt = e.At.Time
		if e.Entry == domain.IncidentOpened || e.Entry == domain.IncidentFact {
			v.Facts++
			v.Evidence = e.Evidence
		}
	}
	if p := i.Proposal(time.Now()); p != nil {
		v.Proposed = &moneyProposalView{p.Money, p.TransactionNumber, p.Caller, p.ProposedUntil()}
	}
	return v
}

// wholeIncident is an incident with all its entries, the oldest first.
func wholeIncident(i storage.Incident) incidentView {
	v := incidentSummary(i)
	for _, e := range i.Entries {
		shown := incidentEntryView{
			Entry: e.Entry, At: e.At.Time, Evidence: e.Evidence, By: e.Caller, Reason: e.Why, Money: e.Money, TransactionNumber: e.TransactionNumber,
		}
		if e.ActionID != nil {
			shown.ActionID = strconv.FormatInt(*e.ActionID, 10)
		}
		v.Entries = append(v.Entries, shown)
	}
	return v
}

// linkOf is the path of an incident's process.
func linkOf(i storage.Incident) string {
	switch i.Process {
	case domain.ProcessOrder:
		return orderPath(domain.StoreOrderID(i.Subject))
	case domain.ProcessReturn:
		return orderPath(domain.StoreOrderID(i.Subject)) + "/returns/" + url.PathEscape(i.Part)
	case domain.ProcessPaymentOrder:
		return "/v1/payment-orders/" + url.PathEscape(i.Subject)
	}
	return "/v1/payments/" + url.PathEscape(i.Subject)
}
