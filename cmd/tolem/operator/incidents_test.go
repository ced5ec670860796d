package operator_test

import (
	"strings"
	"testing"

	"tolem/domain"
	"tolem/storage"
)

// Incidents are listed, shown, acknowledged, and closed by two people who say where the
// money is; the payment shows it before and afterwards.
func TestIncidents(t *testing.T) {
	d := newDesk(t)
	ids := d.accepts(1)
	number, err := domain.ParseAgentTransactionID(ids[0])
	must(t, err)
	_, _, err = d.ledger.End(t.Context(), storage.Ending{PaymentID: number, Step: 1, State: domain.StateCancelled})
	must(t, err)
	d.sees(0, []string{"nothing is stuck"}, "orders", "list", "--stuck")
	d.sees(0, []string{"nothing is found"}, "incidents", "list")
	must(t, d.ledger.RaisePayment(t.Context(), number, domain.ReasonPaidAfterEnd, "pay answered code 0"))
	must(t, d.ledger.Raise(t.Context(), storage.OpenIncident{Process: domain.ProcessReturn, Subject: "чек 12/7", Part: "r1", Reason: domain.ReasonReturnUnknown}, "no answer"))

	d.sees(0, []string{ids[0], "cancelled", "paid_after_end"}, "payments", "list", "--stuck")
	d.sees(0, []string{"no orders are stuck; 2 incidents are open: tolem incidents list"}, "orders", "list", "--stuck")
	d.sees(0, []string{"cancelled, and needs an operator", "the centre answered a pay with 0 afterwards", "Open incidents", "paid_after_end", "tolem incidents show ID"}, "payments", "show", ids[0])
	out := d.sees(0, []string{"REASON", "paid_after_end", "return", "чек 12/7, r1", "money"}, "incidents", "list")
	if strings.Count(out, "\n") != 3 {
		t.Errorf("%s", out)
	}
	d.sees(0, []string{"return_unknown"}, "incidents", "list", "--process", "return", "--subject", "чек 12/7", "--older-than", "1ms")
	d.sees(0, []string{"nothing is found"}, "incidents", "list", "--state", "closed")
	d.sees(0, []string{"paid_after_end", "return_unknown"}, "incidents", "list", "--state", "all", "--acknowledged=false")
	d.sees(2, nil, "incidents", "list", "--stuck")
	d.sees(1, []string{"process must be payment"}, "incidents", "list", "--process", "k2")

	d.sees(0, []string{"incident 1 is open, and nobody looks into it", "Find out where the money is", "tolem incidents acknowledge 1 --reason '…'",
		"tolem incidents close 1 --money moved --transaction-number '…' --reason '…'", "History", "opened", "pay answered code 0"}, "incidents", "show", "1")
	d.sees(0, []string{"done: you look into it", "is open, and a person looks into it"}, "incidents", "acknowledge", "1", "--reason", "asked the centre")
	d.sees(1, []string{"money: is required"}, "incidents", "close", "1", "--reason", "letter 17")
	d.sees(2, []string{"--reason is missing"}, "incidents", "close", "1")
	moved := []string{"incidents", "close", "1", "--money", "moved", "--transaction-number", "1234567890", "--reason", "letter 17"}
	d.sees(0, []string{"done: it is proposed", "as the second operator", "tolem incidents close 1 --money moved --transaction-number 1234567890 --reason '…'"}, moved...)
	d.sees(0, []string{"already done"}, moved...)
	d.env["TOLEM_TOKEN"] = "second-secret"
	d.sees(0, []string{"aigul says: moved, 1234567890", "tolem incidents decline 1"}, "incidents", "show", "1")
	d.sees(1, []string{"other_outcome", "tolem incidents show 1"}, "incidents", "close", "1", "--money", "not_moved", "--reason", "no")
	d.sees(0, []string{"done: the proposal is dropped"}, "incidents", "decline", "1", "--reason", "another letter")
	d.sees(1, []string{"not_proposed"}, "incidents", "decline", "1", "--reason", "again")
	d.sees(0, []string{"done: it is proposed"}, moved...)
	d.env["TOLEM_TOKEN"] = "first-secret"
	d.sees(0, []string{"done: it is closed", "incident 1 is closed"}, moved...)
	d.sees(1, []string{"incident_closed"}, "incidents", "acknowledge", "1", "--reason", "late")
	d.sees(0, []string{"the money moved, 1234567890, by two operators", "incident 1"}, "payments", "show", ids[0])
	d.sees(0, []string{"no payments are stuck; 1 incident is open"}, "payments", "list", "--stuck")
	d.sees(0, []string{"done: it is closed"}, "incidents", "close", "2", "--reason", "the bank has it")
	d.sees(0, []string{"nothing is stuck"}, "payments", "list", "--stuck")
	must(t, d.ledger.RaisePayment(t.Context(), number, domain.ReasonTooOld, "x"))
	d.env["TOLEM_TOKEN"] = "till-secret"
	d.sees(0, []string{"nothing is stuck"}, "payments", "list", "--stuck", "--state", "paying") // incidents are not for its role
	d.sees(1, []string{"forbidden"}, "incidents", "list")
}
