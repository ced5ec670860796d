package cfront

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"time"

	"tolem/simulators/parts"
)

// Options of a Bank. The zero value is a bank in memory that checks no signature.
type Options struct {
	Dir     string           // where the books survive; "" = memory only
	StoreID string           // required in the header store-id; "" = any
	Secret  string           // of the signatures, both ways; "" = none is checked, none is sent
	Now     func() time.Time // nil = time.Now
	Log     *slog.Logger     // nil = discard; never holds phones or bodies
	// Settings of a bank without books; the zero value is DefaultSettings.
	Settings Settings
}

// tick is how often the bank looks by itself whose time has come.
const tick = 20 * time.Millisecond

// Bank is one bank with its books. Its methods may be called concurrently.
type Bank struct {
	storeID string
	secret  []byte
	now     func() time.Time
	log     *slog.Logger
	handler http.Handler
	client  *http.Client  // of callbacks
	closed  chan struct{} // releases everybody who waits
	ended   sync.WaitGroup

	mu         sync.Mutex
	books      books
	journal    *parts.Journal[record]
	down       bool
	gates      *parts.Gates
	outbox     []news         // callbacks that are due some time
	announced  map[string]int // callbacks so far by store_order_id
	deliveries []Delivery
}

// New opens the books of Options.Dir, or empty ones. It fails when the directory cannot be
// written or a line other than a torn last one is damaged. Close it when its server has
// stopped accepting.
func New(o Options) (*Bank, error) {
	if o.Settings.Profile == "" {
		o.Settings = DefaultSettings()
	}
	if err := o.Settings.validate(); err != nil {
		return nil, err
	}
	b := &Bank{
		storeID: o.StoreID, secret: []byte(o.Secret), now: o.Now, log: o.Log, closed: make(chan struct{}), announced: map[string]int{},
		books: newBooks(o.Settings), client: &http.Client{Timeout: 5 * time.Second},
	}
	b.gates = parts.NewGates(&b.mu, b.closed)
	if b.now == nil {
		b.now = time.Now
	}
	if b.log == nil {
		b.log = slog.New(slog.NewTextHandler(io.Discard, nil))
	}
	journal, err := parts.OpenJournal(o.Dir, "cfront.jsonl", b.books.apply)
	if err != nil {
		return nil, err
	}
	b.journal = journal
	b.handler = b.routes()
	b.ended.Go(b.run)
	return b, nil
}

// run lets time pass and delivers callbacks until the bank is closed.
func (b *Bank) run() {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for {
		select {
		case <-b.closed:
			return
		case <-ticker.C:
			b.settle()
			b.deliverDue()
		}
	}
}

// settle takes every order where the clock has it.
func (b *Bank) settle() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, id := range b.books.sequence {
		if o := b.books.orders[id]; o.open() {
			b.current(o)
		}
	}
}

// Handler serves the protocol under /api/ and the control API under /control.
func (b *Bank) Handler() http.Handler { return b.handler }

// Close releases every request that waits, ends callbacks and closes the books.
func (b *Bank) Close() error {
	b.mu.Lock()
	select {
	case <-b.closed:
		b.mu.Unlock()
		return nil
	default:
	}
	close(b.closed)
	err := b.journal.Close()
	b.mu.Unlock()
	b.ended.Wait()
	return err
}

// commit writes a record and then applies it; the caller holds the lock.
func (b *Bank) commit(r record) error {
	if err := b.journal.Write(r); err != nil {
		if !errors.Is(err, parts.ErrClosed) {
			b.log.Error("books cannot be written", "error", err)
		}
		return err
	}
	b.books.apply(r)
	return nil
}

func (b *Bank) change(r record) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.commit(r)
}

// time is the bank's clock; the caller holds the lock.
func (b *Bank) time() time.Time { return b.now().Add(b.books.offset) }

// current is an order as the clock has it now, written down if its state changed; the
// caller holds the lock.
func (b *Bank) current(o Order) Order {
	later, changed := o.after(b.books.settings, b.time())
	if !changed {
		return o
	}
	return b.put(later)
}

// put writes an order down and tells its store; the caller holds the lock.
func (b *Bank) put(o Order) Order {
	before := b.books.orders[o.StoreOrderID]
	if b.commit(record{Order: &o}) != nil {
		return before
	}
	if before.State != o.State {
		b.announce(o)
	}
	return b.books.orders[o.StoreOrderID]
}

// Set changes how the bank behaves. It returns a *parts.FieldError, or the error of writing
// it down.
func (b *Bank) Set(s Settings) error {
	if err := s.validate(); err != nil {
		return err
	}
	return b.change(record{Settings: &s})
}

// Settings are how the bank behaves now.
func (b *Bank) Settings() Settings {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.books.settings
}

// Advance makes time pass for the bank: push and confirm time-outs, decisions, pay-outs.
func (b *Bank) Advance(d time.Duration) error {
	b.mu.Lock()
	err := b.commit(record{Offset: b.books.offset + d})
	b.mu.Unlock()
	b.settle()
	return err
}

// ErrNoOrder says that the books have no such order, or that it takes no such step.
var ErrNoOrder = errors.New("no order of this number takes this step")

// step changes an order of the store's number as f says, if f does.
func (b *Bank) step(storeOrderID string, f func(Order) (Order, bool)) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	o, ok := b.books.orders[storeOrderID]
	if !ok {
		return ErrNoOrder
	}
	o, ok = f(b.current(o))
	if !ok {
		return ErrNoOrder
	}
	b.put(o)
	return nil
}

