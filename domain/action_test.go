package domain

import "testing"

// What may be done to a payment, where it stands.
func TestRefuses(t *testing.T) {
	code := func(c Code) *Code { return &c }
	accepted := Standing{State: StateAccepted}
	checking := Standing{State: StateChecking, NeedsOperator: true}
	asking := Standing{State: StateAwaitingPayer}
	paying := Standing{State: StatePaying, PaySent: true}
	flagged := Standing{State: StatePaying, PaySent: true, NeedsOperator: true, Code: code(CodeNumberExists)}
	exists := Standing{State: StateChecking, NeedsOperator: true, HeldID: true, Code: code(CodeNumberExists)}
	asked := Standing{State: StateAwaitingPayer, Held: true}
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
		"cancel a held id":               {exists, ActionCancel, "", RefusalNumberExists},
		"resolve a held id":              {exists, ActionResolve, StateResolvedRefused, ""},
		"retry a held id":                {exists, ActionRetry, "", ""},
		"release a held id, not held":    {exists, ActionRelease, "", RefusalNotHeld},
		"release while the payer thinks": {asked, ActionRelease, "", ""},
		"decline":                        {proposed, ActionDecline, "", ""},
		"decline nothing":                {held, ActionDecline, "", RefusalNotProposed},
		"resolve":                        {flagged, ActionResolve, StateResolvedRefused, ""},
		"resolve unflagged":              {paying, ActionResolve, StateResolvedSucceeded, RefusalNoOperator},
		"resolve never paid":             {checking, ActionResolve, StateResolvedRefused, RefusalNeverPaid},
		"resolve held":                   {held, ActionResolve, StateResolvedSucceeded, ""},
		"resolve the same again":         {proposed, ActionResolve, StateResolvedRefused, ""},
		"resolve the opposite":           {proposed, ActionResolve, StateResolvedSucceeded, RefusalOtherOutcome},
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

func with(s Standing, c *Code) Standing { s.Code, s.PaymentCode = c, c; return s }

// "Нефинальный (временный) код": while the centre's last word on the payment is one, a
// person's "refused" is not believed, whatever it said of the last request since. Two
// people who both cite its cancellation, or a register of the closed day, outweigh it.
func TestResolveRefusedAgainstTheCentresWord(t *testing.T) {
	flagged := Standing{State: StatePaying, PaySent: true, NeedsOperator: true}
	for c := Code(0); c <= 400; c++ {
		temporary := c == 1 || c == 153 || c == 220 || c == 255
		for _, last := range []Code{c, CodeBadRequest, CodeNumberExists, 999} {
			s := flagged
			s.Code, s.PaymentCode = code(last), code(c)
			want := Refusal("")
			if temporary {
				want = RefusalInProgress
			}
			if got := s.RefusesResolve(StateResolvedRefused, ""); got != want {
				t.Errorf("word %d, last code %d: %q, want %q", c, last, got, want)
			}
			if got := s.RefusesResolve(StateResolvedSucceeded, ""); got != "" {
				t.Errorf("succeeded, word %d, last code %d: %q", c, last, got)
			}
		}
		old := with(flagged, nil) // what began under an older version
		if old.Code = code(c); (old.RefusesResolve(StateResolvedRefused, "") == RefusalInProgress) != temporary {
			t.Errorf("last code %d alone", c)
		}
	}
	reviewed := with(flagged, code(CodeSecurityReview))
	for _, first := range []EvidenceKind{"", EvidenceCentreCancelled, EvidenceRegister, "hearsay"} {
		for _, second := range []EvidenceKind{"", EvidenceCentreCancelled, EvidenceRegister, "hearsay"} {
			if got := reviewed.RefusesResolve(StateResolvedRefused, first); (got == "") != first.Known() {
				t.Errorf("first cites %q: %q", first, got)
			}
			s := reviewed
			s.Proposed, s.ProposedEvidence = StateResolvedRefused, first
			if got := s.RefusesResolve(StateResolvedRefused, second); (got == "") != (first.Known() && second.Known()) {
				t.Errorf("first cites %q, second %q: %q", first, second, got)
			}
		}
	}
}
