package processing

import (
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"tolem/domain"
)

// Every code is a Reply, of check and of pay, those outside table 1 included.
func TestEveryCodeIsAReply(t *testing.T) {
	for _, code := range append(domain.Codes(), 2, 203, 999999999, -1, -300) {
		c, _ := centre(t, 0, says(http.StatusOK, fmt.Sprintf(`{"result":%d,"resultMessage":"текст","transactionId":7,"agentTransactionId":1233355}`, code)))
		for name, call := range map[string]func() (Reply, error){
			opCheck: func() (Reply, error) { return c.Check(t.Context(), payBody(t)) },
			opPay:   func() (Reply, error) { return c.Pay(t.Context(), payBody(t)) },
		} {
			want := Reply{Code: code, Message: "текст", TransactionID: 7, AgentTransactionID: 1233355}
			if got, err := call(); err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("%s %d: %+v %v", name, code, got, err)
			}
		}
	}
	c, _ := centre(t, 0, says(http.StatusAccepted, success))
	if _, err := c.Pay(t.Context(), payBody(t)); err != nil {
		t.Errorf("202 Accepted with a code: %v", err)
	}
}

// The numbers of a reply: integers or integer strings of up to 18 digits.
func TestIDs(t *testing.T) {
	const none = 0
	for literal, want := range map[string]int64{
		`7`: 7, `"7"`: 7, `100000781233355`: 100000781233355, `"999999999999999999"`: 999999999999999999,
		`7.0`: 7, `7e0`: 7, `"7 "`: 7, `" 7.00"`: 7, `"\u0037"`: 7, `1.00000781233355E14`: 100000781233355, `0.7e1`: 7,
		`null`: none, `0`: none, `"0"`: none, `""`: none, `0.0`: none, `" "`: none,
	} {
		for _, code := range []int{0, 300} {
			r, err := decodeReply([]byte(fmt.Sprintf(`{"result":%d,"transactionId":%s,"agentTransactionId":%s}`, code, literal, literal)))
			if err != nil || r.TransactionID != want || int64(r.AgentTransactionID) != want {
				t.Errorf("%s: %+v %v", literal, r, err)
			}
		}
	}
	for _, literal := range []string{
		`1000000000000000000`, `"1000000000000000000"`, `9223372036854775808`, `-7`, `"-7"`, `7.5`, `7e-1`, `1e18`, `1e999999999`, `"7 7"`, `"7,0"`, `"+7"`, `007`, `"007"`,
		`"seven"`, `true`, `[7]`, `{"id":7}`, `"`, `7,"transactionId":7,"agentTransactionId":7`,
	} {
		if _, err := decodeReply([]byte(`{"result":0,"transactionId":` + literal + `}`)); err == nil {
			t.Errorf("a success with transactionId %s", literal)
		}
		for _, code := range []int{0, 1, 300} {
			if _, err := decodeReply([]byte(fmt.Sprintf(`{"result":%d,"agentTransactionId":%s}`, code, literal))); err == nil {
				t.Errorf("code %d for agentTransactionId %s", code, literal)
			}
		}
	}
	r, err := decodeReply([]byte(`{"result":300,"transactionId":"none yet","agentTransactionId":5}`))
	if err != nil || r.TransactionID != none || r.AgentTransactionID != 5 {
		t.Errorf("a code other than 0 does not depend on transactionId: %+v %v", r, err)
	}
}

