package operator

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"tolem/domain"
)

// paymentOrder is what is shown of a payment order of the card file.
type paymentOrder struct {
	Contract      string                   `json:"contract_number"`
	State         domain.PaymentOrderState `json:"state"`
	NeedsOperator bool                     `json:"needs_operator"`
	Reason        domain.OperatorReason    `json:"operator_reason"`
	Held          bool                     `json:"held"`
	CloseUntil    *time.Time               `json:"close_until"`
	Request       string                   `json:"req_referer"`
	Order         string                   `json:"pt_referer"`
	Currency      string                   `json:"cur"`
	Debt          json.Number              `json:"debt"`
	Amount        json.Number              `json:"amount"`
	Paid          json.Number              `json:"paid_amount"`
	ContractDate  string                   `json:"contract_date"`
	Dossier       []struct {
		Part      domain.DossierPart `json:"part"`
		State     domain.PartState   `json:"state"`
		ErrorCode int                `json:"error_code"`
	} `json:"dossier"`
	Attempts      int        `json:"attempts"`
	Unsent        int        `json:"unsent_events"`
	NextAttemptAt *time.Time `json:"next_attempt_at"`
	SentAt        *time.Time `json:"sent_at"`
	CreatedAt     time.Time  `json:"created_at"`
	UpdatedAt     time.Time  `json:"updated_at"`
	beside
}

var (
	// ofOrder says which payment order an action is about.
	ofOrder = field{flag: "reference", key: "reference", usage: "the payment order (PTP…), so that a command that comes late is not about the contract's next one"}
	ofEvent = field{flag: "event", key: "event", usage: "the event's ID, as the list of events has it"}
)

func paymentOrders() kind {
	dated := field{flag: "contract-date", key: "contract_date", usage: "the day of the loan contract, such as 2020-01-31, where nobody told it"}
	return kind{
		use: "payment-orders", one: "payment order of contract", path: "/v1/payment-orders", argument: "CONTRACT",
		short:   "Look after payment orders of the card file, by the number of their loan contract.",
		filters: append([]filter{byState}, common...),
		head:    []string{"CONTRACT", "STATE", "NOTE", "DEBT", "AMOUNT", "PAID", "ATTEMPTS", "AGE"},
		read:    readAs[paymentOrder],
		lists: []sublist{
			{use: "events", short: "Every status that came for a contract, and where Loxon's broker keeps it.", title: "Events", table: eventTable()},
			{use: "attempts", short: "Every call that was made for a contract, to the core banking system and to Kafka.", title: "Attempts", table: attemptTable()},
			{use: "actions", short: "What people ordered for a contract: who, why, when, and what it did.", title: "Actions", table: actionTable()},
		},
		actions: []action{
			{use: "retry", short: "Ask again for what was refused, and tell what is not told, at once.", fields: []field{becauseOf, dated, ofOrder}},
			{use: "hold", short: "Ask for nothing and tell nothing until it is released.", fields: []field{becauseOf, ofOrder}},
			{use: "release", short: "Go on at once.", fields: []field{becauseOf, ofOrder}},
			{use: "close", short: "End it; a second operator confirms within a day.", fields: []field{becauseOf, ofOrder}, more: `
The first operator's word proposes it, the second one's, with a token of his own and within
a day, ends it. Loxon is notified of neither. What the client's bank executes afterwards is
published all the same, and needs a person.`},
			{use: "decline", short: "Decline what a colleague proposed, or withdraw a proposal of your own.", fields: []field{becauseOf, ofEvent}, more: `
With --event it is the proposal to set that event aside; without, everything that is
proposed for the contract. Nothing else changes.`},
			{use: "set-aside", short: "Never publish an event; a second operator confirms within a day.", within: "events", member: "event",
				fields: []field{becauseOf, {flag: "event", key: "event", usage: ofEvent.usage + " (required)", required: true}}, more: `
For an event that can never be published and holds up those after it. The first operator's
word proposes it, and nothing of the contract is sent until a second one's, the proposal is
declined, or a day has passed. If an attempt to publish it was made, Loxon's topic is read
to its end first; the second operator is told to wait until then. Totals still count the
event, and the next message names its number in the header skipped-seq.`},
		},
	}
}

func (o paymentOrder) id() string { return o.Contract }

func (o paymentOrder) note() string {
	return joined(string(o.Reason), word(o.Held, "held"), word(o.CloseUntil != nil && !o.State.Terminal(), "proposed"))
}

