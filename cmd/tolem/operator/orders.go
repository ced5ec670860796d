package operator

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"tolem/domain"
)

// order is what is shown of an instalment order.
type order struct {
	ID            string                `json:"store_order_id"`
	State         domain.OrderState     `json:"state"`
	Message       string                `json:"message"`
	NeedsOperator bool                  `json:"needs_operator"`
	Reason        domain.OperatorReason `json:"operator_reason"`
	Held          bool                  `json:"held"`
	TotalSum      json.Number           `json:"total_sum"`
	ReturnedSum   json.Number           `json:"returned_sum"`
	Invoice       struct {
		PointID string `json:"point_id"`
	} `json:"invoice"`
	BankID       string `json:"order_id"`
	BankState    string `json:"bank_state"`
	BankSubState string `json:"bank_sub_state"`
	Decision     *struct {
		Decision domain.Decision `json:"decision"`
		By       string          `json:"by"`
		At       time.Time       `json:"at"`
	} `json:"decision"`
	Failure *struct {
		Reason string `json:"reason"`
	} `json:"failure"`
	Proposed      *proposal  `json:"proposed"`
	Resolved      bool       `json:"resolved"`
	Attempts      int        `json:"attempts"`
	NextAttemptAt *time.Time `json:"next_attempt_at"`
	CreatedAt     time.Time  `json:"created_at"`
	UpdatedAt     time.Time  `json:"updated_at"`
	beside
}

// proposal is a first operator's word on how a process ended.
type proposal struct {
	Outcome string    `json:"outcome"`
	By      string    `json:"by"`
	Until   time.Time `json:"until"`
}

// evidenceOf are the flags of a resolve, with its outcomes.
func evidenceOf(outcomes string) []field {
	return []field{
		{flag: "outcome", key: "outcome", usage: outcomes + " (required)", required: true},
		becauseOf,
		{flag: "evidence", key: "evidence", usage: "the bank's letter, or the line of a statement (required)", required: true},
	}
}

const resolveHelp = `
The first operator's word is a proposal for a day; the second one's, with a token of his
own and the same outcome, ends it. Calls go on meanwhile: hold it first if nothing is to be
sent. It is refused while the bank's last word is the opposite.`

var declining = action{use: "decline", short: "Drop what an operator proposed, a colleague or you.", fields: []field{becauseOf}}

// proposedAside is what a proposal does that stops no calls.
var proposedAside = map[string]string{"proposed": "it is proposed: a second operator has to say the same within a day; calls go on meanwhile"}

func orders() kind {
	return kind{
		did: proposedAside,
		use: "orders", one: "order", path: "/v1/orders", argument: "STORE_ORDER_ID", short: "Look after instalment orders at the bank of trade instalments.",
		filters: append([]filter{byState, {flag: "point", parameter: "point_id", usage: "only of one point of sale"}}, common...),
		head:    []string{"STORE_ORDER_ID", "STATE", "NOTE", "SUM", "BANK", "ATTEMPTS", "AGE"},
		read:    readAs[order],
		lists: []sublist{
			{use: "attempts", short: "Every call that was made for an order, in their order.", title: "Attempts", table: attemptTable()},
			{use: "returns", short: "All returns of an order's goods, the oldest first.", title: "Returns", table: returnTable(), whole: true},
			{use: "actions", short: "What people ordered for an order: who, why, when, and what it did.", title: "Actions", table: actionTable()},
		},
		actions: []action{
			{use: "retry", short: "Ask or send now, whichever is due; the growing interval goes on from where it was.", fields: []field{becauseOf}},
			{use: "hold", short: "Make no more calls until it is released.", fields: []field{becauseOf}},
			{use: "release", short: "Make calls again, the next one at once.", fields: []field{becauseOf}},
			{use: "resolve", short: "Say how it ended; a second operator says the same.", more: resolveHelp,
				fields: evidenceOf("paid_out or failed: the bank paid the store, or there is no sale on credit")},
			declining,
		},
	}
}

