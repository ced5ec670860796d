package verification

import (
	"context"
	"fmt"
	"slices"
	"time"

	"tolem/domain"
	"tolem/storage"
)

func (v *verifier) orders(ctx context.Context) error {
	return v.Ledger.EachInstalment(ctx, func(o storage.InstalmentOrder, r storage.InstalmentRecord) error { return v.order(ctx, o, r) })
}

// The calls of an instalment, as the journal names them, beside those of its decisions.
const (
	callCreate   = "create"
	callValidate = "validate"
	callState    = "state"
	callPaid     = "check_paid"
	callConfirm  = string(domain.DecisionConfirm)
	callReject   = string(domain.DecisionReject)
)

// order checks one instalment.
func (v *verifier) order(ctx context.Context, o storage.InstalmentOrder, r storage.InstalmentRecord) error {
	id, terminal := o.ID.WorkflowID(), o.State.Terminal()
	resolved := o.ResolvedAction != nil || o.FailReason == domain.FailResolved
	unsent := o.FailReason == domain.FailRefusedByBank || o.FailReason == domain.FailRejectedByStore // the creates decide
	v.journal(id, o.Attempts, terminal && !resolved && !unsent, r.Calls, callCreate, callConfirm, callReject)
	if !excused(r.ProcessRecord) {
		v.report.expect(StateFollows, id, v.orderProblem(o, r))
	}
	if resolved {
		v.report.expect(TwoPeople, id, resolution(domain.State(o.State)).wants(r.ProcessRecord))
	}
	v.flagged(id, o.NeedsOperator, r.ProcessRecord)
	if err := v.restored(ctx, restoredRow{id, o.Restored, o.RestoredEpoch, o.CreatedAt, terminal, resolved}, r.ProcessRecord); err != nil {
		return err
	}
	v.bankAgrees(o, r.ProcessRecord)
	return v.process(ctx, "order", id, string(o.State), terminal, o.UpdatedAt.Time)
}

// resolution is the end of an instalment or a return that two people resolved.
func resolution(outcome domain.State) approval {
	return approval{event: string(domain.EffectResolved), action: domain.ActionResolve, outcome: outcome, effect: domain.EffectResolved,
		undone: []string{string(domain.EffectDeclined)}}
}

// orderProblem says why an instalment's state does not follow from what bank and store said;
// "" when it does.
func (v *verifier) orderProblem(o storage.InstalmentOrder, r storage.InstalmentRecord) string {
	made := map[string]int{}
	for _, c := range r.Calls {
		made[c.Call]++
	}
	returned := domain.Money(0)
	for _, g := range r.Returns {
		if g.State == domain.ReturnReturned {
			returned += g.Sum
		}
	}
	switch {
	case (o.CreateSentAt != nil) != (made[callCreate] > 0):
		return fmt.Sprintf("%d creates were begun, and the row of the order says otherwise", made[callCreate])
	case made[callConfirm] > 0 && made[callReject] > 0:
		return "it was both confirmed and rejected"
	case returned != o.ReturnedSum:
		return "its returns add up to another sum than its row says"
	case !o.State.Terminal():
		return ""
	}
	words := v.wordsOf(r)
	if problem := contradictedLater(o, words); problem != "" || o.ResolvedAction != nil || o.FailReason == domain.FailResolved {
		return problem
	}
	if o.State == domain.OrderPaidOut {
		return v.paidOutProblem(o, r, words)
	}
	return v.failedProblem(o, r, words)
}

// bankWord is something that the bank said of an instalment.
type bankWord struct {
	state  domain.BankState
	means  domain.BankMeaning
	at     time.Time
	called bool // back; else it answered
}

