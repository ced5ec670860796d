package cfront_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func (s *stand) control(method, path, body string) answer {
	s.t.Helper()
	a, err := s.send(method, "/control"+path, body, nil)
	require.NoError(s.t, err)
	return a
}

// An operator's way from order to return, by the control API alone.
func TestControl(t *testing.T) {
	s := start(t, nil)
	require.Contains(t, s.control("GET", "", "").body, "control/clock")
	about := s.creates("a", thinks, nil)
	for _, c := range []struct {
		method, path, body string
		status             int
		then               string // the order's state
	}{
		{"POST", "/client", `{"storeOrderId":"a","does":"agree"}`, 204, "IN_PROCESS/WAITING_FOR_STORE_CONFIRM"},
		{"PUT", "/settings", `{"confirmTimeoutMs":1000}`, 200, "IN_PROCESS/WAITING_FOR_STORE_CONFIRM"},
		{"POST", "/clock", `{"advanceMs":1000}`, 204, "FAIL/CONFIRM_TIME_EXPIRED"},
		{"POST", "/state", `{"storeOrderId":"a","state":"SUCCESS","order_sub_state":"ACTIVE"}`, 204, "SUCCESS/ACTIVE"},
		{"POST", "/bank", `{"storeOrderId":"a","does":"pay_out"}`, 204, "SUCCESS/ACTIVE"},
		{"POST", "/client", `{"storeOrderId":"a","does":"repay"}`, 204, "SUCCESS/DONE"},
		{"POST", "/bank", `{"storeOrderId":"a","does":"take_back","sum":90000.00}`, 204, "SUCCESS/RETURNED"},
		{"POST", "/client", `{"storeOrderId":"a","does":"refuse"}`, 400, "SUCCESS/RETURNED"},
	} {
		a := s.control(c.method, c.path, c.body)
		require.Equal(t, c.status, a.status, "%s: %s", c.path, a.body)
		s.is("a", about, c.then)
	}
	require.Equal(t, true, s.call("order/check/paid", about).field("fully_paid"))
	require.Equal(t, "a", s.control("GET", "/order?storeOrderId=a", "").field("storeOrderId"))
	require.Equal(t, 404, s.control("GET", "/order?storeOrderId=b", "").status)
	require.Contains(t, s.control("GET", "/orders", "").body, `"SUCCESS"`)
	require.Equal(t, float64(0), s.control("GET", "/totals", "").field("broken"))
	require.NotContains(t, s.control("GET", "/requests?storeOrderId=b", "").body, "number")
	require.Contains(t, s.control("GET", "/requests?storeOrderId=a", "").body, `"call":"order/create"`)
	require.Equal(t, `{"deliveries":[]}`, strings.TrimSpace(s.control("GET", "/callbacks", "").body))
	var settings map[string]any
	require.NoError(t, json.Unmarshal([]byte(s.control("GET", "/settings", "").body), &settings))
	require.Equal(t, []any{"old", float64(1000), float64(1000)}, []any{settings["profile"], settings["confirmTimeoutMs"], settings["decisionDelayMs"]})
}

func TestControlOfAnswers(t *testing.T) {
	s := start(t, nil)
	require.Equal(t, 201, s.control("POST", "/scripts", `{"call":"order/create","answers":[{"fault":"status","status":500}]}`).status)
	require.Contains(t, s.control("GET", "/scripts", "").body, `"used":0`)
	require.Equal(t, 204, s.control("DELETE", "/scripts", "").status)
	require.Equal(t, `{"scripts":[]}`, strings.TrimSpace(s.control("GET", "/scripts", "").body))
	require.Equal(t, 201, s.control("POST", "/faults", `{"call":"order/create","resetBefore":1}`).status)
	_, err := s.try("order/create", application("a", agrees, nil))
	require.Error(t, err)
	require.Equal(t, 204, s.control("DELETE", "/faults", "").status)
	require.Equal(t, 200, s.control("PUT", "/down", `{"down":true}`).status)
	_, err = s.try("order/create", application("a", agrees, nil))
	require.Error(t, err)
	require.Equal(t, 200, s.control("PUT", "/down", `{"down":false}`).status)
	for _, mode := range []string{"before", "after"} {
		require.Contains(t, s.control("PUT", "/gate", `{"call":"order/create","mode":"`+mode+`","closed":true}`).body, `"waiting":0`)
	}
	require.Equal(t, 2, strings.Count(s.control("GET", "/gate", "").body, "order/create"))
	s.control("PUT", "/gate", `{"call":"order/create","closed":false}`)
	require.Equal(t, `{"gates":[]}`, strings.TrimSpace(s.control("GET", "/gate", "").body))
	require.Equal(t, 201, s.call("order/create", application("a", agrees, nil)).status)
}

