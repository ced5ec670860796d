package processing_test

import (
	"strings"
	"testing"

	"tolem/simulators/processing"
)

const (
	identified = `{"serviceId":"P1060","account":"7770017711","agentTransactionId":205,"agentTransactionDate":"2020-02-17T16:48:37","amountTo":200.00,"identityCard":"123456789","fullName":"Иванов Иван Иванович"}`
	terminal   = `{"serviceId":"P1070","account":"7770017711","agentTransactionId":205,"agentTransactionDate":"2020-02-17T16:48:37","amountTo":200.00,"amountFrom":200.00,"extras":{"terminal":"00017","paymentType":"2"}}`
	shop       = `{"serviceId":"P0007","account":"7770017711","agentTransactionId":205,"agentTransactionDate":"2020-02-17T16:48:37","amountTo":2500.50,"extras":{"contractId":"2/00-Ф"}}`
)

// What must come with check and pay of the services that only the document's
// text speaks of; without replacement the order is good.
func TestServicesOfTheText(t *testing.T) {
	for _, c := range []struct {
		name, body, old, replacement string
		check, pay                   int
	}{
		{"identified", identified, "", "", 0, 0},
		{"no identityCard", identified, `"identityCard":"123456789",`, ``, 202, 202},
		{"no fullName", identified, `,"fullName":"Иванов Иван Иванович"`, ``, 202, 202},
		{"blank identityCard", identified, `123456789`, ` `, 202, 202},
		{"empty fullName", identified, `Иванов Иван Иванович`, ``, 202, 202},
		{"number identityCard", identified, `"123456789"`, `123456789`, 202, 202},
		{"long identityCard", identified, `123456789`, strings.Repeat("1", 201), 202, 202},
		{"others need no identity", identified, "P1060", "P1011", 0, 0},
		{"terminal", terminal, "", "", 0, 0},
		{"terminal and order", terminal, `"2"}`, `"2","order":"KZ-12"}`, 0, 0},
		{"no terminal", terminal, `"terminal":"00017",`, ``, 202, 202},
		{"no payment type", terminal, `,"paymentType":"2"`, ``, 202, 202},
		{"another payment type", terminal, `"2"`, `"3"`, 202, 202},
		{"bad order", terminal, `"2"}`, `"2","order":"12"}`, 202, 202},
		{"order", shop, "", "", 0, 0},
		{"the other order", shop, `2/00-Ф`, `1/00-Ф`, 0, 0},
		{"escaped order", shop, `2/00-Ф`, `2\/00-\u0424`, 0, 0},
		{"order with a Latin letter", shop, `2/00-Ф`, `2/00-F`, 0, 202},
		{"third order", shop, `2/00-Ф`, `3/00-Ф`, 0, 202},
		{"account of eleven digits", shop, `7770017711`, `77700177110`, 4, 4},
	} {
		t.Run(c.name, func(t *testing.T) {
			body := with(t, c.body, c.old, c.replacement)
			s := start(t, processing.Options{})
			if got := s.code("check", body); got != c.check {
				t.Errorf("check: %d, want %d", got, c.check)
			}
			for range 2 {
				if got := s.code("pay", body); got != c.pay {
					t.Errorf("pay: %d, want %d", got, c.pay)
				}
			}
			s.effects(205, map[bool]int{true: 1}[c.pay == 0])
		})
	}
}

// Identity at check alone is not enough.
func TestIdentityMustComeWithPayToo(t *testing.T) {
	s := start(t, processing.Options{})
	if got := s.code("check", identified); got != 0 {
		t.Fatalf("check: %d", got)
	}
	if got := s.code("pay", with(t, identified, `"identityCard":"123456789",`, ``)); got != 202 {
		t.Errorf("pay: %d", got)
	}
	s.effects(205, 0)
}

func TestOrdersToChooseFrom(t *testing.T) {
	s := start(t, processing.Options{})
	text := s.call("check", with(t, shop, `,"extras":{"contractId":"2/00-Ф"}`, ``))
	equalJSON(t, text, `{"result":0,"resultMessage":"ok","transactionId":100000780000001,"agentTransactionId":205,"contracts":[
		{"name":"Заказ от 15.02.2020","contractId":"1/00-Ф","contractNumber":"1/00-Ф","contractSum":"1500.00","contractDate":"20200215000000"},
		{"name":"Заказ от 16.02.2020","contractId":"2/00-Ф","contractNumber":"2/00-Ф","contractSum":"2500.50","contractDate":"20200216000000"}]}`)
}

// pay converts as check did, and check without an amount tells the rate only.
func TestInternationalAmounts(t *testing.T) {
	for amount, want := range map[string]string{
		`"amountTo":840.00`: "1.75", `"amountTo":100.00`: "0.21", `"amountTo":1000000.00`: "2083.33",
		`"amountTo":480.00,"amountFrom":500.00`: "1.00", // of what is credited
	} {
		s := start(t, processing.Options{})
		body := `{"serviceId":"P1030","account":"998900000001","agentTransactionId":205,"agentTransactionDate":"2020-02-17T16:48:37",` + amount + `}`
		for _, call := range []string{"check", "pay", "pay"} {
			if text := s.call(call, body); !strings.Contains(text, `"rate":0.0020833333,"finalAmount":`+want+`,`) {
				t.Errorf("%s of %s: %s", call, amount, text)
			}
		}
		s.effects(205, 1)
		rate := s.call("check", strings.Replace(with(t, body, ","+amount, ""), "205", "206", 1))
		if strings.Contains(rate, "finalAmount") || !strings.Contains(rate, `"rate":0.0020833333,"currency":"USD"`) {
			t.Errorf("check without an amount: %s", rate)
		}
	}
}
