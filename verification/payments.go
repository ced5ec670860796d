package verification

import (
	"context"
	"fmt"
	"slices"
	"time"

	"tolem/domain"
	"tolem/storage"
)

func (v *verifier) payments(ctx context.Context) error {
	return v.Ledger.EachPayment(ctx, func(p storage.Payment, r storage.ProcessRecord) error {
		return v.payment(ctx, p, r)
	})
}

// payment checks one payment.
func (v *verifier) payment(ctx context.Context, p storage.Payment, r storage.ProcessRecord) error {
	id, terminal := p.ID.WorkflowID(), p.State.Terminal()
	answered := p.State == domain.StateSucceeded || p.State == domain.StateRefused
	v.journal(id, p.Attempts, answered, r.Calls, callCheck, callPay)
	if !excused(r) {
		v.report.expect(StateFollows, id, paymentProblem(p, readAnswers(r.Calls, v.restores.held(p.CreatedAt, p.RestoredEpoch))))
	}
	v.paidBytes(p, r.Calls)
	if err := v.endedByPeople(ctx, p, r); err != nil {
		return err
	}
	v.flagged(id, p.NeedsOperator, r)
	if err := v.restored(ctx, restoredRow{id, p.Restored, p.RestoredEpoch, p.CreatedAt, terminal, p.State.Resolved()}, r); err != nil {
		return err
	}
	v.centreAgrees(p, r)
	return v.process(ctx, "payment", id, string(p.State), terminal, p.UpdatedAt.Time)
}

// The calls of a payment, as the journal names them.
const (
	callCheck = "check"
	callPay   = "pay"
)

// answers are what the centre's answers mean by the domain's rules.
type answers struct {
	pays         int  // begun
	succeeded    bool // a pay was
	refusedPay   bool // one was, by the rule for a first or a later one
	refusedCheck bool
	heldID       bool // the centre holds this id since before a pay of ours
}

// readAnswers applies the domain's rules to a payment's journal, in the order of its calls.
// held is when restores held it: a pay after that may not be the first, and an answer that came
// to a pay from before ended nothing.
func readAnswers(calls []storage.Attempt, held []time.Time) (a answers) {
	for i, c := range calls {
		since := slices.ContainsFunc(held, c.At.After)
		switch {
		case c.Call == callCheck:
			means := a.take(domain.CheckMeans(answerOf(c))).Means
			a.refusedCheck = a.refusedCheck || means == domain.Refused
		case c.Call == callPay && slices.ContainsFunc(held, func(at time.Time) bool { return c.Reported && c.At.Before(at) && c.ReportedAt.After(at) }):
			v := domain.LaterPayMeans(answerOf(c))
			if v.Means == domain.Refused {
				v.Means = domain.Repeat
			}
			a.pay(v)
		case c.Call == callPay && a.pays == 0 && !since && firstPay(calls[i:]):
			a.pay(a.take(domain.FirstPayMeans(answerOf(c))))
		case c.Call == callPay:
			a.pay(a.take(domain.LaterPayMeans(answerOf(c))))
		}
	}
	return a
}

// take is a verdict as this payment takes it. A check that is answered after a pay was begun
// says nothing of who holds the id: the pay is why.
func (a *answers) take(v domain.Verdict) domain.Verdict {
	if a.heldID {
		return v.OfHeldID()
	}
	a.heldID = v.Stop && a.pays == 0
	return v
}

// pay counts a pay that was answered so, or not at all.
func (a *answers) pay(v domain.Verdict) {
	a.pays++
	a.succeeded, a.refusedPay = a.succeeded || v.Means == domain.Succeeded, a.refusedPay || v.Means == domain.Refused
}

// answerOf is what a call brought back, reduced to what decides.
func answerOf(c storage.Attempt) domain.Answer {
	a := domain.Answer{StrangeEcho: c.Failure == string(domain.ReasonStrangeEcho)}
	if c.Reported && c.Outcome == storage.Answered {
		a.Code = c.ResultCode
	}
	return a
}

// firstPay says that the answer to the payment's first pay, which is the first of these
// calls, speaks of that pay: no other one was begun until it came.
func firstPay(calls []storage.Attempt) bool {
	first := calls[0]
	for _, c := range calls[1:] {
		if c.Call == callPay && (!first.Reported || c.ID < first.ReportedID && !c.At.After(first.ReportedAt.Time)) {
			return false
		}
	}
	return true
}

// paymentProblem says why a payment's state does not follow from the centre's answers; ""
// when it does.
func paymentProblem(p storage.Payment, a answers) string {
	began := p.PaySentAt != nil
	switch s := p.State; {
	case began != (a.pays > 0):
		return fmt.Sprintf("%d pays were begun, and the row of the payment says otherwise", a.pays)
	case s == domain.StatePaying && !began, !s.Terminal() && s != domain.StatePaying && began:
		return fmt.Sprintf("it is %s, and %d pays were begun", s, a.pays)
	case s == domain.StateSucceeded && !a.succeeded:
		return "succeeded, and no pay was answered with code 0"
	case s.Terminal() && !s.Moved() && a.succeeded:
		return fmt.Sprintf("%s, and a pay was answered with code 0", s)
	case s.NotMoved() && a.heldID:
		return fmt.Sprintf("%s, and the centre holds its number since before a pay (code 215)", s)
	case s == domain.StateRefused && began && !a.refusedPay:
		return "refused, and no answer to a pay refuses it"
	case s == domain.StateRefused && !began && !a.refusedCheck:
		return "refused, and no answer to check refuses it"
	case s.Moved() && a.refusedPay:
		return fmt.Sprintf("%s, and an answer to a pay refuses it", s)
	case (s == domain.StateCancelled || s == domain.StateExpired) && began:
		return fmt.Sprintf("%s, and %d pays were begun", s, a.pays)
	}
	return ""
}

