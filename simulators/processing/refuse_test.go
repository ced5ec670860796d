package processing_test

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"tolem/simulators/processing"
)

const (
	order205 = `{"serviceId":"P1012","account":"1234567890","agentTransactionId":205,"agentTransactionDate":"2020-02-17T16:48:37","amountTo":20000.00,"amountFrom":20000.00,"extras":{"account1":"1234567890"}}`
	choice   = `{"serviceId":"P0006","account":"850101300121","agentTransactionId":205,"agentTransactionDate":"2020-02-17T16:48:37","amountTo":200.00,"extras":{"contractId":"000000587"}}`
	bill     = `{"serviceId":"P0005","account":"1234567892","agentTransactionId":205,"agentTransactionDate":"2020-02-17T16:48:37","amountTo":250.00,"extraServices":[{"subServiceId":"36","lastCount":"11236.5","amount":100.00},{"subServiceId":"114","amount":150.00}]}`
	game     = `{"serviceId":"P1050","account":"player.1","agentTransactionId":205,"agentTransactionDate":"2020-02-17T16:48:37","amountTo":200.00}`
)

// objections are those of the package comment: one text of a good order is
// replaced by another.
var objections = []struct {
	name, body, old, replacement string
	payOnly                      bool
	want                         int
}{
	{"integer amount", phone(205), "200.00", "200", false, 202},
	{"one decimal", phone(205), "200.00", "200.0", false, 202},
	{"three decimals", phone(205), "200.00", "200.000", false, 202},
	{"exponent", phone(205), "200.00", "2.00e2", false, 202},
	{"text amount", phone(205), "200.00", `"200.00"`, false, 202},
	{"negative amount", phone(205), "200.00", "-200.00", false, 202},
	{"null amount", phone(205), "200.00", "null", false, 202},
	{"amountFrom badly written", phone(205), `"amountFrom":200.00`, `"amountFrom":200`, false, 202},
	{"no amountTo", phone(205), `"amountTo":200.00,`, ``, true, 202},
	{"text id", phone(205), ":205,", `:"205",`, false, 202},
	{"fraction id", phone(205), ":205,", `:205.0,`, false, 202},
	{"exponent id", phone(205), ":205,", `:205e0,`, false, 202},
	{"zero id", phone(205), ":205,", `:0,`, false, 202},
	{"negative id", phone(205), ":205,", `:-205,`, false, 202},
	{"19 digits", phone(205), ":205,", `:1000000000000000000,`, false, 202},
	{"date with zone", phone(205), "16:48:37", "16:48:37Z", false, 202},
	{"date with milliseconds", phone(205), "16:48:37", "16:48:37.000", false, 202},
	{"date without T", phone(205), "17T16", "17 16", false, 202},
	{"no such day", phone(205), "2015-02-17", "2015-02-30", false, 202},
	{"no service", phone(205), `"serviceId":"P1011",`, ``, false, 202},
	{"no account", phone(205), `"account":"7770017711",`, ``, false, 202},
	{"number account", phone(205), `"7770017711"`, `7770017711`, false, 202},
	{"null account", phone(205), `"7770017711"`, `null`, false, 202},
	{"no date", phone(205), `"agentTransactionDate":"2015-02-17T16:48:37",`, ``, false, 202},
	{"misspelt field", phone(205), "amountFrom", "amountfrom", false, 202},
	{"repeated field", phone(205), `"account"`, `"account":"7770017712","account"`, false, 202},
	{"not UTF-8", phone(205), "7770017711", "\xff", false, 202},
	{"broken off", phone(205), "}", "", false, 202},
	{"a list", phone(205), phone(205), "[" + phone(205) + "]", false, 202},
	{"two objects", phone(205), phone(205), phone(205) + phone(205), false, 202},
	{"extras not an object", phone(205), "}", `,"extras":[]}`, false, 202},
	{"extra not text", phone(205), "}", `,"extras":{"terminal":7}}`, false, 202},
	{"long name", phone(205), "}", `,"fullName":"` + strings.Repeat("ы", 201) + `"}`, false, 202},
	{"unknown service", phone(205), "P1011", "P9999", false, 155},
	{"account pattern", phone(205), "7770017711", "+7770017711", false, 4},
	{"empty account", phone(205), "7770017711", "", false, 4},
	{"account of 201", game, "player.1", strings.Repeat("a", 201), false, 4},
	{"account look-ahead", game, "player.1", "player..1", false, 4},
	{"extra missing", order205, `"account1"`, `"account2"`, false, 202},
	{"extra with prefix", order205, `"account1"`, `"ev_account1"`, false, 202},
	{"extra pattern", order205, `"account1":"1234567890"`, `"account1":"test@example.kz"`, false, 202},
	{"optional extra pattern", game, "}", `,"amountFrom":200.00,"extras":{"email":"nobody"}}`, false, 202},
	{"amountFrom below amountTo", phone(205), `"amountFrom":200.00`, `"amountFrom":199.99`, false, 202},
	{"amountFrom needed", order205, `"amountFrom":20000.00,`, ``, true, 202},
	{"too small", phone(205), `"amountTo":200.00`, `"amountTo":0.99`, false, 241},
	{"nothing", phone(205), `"amountTo":200.00`, `"amountTo":0.00`, false, 241},
	{"too large", phone(205), `"amountTo":200.00,"amountFrom":200.00`, `"amountTo":300000.01,"amountFrom":300000.01`, false, 242},
	{"not found", phone(205), "7770017711", "7770010000", false, 5},
	{"fixedAmount", order205, `"amountTo":20000.00`, `"amountTo":19999.99`, true, 202},
	{"no contract", choice, `,"extras":{"contractId":"000000587"}`, ``, true, 202},
	{"contract of another payer", choice, "000000587", "000000588", true, 202},
	{"contract of a simple service", phone(205), "}", `,"extras":{"contractId":"000000587"}}`, true, 202},
	{"no lines", bill, bill[strings.Index(bill, `,"extraS`):], "}", true, 202},
	{"empty lines", bill, bill[strings.Index(bill, `[`):], "[]}", true, 202},
	{"lines of a simple service", phone(205), "}", `,"extraServices":[{"subServiceId":"114","amount":200.00}]}`, true, 202},
	{"line of another receipt", bill, `"114"`, `"45"`, true, 202},
	{"line twice", bill, `"114"`, `"36","lastCount":"1"`, true, 202},
	{"line amount badly written", bill, `"amount":150.00`, `"amount":150`, true, 202},
	{"line without amount", bill, `,"amount":150.00`, ``, true, 202},
	{"line of nothing", bill, `"amount":150.00}`, `"amount":150.00},{"subServiceId":"37","amount":0.00}`, true, 202},
	{"line below minSum", bill, `"amount":100.00},{"subServiceId":"114","amount":150.00`, `"amount":99.99},{"subServiceId":"114","amount":150.01`, true, 202},
	{"line above maxSum", bill, bill[strings.Index(bill, `"amountTo"`):], `"amountTo":5000.01,"extraServices":[{"subServiceId":"36","lastCount":"11236","amount":5000.01}]}`, true, 202},
	{"sum too small", bill, `"amountTo":250.00`, `"amountTo":250.01`, true, 202},
	{"sum too large", bill, `"amountTo":250.00`, `"amountTo":249.99`, true, 202},
	{"meter without reading", bill, `"lastCount":"11236.5",`, ``, true, 202},
	{"meter reading as number", bill, `"11236.5"`, `11236.5`, true, 202},
	{"unknown field in a line", bill, `"lastCount"`, `"lastcount"`, true, 202},
}