// Approve lets the client of an order agree now.
func (b *Bank) Approve(storeOrderID string) error {
	return b.step(storeOrderID, func(o Order) (Order, bool) {
		return o.agreed(b.books.settings, b.time()), o.State.Sub == subWaitingForClient
	})
}

// Fail ends an open order with a sub-state: REJECTED_BY_CLIENT, RESTRICTED_BY_RISKS, ….
func (b *Bank) Fail(storeOrderID, subState string) error {
	return b.step(storeOrderID, func(o Order) (Order, bool) {
		open := o.open()
		o.State = State{stateFail, subState}
		return o, open
	})
}

// SetState gives an order any state, also one that no document knows. Time does not move
// it from there.
func (b *Bank) SetState(storeOrderID string, s State) error {
	return b.step(storeOrderID, func(o Order) (Order, bool) {
		o.State, o.Forced = s, true
		if o.AgreedAt.IsZero() && (s.Sub == subWaitingForStore || s.Main == stateSuccess) {
			o.AgreedAt = b.time()
		}
		if s.Main == stateSuccess && o.ActiveAt.IsZero() {
			o.ActiveAt = b.time()
		}
		return o, true
	})
}

// Repay lets the client of an active order repay everything.
func (b *Bank) Repay(storeOrderID string) error {
	return b.step(storeOrderID, func(o Order) (Order, bool) {
		active := o.State == State{stateSuccess, subActive}
		o.State.Sub = subDone
		return o, active
	})
}

// SetDown begins or ends an outage: every request is recorded and then reset, unprocessed.
func (b *Bank) SetDown(down bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.down = down
}

// Script adds a script. It returns a *parts.FieldError if the script is not valid, or the
// error of writing it down.
func (b *Bank) Script(s Script) error {
	if err := s.validate(); err != nil {
		return err
	}
	return b.change(record{Script: &s})
}

// ClearScripts forgets all scripts.
func (b *Bank) ClearScripts() error { return b.change(record{ClearScripts: true}) }

// Storm replaces the random faults of one call. Errors as for Script.
func (b *Bank) Storm(s Storm) error {
	if !slices.Contains(calls, s.Call) {
		return errNoSuchCall
	}
	if err := s.Check(); err != nil {
		return err
	}
	return b.change(record{Storm: &s})
}

// ClearStorms ends all random faults.
func (b *Bank) ClearStorms() error { return b.change(record{ClearStorms: true}) }

// Hold closes the gate between processing and answering; HoldBefore that between arriving
// and processing. Release may be called more than once. They panic when there is no such
// call.
func (b *Bank) Hold(call string) (release func()) {
	return b.gates.Hold(parts.Passage{Call: mustKnow(call), Mode: parts.ModeAfter})
}

// HoldBefore is described at Hold.
func (b *Bank) HoldBefore(call string) (release func()) {
	return b.gates.Hold(parts.Passage{Call: mustKnow(call), Mode: parts.ModeBefore})
}

// Waiting is how many requests of the call wait now at its closed gates.
func (b *Bank) Waiting(call string) int { return b.gates.Waiting(call) }

func mustKnow(call string) string {
	if !slices.Contains(calls, call) {
		panic("cfront: no such call: " + call)
	}
	return call
}

// Order returns one line of the books, by the store's number.
func (b *Bank) Order(storeOrderID string) (Order, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	o, ok := b.books.orders[storeOrderID]
	if ok {
		o = b.current(o)
	}
	return o, ok
}

// Orders returns the books in the order of creation.
func (b *Bank) Orders() []Order {
	b.mu.Lock()
	defer b.mu.Unlock()
	orders := make([]Order, 0, len(b.books.sequence))
	for _, id := range b.books.sequence {
		orders = append(orders, b.current(b.books.orders[id]))
	}
	return orders
}

// Requests returns the requests about one order in the order of arrival; "" = all.
func (b *Bank) Requests(storeOrderID string) []Request {
	b.mu.Lock()
	defer b.mu.Unlock()
	requests := []Request{}
	for _, r := range b.books.requests {
		if storeOrderID == "" || r.StoreOrderID == storeOrderID {
			requests = append(requests, r)
		}
	}
	return requests
}

// Invitations is how many SMS a phone got.
func (b *Bank) Invitations(phone string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.books.invited[phone]
}

// Deliveries are the attempts to call back so far; "" = of all orders. They do not survive
// a restart.
func (b *Bank) Deliveries(storeOrderID string) []Delivery {
	b.mu.Lock()
	defer b.mu.Unlock()
	list := []Delivery{}
	for _, d := range b.deliveries {
		if storeOrderID == "" || d.StoreOrderID == storeOrderID {
			list = append(list, d)
		}
	}
	return list
}

// Totals of the books.
type Totals struct {
	Orders   map[string]int `json:"orders"` // by state and sub-state
	Confirms int            `json:"confirms"`
	Rejects  int            `json:"rejects"`
	Returned Hundredths     `json:"returned"`
	Broken   int            `json:"broken"` // orders created, confirmed or rejected more than once, or both; must be 0
	Requests int            `json:"requests"`
	Down     bool           `json:"down"`
}

// Totals counts the books.
func (b *Bank) Totals() Totals {
	orders := b.Orders()
	b.mu.Lock()
	defer b.mu.Unlock()
	t := Totals{Orders: map[string]int{}, Requests: len(b.books.requests), Down: b.down}
	for _, o := range orders {
		t.Orders[o.State.Main+"/"+o.State.Sub]++
		t.Confirms += o.Confirms
		t.Rejects += o.Rejects
		t.Returned += o.Returned()
		if o.Creates != 1 || o.Confirms+o.Rejects > 1 {
			t.Broken++
		}
	}
	return t
}
