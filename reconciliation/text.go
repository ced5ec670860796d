package reconciliation

import (
	"bufio"
	"bytes"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
	utf "golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
)

// workbooks are the first bytes of Excel's own files, .xlsx (a ZIP archive) and .xls.
var workbooks = []string{"PK\x03\x04", "\xd0\xcf\x11\xe0"}

// text is a register with lines that end in LF, without byte order mark, in UTF-8 if it
// began with the mark of UTF-16, as Excel's "Unicode text" does. workbook says that it is
// none that can be read.
func text(r io.Reader) (plain io.Reader, workbook bool) {
	in := bufio.NewReaderSize(r, maxRecord)
	start, _ := in.Peek(4) // the error comes once more when the text is read
	for _, mark := range workbooks {
		if strings.HasPrefix(string(start), mark) {
			return nil, true
		}
	}
	decoder := transform.Transformer(transform.Nop)
	switch {
	case bytes.HasPrefix(start, []byte("\xef\xbb\xbf")):
		_, _ = in.Discard(3) // they were just peeked at
	case bytes.HasPrefix(start, []byte("\xff\xfe")), bytes.HasPrefix(start, []byte("\xfe\xff")):
		decoder = utf.UTF16(utf.LittleEndian, utf.ExpectBOM).NewDecoder() // of the order that the mark says
	}
	return transform.NewReader(in, transform.Chain(decoder, &lineEnds{})), false
}

// lineEnds makes LF of CRLF and of a lone CR.
type lineEnds struct{ cr bool } // the last byte was a CR

// Reset implements transform.Transformer.
func (l *lineEnds) Reset() { l.cr = false }

// Transform implements transform.Transformer.
func (l *lineEnds) Transform(dst, src []byte, _ bool) (nDst, nSrc int, err error) {
	for ; nSrc < len(src); nSrc++ {
		c := src[nSrc]
		if c == '\n' && l.cr {
			l.cr = false
			continue
		}
		if nDst == len(dst) {
			return nDst, nSrc, transform.ErrShortDst
		}
		if l.cr = c == '\r'; l.cr {
			c = '\n'
		}
		dst[nDst] = c
		nDst++
	}
	return nDst, nSrc, nil
}

// fromWindows is a record in UTF-8 that was not, if it can only be windows-1251, in which
// Excel for Windows writes Cyrillic, or if an earlier one was. Any other stays as it is.
func (r *records) fromWindows(record []byte) []byte {
	decoded, err := charmap.Windows1251.NewDecoder().Bytes(record)
	if err != nil || !r.windows && !isCyrillic(string(decoded)) {
		return record
	}
	r.windows = true
	return decoded
}

// isCyrillic says that a text decoded from a guess is no garbage: all that is not ASCII is
// Cyrillic letters and punctuation, there is a word of three letters, and within words no
// capital follows a small letter, as it would in KOI8-R or Mac OS's own.
func isCyrillic(text string) bool {
	word, longest, small := 0, 0, false
	for _, c := range text {
		switch letter := c >= 'А' && c <= 'я' || strings.ContainsRune("ЁёІі", c); {
		case letter && small && unicode.IsUpper(c):
			return false
		case letter:
			word, small = word+1, unicode.IsLower(c)
			longest = max(longest, word)
			continue
		case c >= utf8.RuneSelf && !strings.ContainsRune("№«»–—“”„’…°§\u00a0", c):
			return false
		}
		word, small = 0, false
	}
	return longest >= 3
}
