package domain

import (
	"slices"
	"testing"
)

// What a reported loan does, by where the contract's last payment order stands (k2.md, "The
// process", 1).
func TestMeaningOfALoan(t *testing.T) {
	iban, debt := LoanFields{LoanIBAN}, LoanFields{LoanDebt}
	for name, c := range map[string]struct {
		loan LoanContext
		want LoanMeaning
	}{
		"the first":                       {LoanContext{}, LoanBegins},
		"a newer day, running":            {LoanContext{Known: true, State: PaymentOrderSent, Sent: true}, LoanUpdates},
		"a newer day, ended":              {LoanContext{Known: true, State: PaymentOrderNotAccepted, Sent: true}, LoanBegins},
		"a newer day, executed":           {LoanContext{Known: true, State: PaymentOrderExecuted, Sent: true, Differ: debt}, LoanBegins},
		"the same day, running, the same": {LoanContext{Known: true, State: PaymentOrderPartPaid, Sent: true, ReportedToday: true}, LoanRepeats},
		"the same day, running, newer":    {LoanContext{Known: true, State: PaymentOrderPartPaid, Sent: true, ReportedToday: true, Newer: true, Differ: debt}, LoanUpdates},
		"corrected while gathering":       {LoanContext{Known: true, State: PaymentOrderGathering, ReportedToday: true, Differ: iban}, LoanCorrects},
		"corrected after sending":         {LoanContext{Known: true, State: PaymentOrderActivated, Sent: true, Differ: iban}, LoanContradicts},
		"the same, after not accepted":    {LoanContext{Known: true, State: PaymentOrderNotAccepted, Sent: true, ReportedToday: true}, LoanRepeats},
		"corrected, after not accepted":   {LoanContext{Known: true, State: PaymentOrderNotAccepted, Sent: true, ReportedToday: true, Differ: debt}, LoanBegins},
		"corrected, after reversed":       {LoanContext{Known: true, State: PaymentOrderReversed, Sent: true, ReportedToday: true, Differ: iban}, LoanBegins},
		"corrected, after closed":         {LoanContext{Known: true, State: PaymentOrderClosed, ReportedToday: true, Differ: debt}, LoanBegins},
		"the same, after executed":        {LoanContext{Known: true, State: PaymentOrderExecuted, Sent: true, ReportedToday: true}, LoanRepeats},
		"corrected, after executed":       {LoanContext{Known: true, State: PaymentOrderExecuted, Sent: true, ReportedToday: true, Differ: debt}, LoanContradicts},
	} {
		if got := c.loan.Meaning(); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

// What is asked for again when a loan is corrected.
func TestPartsOfACorrectedLoan(t *testing.T) {
	was := LoanAccount{"KZ000000000000000000", "000000000000", "KZT"}
	for _, c := range []struct {
		now   LoanAccount
		names string
		parts []DossierPart
	}{
		{was, "", nil},
		{LoanAccount{"KZ000000000000000001", was.IINBIN, "KZT"}, "iban", []DossierPart{PartStatement}},
		{LoanAccount{was.IBAN, was.IINBIN, "USD"}, "cur", []DossierPart{PartStatement}},
		{LoanAccount{was.IBAN, "000000000001", "KZT"}, "iinbin", []DossierPart{PartClient, PartAccounts, PartScan}},
		{LoanAccount{"KZ000000000000000001", "000000000001", "USD"}, "iban, iinbin, cur", DossierParts()},
	} {
		differ := was.Differences(c.now)
		if differ.String() != c.names || !slices.Equal(differ.DossierParts(), c.parts) {
			t.Errorf("%s asks again for %v, want %s and %v", differ, differ.DossierParts(), c.names, c.parts)
		}
	}
}
