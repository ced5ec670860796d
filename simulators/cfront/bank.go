package cfront

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
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
	delivering map[string]bool // orders whose callbacks are on the wire
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
		storeID: o.StoreID, secret: []byte(o.Secret), now: o.Now, log: o.Log, closed: make(chan struct{}), delivering: map[string]bool{},
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
	for id := range b.books.open { // which may lose the entry just visited
		b.current(b.books.orders[id])
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

// current is an order as the clock has it now, with every change of state on the way written
// down; the caller holds the lock. What cannot be written down has not happened.
func (b *Bank) current(o Order) Order {
	for {
		later, changed := o.after(b.books.settings, b.time())
		if !changed || b.put(later) != nil {
			return o
		}
		o = b.books.orders[o.StoreOrderID]
	}
}

// put writes an order down, and sets out its news; the caller holds the lock.
func (b *Bank) put(o Order) error {
	var r record
	b.enter(&r, o)
	return b.commit(r)
}

// enter makes an order and its news part of a record; the caller holds the lock.
func (b *Bank) enter(r *record, o Order) {
	r.Order = &o
	if b.books.orders[o.StoreOrderID].State != o.State {
		r.News = b.announce(o)
	}
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

// Deliveries are the attempts to call back so far; "" = of all orders.
func (b *Bank) Deliveries(storeOrderID string) []Delivery {
	b.mu.Lock()
	defer b.mu.Unlock()
	list := []Delivery{}
	for _, d := range b.books.deliveries {
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
