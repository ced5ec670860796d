package reconciliation

import (
	"bytes"
	"strings"
	"unicode/utf8"
)

// formulas begin a formula in a spreadsheet, or what it takes for one; the wide ones do
// where people write Chinese or Japanese.
const formulas = "=+-@\t\r\n＝＋－＠"

// quote is what spreadsheets themselves put before a text that must stay one.
const quote = '\''

// begins says whether a cell may begin after c, if one could begin before it: a spreadsheet
// may part a file by other separators than ours.
func begins(c rune, before bool) bool {
	return strings.ContainsRune(",;|\t\r\n", c) || before && (c == ' ' || c == '"')
}

// Cell is a text as a cell of our CSV: a ' stands before each character with which a
// spreadsheet would begin a formula, at the start and after anything that may part cells,
// and before a ' there. ReadRegister takes them off.
func Cell(text string) string {
	if !strings.ContainsAny(text, formulas+string(quote)) {
		return text
	}
	var cell strings.Builder
	first := true
	for _, c := range text {
		if first && strings.ContainsRune(formulas+string(quote), c) {
			cell.WriteRune(quote)
		}
		cell.WriteRune(c)
		first = begins(c, first)
	}
	return cell.String()
}

// Text is a number as a cell that spreadsheets keep as it is: 18 digits as a number are 15
// to them. "" stays empty.
func Text(number string) string {
	if number == "" {
		return ""
	}
	return string(quote) + number
}

// plain is what a cell says, without blanks around it, what Cell and Text put there, and
// Excel's ="…" around texts.
func plain(cell []byte) []byte {
	cell = bytes.TrimSpace(cell)
	if len(cell) > 2 && bytes.HasPrefix(cell, []byte(`="`)) && cell[len(cell)-1] == '"' {
		cell = cell[2 : len(cell)-1]
	}
	if bytes.IndexByte(cell, quote) < 0 {
		return cell
	}
	var text []byte
	first := true
	for at := 0; at < len(cell); {
		if first && cell[at] == quote && at+1 < len(cell) {
			at++
		}
		c, size := utf8.DecodeRune(cell[at:])
		text = append(text, cell[at:at+size]...)
		at += size
		first = begins(c, first)
	}
	return text
}
