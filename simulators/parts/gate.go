package parts

import (
	"context"
	"slices"
	"strings"
	"sync"
)

// Mode is where a gate stands.
type Mode string

// The modes.
const (
	ModeAfter  Mode = "after"  // between a request's processing and its answer
	ModeBefore Mode = "before" // between a request's arrival and its processing
)

// Passage is what a gate closes.
type Passage struct {
	Call string
	Mode Mode
}

// Gate is a closed gate; opening it closes the channel.
type Gate struct {
	opened  chan struct{}
	waiting int // requests; guarded by the partner's lock
}

// Gates are the closed gates of one partner. They do not survive a restart.
type Gates struct {
	mu     *sync.Mutex // the partner's
	ended  <-chan struct{}
	closed map[Passage]*Gate
}

// NewGates makes open gates. mu is the partner's lock, and ended releases everybody who
// waits.
func NewGates(mu *sync.Mutex, ended <-chan struct{}) *Gates {
	return &Gates{mu: mu, ended: ended, closed: map[Passage]*Gate{}}
}

// Hold closes a gate. Release may be called more than once. A gate that is closed already
// stays as it is, and the first release opens it.
func (gs *Gates) Hold(p Passage) (release func()) {
	gs.mu.Lock()
	defer gs.mu.Unlock()
	g := gs.closed[p]
	if g == nil {
		g = &Gate{opened: make(chan struct{})}
		gs.closed[p] = g
	}
	return func() { gs.release(p, g) }
}

// release opens this very gate, not one that was closed at its place later.
func (gs *Gates) release(p Passage, g *Gate) {
	gs.mu.Lock()
	defer gs.mu.Unlock()
	if g != nil && gs.closed[p] == g {
		delete(gs.closed, p)
		close(g.opened)
	}
}

// Open opens the gate that is closed there now, if one is.
func (gs *Gates) Open(p Passage) {
	gs.mu.Lock()
	g := gs.closed[p]
	gs.mu.Unlock()
	gs.release(p, g)
}

// Closed says whether a gate is closed; the caller holds the lock.
func (gs *Gates) Closed(p Passage) bool { return gs.closed[p] != nil }

// Waiting is how many requests of the call wait now at its closed gates; those that wait
// unprocessed count even if their senders have gone.
func (gs *Gates) Waiting(call string) int {
	gs.mu.Lock()
	defer gs.mu.Unlock()
	return gs.closed[Passage{call, ModeAfter}].count() + gs.closed[Passage{call, ModeBefore}].count()
}

// count is 0 where no gate is closed.
func (g *Gate) count() int {
	if g == nil {
		return 0
	}
	return g.waiting
}

// Enter makes a request wait at the gate, if it is closed; the caller holds the lock. A
// request that entered must pass.
func (gs *Gates) Enter(p Passage) *Gate {
	g := gs.closed[p]
	if g != nil {
		g.waiting++
	}
	return g
}

// Pass waits until the gate opens, without the lock; false when ctx ended or the partner
// was closed before.
func (gs *Gates) Pass(ctx context.Context, g *Gate) (opened bool) {
	if g == nil {
		return true
	}
	select {
	case <-g.opened:
		opened = true
	case <-ctx.Done():
	case <-gs.ended:
	}
	gs.mu.Lock()
	defer gs.mu.Unlock()
	g.waiting--
	return opened
}

// ClosedGate is one line of a list of gates.
type ClosedGate struct {
	Call    string `json:"call"`
	Mode    Mode   `json:"mode"`
	Closed  bool   `json:"closed"`
	Waiting int    `json:"waiting"`
}

// List lists the closed gates by call and mode.
func (gs *Gates) List() []ClosedGate {
	gs.mu.Lock()
	defer gs.mu.Unlock()
	list := []ClosedGate{}
	for p, g := range gs.closed {
		list = append(list, ClosedGate{p.Call, p.Mode, true, g.waiting})
	}
	slices.SortFunc(list, func(a, b ClosedGate) int { return strings.Compare(a.Call+string(a.Mode), b.Call+string(b.Mode)) })
	return list
}