func (o paymentOrder) cells(c clock) []string {
	return []string{
		o.Contract, string(o.State), o.note(), o.Debt.String() + " " + o.Currency, o.Amount.String(), o.Paid.String(),
		strconv.Itoa(o.Attempts), c.age(o.CreatedAt), c.due(o.NextAttemptAt),
	}
}

func (o paymentOrder) standing() string {
	return joined(string(o.State), word(o.NeedsOperator, "and needs an operator"), word(o.Held, "held"))
}

func (o paymentOrder) facts(c clock) []fact {
	facts := []fact{
		{"references", o.Request + ", " + o.Order}, {"debt", o.Debt.String() + " " + o.Currency}, {"amount", o.Amount.String()}, {"paid", o.Paid.String()},
		{"contract's day", o.ContractDate}, {"attempts", strconv.Itoa(o.Attempts)}, {"next attempt", c.due(o.NextAttemptAt)},
	}
	for _, part := range o.Dossier {
		value := string(part.State)
		if part.ErrorCode != 0 {
			value += fmt.Sprintf(" (the core banking system's error %d)", part.ErrorCode)
		}
		facts = append(facts, fact{"dossier: " + string(part.Part), value})
	}
	if o.SentAt != nil {
		facts = append(facts, fact{"request sent", c.past(*o.SentAt)})
	}
	facts = append(facts, fact{"taken in", c.past(o.CreatedAt)}, fact{"last change", c.past(o.UpdatedAt)})
	return append(facts, o.corrected(c)...)
}

// paymentOrderStates say what each state means.
var paymentOrderStates = map[domain.PaymentOrderState]string{
	domain.PaymentOrderGathering:   "Its dossier is being gathered from the core banking system; nothing was sent yet.",
	domain.PaymentOrderSent:        "The request was sent: the client's bank decides, which takes it days.",
	domain.PaymentOrderConfirmed:   "The request was confirmed: the client's bank decides, which takes it days.",
	domain.PaymentOrderAccepted:    "The client's bank accepted it.",
	domain.PaymentOrderActivated:   "It lies in the client's bank's card file until there is money on the account, which may take months.",
	domain.PaymentOrderPartPaid:    "A part of it is paid; the rest lies in the client's bank's card file.",
	domain.PaymentOrderExecuted:    "It has ended: it is paid in full.",
	domain.PaymentOrderReversed:    "It has ended: it was taken back.",
	domain.PaymentOrderNotAccepted: "It has ended: the client's bank did not accept it.",
	domain.PaymentOrderClosed:      "It has ended: two operators closed it.",
}

// paymentOrderReasons say why a person has to look.
var paymentOrderReasons = map[domain.OperatorReason]string{
	domain.ReasonDossierRefused:   "A person has to look: the core banking system refuses a part of the dossier, and is not asked for it again until somebody says so. Mend the client's or the contract's data there first.",
	domain.ReasonUnreadableAnswer: unreadableAnswer,
	domain.ReasonNoContractDate:   "A person has to look: nobody told the day of the loan contract, and it is not to be guessed. Tell it with retry --contract-date.",
	domain.ReasonDossierLate:      "A person has to look: a part of the dossier is missing for longer than COLLECTION_RAISE. It is asked for all the while; see why no answer comes.",
	domain.ReasonEventRejected:    "A person has to look: the broker will never take an event as it is. Look at the broker's settings; if it can never be published, set it aside.",

	domain.ReasonLoanChanged:        "A person has to look: IBAN, IIN or currency of the loan changed after its request was sent. Close the payment order if it collects from the wrong account; the next report begins another one.",
	domain.ReasonLoanAfterExecuted:  "A person has to look: a corrected loan came on the day of an execution in full, and began nothing, or the client would be collected from twice. If it is to be collected, it is when it is reported on another day.",
	domain.ReasonExecutedAfterClose: "Two people have to say where the money is: the client's bank executed a payment order that two operators had closed. Loxon is notified of it.",
	domain.ReasonPublishedAside:     "A person has to look: Loxon's topic holds an event that two operators had set aside. Tell Loxon's operators.",
	domain.ReasonTopicChanged:       "A person has to look: Loxon's topic lacks a partition or an event that it held, so it was recreated or shrunk, and nothing is sent. Have it restored; or close one incident, which accepts the topic as it is for every contract.",
	domain.ReasonEventKeyShared:     "Two people have to say where the money is: before this version, events of several payment orders came under one key. Compare each of them with the client's bank: one may be a repetition that was booked on the wrong payment order.",
	domain.ReasonEventLate:          "A person has to look: an event is not told to Loxon for longer than COLLECTION_RAISE. See whether the broker answers.",
}

