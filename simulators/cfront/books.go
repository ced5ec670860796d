package cfront

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"time"
)

// Request is one request as it arrived, and what became of it.
type Request struct {
	Number       int       `json:"number"` // from 1, in the order of arrival
	Time         time.Time `json:"time"`
	Call         string    `json:"call"`
	StoreOrderID string    `json:"storeOrderId,omitempty"` // "" = none legible
	BodySHA256   string    `json:"bodySha256"`
	Fault        Fault     `json:"fault,omitempty"`
	Processed    bool      `json:"processed"`
	Status       int       `json:"status"` // HTTP status that was decided; 0 = none yet
	TraceID      string    `json:"traceId"`

	phone string
}

// record is one line of the journal.
type record struct {
	Order        *Order        `json:"order,omitempty"`
	News         []News        `json:"news,omitempty"` // that the order's new state sets out
	Tried        *attempt      `json:"tried,omitempty"`
	Arrived      *Request      `json:"arrived,omitempty"`
	Answered     *Request      `json:"answered,omitempty"`
	Used         int           `json:"used,omitempty"` // number of the script that gave one answer
	Invited      string        `json:"invited,omitempty"`
	Settings     *Settings     `json:"settings,omitempty"`
	Offset       time.Duration `json:"offset,omitempty"` // of the clock, in all
	Script       *Script       `json:"script,omitempty"`
	Storm        *Storm        `json:"storm,omitempty"`
	ClearScripts bool          `json:"clearScripts,omitempty"`
	ClearStorms  bool          `json:"clearStorms,omitempty"`
}

// books is everything that survives a restart. It changes in apply only.
type books struct {
	settings Settings
	offset   time.Duration
	orders   map[string]Order  // by store_order_id
	numbers  map[string]string // order_id → store_order_id
	sequence []string          // store_order_ids in the order of creation
	creates  map[string]int    // order_ids of a store_order_id: 1, or the bank is broken
	open     map[string]string // phones of the orders that are, by store_order_id
	requests []Request
	seen     map[[2]string]int // requests so far of a call and order
	invited  map[string]int    // SMS by phone

	outbox     []News         // callbacks that are due some time, by number
	announced  map[string]int // callbacks so far by store_order_id
	lastNews   int
	deliveries []Delivery

	scripts    []progress
	lastScript int
	storms     map[string]Storm
}

func newBooks(s Settings) books {
	return books{
		settings: s, orders: map[string]Order{}, numbers: map[string]string{}, creates: map[string]int{}, open: map[string]string{},
		seen: map[[2]string]int{}, invited: map[string]int{}, announced: map[string]int{}, storms: map[string]Storm{},
	}
}

func (b *books) apply(r record) {
	if o := r.Order; o != nil {
		if _, there := b.orders[o.StoreOrderID]; !there {
			b.sequence = append(b.sequence, o.StoreOrderID)
		}
		if _, there := b.numbers[o.OrderID]; !there {
			b.creates[o.StoreOrderID]++
		}
		kept := *o
		kept.Creates = b.creates[o.StoreOrderID]
		b.orders[o.StoreOrderID], b.numbers[o.OrderID] = kept, o.StoreOrderID
		delete(b.open, o.StoreOrderID)
		if o.open() {
			b.open[o.StoreOrderID] = o.Phone
		}
	}
	b.call(r)
	if q := r.Arrived; q != nil {
		b.requests = append(b.requests, *q)
		b.seen[[2]string{q.Call, q.StoreOrderID}]++
	}
	if q := r.Answered; q != nil {
		b.requests[q.Number-1].Status, b.requests[q.Number-1].Processed = q.Status, q.Processed
	}
	if r.Invited != "" {
		b.invited[r.Invited]++
	}
	if r.Settings != nil {
		b.settings = *r.Settings
	}
	if r.Offset != 0 {
		b.offset = r.Offset
	}
	b.direct(r)
}

// call applies what became of callbacks.
func (b *books) call(r record) {
	for _, n := range r.News {
		b.lastNews = n.Number
		b.announced[n.StoreOrderID]++
		b.outbox = append(b.outbox, n)
	}
	if a := r.Tried; a != nil {
		b.deliveries = append(b.deliveries, a.Delivery)
		i := slices.IndexFunc(b.outbox, func(n News) bool { return n.Number == a.Number })
		b.outbox[i].Attempts++
		b.outbox[i].Due = a.Again
		if a.Again.IsZero() {
			b.outbox = slices.Delete(b.outbox, i, i+1)
		}
	}
}

// direct applies what the control API asked for.
func (b *books) direct(r record) {
	if r.ClearScripts {
		b.scripts = nil
	}
	if r.ClearStorms {
		b.storms = map[string]Storm{}
	}
	if r.Used != 0 {
		if i := slices.IndexFunc(b.scripts, func(p progress) bool { return p.Number == r.Used }); i >= 0 {
			b.scripts[i].Used++
			if _, more := b.scripts[i].current(); !more {
				b.scripts = slices.Delete(b.scripts, i, i+1)
			}
		}
	}
	if r.Script != nil {
		b.lastScript++
		b.scripts = append(b.scripts, progress{Number: b.lastScript, Script: *r.Script})
	}
	if r.Storm != nil {
		b.storms[r.Storm.Call] = *r.Storm
	}
}

// next is the scripted answer to a request and the number of its script, or what the storm
// has for it (number 0). The narrower script wins, of equals the older.
func (b *books) next(r Request) (Answer, int) {
	best, fit := -1, 0
	for i, p := range b.scripts {
		if m := p.Script.matches(r); m > fit {
			best, fit = i, m
		}
	}
	if best >= 0 {
		answer, _ := b.scripts[best].current()
		return answer, b.scripts[best].Number
	}
	if s, blows := b.storms[r.Call]; blows {
		fault, delay := s.Draw(r.StoreOrderID, b.seen[[2]string{r.Call, r.StoreOrderID}])
		return Answer{Fault: Fault(fault), DelayMs: delay}, 0
	}
	return Answer{}, 0
}

// newRequest reads whom a request is about, leniently: also of a body that will be refused.
func (b *books) newRequest(call string, body []byte, at time.Time) Request {
	sum := sha256.Sum256(body)
	r := Request{Time: at, Call: call, BodySHA256: hex.EncodeToString(sum[:])}
	var about struct {
		StoreOrderID string `json:"store_order_id"`
		OrderID      string `json:"order_id"`
		ClientPhone  string `json:"client_phone"`
		Phone        string `json:"phone"`
	}
	_ = json.Unmarshal(body, &about) // what is not legible is ""
	r.StoreOrderID, r.phone = about.StoreOrderID, about.ClientPhone+about.Phone
	if r.StoreOrderID == "" {
		r.StoreOrderID = b.numbers[about.OrderID]
	}
	if o, ok := b.orders[r.StoreOrderID]; ok && r.phone == "" {
		r.phone = o.Phone
	}
	return r
}
