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
		if back, err := OrderOf(id.WorkflowID()); err != nil || back != id {
			t.Errorf("%q: back %q, %v", good, back, err)
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
	for _, other := range []string{"payment/1", "order", "order/", "ORDER/1"} {
		if _, err := OrderOf(other); !errors.Is(err, ErrStoreID) {
			t.Errorf("%q is no order's process: %v", other, err)
		}
	}
}

// Two returns never share a name, whatever slashes their numbers have.
func TestReturnWorkflowIDsDiffer(t *testing.T) {
	names := map[string]string{}
	for _, order := range []StoreOrderID{"a", "a/b", "a%2Fb", "a/b/c"} {
		for _, number := range []StoreReturnID{"c", "b/c", "/c", "%2Fc"} {
			name := order.ReturnWorkflowID(number)
			if before, taken := names[name]; taken {
				t.Errorf("%s and %s/%s are both %s", before, order, number, name)
			}
			names[name] = string(order) + " and " + string(number)
		}
	}
	if got := StoreOrderID("чек 1").ReturnWorkflowID("в-1"); got != "return/чек 1/в-1" {
		t.Error(got)
	}
}
