package processing_test

import (
	"encoding/json"
	"testing"

	"tolem/simulators/processing"
)

type line struct {
	SubServiceID string
	Data         struct {
		PaySum, MinSum, MaxSum json.Number
		IsMeter                bool
		PrevCount              string
	}
}

type receipts []struct {
	InvoiceID, ExpireDate string
	Services              []line
}

// shownReceipts are those of an account at check.
func (s *stand) shownReceipts(account, date string) receipts {
	s.t.Helper()
	text := s.call("check", `{"serviceId":"P0005","account":"`+account+`","agentTransactionId":204,"agentTransactionDate":"`+date+`"}`)
	var shown struct{ Invoice struct{ Invoices receipts } }
	if err := json.Unmarshal([]byte(text), &shown); err != nil || len(shown.Invoice.Invoices) == 0 {
		s.t.Fatalf("%v in %s", err, text)
	}
	return shown.Invoice.Invoices
}

func TestReceiptsByTheLastDigit(t *testing.T) {
	s := start(t, processing.Options{})
	const day = "2020-03-31T23:59:59"
	if r := s.shownReceipts("1234567896", day); len(r) != 1 || r[0].ExpireDate != "20200430000000" {
		t.Errorf("valid: %+v", r)
	}
	s = start(t, processing.Options{})
	if r := s.shownReceipts("1234567893", day); len(r) != 1 || r[0].ExpireDate != "20200229000000" {
		t.Errorf("expired: %+v", r)
	}
	s = start(t, processing.Options{})
	r := s.shownReceipts("1234567894", day)
	if len(r) != 2 || r[0].InvoiceID == r[1].InvoiceID {
		t.Fatalf("two receipts: %+v", r)
	}
	a, b := r[0].Services[0], r[1].Services[0]
	if a.SubServiceID != "36" || b.SubServiceID != "36" || a.Data.MinSum != "100.00" || a.Data.MaxSum != "1000.00" || b.Data.MinSum != "2000.00" || b.Data.MaxSum != "5000.00" {
		t.Errorf("one id, two limits: %+v", r)
	}
	s = start(t, processing.Options{})
	lines := s.shownReceipts("1234567895", day)[0].Services
	if d := lines[2].Data; lines[2].SubServiceID != "2" || d.PaySum != "925.2" || d.MinSum != "0.00" || d.MaxSum != "500.00" {
		t.Errorf("less than is due: %+v", lines[2])
	}
	if d := lines[0].Data; !d.IsMeter || d.PrevCount != "4870.00" || d.MaxSum != "0.0" {
		t.Errorf("the meter: %+v", lines[0])
	}
}

func TestPayOfReceiptsByTheLastDigit(t *testing.T) {
	const meter = `{"subServiceId":"36","lastCount":"4900","amount":`
	for _, c := range []struct {
		name, account, total, lines string
		want                        int
	}{
		{"expired", "1234567893", "80.00", `{"subServiceId":"13","amount":80.00}`, 7},
		{"expired and not of the receipt", "1234567893", "80.00", `{"subServiceId":"14","amount":80.00}`, 202},
		{"expired and not adding up", "1234567893", "90.00", `{"subServiceId":"13","amount":80.00}`, 202},
		{"valid", "1234567896", "80.00", `{"subServiceId":"13","amount":80.00}`, 0},
		{"the first one's limits", "1234567894", "1000.00", meter + `1000.00}`, 0},
		{"the second one's limits", "1234567894", "2000.00", meter + `2000.00}`, 0},
		{"between the limits", "1234567894", "1500.00", meter + `1500.00}`, 202},
		{"above both", "1234567894", "5000.01", meter + `5000.01}`, 202},
		{"both", "1234567894", "5100.00", meter + `5000.00},` + meter + `100.00}`, 0},
		{"one of them twice", "1234567894", "400.00", meter + `200.00},` + meter + `200.00}`, 202},
		{"three times", "1234567894", "2700.00", meter + `200.00},` + meter + `2000.00},` + meter + `500.00}`, 202},
		{"no reading for the second", "1234567894", "2000.00", `{"subServiceId":"36","amount":2000.00}`, 202},
		{"up to maxSum", "1234567895", "500.00", `{"subServiceId":"2","amount":500.00}`, 0},
		{"paySum above maxSum", "1234567895", "925.20", `{"subServiceId":"2","amount":925.20}`, 202},
		{"a meter that began again", "1234567895", "10.00", `{"subServiceId":"36","lastCount":"3","amount":10.00}`, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := start(t, processing.Options{})
			body := `{"serviceId":"P0005","account":"` + c.account + `","agentTransactionId":205,"agentTransactionDate":"2020-02-17T16:48:37","amountTo":` + c.total + `,"extraServices":[` + c.lines + `]}`
			for range 2 {
				if got := s.code("pay", body); got != c.want {
					t.Errorf("%d, want %d", got, c.want)
				}
			}
			s.effects(205, map[bool]int{true: 1}[c.want == 0])
		})
	}
}

// In no month of any year that a date can have does a valid receipt expire, or
// an expired one become valid.
func TestReceiptsOfEveryMonth(t *testing.T) {
	for _, month := range []string{"0000-01-01", "0001-02-28", "2020-01-31", "2020-02-29", "2020-12-31", "9999-11-30", "9999-12-31"} {
		for account, want := range map[string]int{"1234567896": 0, "1234567893": 7} {
			s := start(t, processing.Options{})
			body := `{"serviceId":"P0005","account":"` + account + `","agentTransactionId":205,"agentTransactionDate":"` + month +
				`T23:59:59","amountTo":80.00,"extraServices":[{"subServiceId":"13","amount":80.00}]}`
			if got := s.code("pay", body); got != want {
				t.Errorf("%s in %s: %d, want %d", account, month, got, want)
			}
		}
	}
}
