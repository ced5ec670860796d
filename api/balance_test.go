package api_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"tolem/domain"
	"tolem/storage"
)

// reads keeps readings of the balance a minute apart, as the worker does.
func (b *bank) reads(balances ...string) {
	b.t.Helper()
	first := time.Date(2026, 2, 17, 12, 0, 0, 0, time.UTC)
	for i, text := range balances {
		balance, err := domain.ParseDecimal(text)
		must(b.t, err)
		overdraft, err := domain.ParseDecimal("-100.0000")
		must(b.t, err)
		r := storage.BalanceReading{AgentID: 4, Balance: balance, Overdraft: overdraft}
		if i == 0 {
			r.Notification, r.Currency = &overdraft, "KZT"
		}
		_, err = b.ledger.RecordBalance(context.Background(), first.Add(time.Duration(i)*time.Minute), r)
		must(b.t, err)
	}
}

func TestBalanceHistory(t *testing.T) {
	b := newBank(t)
	if a := b.status(b.get(secretViewer, "/v1/balance/history"), http.StatusOK); string(a.body) != "{\"items\":[]}\n" {
		t.Errorf("nothing was read yet: %s", a.body)
	}
	b.reads("90071992547409.9301", "90071992547409.9302", "90071992547409.93020", "-0.5")
	want := `{"items":[` +
		`{"at":"2026-02-17T12:03:00Z","seenAt":"2026-02-17T12:03:00Z","agentId":4,"balance":-0.5,"overdraft":-100.0000,"rose":false,"woken":false},` +
		`{"at":"2026-02-17T12:01:00Z","seenAt":"2026-02-17T12:02:00Z","agentId":4,"balance":90071992547409.9302,"overdraft":-100.0000,"rose":true,"woken":false},` +
		`{"at":"2026-02-17T12:00:00Z","seenAt":"2026-02-17T12:00:00Z","agentId":4,"balance":90071992547409.9301,"overdraft":-100.0000,"notification":-100.0000,"currency":"KZT","rose":false,"woken":false}` +
		"]}\n"
	if a := b.status(b.get(secretOp, "/v1/balance/history"), http.StatusOK); string(a.body) != want {
		t.Errorf("got  %s\nwant %s", a.body, want)
	}
}

func TestBalanceHistoryPages(t *testing.T) {
	b := newBank(t)
	b.reads("1.0", "2.0", "3.0", "4.0", "5.0")
	var seen []string
	path := "/v1/balance/history?limit=2"
	for cursor, pages := "", 1; ; pages++ {
		var page struct {
			Items []struct{ Balance float64 }
			Next  string
		}
		b.status(b.get(secretViewer, path+cursor), http.StatusOK).decode(t, &page)
		for _, i := range page.Items {
			seen = append(seen, fmt.Sprint(i.Balance))
		}
		if page.Next == "" {
			if pages != 3 {
				t.Errorf("%d pages", pages)
			}
			break
		}
		cursor = "&cursor=" + page.Next
	}
	if got := strings.Join(seen, " "); got != "5 4 3 2 1" {
		t.Errorf("pages hold %s", got)
	}
	for _, query := range []string{"cursor=0", "cursor=x", "limit=0", "limit=501", "state=paying", "limit=1&limit=2"} {
		if p := b.status(b.get(secretViewer, "/v1/balance/history?"+query), http.StatusBadRequest).problem(t); p.Code != "invalid_parameter" {
			t.Errorf("%s: %+v", query, p)
		}
	}
	must(t, b.ledger.Close())
	if p := b.status(b.get(secretViewer, "/v1/balance/history"), http.StatusServiceUnavailable).problem(t); p.Code != "ledger_unavailable" {
		t.Errorf("%+v", p)
	}
}

// The history needs no centre, and the centre's silence keeps its problem, however
// much is known of the past.
func TestBalanceWhileTheCentreIsAway(t *testing.T) {
	b := newBank(t)
	b.reads("1.0")
	b.centre.SetDown(true)
	b.status(b.get(secretViewer, "/v1/balance/history"), http.StatusOK)
	if p := b.status(b.get(secretViewer, "/v1/balance"), http.StatusBadGateway).problem(t); p.Code != "partner_unavailable" {
		t.Errorf("%+v", p)
	}
}
