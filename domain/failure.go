package domain

// Kind says what a failed call to a partner may have done. Kinds steer retries;
// they never decide where the money is.
type Kind string

// The kinds of failure. An error that nobody classified is Unknown: when in
// doubt, the money moved.
const (
	Invalid     Kind = "invalid"     // can never succeed: stop, mend code or data
	Unavailable Kind = "unavailable" // certainly not done: try again
	Unknown     Kind = "unknown"     // may have been done: repeat with the same key, or ask
)
