package api_test

import (
	"net/http"
	"strings"
	"testing"

	"tolem/domain"
	"tolem/partners/cfront"
	"tolem/partners/k2"
	"tolem/partners/processing"
)

// Each partner has its own largest amount: what one cannot carry hinders no other.
func TestAmountsOfEachPartner(t *testing.T) {
	b := newBank(t)
	loan := func(contract, debt string) string {
		return "[" + strings.Replace(overdue(contract), "10000.00", debt, 1) + "]"
	}
	executed := func(paid string) string { return `{"status":"payment order executed","paid_amount":` + paid + `}` }
	for contract, amounts := range map[domain.ContractNumber][2]string{
		"KD1": {"2000000000", "2000000000.00"}, "KD2": {k2.MaxAmount.String(), k2.MaxAmount.String()},
	} {
		b.answers(loansPath, loan(contract.String(), amounts[0]), taken)
		b.sends(contract)
		r := b.status(b.reports(contract, "k", executed(amounts[0])), http.StatusCreated).reported(t)
		if r.State != "executed" || r.Event.Paid.String() != amounts[1] || r.Event.Amount.String() != amounts[1] || r.Event.Debt.String() != "0.00" {
			t.Errorf("%s: %+v", contract, r)
		}
	}
	b.answers(loansPath, loan("KD3", (k2.MaxAmount+1).String()), refusal(2, "[0] debt must be an amount above 0 with at most two decimals"))
	b.collects("KD4")
	p := b.status(b.reports("KD4", "k", executed((k2.MaxAmount+1).String())), http.StatusBadRequest).problem(t)
	if said(p) != "paid_amount range" || !strings.Contains(p.Errors[0].Message, k2.MaxAmount.String()) {
		t.Errorf("%+v", p)
	}

	beyond := (processing.MaxAmount + 1).String()
	if p := b.status(b.pay(strings.Replace(simple, "200.00", beyond, 1), nil), http.StatusBadRequest).problem(t); said(p) != "amountTo range" {
		t.Errorf("%+v", p)
	}
	b.status(b.pay(strings.Replace(simple, "200.00", processing.MaxAmount.String(), 1), nil), http.StatusAccepted)

	beyond = (cfront.MaxSum + 1).String()
	for field, order := range map[string]string{
		"total_sum range":       strings.Replace(instalmentOrder, "90000.00", beyond, 1),
		"products[0].sum range": strings.Replace(instalmentOrder, "45000.00", beyond, 1),
		"nds range":             strings.Replace(instalmentOrder, `"client_phone"`, `"nds":`+beyond+`,"client_phone"`, 1),
	} {
		if p := b.status(b.sell(order), http.StatusBadRequest).problem(t); said(p) != field {
			t.Errorf("%s: %+v", field, p)
		}
	}
	b.status(b.sell(strings.Replace(instalmentOrder, "90000.00", cfront.MaxSum.String(), 1)), http.StatusAccepted)
}
