package operator

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"tolem/domain"
)

// payment is what is shown of one; whom it is for is in account alone.
type payment struct {
	ID            string                `json:"id"`
	State         domain.State          `json:"state"`
	NeedsOperator bool                  `json:"needs_operator"`
	Reason        domain.OperatorReason `json:"operatorReason"`
	ServiceID     string                `json:"serviceId"`
	Account       string                `json:"account"`
	AmountTo      json.Number           `json:"amountTo"`
	Asks          string                `json:"asks"`
	ExpiresAt     *time.Time            `json:"expiresAt"`
	Choice        json.RawMessage       `json:"choice"`
	ResultCode    *domain.Code          `json:"resultCode"`
	ResultMessage string                `json:"resultMessage"`
	TransactionID string                `json:"transactionId"`
	Attempts      int                   `json:"attempts"`
	NextAttemptAt *time.Time            `json:"nextAttemptAt"`
	HeldID        bool                  `json:"idHeldByCentre"`
	PaymentCode   *domain.Code          `json:"paymentCode"`
	Held          bool                  `json:"held"`
	Paused        bool                  `json:"paused"`
	Proposed      *struct {
		Outcome domain.State `json:"outcome"`
		Until   time.Time    `json:"until"`

		EvidenceKind domain.EvidenceKind `json:"evidenceKind"`
	} `json:"proposed"`
	CreatedAt time.Time `json:"createdAt"`
	UpdatedAt time.Time `json:"updatedAt"`
	beside
}

func payments() kind {
	resolving := []field{
		{flag: "outcome", key: "outcome", usage: "succeeded or refused: whether the money moved (required)", required: true},
		becauseOf,
		{flag: "evidence", key: "evidence", usage: "the partner's letter or register row (required)", required: true},
		{flag: "evidence-kind", key: "evidenceKind", usage: "centre_cancelled or register: what outweighs a temporary code of the centre; both operators have to cite it"},
		{flag: "register-sha256", key: "registerSha256", usage: "with --evidence-kind register: the registerSha256 that comparing it answered"},
	}
	return kind{
		use: "payments", one: "payment", path: "/v1/payments", argument: "ID", short: "Look after payments through the processing centre.",
		filters: append([]filter{
			byState,
			{flag: "service", parameter: "serviceId", usage: "only of one service, such as P1011"},
			{flag: "code", parameter: "resultCode", usage: "only with this last code of the processing centre, such as 220"},
			{flag: "paused", parameter: "paused", usage: "only those whose attempts wait while the centre is down", boolean: true},
			{flag: "batch", parameter: "batchId", usage: "only of one batch"},
		}, common...),
		head: []string{"ID", "STATE", "NOTE", "SERVICE", "AMOUNT", "CODE", "ATTEMPTS", "AGE"},
		read: readAs[payment],
		lists: []sublist{
			{use: "attempts", short: "Every call that was made for a payment, in their order.", title: "Attempts", table: attemptTable()},
			{use: "actions", short: "What people ordered for a payment: who, why, when, and what it did.", title: "Actions", table: actionTable()},
		},
		more: []func(Options) *cobra.Command{manyCommand},
		did:  map[string]string{"declined": "the proposal is dropped: it goes on by itself, unless it is held"},
		actions: []action{
			{use: "retry", short: "Make one attempt now; the growing interval goes on from where it was.", fields: []field{becauseOf}},
			{use: "hold", short: "Make no more attempts until it is released.", fields: []field{becauseOf}},
			{use: "release", short: "Make attempts again, the next one at once; drops a resolve that waits for its second operator.", fields: []field{becauseOf}},
			{use: "resolve", short: "Say where the money is; a second operator confirms.", fields: resolving,
				more: `
Only for a payment that needs an operator. The first operator's word makes one more attempt
at once, which may pay; a final code ends the payment. Otherwise it is held until a second
operator, with a token of his own, gives the same outcome within a day. Of a payment whose
id the centre holds since before a pay of ours, nothing is sent for it.

refused is not taken while the centre's last word on the payment is 1, 153, 220 or 255,
unless both operators cite with --evidence-kind the centre's written cancellation, or a
register of the payment's day, compared when the day was over, that does not contain it.`},
			{use: "decline", short: "Drop a resolve that waits for its second operator, a colleague's or your own.", fields: []field{becauseOf},
				more: `
The payment then goes on by itself, unless somebody holds it.`},
			{use: "cancel", short: "End a payment for which no pay was ever sent.", fields: []field{becauseOf}},
		},
	}
}

func (p payment) id() string { return p.ID }

// note is what makes a payment special, in a word.
func (p payment) note() string {
	proposed := ""
	if p.Proposed != nil {
		proposed = "proposed"
	}
	return joined(string(p.Reason), proposed, word(p.Held, "held"), word(p.Paused, "paused"))
}

func word(holds bool, w string) string {
	if holds {
		return w
	}
	return ""
}

