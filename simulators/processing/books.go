package processing

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"
)

// State of a payment in the centre's books.
type State string

// The states. A checked payment has seen no pay; a registered one has, and was
// not executed yet; executed and refused are final.
const (
	Checked    State = "checked"
	Registered State = "registered"
	Executed   State = "executed"
	Refused    State = "refused"
)

// Payment is one line of the books.
type Payment struct {
	AgentTransactionID   int64  `json:"agentTransactionId"`
	TransactionID        int64  `json:"transactionId"`
	ServiceID            string `json:"serviceId"`
	Account              string `json:"account"`
	AgentTransactionDate string `json:"agentTransactionDate"`
	AmountTo             Tiyn   `json:"amountTo"`   // credited; leaves the agent's balance
	AmountFrom           Tiyn   `json:"amountFrom"` // taken from the payer; the difference stays with the agent
	State                State  `json:"state"`
	Code                 int    `json:"code"`                      // latest of its state: of the last check, or of pay
	Effects              int    `json:"effects"`                   // how many times money moved
	TransactionDate      string `json:"transactionDate,omitempty"` // first pay arrived; milliseconds
	StatusDate           string `json:"statusDate,omitempty"`      // became final; milliseconds
	PaySHA256            string `json:"paySha256,omitempty"`       // of the JSON value of the first pay's body
}

// Request is one protocol request as it arrived, and what became of it.
type Request struct {
	Number             int       `json:"number"` // from 1, in the order of arrival
	Time               time.Time `json:"time"`
	Call               string    `json:"call"`
	AgentTransactionID int64     `json:"agentTransactionId,omitempty"` // 0 = none legible
	Body               string    `json:"body,omitempty"`               // only if valid UTF-8
	BodySHA256         string    `json:"bodySha256"`                   // hex, of the bytes
	Redirected         bool      `json:"redirected,omitempty"`         // came by following a redirect
	Fault              Fault     `json:"fault,omitempty"`
	Code               int       `json:"code"`   // decided, not necessarily received; NoCode = not processed (yet)
	Status             int       `json:"status"` // HTTP status; 0 = no answer
	Moved              bool      `json:"moved"`  // this request moved money
}

func newRequest(call string, body []byte, at time.Time) Request {
	sum := sha256.Sum256(body)
	r := Request{Time: at, Call: call, BodySHA256: hex.EncodeToString(sum[:]), Code: NoCode}
	if utf8.Valid(body) {
		r.Body = string(body)
	}
	return r
}

// move is money leaving the agent's balance for a payment.
type move struct {
	AgentTransactionID int64 `json:"agentTransactionId"`
	Amount             Tiyn  `json:"amount"`
}

// answered completes a request.
type answered struct {
	Number int  `json:"number"`
	Code   int  `json:"code"`
	Status int  `json:"status"`
	Moved  bool `json:"moved,omitempty"`
}

// books is everything that survives a restart. It changes in apply only.
type books struct {
	payments     map[int64]Payment
	order        []int64 // ids of payments in the order of their first request
	effects      map[int64]int
	balance      tenThousandths
	overdraft    tenThousandths
	notification tenThousandths
	silent       bool // notification is left out of the answer
	moved        Tiyn
	issued       int64 // last transactionId given out

	requests []Request
	byID     map[int64][]int // indices into requests
	seen     map[target]int  // requests so far of a call and id

	scripts    map[target][]*progress // the oldest first; finished ones are gone
	targets    map[int]target         // of the scripts, by number
	lastScript int
	storms     map[string]Storm
	catalogue  Catalogue // what is changed in it
}

// Invented, in the manner of the document's examples.
const (
	firstTransaction int64          = 100_000_780_000_000
	openingBalance   tenThousandths = 1_000_000_000_0000
)

func newBooks() books {
	return books{
		payments: map[int64]Payment{}, effects: map[int64]int{}, balance: openingBalance, issued: firstTransaction,
		byID: map[int64][]int{}, seen: map[target]int{},
		scripts: map[target][]*progress{}, targets: map[int]target{}, storms: map[string]Storm{},
	}
}

