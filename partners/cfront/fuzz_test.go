package cfront

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"tolem/partners/call"
)

// shapes are bodies that every decoder is tried with.
var shapes = []string{
	``, `null`, `[]`, `{}`, `{"message":"no"}`, `<html>`, "\ufeff{}", `{"order_id":"1"}x`,
	`{"order_id":"9f0c","state":"IN_PROCESS","order_sub_state":"WAITING_FOR_CLIENT","message":null}`,
	`{"order_id":7,"state":"SUCCESS","order_sub_state":"ACTIVE"}`, `{"order_id":"9f0c","state":"PAUSED"}`, `{"state":"\u0000"}`, `{"state":{}}`,
	`{"fully_paid":true,"bank_can_return_money_to_card":false}`, `{"fully_paid":"true"}`, `{"fully_paid":null}`,
	`{"found":false}`, `{"found":true,"client":{"first_name":"Тест","last_name":"Тестова","middle_name":null,"inn":"900101400011"}}`, `{"first_name":"Тест"}`,
	`{"header":{},"expansion":{"bank":{"agreement":"КД-1","agreement_date":"2026-02-17"}}}`, `{"expansion":[]}`,
	`{"store_order_id":"17","total_sum":500.00,"reverse_list":[{"sum":"100.5","timestamp":"2026-02-17T12:00:00"}]}`, `{"reverse_list":[{"sum":-1}]}`, `{"reverse_list":[{}]}`,
	`{"orders":[{"order_id":"9f0c","total_sum":500,"transferred_sum":"490.00","commission":1e1}]}`, `{"orders":[null]}`,
}

func fuzzAll(f *testing.F, check func(t *testing.T, body []byte)) {
	f.Helper()
	for _, s := range shapes {
		f.Add([]byte(s))
	}
	f.Fuzz(check)
}

// storable fails unless every database takes the text.
func storable(t *testing.T, texts ...string) {
	t.Helper()
	for _, s := range texts {
		if !utf8.ValidString(s) || strings.ContainsRune(s, 0) {
			t.Errorf("no database takes %q", s)
		}
	}
}

// A state that is read names one, in the bank's own words, and reads back as it was.
// Callbacks are decoded by the same function.
func FuzzStanding(f *testing.F) {
	fuzzAll(f, func(t *testing.T, body []byte) {
		s, err := DecodeStanding(body)
		if err != nil {
			if s != (Standing{}) {
				t.Errorf("%v beside %+v", err, s)
			}
			return
		}
		storable(t, s.OrderID, s.State, s.SubState, s.Message)
		if s.State == "" {
			t.Error("no state")
		}
		again, _ := json.Marshal(map[string]string{"order_id": s.OrderID, "state": s.State, "order_sub_state": s.SubState, "message": s.Message})
		if back, err := DecodeStanding(again); err != nil || back != s {
			t.Errorf("%+v, and back %+v, %v", s, back, err)
		}
	})
}

// An order that was created has a number.
func FuzzCreated(f *testing.F) {
	fuzzAll(f, func(t *testing.T, body []byte) {
		id, o := decodeCreated(body)
		storable(t, id)
		if o.OK() && (id == "" || utf8.RuneCountInString(id) > maxOrderID) {
			t.Errorf("number %q", id)
		}
	})
}

// Paid out is only what says so in so many letters.
func FuzzPaid(f *testing.F) {
	fuzzAll(f, func(t *testing.T, body []byte) {
		if p, o := decodePaid(body); o.OK() && p.FullyPaid && !bytes.Contains(body, []byte("true")) {
			t.Errorf("%s is no pay-out", body)
		}
	})
}

// Who is not found has no name.
func FuzzClient(f *testing.F) {
	fuzzAll(f, func(t *testing.T, body []byte) {
		c, _ := decodeClient(body)
		storable(t, c.FirstName, c.LastName, c.MiddleName, c.INN)
		if !c.Found && c != (ClientFound{}) {
			t.Errorf("not found, and %+v", c)
		}
	})
}

// A letter can be passed on as JSON; number and date of its contract fit into the ledger.
func FuzzLetter(f *testing.F) {
	f.Add(golden(f, "responses", "letter-v2.json"))
	fuzzAll(f, func(t *testing.T, body []byte) {
		l, o := decodeLetter(body)
		if !o.OK() {
			return
		}
		number, date := l.Contract()
		if utf8.RuneCountInString(number) > 128 || utf8.RuneCountInString(date) > 128 {
			t.Errorf("%q of %q", number, date)
		}
		if !json.Valid(l.Raw) {
			t.Errorf("%q is no JSON", l.Raw)
		}
		storable(t, number, date, l.RequestID, l.StoreContractNumber, l.InvoiceAmount, l.CreditProduct, l.Requisites.Name, l.Requisites.Account)
	})
}

// What a refusal says can be kept in the journal, whatever its body is.
func FuzzRejection(f *testing.F) {
	c, err := New(Options{URL: "http://bank", StoreID: "store-1", Secret: secret})
	if err != nil {
		f.Fatal(err)
	}
	fuzzAll(f, func(t *testing.T, body []byte) {
		r := c.rejection(opState, call.Answer{Status: 400, Body: body})
		storable(t, r.Message)
		if r.Error() != "cfront: order/state was refused with HTTP 400" {
			t.Error(r.Error())
		}
	})
}

// What was taken back is never less than nothing, and its sum never overflows.
func FuzzOrderData(f *testing.F) {
	fuzzAll(f, func(t *testing.T, body []byte) {
		d, read := decodeOrderData(body)
		if !read.OK() {
			return
		}
		storable(t, d.StoreOrderID, d.InvoiceNumber, d.PointID, d.CreatedAt)
		for _, r := range d.Reverses {
			if r.Sum < 0 || d.Reversed() < r.Sum {
				t.Errorf("%v of %v", r.Sum, d.Reversed())
			}
		}
	})
}

// Every line of a report names its order.
func FuzzReport(f *testing.F) {
	fuzzAll(f, func(t *testing.T, body []byte) {
		r, read := decodeReport(body)
		for _, o := range r.Orders {
			if read.OK() && o.OrderID == "" {
				t.Errorf("%+v", o)
			}
		}
	})
}

// An agreement that is read has something to offer, and reads back as it was.
func FuzzAgreement(f *testing.F) {
	f.Add([]byte(`{"credit_products":[{"name":"Рассрочка 3","parts":3}],"points_of_sale":["1"],"min_total":1.00,"check_paid":"client_repaid","sub_states":{"X":"pending"}}`))
	fuzzAll(f, func(t *testing.T, body []byte) {
		a, err := ReadAgreement(bytes.NewReader(body))
		if err != nil {
			return
		}
		if len(a.CreditProducts) == 0 || !a.Offers(a.CreditProducts[0]) {
			t.Errorf("offers nothing: %+v", a)
		}
		again, err := json.Marshal(a)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ReadAgreement(bytes.NewReader(again)); err != nil {
			t.Errorf("%s does not read back: %v", again, err)
		}
	})
}
