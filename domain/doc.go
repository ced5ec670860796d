// Package domain is Tolem's vocabulary: money, ids, states, result codes, and
// the rule that says what a partner's answer means. It does no I/O and imports
// nothing but the standard library and the decimal type.
package domain
