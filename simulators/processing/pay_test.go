package processing_test

import (
	"sync"
	"testing"

	"tolem/simulators/processing"
)

// «В процессинге не должно содержаться двух успешно проведенных платежей от
// одного Агента с одним и тем же номером».
func TestConcurrentRepeatsMoveMoneyOnce(t *testing.T) {
	s := start(t, processing.Options{Dir: t.TempDir()})
	before := s.Balance()
	answers := make([]string, 50)
	var all sync.WaitGroup
	for i := range answers {
		all.Go(func() {
			_, _, text, err := s.try(t.Context(), "pay", phone(77))
			if err != nil {
				t.Error(err)
			}
			answers[i] = text
		})
	}
	all.Wait()
	s.effects(77, 1)
	if spent := before - s.Balance(); spent != 200_0000 {
		t.Errorf("the balance went down by %d", spent)
	}
	moved := 0
	for i, q := range s.Requests(77) {
		if q.Number != i+1 {
			t.Errorf("request %d has number %d", i+1, q.Number)
		}
		if q.Moved {
			moved++
		}
	}
	if moved != 1 {
		t.Errorf("%d requests moved money", moved)
	}
	for _, text := range answers {
		if text != answers[0] || decode(t, text).Result != 0 {
			t.Errorf("answers differ: %s and %s", answers[0], text)
		}
	}
}

// «Если сервис Агента повторно присылает запрос с уже существующим в процессинге
// agentTransactionId, то процессинг возвращает результат обработки предыдущего
// запроса»; the note to «Таблица 1»: a changed body is 202 and stops nothing.
func TestRepeats(t *testing.T) {
	s := start(t, processing.Options{Now: noon()})
	checked := decode(t, s.call("check", phone(1)))
	if again := decode(t, s.call("check", phone(1))); again != checked {
		t.Errorf("a repeated check: %+v, then %+v", checked, again)
	}
	if got := s.code("check", with(t, phone(1), "7770017711", "7770017712")); got != 202 {
		t.Errorf("a check of another account: %d", got)
	}
	paid := decode(t, s.call("pay", phone(1)))
	if paid.Result != 0 || paid.TransactionID != checked.TransactionID || paid.AgentTransactionID != 1 {
		t.Errorf("check %+v, pay %+v", checked, paid)
	}
	for name, body := range map[string]string{
		"same":        phone(1),
		"white space": " " + with(t, phone(1), ",", " ,\n\t"),
		"order":       `{"amountFrom":200.00,` + with(t, phone(1), `,"amountFrom":200.00`, ``)[1:],
		"escape":      with(t, phone(1), "7770017711", `777001771\u0031`),
	} {
		if again := decode(t, s.call("pay", body)); again != paid {
			t.Errorf("%s: %+v, first %+v", name, again, paid)
		}
	}
	for name, body := range map[string]string{
		"amount":  with(t, phone(1), `"amountTo":200.00`, `"amountTo":199.00`),
		"literal": with(t, phone(1), `"amountTo":200.00`, `"amountTo":200.0`),
		"account": with(t, phone(1), "7770017711", "7770017712"),
		"more":    with(t, phone(1), "}", `,"fullName":"Иванов"}`),
		"less":    with(t, phone(1), `,"amountFrom":200.00`, ``),
		"date":    with(t, phone(1), "16:48:37", "16:48:38"),
	} {
		if a := decode(t, s.call("pay", body)); a.Result != 202 || a.TransactionID != paid.TransactionID {
			t.Errorf("changed %s: %+v", name, a)
		}
	}
	if got := s.code("check", phone(1)); got != 215 {
		t.Errorf("check of a paid id: %d", got)
	}
	if again := decode(t, s.call("pay", phone(1))); again != paid {
		t.Errorf("after all that: %+v, first %+v", again, paid)
	}
	if other := decode(t, s.call("pay", phone(2))); other.TransactionID == paid.TransactionID {
		t.Error("two payments have one transactionId")
	}
	s.effects(1, 1)
}

func TestPayOfSomethingElseThanChecked(t *testing.T) {
	s := start(t, processing.Options{})
	s.call("check", phone(1))
	if got := s.code("pay", with(t, phone(1), "7770017711", "7770017712")); got != 202 {
		t.Errorf("another account: %d", got)
	}
	// The first pay decides, and its refusal is remembered.
	if got := s.code("pay", phone(1)); got != 202 {
		t.Errorf("a changed body after a refusal: %d", got)
	}
	s.effects(1, 0)

	s.call("check", with(t, phone(2), "7770017711", "777001771"))
	s.call("check", phone(2)) // corrected after code 4
	s.call("check", with(t, phone(2), "200.00", "200"))
	if got := s.code("pay", phone(2)); got != 0 {
		t.Errorf("a wrong repeat spoilt the check: %d", got)
	}
}

func TestChangedBodyWhileRegistered(t *testing.T) {
	s := start(t, processing.Options{})
	s.script("pay", 1, processing.Answer{Code: 153})
	if got := s.code("pay", phone(1)); got != 153 {
		t.Fatalf("first: %d", got)
	}
	if got := s.code("pay", with(t, phone(1), `"amountTo":200.00`, `"amountTo":100.00`)); got != 202 {
		t.Errorf("changed: %d", got)
	}
	if p, _ := s.Payment(1); p.State != processing.Registered || p.Code != 153 || p.AmountTo != 200_00 {
		t.Errorf("the change touched the payment: %+v", p)
	}
	if got := s.code("pay", phone(1)); got != 0 {
		t.Errorf("unchanged: %d", got)
	}
	s.effects(1, 1)
}

