package loxon_test

import (
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tolem/domain"
	"tolem/partners/loxon"
)

// the example of the document's section "Сервис отправки статуса в Loxon через Kafka"
func example() loxon.Event {
	return loxon.Event{
		At: time.Date(2006, 1, 2, 15, 4, 5, 999, time.UTC), BIC: "HSBKKZKX",
		OrderReference: "PTP0000000000001", RefuseReference: "OP10000000000001", RequestReference: "EAR0000000000001",
		Contract: "KD0000000001", Debt: 800001, Amount: 1000001, Paid: 200000, Status: domain.StatusRequestSent,
	}
}

// The document's example, byte for byte but for its spaces.
func TestEncode(t *testing.T) {
	body, err := loxon.Encode(example())
	require.NoError(t, err)
	require.Equal(t, `{"event_date":"2006-01-02 15:04:05","bik":"HSBKKZKX","pt_referer":"PTP0000000000001",`+
		`"refuse_referer":"OP10000000000001","req_referer":"EAR0000000000001","contract_number":"KD0000000001",`+
		`"debt":8000.01,"amount":10000.01,"paid_amount":2000,"status":"request was sent"}`, string(body))
}

// What is optional is absent, zero is told, the time is the bank's, and nothing is escaped
// that JSON does not escape.
func TestEncodeSmallest(t *testing.T) {
	e := loxon.Event{
		At: time.Date(2026, 3, 1, 19, 30, 0, 0, time.UTC).In(time.FixedZone("+05", 5*3600)), BIC: "HSBKKZKX",
		Contract: `КД-1/<&>"`, Amount: math.MaxInt64, Status: domain.StatusExecutedBefore,
	}
	body, err := loxon.Encode(e)
	require.NoError(t, err)
	require.Equal(t, `{"event_date":"2026-03-02 00:30:00","bik":"HSBKKZKX","contract_number":"КД-1/<&>\"","debt":0,`+
		`"amount":92233720368547758.07,"paid_amount":0,"status":"reversal of payment order was not accepted (was executed before)"}`, string(body))
}

func TestNumbers(t *testing.T) {
	for amount, want := range map[domain.Money]string{
		1: "0.01", 10: "0.1", 100: "1", 1000: "10", 100000: "1000", 120: "1.2", 1000000000000000000: "10000000000000000",
	} {
		e := example()
		e.Amount = amount
		body, err := loxon.Encode(e)
		require.NoError(t, err)
		require.Contains(t, string(body), `"amount":`+want+`,`)
	}
}

func TestEncodeRefuses(t *testing.T) {
	for problem, spoil := range map[string]func(*loxon.Event){
		"event_date is missing":                 func(e *loxon.Event) { e.At = time.Time{} },
		"event_date has no year of four digits": func(e *loxon.Event) { e.At = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) },
		"bik is missing":                        func(e *loxon.Event) { e.BIC = "" },
		"contract_number is missing":            func(e *loxon.Event) { e.Contract = "" },
		"contract_number is not UTF-8":          func(e *loxon.Event) { e.Contract = "secret\xff" },
		"bik is not UTF-8":                      func(e *loxon.Event) { e.BIC = "secret\xff" },
		"pt_referer is not UTF-8":               func(e *loxon.Event) { e.OrderReference = "secret\xff" },
		"refuse_referer is not UTF-8":           func(e *loxon.Event) { e.RefuseReference = "secret\xff" },
		"req_referer is not UTF-8":              func(e *loxon.Event) { e.RequestReference = "secret\xff" },
		"status is not the document's":          func(e *loxon.Event) { e.Status = "secret" },
		"debt is negative":                      func(e *loxon.Event) { e.Debt = -1 },
		"amount is not above zero":              func(e *loxon.Event) { e.Amount = 0 },
		"paid_amount is negative":               func(e *loxon.Event) { e.Paid = -1 },
	} {
		e := example()
		spoil(&e)
		_, err := loxon.Encode(e)
		var f *loxon.Failure
		require.ErrorAs(t, err, &f)
		require.True(t, f.Final)
		require.EqualError(t, err, "loxon: invalid: event: "+problem)
	}
}

func TestEveryStatus(t *testing.T) {
	for _, status := range domain.PaymentOrderStatuses() {
		e := example()
		e.Status = status
		body, err := loxon.Encode(e)
		require.NoError(t, err)
		require.True(t, strings.HasSuffix(string(body), `,"status":"`+string(status)+`"}`))
	}
}

// What is encoded reads back as the same, by a reader that is not ours.
func FuzzEncode(f *testing.F) {
	f.Add(int64(1136214245), "HSBKKZKX", "PTP0000000000001", "OP10000000000001", "EAR0000000000001", "KD0000000001", int64(800001), int64(1000001), int64(200000), 0)
	f.Add(int64(0), "B", "", "", "", "КД/\u2028<>", int64(0), int64(1), int64(0), 9)
	f.Fuzz(func(t *testing.T, at int64, bic, order, refuse, request, contract string, debt, amount, paid int64, status int) {
		statuses := domain.PaymentOrderStatuses()
		e := loxon.Event{At: time.Unix(at, 0).UTC(), BIC: bic, OrderReference: order, RefuseReference: refuse, RequestReference: request,
			Contract: contract, Debt: domain.Money(debt), Amount: domain.Money(amount), Paid: domain.Money(paid),
			Status: statuses[uint(status)%uint(len(statuses))]}
		body, err := loxon.Encode(e)
		if err != nil {
			var failure *loxon.Failure
			if !errors.As(err, &failure) || !failure.Final {
				t.Fatal(err)
			}
			return
		}
		var back struct {
			Date     string       `json:"event_date"`
			BIC      string       `json:"bik"`
			Order    string       `json:"pt_referer"`
			Refuse   string       `json:"refuse_referer"`
			Request  string       `json:"req_referer"`
			Contract string       `json:"contract_number"`
			Debt     domain.Money `json:"debt"`
			Amount   domain.Money `json:"amount"`
			Paid     domain.Money `json:"paid_amount"`
			Status   string       `json:"status"`
		}
		require.NoError(t, json.Unmarshal(body, &back))
		when, err := time.Parse(time.DateTime, back.Date)
		require.NoError(t, err)
		require.Equal(t, e, loxon.Event{At: when, BIC: back.BIC, OrderReference: back.Order, RefuseReference: back.Refuse,
			RequestReference: back.Request, Contract: back.Contract, Debt: back.Debt, Amount: back.Amount, Paid: back.Paid,
			Status: domain.PaymentOrderStatus(back.Status)})
		if strings.Contains(string(body), ".0,") || strings.Contains(string(body), "\n") {
			if !strings.Contains(bic+order+refuse+request+contract, ".0,") {
				t.Fatalf("%s is not in its shortest form", body)
			}
		}
	})
}
