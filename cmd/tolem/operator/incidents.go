package operator

import (
	"fmt"
	"maps"
	"strconv"
	"time"

	"tolem/domain"
)

// incident is what is shown of one.
type incident struct {
	ID           string                `json:"id"`
	Process      domain.Process        `json:"process"`
	Subject      string                `json:"subject"`
	ReturnID     string                `json:"returnId"`
	Reason       domain.OperatorReason `json:"reason"`
	AboutMoney   bool                  `json:"aboutMoney"`
	Lasting      bool                  `json:"lasting"`
	State        string                `json:"state"`
	Acknowledged bool                  `json:"acknowledged"`
	Facts        int                   `json:"facts"`
	Evidence     string                `json:"evidence"`
	Proposed     *struct {
		Money             domain.MoneyWhere `json:"money"`
		TransactionNumber string            `json:"transactionNumber"`
		By                string            `json:"by"`
		Until             time.Time         `json:"until"`
	} `json:"proposed"`
	OpenedAt  time.Time       `json:"openedAt"`
	ChangedAt time.Time       `json:"changedAt"`
	Entries   []incidentEntry `json:"entries"`
}

type incidentEntry struct {
	Entry             domain.IncidentEntry `json:"entry"`
	At                time.Time            `json:"at"`
	Evidence          string               `json:"evidence"`
	By                string               `json:"by"`
	Reason            string               `json:"reason"`
	Money             domain.MoneyWhere    `json:"money"`
	TransactionNumber string               `json:"transactionNumber"`
}

func incidents() kind {
	closing := []field{
		becauseOf,
		{flag: "money", key: "money", usage: "moved or not_moved: where the money really is; for an incident about money, and required there"},
		{flag: "transaction-number", key: "transactionNumber", usage: "the partner's number of the transaction that moved the money; with --money moved"},
	}
	return kind{
		use: "incidents", one: "incident", path: "/v1/incidents", argument: "ID",
		short: "Look after incidents: what contradicts the end of a process, or waits too long for a person.",
		filters: []filter{
			{flag: "state", parameter: "state", usage: "open, closed or all", standard: "open", all: "all"},
			{flag: "process", parameter: "process", usage: "only of one kind of process: payment, order, return or payment_order"},
			{flag: "subject", parameter: "subject", usage: "only of the process of this id: a payment's, an order's (of its returns too), or a contract's number"},
			{flag: "reason", parameter: "reason", usage: "only with this reason, such as paid_after_end"},
			{flag: "acknowledged", parameter: "acknowledged", usage: "only those that a person looks into, or with =false that nobody does", boolean: true},
		},
		neverStuck: true,
		head:       []string{"ID", "PROCESS", "SUBJECT", "REASON", "NOTE", "FACTS", "AGE"}, last: "OPENED",
		read: readAs[incident],
		actions: []action{
			{use: "acknowledge", short: "Say that you look into it; the alert is silent until something new is learned.", fields: []field{becauseOf}},
			{use: "close", short: "Close it; for one about money a second operator says the same.", fields: closing, more: `
For an incident about money, --money says where the money really is. The first operator's
word is a proposal; another operator who says the same within a day, with a token of his own,
closes it. From then on that is where the money is, whatever the process's state. Closing
moves no money.`},
			{use: "decline", short: "Drop the proposal of where the money is, your own or a colleague's.", fields: []field{becauseOf}},
		},
		did: map[string]string{
			"acknowledged": "you look into it: no alert until something new is learned",
			"proposed":     "it is proposed: another operator closes it by saying the same within a day",
			"closed":       "it is closed",
			"declined":     "the proposal is dropped, and the incident stays open",
		},
	}
}

func (i incident) id() string { return i.ID }

func (i incident) open() bool { return i.State == "open" }

// subject is the process as a person looks for it.
func (i incident) subject() string { return joined(i.Subject, i.ReturnID) }

func (i incident) note() string {
	return joined(word(!i.open(), "closed"), word(i.AboutMoney, "money"), word(i.Acknowledged, "acknowledged"), word(i.Proposed != nil, "proposed"))
}

func (i incident) cells(c clock) []string {
	return []string{i.ID, string(i.Process), i.subject(), string(i.Reason), i.note(), strconv.Itoa(i.Facts), c.age(i.OpenedAt), c.at(i.OpenedAt)}
}

func (i incident) standing() string {
	return joined(i.State, word(i.Acknowledged, "and a person looks into it"), word(i.open() && !i.Acknowledged, "and nobody looks into it"), word(i.Proposed != nil, "proposed to be closed"))
}

func (i incident) facts(c clock) []fact {
	return []fact{
		{"process", string(i.Process) + " " + i.Subject}, {"return", i.ReturnID}, {"reason", string(i.Reason)},
		{"last fact", i.Evidence}, {"facts", strconv.Itoa(i.Facts)}, {"opened", c.past(i.OpenedAt)}, {"last change", c.past(i.ChangedAt)},
	}
}

