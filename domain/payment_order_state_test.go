package domain

import "testing"

// Every status from every state: what is allowed, what is only acknowledged, and what
// leads back. The rows are k2.md, "The process", 4.
func TestPaymentOrderStatuses(t *testing.T) {
	const no, again = "-", "="
	states := append(OpenPaymentOrderStates(), TerminalPaymentOrderStates()...)
	if len(states) != 10 {
		t.Fatalf("%d states", len(states))
	}
	// the columns: gathering, sent, confirmed, accepted, activated, part_paid, executed, reversed, not_accepted, closed
	for status, row := range map[PaymentOrderStatus][10]string{
		StatusRequestSent:         {no, no, no, no, no, no, no, no, no, no}, // ours alone
		StatusRequestConfirmed:    {"confirmed", "confirmed", again, no, no, no, no, no, no, no},
		StatusAccepted:            {"accepted", "accepted", "accepted", again, no, no, no, no, no, no},
		StatusActivated:           {"activated", "activated", "activated", "activated", again, no, no, no, no, no},
		StatusNotAccepted:         {"not_accepted", "not_accepted", "not_accepted", "not_accepted", no, no, no, no, again, no},
		StatusExecuted:            {"executed", "executed", "executed", "executed", "executed", "executed", no, no, no, "closed"},
		StatusReversed:            {no, no, no, "reversed", "reversed", "reversed", no, again, no, no},
		StatusReversalNotAccepted: {no, no, no, "accepted", "activated", "part_paid", no, no, no, no},
		StatusReversedBefore:      {no, no, no, no, no, no, no, "reversed", no, no},
		StatusExecutedBefore:      {no, no, no, no, no, no, "executed", no, no, no},
		"payment order forgotten": {no, no, no, no, no, no, no, no, no, no},
	} {
		for i, from := range states {
			want, verdict := PaymentOrderState(row[i]), StatusTaken
			switch row[i] {
			case no:
				want, verdict = from, StatusRefused
			case again:
				want, verdict = from, StatusRepeated
			}
			if got, is := from.After(status, true); got != want || is != verdict {
				t.Errorf("%s, %q: %s %s, want %s %s", from, status, got, is, want, verdict)
			}
			if status != StatusExecuted {
				continue
			}
			if verdict == StatusTaken && from != PaymentOrderClosed {
				want = PaymentOrderPartPaid
			}
			if got, is := from.After(status, false); got != want || is != verdict {
				t.Errorf("%s, in part: %s %s, want %s %s", from, got, is, want, verdict)
			}
		}
	}
}

func TestPaymentOrderStates(t *testing.T) {
	for _, s := range OpenPaymentOrderStates() {
		if s.Terminal() || !s.Known() {
			t.Error(s)
		}
	}
	for _, s := range TerminalPaymentOrderStates() {
		if !s.Terminal() || !s.Known() {
			t.Error(s)
		}
	}
	if PaymentOrderState("lost").Known() {
		t.Error("a state of nobody")
	}
	if n := len(PaymentOrderStatuses()); n != 10 || PaymentOrderStatus("Request was sent").Known() || !StatusExecutedBefore.Known() {
		t.Errorf("%d statuses", n)
	}
	for code, want := range map[BankStatusCode]PaymentOrderStatus{"PC1": StatusAccepted, "PC3": StatusActivated, "PC2": "", "pc1": ""} {
		if got, ok := code.Status(); got != want || ok != (want != "") {
			t.Errorf("%s: %q %t", code, got, ok)
		}
	}
}
