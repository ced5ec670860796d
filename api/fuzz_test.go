package api_test

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"tolem/api"
	"tolem/domain"
)

// FuzzCreatePayment holds the decoder to this: it never panics; what it accepts
// is one JSON object, and the same values in other bytes have the same digest.
func FuzzCreatePayment(f *testing.F) {
	for _, seed := range []string{
		simple, `{}`, `null`, `{"extras":{"ev_a":"1","b":""}}`, `{"amountTo":2e2,"amountFrom":0.5,"autoPay":false}`,
		`{"serviceId":"P1011","account":"\ud83d\ude00","autoPay":false,"agentTransactionId":123456789012345678}`,
		`{"serviceId":"P1011","account":"a","amountTo":1,"extras":{"ev_account1":"x"},"agentTransactionId":"5"}`,
		`{"a":{"b":[[[[[[[[[]]]]]]]]]}}`, "\xff", `{"account":"\ud800"}`, `{"account":"a","account":"b"}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		digest, problems := api.DecodePayment(body)
		if problems > 0 {
			return
		}
		var fields map[string]json.RawMessage
		if err := json.Unmarshal(body, &fields); err != nil {
			t.Fatalf("accepted what is no object: %v", err)
		}
		var canonical bytes.Buffer
		canonical.WriteString("{ ")
		for name, value := range fields { // in no order, each map a new one
			if canonical.Len() > 2 {
				canonical.WriteString(" ,\n")
			}
			canonical.WriteString(marshal(t, name) + ":\t")
			if name == "extras" { // sorted, its escapes written anew
				var extras map[string]string
				must(t, json.Unmarshal(value, &extras))
				value = []byte(marshal(t, extras))
			}
			canonical.Write(value)
		}
		canonical.WriteString("}")
		again, problems := api.DecodePayment(canonical.Bytes())
		if problems > 0 || again != digest {
			t.Fatalf("digest %s became %s (%d problems)\n%s", digest, again, problems, canonical.Bytes())
		}
	})
}

// FuzzChoosePayment holds the decoder to this: it never panics; what it accepts
// is one JSON object, and comes back from its own JSON as it was.
func FuzzChoosePayment(f *testing.F) {
	for body := range unreadableChoices {
		f.Add([]byte(body))
	}
	for _, c := range misfits {
		f.Add([]byte(c.body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		choice, problems := api.DecodeChoice(body)
		if problems > 0 {
			return
		}
		var fields map[string]json.RawMessage
		if err := json.Unmarshal(body, &fields); err != nil {
			t.Fatalf("accepted what is no object: %v", err)
		}
		again, problems := api.DecodeChoice([]byte(marshal(t, choice)))
		if problems > 0 || !reflect.DeepEqual(again, choice) {
			t.Fatalf("%+v became %+v (%d problems)", choice, again, problems)
		}
	})
}

// FuzzBatch holds the decoder to this: it never panics; what it accepts is an array
// of 1 to 10,000 objects as encoding/json reads it, and nothing else.
func FuzzBatch(f *testing.F) {
	for _, seed := range []string{
		"[" + simple + "]", "[{},{}]", "[]", "[[]]", "[null]", "null", "{}", " [ { } ] ", "[{}]x", "[{}", "[{},]", "\xff", `[{"a":"]"}]`, `["}"]`, "[1e9]",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		rows, problems := api.DecodeBatch(body)
		var all []json.RawMessage
		err := json.Unmarshal(body, &all)
		if problems > 0 {
			if len(rows) > 0 {
				t.Fatalf("%d rows beside problems", len(rows))
			}
			return
		}
		if err != nil || len(all) != len(rows) || len(rows) == 0 || len(rows) > 10_000 {
			t.Fatalf("%d rows, encoding/json reads %d (%v)", len(rows), len(all), err)
		}
		for i, row := range rows {
			var object map[string]json.RawMessage
			if err := json.Unmarshal(row, &object); err != nil || string(row) != string(all[i]) {
				t.Fatalf("row %d is %q", i, row)
			}
			_, _ = api.DecodePayment(row) // must not panic
		}
	})
}

// FuzzIncidentAction holds the decoder to this: it never panics; what it accepts for an
// incident about money says where the money is, and has a number exactly when it moved; what
// it accepts for another says neither.
func FuzzIncidentAction(f *testing.F) {
	for _, seed := range []string{
		because, `{}`, `null`, `{"reason":"r","money":"moved","transactionNumber":"7"}`, `{"reason":"r","money":"not_moved"}`,
		`{"reason":"r","money":"not_moved","transactionNumber":"7"}`, `{"reason":"r","money":"moved","transactionNumber":"07"}`, `{"reason":"\ud800"}`, "\xff",
	} {
		f.Add([]byte(seed), true, true)
		f.Add([]byte(seed), false, false)
	}
	f.Fuzz(func(t *testing.T, body []byte, money, digits bool) {
		process, why := domain.ProcessReturn, domain.ReasonTooOld
		if digits {
			process = domain.ProcessPayment
		}
		if money {
			why = domain.ReasonPaidAfterEnd
		}
		a, problems := api.DecodeClosing(body, process, why)
		if problems > 0 {
			return
		}
		var fields map[string]json.RawMessage
		if err := json.Unmarshal(body, &fields); err != nil {
			t.Fatalf("accepted what is no object: %v", err)
		}
		if a.Reason == "" || money != a.Money.Known() || (a.Money == domain.MoneyMoved) != (a.TransactionNumber != "") {
			t.Fatalf("%+v of %s", a, body)
		}
		if digits && a.TransactionNumber != "" && strings.Trim(a.TransactionNumber, "0123456789") != "" {
			t.Fatalf("%q is no number of the processing centre", a.TransactionNumber)
		}
	})
}
