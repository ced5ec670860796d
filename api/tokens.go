package api

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"strings"
)

// role is what a caller may do.
type role string

// The roles.
const (
	roleAgent    role = "agent"    // creates payments, sees its own
	roleStore    role = "store"    // trade instalments
	roleK2       role = "k2"       // the card file's payment orders
	roleViewer   role = "viewer"   // reads everything
	roleOperator role = "operator" // reads everything, acts on payments
)

var roles = []role{roleAgent, roleStore, roleK2, roleViewer, roleOperator}

// caller is one token: who it names and what it may do.
type caller struct {
	name   string
	roles  []role
	secret [sha256.Size]byte
}

func (c caller) has(wanted ...role) bool {
	return slices.ContainsFunc(wanted, func(r role) bool { return slices.Contains(c.roles, r) })
}

// seesAll says whether the caller sees payments of others.
func (c caller) seesAll() bool { return c.has(roleViewer, roleOperator) }

// Tokens says who may call. It keeps SHA-256 sums, never a secret, and prints
// as a count.
type Tokens struct{ callers []caller }

// ErrTokens is wrapped by every error of ParseTokens.
var ErrTokens = errors.New("API_TOKENS")

// callerName is what a caller may be called: it stands in logs and in the ledger.
var callerName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

// ParseTokens reads "name:role:secret,…".
//
// The secret is visible ASCII without a comma, in clear or as sha256:<64 hex
// digits>. The roles are agent, store, k2, viewer and operator. One name and
// secret may stand several times with different roles: a caller with all of
// them. One name may have several secrets, so that they can be changed without
// a gap; one secret names one caller. Errors name the entry's number, counted
// from 1, never the secret.
func ParseTokens(s string) (Tokens, error) {
	var t Tokens
	if strings.TrimSpace(s) == "" {
		return t, fmt.Errorf("%w: is empty; want name:role:secret,…", ErrTokens)
	}
	for i, entry := range strings.Split(s, ",") {
		if err := t.add(strings.TrimSpace(entry)); err != nil {
			return Tokens{}, fmt.Errorf("%w: entry %d: %w", ErrTokens, i+1, err)
		}
	}
	return t, nil
}

func (t *Tokens) add(entry string) error {
	parts := strings.SplitN(entry, ":", 3)
	if len(parts) != 3 {
		return errors.New("want name:role:secret")
	}
	name, r := parts[0], role(parts[1])
	if !callerName.MatchString(name) {
		return errors.New("the name must have 1 to 64 letters, digits, dots, dashes or underscores")
	}
	if !slices.Contains(roles, r) {
		return errors.New("the role must be agent, store, k2, viewer or operator")
	}
	sum, err := secretSum(parts[2])
	if err != nil {
		return err
	}
	for i, c := range t.callers {
		switch {
		case c.secret != sum:
		case c.name != name:
			return errors.New("the secret names another caller already")
		case slices.Contains(c.roles, r):
			return nil
		default:
			t.callers[i].roles = append(t.callers[i].roles, r)
			return nil
		}
	}
	t.callers = append(t.callers, caller{name: name, roles: []role{r}, secret: sum})
	return nil
}

// secretSum is the SHA-256 of a secret that is written in clear or as its sum.
func secretSum(secret string) (sum [sha256.Size]byte, err error) {
	if digits, sumOnly := strings.CutPrefix(secret, hashed); sumOnly {
		raw, err := hex.DecodeString(digits)
		if err != nil || len(raw) != sha256.Size {
			return sum, errors.New("sha256: must be followed by 64 hexadecimal digits")
		}
		copy(sum[:], raw)
		if sum == sha256.Sum256(nil) {
			return sum, errors.New("the secret is the sum of nothing")
		}
		return sum, nil
	}
	if secret == "" || strings.ContainsFunc(secret, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return sum, errors.New("the secret must be visible ASCII characters")
	}
	return sha256.Sum256([]byte(secret)), nil
}

// NewToken makes a secret of at least 128 random bits for a caller of some roles, and
// the entries of API_TOKENS that let it in, one for each role. They hold the secret's SHA-256
// alone, which nobody turns back into so long a secret. Errors are those of ParseTokens.
func NewToken(name string, roles ...string) (secret, entries string, err error) {
	secret = rand.Text()
	sum := sha256.Sum256([]byte(secret))
	lines := make([]string, len(roles))
	for i, r := range roles {
		lines[i] = name + ":" + r + ":" + hashed + hex.EncodeToString(sum[:])
	}
	entries = strings.Join(lines, ",")
	if _, err := ParseTokens(entries); err != nil {
		return "", "", err
	}
	return secret, entries, nil
}

// hashed begins a secret that is written as its sum.
const hashed = "sha256:"

// find is the caller of a secret. It compares with every caller, each in
// constant time, so that how long it takes says nothing about a near miss.
func (t Tokens) find(secret string) (found caller, ok bool) {
	sum := sha256.Sum256([]byte(secret))
	for _, c := range t.callers {
		if subtle.ConstantTimeCompare(sum[:], c.secret[:]) == 1 {
			found, ok = c, true
		}
	}
	return found, ok
}

// String is a count: sums of weak secrets can be guessed.
func (t Tokens) String() string { return fmt.Sprintf("%d callers", len(t.callers)) }

// GoString is String.
func (t Tokens) GoString() string { return t.String() }

// LogValue is String.
func (t Tokens) LogValue() slog.Value { return slog.StringValue(t.String()) }
