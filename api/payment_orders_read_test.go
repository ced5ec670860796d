package api_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"tolem/domain"
	"tolem/storage"
)

// contractsOf reads all pages of a list, and returns its contracts in their order.
func (b *bank) contractsOf(query string) string {
	b.t.Helper()
	given, err := url.ParseQuery(query)
	must(b.t, err)
	var contracts []string
	for {
		a := b.status(b.get(secretK2, "/v1/payment-orders?"+given.Encode()), http.StatusOK)
		if leak := leaked(string(a.body)); leak != "" {
			b.t.Errorf("the list leaks %s", leak)
		}
		var page struct {
			Items []paymentOrder
			Next  string
		}
		a.decode(b.t, &page)
		for _, o := range page.Items {
			contracts = append(contracts, o.Contract)
		}
		if page.Next == "" {
			return strings.Join(contracts, " ")
		}
		given.Set("cursor", page.Next)
	}
}

// Filters that are given must all hold; pages follow each other without a gap.
func TestListOfPaymentOrders(t *testing.T) {
	b := newBank(t)
	now := time.Now()
	for i := range 6 { // KD5 now, each before it a minute earlier
		_, err := b.ledger.TakeLoans(t.Context(), storage.LoanBatch{
			Caller: "card", Day: "2026-02-17", Digest: fmt.Sprint(i), At: now.Add(time.Duration(i-5) * time.Minute),
			Loans: []storage.Loan{{Contract: domain.ContractNumber(fmt.Sprint("KD", i)), IBAN: loanIBAN, Currency: "KZT", FullName: fullName, IINBIN: identityCard, Debt: 10_000_00}},
		})
		must(t, err)
	}
	b.sends("KD1")
	b.sends("KD2")
	b.status(b.reports("KD2", "k", `{"status":"payment order not accepted"}`), http.StatusCreated)
	b.gathers("KD3", domain.PartScan, domain.PartRefused)
	b.status(b.orders(secretOp, "KD4", domain.ActionHold, because, "k"), http.StatusOK)
	at := url.QueryEscape(b.collected("KD3").CreatedAt.Format(time.RFC3339Nano))
	for query, want := range map[string]string{
		"":                                    "KD5 KD4 KD3 KD2 KD1 KD0",
		"limit=1":                             "KD5 KD4 KD3 KD2 KD1 KD0",
		"limit=4":                             "KD5 KD4 KD3 KD2 KD1 KD0",
		"limit=6":                             "KD5 KD4 KD3 KD2 KD1 KD0",
		"state=sent":                          "KD1",
		"state=sent,not_accepted":             "KD2 KD1",
		"state=sent&state=not_accepted":       "KD2 KD1",
		"state=closed":                        "",
		"needs_operator=true":                 "KD3",
		"needs_operator=false&limit=2":        "KD5 KD4 KD2 KD1 KD0",
		"held=true":                           "KD4",
		"held=false&state=gathering":          "KD5 KD3 KD0",
		"createdAfter=" + at:                  "KD5 KD4 KD3",
		"createdBefore=" + at + "&limit=2":    "KD2 KD1 KD0",
		"olderThan=150s":                      "KD2 KD1 KD0",
		"olderThan=PT2M30S&state=gathering":   "KD0",
		"olderThan=1d":                        "",
		"olderThan=30s&createdAfter=" + at:    "KD4 KD3",
		"needs_operator=true&held=true":       "",
		"state=gathering&held=false&limit=1":  "KD5 KD3 KD0",
		"createdBefore=2000-01-01T00:00:00Z":  "",
		"createdAfter=2000-01-01T00:00:00Z":   "KD5 KD4 KD3 KD2 KD1 KD0",
		"state=part_paid,executed,reversed":   "",
		"held=false&needs_operator=false":     "KD5 KD2 KD1 KD0",
		"olderThan=1ms&createdBefore=" + at:   "KD2 KD1 KD0",
		"state=gathering,sent&olderThan=210s": "KD1 KD0",
	} {
		if got := b.contractsOf(query); got != want {
			t.Errorf("%q lists %q, want %q", query, got, want)
		}
	}
}