// brokenDetails are parts of a success that cannot be read and decide what the payer
// chooses, with the field that fails.
var brokenDetails = map[string]string{
	`"displays":"text"`: "displays", `"displays":7`: "displays", `"displays":["a"]`: "displays", `"displays":{"fixedAmount":{}}`: "displays.fixedAmount",
	`"displays":{"fio":"a","fio":"b"}`: "displays.fio", `"displays":{"850210301899":"a","850210301899":"b"}`: "displays",
	`"contracts":{}`: "contracts", `"contracts":"text"`: "contracts", `"contracts":[7]`: "contracts[0]", `"contracts":[null]`: "contracts[0]",
	`"contracts":[{}]`: "contracts[0].contractId", `"contracts":[{"contractId":"1"},{"contractId":""}]`: "contracts[1].contractId",
	`"contracts":[{"contractId":{}}]`: "contracts[0].contractId", `"contracts":[{"CONTRACTID":"1"}]`: "contracts[0].contractId",
	`"contracts":[{"contractId":"1","contractId":"2"}]`: "contracts[0].contractId", `"contracts":[],"contracts":[{"contractId":"1"}]`: "contracts",
	`"contracts":[{"contractId":"1","unknown":1,"unknown":2}]`: "contracts[0].unknown",
	`"invoice":["a"]`: "invoice", `"invoice":"text"`: "invoice", `"invoice":{"invoices":{}}`: "invoice.invoices", `"invoice":{"invoices":[7]}`: "invoice.invoices[0]",
	`"invoice":{"invoices":[{"services":{}}]}`: "invoice.invoices[0].services", `"invoice":{"invoices":[],"invoices":[]}`: "invoice.invoices",
	`"invoice":{"invoices":[{"services":[{}]}]}`:                                                  "invoice.invoices[0].services[0].subServiceId",
	`"invoice":{"invoices":[{"services":[{"subServiceId":"1","subServiceId":"1"}]}]}`:             "invoice.invoices[0].services[0].subServiceId",
	`"invoice":{"invoices":[{"services":[{"subServiceId":"1","data":[1]}]}]}`:                     "invoice.invoices[0].services[0].data",
	`"invoice":{"invoices":[{"services":[{"subServiceId":"1","data":{"paySum":"0x10"}}]}]}`:       "invoice.invoices[0].services[0].data.paySum",
	`"invoice":{"invoices":[{"services":[{"subServiceId":"1","data":{"minSum":"2,000"}}]}]}`:      "invoice.invoices[0].services[0].data.minSum",
	`"invoice":{"invoices":[{"services":[{"subServiceId":"1","data":{"maxSum":1e400}}]}]}`:        "invoice.invoices[0].services[0].data.maxSum",
	`"invoice":{"invoices":[{"services":[{"subServiceId":"1","data":{"maxSum":1,"maxSum":2}}]}]}`: "invoice.invoices[0].services[0].data.maxSum",
	`"invoice":{"invoices":[{"services":[{"subServiceId":"1","data":{"isMeter":"да"}}]}]}`:        "invoice.invoices[0].services[0].data.isMeter",
}

// droppedDetails are parts that cannot be read and are only shown, with their names.
var droppedDetails = map[string]string{
	`"displays":{"fio":{},"ok":"1"}`: "displays.fio", `"displays":{"850210301899":["a"]}`: "displays",
	`"contracts":[{"contractId":"1","contractSum":"2 000,00"}]`: "contracts[0].contractSum", `"contracts":[{"contractId":"1","contractSum":"1000.001"}]`: "contracts[0].contractSum",
	`"contracts":[{"contractId":"1"},{"contractId":"2","contractSum":true,"name":[]}]`:             "contracts[1].name, contracts[1].contractSum",
	`"invoice":{"invoices":[{"expireDate":{},"services":[]}]}`:                                     "invoice.invoices[0].expireDate",
	`"invoice":{"invoices":[{"services":[{"subServiceId":"1","data":{"tariff":"500,0"}}]}]}`:       "invoice.invoices[0].services[0].data.tariff",
	`"invoice":{"invoices":[{"services":[{"subServiceId":"1","data":{"tariff":"NaN","si":[]}}]}]}`: "invoice.invoices[0].services[0].data.tariff, invoice.invoices[0].services[0].data.si",
	`"rate":"free"`: "rate", `"rate":{}`: "rate", `"finalAmount":[]`: "finalAmount", `"finalAmount":"1,75"`: "finalAmount", `"currency":{}`: "currency",
	`"currencyRate":[]`: "currencyRate", `"transactionDate":{}`: "transactionDate", `"statusDate":[]`: "statusDate", `"resultMessage":{}`: "resultMessage",
}

func manyDisplays(n int) string {
	var list []string
	for i := range n {
		list = append(list, fmt.Sprintf(`"d%d":"%d"`, i, i))
	}
	return strings.Join(list, ",")
}

