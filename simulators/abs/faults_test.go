package abs_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"tolem/simulators/abs"
)

// Every fault at every call it goes with, once; then everything is as before. The books know
// whether anything was processed and whether the caller got it whole.
func TestFaults(t *testing.T) {
	json := []string{"client", "accounts", "statement"}
	all := append([]string{"scan"}, json...)
	fails := func(_ answer, err error) bool { return err != nil }
	is := func(status int, test func(body string) bool) func(answer, error) bool {
		return func(a answer, err error) bool { return err == nil && a.status == status && test(a.body) }
	}
	exactly := func(text string) func(string) bool { return func(body string) bool { return body == text } }
	begins := func(text string) func(string) bool {
		return func(body string) bool { return strings.HasPrefix(body, text) }
	}
	anything := func(string) bool { return true }
	refused := exactly(`{"error_text":"нет","error_code":17}`)
	for _, c := range []struct {
		answer           abs.Answer
		calls            []string
		processed, whole bool
		arrives          func(a answer, err error) bool
	}{
		{abs.Answer{}, all, true, true, is(200, anything)},
		{abs.Answer{Fault: abs.Unknown}, json, true, false, is(200, func(b string) bool { return strings.Contains(b, `не найден","error_code":1}`) })},
		{abs.Answer{Fault: abs.Unknown}, all[:1], true, false, is(404, anything)},
		{abs.Answer{Fault: abs.Refused, ErrorCode: 17, ErrorText: "нет"}, all, true, false, is(200, refused)},
		{abs.Answer{Fault: abs.EmptyList}, []string{"accounts"}, true, true, is(200, exactly(`{"error_text":"","error_code":0,"ibans":[]}`))},
		{abs.Answer{Fault: abs.EmptyList}, []string{"statement"}, true, true, is(200, exactly(`{"error_text":"","error_code":0,"stmt":[]}`))},
		{abs.Answer{Fault: abs.Other}, []string{"client"}, true, false, is(200, func(b string) bool { return strings.Contains(b, `"iinbin":"900101300012"`) })},
		{abs.Answer{Fault: abs.LostAnswer}, all, true, false, fails},
		{abs.Answer{Fault: abs.LostAnswerMidway}, all, true, false, func(a answer, err error) bool { return err != nil && a.status == 200 && a.body != "" }},
		{abs.Answer{Fault: abs.ResetAfter}, all, true, false, fails},
		{abs.Answer{Fault: abs.Delay, DelayMs: 1}, all, true, true, is(200, anything)},
		{abs.Answer{Fault: abs.Truncated}, json, true, false, is(200, func(b string) bool { return strings.HasPrefix(b, `{"error_text"`) && !strings.HasSuffix(b, "}") })},
		{abs.Answer{Fault: abs.Truncated}, all[:1], true, false, is(200, func(b string) bool { return !strings.Contains(b, "%%EOF") })},
		{abs.Answer{Fault: abs.Garbage}, all, true, false, is(200, begins("<<<"))},
		{abs.Answer{Fault: abs.HTML200}, all, true, false, is(200, begins("<html>"))},
		{abs.Answer{Fault: abs.Empty}, all, true, false, is(200, exactly(""))},
		{abs.Answer{Fault: abs.NotUTF8}, []string{"client", "accounts", "statement"}, true, false, is(200, func(b string) bool { return !utf8.ValidString(b) })},
		{abs.Answer{Fault: abs.Oversize}, json, true, true, is(200, func(b string) bool { return len(b) == 2<<20 && strings.HasPrefix(b, `{"error_text"`) })},
		{abs.Answer{Fault: abs.Oversize}, all[:1], true, true, is(200, func(b string) bool { return len(b) == 64<<20 && strings.HasSuffix(b, "%%EOF\n") })},
		{abs.Answer{Fault: abs.Oversize, Bytes: 5000}, all, true, true, is(200, func(b string) bool { return len(b) == 5000 })},
		{abs.Answer{Fault: abs.ResetBefore}, all, false, false, fails},
		{abs.Answer{Fault: abs.HTML502}, all, false, false, is(502, begins("<html>"))},
		{abs.Answer{Fault: abs.Redirect}, all, false, false, is(307, anything)},
		{abs.Answer{Fault: abs.Status, Status: 500, Body: "x"}, all, false, false, is(500, exactly("x"))},
		{abs.Answer{Fault: abs.Status, Status: 503}, all, false, false, is(503, exactly(""))},
		{abs.Answer{Fault: abs.Status, Status: 403}, all, false, false, is(403, exactly(""))},
		{abs.Answer{Fault: abs.Status, Status: 429}, all, false, false, is(429, exactly(""))},
	} {
		for _, call := range c.calls {
			t.Run(fmt.Sprintf("%s %s %d %d", call, c.answer.Fault, c.answer.Status, c.answer.Bytes), func(t *testing.T) {
				s := start(t, abs.Options{Settings: abs.Settings{Format: abs.FormatPDF}})
				path, about := questions[call][0], questions[call][1]
				usual := s.get(path).body
				require.NoError(t, s.Script(abs.Script{Call: call, About: about, Answers: []abs.Answer{c.answer}}))
				a, err := s.send("GET", path, "")
				require.True(t, c.arrives(a, err), "%d %.200q %v", a.status, a.body, err)
				require.Equal(t, usual, s.get(path).body)
				r := s.Requests(about)[1]
				require.Equal(t, []any{c.answer.Fault, c.processed, c.whole}, []any{r.Fault, r.Processed, r.Whole})
			})
		}
	}
}

