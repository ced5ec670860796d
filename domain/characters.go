package domain

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/runenames"
)

// UnprintableFault names the first character of a text that cannot be shown, and where it is,
// counted from 1; "" when there is none. A space can be shown, every other white space cannot:
// two numbers would look the same. It quotes nothing else of the text.
func UnprintableFault(s string) string {
	at := 0
	for i, r := range s {
		at++
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return characterFault(s[i:], r, at)
		}
	}
	return ""
}

// InvisibleFault is as UnprintableFault, and finds what Unicode counts as letters, marks or
// symbols and nobody sees, too: variation selectors, fillers, the empty Braille pattern.
func InvisibleFault(s string) string {
	at := 0
	for i, r := range s {
		at++
		if r == utf8.RuneError || !unicode.IsPrint(r) || unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector) || r == emptyBraille {
			return characterFault(s[i:], r, at)
		}
	}
	return ""
}

// emptyBraille is BRAILLE PATTERN BLANK, a symbol without a mark.
const emptyBraille = '\u2800'

func characterFault(rest string, r rune, at int) string {
	if _, size := utf8.DecodeRuneInString(rest); r == utf8.RuneError && size == 1 {
		return fmt.Sprintf("has the byte 0x%02X as character %d, which is not UTF-8", rest[0], at)
	}
	return fmt.Sprintf("has the character U+%04X (%s) at position %d", r, strings.ToLower(runenames.Name(r)), at)
}
