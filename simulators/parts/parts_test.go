package parts_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/stretchr/testify/require"

	"tolem/simulators/parts"
)

// line is a record of these tests.
type line struct {
	N int `json:"n"`
}

func reopen(t *testing.T, dir string) (*parts.Journal[line], []int, error) {
	t.Helper()
	var read []int
	j, err := parts.OpenJournal(dir, "j.jsonl", func(l line) { read = append(read, l.N) })
	return j, read, err
}

// Records come back in order; a torn last line is cut off, a damaged one is refused by its
// number, and what follows a torn line is never lost with it.
func TestJournal(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "books")
	j, read, err := reopen(t, dir)
	require.NoError(t, err)
	require.Empty(t, read)
	for n := range 3 {
		require.NoError(t, j.Write(line{n}))
	}
	require.NoError(t, j.Close())
	require.ErrorIs(t, j.Write(line{3}), parts.ErrClosed)
	path := filepath.Join(dir, "j.jsonl")
	whole, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, "{\"n\":0}\n{\"n\":1}\n{\"n\":2}\n", string(whole))

	require.NoError(t, os.WriteFile(path, append(whole, `{"n":3`...), 0o600))
	j, read, err = reopen(t, dir)
	require.NoError(t, err)
	require.Equal(t, []int{0, 1, 2}, read)
	require.NoError(t, j.Write(line{4}))
	require.NoError(t, j.Close())
	_, read, err = reopen(t, dir)
	require.NoError(t, err)
	require.Equal(t, []int{0, 1, 2, 4}, read)

	require.NoError(t, os.WriteFile(path, bytes.Replace(whole, []byte(`{"n":1}`), []byte(`{"n":x}`), 1), 0o600))
	_, _, err = reopen(t, dir)
	require.ErrorContains(t, err, "line 2 is damaged")
	_, _, err = reopen(t, filepath.Join(path, "no directory"))
	require.Error(t, err)
}

func TestJournalInMemory(t *testing.T) {
	j, _, err := reopen(t, "")
	require.NoError(t, err)
	require.NoError(t, j.Write(line{1}))
	require.NoError(t, j.Close())
	require.ErrorIs(t, j.Write(line{2}), parts.ErrClosed)
}

// A gate holds who enters until it opens, its caller leaves, or the partner ends; an old
// release opens no later gate.
func TestGates(t *testing.T) {
	var mu sync.Mutex
	ended := make(chan struct{})
	gates := parts.NewGates(&mu, ended)
	p := parts.Passage{Call: "pay", Mode: parts.ModeAfter}
	enter := func() *parts.Gate {
		mu.Lock()
		defer mu.Unlock()
		return gates.Enter(p)
	}
	require.Nil(t, enter())
	require.True(t, gates.Pass(t.Context(), nil))

	release := gates.Hold(p)
	gates.Hold(p) // is closed already
	g := enter()
	require.Equal(t, 1, gates.Waiting("pay"))
	require.Equal(t, []parts.ClosedGate{{Call: "pay", Mode: parts.ModeAfter, Closed: true, Waiting: 1}}, gates.List())
	passed := make(chan bool)
	go func() { passed <- gates.Pass(context.Background(), g) }()
	release()
	require.True(t, <-passed)
	require.Zero(t, gates.Waiting("pay"))

	gates.Hold(p)
	release() // of the earlier gate
	g = enter()
	gone, leave := context.WithCancel(t.Context())
	leave()
	require.False(t, gates.Pass(gone, g))
	require.Len(t, gates.List(), 1)
	g = enter()
	close(ended)
	require.False(t, gates.Pass(t.Context(), g))
	gates.Open(p)
	gates.Open(p)
	require.Empty(t, gates.List())
}

