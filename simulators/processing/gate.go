package processing

import (
	"context"
	"slices"
	"strings"
)

// Mode is where a gate stands.
type Mode string

// The modes.
const (
	ModeAfter  Mode = "after"  // between a request's processing and its answer
	ModeBefore Mode = "before" // between a request's arrival and its processing
)

// passage is what a gate closes.
type passage struct {
	call string
	mode Mode
}

// gate is a closed gate; opening it closes the channel.
type gate struct {
	opened  chan struct{}
	waiting int // requests; guarded by the centre's lock
}

// Hold closes the gate between processing and answering: requests of the call
// are processed (at pay, money moves) and their answers wait until release is
// called or the centre is closed, or the agent goes away. Requests that nothing
// is processed for (transport mistakes, an outage, faults before processing) pass.
//
// Release may be called more than once. A gate that is closed already stays as
// it is, and the first release opens it. Gates do not survive a restart. Hold
// panics when the protocol has no such call.
func (c *Centre) Hold(call string) (release func()) { return c.hold(passage{call, ModeAfter}) }

// HoldBefore closes the gate between arriving and processing: requests of the
// call are recorded and then wait unprocessed. When the gate opens they are
// processed in any order, even if their agents have gone; when the centre is
// closed before, they never are. The rest is as for Hold.
func (c *Centre) HoldBefore(call string) (release func()) {
	return c.hold(passage{call, ModeBefore})
}

func (c *Centre) hold(p passage) (release func()) {
	if !knownCall(p.call) {
		panic("processing: no such call: " + p.call)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	g := c.gates[p]
	if g == nil {
		g = &gate{opened: make(chan struct{})}
		c.gates[p] = g
	}
	return func() { c.release(p, g) }
}

// release opens this very gate, not one that was closed at its place later.
func (c *Centre) release(p passage, g *gate) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if g != nil && c.gates[p] == g {
		delete(c.gates, p)
		close(g.opened)
	}
}

// open opens the gate that is closed there now, if one is.
func (c *Centre) open(p passage) {
	c.mu.Lock()
	g := c.gates[p]
	c.mu.Unlock()
	c.release(p, g)
}

// Waiting is how many requests of the call wait now at its closed gates; those
// that wait unprocessed count even if their agents have gone.
func (c *Centre) Waiting(call string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.gates[passage{call, ModeAfter}].count() + c.gates[passage{call, ModeBefore}].count()
}

// count is 0 where no gate is closed.
func (g *gate) count() int {
	if g == nil {
		return 0
	}
	return g.waiting
}

// enter makes a request wait at the gate, if it is closed; the caller holds the
// lock. A request that entered must pass.
func (c *Centre) enter(p passage) *gate {
	g := c.gates[p]
	if g != nil {
		g.waiting++
	}
	return g
}

// pass waits until the gate opens, without the lock; false when ctx ended or the
// centre was closed before.
func (c *Centre) pass(ctx context.Context, g *gate) (opened bool) {
	if g == nil {
		return true
	}
	select {
	case <-g.opened:
		opened = true
	case <-ctx.Done():
	case <-c.closed:
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	g.waiting--
	return opened
}

// closedGate is a line of GET /control/gate.
type closedGate struct {
	Call    string `json:"call"`
	Mode    Mode   `json:"mode"`
	Closed  bool   `json:"closed"`
	Waiting int    `json:"waiting"`
}

// closedGates lists them by call and mode.
func (c *Centre) closedGates() []closedGate {
	c.mu.Lock()
	defer c.mu.Unlock()
	list := []closedGate{}
	for p, g := range c.gates {
		list = append(list, closedGate{p.call, p.mode, true, g.waiting})
	}
	slices.SortFunc(list, func(a, b closedGate) int { return strings.Compare(a.Call+string(a.Mode), b.Call+string(b.Mode)) })
	return list
}