// Each objection at check (unless it is only pay's) and at pay, where it is
// remembered.
func TestObjections(t *testing.T) {
	for _, c := range objections {
		t.Run(c.name, func(t *testing.T) {
			body := with(t, c.body, c.old, c.replacement)
			s := start(t, processing.Options{})
			if !c.payOnly {
				if got := s.code("check", body); got != c.want {
					t.Errorf("check: %d, want %d", got, c.want)
				}
			}
			for range 2 {
				if got := s.code("pay", body); got != c.want {
					t.Errorf("pay: %d, want %d", got, c.want)
				}
			}
			if p, known := s.Payment(205); known && (p.State != processing.Refused || p.Code != c.want) {
				t.Errorf("the books have %+v", p)
			}
			s.effects(205, 0)
		})
	}
}

func TestTheUnspoiltOrdersAreGood(t *testing.T) {
	for _, body := range []string{phone(205), order205, choice, bill, game,
		with(t, phone(205), `,"amountFrom":200.00`, ``),
		with(t, phone(205), "}", `,"extras":{"account1":"test@gmail.com","account2":"121231"}}`), // the document's example
	} {
		s := start(t, processing.Options{})
		if got := s.code("pay", body); got != 0 {
			t.Errorf("%d for %s", got, body)
		}
		s.effects(205, 1)
	}
}

func TestObjectionsOfTheOtherCalls(t *testing.T) {
	s := start(t, processing.Options{})
	for _, c := range []struct {
		call, body string
		want       int
	}{
		{"services", `{"page":1}`, 202}, {"services", `[]`, 202}, {"balance", `{"agentId":4}`, 202},
		{"service", ``, 202}, {"service", `{"serviceId":1011}`, 202}, {"service", `{"serviceId":"P9999"}`, 155}, {"service", `{"serviceId":"P1011","x":1}`, 202},
		{"operatorByPhone", `{}`, 202}, {"operatorByPhone", `{"phoneNumber":7777731414}`, 202}, {"operatorByPhone", `{"phoneNumber":"777773141"}`, 4},
		{"check", phone(1)[:20], 202}, {"pay", ``, 202},
	} {
		if got := s.code(c.call, c.body); got != c.want {
			t.Errorf("%s %s: %d, want %d", c.call, c.body, got, c.want)
		}
	}
}

// Whatever bytes arrive as check and pay, twice: an answer in JSON, and money
// moves at most once.
func FuzzOrder(f *testing.F) {
	for _, body := range []string{phone(205), order205, choice, bill, game, `{"agentTransactionId":1}`, `null`, `{"extraServices":[{}]}`} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		c, err := processing.New(processing.Options{})
		if err != nil {
			t.Fatal(err)
		}
		for _, call := range []string{"check", "pay", "pay", "check"} {
			r := httptest.NewRequest(http.MethodPost, "/api/v20/"+call, bytes.NewReader(body))
			r.Header.Set("Content-Type", "application/json")
			r.Header.Set("Accept", "application/json")
			w := httptest.NewRecorder()
			c.Handler().ServeHTTP(w, r)
			decode(t, w.Body.String())
		}
		for _, p := range c.Payments() {
			if want := map[bool]int{true: 1}[p.State == processing.Executed]; p.Effects != want {
				t.Errorf("%s with %d effects", p.State, p.Effects)
			}
		}
	})
}
