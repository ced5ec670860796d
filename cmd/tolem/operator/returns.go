package operator

import (
	"cmp"
	"encoding/json"
	"net/url"
	"strconv"
	"time"

	"tolem/domain"
)

// goodsReturn is what is shown of a return of goods.
type goodsReturn struct {
	ID            string                `json:"store_return_id"`
	Order         string                `json:"store_order_id"`
	State         domain.ReturnState    `json:"state"`
	NeedsOperator bool                  `json:"needs_operator"`
	Reason        domain.OperatorReason `json:"operator_reason"`
	Held          bool                  `json:"held"`
	Proposed      *proposal             `json:"proposed"`
	Resolved      bool                  `json:"resolved"`
	Sum           json.Number           `json:"sum"`
	ToCard        bool                  `json:"return_money_to_card"`
	BankMessage   string                `json:"bank_message"`
	Attempts      int                   `json:"attempts"`
	NextAttemptAt *time.Time            `json:"next_attempt_at"`
	CreatedAt     time.Time             `json:"created_at"`
	UpdatedAt     time.Time             `json:"updated_at"`
	beside
}

// returns are those of an order; "" is that of any, before a command names it.
func returns(order string) kind {
	owner := order
	if owner == "" {
		owner = "STORE_ORDER_ID"
	}
	return kind{
		use: "returns", one: "return", path: "/v1/orders/" + url.PathEscape(order) + "/returns", argument: "STORE_RETURN_ID", owner: owner, under: returns,
		short: "Look after returns of goods at the bank of trade instalments; `tolem orders returns` lists those of an order.",
		did:   map[string]string{"proposed": proposedAside["proposed"], "retried": "the return is sent at once"},
		read:  readAs[goodsReturn],
		lists: []sublist{
			{use: "attempts", short: "All partner calls of a return, oldest first.", title: "Attempts", table: attemptTable()},
			{use: "actions", short: "Operator actions on a return: who, why, when, and what it did.", title: "Actions", table: actionTable()},
		},
		actions: []action{
			{use: "retry", short: "Send it now; the growing interval goes on from where it was.", fields: []field{becauseOf}},
			{use: "hold", short: "Make no more calls until it is released.", fields: []field{becauseOf}},
			{use: "release", short: "Make calls again, the next one at once.", fields: []field{becauseOf}},
			{use: "resolve", short: "Say how it ended; a second operator says the same.", more: resolveHelp,
				fields: evidenceOf("returned or failed: the bank took the sum off the credit, or nothing of it")},
			declining,
		},
	}
}

func (r goodsReturn) id() string { return r.ID }

func (r goodsReturn) note() string {
	return joined(string(r.Reason), word(r.Held, "held"), word(r.Proposed != nil, "proposed"), word(r.Resolved, "resolved"))
}

func (r goodsReturn) cells(c clock) []string {
	toCard := "no"
	if r.ToCard {
		toCard = "yes"
	}
	return []string{r.ID, string(r.State), r.note(), r.Sum.String(), toCard, strconv.Itoa(r.Attempts), c.age(r.CreatedAt), c.due(r.NextAttemptAt), r.BankMessage}
}

func returnTable() listing {
	head := func(c clock) []string {
		return []string{"STORE_RETURN_ID", "STATE", "NOTE", "SUM", "TO CARD", "ATTEMPTS", "AGE", "NEXT (" + c.name() + ")", "BANK'S WORDS"}
	}
	return tableOf(head, goodsReturn.cells)
}

func (r goodsReturn) standing() string {
	return joined(string(r.State), word(r.NeedsOperator, "and needs an operator"), word(r.Held, "held"))
}

func (r goodsReturn) facts(c clock) []fact {
	return append([]fact{
		{"of order", r.Order}, {"sum", r.Sum.String()}, {"money to card", strconv.FormatBool(r.ToCard)}, {"bank's words", r.BankMessage},
		{"attempts", strconv.Itoa(r.Attempts)}, {"next attempt", c.due(r.NextAttemptAt)},
		{"accepted", c.past(r.CreatedAt)}, {"last change", c.past(r.UpdatedAt)},
	}, r.corrected(c)...)
}

// returnStates say what each state means.
var returnStates = map[domain.ReturnState]string{
	domain.ReturnAccepted:  "It is accepted, and nothing was sent to the bank yet.",
	domain.ReturnReturning: "It may have been sent: the bank may have taken the sum off the credit, or not. Later returns of the order wait for it.",
	domain.ReturnReturned:  "It has ended: the bank took the sum off the credit, once.",
	domain.ReturnFailed:    "It has ended: the bank took nothing off the credit.",
}

// returnReasons say why a person has to look.
var returnReasons = map[domain.OperatorReason]string{
	domain.ReasonReturnUnknown:      "A person has to look: it has been unknown for too long whether the bank took the sum off the credit. Ask its support.",
	domain.ReasonRejected:           orderReasons[domain.ReasonRejected],
	domain.ReasonUnreadableAnswer:   unreadableAnswer,
	domain.ReasonReturnContradicted: "A person has to look: it has ended, and an answer of the bank that came later says the opposite. Ask the bank, and record where the money is.",
}

func (r goodsReturn) why(c clock) []string {
	var said []string
	add := func(holds bool, sentence string) {
		if holds && sentence != "" {
			said = append(said, sentence)
		}
	}
	add(true, cmp.Or(r.against(string(r.State)), returnStates[r.State]))
	add(r.NeedsOperator, reasonIn(returnReasons, r.Reason))
	add(r.Held, "A person holds it: the bank is not called until it is released.")
	if r.Proposed != nil {
		add(true, r.Proposed.sentence(c))
	}
	add(r.Resolved, "Two operators said so, on evidence; see its actions.")
	add(!r.State.Terminal() && r.NextAttemptAt != nil, "The next attempt is made by itself at "+c.due(r.NextAttemptAt)+".")
	return said
}

func (r goodsReturn) steps() []step {
	var can []step
	now := domain.ReturnStanding{State: r.State, Held: r.Held, Sent: r.State != domain.ReturnAccepted}
	if r.Proposed != nil {
		now.Proposed = domain.ReturnState(r.Proposed.Outcome)
	}
	for _, offered := range []struct {
		action domain.Action
		words  string
	}{
		{domain.ActionRetry, "send it now"},
		{domain.ActionHold, "stop all calls for a while"},
		{domain.ActionRelease, "go on, the next call at once"},
	} {
		if now.Refuses(offered.action) == "" && (offered.action != domain.ActionHold || !r.Held) {
			can = append(can, step{words: offered.words, verb: string(offered.action), flags: forReason})
		}
	}
	if !r.NeedsOperator && !r.Held && r.Proposed == nil { // it goes on by itself
		return can
	}
	return append(can, r.Proposed.resolving([][2]string{
		{string(domain.ReturnFailed), "say that the bank took nothing off the credit, once it has said so in writing"},
		{string(domain.ReturnReturned), "say that the bank took the sum off the credit, once it has said so in writing"},
	}, func(outcome string) domain.Refusal { return now.RefusesResolve(domain.ReturnState(outcome)) })...)
}
