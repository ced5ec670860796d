package domain

import (
	"slices"
	"strings"
)

// SafeInPath says whether a name from outside still means itself as one segment of a URL's
// path. Programs on the way resolve "." and ".." even where they are escaped, and some undo
// %2F first: "a/../b" would then be "b", another process. So a name is refused that is one of
// them, or has one of them between slashes.
//
// Names are held to it when they are accepted, not when they are looked up: the ledger may hold
// older ones.
func SafeInPath(name string) bool {
	return !slices.ContainsFunc(strings.FieldsFunc(name, func(r rune) bool { return r == '/' || r == '\\' }), func(part string) bool {
		return part == "." || part == ".."
	})
}