func TestControlRefusals(t *testing.T) {
	s := start(t, nil)
	before := s.Settings()
	for _, c := range []struct{ method, path, body, field string }{
		{"POST", "/client", `{"storeOrderId":"x","does":"agree"}`, "storeOrderId"},
		{"POST", "/client", `{"storeOrderId":"x","does":"dance"}`, "does"},
		{"POST", "/bank", `{"storeOrderId":"x","does":"pay_out"}`, "storeOrderId"},
		{"POST", "/bank", `{"storeOrderId":"x","does":"pay"}`, "does"},
		{"POST", "/state", `{"storeOrderId":"x","state":"FAIL","order_sub_state":"FAIL"}`, "storeOrderId"},
		{"POST", "/clock", `{"advanceMs":0}`, "advanceMs"},
		{"POST", "/clock", `{"advanceMs":"1"}`, "advanceMs"},
		{"PUT", "/settings", `{"profile":"middle","decisionDelayMs":5}`, "profile"},
		{"PUT", "/settings", `{"callbacks":{"loss":2}}`, "callbacks.loss"},
		{"PUT", "/settings", `{"colour":1}`, "colour"},
		{"POST", "/scripts", `{"call":"order/creates","answers":[{}]}`, "call"},
		{"POST", "/scripts", `{"call":"order/create"}`, "answers"},
		{"POST", "/scripts", `{"call":"order/create","storeOrderId":"a","phone":"b","answers":[{}]}`, "phone"},
		{"POST", "/scripts", `{"call":"order/create","answers":[{},{"fault":"lost"}]}`, "answers[1].fault"},
		{"POST", "/scripts", `{"call":"order/create","answers":[{"times":-1}]}`, "answers[0].times"},
		{"POST", "/scripts", `{"call":"order/create","answers":[{"fault":"delay"}]}`, "answers[0].delayMs"},
		{"POST", "/scripts", `{"call":"order/create","answers":[{"delayMs":3600001}]}`, "answers[0].delayMs"},
		{"POST", "/scripts", `{"call":"order/create","answers":[{"fault":"status"}]}`, "answers[0].status"},
		{"POST", "/scripts", `{"call":"order/create","answers":[{"status":500}]}`, "answers[0].status"},
		{"POST", "/scripts", `{"call":"order/create","answers":[{"body":"x"}]}`, "answers[0].body"},
		{"POST", "/faults", `{"call":"order/creates"}`, "call"},
		{"POST", "/faults", `{"call":"order/create","lostAnswer":1.1}`, "lostAnswer"},
		{"POST", "/faults", `{"call":"order/create","lostAnswer":0.6,"resetBefore":0.6}`, "delay"},
		{"POST", "/faults", `{"call":"order/create","delay":0.1}`, "delayMs"},
		{"PUT", "/down", `{}`, "down"},
		{"PUT", "/gate", `{"call":"order/creates","closed":true}`, "call"},
		{"PUT", "/gate", `{"call":"order/create","mode":"between","closed":true}`, "mode"},
		{"PUT", "/gate", `{"call":"order/create"}`, "closed"},
		{"PUT", "/gate", `{"call":"order/create","closed":true} {}`, ""},
	} {
		a := s.control(c.method, c.path, c.body)
		require.Equal(t, 400, a.status, c.body)
		require.Equal(t, c.field, a.field("field"), "%s: %s", c.body, a.body)
		require.NotEmpty(t, a.field("problem"))
	}
	require.Equal(t, before, s.Settings())
	require.Equal(t, `{"scripts":[]}`, strings.TrimSpace(s.control("GET", "/scripts", "").body))
	require.Equal(t, `{"gates":[]}`, strings.TrimSpace(s.control("GET", "/gate", "").body))
	require.Equal(t, 404, s.control("GET", "/nothing", "").status)
}