// apply is the only place where the books change, while serving and while
// reading the journal again; so a record that happened twice would show in
// effects.
func (b *books) apply(r record) {
	if r.Arrived != nil {
		b.arrive(*r.Arrived)
	}
	if r.Used != 0 {
		b.use(r.Used)
	}
	if p := r.Payment; p != nil {
		if _, known := b.payments[p.AgentTransactionID]; !known {
			b.order = append(b.order, p.AgentTransactionID)
		}
		b.issued = max(b.issued, p.TransactionID)
		b.payments[p.AgentTransactionID] = *p
	}
	if m := r.Move; m != nil {
		b.balance -= tenThousandths(m.Amount) * perTiyn
		b.moved += m.Amount
		b.effects[m.AgentTransactionID]++
	}
	if a := r.Answered; a != nil {
		q := &b.requests[a.Number-1]
		q.Code, q.Status, q.Moved = a.Code, a.Status, a.Moved
	}
	if r.Balance != nil {
		b.balance = *r.Balance
	}
	if r.Overdraft != nil {
		b.overdraft = *r.Overdraft
	}
	if r.Notification != nil {
		b.notification, b.silent = *r.Notification, false
	}
	if r.NoNotification {
		b.silent = true
	}
	b.direct(r)
}

// direct applies what the control API asked for.
func (b *books) direct(r record) {
	if r.ClearScripts {
		b.scripts, b.targets = map[target][]*progress{}, map[int]target{}
	}
	if r.ClearStorms {
		b.storms = map[string]Storm{}
	}
	if s := r.Script; s != nil {
		b.lastScript++
		t := s.target()
		b.targets[b.lastScript] = t
		b.scripts[t] = append(b.scripts[t], &progress{Number: b.lastScript, Script: *s})
	}
	if s := r.Storm; s != nil {
		b.storms[s.Call] = *s
	}
	if r.Catalogue != nil {
		b.catalogue = *r.Catalogue
	}
}

func (b *books) arrive(q Request) {
	b.byID[q.AgentTransactionID] = append(b.byID[q.AgentTransactionID], len(b.requests))
	b.seen[target{call: q.Call, id: q.AgentTransactionID}]++
	b.requests = append(b.requests, q)
}

// use counts one answer of a script as used up, and forgets a finished script.
// A script that was deleted in the meantime is nothing to count.
func (b *books) use(number int) {
	t := b.targets[number]
	list := b.scripts[t]
	i := slices.IndexFunc(list, func(p *progress) bool { return p.Number == number })
	if i < 0 {
		return
	}
	list[i].Used++
	if _, more := list[i].current(); more {
		return
	}
	delete(b.targets, number)
	if b.scripts[t] = slices.Delete(list, i, i+1); len(b.scripts[t]) == 0 {
		delete(b.scripts, t)
	}
}

// next is the scripted answer to a request and the number of its script, or what
// the storm has for it (number 0).
func (b *books) next(call string, id int64, account string) (Answer, int) {
	for _, t := range []target{{call, id, ""}, {call, 0, account}, {call, 0, ""}} {
		if list := b.scripts[t]; len(list) > 0 {
			answer, _ := list[0].current()
			return answer, list[0].Number
		}
	}
	if s, blows := b.storms[call]; blows {
		fault, delay := s.Draw(strconv.FormatInt(id, 10), b.seen[target{call: call, id: id}])
		return Answer{Fault: Fault(fault), DelayMs: delay}, 0
	}
	return Answer{}, 0
}

// payment is the line of an id, with its effects.
func (b *books) payment(id int64) (Payment, bool) {
	p, known := b.payments[id]
	p.Effects = b.effects[id]
	return p, known
}

// open begins a line for an id that the books do not know and nothing was
// decided about.
func (b *books) open(id int64) Payment {
	return Payment{AgentTransactionID: id, TransactionID: b.issued + 1, State: Checked, Code: NoCode}
}

// anotherTransaction is the transactionId of some other payment.
func (b *books) anotherTransaction(id int64) (int64, bool) {
	for i := len(b.order) - 1; i >= 0; i-- {
		if b.order[i] != id {
			return b.payments[b.order[i]].TransactionID, true
		}
	}
	return 0, false
}
