package reconciliation

import (
	"strconv"

	"tolem/domain"
)

// effect is what a state says of the money.
type effect uint8

const (
	open     effect = iota // nobody knows yet
	moved                  // the money moved, once
	notMoved               // the money certainly did not move
)

// effectOf reads a state of ours. One that this program does not know is open:
// nothing is settled on it.
func effectOf(s domain.State) effect {
	switch s {
	case domain.StateSucceeded, domain.StateResolvedSucceeded:
		return moved
	case domain.StateRefused, domain.StateResolvedRefused, domain.StateCancelled, domain.StateExpired:
		return notMoved
	}
	return open
}

// effect is what our ledger says of a payment's money: its state, unless people recorded
// after its end that the money is elsewhere.
func (r Row) effect() effect {
	said := effectOf(r.State)
	switch {
	case said == open:
	case r.Correction == domain.MoneyMoved:
		return moved
	case r.Correction == domain.MoneyNotMoved:
		return notMoved
	}
	return said
}

// word is one thing that a register's state may say.
type word struct {
	text   string
	effect effect
}

// words is everything that a register's state may say, in lower case: our own
// states, the codes of table 1, and synonyms. [assumption] Protocol v20 defines
// no register; a word that is not here is an error, never a guess.
var words = allWords()

func allWords() []word {
	var all []word
	for _, states := range [][]domain.State{domain.OpenStates(), domain.TerminalStates()} {
		for _, s := range states {
			all = append(all, word{string(s), effectOf(s)})
		}
	}
	for _, c := range domain.Codes() {
		all = append(all, word{strconv.Itoa(int(c)), effectOfCode(c)})
	}
	return append(all, []word{
		{"success", moved}, {"ok", moved}, {"executed", moved}, {"paid", moved},
		{"failed", notMoved}, {"error", notMoved}, {"rejected", notMoved}, {"declined", notMoved},
		{"registered", open}, {"pending", open}, {"processing", open}, {"in_progress", open},
	}...)
}

// effectOfCode reads a code of table 1. In a register a final code is the
// centre's last word, 202 and 215 too: it speaks of the payment there, not of
// our last request.
func effectOfCode(c domain.Code) effect {
	switch {
	case c == domain.CodeSuccess:
		return moved
	case c.Final():
		return notMoved
	}
	return open
}

// wordAt finds a word by its text.
var wordAt = func() map[string]uint8 {
	at := make(map[string]uint8, len(words))
	for i, w := range words {
		at[w.text] = uint8(i) // fewer than 256 words
	}
	return at
}()
