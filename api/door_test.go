package api_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"tolem/activities"
	"tolem/api"
	"tolem/domain"
	"tolem/partners/cfront"
	"tolem/partners/k2"
	"tolem/partners/processing"
	"tolem/storage"
	"tolem/storage/privatepostgres/postgrestest"
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

// Dates are from 2000-01-01 to a day ahead: what lies outside is refused by its name and
// stored nowhere.
func TestDatesOfRequests(t *testing.T) {
	b := newBank(t)
	b.collects("KD1")
	almaty, err := time.LoadLocation("Asia/Almaty")
	must(t, err)
	now := time.Now().In(almaty)
	day := func(ahead time.Duration) string { return now.Add(ahead).Format(time.DateOnly) }
	for date, good := range map[string]bool{
		"2000-01-01": true, day(0): true, day(23 * time.Hour): true, "0000-01-01": false, "1999-12-31": false, day(49 * time.Hour): false, "9999-12-31": false,
	} {
		event := b.reports("KD1", "k"+date, `{"status":"request confirmed","event_date":"`+date+` 00:00:00"}`)
		retry := b.send(call{method: http.MethodPost, path: contractPath("KD1", "/retry"), token: secretOp, body: `{"reason":"r","contract_date":"` + date + `"}`})
		order := b.sell(strings.NewReplacer("2026-02-17", date, "17/1", "order "+date).Replace(instalmentOrder))
		export := b.get(secretOp, "/v1/reconciliation?date="+date)
		for field, a := range map[string]answer{"event_date": event, "contract_date": retry, "invoice.date": order, "date": export} {
			switch {
			case good && a.StatusCode >= 300:
				t.Errorf("%s %s: %d %s", field, date, a.StatusCode, a.body)
			case !good && (a.StatusCode != http.StatusBadRequest || said(a.problem(t)) != field+" range"):
				t.Errorf("%s %s: %d %s", field, date, a.StatusCode, a.body)
			}
		}
	}
	if n := len(b.collectedEvents("KD1")); n != 4 {
		t.Errorf("%d events", n)
	}
}

// A status that an older version stored with a year that cannot be written hides no other: the
// list of the contract's events is answered, and so is every page of it.
func TestEventsWithDatesOfOlderVersions(t *testing.T) {
	b := newBank(t)
	o := b.collects("KD1")
	almaty, err := time.LoadLocation("Asia/Almaty")
	must(t, err)
	for key, at := range map[string]time.Time{"old": time.Date(0, 1, 1, 0, 0, 0, 0, almaty), "far": time.Date(12_026, 1, 1, 0, 0, 0, 0, time.UTC)} {
		_, _, _, err := b.ledger.ReportStatus(t.Context(), storage.ReportedStatus{Contract: o.Contract, Caller: "card", Key: key,
			Status: domain.StatusRequestConfirmed, EventAt: at, At: time.Now()})
		must(t, err)
	}
	for _, query := range []string{"", "?limit=1"} {
		var page struct {
			Items []struct {
				At time.Time `json:"event_date"`
			}
		}
		b.status(b.get(secretK2, contractPath("KD1", "/events")+query), http.StatusOK).decode(t, &page)
		if len(page.Items) != map[string]int{"": 3, "?limit=1": 1}[query] {
			t.Errorf("%q: %+v", query, page)
		}
	}
}

// What Loxon could not be told of is refused where it comes in, by its field, and stored
// nowhere: here the bank's BIC is not configured, and only events that bring one can be told.
func TestNothingIsTakenThatLoxonCannotBeToldOf(t *testing.T) {
	address := postgrestest.ForTest(t)
	b := newBank(t, func(o *api.Options) { o.Ledger = newLedger(t, address) })
	o := b.collects("KD1") // while it was
	almaty, err := time.LoadLocation("Asia/Almaty")
	must(t, err)
	without := newBank(t, func(o *api.Options) { o.Ledger, o.Encode = newLedger(t, address), activities.Encoder("", almaty) })
	const rule = "bik is missing: Loxon could not be told of it"
	without.answers(loansPath, "["+overdue("KD2")+","+overdue("KD3")+"]", refusal(2, "[0] "+rule))
	without.answers(statusPath, `{"reference":"`+string(o.OrderRef)+`","status_code":"PC1"}`, refusal(2, rule))
	p := without.status(without.reports("KD1", "k", part), http.StatusBadRequest).problem(t)
	if p.Code != "invalid_request" || said(p) != "bik format" {
		t.Errorf("%+v", p)
	}
	same(t, b.collectedEvents("KD1"), []string{"1 request was sent taken sent"})
	if n, now := len(b.allCollected()), b.collected("KD1"); n != 1 || now.Paid != 0 || now.State != domain.PaymentOrderSent {
		t.Errorf("%d payment orders, and KD1 is %s with %s paid", n, now.State, now.Paid)
	}
	without.status(without.reports("KD1", "k", strings.Replace(part, "{", `{"bik":"HSBKKZKX",`, 1)), http.StatusCreated)
	without.status(without.reports("KD1", "k", strings.Replace(part, "{", `{"bik":"HSBKKZKX",`, 1)), http.StatusOK) // and is the same again
}

// A payment whose check could not be written is refused, whatever the catalogue says: ev_ is
// taken off a name once by us, and once more where the check is written.
func TestNoPaymentIsTakenThatTheCentreCannotBeAskedFor(t *testing.T) {
	b := newBank(t)
	for extras, want := range map[string]string{
		`{"ev_ev_account1":"1","account1":"2"}`: "extras has one field twice, with and without ev_", `{"ev_ev_":"1"}`: "extras has a field without a name",
	} {
		a := b.pay(strings.Replace(simple, "{", `{"extras":`+extras+`,`, 1), nil)
		if p := b.status(a, http.StatusBadRequest).problem(t); !slices.ContainsFunc(p.Errors, func(e struct{ Field, Code, Message string }) bool { return e.Message == want }) {
			t.Errorf("%s: %+v", extras, p.Errors)
		}
	}
	if n := b.rows(); n > 0 {
		t.Errorf("%d payments", n)
	}
}
