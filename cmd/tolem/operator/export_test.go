package operator

import (
	"bytes"
	"encoding/json"
	"time"

	"tolem/domain"
)

// Key is the Idempotency-Key of a command that names none.
func Key(kind, id, action string, body map[string]string, journal []byte, now time.Time) (string, error) {
	var before []placed
	if err := json.Unmarshal(journal, &before); err != nil {
		return "", err
	}
	return wanted{kind, id, action, body}.key(before, now)
}

// Explained is the sentence for a reason; "" when there is none.
func Explained(why domain.OperatorReason) string { return incidentReasons[why] }

// Quoted is a word as a shell takes it.
var Quoted = quoted

// Shown is what list and show print of answers of the API: first the list of the processes,
// then each of them with its lists.
func Shown(use string, o Options, processes []json.RawMessage, lists map[string][]json.RawMessage) (string, error) {
	var b bytes.Buffer
	for _, k := range []kind{payments(), orders(), returns(""), paymentOrders(), incidents()} {
		if k.use != use {
			continue
		}
		if err := k.rows().write(&b, processes, o.clock(), ""); err != nil {
			return "", err
		}
		for _, raw := range processes {
			s, err := k.read(raw)
			if err != nil {
				return "", err
			}
			pages := map[string]page{}
			for name, rows := range lists {
				pages[name] = page{Items: rows}
			}
			b.WriteString("\n--- show\n")
			if err := k.print(&b, s, pages, commandLine{group: "tolem " + use, id: s.id()}, o.clock()); err != nil {
				return "", err
			}
		}
	}
	return b.String(), nil
}
