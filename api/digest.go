package api

import (
	"encoding/json"

	"tolem/storage"
)

// digestOf is the SHA-256 by which a repetition is known: of a request's values,
// not of its bytes, so that the order of fields, white space, escapes, 200 or
// 200.00 and a written-out default make no difference. kind names what it is of,
// and its version.
//
// It is of the value's JSON, whose fields are in the struct's order and whose maps
// are sorted by name. Ledgers hold digests: what a kind writes never changes.
func digestOf(kind string, request any) string {
	canonical, err := json.Marshal(request)
	if err != nil {
		panic("a request of texts, numbers and amounts is JSON: " + err.Error()) // a bug, and the request's own fault never
	}
	return storage.Digest(append([]byte(kind+"\n"), canonical...))
}
