package processing

import (
	"encoding/json"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
	"time"
	"unicode/utf8"

	"tolem/domain"
)

// seeds offers every example of the document and every broken body.
func seeds(f *testing.F) {
	files, err := filepath.Glob("testdata/responses/*.json")
	if err != nil || len(files) == 0 {
		f.Fatal("no examples", err)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	for body := range brokenBodies {
		f.Add([]byte(body))
	}
	for _, detail := range slices.Concat(slices.Collect(maps.Keys(brokenDetails)), slices.Collect(maps.Keys(droppedDetails))) {
		f.Add([]byte(`{"result":0,"transactionId":"7","agentTransactionId":8,` + detail + `}`))
	}
}

// known fails unless err is one that callers are promised.
func known(t *testing.T, err error) {
	t.Helper()
	var why unreadable
	var refusal *Refusal
	if !errors.As(err, &why) && !errors.As(err, &refusal) {
		t.Errorf("unclassified: %v", err)
	}
}

// kept is what is stored of a reply.
func (r Reply) kept() Reply {
	r.Dropped = ""
	return r
}

// A reply that is read can be stored, and comes back as it was.
func FuzzReply(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		reply, err := decodeReply(body)
		if err != nil {
			known(t, err)
			if !isBadDetails(err) && !reflect.DeepEqual(reply, Reply{}) {
				t.Errorf("%v beside %+v", err, reply)
			}
			return
		}
		var envelope struct {
			Result json.Number `json:"result"`
		}
		if !json.Valid(body) && body[0] != 0xef || json.Unmarshal(body, &envelope) != nil && body[0] != 0xef {
			t.Errorf("%q was read as %+v", body, reply)
		}
		stored, err := json.Marshal(reply)
		if err != nil {
			t.Fatal(err)
		}
		var again Reply
		if err := json.Unmarshal(stored, &again); err != nil || !reflect.DeepEqual(again, reply.kept()) {
			t.Errorf("%v\nstored %s\nread   %+v\nwas    %+v", err, stored, again, reply)
		}
		if !utf8.Valid(stored) || reply.TransactionID < 0 || reply.AgentTransactionID < 0 {
			t.Errorf("%+v", reply)
		}
		_ = reply.Answer(1)
	})
}

// Whatever check offers and the payer chooses: no panic, and a choice without
// problems makes a pay that can be sent.
func FuzzChoice(f *testing.F) {
	for _, name := range []string{"check", "check-contracts", "check-displays", "check-international", "check-invoice"} {
		for _, choice := range []string{
			`{}`, `{"amountTo":200.00,"amountFrom":210}`, `{"contractId":"000000588"}`, `{"extraServices":[]}`,
			`{"extraServices":[{"subServiceId":"36","amount":359.80,"lastCount":"4875.5"},{"subServiceId":"2","amount":40.20}]}`,
			`{"amountTo":80,"extraServices":[{"subServiceId":"13","amount":80}]}`,
			`{"extraServices":[{"subServiceId":"2","amount":92233720368547758.07},{"subServiceId":"13","amount":0.01}]}`,
		} {
			f.Add(golden(f, "responses", name+".json"), []byte(choice), int64(200_00), int64(210_00), "000000587", int64(1581936517))
		}
	}
	f.Add([]byte(`{"result":0,"transactionId":1,"agentTransactionId":2,"displays":{"fixedAmount":"1.00"}}`), []byte(`{}`), int64(0), int64(0), "", int64(0))
	f.Fuzz(func(t *testing.T, body, chosen []byte, to, from int64, contractID string, now int64) {
		reply, err := decodeReply(body)
		var choice Choice
		if err != nil || json.Unmarshal(chosen, &choice) != nil {
			return
		}
		asked := Requested{ContractID: contractID}
		if to != 0 {
			asked.AmountTo = money(domain.Money(to))
		}
		if from != 0 {
			asked.AmountFrom = money(domain.Money(from))
		}
		complete, wrong := reply.CheckChoice(asked, choice, time.Unix(now, 0).UTC())
		if len(wrong) > 0 {
			return
		}
		sent, err := paidBy(complete).Body()
		if err != nil {
			t.Fatalf("%v\nchoice %+v", err, complete)
		}
		if !json.Valid(sent) || *complete.AmountFrom < *complete.AmountTo {
			t.Errorf("%s", sent)
		}
		again, wrong := reply.CheckChoice(asked, complete, time.Unix(now, 0).UTC())
		if len(wrong) > 0 || !reflect.DeepEqual(again, complete) {
			t.Errorf("completed again: %+v %v\nwas %+v", again, wrong, complete)
		}
	})
}

// A catalogue that is read can be shown, stored and asked.
func FuzzCatalogue(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		c, err := decodeCatalogue(opServices, body)
		if err != nil {
			known(t, err)
			return
		}
		shown, err := json.Marshal(c)
		if err != nil || !utf8.Valid(shown) {
			t.Errorf("%s %v", shown, err)
		}
		var again Catalogue
		if err := json.Unmarshal(shown, &again); err != nil {
			t.Errorf("%v\nstored %s", err, shown)
		}
		if stored, err := json.Marshal(again); err != nil || string(stored) != string(shown) {
			t.Errorf("%v\nstored %s\nagain  %s", err, shown, stored)
		}
		for _, s := range c.Services[:min(3, len(c.Services))] {
			if s.ServiceID == "" {
				t.Error("a service without an id")
			}
			_ = s.CheckInputs("1234567890", map[string]string{"account1": "x"})
		}
	})
}

func FuzzBalance(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		b, _, err := decodeBalance(body)
		if err != nil {
			known(t, err)
			return
		}
		var again Balance
		if shown, err := json.Marshal(b); err != nil || json.Unmarshal(shown, &again) != nil || !reflect.DeepEqual(again, b) {
			t.Errorf("%s %v", shown, err)
		}
	})
}

func FuzzOperator(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		o, err := decodeOperator(body)
		if err != nil {
			known(t, err)
		} else if !utf8.ValidString(o.ServiceID) {
			t.Errorf("%q", o.ServiceID)
		}
	})
}

// Patterns are foreign bytes too: any pattern on any value ends with a reason
// or without, and never with a panic.
func FuzzPattern(f *testing.F) {
	for _, pattern := range []string{`^\d{10}$`, `^(?!.*\.\.)\w+$`, `^[a-z-[aeiou]]+$`, `(a+)+\1`, `(?<n>x)\k<n>`, `(?(1)a|b)`, `\p{IsCyrillic}`, `(`} {
		f.Add(pattern, "Иванов 77")
	}
	f.Fuzz(func(t *testing.T, pattern, value string) {
		s := Service{Inputs: []Field{{Name: "account", Regexp: pattern}}}
		_ = s.CheckInputs(value, nil)
		_ = s.BrokenPatterns()
	})
}