func TestBadParametersOfPaymentOrders(t *testing.T) {
	b := newBank(t)
	b.takes("KD1")
	for query, field := range map[string]string{
		"state=": "state", "state=paying": "state", "state=sent,,": "state", "needs_operator=yes": "needs_operator", "held=": "held", "held=1": "held",
		"olderThan=15": "olderThan", "createdAfter=yesterday": "createdAfter", "createdBefore=2026-01-31": "createdBefore", "limit=0": "limit",
		"limit=501": "limit", "cursor=!": "cursor", "cursor=eA": "cursor", "limit=1&limit=2": "limit", "contract=KD1": "contract", account + "=1": "(not a name)",
	} {
		p := b.status(b.get(secretK2, "/v1/payment-orders?"+query), http.StatusBadRequest).problem(t)
		if p.Code != "invalid_parameter" || len(p.Errors) != 1 || p.Errors[0].Field != field {
			t.Errorf("%q: %+v", query, p)
		}
	}
	for _, below := range []string{"/events", "/attempts", "/actions"} {
		for _, query := range []string{"cursor=0", "cursor=x", "limit=501", "state=sent"} {
			b.status(b.get(secretOp, contractPath("KD1", below)+"?"+query), http.StatusBadRequest)
		}
	}
	b.status(b.get(secretK2, contractPath("KD1", "")+"?limit=1"), http.StatusBadRequest)
}

// Events and calls are listed in the order of their arrival, page by page, and name nobody.
func TestEventsAndCallsOfAContract(t *testing.T) {
	b := newBank(t, midday)
	b.takes("ДБЗ/7 Қ")
	b.gathers("ДБЗ/7 Қ", domain.PartScan, domain.PartRefused)
	b.sends("ДБЗ/7 Қ")
	b.status(b.reports("ДБЗ/7 Қ", "k1", `{"status":"request confirmed"}`), http.StatusCreated)
	b.status(b.reports("ДБЗ/7 Қ", "k2", `{"status":"payment order not accepted","refuse_referer":"OP10000000000001"}`), http.StatusCreated)
	b.takesTomorrow("ДБЗ/7 Қ")
	b.sends("ДБЗ/7 Қ") // of the second payment order; its seq goes on
	for below, want := range map[string]string{
		"/events":   "1 request was sent, 2 request confirmed, 3 payment order not accepted, 4 request was sent",
		"/attempts": "scan 7, client, accounts, statement, scan, client, accounts, statement, scan",
	} {
		for _, limit := range []string{"1", "3", "8", "500"} {
			var found []string
			for cursor, more := "", true; more; more = cursor != "" {
				query := url.Values{"limit": {limit}}
				if cursor != "" {
					query.Set("cursor", cursor)
				}
				a := b.status(b.get(secretK2, contractPath("ДБЗ/7 Қ", below)+"?"+query.Encode()), http.StatusOK)
				if leak := leaked(string(a.body)); leak != "" {
					t.Errorf("%s leaks %s", below, leak)
				}
				var page struct {
					Items []struct {
						Status, Call, ResultText string
						Seq                      int64 `json:"event_seq"`
						ResultCode               *int
					}
					Next string
				}
				a.decode(t, &page)
				for _, i := range page.Items {
					if below == "/events" {
						i.Call = fmt.Sprint(i.Seq, " ", i.Status)
					}
					if i.ResultCode != nil {
						i.Call += fmt.Sprint(" ", *i.ResultCode, i.ResultText) // ABS's code, of which the centre's texts say nothing
					}
					found = append(found, i.Call)
				}
				cursor = page.Next
			}
			if got := strings.Join(found, ", "); got != want {
				t.Errorf("%s by %s: %s, want %s", below, limit, got, want)
			}
		}
	}
}

// Any number that a contract may have is found under its own path, and only there.
func TestContractNumbersInPaths(t *testing.T) {
	b := newBank(t)
	numbers := []string{"KD-1/2026", "ДБЗ 7/Қ-26", "Қарыз № 5", "a b", "a+b", "1/2+3", "50%", "%2F", "a/events", "/", "?x=1", "KD#1", "a;b", "a:b", "é", strings.Repeat("Ж", 64)}
	b.takes(numbers...)
	for i, n := range numbers {
		contract := domain.ContractNumber(n)
		if o := b.shows(contract); o.Contract != n || o.Order != string(b.collected(contract).OrderRef) {
			t.Errorf("%q shows %+v", n, o)
		}
		b.status(b.reports(contract, fmt.Sprint("k", i), `{"status":"request confirmed"}`), http.StatusCreated)
		b.status(b.orders(secretOp, contract, domain.ActionHold, because, fmt.Sprint("k", i)), http.StatusOK)
		if events, actions := b.collectedEvents(contract), b.ordered(contract); len(events) != 1 || len(actions) != 1 {
			t.Errorf("%q has %d events and %d actions", n, len(events), len(actions))
		}
		for _, below := range []string{"/events", "/attempts", "/actions"} {
			b.status(b.get(secretOp, contractPath(contract, below)), http.StatusOK)
		}
	}
	for _, path := range []string{"KD-1/2026", "KD-1%252F2026", "KD-1%2F2026%20", "kd-1%2F2026", "%252F2F", strings.Repeat("%D0%96", 65), account} {
		if a := b.get(secretOp, "/v1/payment-orders/"+path); a.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %d %s", path, a.StatusCode, a.body)
		}
	}
}

