package domain

import "testing"

// What may be done to a payment, where it stands.
func TestRefuses(t *testing.T) {
	code := func(c Code) *Code { return &c }
	accepted := Standing{State: StateAccepted}
	checking := Standing{State: StateChecking, NeedsOperator: true}
	asking := Standing{State: StateAwaitingPayer}
	paying := Standing{State: StatePaying, PaySent: true}
	flagged := Standing{State: StatePaying, PaySent: true, NeedsOperator: true, Code: code(CodeAgentLacksFunds)}
	held := Standing{State: StatePaying, PaySent: true, NeedsOperator: true, Held: true}
	proposed := Standing{State: StatePaying, PaySent: true, NeedsOperator: true, Proposed: StateResolvedRefused}
	ended := Standing{State: StateRefused, PaySent: true, NeedsOperator: true}
	for name, c := range map[string]struct {
		standing Standing
		action   Action
		outcome  State
		want     Refusal
	}{
		"retry":                          {paying, ActionRetry, "", ""},
		"retry before anything":          {accepted, ActionRetry, "", ""},
		"retry held":                     {held, ActionRetry, "", RefusalHeld},
		"retry proposed":                 {proposed, ActionRetry, "", RefusalHeld},
		"retry while the payer thinks":   {asking, ActionRetry, "", RefusalAwaitsPayer},
		"hold":                           {paying, ActionHold, "", ""},
		"hold again":                     {held, ActionHold, "", ""},
		"hold while the payer thinks":    {asking, ActionHold, "", RefusalAwaitsPayer},
		"release":                        {held, ActionRelease, "", ""},
		"release a proposal":             {proposed, ActionRelease, "", ""},
		"release what is not held":       {paying, ActionRelease, "", RefusalNotHeld},
		"cancel at check":                {checking, ActionCancel, "", ""},
		"cancel while the payer thinks":  {asking, ActionCancel, "", ""},
		"cancel after pay":               {paying, ActionCancel, "", RefusalPaySent},
		"cancel held after pay":          {held, ActionCancel, "", RefusalPaySent},
		"resolve":                        {flagged, ActionResolve, StateResolvedRefused, ""},
		"resolve unflagged":              {paying, ActionResolve, StateResolvedSucceeded, RefusalNoOperator},
		"resolve never paid":             {checking, ActionResolve, StateResolvedRefused, RefusalNeverPaid},
		"resolve held":                   {held, ActionResolve, StateResolvedSucceeded, ""},
		"resolve the same again":         {proposed, ActionResolve, StateResolvedRefused, ""},
		"resolve the opposite":           {proposed, ActionResolve, StateResolvedSucceeded, RefusalOtherOutcome},
		"refused while in progress":      {with(flagged, code(CodeInProgress)), ActionResolve, StateResolvedRefused, RefusalInProgress},
		"refused while under review":     {with(flagged, code(CodeSecurityReview)), ActionResolve, StateResolvedRefused, RefusalInProgress},
		"succeeded while in progress":    {with(flagged, code(CodeInProgress)), ActionResolve, StateResolvedSucceeded, ""},
		"refused with another last code": {with(flagged, code(CodeNumberExists)), ActionResolve, StateResolvedRefused, ""},
	} {
		if got := c.standing.Refuses(c.action, c.outcome); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
	for _, a := range Actions() {
		if got := ended.Refuses(a, StateResolvedRefused); got != RefusalEnded {
			t.Errorf("%s of an ended payment: %q", a, got)
		}
		if !a.Known() {
			t.Errorf("%s is not known", a)
		}
	}
	if Action("pay").Known() {
		t.Error("pay is no operator's action")
	}
}

func with(s Standing, c *Code) Standing { s.Code = c; return s }
