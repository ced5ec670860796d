package domain

import (
	"encoding/json"
	"errors"
	"testing"
)

func TestBatchID(t *testing.T) {
	id, err := ParseBatchID("175000000000000099")
	if err != nil || id != 175000000000000099 || id.String() != "175000000000000099" || id.WorkflowID() != "intake/175000000000000099" {
		t.Errorf("%v %v", id, err)
	}
	b, err := json.Marshal(id)
	var again BatchID
	if err != nil || string(b) != `"175000000000000099"` || json.Unmarshal(b, &again) != nil || again != id {
		t.Errorf("%s %v %v", b, again, err)
	}
	for _, text := range []string{"", "0", "01", "-1", "x", "1000000000000000000"} {
		if id, err := ParseBatchID(text); !errors.Is(err, ErrID) || id != 0 {
			t.Errorf("%q: %v %v", text, id, err)
		}
	}
}
