package processing_test

import (
	"encoding/json"
	"net/http"
	"os"
	"strings"
	"testing"

	"tolem/simulators/processing"
)

// The catalogue begins with the document's example, word for word.
func TestServicesIsTheDocumentsExample(t *testing.T) {
	s := start(t, processing.Options{})
	example, err := os.ReadFile("testdata/services.json")
	if err != nil {
		t.Fatal(err)
	}
	type list struct {
		Result        int
		ResultMessage string
		Services      []json.RawMessage `json:"serviсes"` // Cyrillic с, U+0441
	}
	for _, body := range []string{"", "{}"} {
		var got, want list
		for text, into := range map[string]*list{s.call("services", body): &got, string(example): &want} {
			if err := json.Unmarshal([]byte(text), into); err != nil {
				t.Fatal(err)
			}
		}
		if got.Result != 0 || got.ResultMessage != "OK" || len(got.Services) < 7 {
			t.Fatalf("got %+v", got)
		}
		for i, w := range want.Services {
			equalJSON(t, string(got.Services[i]), string(w))
		}
	}
}

func TestCatalogueHasEveryScheme(t *testing.T) {
	s := start(t, processing.Options{})
	for id, scheme := range map[string]string{"P1011": `"type":0`, "P0005": `"type":1`, "P0006": `"type":2`, "P1030": `"country":"УЗБЕКИСТАН"`, "P1050": `"fixedPayment":false`} {
		text := s.call("service", `{"serviceId":"`+id+`"}`)
		if !strings.HasPrefix(text, "{\"result\":0,\"resultMessage\":\"OK\",\"servi\u0441es\":[{\"serviceId\":\""+id+`"`) || !strings.Contains(text, scheme) {
			t.Errorf("%s: %s", id, text)
		}
	}
}

func TestAnswersOfTheDocument(t *testing.T) {
	const head = `"agentTransactionDate":"2020-02-17T16:48:37"`
	const ids = `"transactionId":100000780000001,"agentTransactionId":205`
	cases := []struct{ name, call, body, want string }{
		{"balance", "balance", ``, `{"result":0,"resultMessage":"Успешно","agent":{"agentId":4,"agentName":"Наименование Агента",
			"balance":509455.9000,"overdraft":0.0000,"notification":0.0000,"currency":"KZT"}}`},
		{"operator", "operatorByPhone", `{"phoneNumber":"7777731414"}`, `{"result":0,"resultMessage":"ok","serviceId":"P1011"}`},
		{"operator unknown", "operatorByPhone", `{"phoneNumber":"7017731414"}`, `{"result":0,"resultMessage":"ok"}`},
		{"check", "check", `{"serviceId":"P1011","account":"7770017711","agentTransactionId":205,` + head + `}`, `{"result":0,"resultMessage":"ok",` + ids + `}`},
		{"check with identity", "check", `{"serviceId":"P1011","account":"7770017711","agentTransactionId":205,` + head + `,"amountTo":200.00,"amountFrom":200.00,
			"identityCard":"123456789","fullName":"Иванов Иван Иванович"}`, `{"result":0,"resultMessage":"ok",` + ids + `}`},
		{"international", "check", `{"serviceId":"P1030","account":"998900000001","agentTransactionId":205,` + head + `,"amountTo":840.00}`,
			`{"result":0,"resultMessage":"ok",` + ids + `,"currencyRate":"Курс конвертации KZT/USD 0.0021","rate":0.0020833333,"finalAmount":1.75,"currency":"USD"}`},
		{"international without amount", "check", `{"serviceId":"P1030","account":"998900000001","agentTransactionId":205,` + head + `}`,
			`{"result":0,"resultMessage":"ok",` + ids + `,"currencyRate":"Курс конвертации KZT/USD 0.0021","rate":0.0020833333,"currency":"USD"}`},
		{"displays", "check", `{"serviceId":"P1040","account":"1234567","agentTransactionId":205,` + head + `}`,
			`{"result":0,"resultMessage":"ok",` + ids + `,"displays":{"fio":"Сериков Арман Маратович","address":"Набережная 134 кв 5","info":"Сумма к оплате 20000.00 тенге"}}`},
		{"fixed amount", "check", `{"serviceId":"P1012","account":"1234567890","agentTransactionId":205,` + head + `,"extras":{"account1":"1234567890"}}`,
			`{"result":0,"resultMessage":"ok",` + ids + `,"displays":{"fio":"Сериков Арман Маратович","info":"Сумма к оплате 20000.00 тенге","fixedAmount":"20000.00"}}`},
		{"contracts", "check", `{"serviceId":"P0006","account":"850101300122","agentTransactionId":205,` + head + `}`, `{"result":0,"resultMessage":"ok",` + ids + `,"contracts":[
			{"name":"Петров","contractId":"000000587","contractNumber":"1/00-Ф","contractSum":"1000.00","contractDate":"20200215000000"},
			{"name":"Петров","contractId":"000000588","contractNumber":"2/00-Ф","contractSum":"2000.00","contractDate":"20200216000000"},
			{"name":"Петров","contractId":"000000589","contractNumber":"3/00-Ф","contractSum":"3000.00","contractDate":"20200217000000"}]}`},
		{"one contract", "check", `{"serviceId":"P0006","account":"850101300121","agentTransactionId":205,` + head + `}`, `{"result":0,"resultMessage":"ok",` + ids + `,"contracts":[
			{"name":"Петров","contractId":"000000587","contractNumber":"1/00-Ф","contractSum":"1000.00","contractDate":"20200215000000"}]}`},
		{"receipt", "check", `{"serviceId":"P0005","account":"1234567891","agentTransactionId":205,` + head + `}`, `{"result":0,"resultMessage":"ok",` + ids + `,"invoice":` + receipt + `}`},
		{"plain pay", "pay", with(t, phone(205), "2015", "2020"), `{"result":0,"resultMessage":"Успешно",` + ids + `,` + dates + `}`},
		{"international pay", "pay", `{"serviceId":"P1030","account":"998900000001","agentTransactionId":205,` + head + `,"amountTo":840.00}`,
			`{"result":0,"resultMessage":"Успешно",` + ids + `,` + dates + `,"currencyRate":"Курс конвертации KZT/USD 0.0021","rate":0.0020833333,"finalAmount":1.75,"currency":"USD"}`},
		{"receipt pay", "pay", `{"serviceId":"P0005","account":"1234567891","agentTransactionId":205,` + head + `,"amountTo":450.00,
			"extraServices":[{"subServiceId":"36","lastCount":"11236","amount":350.00},{"subServiceId":"2","amount":100.00}]}`,
			`{"result":0,"resultMessage":"Успешно",` + ids + `,` + dates + `,"invoice":` + receipt + `}`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s := start(t, processing.Options{Now: noon()})
			if err := s.SetBalance(509_455_9000); err != nil {
				t.Fatal(err)
			}
			equalJSON(t, s.call(c.call, c.body), c.want)
		})
	}
}

