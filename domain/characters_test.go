package domain

import (
	"strings"
	"testing"
	"unicode/utf8"
)

// What cannot be shown is named with its place, and nothing else of the text is.
func TestUnprintableFault(t *testing.T) {
	for text, want := range map[string]string{
		"":           "",
		"Ёлка 1/2":   "",
		"KД\u200b1":  "has the character U+200B (zero width space) at position 3",
		"\ufeffa":    "has the character U+FEFF (zero width no-break space) at position 1",
		"a\u00a0b":   "has the character U+00A0 (no-break space) at position 2",
		"a\tb":       "has the character U+0009 (<control>) at position 2",
		"яя\xcf":     "has the byte 0xCF as character 3, which is not UTF-8",
		"a\ufffd":    "has the character U+FFFD (replacement character) at position 2",
		"a\u00ad":    "has the character U+00AD (soft hyphen) at position 2",
		"й":          "",
		"a\ufe0f":    "", // a mark: see InvisibleFault
		"a\u3164":    "",
		"a\u2800":    "",
		"\u202e1234": "has the character U+202E (right-to-left override) at position 1",
	} {
		if got := UnprintableFault(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

// UnprintableFault and what nobody sees although it counts as printable.
func TestInvisibleFault(t *testing.T) {
	for text, want := range map[string]string{
		"KZ-1 Ж":      "",
		"12\u200d3":   "has the character U+200D (zero width joiner) at position 3",
		"a\ufe0f":     "has the character U+FE0F (variation selector-16) at position 2",
		"a\u034f":     "has the character U+034F (combining grapheme joiner) at position 2",
		"\u31641":     "has the character U+3164 (hangul filler) at position 1",
		"1\u2800":     "has the character U+2800 (braille pattern blank) at position 2",
		"1\U000e0100": "has the character U+E0100 (variation selector-17) at position 2",
	} {
		if got := InvisibleFault(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func FuzzUnprintableFault(f *testing.F) {
	f.Add("КД-1\u200b")
	f.Add("\xff\xfe")
	f.Fuzz(func(t *testing.T, s string) {
		fault := UnprintableFault(s)
		if fault != "" && InvisibleFault(s) == "" {
			t.Errorf("%q is unprintable and not invisible", s)
		}
		if fault == "" && (!utf8.ValidString(s) || strings.ContainsAny(s, "\x00\n\u200b\u00a0\ufffd")) {
			t.Errorf("%q passes", s)
		}
	})
}