func (o order) id() string { return o.ID }

func (o order) bank() string { return joined(o.BankState, o.BankSubState) }

func (o order) cells(c clock) []string {
	note := joined(string(o.Reason), word(o.Held, "held"), word(o.Proposed != nil, "proposed"), word(o.Resolved, "resolved"))
	return []string{o.ID, string(o.State), note, o.TotalSum.String(), o.bank(), strconv.Itoa(o.Attempts), c.age(o.CreatedAt), c.due(o.NextAttemptAt)}
}

func (o order) standing() string {
	return joined(string(o.State), word(o.NeedsOperator, "and needs an operator"), word(o.Held, "held"))
}

func (o order) facts(c clock) []fact {
	decided, failed := "", ""
	if o.Decision != nil {
		decided = string(o.Decision.Decision) + " by " + o.Decision.By + ", " + c.past(o.Decision.At)
	}
	if o.Failure != nil {
		failed = o.Failure.Reason
	}
	return append([]fact{
		{"sum", o.TotalSum.String()}, {"returned", o.ReturnedSum.String()}, {"point of sale", o.Invoice.PointID},
		{"bank's number", o.BankID}, {"bank's state", o.bank()}, {"store's decision", decided}, {"failed for", failed},
		{"cashier is told", o.Message}, {"attempts", strconv.Itoa(o.Attempts)}, {"next call", c.due(o.NextAttemptAt)},
		{"accepted", c.past(o.CreatedAt)}, {"last change", c.past(o.UpdatedAt)},
	}, o.corrected(c)...)
}

// orderStates say what each state means.
var orderStates = map[domain.OrderState]string{
	domain.OrderAccepted:         "It is accepted, and nothing was sent to the bank yet.",
	domain.OrderCreating:         "The bank was told to create it, and its number there is not known yet: it may exist, or not.",
	domain.OrderWaitingForClient: "The bank has it: bank and client decide, and the bank is asked how it stands.",
	domain.OrderWaitingForStore:  "The client has agreed: the store hands the goods over and confirms, or rejects. That is the till's to say.",
	domain.OrderConfirming:       "The store confirmed, and the bank's word on it is not known yet. The goods may be gone.",
	domain.OrderRejecting:        "The store rejected, and the bank's word on it is not known yet.",
	domain.OrderActive:           "The bank confirmed the sale; that it paid the store is not known yet.",
	domain.OrderPaidOut:          "It has ended: the bank paid the store.",
	domain.OrderFailed:           "It has ended: there is no sale on credit.",
}

// orderReasons say why a person has to look.
var orderReasons = map[domain.OperatorReason]string{
	domain.ReasonCreateUnknown:      "A person has to look: nobody knows whether the bank has the order. Ask its support for the order's number.",
	domain.ReasonDecisionOpen:       "A person has to look: the store's decision was sent, and the bank does not say what became of it. Ask its support.",
	domain.ReasonDecisionTooLate:    "A person has to look: the store rejected, and the bank confirmed all the same. Agree with the bank whether the goods are given out or returned.",
	domain.ReasonNoPayout:           "A person has to look: the bank has not told of the pay-out in time. Look at the store's account, and ask the bank.",
	domain.ReasonBankOrderIDTaken:   "A person has to look: the bank answered with the number of another order of ours. Ask its support which of the two it has.",
	domain.ReasonUnknownBankState:   "A person has to look: the bank tells a state that its document does not know. Ask its support what it means.",
	domain.ReasonConfirmedFailed:    "A person has to look: the store confirmed, so the goods were handed over, and the bank says that the sale failed. Get the goods or the money, and record where the money is.",
	domain.ReasonSaleAfterEnd:       "A person has to look: it ended without a sale, and the bank has one, or an application for it. Ask the bank, and record where the money is.",
	domain.ReasonPayoutContradicted: "A person has to look: it ended paid out, and the bank says that there is no sale. Look at the store's account, ask the bank, and record where the money is.",
	domain.ReasonRejected:           "A person has to look: the bank answers with HTTP 401, 403, 404 or another 4xx. Look at our secret and address first.",
	domain.ReasonUnreadableAnswer:   unreadableAnswer,
	domain.ReasonCancelledRun:       "A person has to look: somebody cancelled its workflow in Temporal. That ended nothing at the bank; say what was meant.",
}