// Who may do what with payment orders; nobody else does anything.
func TestRolesOfPaymentOrders(t *testing.T) {
	b := newBank(t)
	b.takes("KD1")
	readers, people, k2 := "viewer both boss card", "viewer both boss", "card"
	secrets := map[string]string{"agent": secretAgent, "store": secretStore, "viewer": secretViewer, "both": secretBoth, "boss": secretOp, "card": secretK2}
	for _, r := range []struct{ method, path, body, may string }{
		{"POST", loansPath, "[" + overdue("KD2") + "]", k2},
		{"POST", statusPath, statusOf("PTP0000000000001", "PC1"), k2},
		{"GET", "/v1/payment-orders", "", readers},
		{"GET", "/v1/payment-orders/KD1", "", readers},
		{"GET", "/v1/payment-orders/KD1/events", "", readers},
		{"GET", "/v1/payment-orders/KD1/attempts", "", readers},
		{"GET", "/v1/payment-orders/KD1/actions", "", people},
		{"POST", "/v1/payment-orders/KD1/events", `{"status":"request confirmed"}`, k2},
		{"POST", "/v1/payment-orders/KD1/retry", because, "both boss"},
		{"POST", "/v1/payment-orders/KD1/hold", because, "both boss"},
		{"POST", "/v1/payment-orders/KD1/release", because, "both boss"},
		{"POST", "/v1/payment-orders/KD1/close", because, "both boss"},
	} {
		for who, secret := range secrets {
			if strings.Contains(" "+r.may+" ", " "+who+" ") {
				continue // tried below, when everybody else was turned away
			}
			p := b.status(b.send(call{method: r.method, path: r.path, body: r.body, token: secret, header: map[string]string{"Idempotency-Key": "k"}}), http.StatusForbidden).problem(t)
			if p.Code != "forbidden" {
				t.Errorf("%s %s by %s: %+v", r.method, r.path, who, p)
			}
		}
		b.status(b.send(call{method: r.method, path: r.path, body: r.body}), http.StatusUnauthorized)
	}
	if orders := b.allCollected(); len(orders) != 1 || len(b.collectedEvents("KD1")) != 0 || len(b.ordered("KD1")) != 0 {
		t.Errorf("somebody without the role did something: %+v", orders)
	}
	for _, who := range strings.Fields(readers) {
		for _, below := range []string{"", "/events", "/attempts"} {
			b.status(b.get(secrets[who], contractPath("KD1", below)), http.StatusOK)
		}
		if got := b.status(b.get(secrets[who], "/v1/payment-orders"), http.StatusOK); !strings.Contains(string(got.body), `"KD1"`) {
			t.Errorf("%s sees %s", who, got.body)
		}
	}
}

// Without the ledger every reading is 503; of a contract that nobody reported, 404.
func TestReadingPaymentOrdersWithout(t *testing.T) {
	b := newBank(t)
	for _, below := range []string{"", "/events", "/attempts", "/actions"} {
		if p := b.status(b.get(secretOp, contractPath("KD1", below)), http.StatusNotFound).problem(t); p.Code != "not_found" || !strings.Contains(p.Detail, "contract") {
			t.Errorf("%+v", p)
		}
	}
	b.takes("KD1")
	must(t, b.ledger.Close())
	for _, path := range []string{"/v1/payment-orders", contractPath("KD1", ""), contractPath("KD1", "/events"), contractPath("KD1", "/attempts"), contractPath("KD1", "/actions")} {
		if p := b.status(b.get(secretOp, path), http.StatusServiceUnavailable).problem(t); p.Code != "ledger_unavailable" {
			t.Errorf("%s: %+v", path, p)
		}
	}
}