// unreadableAnswer is said of all kinds of processes.
const unreadableAnswer = "A person has to look: a partner answers, and its answer could not be read twice in a row. The attempts name the field: " +
	"ask the partner to correct it. It is asked all the while, but a scan only by retry."

// incidentReasons say what each reason means, of all kinds of processes.
var incidentReasons = func() map[domain.OperatorReason]string {
	all := map[domain.OperatorReason]string{}
	for _, some := range []map[domain.OperatorReason]string{returnReasons, orderReasons, paymentOrderReasons, paymentReasons} {
		maps.Copy(all, some)
	}
	return all
}()

func (i incident) why(c clock) []string {
	said := []string{reasonIn(incidentReasons, i.Reason)}
	add := func(holds bool, sentence string) {
		if holds {
			said = append(said, sentence)
		}
	}
	add(i.AboutMoney && i.open(), "Find out where the money is before you close it: two operators record it, and it counts from then on.")
	add(!i.Lasting && i.open(), "Tolem closes it by itself when the process goes on or ends; a person may close it, too.")
	if p := i.Proposed; p != nil {
		add(true, fmt.Sprintf("%s says: %s. Another operator may say the same until %s.", p.By, joined(string(p.Money), p.TransactionNumber), c.due(&p.Until)))
	}
	return said
}

func (i incident) steps() []step {
	if !i.open() {
		return nil
	}
	var can []step
	if !i.Acknowledged {
		can = append(can, step{words: "say that you look into it", verb: "acknowledge", flags: forReason})
	}
	closing := step{words: "close it", verb: "close", flags: forReason}
	switch p := i.Proposed; {
	case p != nil:
		closing.words, closing.confirms = "as the second operator, say the same and close it", true
		closing.flags = "--money " + string(p.Money) + " " + forReason
		if p.TransactionNumber != "" {
			closing.flags = "--money " + string(p.Money) + " --transaction-number " + quoted(p.TransactionNumber) + " " + forReason
		}
		can = append(can, closing, step{words: "drop what " + p.By + " proposed", verb: "decline", flags: forReason})
	case i.AboutMoney:
		closing.words, closing.flags = "say that the money moved; a second operator closes it", "--money moved --transaction-number '…' "+forReason
		can = append(can, closing)
		closing.words, closing.flags = "say that the money did not move; a second operator closes it", "--money not_moved "+forReason
		can = append(can, closing)
	default:
		can = append(can, closing)
	}
	return can
}

// history is everything that happened to the incident.
func (i incident) history(c clock) (title string, lines [][]string) {
	lines = [][]string{{"WHEN (" + c.name() + ")", "WHAT", "WHO", "EVIDENCE", "MONEY", "REASON"}}
	for _, e := range i.Entries {
		who := e.By
		if who == "" {
			who = "tolem"
		}
		lines = append(lines, []string{c.at(e.At), string(e.Entry), who, e.Evidence, joined(string(e.Money), e.TransactionNumber), e.Reason})
	}
	return "History", lines
}

// beside is what a process shows of incidents beside its state.
type beside struct {
	Incidents []struct {
		ID           string                `json:"id"`
		Reason       domain.OperatorReason `json:"reason"`
		OpenedAt     time.Time             `json:"openedAt"`
		Acknowledged bool                  `json:"acknowledged"`
	} `json:"incidents"`
	Correction *struct {
		Money             domain.MoneyWhere `json:"money"`
		TransactionNumber string            `json:"transactionNumber"`
		Incident          string            `json:"incident"`
		At                time.Time         `json:"at"`
	} `json:"correction"`
}

// against is what is said instead of what an ended state means; "" without a correction.
func (b beside) against(state string) string {
	if b.Correction == nil {
		return ""
	}
	return "It has ended as " + state + ", and two operators recorded afterwards that " + whereMoneyIs[b.Correction.Money] + ": that counts."
}

var whereMoneyIs = map[domain.MoneyWhere]string{domain.MoneyMoved: "the money moved", domain.MoneyNotMoved: "the money did not move"}

// corrected are the facts of a recorded correction; none without one.
func (b beside) corrected(c clock) []fact {
	if b.Correction == nil {
		return nil
	}
	return []fact{{"corrected", joined(whereMoneyIs[b.Correction.Money], b.Correction.TransactionNumber, "by two operators, "+c.past(b.Correction.At), "incident "+b.Correction.Incident)}}
}

// history are the open incidents, with the command that shows them.
func (b beside) history(c clock) (title string, lines [][]string) {
	if len(b.Incidents) == 0 {
		return "", nil
	}
	lines = [][]string{{"ID", "REASON", "NOTE", "AGE", "OPENED (" + c.name() + ")"}}
	for _, i := range b.Incidents {
		lines = append(lines, []string{i.ID, string(i.Reason), word(i.Acknowledged, "acknowledged"), c.age(i.OpenedAt), c.at(i.OpenedAt)})
	}
	return "Open incidents (tolem incidents show ID)", lines
}
