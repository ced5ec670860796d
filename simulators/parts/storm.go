package parts

import "fmt"

// The faults that a storm draws; every partner knows them.
const (
	LostAnswer  = "lost_answer"  // processed; connection closed without a byte
	ResetBefore = "reset_before" // not processed; TCP RST
	Delay       = "delay"        // processed at once; answered late
)

// MaxDelayMs is the longest delay of an answer, in milliseconds: an hour, longer than any
// sensible time-out of a caller.
const MaxDelayMs = 3_600_000

// Storm lets faults happen at random to one call: each request draws at most one of them.
// The probabilities are 0 to 1 and together at most 1. A request that a script answers does
// not draw. The draws follow from Seed, the call, whom the request is about and how many
// requests of both came before, so that a storm repeats itself.
type Storm struct {
	Call        string  `json:"call"`
	LostAnswer  float64 `json:"lostAnswer,omitempty"`
	ResetBefore float64 `json:"resetBefore,omitempty"`
	Delay       float64 `json:"delay,omitempty"`
	DelayMs     int     `json:"delayMs,omitempty"` // milliseconds, at most an hour
	Seed        uint64  `json:"seed,omitempty"`
}

// Check returns a *FieldError for what is wrong, apart from the call, which only the partner
// knows.
func (s Storm) Check() error {
	for _, p := range []struct {
		field string
		value float64
	}{{"lostAnswer", s.LostAnswer}, {"resetBefore", s.ResetBefore}, {"delay", s.Delay}} {
		if !(p.value >= 0 && p.value <= 1) { // also refuses NaN
			return Wrong(p.field, "must be 0 to 1")
		}
	}
	switch {
	case s.LostAnswer+s.ResetBefore+s.Delay > 1+1e-9: // 0.1+0.2+0.7 is a little more than 1
		return Wrong("delay", "the probabilities add up to more than 1")
	case s.DelayMs < 0 || s.DelayMs > MaxDelayMs:
		return Wrong("delayMs", "must be 0 to 3600000")
	case s.Delay > 0 && s.DelayMs == 0:
		return Wrong("delayMs", "is needed with delay")
	}
	return nil
}

// Draw decides the fate of the n-th request (from 0) about somebody: a fault, or "" for none.
func (s Storm) Draw(about string, n int) (fault string, delayMs int) {
	switch x := Draw(s.Seed, fmt.Sprintf("%s/%s/%d", s.Call, about, n)); {
	case x < s.LostAnswer:
		return LostAnswer, 0
	case x < s.LostAnswer+s.ResetBefore:
		return ResetBefore, 0
	case x < s.LostAnswer+s.ResetBefore+s.Delay:
		return Delay, s.DelayMs
	}
	return "", 0
}