// A padded document is one still, of whatever size.
func TestPadded(t *testing.T) {
	for _, format := range []string{abs.FormatPDF, abs.FormatTIFF} {
		s := start(t, abs.Options{Settings: abs.Settings{Format: format}})
		require.NoError(t, s.Script(abs.Script{Call: "scan", Answers: []abs.Answer{{Fault: abs.Oversize, Bytes: 100_000}, {Fault: abs.Oversize, Bytes: 1}}}))
		a := s.get(questions["scan"][0])
		require.Len(t, a.body, 100_000)
		require.Equal(t, "100000", a.header.Get("Content-Length"))
		legible(t, a.body, contract)
		require.Equal(t, string(s.Document(contract).Content), s.get(questions["scan"][0]).body, "not shorter than it is")
	}
}

// Whoever follows a redirect is answered after all.
func TestRedirect(t *testing.T) {
	s := start(t, abs.Options{})
	s.client.CheckRedirect = nil
	require.NoError(t, s.Script(abs.Script{Call: "client", Answers: []abs.Answer{{Fault: abs.Redirect, Times: 20}}}))
	require.Equal(t, iin, s.get(questions["client"][0]).field("iinbin"))
}

// A hanging answer and a delayed one end with the system.
func TestHang(t *testing.T) {
	for _, a := range []abs.Answer{{Fault: abs.Hang}, {Fault: abs.Delay, DelayMs: 3_600_000}} {
		s := start(t, abs.Options{})
		require.NoError(t, s.Script(abs.Script{Call: "scan", Answers: []abs.Answer{a}}))
		over := make(chan error)
		go func() {
			_, err := s.send("GET", questions["scan"][0], "")
			over <- err
		}()
		require.Eventually(t, func() bool { return s.Totals().Scan.Asked == 1 }, 20*time.Second, time.Millisecond)
		require.NoError(t, s.Close())
		require.Error(t, <-over)
	}
}

func TestGate(t *testing.T) {
	s := start(t, abs.Options{})
	release := s.Hold("scan")
	over := make(chan answer, 1)
	go func() {
		if a, err := s.send("GET", questions["scan"][0], ""); err == nil {
			over <- a
		}
	}()
	require.Eventually(t, func() bool { return s.Waiting("scan") == 1 }, 20*time.Second, time.Millisecond)
	require.Equal(t, 200, s.get(questions["client"][0]).status, "other calls pass")
	require.Empty(t, over)
	release()
	release()
	require.Equal(t, 200, (<-over).status)
	require.Panics(t, func() { s.Hold("scans") })
}

