package operator

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// sameAction is how long the same command is the same action.
const sameAction = 24 * time.Hour

// placed is an action of the journal, as the API shows it.
type placed struct {
	ID          string     `json:"id"`
	Action      string     `json:"action"`
	Outcome     string     `json:"outcome"` // of resolve; a payment's with resolved_ before it
	By          string     `json:"by"`
	Reason      string     `json:"reason"`
	Evidence    string     `json:"evidence"`
	RequestedAt time.Time  `json:"requestedAt"`
	Effect      string     `json:"effect"` // "" while it did nothing
	DoneAt      *time.Time `json:"doneAt"`
}

// wanted is an action that somebody orders now.
type wanted struct {
	kind, id, action string
	body             map[string]string
}

// same says whether an action of the journal says what is wanted.
func (w wanted) same(p placed) bool {
	return p.Action == w.action && p.Reason == w.body["reason"] && p.Evidence == w.body["evidence"] &&
		strings.TrimPrefix(p.Outcome, "resolved_") == w.body["outcome"] // the prefix is a payment's
}

// key is the Idempotency-Key of a command that names none.
//
// The API keeps a caller's key for ever, and answers a repetition with what the first one
// did. So a key of the command's words alone would let nobody hold, release and hold again
// with the same reason: the second hold would change nothing. This one is made of the
// words, of the last other action that took effect, and of how many same ones are older
// than a day: a mistaken repetition has the key of its first, and what comes after
// something else was done, or a day later, has a new one. The journal is the ledger's, so
// it does not matter where, or by which machine's clock, the first was typed.
func (w wanted) key(journal []placed, now time.Time) (string, error) {
	after, old := "", 0
	for _, p := range journal {
		switch {
		case w.same(p) && now.Sub(p.RequestedAt) >= sameAction:
			old++
		case !w.same(p) && p.Effect != "":
			after = p.ID
		}
	}
	body, err := json.Marshal(w.body) // of a map: its keys are sorted
	if err != nil {
		return "", err
	}
	words, err := json.Marshal([]string{w.kind, w.id, w.action, string(body), after, fmt.Sprint(old)})
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(words)
	return "tolem-" + hex.EncodeToString(sum[:16]), nil
}