func (p payment) code() string { return codeText(p.ResultCode) }

// codeText is a code with its words; "" for none.
func codeText(c *domain.Code) string {
	if c == nil {
		return ""
	}
	return strconv.Itoa(int(*c)) + " " + c.Text()
}

func (p payment) cells(c clock) []string {
	return []string{
		p.ID, string(p.State), p.note(), p.ServiceID, p.AmountTo.String(), p.code(), strconv.Itoa(p.Attempts), c.age(p.CreatedAt), c.due(p.NextAttemptAt),
	}
}

func (p payment) standing() string {
	return joined(string(p.State), word(p.NeedsOperator, "and needs an operator"), word(p.Held, "held"), word(p.Paused, "paused"))
}

func (p payment) facts(c clock) []fact {
	return append([]fact{
		{"service", p.ServiceID}, {"account", p.Account}, {"amount", p.AmountTo.String()},
		{"last code", p.code()}, {"centre's words", p.ResultMessage}, {"centre's number", p.TransactionID},
		{"attempts", strconv.Itoa(p.Attempts)}, {"next attempt", c.due(p.NextAttemptAt)},
		{"accepted", c.past(p.CreatedAt)}, {"last change", c.past(p.UpdatedAt)},
	}, p.corrected(c)...)
}

// paymentStates say what each state means.
var paymentStates = map[domain.State]string{
	domain.StateAccepted:          "It is accepted, and the processing centre was not asked yet. The money has not moved.",
	domain.StateChecking:          "The processing centre is asked whether it takes the payment. No pay was ever sent: the money has not moved.",
	domain.StatePaying:            "A pay may have been sent, so the money may have moved: only the centre's final code, or two operators, end it.",
	domain.StateSucceeded:         "It has ended: the money moved, once.",
	domain.StateRefused:           "It has ended: the money certainly did not move.",
	domain.StateCancelled:         "It has ended: it was cancelled before any pay, so the money did not move.",
	domain.StateExpired:           "It has ended: the payer did not choose in time, so the money did not move.",
	domain.StateResolvedSucceeded: "It has ended: two operators decided that the money moved.",
	domain.StateResolvedRefused:   "It has ended: two operators decided that the money did not move.",
}

// paymentReasons say why a person has to look.
var paymentReasons = map[domain.OperatorReason]string{
	domain.ReasonUnknownCode:  "A person has to look: the centre answered a pay with a code that its document does not have. Ask it what that means.",
	domain.ReasonStrangeEcho:  "A person has to look: the centre's answer names another payment. Ask it which of the two was paid.",
	domain.ReasonRejected:     "A person has to look: the centre answers with HTTP 401, 403, 404 or another 4xx. Look at our token and address first.",
	domain.ReasonLateRefusal:  "A person has to look: the centre answers 202 or 215 after an earlier pay, which it may have taken. Ask it what its books say.",
	domain.ReasonNumberExists: "A person has to look: the centre holds this id (215) since before a pay of ours could be why, and may have the money. Nothing is sent by itself any more. Ask it whose payment that is.",
	domain.ReasonCancelledRun: "A person has to look: somebody cancelled its workflow in Temporal after a pay was sent. That ended nothing; say what was meant.",
	domain.ReasonLedgerLate:   "A person has to look: the ledger did not take a write of this process for ten minutes. Nothing was sent meanwhile; see why, and that it goes on.",
	domain.ReasonRestored: "A person has to look: a restored ledger holds it, because its last writes may be lost. Nothing is sent and no answer ends it. " +
		"Ask the partner what its books say; then two people release or resolve it.",
	domain.ReasonMissingInLedger: "A person has to look: somebody else has it, and the restored ledger has not. Ask the partner whether money moved, and record it.",
	domain.ReasonPaidAfterEnd: "A person has to look: it ended as not paid, and the centre answered a pay with 0 afterwards, so the money moved. " +
		"Ask the centre for its number, and whoever was told that it was refused.",
	domain.ReasonEndedWithHeldID:  "A person has to look: it ended as not paid, and the centre said before that it holds the id (215). Ask the centre whether it was paid, and record where the money is.",
	domain.ReasonRefusedAfterEnd:  "A person has to look: two operators resolved it as succeeded, and the centre refused it afterwards. Ask the centre what its books say.",
	domain.ReasonUnreadableAnswer: unreadableAnswer,
	domain.ReasonNothingOffered:   "A person has to look: the service has its payer choose, and check offered nothing to choose from. Ask the centre why; nothing is sent until the payer goes ahead.",
	domain.ReasonTooOld:           "A person has to look: it is open for longer than AGE_RAISE. Nothing ends it for that.",
}