// The narrower script wins, of equals the older; each answer so often as it says.
func TestScripts(t *testing.T) {
	s := start(t, abs.Options{})
	status := func(n int) abs.Answer { return abs.Answer{Fault: abs.Status, Status: n} }
	for _, script := range []abs.Script{
		{Call: "client", Answers: []abs.Answer{status(501)}},
		{Call: "client", About: iin, Answers: []abs.Answer{{Fault: abs.Status, Status: 504, Times: 2}, status(505)}},
		{Call: "client", About: "000000000000", Answers: []abs.Answer{status(599)}},
		{Call: "accounts", About: iin, Answers: []abs.Answer{status(599)}},
		{Call: "client", Answers: []abs.Answer{status(502)}},
	} {
		require.NoError(t, s.Script(script))
	}
	s.SetDown(true)
	_, err := s.send("GET", questions["client"][0], "")
	require.Error(t, err)
	s.SetDown(false)
	for _, want := range []int{504, 504, 505, 501, 502, 200} {
		require.Equal(t, want, s.get(questions["client"][0]).status)
	}
	require.NoError(t, s.ClearScripts())
	require.Equal(t, 200, s.get(questions["accounts"][0]).status)
}

// A storm depends on its seed and each number's own requests, not on whose come first.
func TestStorm(t *testing.T) {
	fates := func(seed uint64, order ...int) string {
		s := start(t, abs.Options{})
		require.NoError(t, s.Storm(abs.Storm{Call: "client", LostAnswer: 0.3, ResetBefore: 0.3, Delay: 0.2, DelayMs: 1, Seed: seed}))
		for _, n := range order {
			for range 8 {
				_, _ = s.send("GET", fmt.Sprintf("/client?iinbin=90010130000%d", n), "") // failures are the point
			}
		}
		var fates []abs.Fault
		for n := range 4 {
			for _, r := range s.Requests(fmt.Sprintf("90010130000%d", n)) {
				fates = append(fates, r.Fault)
			}
		}
		require.Len(t, fates, 32)
		require.NoError(t, s.ClearStorms())
		for range 8 {
			s.get(questions["client"][0])
		}
		return fmt.Sprint(fates)
	}
	once := fates(42, 0, 1, 2, 3)
	require.Equal(t, once, fates(42, 3, 1, 0, 2))
	require.NotEqual(t, once, fates(43, 0, 1, 2, 3))
	for _, fault := range []abs.Fault{abs.LostAnswer, abs.ResetBefore, abs.Delay} {
		require.Contains(t, once, string(fault))
	}
}

// An operator's way, by the control API alone.
func TestControl(t *testing.T) {
	s := start(t, abs.Options{})
	control := func(method, path, body string) answer {
		a, err := s.send(method, "/control"+path, body)
		require.NoError(t, err)
		return a
	}
	require.Contains(t, control("GET", "", "").body, "control/scripts")
	require.Equal(t, 201, control("POST", "/scripts", `{"call":"client","about":"`+iin+`","answers":[{"fault":"refused","errorCode":17,"errorText":"нет","times":2}]}`).status)
	require.Equal(t, 17.0, s.get(questions["client"][0]).field("error_code"))
	require.Contains(t, control("GET", "/scripts", "").body, `"used":1`)
	require.Equal(t, 204, control("DELETE", "/scripts", "").status)
	require.JSONEq(t, `{"scripts":[]}`, control("GET", "/scripts", "").body)
	require.Equal(t, 0.0, s.get(questions["client"][0]).field("error_code"))
	require.Equal(t, 201, control("POST", "/faults", `{"call":"scan","resetBefore":1}`).status)
	_, err := s.send("GET", questions["scan"][0], "")
	require.Error(t, err)
	require.Equal(t, 204, control("DELETE", "/faults", "").status)
	require.Equal(t, 200, control("PUT", "/down", `{"down":true}`).status)
	_, err = s.send("GET", questions["scan"][0], "")
	require.Error(t, err)
	require.Equal(t, 200, control("PUT", "/down", `{"down":false}`).status)
	require.Contains(t, control("PUT", "/gate", `{"call":"scan","closed":true}`).body, `"waiting":0`)
	require.Contains(t, control("GET", "/gate", "").body, `"scan"`)
	require.JSONEq(t, `{"gates":[]}`, control("PUT", "/gate", `{"call":"scan","closed":false}`).body)
	require.Equal(t, 200, s.get(questions["scan"][0]).status)
	require.JSONEq(t, `{"contract":"`+contract+`","asked":3,"read":1}`, control("GET", "/scan?contract="+contract, "").body)
	require.JSONEq(t, `{"scans":[{"contract":"`+contract+`","asked":3,"read":1}]}`, control("GET", "/scans", "").body)
	require.Contains(t, control("GET", "/totals", "").body, `"client":{"asked":2,"whole":1,"refused":1,"malformed":0}`)
	require.Contains(t, control("GET", "/requests?about="+iin, "").body, `"errorCode":17`)
	require.JSONEq(t, `{"requests":[]}`, control("GET", "/requests?about=1", "").body)
	require.JSONEq(t, `{"dateLayout":"2006.01.02","spelling":"","format":""}`, control("PUT", "/settings", `{"dateLayout":"2006.01.02"}`).body)
	require.JSONEq(t, `{"dateLayout":"2006.01.02","spelling":"","format":"tiff"}`, control("PUT", "/settings", `{"format":"tiff"}`).body)
	require.JSONEq(t, `{"dateLayout":"2006.01.02","spelling":"","format":"tiff"}`, control("GET", "/settings", "").body)
}

