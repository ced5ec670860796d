package activities

import (
	"sync"

	"tolem/domain"
)

// firstPay names the first pay of a payment whose intent this process has just
// committed.
type firstPay struct {
	started int64 // journal id of its started row
	step    int
	attempt int
}

// firstPays remembers, in this process only, which committed intents have not
// been used. It is memory on purpose: a process that died cannot know whether
// its pay went out, so whoever takes over finds nothing here and treats the next
// pay as a later one, for which 202 refuses nothing and 215 says nothing new.
type firstPays struct{ byID sync.Map }

func (f *firstPays) remember(id domain.AgentTransactionID, first firstPay) { f.byID.Store(id, first) }

func (f *firstPays) forget(id domain.AgentTransactionID) { f.byID.Delete(id) }

// take hands the first pay out once, and only to the step it was committed for.
func (f *firstPays) take(id domain.AgentTransactionID, step int) (firstPay, bool) {
	kept, ok := f.byID.LoadAndDelete(id)
	if !ok {
		return firstPay{}, false
	}
	first, ok := kept.(firstPay)
	return first, ok && first.step == step
}
