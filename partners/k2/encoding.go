package k2

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"
)

// skipMark skips the byte order mark of UTF-8, which RFC 8259 lets a reader ignore, and refuses
// UTF-16 by its name: it begins with a mark of its own, or with a bracket and a zero byte.
func skipMark(body *bufio.Reader) error {
	first, err := body.Peek(3)
	if bytes.Equal(first, []byte("\ufeff")) {
		_, err = body.Discard(len(first))
		return err
	}
	if err == nil && isUTF16(first) {
		return errUTF16
	}
	return nil // what is too short is refused where it is read, and so is an error of reading
}

var errUTF16 = refuse(CodeMalformed, -1, "", "the body is UTF-16: send UTF-8")

func isUTF16(body []byte) bool {
	for _, mark := range []string{"\xff\xfe", "\xfe\xff", "[\x00", "\x00[", "{\x00", "\x00{"} {
		if bytes.HasPrefix(body, []byte(mark)) {
			return true
		}
	}
	return false
}

// unreadable is the refusal of what is no JSON array behind a number of items, or the error of
// whoever reads.
func unreadable(err error, items int) error {
	const rule = "the body must be exactly one JSON array of loans"
	var syntax *json.SyntaxError
	switch {
	case errors.As(err, &syntax):
		return refuse(CodeMalformed, -1, "", fmt.Sprintf("%s: item [%d] is not JSON", rule, items))
	case err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF):
		return err
	}
	return refuse(CodeMalformed, -1, "", rule)
}

// encodingFault names the first byte of a JSON string that is not UTF-8, and the encoding that
// the string is probably in: "" when it is UTF-8.
func encodingFault(raw []byte) string {
	if utf8.Valid(raw) {
		return ""
	}
	at := 1 // behind the quotation mark
	for at < len(raw) {
		if r, size := utf8.DecodeRune(raw[at:]); r != utf8.RuneError || size != 1 {
			at += size
			continue
		}
		break
	}
	fault := fmt.Sprintf("has the byte 0x%02X at position %d, which is not UTF-8", raw[at], utf8.RuneCount(raw[1:at])+1)
	if looksLike1251(raw) {
		fault += " (it looks like windows-1251)"
	}
	return fault + ": send UTF-8"
}

// looksLike1251 says whether every byte above ASCII is a Cyrillic letter of windows-1251, А to я
// and ё: UTF-8 that broke off has other bytes.
func looksLike1251(raw []byte) bool {
	for _, c := range raw {
		if c >= utf8.RuneSelf && c < 0xc0 && c != 0xa8 && c != 0xb8 {
			return false
		}
	}
	return true
}
