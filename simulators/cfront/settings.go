package cfront

import (
	"slices"
	"time"

	"tolem/simulators/parts"
)

// Profile is a generation of the protocol.
type Profile string

// The generations (cfront.md 10, 11).
const (
	OldGeneration Profile = "old"
	NewGeneration Profile = "new"
)

// Milliseconds is a duration in JSON.
type Milliseconds int64

func (m Milliseconds) duration() time.Duration { return time.Duration(m) * time.Millisecond }

// Settings are how the bank behaves. They may be changed at any time.
type Settings struct {
	Profile  Profile `json:"profile"`
	OnePhase bool    `json:"onePhase"` // the client's agreement makes the order ACTIVE
	// ClientNotFound says how validate does not know a client: 0 is 200 {"found": false},
	// else this status and a message.
	ClientNotFound int       `json:"clientNotFound"`
	Points         []string  `json:"points"`   // the register of points of sale; none: any is taken
	Products       []Product `json:"products"` // none: any is taken
	// MinTotal is the least total_sum; 0: that of the generation, 1.00 or 2.00.
	MinTotal Hundredths `json:"minTotal"`
	// MayNotCreate refuses create and validate to the store: 403, in the old generation 400.
	MayNotCreate bool `json:"mayNotCreate"`
	// ValidatesPerMinute are answered; more are 429. 0: all are.
	ValidatesPerMinute int `json:"validatesPerMinute"`

	DecisionDelay  Milliseconds `json:"decisionDelayMs"`
	PushTimeout    Milliseconds `json:"pushTimeoutMs"`    // until the client has answered
	ConfirmTimeout Milliseconds `json:"confirmTimeoutMs"` // until the store has confirmed; 0 = for ever
	PayoutDelay    Milliseconds `json:"payoutDelayMs"`
	// ClientRepaid makes check/paid tell whether the client has repaid everything, as the
	// sibling protocol does; else it tells of the pay-out, as the document says.
	ClientRepaid bool `json:"clientRepaid"`

	StrictNumbers bool      `json:"strictNumbers"` // amounts must have just two decimals
	CheckTotal    bool      `json:"checkTotal"`    // count × sum of the goods must add up to total_sum
	Callbacks     Callbacks `json:"callbacks"`
}

// Product is a credit product of the bank.
type Product struct {
	Name  string `json:"name"`
	Parts int    `json:"parts"`
}

// Callbacks are how news travels.
type Callbacks struct {
	Off         bool         `json:"off"`
	Delay       Milliseconds `json:"delayMs"`
	Loss        float64      `json:"loss"`      // probability, 0 to 1, of each delivery
	Duplicate   bool         `json:"duplicate"` // each is delivered twice
	Reorder     bool         `json:"reorder"`   // an order's next news overtakes this
	MaxAttempts int          `json:"maxAttempts"`
	RetryAfter  Milliseconds `json:"retryAfterMs"`
	Seed        uint64       `json:"seed"`
}

// DefaultSettings are those of a new bank: the old generation, two phases, a client who
// needs a second and has fifteen minutes, a pay-out after a second, callbacks at once.
func DefaultSettings() Settings {
	return Settings{
		Profile: OldGeneration, DecisionDelay: 1000, PushTimeout: 900_000, PayoutDelay: 1000,
		Callbacks: Callbacks{MaxAttempts: 3, RetryAfter: 1000},
	}
}

func (s Settings) validate() error {
	switch {
	case s.Profile != OldGeneration && s.Profile != NewGeneration:
		return parts.Wrong("profile", "must be old or new")
	case s.ClientNotFound != 0 && (s.ClientNotFound < 400 || s.ClientNotFound > 499):
		return parts.Wrong("clientNotFound", "must be 0 or a 4xx")
	case s.MinTotal < 0:
		return parts.Wrong("minTotal", "must not be below 0")
	case s.ValidatesPerMinute < 0:
		return parts.Wrong("validatesPerMinute", "must not be below 0")
	case s.DecisionDelay < 0 || s.PushTimeout <= 0 || s.ConfirmTimeout < 0 || s.PayoutDelay < 0:
		return parts.Wrong("decisionDelayMs", "delays must not be below 0, and pushTimeoutMs must be above")
	case !(s.Callbacks.Loss >= 0 && s.Callbacks.Loss <= 1):
		return parts.Wrong("callbacks.loss", "must be 0 to 1")
	case s.Callbacks.MaxAttempts < 1 || s.Callbacks.MaxAttempts > 1000:
		return parts.Wrong("callbacks.maxAttempts", "must be 1 to 1000")
	case s.Callbacks.Delay < 0 || s.Callbacks.RetryAfter < 0:
		return parts.Wrong("callbacks.delayMs", "must not be below 0")
	}
	return nil
}

// takesPoint says whether orders of a point of sale are taken.
func (s Settings) takesPoint(id string) bool {
	return len(s.Points) == 0 || slices.Contains(s.Points, id)
}

// offers says whether the bank has a product. The new generation knows them by their terms
// when the deprecated type is left out.
func (s Settings) offers(p Product) bool {
	return len(s.Products) == 0 || slices.ContainsFunc(s.Products, func(q Product) bool {
		return q == p || p.Name == "" && s.Profile == NewGeneration && q.Parts == p.Parts
	})
}

// leastTotal is the least total_sum.
func (s Settings) leastTotal() Hundredths {
	switch {
	case s.MinTotal > 0:
		return s.MinTotal
	case s.Profile == NewGeneration:
		return 200
	}
	return 100
}

// tells says whether a state is news worth a callback.
func (s Settings) tells(state State) bool {
	switch {
	case state.Sub == subWaitingForStore, state.Main == stateFail:
		return true
	}
	return s.Profile == OldGeneration && state.Main == stateSuccess
}
