package domain

import "testing"

func TestOrderStates(t *testing.T) {
	terminal := map[OrderState]bool{OrderPaidOut: true, OrderFailed: true}
	settled := map[OrderState]bool{OrderActive: true, OrderPaidOut: true}
	all := append(OpenOrderStates(), TerminalOrderStates()...)
	if len(all) != 9 {
		t.Errorf("%d states", len(all))
	}
	for _, s := range all {
		if !s.Known() || s.Terminal() != terminal[s] || s.Settled() != settled[s] {
			t.Errorf("%s: known %t, terminal %t, settled %t", s, s.Known(), s.Terminal(), s.Settled())
		}
	}
	for _, s := range []OrderState{"", "paid", "Accepted"} {
		if s.Known() || s.Terminal() {
			t.Errorf("%q is no state", s)
		}
	}
	for s, want := range map[ReturnState]bool{ReturnAccepted: false, ReturnReturning: false, ReturnReturned: true, ReturnFailed: true} {
		if s.Terminal() != want {
			t.Errorf("%s: terminal %t", s, s.Terminal())
		}
	}
}

// Confirm after the client agreed; reject until the bank confirmed; neither while the
// other, or the same, is on its way.
func TestDecisions(t *testing.T) {
	confirm := map[OrderState]bool{OrderWaitingForStore: true}
	reject := map[OrderState]bool{OrderAccepted: true, OrderCreating: true, OrderWaitingForClient: true, OrderWaitingForStore: true}
	for _, s := range append(OpenOrderStates(), TerminalOrderStates()...) {
		if DecisionConfirm.Takes(s) != confirm[s] || DecisionReject.Takes(s) != reject[s] {
			t.Errorf("%s: confirm %t, reject %t", s, DecisionConfirm.Takes(s), DecisionReject.Takes(s))
		}
	}
	if DecisionConfirm.Deciding() != OrderConfirming || DecisionReject.Deciding() != OrderRejecting {
		t.Error("deciding")
	}
}