// paidBytes checks that every pay had the bytes that were committed before the first.
func (v *verifier) paidBytes(p storage.Payment, calls []storage.Attempt) {
	for _, c := range calls {
		if c.Call == callPay && p.PayBody != nil {
			v.report.check(SameBytes, p.ID.WorkflowID(), c.BodySHA256 == storage.Digest(p.PayBody), "pay %d did not send the stored body", c.Attempt)
		}
	}
}

// endedByPeople checks the ends that no answer of the centre decides.
func (v *verifier) endedByPeople(ctx context.Context, p storage.Payment, r storage.ProcessRecord) error {
	id := p.ID.WorkflowID()
	switch p.State {
	case domain.StateResolvedSucceeded, domain.StateResolvedRefused:
		problem := approval{
			event: string(p.State), action: domain.ActionResolve, outcome: p.State, effect: domain.EffectResolved,
			undone: []string{string(domain.EffectReleased), string(domain.EffectDeclined), "proposal_lapsed"},
		}.wants(r)
		if problem == "" {
			var err error
			if problem, err = v.outweighed(ctx, p, r); err != nil {
				return err
			}
		}
		v.report.expect(TwoPeople, id, problem)
	case domain.StateCancelled:
		v.report.expect(OwnAction, id, cancelling(r))
	case domain.StateExpired:
		v.report.expect(Deadline, id, expiring(p, r))
	}
	return nil
}

// outweighed says why the centre's last word on a payment outweighs that of the two people who
// resolved it; "" when it does not. Payments that ended before the ledger kept that word are
// left alone.
func (v *verifier) outweighed(ctx context.Context, p storage.Payment, r storage.ProcessRecord) (string, error) {
	if p.PaymentCode == nil {
		return "", nil
	}
	s := domain.Standing{State: domain.StatePaying, PaySent: true, NeedsOperator: true, Proposed: p.State}
	var cites domain.EvidenceKind
	end := lastEvent(r, string(p.State))
	for _, c := range r.Calls {
		if word := answerOf(c).PaymentCode(); word != nil && c.ReportedID < end.ID {
			s.PaymentCode = word
		}
	}
	for _, a := range r.Actions {
		kind := a.EvidenceKind
		if kind == domain.EvidenceRegister {
			lacks, err := v.Ledger.RegisterLacks(ctx, a.RegisterSHA256, p.ID)
			if err != nil {
				return "", err
			}
			if !lacks {
				kind = ""
			}
		}
		switch {
		case a.Action != domain.ActionResolve || a.Outcome != p.State:
		case a.Effect == domain.EffectResolved:
			cites = kind
		case a.Effect == domain.EffectProposed: // the last one counts
			s.ProposedEvidence = kind
		}
	}
	if s.RefusesResolve(p.State, cites) == domain.RefusalInProgress {
		return "resolved as refused while the centre worked on it, and not both people cite what outweighs that", nil
	}
	return "", nil
}

// cancelling says why nobody can have cancelled a payment; "" when somebody did: an action on
// it, or Cancel in Temporal, which the journal has with the execution that heard of it.
func cancelling(r storage.ProcessRecord) string {
	e := lastEvent(r, string(domain.StateCancelled))
	if e == nil || e.ActionID == nil && e.Execution == "" {
		return "cancelled, and the journal does not say by whom"
	}
	if a := actionOf(r, *e); e.ActionID != nil && (a == nil || a.Action != domain.ActionCancel || a.Effect != domain.EffectCancelled) {
		return "cancelled, and no action on this payment cancels it"
	}
	return ""
}

const (
	// clockSlack is how far the clock of the worker that journals an end may be behind the
	// database's, which decides.
	clockSlack = time.Minute
	// unwrittenDeadline is that of payments which asked before rows kept one.
	unwrittenDeadline = 24 * time.Hour
)

// expiring says why a payment cannot have expired; "" when it did.
func expiring(p storage.Payment, r storage.ProcessRecord) string {
	e := lastEvent(r, string(domain.StateExpired))
	deadline := p.CreatedAt.Add(unwrittenDeadline)
	if p.PayerUntil != nil {
		deadline = p.PayerUntil.Time
	}
	switch {
	case e == nil:
		return "expired, and the journal does not say when"
	case e.At.Add(clockSlack).Before(deadline):
		return fmt.Sprintf("expired %s before its deadline", deadline.Sub(e.At.Time).Round(time.Second))
	case p.ChoiceSHA256 != "":
		return "expired, and its payer had chosen"
	}
	return ""
}
