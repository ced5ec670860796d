package domain

import (
	"encoding/json"
	"errors"
	"testing"
)

// "agentTransactionId – целое число длиной до 18 знаков"
func TestAgentTransactionID(t *testing.T) {
	for text, want := range map[string]AgentTransactionID{
		"1": 1, "1233355": 1233355, "26801048196008": 26801048196008, "999999999999999999": 999999999999999999, "100000000000000000": 1e17,
	} {
		id, err := ParseAgentTransactionID(text)
		if err != nil || id != want || id.String() != text || id.WorkflowID() != "payment/"+text {
			t.Errorf("%q: %v %v", text, id, err)
		}
		b, err := json.Marshal(id)
		if err != nil || string(b) != `"`+text+`"` {
			t.Errorf("%s %v", b, err)
		}
		for _, spelling := range []string{text, `"` + text + `"`, " " + text + " "} {
			var again AgentTransactionID
			if err := json.Unmarshal([]byte(spelling), &again); err != nil || again != want {
				t.Errorf("%s: %v %v", spelling, again, err)
			}
		}
	}
	for _, text := range []string{
		"", "0", "00", "01", "-1", "+1", " 1", "1 ", "1.0", "1e3", "0x1", "1_0", "1a2", "a", "１", "٣", "1000000000000000000", "9223372036854775808",
		"1\x00", "1\n", "999999999999999999999999999999",
	} {
		if id, err := ParseAgentTransactionID(text); !errors.Is(err, ErrID) || id != 0 {
			t.Errorf("%q: %v %v", text, id, err)
		}
	}
	for _, text := range []string{`null`, `""`, `0`, `"0"`, `-1`, `1.0`, `1e3`, `true`, `[1]`, `{}`, `" 1"`, `1000000000000000000`} {
		id := AgentTransactionID(5)
		if err := json.Unmarshal([]byte(text), &id); err == nil || id != 5 {
			t.Errorf("%s was read as %v", text, id)
		}
	}
	if err := new(AgentTransactionID).UnmarshalJSON([]byte(`"`)); !errors.Is(err, ErrID) {
		t.Error(err)
	}
}

// An open state is no terminal one, and there is no third kind.
func TestState(t *testing.T) {
	want := map[State]bool{ // terminal?
		"accepted": false, "checking": false, "awaiting_payer": false, "paying": false,
		"succeeded": true, "refused": true, "cancelled": true, "expired": true, "resolved_succeeded": true, "resolved_refused": true,
	}
	if n := len(OpenStates()) + len(TerminalStates()); n != len(want) {
		t.Errorf("%d states, want %d", n, len(want))
	}
	for _, s := range OpenStates() {
		if terminal, there := want[s]; !there || terminal || s.Terminal() || !s.Known() {
			t.Errorf("%s among the open states", s)
		}
	}
	for _, s := range TerminalStates() {
		if !want[s] || !s.Terminal() || !s.Known() {
			t.Errorf("%s among the terminal states", s)
		}
	}
	for _, s := range []State{"", "Paying", "needs_operator", "done"} {
		if s.Known() || s.Terminal() {
			t.Errorf("%q is no state", s)
		}
	}
}

func TestPaymentOf(t *testing.T) {
	id, err := PaymentOf(AgentTransactionID(12).WorkflowID())
	if err != nil || id != 12 {
		t.Errorf("got %v, %v", id, err)
	}
	for _, other := range []string{"", "12", "payment/", "payment/0", "payment/12/3", "order/12", "payment/12 "} {
		if _, err := PaymentOf(other); !errors.Is(err, ErrID) {
			t.Errorf("%q: %v", other, err)
		}
	}
}
