package processing_test

import (
	"strings"
	"testing"

	"tolem/simulators/processing"
)

// Overdraft and notification, together and one by one.
func TestThresholds(t *testing.T) {
	dir := t.TempDir()
	s := start(t, processing.Options{Dir: dir})
	if err := s.SetThresholds(-100_0000, 500_5000); err != nil {
		t.Fatal(err)
	}
	if err := s.SetBalance(100_0000); err != nil {
		t.Fatal(err)
	}
	shows := func(balance, overdraft, notification string) {
		t.Helper()
		if text := s.call("balance", ""); !strings.Contains(text, `"balance":`+balance+`,"overdraft":`+overdraft+`,"notification":`+notification+`,`) {
			t.Error(text)
		}
	}
	shows("100.0000", "-100.0000", "500.5000")
	if got := s.code("pay", phone(1)); got != 0 { // down to the overdraft, not below it
		t.Errorf("on credit: %d", got)
	}
	if got := s.code("pay", phone(2)); got != 220 {
		t.Errorf("over the credit: %d", got)
	}
	status, text := s.control("PUT", "/balance", `{"overdraft":"-299.9999"}`)
	if status != 200 {
		t.Errorf("%d %s", status, text)
	}
	equalJSON(t, text, `{"balance":"-100.0000","overdraft":"-299.9999","notification":"500.5000"}`)
	if got := s.code("pay", phone(2)); got != 220 {
		t.Errorf("a ten-thousandth over the credit: %d", got)
	}
	s = start(t, processing.Options{Dir: dir})
	shows("-100.0000", "-299.9999", "500.5000")
	s.control("PUT", "/balance", `{"balance":"499.9999","overdraft":"300"}`)
	if got := s.code("pay", phone(2)); got != 220 {
		t.Errorf("a ten-thousandth below a balance that must remain: %d", got)
	}
	s.control("PUT", "/balance", `{"balance":"500","notification":"7.5"}`)
	shows("500.0000", "300.0000", "7.5000")
	if got := s.code("pay", phone(2)); got != 0 {
		t.Errorf("%d", got)
	}
	s.effects(2, 1)
	for body, field := range map[string]string{
		`{"overdraft":"x","balance":"9"}`: "overdraft", `{"notification":""}`: "notification", `{"overdraft":5}`: "overdraft", `{"limit":"5"}`: "limit",
	} {
		if status, text := s.control("PUT", "/balance", body); status != 400 || !strings.Contains(text, `{"field":"`+field+`"`) {
			t.Errorf("%s: %d %s", body, status, text)
		}
	}
	shows("300.0000", "300.0000", "7.5000")
}
