package domain

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
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
	case UnprintableFault(s) != "":
		return fmt.Errorf("%w: it %s", ErrStoreID, UnprintableFault(s))
	case s == "" || utf8.RuneCountInString(s) > maxStoreID:
		return fmt.Errorf("%w: want 1 to %d characters", ErrStoreID, maxStoreID)
	case strings.TrimSpace(s) != s:
		return fmt.Errorf("%w: want no spaces at the ends", ErrStoreID)
	}
	return nil
}

// String is the number as the store wrote it.
func (id StoreOrderID) String() string { return string(id) }

// WorkflowID is the order's name in Temporal, logs and spans: order/<store_order_id>,
// written as segment says.
func (id StoreOrderID) WorkflowID() string { return "order/" + segment(string(id)) }

// MoveWorkflowID is that of the short process that takes a settled order forward.
func (id StoreOrderID) MoveWorkflowID() string { return "order-move/" + segment(string(id)) }

// ReturnWorkflowID is that of one return: return/<order>/<store_return_id>.
func (id StoreOrderID) ReturnWorkflowID(number StoreReturnID) string {
	return "return/" + segment(string(id)) + "/" + segment(string(number))
}

// maxSegment keeps a return's name within the 255 characters that Temporal's
// databases have for it.
const maxSegment = 100

// segment writes a store's number as part of a workflow's name, which travels in
// headers that take printable ASCII alone: other bytes, "%" and "/" become %XX. What
// grows longer than maxSegment is named by its digest. Two numbers never share a
// segment.
func segment(number string) string {
	const digits = "0123456789ABCDEF"
	var name []byte
	for _, c := range []byte(number) {
		if c < ' ' || c > '~' || c == '%' || c == '/' {
			name = append(name, '%', digits[c>>4], digits[c&15])
		} else {
			name = append(name, c)
		}
	}
	if len(name) > maxSegment {
		digest := sha256.Sum256([]byte(number))
		return "%sha256-" + hex.EncodeToString(digest[:])
	}
	return string(name)
}
