package domain

import (
	"strings"
	"time"
)

// BankState is an order's state at the bank, in the bank's own words. Both words
// are open: the bank may use others tomorrow (cfront.md 5).
type BankState struct {
	State    string `json:"state,omitempty"`
	SubState string `json:"subState,omitempty"`
}

// String is both words, SUCCESS/ACTIVE; "" without either.
func (s BankState) String() string {
	if s == (BankState{}) {
		return ""
	}
	return s.State + "/" + s.SubState
}

// ParseBankState reads what String writes.
func ParseBankState(words string) BankState {
	state, subState, _ := strings.Cut(words, "/")
	return BankState{State: state, SubState: subState}
}

// The journal's words for what the bank answers when it is asked whether it has paid.
const (
	WordPaid    = "paid"
	WordNotPaid = "not_paid"
)

// BankMeaning is what a state at the bank means for the order.
type BankMeaning string

// The meanings. Those from active on are settled: an order moves from one to a
// later one and never back.
const (
	BankPending  BankMeaning = "pending"  // the bank or the client decides
	BankReady    BankMeaning = "ready"    // the store decides
	BankActive   BankMeaning = "active"   // confirmed: the bank pays the store
	BankDone     BankMeaning = "done"     // the client repaid everything
	BankReturned BankMeaning = "returned" // returned in full
	BankFailed   BankMeaning = "failed"   // for ever
	// BankUnknown is a state that the document does not know: a person has to look,
	// and nothing is concluded from it.
	BankUnknown BankMeaning = "unknown"
)

// rank orders the meanings that an order passes through.
var rank = map[BankMeaning]int{BankUnknown: 0, BankPending: 0, BankReady: 1, BankActive: 2, BankDone: 3, BankReturned: 4, BankFailed: 5}

// Known says whether m is a meaning.
func (m BankMeaning) Known() bool { _, ok := rank[m]; return ok }

// Settled says whether the bank confirmed the sale.
func (m BankMeaning) Settled() bool { return m == BankActive || m == BankDone || m == BankReturned }

// Backwards says whether now, told after m, would take a settled or failed order
// back: such news is old, or wrong.
func (m BankMeaning) Backwards(now BankMeaning) bool {
	return rank[m] >= rank[BankActive] && (rank[now] < rank[m] || m != now && now == BankFailed)
}

// The states of the document.
const (
	bankInProcess = "IN_PROCESS"
	bankSuccess   = "SUCCESS"
	bankFail      = "FAIL"
)

// subStates are the sub-states that mean more than their state does (cfront.md 5).
// The others follow their state: legacy words of IN_PROCESS are pending, those of
// SUCCESS active, those of FAIL failed.
var subStates = map[BankState]BankMeaning{
	{bankInProcess, "WAITING_FOR_STORE_CONFIRM"}: BankReady,
	{bankSuccess, "DONE"}:                        BankDone,
	{bankSuccess, "EARLY_CLOSED_BY_CLIENT"}:      BankDone, // legacy: repaid ahead of time
	{bankSuccess, "RETURNED"}:                    BankReturned,
}

// BankWords is what this bank's sub-states mean where it differs from the
// document: sub-state → meaning.
type BankWords map[string]BankMeaning

// Means reads a state at the bank. An unknown sub-state follows its state; an
// unknown state is BankUnknown.
func (w BankWords) Means(s BankState) BankMeaning {
	if meaning, ok := w[s.SubState]; ok {
		return meaning
	}
	if meaning, ok := subStates[s]; ok {
		return meaning
	}
	switch s.State {
	case bankInProcess:
		return BankPending
	case bankSuccess:
		return BankActive
	case bankFail:
		return BankFailed
	}
	return BankUnknown
}

// Again says when a customer whose order failed may try again, with a new
// store_order_id: the old one would only bring the dead order back.
type Again struct {
	Possible bool
	After    time.Duration // from the failure; 0 is at once
}

// again holds the sub-states after which the same purchase may be tried again as
// it is (cfront.md 5).
var again = map[string]Again{
	"EXISTS_OTHER_OPEN_ORDER":     {true, 15 * time.Minute}, // "cancel it or wait 15 min"
	"EXISTS_EXT_OTHER_OPEN_ORDER": {true, 15 * time.Minute},
	"CLIENT_PUSH_TIMEOUT":         {true, 0},
	"CONFIRM_TIME_EXPIRED":        {true, 0},
	"CLIENT_CONFIRM_TIME_EXPIRED": {true, 0},
	"CLIENT_NOT_FOUND":            {true, 0},               // after the customer has registered with the bank
	"FAIL":                        {true, 5 * time.Minute}, // "resubmit after 5 min (new store_order_id)"
}

// AgainAfter reads the sub-state of a failed order.
func AgainAfter(subState string) Again { return again[subState] }