func TestBalanceUsedUpAndToppedUp(t *testing.T) {
	s := start(t, processing.Options{})
	if err := s.SetBalance(399_9999); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		id   int64
		want int
	}{{1, 0}, {2, 220}, {2, 220}, {1, 0}} {
		if got := s.code("pay", phone(step.id)); got != step.want {
			t.Errorf("pay %d: %d, want %d", step.id, got, step.want)
		}
	}
	if p, _ := s.Payment(2); p.State != processing.Registered || p.Code != 220 || s.Balance() != 199_9999 {
		t.Errorf("balance %d, %+v", s.Balance(), p)
	}
	if status, text := s.control("PUT", "/balance", `{"balance":"200.0000"}`); status != 200 {
		t.Fatalf("%d %s", status, text)
	}
	if got := s.code("pay", phone(2)); got != 0 {
		t.Errorf("after the top-up: %d", got)
	}
	s.effects(2, 1)
	if s.Balance() != 0 {
		t.Errorf("balance %d", s.Balance())
	}
}

// What a script's codes do to the books.
func TestScriptedCodes(t *testing.T) {
	lost := processing.Answer{Fault: processing.LostAnswer}
	cases := []struct {
		name    string
		answers []processing.Answer
		want    []int // -1 = no answer
		state   processing.State
		effects int
	}{
		{"not final", []processing.Answer{{Code: 1, Times: 2}, {Code: 153}, {Code: 220}, {Code: 255}}, []int{1, 1, 153, 220, 255, 0, 0}, processing.Executed, 1},
		{"unknown", []processing.Answer{{Code: 999}, {Code: -7}}, []int{999, -7, 0}, processing.Executed, 1},
		{"refused at once", []processing.Answer{{Code: 7}}, []int{7, 7, 7}, processing.Refused, 0},
		{"refused later", []processing.Answer{{Code: 1}, {Code: 300}, {Code: 1}, {Code: 8}}, []int{1, 300, 300, 300, 300}, processing.Refused, 0},
		{"refusal after success", []processing.Answer{lost, {Code: 300}}, []int{-1, 0, 0}, processing.Executed, 1},
		{"not final after success", []processing.Answer{lost, {Code: 153}}, []int{-1, 153, 0}, processing.Executed, 1},
		{"transient after success", []processing.Answer{lost, {Code: 215, Transient: true}, {Code: 202, Transient: true}, {Code: 155, Transient: true}}, []int{-1, 215, 202, 155, 0}, processing.Executed, 1},
		{"transient at first", []processing.Answer{{Code: 215, Transient: true}}, []int{215, 0}, processing.Executed, 1},
		{"transient after refusal", []processing.Answer{{Code: 5}, {Code: 1, Transient: true}}, []int{5, 1, 5}, processing.Refused, 0},
		{"lost refusal", []processing.Answer{{Code: 7, Fault: processing.LostAnswer}}, []int{-1, 7}, processing.Refused, 0},
		{"normal", []processing.Answer{{}}, []int{0}, processing.Executed, 1},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s := start(t, processing.Options{})
			s.script("pay", 5, c.answers...)
			for i, want := range c.want {
				got := -1
				if _, _, text, err := s.try(t.Context(), "pay", phone(5)); err == nil {
					got = decode(t, text).Result
				}
				if got != want {
					t.Errorf("answer %d: %d, want %d", i+1, got, want)
				}
			}
			if p, _ := s.Payment(5); p.State != c.state {
				t.Errorf("state %s, want %s", p.State, c.state)
			}
			s.effects(5, c.effects)
		})
	}
}

func TestScriptDoesNotHideAWrongBody(t *testing.T) {
	s := start(t, processing.Options{})
	s.script("pay", 1, processing.Answer{Code: 1, Times: 2})
	if got := s.code("pay", with(t, phone(1), "200.00", "200")); got != 202 {
		t.Errorf("%d", got)
	}
}

func TestTheMoreSpecificScriptWins(t *testing.T) {
	s := start(t, processing.Options{})
	for _, script := range []processing.Script{
		{Call: "check", Answers: []processing.Answer{{Code: 11}, {Code: 12}}},
		{Call: "check", Answers: []processing.Answer{{Code: 13}}},
		{Call: "check", Account: "7770017711", Answers: []processing.Answer{{Code: 21}}},
		{Call: "check", AgentTransactionID: 1, Answers: []processing.Answer{{Code: 31}}},
		{Call: "balance", Answers: []processing.Answer{{Code: 300}}},
	} {
		if err := s.Script(script); err != nil {
			t.Fatal(err)
		}
	}
	for i, want := range []int{31, 21, 11, 12, 13, 0} {
		if got := s.code("check", phone(1)); got != want {
			t.Errorf("check %d: %d, want %d", i+1, got, want)
		}
	}
	if got, then := s.code("balance", ""), s.code("balance", ""); got != 300 || then != 0 {
		t.Errorf("balance: %d, then %d", got, then)
	}
}
