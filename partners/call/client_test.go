package call

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// dropping is a partner that answers the first request of a connection, reads the second and
// closes. It counts requests, and keeps the second's bytes.
func dropping(t *testing.T) (url string, requests *atomic.Int64, second chan string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	requests, second = new(atomic.Int64), make(chan string, 8)
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = connection.Close() }()
				reader := bufio.NewReader(connection)
				for n := 1; ; n++ {
					var head strings.Builder
					for {
						line, err := reader.ReadString('\n')
						if err != nil {
							return
						}
						if head.WriteString(line); line == "\r\n" {
							break
						}
					}
					requests.Add(1)
					if n == 2 {
						second <- head.String()
						return
					}
					_, _ = io.WriteString(connection, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
				}
			}()
		}
	}()
	return "http://" + listener.Addr().String(), requests, second
}

// A request on a kept-alive connection that the partner closes is sent once, whatever its
// method: net/http repeats a GET without a body by itself.
func TestNothingIsSentTwice(t *testing.T) {
	for name, ask := range map[string]func(*Client, context.Context) error{
		"GET": func(c *Client, ctx context.Context) error {
			_, err := c.Get(ctx, Request{Operation: "read", Limit: 100})
			return err
		},
		"stream": func(c *Client, ctx context.Context) error {
			_, err := c.Stream(ctx, Request{Operation: "read", Limit: 100}, io.Discard)
			return err
		},
		"POST without a body": func(c *Client, ctx context.Context) error {
			_, err := c.Post(ctx, Request{Operation: "read", Limit: 100})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			url, requests, second := dropping(t)
			c, err := New(Options{Partner: "bank", URL: url})
			require.NoError(t, err)
			t.Cleanup(c.CloseIdle)
			require.NoError(t, ask(c, t.Context()))
			var failure *Failure
			require.ErrorAs(t, ask(c, t.Context()), &failure)
			require.Equal(t, ReasonReset, failure.Reason)
			require.EqualValues(t, 2, requests.Load())
			head := <-second
			require.NotContains(t, head, "Transfer-Encoding")
			if !strings.HasPrefix(name, "POST") {
				require.True(t, strings.HasPrefix(head, "GET / HTTP/1.1\r\n"), head)
				require.NotContains(t, head, "Content-Length")
			}
		})
	}
}

// Retry-After is read of 429 and 503 alone, as seconds or a date by the partner's own clock.
func TestRetryAfter(t *testing.T) {
	date := "Tue, 01 Dec 2026 10:00:00 GMT"
	for value, want := range map[string]time.Duration{
		"120": 2 * time.Minute, " 7 ": 7 * time.Second, "0": 0, "": 0, "-5": 0, "soon": 0, "1.5": 0, "999999": time.Hour, strings.Repeat("9", 40): time.Hour,
		"Tue, 01 Dec 2026 10:00:30 GMT": 30 * time.Second, "Tue, 01 Dec 2026 09:00:00 GMT": 0, "Tue, 01 Dec 2099 10:00:00 GMT": time.Hour,
	} {
		a := Answer{Status: 503, Header: http.Header{"Retry-After": {value}, "Date": {date}}}
		require.Equal(t, want, retryAfter(a), value)
		a.Status = 429
		require.Equal(t, want, retryAfter(a), value)
		for _, status := range []int{200, 301, 404, 500} {
			a.Status = status
			require.Zero(t, retryAfter(a))
		}
	}
}

// The declared charset is respected; one that nobody knows changes nothing.
func TestDeclaredCharset(t *testing.T) {
	const cp1251 = "{\"fullname\":\"\xcf\xf0\xe8\xec\xe5\xf0\xee\xe2\"}"
	for contentType, want := range map[string]string{
		"application/json; charset=windows-1251": "Примеров", `application/json;charset="CP1251"`: "Примеров", "text/html; Charset=Windows-1251": "Примеров",
		"application/json": "\ufffd\ufffd\ufffd\ufffd\ufffd\ufffd\ufffd\ufffd", "application/json; charset=utf-8": "\ufffd\ufffd\ufffd\ufffd\ufffd\ufffd\ufffd\ufffd",
		"application/json; charset=nobody-knows": "\ufffd\ufffd\ufffd\ufffd\ufffd\ufffd\ufffd\ufffd", ";;": "\ufffd\ufffd\ufffd\ufffd\ufffd\ufffd\ufffd\ufffd",
	} {
		a := Answer{Header: http.Header{"Content-Type": {contentType}}, Body: []byte(cp1251)}
		require.Equal(t, want, Read(a.UTF8()).Shown("fullname"), contentType)
	}
	utf16 := Answer{Header: http.Header{"Content-Type": {"application/json; charset=utf-16le"}}, Body: []byte("{\x00\"\x00a\x00\"\x00:\x001\x00}\x00")}
	require.Equal(t, "1", Read(utf16.UTF8()).Text("a"))
	koi8 := Answer{Header: http.Header{"Content-Type": {"application/json; charset=koi8-r"}}, Body: []byte("{\"a\":\"\xc4\xc1\"}")}
	require.Equal(t, "да", Read(koi8.UTF8()).Text("a"))
}