func (o paymentOrder) why(c clock) []string {
	var said []string
	add := func(holds bool, sentence string) {
		if holds && sentence != "" {
			said = append(said, sentence)
		}
	}
	open := !o.State.Terminal()
	add(true, cmp.Or(o.against(string(o.State)), paymentOrderStates[o.State]))
	add(o.NeedsOperator, reasonIn(paymentOrderReasons, o.Reason))
	add(o.Held, "A person holds it: nothing is asked for or told until it is released.")
	add(!open && o.Unsent == 1, "An event of the contract is not published yet.")
	add(!open && o.Unsent > 1, fmt.Sprintf("%d events of the contract are not published yet.", o.Unsent))
	add(open && o.CloseUntil != nil, "A first operator wants it closed: a second one may confirm until "+c.due(o.CloseUntil)+".")
	add(open && o.NextAttemptAt != nil, "The next attempt is made by itself at "+c.due(o.NextAttemptAt)+".")
	return said
}

func (o paymentOrder) steps() []step {
	var can []step
	open := !o.State.Terminal()
	offer := func(holds bool, a domain.Action, st step) {
		if holds {
			st.verb = string(a)
			can = append(can, st)
		}
	}
	again := step{words: "ask again for what was refused, and tell what is not told, at once", flags: forReason}
	if o.Reason == domain.ReasonNoContractDate {
		again = step{words: "tell the day of the contract, and go on at once", flags: "--contract-date YYYY-MM-DD " + forReason}
	}
	ending := step{words: "propose to end it; a second operator confirms within a day", flags: forReason}
	if o.CloseUntil != nil {
		ending = step{words: "as the second operator, end it", flags: forReason, confirms: true}
	}
	offer(open && !o.Held || !open && o.Unsent > 0, domain.ActionRetry, again)
	offer(open && !o.Held, domain.ActionHold, step{words: "ask for nothing and tell nothing for a while", flags: forReason})
	offer(open && o.Held, domain.ActionRelease, step{words: "go on at once", flags: forReason})
	offer(open, domain.ActionClose, ending)
	offer(open && o.CloseUntil != nil, domain.ActionDecline, step{words: "decline that it is ended", flags: forReason})
	offer(o.Unsent > 0 && o.NeedsOperator, domain.ActionSetAside,
		step{words: "propose never to publish an event; a second operator confirms within a day", flags: "--event ID " + forReason})
	return can
}

// event is what is shown of one status that came for a contract.
type event struct {
	ID         int64                    `json:"id"`
	Status     string                   `json:"status"`
	Verdict    string                   `json:"verdict"`
	State      domain.PaymentOrderState `json:"state_after"`
	ReceivedAt time.Time                `json:"received_at"`
	Seq        *int64                   `json:"event_seq"`
	Increment  json.Number              `json:"paid_increment"`
	SetAside   *struct {
		Until *time.Time `json:"until"`
		At    *time.Time `json:"at"`
	} `json:"set_aside"`
	Told *struct {
		Topic     string    `json:"topic"`
		Partition int       `json:"partition"`
		Offset    int64     `json:"offset"`
		At        time.Time `json:"at"`
	} `json:"told"`
}

func eventTable() listing {
	head := func(c clock) []string {
		return []string{"ID", "SEQ", "RECEIVED (" + c.name() + ")", "STATUS", "VERDICT", "PAID", "STATE AFTER", "TOLD LOXON"}
	}
	return tableOf(head, func(e event, c clock) []string {
		seq, told := "", "not yet"
		switch {
		case e.Told != nil:
			told = fmt.Sprintf("%s, %s/%d/%d", c.at(e.Told.At), e.Told.Topic, e.Told.Partition, e.Told.Offset)
		case e.Verdict == string(domain.StatusRepeated):
			told = "never: it came before"
		case e.SetAside != nil && e.SetAside.At != nil:
			told = "never: set aside " + c.at(*e.SetAside.At)
		case e.SetAside != nil && e.SetAside.Until != nil && e.SetAside.Until.After(c.now):
			told = "not yet; a second operator may set it aside until " + c.due(e.SetAside.Until)
		}
		if e.Seq != nil {
			seq = strconv.FormatInt(*e.Seq, 10)
		}
		return []string{strconv.FormatInt(e.ID, 10), seq, c.at(e.ReceivedAt), e.Status, e.Verdict, e.Increment.String(), string(e.State), told}
	})
}
