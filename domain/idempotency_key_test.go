package domain

import (
	"strings"
	"testing"
)

// RFC 8941, section 3.3.3, and what callers send instead.
func TestUnquoted(t *testing.T) {
	for value, want := range map[string]string{
		`"8e03978e-40d5-43dd-bc93-6894a57f9324"`: `8e03978e-40d5-43dd-bc93-6894a57f9324`, // the draft's own example
		`8e03978e-40d5-43dd-bc93-6894a57f9324`:   `8e03978e-40d5-43dd-bc93-6894a57f9324`,
		`"a"`:                                    `a`, `"a\"b"`: `a"b`, `"a\\b"`: `a\b`, `"\\"`: `\`, `""`: `""`, `"`: `"`, ``: ``,
		`"abc`: `"abc`, `abc"`: `abc"`, `"a`: `"a`, `a"`: `a"`, `"a"b"`: `"a"b"`, `"a\"`: `"a\"`, `"a\b"`: `"a\b"`, `"a b"`: `"a b"`, `"a";v=1`: `"a";v=1`,
		`""a""`: `""a""`, `"\"a\""`: `"\"a\""`, `'a'`: `'a'`, "\"a\x00\"": "\"a\x00\"", `"ключ"`: `"ключ"`,
	} {
		if got := Unquoted(value); got != want {
			t.Errorf("%s: %s, want %s", value, got, want)
		}
	}
}

// One key has two spellings and no third, and no two keys share one.
func FuzzUnquoted(f *testing.F) {
	for _, seed := range []string{`"abc"`, `abc`, `"a\"b"`, `"\\"`, `"`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		key := Unquoted(value)
		if key != value && Quoted(key) != value {
			t.Errorf("%q is %q, which is written %q", value, key, Quoted(key))
		}
		if Unquoted(key) != key {
			t.Errorf("%q is %q, and that is %q", value, key, Unquoted(key))
		}
		if key != "" && key[0] != '"' && !strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r > '~' }) && Unquoted(Quoted(key)) != key {
			t.Errorf("%q is read from %q as %q", key, Quoted(key), Unquoted(Quoted(key)))
		}
	})
}
