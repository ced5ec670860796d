package processing

import "tolem/simulators/parts"

// Mode is where a gate stands.
type Mode = parts.Mode

// The modes.
const (
	ModeAfter  = parts.ModeAfter  // between a request's processing and its answer
	ModeBefore = parts.ModeBefore // between a request's arrival and its processing
)

// passage is what a gate closes.
type passage = parts.Passage

// Hold closes the gate between processing and answering: requests of the call
// are processed (at pay, money moves) and their answers wait until release is
// called or the centre is closed, or the agent goes away. Requests that nothing
// is processed for (transport mistakes, an outage, faults before processing) pass.
//
// Release may be called more than once. A gate that is closed already stays as
// it is, and the first release opens it. Gates do not survive a restart. Hold
// panics when the protocol has no such call.
func (c *Centre) Hold(call string) (release func()) {
	return c.hold(passage{Call: call, Mode: ModeAfter})
}

// HoldBefore closes the gate between arriving and processing: requests of the
// call are recorded and then wait unprocessed. When the gate opens they are
// processed in any order, even if their agents have gone; when the centre is
// closed before, they never are. The rest is as for Hold.
func (c *Centre) HoldBefore(call string) (release func()) {
	return c.hold(passage{Call: call, Mode: ModeBefore})
}

func (c *Centre) hold(p passage) (release func()) {
	if !knownCall(p.Call) {
		panic("processing: no such call: " + p.Call)
	}
	return c.gates.Hold(p)
}

// Waiting is how many requests of the call wait now at its closed gates; those
// that wait unprocessed count even if their agents have gone.
func (c *Centre) Waiting(call string) int { return c.gates.Waiting(call) }