func TestStorms(t *testing.T) {
	for field, s := range map[string]parts.Storm{
		"":            {LostAnswer: 0.1, ResetBefore: 0.2, Delay: 0.7, DelayMs: 1},
		"lostAnswer":  {LostAnswer: -0.1},
		"resetBefore": {ResetBefore: 1.1},
		"delay":       {LostAnswer: 0.6, ResetBefore: 0.6},
		"delayMs":     {Delay: 0.1},
	} {
		err := s.Check()
		var wrong *parts.FieldError
		require.Equal(t, field != "", errors.As(err, &wrong), field)
		if field != "" {
			require.Equal(t, field, wrong.Field)
		}
	}
	s := parts.Storm{Call: "pay", LostAnswer: 0.2, ResetBefore: 0.3, Delay: 0.1, DelayMs: 7, Seed: 42}
	count := map[string]int{}
	for n := range 10_000 {
		fault, delay := s.Draw("17", n)
		again, _ := s.Draw("17", n)
		require.Equal(t, fault, again)
		require.Equal(t, fault == parts.Delay, delay == 7)
		count[fault]++
	}
	for fault, share := range map[string]float64{parts.LostAnswer: 0.2, parts.ResetBefore: 0.3, parts.Delay: 0.1, "": 0.4} {
		require.InDelta(t, share*10_000, count[fault], 200, fault)
	}
	other := s
	other.Seed = 43
	same := 0
	for n := range 1000 {
		a, _ := s.Draw("17", n)
		b, _ := other.Draw("17", n)
		if a == b {
			same++
		}
	}
	require.Less(t, same, 500)
}

// A control request is one object of known fields; an error names the field.
func TestRead(t *testing.T) {
	for body, field := range map[string]string{
		`{"n":1}`: "-", `{"n":"1"}`: "n", `{"m":1}`: "m", `{`: "", ``: "", `{"n":1} {}`: "", `[]`: "",
		`{"n":` + strings.Repeat(" ", parts.MaxBody) + `1}`: "",
	} {
		e := echo.New()
		e.HTTPErrorHandler = parts.WriteError
		e.POST("/", func(ec echo.Context) error {
			var l line
			if err := parts.Read(ec, &l); err != nil {
				return err
			}
			require.Equal(t, 1, l.N)
			return parts.Done(ec, nil)
		})
		recorder := httptest.NewRecorder()
		e.ServeHTTP(recorder, httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body)))
		if field == "-" {
			require.Equal(t, http.StatusNoContent, recorder.Code)
			continue
		}
		require.Equal(t, http.StatusBadRequest, recorder.Code, "%.40s", body)
		require.Contains(t, recorder.Body.String(), fmt.Sprintf(`"field":%q`, field), "%.40s", body)
	}
}

// Cut ends after some bytes, Abort without any.
func TestBrokenAnswers(t *testing.T) {
	e := echo.New()
	e.GET("/cut", func(ec echo.Context) error {
		return parts.Cut(ec, []byte("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"))
	})
	e.GET("/abort", parts.Abort)
	server := httptest.NewServer(e)
	defer server.Close()
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	get := func(path string) (string, error) {
		response, err := client.Get(server.URL + path)
		if err != nil {
			return "", err
		}
		defer func() { _ = response.Body.Close() }() // read to its end below
		body, err := io.ReadAll(response.Body)
		return string(body), err
	}
	body, err := get("/cut")
	require.Error(t, err)
	require.Equal(t, "half", body)
	body, err = get("/abort")
	require.Error(t, err)
	require.Empty(t, body)
}

// A reader finds every object where the table of a page says it is, whatever stands in the
// text, and what the font lacks is a question mark.
func TestPage(t *testing.T) {
	pdf := string(parts.Page([]string{`a (b) \c`, "Имя"}))
	require.True(t, strings.HasPrefix(pdf, "%PDF-1.4\n") && strings.HasSuffix(pdf, "%%EOF\n"))
	require.Contains(t, pdf, `(a \(b\) \\c) Tj`)
	require.Contains(t, pdf, "(???) Tj")
	var start, n int
	_, err := fmt.Sscanf(pdf[strings.LastIndex(pdf, "startxref\n"):], "startxref\n%d", &start)
	require.NoError(t, err)
	_, err = fmt.Sscanf(pdf[start:], "xref\n0 %d\n", &n)
	require.NoError(t, err)
	entries := strings.Split(pdf[start:], "\n")[3:]
	for i := range n - 1 {
		var at int
		_, err := fmt.Sscanf(entries[i], "%d 00000 n", &at)
		require.NoError(t, err)
		require.True(t, strings.HasPrefix(pdf[at:], fmt.Sprintf("%d 0 obj\n", i+1)), "%d", i+1)
	}
}
