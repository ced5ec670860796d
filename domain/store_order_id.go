package domain

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// StoreOrderID names one instalment order at the bank and in our ledger: the
// store's own number, 1 to 64 characters, unique for the store and never used
// again ("store_order_id", cfront.md 4.3). It is in workflow ids, logs and paths,
// so it must name nobody.
type StoreOrderID string

// StoreReturnID names one return within an order, of the same form.
type StoreReturnID string

// ErrStoreID is wrapped by every error of ParseStoreOrderID and
// ParseStoreReturnID.
var ErrStoreID = errors.New("not a store's number")

// maxStoreID is the longest number of a store, in characters.
const maxStoreID = 64

// ParseStoreOrderID takes 1 to 64 printable characters of any alphabet, without
// spaces at the ends, so that each number has one spelling.
func ParseStoreOrderID(s string) (StoreOrderID, error) {
	return StoreOrderID(s), checkStoreID(s)
}

// ParseStoreReturnID takes the same form.
func ParseStoreReturnID(s string) (StoreReturnID, error) {
	return StoreReturnID(s), checkStoreID(s)
}

func checkStoreID(s string) error {
	switch {
	case !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) || r == utf8.RuneError }):
		return fmt.Errorf("%w: want printable characters", ErrStoreID)
	case s == "" || utf8.RuneCountInString(s) > maxStoreID:
		return fmt.Errorf("%w: want 1 to %d characters", ErrStoreID, maxStoreID)
	case strings.TrimSpace(s) != s:
		return fmt.Errorf("%w: want no spaces at the ends", ErrStoreID)
	}
	return nil
}

// String is the number as the store wrote it.
func (id StoreOrderID) String() string { return string(id) }

const orderPrefix = "order/"

// WorkflowID is the order's name in Temporal, logs and spans:
// order/<store_order_id>.
func (id StoreOrderID) WorkflowID() string { return orderPrefix + string(id) }

// MoveWorkflowID is that of the short process that takes a settled order forward.
func (id StoreOrderID) MoveWorkflowID() string { return "order-move/" + string(id) }

// ReturnWorkflowID is that of one return: return/<order>/<store_return_id>. A
// slash in either is written %2F, so that two returns never share a name.
func (id StoreOrderID) ReturnWorkflowID(number StoreReturnID) string {
	escape := strings.NewReplacer("%", "%25", "/", "%2F")
	return "return/" + escape.Replace(string(id)) + "/" + escape.Replace(string(number))
}

// OrderOf is the order of a process that WorkflowID names. Errors wrap ErrStoreID.
func OrderOf(process string) (StoreOrderID, error) {
	number, ok := strings.CutPrefix(process, orderPrefix)
	if !ok {
		return "", fmt.Errorf("%w: %q is no order's process", ErrStoreID, process)
	}
	return ParseStoreOrderID(number)
}
