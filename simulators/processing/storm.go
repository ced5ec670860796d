package processing

import (
	"fmt"

	"tolem/simulators/parts"
)

// Storm lets faults happen at random to one call: each request draws at most one
// of them. The probabilities are 0 to 1 and together at most 1. A request that a
// script answers does not draw. The draws follow from Seed (package comment).
type Storm struct {
	Call        string  `json:"call"`
	LostAnswer  float64 `json:"lostAnswer,omitempty"`
	ResetBefore float64 `json:"resetBefore,omitempty"`
	Delay       float64 `json:"delay,omitempty"`
	DelayMs     int     `json:"delayMs,omitempty"` // milliseconds, at most an hour
	Seed        uint64  `json:"seed,omitempty"`
}

func (s Storm) validate() error {
	if !knownCall(s.Call) {
		return wrong("call", "%s", noSuchCall)
	}
	for _, p := range []struct {
		field string
		value float64
	}{{"lostAnswer", s.LostAnswer}, {"resetBefore", s.ResetBefore}, {"delay", s.Delay}} {
		if !(p.value >= 0 && p.value <= 1) { // also refuses NaN
			return wrong(p.field, "must be 0 to 1")
		}
	}
	switch {
	case s.LostAnswer+s.ResetBefore+s.Delay > 1+1e-9: // 0.1+0.2+0.7 is a little more than 1
		return wrong("delay", "the probabilities add up to more than 1")
	case s.DelayMs < 0 || s.DelayMs > maxDelayMs:
		return wrong("delayMs", "must be 0 to 3600000")
	case s.Delay > 0 && s.DelayMs == 0:
		return wrong("delayMs", "is needed with delay")
	}
	return nil
}

// draw decides the fate of the n-th request (from 0) of this call and id.
func (s Storm) draw(id int64, n int) Answer {
	switch x := parts.Draw(s.Seed, fmt.Sprintf("%s/%d/%d", s.Call, id, n)); {
	case x < s.LostAnswer:
		return Answer{Fault: LostAnswer}
	case x < s.LostAnswer+s.ResetBefore:
		return Answer{Fault: ResetBefore}
	case x < s.LostAnswer+s.ResetBefore+s.Delay:
		return Answer{Fault: Delay, DelayMs: s.DelayMs}
	}
	return Answer{}
}