func (p payment) why(c clock) []string {
	var said []string
	add := func(holds bool, format string, args ...any) {
		if holds {
			said = append(said, fmt.Sprintf(format, args...))
		}
	}
	open := !p.State.Terminal()
	asked := p.State == domain.StateAwaitingPayer
	add(asked && len(p.Choice) > 0, "Its payer has chosen, and a pay follows. No pay was ever sent: the money has not moved.")
	add(asked && len(p.Choice) == 0 && p.ExpiresAt != nil, "It waits for its payer (%s) until %s. No pay was ever sent: the money has not moved.", p.Asks, c.due(p.ExpiresAt))
	add(p.HeldID && open && p.State != domain.StatePaying, "The centre holds its id, though no pay of ours was sent by this ledger: the money may have moved.")
	add(paymentStates[p.State] != "" && (!p.HeldID || !open || p.State == domain.StatePaying), "%s", cmp.Or(p.against(string(p.State)), paymentStates[p.State]))
	add(p.NeedsOperator, "%s", reasonIn(paymentReasons, p.Reason))
	add(open && p.ResultCode != nil && !asked, "The centre's last word is %s.", p.code())
	if earlier := open && p.PaymentCode != nil && p.ResultCode != nil && *p.PaymentCode != *p.ResultCode; earlier {
		checked := *p.PaymentCode == domain.CodeSuccess // a pay answered so has ended the payment
		add(checked, "Before that it answered check with %s: the payment could be made then, which does not say that it was.", codeText(p.PaymentCode))
		add(!checked, "That is about the last request; of the payment itself it last said %s.", codeText(p.PaymentCode))
	}
	add(p.Held, "A person holds it: nothing is sent until it is released.")
	if p.Proposed != nil {
		add(true, "A first operator said %s. Nothing is sent until a second one says the same, or until %s.", p.Proposed.Outcome, c.due(&p.Proposed.Until))
	}
	add(p.Paused, "The centre is plainly down: attempts wait, and are not counted, until it answers.")
	add(open && p.NextAttemptAt != nil, "The next attempt is made by itself at %s.", c.due(p.NextAttemptAt))
	add(open && p.HeldID, "Nothing is sent until an operator's retry.")
	add(open && p.NextAttemptAt == nil && !p.Held && !p.HeldID && p.Proposed == nil && !asked, "An attempt is under way, or its workflow is missing; the sweep starts a missing one within minutes.")
	return said
}

// reasonIn is the sentence for a reason; one that a newer API tells is told by its name.
func reasonIn(known map[domain.OperatorReason]string, r domain.OperatorReason) string {
	if sentence, ok := known[r]; ok {
		return sentence
	}
	return "A person has to look: " + string(r) + "."
}

// stands is what the vocabulary's rules decide by. A pay may have been sent in paying, and
// in no other open state.
func (p payment) stands() domain.Standing {
	s := domain.Standing{State: p.State, PaySent: p.State == domain.StatePaying, Held: p.Held, NeedsOperator: p.NeedsOperator, Code: p.ResultCode,
		PaymentCode: p.PaymentCode, HeldID: p.HeldID}
	if p.Proposed != nil {
		s.Proposed, s.ProposedEvidence = p.Proposed.Outcome, p.Proposed.EvidenceKind
	}
	return s
}

const forReason = "--reason '…'"

func (p payment) steps() []step {
	var can []step
	now := p.stands()
	offer := func(a domain.Action, outcome domain.State, st step) {
		if now.Refuses(a, outcome) == "" {
			st.verb = string(a)
			can = append(can, st)
		}
	}
	resolve := func(outcome domain.State, flag, words string) {
		st := step{words: words, flags: "--outcome " + flag + " " + forReason + " --evidence '…'", confirms: now.Proposed != ""}
		switch {
		case st.confirms:
			st.words = "as the second operator, say the same; nothing is sent"
		case !now.HeldID:
			st.words += "; makes one more attempt first, which may pay"
		}
		cites := domain.EvidenceKind("")
		if now.RefusesResolve(outcome, "") == domain.RefusalInProgress {
			cites, st.flags = domain.EvidenceCentreCancelled, st.flags+" --evidence-kind …"
		}
		if now.RefusesResolve(outcome, cites) == "" {
			st.verb = string(domain.ActionResolve)
			can = append(can, st)
		}
	}
	offer(domain.ActionRetry, "", step{words: "make one attempt now", flags: forReason})
	if !now.Stopped() {
		offer(domain.ActionHold, "", step{words: "stop all attempts for a while", flags: forReason})
	}
	words := "go on, the next attempt at once"
	if now.Proposed != "" {
		words = "drop what was proposed, and go on at once"
	}
	offer(domain.ActionRelease, "", step{words: words, flags: forReason})
	offer(domain.ActionDecline, "", step{words: "drop what was proposed; it then goes on by itself, unless it is held", flags: forReason})
	resolve(domain.StateResolvedSucceeded, "succeeded", "say that the money moved, once the centre has told so in writing")
	resolve(domain.StateResolvedRefused, "refused", "say that the money did not move, once the centre has told so in writing")
	offer(domain.ActionCancel, "", step{words: "end it; no pay was ever sent", flags: forReason})
	return can
}