func TestIsPDF(t *testing.T) {
	for file, want := range map[string]bool{
		"%PDF-1.4": true, "\ufeff%PDF-1.4": true, "\r\n\r\n%PDF-1.7": true, "\x1b%-12345X@PJL\r\n%PDF-1.4": true, strings.Repeat(" ", 1019) + "%PDF-": true,
		strings.Repeat(" ", 1020) + "%PDF-": false, "%PDF": false, "": false, "PDF-1.4": false, "<html>": false,
	} {
		require.Equal(t, want, IsPDF([]byte(file)), "%.20q", file)
	}
}

func TestFileName(t *testing.T) {
	for header, want := range map[string]string{
		`attachment; filename="Имяфайла.pdf"`: "Имяфайла.pdf", "attachment; filename=\"\xc8\xec\xff.pdf\"": "Имя.pdf",
		`attachment; filename=scan.pdf`: "scan.pdf", `attachment; filename=Имя файла.pdf`: "Имя файла.pdf", `attachment;FileName=a b.pdf;size=7`: "a b.pdf",
		`attachment; filename*=UTF-8''%D0%98%D0%BC%D1%8F.pdf`: "Имя.pdf", `attachment; filename*=utf-8'ru'%D0%98.pdf`: "И.pdf",
		`attachment; filename*=windows-1251''%C8%EC%FF.pdf`: "Имя.pdf", `attachment; filename*=ISO-8859-1'en'%A3.pdf`: "£.pdf",
		`attachment; filename="a.pdf"; filename*=UTF-8''%D0%98.pdf`: "И.pdf", `attachment; filename*=UTF-8''%D0%98.pdf; filename="a.pdf"`: "И.pdf",
		`attachment; filename="a.pdf"; filename*=UTF-8''%ZZ`: "a.pdf", `attachment; filename="a.pdf"; filename*=UTF-8''%FF`: "a.pdf",
		`attachment; filename="a.pdf"; filename*=nobody''x`: "a.pdf", `attachment; filename*="UTF-8''%D0%98.pdf"`: "И.pdf", `attachment; filename*=a.pdf; filename=b.pdf`: "b.pdf",
		`attachment; filename="=?UTF-8?B?0JjQvNGP?=.pdf"`: "Имя.pdf", `attachment; filename="a\"b;c.pdf"`: `a"b;c.pdf`,
		`attachment; filename="C:\scans\17.pdf"`: `C:\scans\17.pdf`, `attachment; filename*0="long"; filename*1=".pdf"`: "long.pdf",
		`attachment`: "", ``: "", `;`: "", `inline; filename=""`: "", `attachment; name="a.pdf"`: "",
	} {
		require.Equal(t, want, FileName(header), header)
	}
}

// Whatever a header says, a name is text.
func FuzzFileName(f *testing.F) {
	for _, header := range []string{`attachment; filename="Имя.pdf"`, "a; filename=\"\xc8\"", `a; filename*=windows-1251''%C8`, `a; filename=a b; filename*=x`, `"; filename="\`} {
		f.Add(header)
	}
	f.Fuzz(func(t *testing.T, header string) {
		if name := FileName(header); strings.ToValidUTF8(name, "") != name {
			t.Errorf("%q", name)
		}
	})
}

// No header and no body make it panic, and a wait stays within its bounds.
func FuzzManners(f *testing.F) {
	f.Add("120", "application/json; charset=windows-1251", []byte("{}"))
	f.Add("Tue, 01 Dec 2026 10:00:30 GMT", ";charset=utf-16", []byte("\xff\xfe{"))
	f.Fuzz(func(t *testing.T, after, contentType string, body []byte) {
		a := Answer{Status: 503, Header: http.Header{"Retry-After": {after}, "Content-Type": {contentType}}, Body: body}
		if wait := retryAfter(a); wait < 0 || wait > maxRetryAfter {
			t.Error(wait)
		}
		_ = fmt.Sprint(Read(a.UTF8()).OK(), IsPDF(body))
	})
}