// For pay the envelope alone decides; check, where the payer would have to choose, brings no
// answer, and names the field; beside another code details mean nothing.
func TestBrokenDetails(t *testing.T) {
	for detail, field := range brokenDetails {
		c, _ := centre(t, 0, says(http.StatusOK, `{`+detail+`,"result":0,"transactionId":7,"agentTransactionId":1233355}`))
		_, err := c.Check(t.Context(), payBody(t))
		var failure *Failure
		if !errors.As(err, &failure) || failure.Reason != ReasonBadDetails || failure.Kind != domain.Unknown || failure.Field != field || !failure.Unreadable() {
			t.Errorf("check with %s: %v", detail, err)
		}
		reply, err := c.Pay(t.Context(), payBody(t))
		if answer := AnswerOf(reply, err, 1233355); err != nil || answer.Code == nil || *answer.Code != 0 || answer.StrangeEcho || reply.TransactionID != 7 || reply.Dropped != field {
			t.Errorf("pay with %s: %+v %v", detail, reply, err)
		}
		c, _ = centre(t, 0, says(http.StatusOK, `{`+detail+`,"result":5}`))
		if reply, err := c.Check(t.Context(), payBody(t)); err != nil || reply.Code != 5 || reply.Dropped != field {
			t.Errorf("check with code 5 and %s: %+v %v", detail, reply, err)
		}
	}
}

// What is only shown blocks nothing: it is left out, and named.
func TestDroppedDetails(t *testing.T) {
	for detail, fields := range droppedDetails {
		c, _ := centre(t, 0, says(http.StatusOK, `{`+detail+`,"result":0,"transactionId":7,"agentTransactionId":1233355}`))
		for name, call := range map[string]func() (Reply, error){
			opCheck: func() (Reply, error) { return c.Check(t.Context(), payBody(t)) },
			opPay:   func() (Reply, error) { return c.Pay(t.Context(), payBody(t)) },
		} {
			if reply, err := call(); err != nil || reply.Code != 0 || reply.TransactionID != 7 || reply.Dropped != fields {
				t.Errorf("%s with %s: %+v %v", name, detail, reply, err)
			}
		}
	}
	r, err := decodeReply([]byte(`{"result":300,"transactionId":"none yet","agentTransactionId":5}`))
	if err != nil || r.Dropped != "transactionId" {
		t.Errorf("%+v %v", r, err)
	}
}

// The value of a number decides, however the centre spells it.
func TestSpellingsOfNumbers(t *testing.T) {
	for _, zero := range []string{`0`, `0.0`, `0E0`, `0e-5`, `-0`, `0.00000`} {
		r, err := decodeReply([]byte(`{"result":` + zero + `,"rate":2.0833333E-3,"finalAmount":"1.75E2","contracts":[{"contractId":"1","contractSum":2E3}],
			"invoice":{"invoices":[{"services":[{"subServiceId":"1","data":{"paySum":900000.0000,"minSum":" .50 ","maxSum":9E5,"tariff":1e1}}]}]}}`))
		if err != nil || r.Code != 0 || r.Rate.String() != "0.0020833333" || r.FinalAmount.String() != "175" || *r.Contracts[0].Sum != 2000_00 {
			t.Fatalf("%s: %+v %v", zero, r, err)
		}
		if d := r.Invoices[0].Services[0].Data; *d.PaySum != 900_000_00 || *d.MinSum != 50 || *d.MaxSum != 900_000_00 || d.Tariff.String() != "10" {
			t.Errorf("%+v", d)
		}
	}
	if r, err := decodeReply([]byte(`{"result":2.2E2}`)); err != nil || r.Code != 220 {
		t.Errorf("%+v %v", r, err)
	}
	b, _, err := decodeBalance([]byte(`{"result":0,"agent":{"agentId":4.0,"balance":1e3,"overdraft":"-5.0E1","notification":"many"}}`))
	if err != nil || b.AgentID != 4 || b.Balance.String() != "1000" || b.Overdraft.String() != "-50" || b.Notification != nil {
		t.Errorf("%+v %v", b, err)
	}
}

