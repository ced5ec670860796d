package domain

import (
	"errors"
	"strings"
	"testing"
)

// "store_order_id: string 1-64, unique per store" (cfront.md 4.3).
func TestStoreOrderID(t *testing.T) {
	for _, good := range []string{"1", "ORDER-0023", "чек 12/7", "№ 5", strings.Repeat("я", 64), "a b", "%2F"} {
		id, err := ParseStoreOrderID(good)
		if err != nil || string(id) != good {
			t.Errorf("%q: %v", good, err)
		}
	}
	for _, bad := range []string{"", " 1", "1 ", "\t", "a\nb", "a\x00", "\xff", "a\u200bb", "\ufffd", strings.Repeat("я", 65)} {
		if _, err := ParseStoreOrderID(bad); !errors.Is(err, ErrStoreID) {
			t.Errorf("%q: %v", bad, err)
		}
		if _, err := ParseStoreReturnID(bad); !errors.Is(err, ErrStoreID) {
			t.Errorf("return %q: %v", bad, err)
		}
	}
}

// Two processes never share a name, whatever slashes their numbers have, and every name
// fits into a header and into Temporal's tables.
func TestWorkflowIDs(t *testing.T) {
	names := map[string]string{}
	numbers := []string{"a", "a/b", "a%2Fb", "a/b/c", "c", "/c", "%2Fc", "чек 1", strings.Repeat("я", 64), strings.Repeat("я", 63) + "ю", strings.Repeat("界", 64), strings.Repeat("~", 64)}
	for _, order := range numbers {
		id := StoreOrderID(order)
		made := map[string]string{id.WorkflowID(): order, id.MoveWorkflowID(): "move " + order}
		for _, number := range numbers {
			made[id.ReturnWorkflowID(StoreReturnID(number))] = order + " and " + number
		}
		for name, of := range made {
			if before, taken := names[name]; taken {
				t.Errorf("%s and %s are both %s", before, of, name)
			}
			names[name] = of
			if len(name) > 255 || strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r > '~' }) {
				t.Errorf("%s: no header takes %q", of, name)
			}
		}
	}
	for of, want := range map[string]string{
		StoreOrderID("ORDER-0023 b").WorkflowID():                                    "order/ORDER-0023 b",
		StoreOrderID("17/1").MoveWorkflowID():                                        "order-move/17%2F1",
		StoreOrderID("чек 1").ReturnWorkflowID("в-1"):                                "return/%D1%87%D0%B5%D0%BA 1/%D0%B2-1",
		StoreOrderID(strings.Repeat("я", 64)).WorkflowID()[:len("order/%sha256-12")]: "order/%sha256-bb",
	} {
		if of != want {
			t.Errorf("%s, want %s", of, want)
		}
	}
}
