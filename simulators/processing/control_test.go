package processing_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"tolem/simulators/processing"
)

func TestControlScripts(t *testing.T) {
	s := start(t, processing.Options{})
	for _, body := range []string{
		`{"call":"pay","agentTransactionId":1,"answers":[{"code":1,"times":2},{"fault":"lost_answer"},{"code":202,"transient":true}]}`,
		`{"call":"pay","agentTransactionId":"2","answers":[{"code":153}]}`,
		`{"call":"check","account":"7770017711","answers":[{"code":0,"transactionId":null,"agentTransactionId":"9"}]}`,
	} {
		if status, text := s.control("POST", "/scripts", body); status != 201 {
			t.Errorf("%d %s for %s", status, text, body)
		}
	}
	if _, text := s.control("GET", "/scripts", ""); strings.Count(text, `"number"`) != 3 {
		t.Error(text)
	}
	if text := s.call("check", phone(1)); !strings.Contains(text, `"transactionId":null,"agentTransactionId":"9"`) {
		t.Error(text)
	}
	if got := []int{s.code("pay", phone(1)), s.code("pay", phone(2))}; got[0] != 1 || got[1] != 153 {
		t.Error(got)
	}
	if _, text := s.control("GET", "/scripts", ""); strings.Count(text, `"number"`) != 1 || !strings.Contains(text, `"used":1`) {
		t.Error(text)
	}
	if status, _ := s.control("DELETE", "/scripts", ""); status != 204 {
		t.Errorf("status %d", status)
	}
	if got := s.code("pay", phone(1)); got != 0 {
		t.Errorf("after DELETE: %d", got)
	}
}

func TestControlRefusals(t *testing.T) {
	s := start(t, processing.Options{})
	for _, c := range []struct{ method, path, body, field string }{
		{"POST", "/scripts", `{"call":"pai","answers":[{}]}`, "call"},
		{"POST", "/scripts", `{"answers":[{}]}`, "call"},
		{"POST", "/scripts", `{"call":"pay"}`, "answers"},
		{"POST", "/scripts", `{"call":"pay","id":1,"answers":[{}]}`, "id"},
		{"POST", "/scripts", `{"call":"pay","agentTransactionId":"12x","answers":[{}]}`, "agentTransactionId"},
		{"POST", "/scripts", `{"call":"pay","agentTransactionId":1234567890123456789,"answers":[{}]}`, "agentTransactionId"},
		{"POST", "/scripts", `{"call":"pay","agentTransactionId":1,"account":"2","answers":[{}]}`, "account"},
		{"POST", "/scripts", `{"call":"balance","agentTransactionId":1,"answers":[{}]}`, "call"},
		{"POST", "/scripts", `{"call":"pay","answers":[{},{"fault":"lost"}]}`, "answers[1].fault"},
		{"POST", "/scripts", `{"call":"services","answers":[{"fault":"wrong_echo"}]}`, "answers[0].fault"},
		{"POST", "/scripts", `{"call":"pay","answers":[{"fault":"reset_before","code":1}]}`, "answers[0].code"},
		{"POST", "/scripts", `{"call":"pay","answers":[{"transient":true}]}`, "answers[0].transient"},
		{"POST", "/scripts", `{"call":"pay","answers":[{"times":-1}]}`, "answers[0].times"},
		{"POST", "/scripts", `{"call":"pay","answers":[{"fault":"delay"}]}`, "answers[0].delayMs"},
		{"POST", "/scripts", `{"call":"pay","answers":[{"delayMs":3600001}]}`, "answers[0].delayMs"},
		{"POST", "/scripts", `{"call":"pay","answers":[{"fault":"status"}]}`, "answers[0].status"},
		{"POST", "/scripts", `{"call":"pay","answers":[{"status":500}]}`, "answers[0].status"},
		{"POST", "/scripts", `{"call":"pay","answers":[{"body":"x"}]}`, "answers[0].body"},
		{"POST", "/scripts", `{"call":"balance","answers":[{"transactionId":1}]}`, "answers[0].transactionId"},
		{"POST", "/scripts", `{"call":"pay","answers":[{"code":"1"}]}`, "answers.code"},
		{"POST", "/scripts", `{"call":"pay","answers":[{"colour":1}]}`, "colour"},
		{"POST", "/scripts", `{"call":"pay","answers":[{}]}{}`, ""},
		{"POST", "/scripts", `call=pay`, ""},
		{"POST", "/faults", `{"call":"pay","lostAnswer":1.5}`, "lostAnswer"},
		{"POST", "/faults", `{"call":"pay","lostAnswer":0.5,"resetBefore":0.6}`, "delay"},
		{"POST", "/faults", `{"call":"pay","delay":0.5}`, "delayMs"},
		{"POST", "/faults", `{"call":"pay","lost":0.5}`, "lost"},
		{"POST", "/faults", `{"lostAnswer":0.5}`, "call"},
		{"PUT", "/balance", `{"balance":1000}`, "balance"},
		{"PUT", "/balance", `{"balance":"1000.00001"}`, "balance"},
		{"PUT", "/balance", `{}`, "balance"},
		{"PUT", "/down", `{}`, "down"},
		{"GET", "/requests?agentTransactionId=x", ``, "agentTransactionId"},
	} {
		status, text := s.control(c.method, c.path, c.body)
		var e processing.FieldError
		if err := json.Unmarshal([]byte(text), &e); err != nil || status != 400 || e.Field != c.field || e.Problem == "" {
			t.Errorf("%s %s: %d %s, want field %q", c.path, c.body, status, text, c.field)
		}
	}
	if _, text := s.control("GET", "/scripts", ""); strings.Contains(text, "number") {
		t.Error("a refused script was kept: " + text)
	}
	for path, want := range map[string]int{"/nothing": 404, "/payments/1": 404, "/down": 405} {
		if status, text := s.control("GET", path, ""); status != want || !json.Valid([]byte(text)) {
			t.Errorf("GET %s: %d %s", path, status, text)
		}
	}
}

