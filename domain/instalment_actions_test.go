package domain

import "testing"

func TestOrderActions(t *testing.T) {
	for _, c := range []struct {
		state  OrderState
		held   bool
		action Action
		want   Refusal
	}{
		{OrderCreating, false, ActionRetry, ""}, {OrderCreating, true, ActionRetry, RefusalOrderHeld},
		{OrderConfirming, false, ActionHold, ""}, {OrderConfirming, true, ActionHold, ""},
		{OrderActive, true, ActionRelease, ""}, {OrderActive, false, ActionRelease, RefusalNotHeld},
		{OrderPaidOut, false, ActionRetry, RefusalOrderEnded}, {OrderFailed, true, ActionRelease, RefusalOrderEnded},
	} {
		if got := (OrderStanding{State: c.state, Held: c.held}).Refuses(c.action); got != c.want {
			t.Errorf("%+v: refused with %q", c, got)
		}
	}
}

// Two people say how an instalment ended, unless the bank's last word contradicts them.
func TestResolveAnOrder(t *testing.T) {
	for name, c := range map[string]struct {
		s       OrderStanding
		outcome OrderState
		want    Refusal
	}{
		"nothing was sent":                        {OrderStanding{State: OrderAccepted}, OrderFailed, ""},
		"nothing was sent, so nobody paid":        {OrderStanding{State: OrderAccepted}, OrderPaidOut, RefusalNeverSent},
		"nobody knows whether the bank has it":    {OrderStanding{State: OrderCreating, Sent: true}, OrderFailed, ""},
		"the bank has it and paid, by its letter": {OrderStanding{State: OrderCreating, Sent: true}, OrderPaidOut, ""},
		"held":                                  {OrderStanding{State: OrderCreating, Sent: true, Held: true}, OrderFailed, ""},
		"the client decides":                    {OrderStanding{State: OrderWaitingForClient, Sent: true, BankSays: BankPending}, OrderFailed, RefusalRejectFirst},
		"the store decides":                     {OrderStanding{State: OrderWaitingForStore, Sent: true, BankSays: BankReady}, OrderFailed, RefusalRejectFirst},
		"rejected, and held before it is sent":  {OrderStanding{State: OrderWaitingForStore, Sent: true, Decision: DecisionReject, BankSays: BankReady}, OrderFailed, ""},
		"rejecting":                             {OrderStanding{State: OrderRejecting, Sent: true, Decision: DecisionReject, BankSays: BankReady}, OrderFailed, ""},
		"confirming":                            {OrderStanding{State: OrderConfirming, Sent: true, Decision: DecisionConfirm, BankSays: BankReady}, OrderPaidOut, ""},
		"confirming, and there was no sale":     {OrderStanding{State: OrderConfirming, Sent: true, Decision: DecisionConfirm, BankSays: BankReady}, OrderFailed, ""},
		"a callback says that it was confirmed": {OrderStanding{State: OrderConfirming, Sent: true, BankSays: BankActive}, OrderFailed, RefusalBankSays},
		"a callback says that it failed":        {OrderStanding{State: OrderConfirming, Sent: true, BankSays: BankFailed}, OrderPaidOut, RefusalBankSays},
		"confirmed":                             {OrderStanding{State: OrderActive, Sent: true, BankSays: BankActive}, OrderFailed, RefusalBankSays},
		"confirmed and repaid":                  {OrderStanding{State: OrderActive, Sent: true, BankSays: BankDone}, OrderFailed, RefusalBankSays},
		"confirmed, and never paid":             {OrderStanding{State: OrderActive, Sent: true, BankSays: BankActive, NoPayout: true}, OrderFailed, ""},
		"confirmed, and paid":                   {OrderStanding{State: OrderActive, Sent: true, BankSays: BankActive}, OrderPaidOut, ""},
		"another outcome is proposed":           {OrderStanding{State: OrderCreating, Sent: true, Proposed: OrderPaidOut}, OrderFailed, RefusalOtherOutcome},
		"the same is proposed":                  {OrderStanding{State: OrderCreating, Sent: true, Proposed: OrderFailed}, OrderFailed, ""},
		"ended":                                 {OrderStanding{State: OrderFailed, Sent: true}, OrderFailed, RefusalOrderEnded},
	} {
		if got := c.s.RefusesResolve(c.outcome); got != c.want {
			t.Errorf("%s: refused with %q, want %q", name, got, c.want)
		}
	}
	for _, s := range OpenOrderStates() { // whatever the bank said, there is a way to the end
		for _, says := range []BankMeaning{"", BankPending, BankReady, BankActive, BankDone, BankReturned, BankFailed, BankUnknown} {
			standing := OrderStanding{State: s, Sent: true, BankSays: says}
			if standing.RefusesResolve(OrderPaidOut) != "" && standing.RefusesResolve(OrderFailed) != "" && !DecisionReject.Takes(s) {
				t.Errorf("%s with %q at the bank cannot end", s, says)
			}
		}
		if OrderOutcome(s) {
			t.Errorf("%s is no outcome", s)
		}
	}
}

func TestActionsOnReturns(t *testing.T) {
	for _, c := range []struct {
		s      ReturnStanding
		action Action
		want   Refusal
	}{
		{ReturnStanding{State: ReturnReturning}, ActionRetry, ""}, {ReturnStanding{State: ReturnReturning, Held: true}, ActionRetry, RefusalOrderHeld},
		{ReturnStanding{State: ReturnAccepted}, ActionHold, ""}, {ReturnStanding{State: ReturnAccepted}, ActionRelease, RefusalNotHeld},
		{ReturnStanding{State: ReturnReturning, Held: true}, ActionRelease, ""}, {ReturnStanding{State: ReturnReturned}, ActionHold, RefusalOrderEnded},
		{ReturnStanding{State: ReturnReturning}, ActionDecline, RefusalNotProposed},
		{ReturnStanding{State: ReturnReturning, Proposed: ReturnFailed}, ActionDecline, ""},
	} {
		if got := c.s.Refuses(c.action); got != c.want {
			t.Errorf("%+v: refused with %q", c, got)
		}
	}
	for _, c := range []struct {
		s       ReturnStanding
		outcome ReturnState
		want    Refusal
	}{
		{ReturnStanding{State: ReturnAccepted}, ReturnFailed, ""}, {ReturnStanding{State: ReturnAccepted}, ReturnReturned, RefusalNeverSent},
		{ReturnStanding{State: ReturnReturning, Sent: true}, ReturnReturned, ""}, {ReturnStanding{State: ReturnReturning, Sent: true, Held: true}, ReturnFailed, ""},
		{ReturnStanding{State: ReturnReturning, Sent: true, Proposed: ReturnFailed}, ReturnReturned, RefusalOtherOutcome},
		{ReturnStanding{State: ReturnFailed, Sent: true}, ReturnReturned, RefusalOrderEnded},
	} {
		if got := c.s.RefusesResolve(c.outcome); got != c.want {
			t.Errorf("%+v: refused with %q", c, got)
		}
	}
}
