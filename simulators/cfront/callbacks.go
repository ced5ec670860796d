package cfront

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"tolem/simulators/parts"
)

// News is a callback on its way.
type News struct {
	Number       int       `json:"number"` // from 1
	StoreOrderID string    `json:"storeOrderId"`
	State        State     `json:"state"`
	Due          time.Time `json:"due"` // by the bank's clock
	Attempts     int       `json:"attempts"`
	Nth          int       `json:"nth"` // of the order's callbacks, from 1: what is lost repeats with the seed
}

// Delivery is one attempt to deliver a callback.
type Delivery struct {
	StoreOrderID string    `json:"storeOrderId"`
	State        State     `json:"state"`
	Time         time.Time `json:"time"`   // by the bank's clock
	Status       int       `json:"status"` // 0 = no answer
	Lost         bool      `json:"lost"`   // on purpose; nothing was sent
}

// attempt is what became of a callback.
type attempt struct {
	Delivery
	Number int       `json:"number"` // of the News
	Again  time.Time `json:"again"`  // zero = that was the last attempt
}

// announce is what an order's new state sets out; the caller holds the lock.
func (b *Bank) announce(o Order) []News {
	c := b.books.settings.Callbacks
	if o.Callback == "" || c.Off || !b.books.settings.tells(o.State) {
		return nil
	}
	due := b.time().Add(c.Delay.duration())
	if c.Reorder { // an order's next news overtakes this
		due = due.Add(4*c.Delay.duration() + 200*time.Millisecond)
		for _, n := range b.books.outbox {
			if n.StoreOrderID == o.StoreOrderID {
				due = b.time()
			}
		}
	}
	n := News{StoreOrderID: o.StoreOrderID, State: o.State, Due: due, Number: b.books.lastNews + 1, Nth: b.books.announced[o.StoreOrderID] + 1}
	if !c.Duplicate {
		return []News{n}
	}
	again := n
	again.Number++
	again.Nth++
	return []News{n, again}
}

// deliverDue delivers the callbacks whose time has come, those of one order one after the
// other.
func (b *Bank) deliverDue() {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.time()
	for _, n := range b.books.outbox {
		if b.delivering[n.StoreOrderID] || now.Before(n.Due) {
			continue
		}
		b.delivering[n.StoreOrderID] = true
		b.ended.Go(func() {
			for b.deliverNext(n.StoreOrderID) {
			}
		})
	}
}

// deliverNext makes one attempt for the oldest callback of an order that is due; false when
// there was none, or the bank was closed.
func (b *Bank) deliverNext(storeOrderID string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.time()
	var n News
	for _, other := range b.books.outbox {
		if other.StoreOrderID == storeOrderID && !now.Before(other.Due) && (n.Number == 0 || other.Due.Before(n.Due)) {
			n = other
		}
	}
	if n.Number == 0 {
		delete(b.delivering, storeOrderID)
		return false
	}
	c, o := b.books.settings.Callbacks, b.books.orders[storeOrderID]
	d := Delivery{StoreOrderID: storeOrderID, State: n.State, Time: now}
	name := fmt.Sprintf("%s/%v/%d/%d", storeOrderID, n.State, n.Nth, n.Attempts+1)
	if d.Lost = c.Off || c.Loss > 0 && parts.Draw(c.Seed, name) < c.Loss; !d.Lost {
		o.State = n.State
		b.mu.Unlock()
		d.Status = b.post(o)
		b.mu.Lock()
	}
	a := attempt{Delivery: d, Number: n.Number}
	if d.Status != http.StatusOK && n.Attempts+1 < c.MaxAttempts && !c.Off {
		a.Again = b.time().Add(c.RetryAfter.duration())
	}
	return b.commit(record{Tried: &a}) == nil
}

// post sends an order's state, signed, and returns the HTTP status, 0 for none.
func (b *Bank) post(o Order) int {
	body, err := json.Marshal(o.shown())
	if err != nil {
		panic(err) // a bug of the simulator
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		select {
		case <-b.closed:
			cancel()
		case <-ctx.Done():
		}
	}()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, o.Callback, bytes.NewReader(body))
	if err != nil {
		return 0
	}
	request.Header.Set("Content-Type", jsonType)
	if len(b.secret) > 0 {
		request.Header.Set("signature", b.Sign(body))
	}
	response, err := b.client.Do(request)
	if err != nil {
		return 0
	}
	_ = response.Body.Close() // nobody reads it
	return response.StatusCode
}

// Redeliver sends an order's present state to its address once more, whatever it is, and
// returns the HTTP status, 0 for none.
func (b *Bank) Redeliver(storeOrderID string) (int, error) {
	o, ok := b.Order(storeOrderID)
	if !ok {
		return 0, ErrNoOrder
	}
	return b.SendCallback(storeOrderID, o.State)
}

// SendCallback tells an order's store any state, true or not, and returns the HTTP status,
// 0 for none.
func (b *Bank) SendCallback(storeOrderID string, s State) (int, error) {
	o, ok := b.Order(storeOrderID)
	if !ok || o.Callback == "" {
		return 0, ErrNoOrder
	}
	o.State = s
	return b.post(o), nil
}
