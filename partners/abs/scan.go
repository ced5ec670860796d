package abs

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"tolem/partners/call"
)

// ReasonNoScan is a Failure's reason: a 2xx answer that is neither PDF nor TIFF by its first
// bytes, such as a proxy's page of HTML.
const ReasonNoScan = "no_scan"

// Scan is "Скан ДБЗ". The zero value says that ABS has none ("Неуспешный Ответ: Status 404").
type Scan struct {
	Found     bool
	MediaType string // application/pdf or image/tiff, by the bytes and not by the header
	FileName  string // as ABS calls it, of any alphabet; "" when it does not. It may name people
	Size      int64  // bytes that were written
}

// ScanRequest names one contract.
type ScanRequest struct {
	Contract string    // dbz_num
	Day      time.Time // dbz_dt, of which only the date counts
	IINBIN   string
}

// ContractScan asks for the scan of a loan contract and writes it to into as it comes, at
// most Options.MaxScan bytes. What was written before an error, or without Found, is no
// scan. Errors are *call.Failure, or those of into.
func (c *Client) ContractScan(ctx context.Context, r ScanRequest, into io.Writer) (Scan, error) {
	calls := c.calls[opScan]
	page := &firstBytes{into: into}
	answer, err := calls.Stream(ctx, call.Request{
		Operation: opScan, Query: url.Values{"dbz_num": {r.Contract}, "dbz_dt": {r.Day.Format(c.layout)}, "iinbin": {r.IINBIN}},
		Header: map[string]string{"Accept": "application/pdf, image/tiff"}, Limit: c.maxScan, RefusalLimit: maxAnswer,
	}, page)
	switch {
	case errors.Is(err, errNoScan):
		return Scan{}, calls.Failure(opScan, answer, ReasonNoScan, nil)
	case err != nil:
		return Scan{}, err
	case answer.Status == http.StatusNotFound:
		return Scan{}, nil
	case answer.Status >= 400:
		return Scan{}, calls.Failure(opScan, answer, call.ReasonStatus, nil)
	}
	kind, err := page.end()
	if err != nil {
		return Scan{}, calls.Failure(opScan, answer, ReasonNoScan, nil)
	}
	return Scan{Found: true, MediaType: kind, FileName: fileName(answer.Header.Get("Content-Disposition")), Size: answer.Size}, nil
}

var errNoScan = errors.New("neither PDF nor TIFF")

// kindOf is what a file's first bytes say that it is, "" when it is neither PDF nor TIFF (in
// both byte orders).
func kindOf(begins []byte) string {
	switch {
	case bytes.HasPrefix(begins, []byte("II*\x00")), bytes.HasPrefix(begins, []byte("MM\x00*")):
		return "image/tiff"
	case call.IsPDF(begins):
		return "application/pdf"
	}
	return ""
}

// firstBytes holds a file back until its first bytes say what it is.
type firstBytes struct {
	into io.Writer
	held []byte
	kind string
}

// Write fails with errNoScan when the file is neither.
func (f *firstBytes) Write(p []byte) (int, error) {
	if f.kind != "" {
		return f.into.Write(p)
	}
	f.held = append(f.held, p...)
	if f.kind = kindOf(f.held); f.kind != "" {
		_, err := f.into.Write(f.held)
		return len(p), err
	}
	if len(f.held) >= call.PDFMarkerWithin {
		return 0, errNoScan
	}
	return len(p), nil
}

// end says what the file was.
func (f *firstBytes) end() (kind string, err error) {
	if f.kind == "" {
		return "", errNoScan
	}
	return f.kind, nil
}

// maxFileName bounds a file's name, in characters.
const maxFileName = 200

// fileName reads the name in Content-Disposition, in whatever form of RFC 6266 it comes, and
// in those that servers write in its place. It keeps the last part of a path, and nothing
// that cannot be shown; what it cannot read is "".
func fileName(disposition string) string {
	name := call.FileName(disposition)
	name = path.Base(strings.ReplaceAll(name, `\`, "/"))
	name = strings.TrimSpace(strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) || r == utf8.RuneError {
			return -1
		}
		return r
	}, name))
	if name == "." || name == "/" || name == ".." {
		return ""
	}
	runes := []rune(name)
	return string(runes[:min(len(runes), maxFileName)])
}