// wordsOf are the bank's answers and callbacks.
func (v *verifier) wordsOf(r storage.InstalmentRecord) (words []bankWord) {
	for _, c := range r.Calls {
		if slices.Contains([]string{callState, callConfirm, callReject}, c.Call) && c.Outcome == storage.Answered && c.ResultMessage != "" {
			state := domain.ParseBankState(c.ResultMessage)
			words = append(words, bankWord{state: state, means: v.Words.Means(state), at: c.ReportedAt.Time})
		}
	}
	for _, c := range r.Callbacks {
		state := domain.BankState{State: c.State, SubState: c.SubState}
		word := bankWord{state: state, means: c.Meaning, at: c.At.Time, called: true}
		if word.means == "" { // of an older row
			word.means = v.Words.Means(state)
		}
		words = append(words, word)
	}
	return words
}

// contradictedLater says what the bank said after the end and against it; "" when it said
// nothing like that.
func contradictedLater(o storage.InstalmentOrder, words []bankWord) string {
	known := domain.OrderKnown{State: o.State, Decision: o.Decision, Bank: o.BankMeaning, AtBank: o.BankOrderID != ""}
	for _, w := range words {
		if o.EndedAt != nil && w.at.After(o.EndedAt.Time) && known.Contradicts(w.means) != "" {
			return fmt.Sprintf("%s, and the bank said %s afterwards", o.State, w.state)
		}
	}
	return ""
}

// paidOutProblem says why an instalment is not paid out; "" when it is.
func (v *verifier) paidOutProblem(o storage.InstalmentOrder, r storage.InstalmentRecord, words []bankWord) string {
	paid := slices.ContainsFunc(words, func(w bankWord) bool {
		return !w.called && (w.means == domain.BankDone || w.means == domain.BankActive && v.PaidByState)
	}) || slices.ContainsFunc(r.Calls, func(c storage.Attempt) bool {
		return c.Call == callPaid && c.Outcome == storage.Answered && c.ResultMessage != domain.WordNotPaid // older rows have no word
	})
	switch {
	case o.Decision == domain.DecisionReject:
		return "paid out, and the store rejected it"
	case o.BankOrderID == "":
		return "paid out, and the bank's number of it is not known"
	case !paid:
		return "paid out, and the bank never said so"
	}
	return ""
}

// failedProblem says why there may be a sale although an instalment failed; "" when there is
// certainly none.
func (v *verifier) failedProblem(o storage.InstalmentOrder, r storage.InstalmentRecord, words []bankWord) string {
	creates := bankAttempts(r.Calls, callCreate)
	undone := slices.ContainsFunc(words, func(w bankWord) bool { return !w.called && w.means == domain.BankReturned })
	failed := undone || slices.ContainsFunc(words, func(w bankWord) bool { return !w.called && w.means == domain.BankFailed })
	switch reason := o.FailReason; {
	case o.Decision == domain.DecisionConfirm && !undone:
		return "failed, and the store confirmed it"
	case reason == domain.FailClientNotFound && (o.ClientFound == nil || *o.ClientFound || len(creates) > 0):
		return "failed because the bank does not know the client, and the bank did not say so"
	case reason == domain.FailRefusedByBank && !domain.CertainRefusal(creates):
		return "failed as refused by the bank, and not every create was certainly refused"
	case reason == domain.FailRejectedByStore && o.Decision != domain.DecisionReject:
		return "failed as rejected by the store, and the store did not reject it"
	case reason == domain.FailRejectedByStore && !domain.NothingAtBank(creates):
		return "failed as rejected before the bank had it, and the bank may have it"
	case slices.Contains([]string{domain.FailClientNotFound, domain.FailRefusedByBank, domain.FailRejectedByStore}, reason), failed:
		return ""
	}
	return "failed, and the bank never said so"
}

// bankAttempts are the attempts of one request, as the rule for a certain refusal reads them.
func bankAttempts(calls []storage.Attempt, name string) (attempts []domain.BankAttempt) {
	for _, c := range calls {
		if c.Call == name {
			attempts = append(attempts, c.AtBank())
		}
	}
	return attempts
}