const dates = `"transactionDate":"2020-10-19T12:00:00.002","statusDate":"2020-10-19T12:00:00.002"`

// receipt is the document's, dated by the month of the request.
const receipt = `{"invoices":[{"invoiceId":"2020020003535444","formedDate":"20200201000000","expireDate":"20200331000000",
	"clientName":"Иванов Иван Иванович","clientAddress":"микрорайон 2, дом 42, кв.4","services":[
	{"subServiceId":"36","subServiceName":"Электроэнергия","data":{"paySum":359.8,"tariff":0.0,"minSum":0.0,"maxSum":0.0,"debtInfo":"0.00","isMeter":true,"prevCount":"4870.00","lastCount":"0.00","si":"тг/м2","comment":""}},
	{"subServiceId":"13","subServiceName":"ТО газа ","data":{"paySum":80.0,"tariff":0.0,"minSum":0.0,"maxSum":0.0,"debtInfo":"0.00","isMeter":false,"prevCount":"0.00","lastCount":"0.00","si":"тг/плита","comment":""}},
	{"subServiceId":"2","subServiceName":"Отопление","data":{"paySum":925.2,"tariff":500.0,"minSum":0.0,"maxSum":0.0,"debtInfo":"0.00","isMeter":false,"prevCount":"0.00","lastCount":"0.00","si":"тг/м2","comment":""}}]}]}`

func TestTransportMistakes(t *testing.T) {
	s := start(t, processing.Options{Token: "secret"})
	cases := []struct {
		name, method, path string
		change             map[string]string
		want               int
	}{
		{"right", "POST", "pay", nil, 200},
		{"charset", "POST", "pay", map[string]string{"Content-Type": "application/json; charset=UTF-8", "Accept": "text/plain, application/json;q=0.9"}, 200},
		{"GET", "GET", "pay", nil, 405},
		{"unknown call", "POST", "refund", nil, 404},
		{"no token", "POST", "pay", map[string]string{"Authorization": ""}, 401},
		{"wrong token", "POST", "pay", map[string]string{"Authorization": "Bearer secre"}, 401},
		{"form", "POST", "pay", map[string]string{"Content-Type": "application/x-www-form-urlencoded"}, 415},
		{"no type", "POST", "pay", map[string]string{"Content-Type": ""}, 415},
		{"wrong charset", "POST", "pay", map[string]string{"Content-Type": "application/json; charset=windows-1251"}, 415},
		{"accepts anything", "POST", "pay", map[string]string{"Accept": "*/*"}, 406},
		{"accepts nothing", "POST", "pay", map[string]string{"Accept": ""}, 406},
	}
	for i, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			id := int64(i + 1)
			r := s.request(t.Context(), c.method, "/api/v20/"+c.path, phone(id))
			r.Header.Set("Authorization", "Bearer secret")
			for name, value := range c.change {
				r.Header.Set(name, value)
			}
			a, err := s.client.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			_ = a.Body.Close()
			if a.StatusCode != c.want {
				t.Errorf("status %d, want %d", a.StatusCode, c.want)
			}
			s.effects(id, map[bool]int{true: 1}[c.want == http.StatusOK])
			if q := s.Requests(id); len(q) != 1 || q[0].Status != c.want || q[0].Moved != (c.want == http.StatusOK) {
				t.Errorf("recorded as %+v", q)
			}
		})
	}
}

func TestTransportMistakeUsesUpNoScript(t *testing.T) {
	s := start(t, processing.Options{Token: "secret"})
	s.script("pay", 1, processing.Answer{Code: 1})
	if status, _, _, err := s.try(t.Context(), "pay", phone(1)); err != nil || status != http.StatusUnauthorized {
		t.Errorf("status %d, error %v", status, err)
	}
	if _, text := s.control("GET", "/scripts", ""); !strings.Contains(text, `"used":0`) {
		t.Error(text)
	}
}

func TestTooLongBodyIsNotProcessed(t *testing.T) {
	s := start(t, processing.Options{})
	status, _, _, err := s.try(t.Context(), "pay", phone(1)+strings.Repeat(" ", 1<<20))
	if err == nil && status != http.StatusRequestEntityTooLarge {
		t.Errorf("status %d", status)
	}
	s.effects(1, 0)
}