// What the document mixes is read either way; what may be missing may be missing.
func TestLenientDetails(t *testing.T) {
	r, err := decodeReply([]byte("\ufeff" + ` {"result" : 0 , "resultMessage":7,"transactionId":"7","agentTransactionId":"8","unknown":{},
		"displays":{"a":1,"b":20.50,"c":true,"d":null,"e":"\u0000x"},
		"contracts":[{"contractId":587,"contractSum":1000,"contractDate":20200215000000},{"contractId":"588","contractSum":"","name":null},{"contractId":"589","contractSum":"1000.0000"}],
		"invoice":{"invoices":[{"invoiceId":2020020003535444,"services":[
			{"subServiceId":36,"data":{"paySum":"-359.8","tariff":"0.0021","minSum":"0.0","maxSum":0,"debtInfo":-5.5,"isMeter":"TRUE","prevCount":4870.00,"lastCount":null}},
			{"subServiceId":"37"}]},{}]},
		"rate":"0.0020833333","finalAmount":1.75} ` + "\r\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"a": "1", "b": "20.50", "c": "true", "d": "", "e": "\ufffdx"}
	if !reflect.DeepEqual(r.Displays, want) || r.Message != "7" || r.TransactionID != 7 || r.AgentTransactionID != 8 {
		t.Errorf("%+v", r)
	}
	if c := r.Contracts; len(c) != 3 || c[0].ContractID != "587" || *c[0].Sum != 1000_00 || c[0].Date != "20200215000000" || c[1].Sum != nil || *c[2].Sum != 1000_00 {
		t.Errorf("%+v", c)
	}
	if len(r.Invoices) != 2 || len(r.Invoices[0].Services) != 2 {
		t.Fatalf("%+v", r.Invoices)
	}
	line := r.Invoices[0].Services[0]
	if d := line.Data; line.SubServiceID != "36" || *d.PaySum != -359_80 || d.Tariff.String() != "0.0021" || *d.MinSum != 0 || *d.MaxSum != 0 ||
		d.DebtInfo != "-5.5" || !d.IsMeter || d.PrevCount != "4870.00" || d.LastCount != "" {
		t.Errorf("%+v", line)
	}
	if r.Invoices[0].Services[1].Data != (InvoiceData{}) {
		t.Errorf("%+v", r.Invoices[0].Services[1])
	}
	for _, nothing := range []string{`"displays":null`, `"displays":{}`, `"displays":[]`, `"invoice":[ ]`, `"contracts":[]`, `"contracts":null`, `"invoice":null`, `"invoice":{}`, `"invoice":{"invoices":[]}`, `"rate":""`} {
		r, err := decodeReply([]byte(`{"result":0,` + nothing + `}`))
		if err != nil || !reflect.DeepEqual(r, Reply{}) {
			t.Errorf("%s: %+v %v", nothing, r, err)
		}
	}
	if r, err := decodeReply([]byte(`{"result":0,"displays":{` + manyDisplays(31) + `}}`)); err != nil || len(r.Displays) != 31 {
		t.Errorf("one display too many blocks nothing: %+v %v", r, err)
	}
	if r, err := decodeReply([]byte("{\"result\":300,\"resultMessage\":\"\xcf\xeb\"}")); err != nil || r.Message != "\ufffd\ufffd" {
		t.Errorf("a message in another encoding costs the message only: %+v %v", r, err)
	}
}

// What came back, in the domain's words.
func TestAnswerOf(t *testing.T) {
	code := func(c domain.Code) *domain.Code { return &c }
	for name, test := range map[string]struct {
		reply Reply
		err   error
		want  domain.Answer
	}{
		"success, ours":               {Reply{Code: 0, AgentTransactionID: 5}, nil, domain.Answer{Code: code(0)}},
		"success, another's":          {Reply{Code: 0, AgentTransactionID: 6}, nil, domain.Answer{Code: code(0), StrangeEcho: true}},
		"success, nobody's":           {Reply{Code: 0}, nil, domain.Answer{Code: code(0), StrangeEcho: true}},
		"in progress, ours":           {Reply{Code: 1, AgentTransactionID: 5}, nil, domain.Answer{Code: code(1)}},
		"refused, nobody's":           {Reply{Code: 5}, nil, domain.Answer{Code: code(5)}},
		"refused, another's":          {Reply{Code: 5, AgentTransactionID: 50}, nil, domain.Answer{Code: code(5), StrangeEcho: true}},
		"unknown code":                {Reply{Code: 77, AgentTransactionID: 5}, nil, domain.Answer{Code: code(77)}},
		"no connection":               {Reply{}, &Failure{Reason: ReasonReset}, domain.Answer{}},
		"401":                         {Reply{}, &Failure{Reason: ReasonStatus, Status: 401}, domain.Answer{Rejected: true}},
		"404, wrapped":                {Reply{}, fmt.Errorf("pay: %w", &Failure{Reason: ReasonStatus, Status: 404}), domain.Answer{Rejected: true}},
		"429":                         {Reply{}, &Failure{Reason: ReasonStatus, Status: 429}, domain.Answer{}},
		"an error nobody classified":  {Reply{}, errors.New("bug"), domain.Answer{}},
		"an error beside a full code": {Reply{Code: 0, AgentTransactionID: 5}, errors.New("bug"), domain.Answer{}},
	} {
		if got := AnswerOf(test.reply, test.err, 5); !reflect.DeepEqual(got, test.want) {
			t.Errorf("%s: %+v, want %+v", name, got, test.want)
		}
	}
}
