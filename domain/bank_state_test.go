package domain

import (
	"testing"
	"time"
)

// cfront.md, section 5: the table, the legacy words, and words nobody knows.
func TestBankStates(t *testing.T) {
	for state, want := range map[BankState]BankMeaning{
		{"IN_PROCESS", "WAITING_FOR_CLIENT"}:        BankPending,
		{"IN_PROCESS", "WAITING_FOR_STORE_CONFIRM"}: BankReady,
		{"SUCCESS", "ACTIVE"}:                       BankActive,
		{"SUCCESS", "DONE"}:                         BankDone,
		{"SUCCESS", "RETURNED"}:                     BankReturned,
		{"FAIL", "CLIENT_NOT_FOUND"}:                BankFailed,
		{"FAIL", "EXCEEDED_SUM_LIMIT"}:              BankFailed,
		{"FAIL", "PAY_PARTS_ARE_NOT_ACCEPTABLE"}:    BankFailed,
		{"FAIL", "EXISTS_OTHER_OPEN_ORDER"}:         BankFailed,
		{"FAIL", "NOT_ENOUGH_MONEY_FOR_INIT_DEBIT"}: BankFailed,
		{"FAIL", "REJECTED_BY_CLIENT"}:              BankFailed,
		{"FAIL", "CLIENT_PUSH_TIMEOUT"}:             BankFailed,
		{"FAIL", "REJECTED_BY_STORE"}:               BankFailed,
		{"FAIL", "FRAUD_REJECTED"}:                  BankFailed,
		{"FAIL", "RESTRICTED_BY_RISKS"}:             BankFailed,
		{"FAIL", "FAIL"}:                            BankFailed,
		{"IN_PROCESS", "ADDED"}:                     BankPending,
		{"IN_PROCESS", "CLIENT_APPROVED_PUSH"}:      BankPending,
		{"IN_PROCESS", "INIT_DEBIT_OK"}:             BankPending,
		{"SUCCESS", "SUCCESS"}:                      BankActive,
		{"SUCCESS", "EARLY_CLOSED_BY_CLIENT"}:       BankDone,
		{"FAIL", "CONFIRM_TIME_EXPIRED"}:            BankFailed,
		{"FAIL", "ACCOUNT_CLOSED"}:                  BankFailed,
		{"IN_PROCESS", "SOMETHING_NEW"}:             BankPending,
		{"SUCCESS", "SOMETHING_NEW"}:                BankActive,
		{"FAIL", ""}:                                BankFailed,
		{"CANCELLED", "WAITING_FOR_STORE_CONFIRM"}:  BankUnknown,
		{"", ""}:                                 BankUnknown,
		{"in_process", "WAITING_FOR_CLIENT"}:     BankUnknown,
		{"FAIL", "WAITING_FOR_STORE_CONFIRM"}:    BankFailed, // the sub-state of another state
		{"IN_PROCESS", "RETURNED"}:               BankPending,
		{"SUCCESS", "WAITING_FOR_STORE_CONFIRM"}: BankActive,
	} {
		if got := (BankWords{}).Means(state); got != want {
			t.Errorf("%s means %s, want %s", state, got, want)
		}
	}
	words := BankWords{"CLIENT_APPROVED_PUSH": BankReady, "ACTIVE": BankPending}
	for state, want := range map[BankState]BankMeaning{
		{"IN_PROCESS", "CLIENT_APPROVED_PUSH"}: BankReady, {"SUCCESS", "ACTIVE"}: BankPending, {"SUCCESS", "DONE"}: BankDone,
	} {
		if got := words.Means(state); got != want {
			t.Errorf("by this bank's words %s means %s, want %s", state, got, want)
		}
	}
}

// A settled order moves forward, and a dead one not at all.
func TestBankMeaningsOnlyMoveForward(t *testing.T) {
	all := []BankMeaning{"", BankUnknown, BankPending, BankReady, BankActive, BankDone, BankReturned, BankFailed}
	forward := map[BankMeaning][]BankMeaning{
		BankActive: {BankActive, BankDone, BankReturned}, BankDone: {BankDone, BankReturned}, BankReturned: {BankReturned}, BankFailed: {BankFailed},
	}
	for _, known := range all {
		for _, told := range all[1:] {
			want := false
			if next, settled := forward[known]; settled {
				want = true
				for _, n := range next {
					want = want && n != told
				}
			}
			if got := known.Backwards(told); got != want {
				t.Errorf("from %q to %q: backwards %t, want %t", known, told, got, want)
			}
		}
	}
	for _, m := range all[1:] {
		if !m.Known() || m.Settled() != (m == BankActive || m == BankDone || m == BankReturned) {
			t.Errorf("%s: known %t, settled %t", m, m.Known(), m.Settled())
		}
	}
	if BankMeaning("paid").Known() || BankMeaning("").Known() {
		t.Error("an invented meaning is known")
	}
}

// "another open application; cancel it or wait 15 min", "resubmit after 5 min".
func TestAgainAfter(t *testing.T) {
	for subState, want := range map[string]Again{
		"EXISTS_OTHER_OPEN_ORDER": {true, 15 * time.Minute}, "FAIL": {true, 5 * time.Minute}, "CLIENT_PUSH_TIMEOUT": {true, 0},
		"CLIENT_NOT_FOUND": {true, 0}, "FRAUD_REJECTED": {}, "REJECTED_BY_CLIENT": {}, "SOMETHING_NEW": {}, "": {},
	} {
		if got := AgainAfter(subState); got != want {
			t.Errorf("%s: %+v, want %+v", subState, got, want)
		}
	}
}
