package call

import (
	"bytes"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"golang.org/x/text/encoding/htmlindex"
)

// maxRetryAfter bounds what a partner may ask for: more is a mistake, or a maintenance that
// the growing waits outlast.
const maxRetryAfter = time.Hour

// retryAfter reads Retry-After of 429 and 503 (RFC 9110, section 10.2.3): seconds, or a date,
// which is held against the answer's own Date, so that the clocks need not agree.
func retryAfter(a Answer) time.Duration {
	if a.Status != http.StatusTooManyRequests && a.Status != http.StatusServiceUnavailable {
		return 0
	}
	text := strings.TrimSpace(a.Header.Get("Retry-After"))
	if seconds, err := strconv.ParseUint(text, 10, 63); err == nil {
		return time.Duration(min(seconds, uint64(maxRetryAfter/time.Second))) * time.Second
	} else if text != "" && strings.Trim(text, "0123456789") == "" { // more than fits
		return maxRetryAfter
	}
	until, err := http.ParseTime(text)
	if err != nil {
		return 0
	}
	now, err := http.ParseTime(a.Header.Get("Date"))
	if err != nil {
		now = time.Now()
	}
	return min(max(until.Sub(now), 0), maxRetryAfter)
}

// UTF8 is the body in UTF-8, from the charset that Content-Type declares, such as
// windows-1251. A charset that nobody knows is taken as UTF-8, in which a letter that is none
// costs that letter alone.
func (a Answer) UTF8() []byte {
	_, parameters, err := mime.ParseMediaType(a.Header.Get("Content-Type"))
	if err != nil || parameters["charset"] == "" {
		return a.Body
	}
	charset, err := htmlindex.Get(parameters["charset"])
	if err != nil {
		return a.Body
	}
	if name, err := htmlindex.Name(charset); err != nil || name == "utf-8" || bytes.HasPrefix(a.Body, []byte("\ufeff")) {
		return a.Body
	}
	decoded, err := charset.NewDecoder().Bytes(a.Body)
	if err != nil {
		return a.Body
	}
	return decoded
}
