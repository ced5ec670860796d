package domain

import "strings"

// LoanAccount is whom a payment order collects from: what its dossier is asked by.
type LoanAccount struct{ IBAN, IINBIN, Currency string }

// LoanField is a field of a reported loan, as the document names it.
type LoanField string

// The fields that a corrected loan may differ in.
const (
	LoanIBAN     LoanField = "iban"
	LoanIINBIN   LoanField = "iinbin"
	LoanCurrency LoanField = "cur"
	LoanDebt     LoanField = "debt"
)

// LoanFields are the fields in which two reports of a loan differ.
type LoanFields []LoanField

// Differences are the fields in which another account differs.
func (a LoanAccount) Differences(other LoanAccount) (differ LoanFields) {
	if a.IBAN != other.IBAN {
		differ = append(differ, LoanIBAN)
	}
	if a.IINBIN != other.IINBIN {
		differ = append(differ, LoanIINBIN)
	}
	if a.Currency != other.Currency {
		differ = append(differ, LoanCurrency)
	}
	return differ
}

// Has says whether a field is among them.
func (f LoanFields) Has(field LoanField) bool {
	for _, one := range f {
		if one == field {
			return true
		}
	}
	return false
}

// String lists them, separated by commas.
func (f LoanFields) String() string {
	names := make([]string, len(f))
	for i, field := range f {
		names[i] = string(field)
	}
	return strings.Join(names, ", ")
}

// DossierParts are the parts whose question or answer depends on these fields: the statement
// is that of the IBAN, in the loan's currency; client, accounts and scan are asked for by
// IIN.
func (f LoanFields) DossierParts() (parts []DossierPart) {
	if f.Has(LoanIINBIN) {
		parts = append(parts, PartClient, PartAccounts)
	}
	if f.Has(LoanIBAN) || f.Has(LoanCurrency) {
		parts = append(parts, PartStatement)
	}
	if f.Has(LoanIINBIN) {
		parts = append(parts, PartScan)
	}
	return parts
}

// LoanMeaning is what a reported loan does to its contract.
type LoanMeaning string

// The meanings.
const (
	LoanBegins      LoanMeaning = "begins"      // a payment order of its own
	LoanUpdates     LoanMeaning = "updates"     // debt and overdue days of the running payment order
	LoanCorrects    LoanMeaning = "corrects"    // whom the running payment order, not sent yet, collects from
	LoanContradicts LoanMeaning = "contradicts" // what was sent or executed: a person has to look
	LoanRepeats     LoanMeaning = "repeats"     // nothing
)

// LoanContext is what decides what a reported loan means.
type LoanContext struct {
	Known         bool              // the contract has a payment order; the rest is about its last one
	State         PaymentOrderState // of it
	Sent          bool              // "request was sent"
	ReportedToday bool              // the contract was reported on this day before
	Differ        LoanFields        // from what the payment order demands
	Newer         bool              // debt or overdue days are others than those that were reported today
}

// Meaning is what the loan does. A corrected loan begins the next payment order on the same
// day only where the last one collected nothing: after an execution in full the client would
// be collected from twice.
func (c LoanContext) Meaning() LoanMeaning {
	switch {
	case !c.Known, c.State.Terminal() && !c.ReportedToday:
		return LoanBegins
	case c.State.Terminal() && len(c.Differ) == 0:
		return LoanRepeats
	case c.State == PaymentOrderExecuted:
		return LoanContradicts
	case c.State.Terminal():
		return LoanBegins
	case c.Differ.Has(LoanIBAN), c.Differ.Has(LoanIINBIN), c.Differ.Has(LoanCurrency):
		if c.Sent {
			return LoanContradicts
		}
		return LoanCorrects
	case c.ReportedToday && !c.Newer:
		return LoanRepeats
	}
	return LoanUpdates
}
