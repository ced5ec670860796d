package domain_test

import (
	"slices"
	"testing"

	"tolem/domain"
)

// Every state is open or terminal, and never both.
func TestProcessStates(t *testing.T) {
	for _, p := range domain.Processes() {
		if len(p.Open) == 0 || len(p.Terminal) == 0 {
			t.Errorf("%s: open %q, terminal %q", p.Process, p.Open, p.Terminal)
		}
		for _, s := range p.Open {
			if slices.Contains(p.Terminal, s) {
				t.Errorf("%s: %s is open and terminal", p.Process, s)
			}
		}
	}
	if !domain.ReturnFailed.Terminal() || domain.ReturnReturning.Terminal() {
		t.Error("a return that failed has ended, one that is returning has not")
	}
}