func (o order) why(c clock) []string {
	said := []string{}
	if sentence := cmp.Or(o.against(string(o.State)), orderStates[o.State]); sentence != "" {
		said = append(said, sentence)
	}
	if o.NeedsOperator {
		said = append(said, reasonIn(orderReasons, o.Reason))
	}
	if o.Held {
		said = append(said, "A person holds it: the bank is not called until it is released.")
	}
	if o.Proposed != nil {
		said = append(said, o.Proposed.sentence(c))
	}
	if o.Resolved {
		said = append(said, "Two operators said so, on evidence; see its actions.")
	}
	if !o.State.Terminal() && o.NextAttemptAt != nil {
		said = append(said, fmt.Sprintf("The next call is made by itself at %s.", c.due(o.NextAttemptAt)))
	}
	return said
}

func (p proposal) sentence(c clock) string {
	return fmt.Sprintf("%s said that it is %s: a second operator may say the same until %s.", p.By, p.Outcome, c.due(&p.Until))
}

// resolving are the steps by which two people end a process of ours: the outcomes that
// refuses lets pass, in words.
func (p *proposal) resolving(outcomes [][2]string, refuses func(outcome string) domain.Refusal) (can []step) {
	for _, o := range outcomes {
		st := step{words: o[1], verb: string(domain.ActionResolve), flags: "--outcome " + o[0] + " " + forReason + " --evidence '…'"}
		if p != nil {
			st.words, st.confirms = "as the second operator, say the same", true
		}
		if refuses(o[0]) == "" {
			can = append(can, st)
		}
	}
	if p != nil {
		can = append(can, step{words: "drop what was proposed", verb: string(domain.ActionDecline), flags: forReason})
	}
	return can
}

// stands is what the vocabulary's rules decide by, as far as the API shows it; the API
// decides.
func (o order) stands() domain.OrderStanding {
	s := domain.OrderStanding{State: o.State, Held: o.Held, Sent: o.State != domain.OrderAccepted, NoPayout: o.Reason == domain.ReasonNoPayout}
	if o.BankState != "" {
		s.BankSays = domain.BankWords{}.Means(domain.BankState{State: o.BankState, SubState: o.BankSubState})
	}
	if o.Decision != nil {
		s.Decision = o.Decision.Decision
	}
	if o.Proposed != nil {
		s.Proposed = domain.OrderState(o.Proposed.Outcome)
	}
	return s
}

func (o order) steps() []step {
	var can []step
	now := o.stands()
	for _, offered := range []struct {
		action domain.Action
		words  string
	}{
		{domain.ActionRetry, "ask or send now, whichever is due"},
		{domain.ActionHold, "stop all calls for a while"},
		{domain.ActionRelease, "go on, the next call at once"},
	} {
		if now.Refuses(offered.action) == "" && (offered.action != domain.ActionHold || !o.Held) {
			can = append(can, step{words: offered.words, verb: string(offered.action), flags: forReason})
		}
	}
	if !o.NeedsOperator && !o.Held && o.Proposed == nil { // it goes on by itself
		return can
	}
	return append(can, o.Proposed.resolving([][2]string{
		{string(domain.OrderFailed), "say that there is no sale on credit, once the bank has said so in writing"},
		{string(domain.OrderPaidOut), "say that the bank paid the store, once its statement says so"},
	}, func(outcome string) domain.Refusal { return now.RefusesResolve(domain.OrderState(outcome)) })...)
}