func TestControlShowsTheBooks(t *testing.T) {
	s := start(t, processing.Options{Now: noon()})
	s.call("check", phone(1))
	s.call("pay", phone(1))
	s.call("pay", with(t, phone(2), "7770017711", "7770010000"))
	s.call("check", phone(3))
	s.call("pay", "\xff")
	_, text := s.control("GET", "/payments/1", "")
	body := sha256.Sum256([]byte(phone(1)))
	digest := hex.EncodeToString(body[:])
	p, _ := s.Payment(1)
	equalJSON(t, text, `{"agentTransactionId":1,"transactionId":100000780000001,"serviceId":"P1011","account":"7770017711","agentTransactionDate":"2015-02-17T16:48:37",
		"amountTo":"200.00","amountFrom":"200.00","state":"executed","code":0,"effects":1,
		"transactionDate":"2020-10-19T12:00:00.004","statusDate":"2020-10-19T12:00:00.004","paySha256":"`+p.PaySHA256+`"}`)
	_, text = s.control("GET", "/payments", "")
	for state, want := range map[string]int{"executed": 1, "refused": 1, "checked": 1} {
		if got := strings.Count(text, `"state":"`+state+`"`); got != want {
			t.Errorf("%d %s in %s", got, state, text)
		}
	}
	_, text = s.control("GET", "/totals", "")
	equalJSON(t, text, `{"checked":1,"registered":0,"executed":1,"refused":1,"sum":"200.00","effectsOver":0,"requests":5,"balance":"999999800.0000","down":false}`)

	var list struct{ Requests []processing.Request }
	_, text = s.control("GET", "/requests?agentTransactionId=1", "")
	if err := json.Unmarshal([]byte(text), &list); err != nil || len(list.Requests) != 2 {
		t.Fatalf("%v in %s", err, text)
	}
	first, pay := list.Requests[0], list.Requests[1]
	if first.Call != "check" || first.Moved || pay.Call != "pay" || !pay.Moved || pay.Body != phone(1) || pay.BodySHA256 != digest || pay.Number != 2 ||
		!pay.Time.Equal(time.Date(2020, 10, 19, 12, 0, 0, 3e6, time.UTC)) {
		t.Errorf("%+v", list.Requests)
	}
	_, text = s.control("GET", "/requests", "")
	if err := json.Unmarshal([]byte(text), &list); err != nil || len(list.Requests) != 5 || list.Requests[4].Body != "" || list.Requests[4].Code != 202 {
		t.Errorf("%v in %s", err, text)
	}
	if status, text := s.control("GET", "", ""); status != 200 || !strings.Contains(text, "lost_answer_midway") {
		t.Errorf("the index: %d %s", status, text)
	}
}

func TestControlFaultsAndDown(t *testing.T) {
	s := start(t, processing.Options{})
	if status, text := s.control("POST", "/faults", `{"call":"pay","resetBefore":1,"seed":42}`); status != 201 {
		t.Errorf("%d %s", status, text)
	}
	if _, _, _, err := s.try(t.Context(), "pay", phone(1)); err == nil {
		t.Error("no storm")
	}
	if status, _ := s.control("DELETE", "/faults", ""); status != 204 {
		t.Errorf("status %d", status)
	}
	if got := s.code("pay", phone(1)); got != 0 {
		t.Errorf("after the storm: %d", got)
	}
	if status, _ := s.control("PUT", "/down", `{"down":true}`); status != 200 || !s.Totals().Down {
		t.Errorf("status %d", status)
	}
	if _, _, _, err := s.try(t.Context(), "balance", ""); err == nil {
		t.Error("not down")
	}
	s.control("PUT", "/down", `{"down":false}`)
	s.control("PUT", "/balance", `{"balance":"-0.5"}`)
	if text := s.call("balance", ""); !strings.Contains(text, `"balance":-0.5000,`) {
		t.Error(text)
	}
}
