package cfront

import (
	"slices"
	"strings"
	"time"
)

// State is an order's state in the bank's two words.
type State struct {
	Main string `json:"state"`
	Sub  string `json:"order_sub_state"`
}

// The words that the bank itself decides by (cfront.md 5).
const (
	stateInProcess = "IN_PROCESS"
	stateSuccess   = "SUCCESS"
	stateFail      = "FAIL"

	subWaitingForClient = "WAITING_FOR_CLIENT"
	subWaitingForStore  = "WAITING_FOR_STORE_CONFIRM"
	subActive           = "ACTIVE"
	subDone             = "DONE"
	subReturned         = "RETURNED"
)

// Order is one line of the bank's books.
type Order struct {
	OrderID       string     `json:"orderId"`
	StoreOrderID  string     `json:"storeOrderId"`
	Phone         string     `json:"phone"`
	Total         Hundredths `json:"total"`
	InvoiceNumber string     `json:"invoiceNumber"`
	InvoiceDate   string     `json:"invoiceDate"`
	Source        string     `json:"source"`
	Point         string     `json:"point,omitempty"`
	Parts         int        `json:"parts"`
	Callback      string     `json:"callback,omitempty"`
	State         State      `json:"state"`
	CreatedAt     time.Time  `json:"createdAt"`
	AgreedAt      time.Time  `json:"agreedAt,omitzero"` // the client
	ActiveAt      time.Time  `json:"activeAt,omitzero"`
	Returns       []Return   `json:"returns,omitempty"`
	DownPayment   Hundredths `json:"downPayment"`       // ext_initial_sum, taken at the shop's till
	PaidOut       bool       `json:"paidOut,omitempty"` // by PayOut, before its time

	Forced bool `json:"forced,omitempty"` // by SetState: time does not move it

	// Effects: how many orders were created under the store's number, and a confirm or reject of the
	// store took effect. Each is 0 or 1, or the bank is broken. The books count Creates.
	Creates  int `json:"creates"`
	Confirms int `json:"confirms"`
	Rejects  int `json:"rejects"`
}

// Return is one return of goods that the bank took.
type Return struct {
	StoreReturnID string     `json:"storeReturnId"` // "" = taken at the bank itself
	Sum           Hundredths `json:"sum"`
	ToCard        bool       `json:"toCard"`
	At            time.Time  `json:"at"`
}

// Returned is all that was taken back.
func (o Order) Returned() (sum Hundredths) {
	for _, r := range o.Returns {
		sum += r.Sum
	}
	return sum
}

// lessened is the order after a return.
func (o Order) lessened(r Return) Order {
	o.Returns = append(slices.Clone(o.Returns), r)
	if o.Returned() == o.Total {
		o.State.Sub = subReturned
	}
	return o
}

// open says whether client or store still have to decide.
func (o Order) open() bool { return o.State.Main == stateInProcess }

// outcome is what the client's phone lets happen after DecisionDelay; "" leaves the client
// thinking.
func outcome(phone string) State {
	fail := func(sub string) State { return State{stateFail, sub} }
	switch phone[len(phone)-1:] {
	case "0":
		return fail("CLIENT_NOT_FOUND")
	case "1", "4":
		return State{stateInProcess, subWaitingForStore}
	case "3":
		return fail("EXCEEDED_SUM_LIMIT")
	case "5":
		return fail("PAY_PARTS_ARE_NOT_ACCEPTABLE")
	case "6":
		return fail("NOT_ENOUGH_MONEY_FOR_INIT_DEBIT")
	case "7":
		return fail("REJECTED_BY_CLIENT")
	case "8":
		return fail("FRAUD_REJECTED")
	case "9":
		return fail("FAIL")
	}
	return State{}
}

// known says whether the bank has a client of this phone.
func known(phone string) bool { return !strings.HasSuffix(phone, "0") }

// after is the order as the clock has it; changed says that its state did.
func (o Order) after(s Settings, now time.Time) (later Order, changed bool) {
	age := now.Sub(o.CreatedAt)
	switch {
	case !o.open() || o.Forced:
	case o.State.Sub == subWaitingForStore:
		if s.ConfirmTimeout > 0 && now.Sub(o.AgreedAt) >= s.ConfirmTimeout.duration() {
			o.State, changed = State{stateFail, "CONFIRM_TIME_EXPIRED"}, true
		}
	case age >= s.DecisionDelay.duration() && outcome(o.Phone) != State{}:
		decided := outcome(o.Phone)
		if decided.Sub == subWaitingForStore {
			return o.agreed(s, o.CreatedAt.Add(s.DecisionDelay.duration())), true
		}
		o.State, changed = decided, true
	case age >= s.PushTimeout.duration():
		o.State, changed = State{stateFail, "CLIENT_PUSH_TIMEOUT"}, true
	}
	return o, changed
}

// agreed is the order after its client has agreed.
func (o Order) agreed(s Settings, at time.Time) Order {
	o.AgreedAt, o.Forced = at, false
	if s.OnePhase {
		o.State, o.ActiveAt = State{stateSuccess, subActive}, at
		return o
	}
	o.State = State{stateInProcess, subWaitingForStore}
	return o
}
