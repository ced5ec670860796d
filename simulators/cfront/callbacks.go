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

// news is a callback on its way.
type news struct {
	storeOrderID string
	url          string
	state        State
	body         []byte
	due          time.Time // by the machine's clock: Advance brings no callback forward
	attempts     int
	number       int // of the order's callbacks, from 1: what is lost repeats with the seed
}

// announce puts an order's state among the callbacks that are due; the caller holds the
// lock. What waits for delivery does not survive a restart: callbacks get lost.
func (b *Bank) announce(o Order) {
	c := b.books.settings.Callbacks
	if o.Callback == "" || c.Off || !b.books.settings.tells(o.State) {
		return
	}
	body, err := json.Marshal(o.shown())
	if err != nil {
		panic(err) // a bug of the simulator
	}
	n := news{storeOrderID: o.StoreOrderID, url: o.Callback, state: o.State, body: body, due: time.Now().Add(c.Delay.duration())}
	if c.Reorder { // an order's next news overtakes this
		n.due = n.due.Add(4*c.Delay.duration() + 200*time.Millisecond)
		for i := range b.outbox {
			if b.outbox[i].storeOrderID == n.storeOrderID {
				n.due = time.Now()
			}
		}
	}
	for copies := 1; copies == 1 || c.Duplicate && copies == 2; copies++ {
		b.announced[n.storeOrderID]++
		n.number = b.announced[n.storeOrderID]
		b.outbox = append(b.outbox, n)
	}
}

// deliverDue delivers the callbacks whose time has come, those of one order one after the
// other.
func (b *Bank) deliverDue() {
	b.mu.Lock()
	due := map[string][]news{}
	rest := b.outbox[:0:0]
	for _, n := range b.outbox {
		if time.Now().Before(n.due) {
			rest = append(rest, n)
		} else {
			due[n.storeOrderID] = append(due[n.storeOrderID], n)
		}
	}
	b.outbox = rest
	b.mu.Unlock()
	for _, list := range due {
		b.ended.Go(func() {
			for _, n := range list {
				b.deliverOne(n)
			}
		})
	}
}

// deliverOne makes one attempt, and puts the callback back when it was not answered 200.
func (b *Bank) deliverOne(n news) {
	b.mu.Lock()
	c := b.books.settings.Callbacks
	b.mu.Unlock()
	d := Delivery{StoreOrderID: n.storeOrderID, State: n.state, Time: time.Now()}
	n.attempts++
	if d.Lost = c.Off || c.Loss > 0 && parts.Draw(c.Seed, fmt.Sprintf("%s/%v/%d/%d", n.storeOrderID, n.state, n.number, n.attempts)) < c.Loss; !d.Lost {
		d.Status = b.post(n.url, n.body)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.deliveries = append(b.deliveries, d)
	if d.Status != http.StatusOK && n.attempts < c.MaxAttempts && !c.Off {
		n.due = time.Now().Add(c.RetryAfter.duration())
		b.outbox = append(b.outbox, n)
	}
}

// post sends signed bytes and returns the HTTP status, 0 for none.
func (b *Bank) post(url string, body []byte) int {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		select {
		case <-b.closed:
			cancel()
		case <-ctx.Done():
		}
	}()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
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
	if !ok || o.Callback == "" {
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
	body, err := json.Marshal(o.shown())
	if err != nil {
		return 0, err
	}
	return b.post(o.Callback, body), nil
}