func TestControlRefusals(t *testing.T) {
	s := start(t, abs.Options{})
	before := s.Settings()
	for _, c := range []struct{ method, path, body, field string }{
		{"PUT", "/settings", `{"dateLayout":"02.01.2006"}`, "dateLayout"},
		{"PUT", "/settings", `{"format":"tiff","spelling":"koi8"}`, "spelling"},
		{"PUT", "/settings", `{"format":"djvu"}`, "format"},
		{"PUT", "/settings", `{"format":"tiff","colour":1}`, "colour"},
		{"POST", "/scripts", `{"call":"clients","answers":[{}]}`, "call"},
		{"POST", "/scripts", `{"call":"client"}`, "answers"},
		{"POST", "/scripts", `{"call":"client","phone":"1","answers":[{}]}`, "phone"},
		{"POST", "/scripts", `{"call":"client","answers":[{},{"fault":"lost"}]}`, "answers[1].fault"},
		{"POST", "/scripts", `{"call":"client","answers":[{"fault":"empty_list"}]}`, "answers[0].fault"},
		{"POST", "/scripts", `{"call":"scan","answers":[{"fault":"not_utf8"}]}`, "answers[0].fault"},
		{"POST", "/scripts", `{"call":"client","answers":[{"times":-1}]}`, "answers[0].times"},
		{"POST", "/scripts", `{"call":"client","answers":[{"fault":"delay"}]}`, "answers[0].delayMs"},
		{"POST", "/scripts", `{"call":"client","answers":[{"delayMs":3600001}]}`, "answers[0].delayMs"},
		{"POST", "/scripts", `{"call":"client","answers":[{"fault":"status"}]}`, "answers[0].status"},
		{"POST", "/scripts", `{"call":"client","answers":[{"body":"x"}]}`, "answers[0].body"},
		{"POST", "/scripts", `{"call":"client","answers":[{"fault":"refused"}]}`, "answers[0].errorCode"},
		{"POST", "/scripts", `{"call":"client","answers":[{"errorText":"x"}]}`, "answers[0].errorText"},
		{"POST", "/scripts", `{"call":"client","answers":[{"bytes":1}]}`, "answers[0].bytes"},
		{"POST", "/scripts", `{"call":"client","answers":[{"fault":"oversize","bytes":1073741825}]}`, "answers[0].bytes"},
		{"POST", "/faults", `{"call":"clients"}`, "call"},
		{"POST", "/faults", `{"call":"client","lostAnswer":1.1}`, "lostAnswer"},
		{"PUT", "/down", `{}`, "down"},
		{"PUT", "/gate", `{"call":"clients","closed":true}`, "call"},
		{"PUT", "/gate", `{"call":"client"}`, "closed"},
	} {
		a, err := s.send(c.method, "/control"+c.path, c.body)
		require.NoError(t, err)
		require.Equal(t, 400, a.status, c.body)
		require.Equal(t, c.field, a.field("field"), "%s: %s", c.body, a.body)
		require.NotEmpty(t, a.field("problem"))
	}
	require.Equal(t, before, s.Settings())
	require.Equal(t, 404, s.get("/control/nothing").status)
	_, err := abs.New(abs.Options{Settings: abs.Settings{Format: "djvu"}})
	require.ErrorContains(t, err, "format")
	_, err = abs.New(abs.Options{Dir: "/dev/null/books"})
	require.Error(t, err)
	require.Equal(t, http.StatusOK, s.get(questions["scan"][0]).status)
}
