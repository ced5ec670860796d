package operator

import (
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
	Attempts      int        `json:"attempts"`
	NextAttemptAt *time.Time `json:"next_attempt_at"`
	CreatedAt     time.Time  `json:"created_at"`
	UpdatedAt     time.Time  `json:"updated_at"`
}

func orders() kind {
	return kind{
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
		},
	}
}

func (o order) id() string { return o.ID }

func (o order) bank() string { return joined(o.BankState, o.BankSubState) }

func (o order) cells(c clock) []string {
	note := joined(string(o.Reason), word(o.Held, "held"))
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
	return []fact{
		{"sum", o.TotalSum.String()}, {"returned", o.ReturnedSum.String()}, {"point of sale", o.Invoice.PointID},
		{"bank's number", o.BankID}, {"bank's state", o.bank()}, {"store's decision", decided}, {"failed for", failed},
		{"cashier is told", o.Message}, {"attempts", strconv.Itoa(o.Attempts)}, {"next call", c.due(o.NextAttemptAt)},
		{"accepted", c.past(o.CreatedAt)}, {"last change", c.past(o.UpdatedAt)},
	}
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
	domain.ReasonCreateUnknown:    "A person has to look: nobody knows whether the bank has the order. Ask its support for the order's number.",
	domain.ReasonDecisionOpen:     "A person has to look: the store's decision was sent, and the bank does not say what became of it. Ask its support.",
	domain.ReasonDecisionTooLate:  "A person has to look: the store rejected, and the bank confirmed all the same. Agree with the bank whether the goods are given out or returned.",
	domain.ReasonNoPayout:         "A person has to look: the bank has not told of the pay-out in time. Look at the store's account, and ask the bank.",
	domain.ReasonUnknownBankState: "A person has to look: the bank tells a state that its document does not know. Ask its support what it means.",
	domain.ReasonRejected:         "A person has to look: the bank answers with HTTP 401, 403, 404 or another 4xx. Look at our secret and address first.",
	domain.ReasonCancelledRun:     "A person has to look: somebody cancelled its workflow in Temporal. That ended nothing at the bank; say what was meant.",
}

func (o order) why(c clock) []string {
	said := []string{}
	if sentence := orderStates[o.State]; sentence != "" {
		said = append(said, sentence)
	}
	if o.NeedsOperator {
		said = append(said, reasonIn(orderReasons, o.Reason))
	}
	if o.Held {
		said = append(said, "A person holds it: the bank is not called until it is released.")
	}
	if !o.State.Terminal() && o.NextAttemptAt != nil {
		said = append(said, fmt.Sprintf("The next call is made by itself at %s.", c.due(o.NextAttemptAt)))
	}
	return said
}

func (o order) steps() []step {
	var can []step
	now := domain.OrderStanding{State: o.State, Held: o.Held}
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
	return can
}

// goodsReturn is what is shown of a return of goods.
type goodsReturn struct {
	ID            string                `json:"store_return_id"`
	State         string                `json:"state"`
	Reason        domain.OperatorReason `json:"operator_reason"`
	Sum           json.Number           `json:"sum"`
	ToCard        bool                  `json:"return_money_to_card"`
	BankMessage   string                `json:"bank_message"`
	Attempts      int                   `json:"attempts"`
	NextAttemptAt *time.Time            `json:"next_attempt_at"`
	CreatedAt     time.Time             `json:"created_at"`
}

func returnTable() listing {
	head := func(c clock) []string {
		return []string{"STORE_RETURN_ID", "STATE", "NOTE", "SUM", "TO CARD", "ATTEMPTS", "AGE", "NEXT (" + c.name() + ")", "BANK'S WORDS"}
	}
	return tableOf(head, func(r goodsReturn, c clock) []string {
		toCard := "no"
		if r.ToCard {
			toCard = "yes"
		}
		return []string{r.ID, r.State, string(r.Reason), r.Sum.String(), toCard, strconv.Itoa(r.Attempts), c.age(r.CreatedAt), c.due(r.NextAttemptAt), r.BankMessage}
	})
}
