package cfront

import (
	"errors"
	"slices"
	"time"

	"tolem/simulators/parts"
)

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
	return b.put(o)
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

// PayOut pays a store for an active order now, whatever PayoutDelay says.
func (b *Bank) PayOut(storeOrderID string) error {
	return b.step(storeOrderID, func(o Order) (Order, bool) {
		o.PaidOut = true
		return o, o.State.Main == stateSuccess
	})
}

// TakeBack takes goods of an active order back at the bank itself, with no request of the
// store's: at most what is left.
func (b *Bank) TakeBack(storeOrderID string, sum Hundredths) error {
	return b.step(storeOrderID, func(o Order) (Order, bool) {
		takes := o.State.Main == stateSuccess && sum > 0 && o.Returned()+sum <= o.Total
		return o.lessened(Return{Sum: sum, At: b.time()}), takes
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
