package processing_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"unicode/utf8"

	"tolem/simulators/processing"
)

const anHour = 3_600_000 // milliseconds: never in a test

// Faults that end with an HTTP answer: what arrives, and where the money is.
func TestFaultsWithAnAnswer(t *testing.T) {
	right := func(s string) bool { return json.Valid([]byte(s)) && strings.HasPrefix(s, `{"result":0,`) }
	cases := []struct {
		answer  processing.Answer
		status  int
		kind    string // of the content
		effects int
		body    func(string) bool
	}{
		{processing.Answer{Fault: processing.Delay, DelayMs: 1}, 200, "application/json", 1, right},
		{processing.Answer{Fault: processing.DelayBefore, DelayMs: 1}, 200, "application/json", 1, right},
		{processing.Answer{DelayMs: 1}, 200, "application/json", 1, right},
		{processing.Answer{Fault: processing.HTML502}, 502, "text/html", 0, func(s string) bool { return strings.HasPrefix(s, "<html>") }},
		{processing.Answer{Fault: processing.Status, Status: 429, Body: "slow down"}, 429, "text/plain", 0, func(s string) bool { return s == "slow down" }},
		{processing.Answer{Fault: processing.Status, Status: 200, Body: `{"result":5}`}, 200, "application/json", 0, func(s string) bool { return s == `{"result":5}` }},
		{processing.Answer{Fault: processing.StatusAfter, Status: 500}, 500, "text/plain", 1, func(s string) bool { return s == "" }},
		{processing.Answer{Fault: processing.TruncatedJSON}, 200, "application/json", 1, func(s string) bool { return strings.HasPrefix(s, `{"result":0,`) && !json.Valid([]byte(s)) }},
		{processing.Answer{Fault: processing.Garbage}, 200, "application/json", 1, func(s string) bool { return s != "" && !json.Valid([]byte(s)) }},
		{processing.Answer{Fault: processing.NotUTF8}, 200, "application/json", 1, func(s string) bool { return !utf8.ValidString(s) && json.Valid([]byte(s)) }},
		{processing.Answer{Fault: processing.Oversize}, 200, "application/json", 1, func(s string) bool { return right(s) && len(s) > 1<<20 }},
		{processing.Answer{Fault: processing.Empty}, 200, "application/json", 1, func(s string) bool { return s == "" }},
		{processing.Answer{Fault: processing.MissingResult}, 200, "application/json", 1, func(s string) bool { return json.Valid([]byte(s)) && !strings.Contains(s, `"result"`) }},
		{processing.Answer{Fault: processing.TextResult}, 200, "application/json", 1, func(s string) bool { return strings.HasPrefix(s, `{"result":"0",`) }},
		{processing.Answer{Fault: processing.WrongEcho}, 200, "application/json", 1, func(s string) bool {
			return right(s) && strings.Contains(s, `"agentTransactionId":8,`) || strings.Contains(s, `"agentTransactionId":8}`)
		}},
		{processing.Answer{TransactionID: []byte(`"x"`), AgentTransactionID: []byte(`null`)}, 200, "application/json", 1, func(s string) bool {
			return right(s) && strings.Contains(s, `"transactionId":"x"`) && strings.Contains(s, `"agentTransactionId":null`)
		}},
	}
	for _, c := range cases {
		t.Run(fmt.Sprintf("%s %d", c.answer.Fault, c.answer.Status), func(t *testing.T) {
			s := start(t, processing.Options{})
			s.script("pay", 7, c.answer)
			status, header, body, err := s.try(t.Context(), "pay", phone(7))
			if err != nil || status != c.status || !strings.HasPrefix(header.Get("Content-Type"), c.kind) || !c.body(body) {
				t.Errorf("status %d, %q, error %v, body %.200q", status, header.Get("Content-Type"), err, body)
			}
			s.effects(7, c.effects)
			q := s.Requests(7)
			if len(q) != 1 || q[0].Fault != c.answer.Fault || q[0].Status != c.status || q[0].Moved != (c.effects == 1) || (q[0].Code == processing.NoCode) != (c.effects == 0) {
				t.Errorf("recorded as %+v", q)
			}
			if got := s.code("pay", phone(7)); got != 0 {
				t.Errorf("the repeat: %d", got)
			}
			s.effects(7, 1)
		})
	}
}

// Faults after which the agent knows nothing.
func TestFaultsWithoutAnAnswer(t *testing.T) {
	cases := []struct {
		fault   processing.Fault
		failure error
		effects int
	}{
		{processing.LostAnswer, io.EOF, 1},
		{processing.LostAnswerMidway, io.ErrUnexpectedEOF, 1},
		{processing.ResetBefore, syscall.ECONNRESET, 0},
	}
	for _, c := range cases {
		t.Run(string(c.fault), func(t *testing.T) {
			s := start(t, processing.Options{})
			s.script("pay", 7, processing.Answer{Fault: c.fault})
			_, _, body, err := s.try(t.Context(), "pay", phone(7))
			if !errors.Is(err, c.failure) {
				t.Errorf("error %v, want %v", err, c.failure)
			}
			if half := strings.HasPrefix(body, `{"result":0,`); half != (c.fault == processing.LostAnswerMidway) {
				t.Errorf("body %q", body)
			}
			s.effects(7, c.effects)
			if q := s.Requests(7); len(q) != 1 || q[0].Fault != c.fault || q[0].Moved != (c.effects == 1) {
				t.Errorf("recorded as %+v", q)
			}
			if got := s.code("pay", phone(7)); got != 0 {
				t.Errorf("the repeat: %d", got)
			}
			s.effects(7, 1)
		})
	}
}

// delay and hang move the money while the agent still waits.
func TestProcessedWhileTheAgentWaits(t *testing.T) {
	for _, a := range []processing.Answer{{Fault: processing.Hang}, {Fault: processing.Delay, DelayMs: anHour}, {Fault: processing.LostAnswer, DelayMs: anHour}} {
		for _, end := range []string{"agent leaves", "centre closes"} {
			t.Run(string(a.Fault)+", "+end, func(t *testing.T) {
				s := start(t, processing.Options{})
				s.script("pay", 7, a)
				ctx, leave := context.WithCancel(t.Context())
				defer leave()
				failed := make(chan error)
				go func() {
					_, _, _, err := s.try(ctx, "pay", phone(7))
					failed <- err
				}()
				until(t, "money moved", func() bool { return s.Effects(7) > 0 })
				if end == "agent leaves" {
					leave()
				} else if err := s.Close(); err != nil {
					t.Error(err)
				}
				if err := <-failed; err == nil {
					t.Error("an answer came")
				}
				s.effects(7, 1)
			})
		}
	}
}

// delay_before is the nasty one: the agent has given up, and then money moves.
func TestDelayBeforeOutlivesTheAgent(t *testing.T) {
	s := start(t, processing.Options{})
	s.script("pay", 7, processing.Answer{Fault: processing.DelayBefore, DelayMs: 50})
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.request(t.Context(), http.MethodPost, "/api/v20/pay", phone(7)).Write(conn); err != nil {
		t.Fatal(err)
	}
	until(t, "the request arrived", func() bool { return len(s.Requests(7)) == 1 })
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	until(t, "money moved", func() bool { return s.Effects(7) > 0 })
	s.effects(7, 1)
}

// A repeat overtakes the delayed first request; the money still moves once.
func TestDelayBeforeIsOvertaken(t *testing.T) {
	s := start(t, processing.Options{})
	s.script("pay", 7, processing.Answer{Fault: processing.DelayBefore, DelayMs: anHour})
	ctx, leave := context.WithCancel(t.Context())
	failed := make(chan error)
	go func() {
		_, _, _, err := s.try(ctx, "pay", phone(7))
		failed <- err
	}()
	until(t, "the request arrived", func() bool { return len(s.Requests(7)) == 1 })
	leave()
	if err := <-failed; err == nil {
		t.Error("the agent that left got an answer")
	}
	s.effects(7, 0)
	if got := s.code("pay", phone(7)); got != 0 {
		t.Errorf("the repeat: %d", got)
	}
	if q := s.Requests(7); q[0].Code != processing.NoCode || q[0].Moved || !q[1].Moved {
		t.Errorf("recorded as %+v", q)
	}
	s.effects(7, 1)
}

func TestRedirectExecutesOnlyIfFollowed(t *testing.T) {
	s := start(t, processing.Options{})
	s.script("pay", 7, processing.Answer{Fault: processing.Redirect})
	r := s.request(t.Context(), http.MethodPost, "/api/v20/pay", phone(7))
	a, err := s.client.Do(r) // its body cannot be read twice, so it is not followed
	if err != nil {
		t.Fatal(err)
	}
	_ = a.Body.Close()
	if a.StatusCode != http.StatusTemporaryRedirect {
		t.Fatalf("status %d", a.StatusCode)
	}
	s.effects(7, 0)

	s.script("pay", 7, processing.Answer{Fault: processing.Redirect})
	r = s.request(t.Context(), http.MethodPost, "/api/v20/pay", phone(7))
	r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(phone(7))), nil }
	if a, err = s.client.Do(r); err != nil {
		t.Fatal(err)
	}
	_ = a.Body.Close()
	s.effects(7, 1)
	if q := s.Requests(7); len(q) != 3 || q[0].Moved || q[1].Moved || !q[2].Redirected || !q[2].Moved {
		t.Errorf("recorded as %+v", q)
	}
}

func TestDuplicateTransactionID(t *testing.T) {
	s := start(t, processing.Options{})
	s.script("pay", 0, processing.Answer{Fault: processing.DuplicateTransactionID, Times: 2})
	first := decode(t, s.call("pay", phone(1))) // nobody to borrow from yet
	second := decode(t, s.call("pay", phone(2)))
	if second.TransactionID != first.TransactionID || second.AgentTransactionID != 2 {
		t.Errorf("%+v after %+v", second, first)
	}
	if own := decode(t, s.call("pay", phone(2))); own.TransactionID == first.TransactionID {
		t.Error("the books have the borrowed transactionId")
	}
}

func TestFaultsOfTheOtherCalls(t *testing.T) {
	s := start(t, processing.Options{})
	s.script("services", 0, processing.Answer{Fault: processing.LostAnswer})
	if _, _, _, err := s.try(t.Context(), "services", ""); !errors.Is(err, io.EOF) {
		t.Errorf("error %v", err)
	}
	s.script("balance", 0, processing.Answer{Fault: processing.MissingResult}, processing.Answer{Code: 8})
	if text := s.call("balance", ""); strings.Contains(text, `"result"`) || !strings.Contains(text, `"agent"`) {
		t.Error(text)
	}
	if got := s.code("balance", ""); got != 8 {
		t.Errorf("balance: %d", got)
	}
}

func TestDown(t *testing.T) {
	s := start(t, processing.Options{})
	s.script("pay", 1, processing.Answer{Code: 1})
	s.SetDown(true)
	for _, call := range []string{"pay", "check", "balance"} {
		if _, _, _, err := s.try(t.Context(), call, phone(1)); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("%s: %v", call, err)
		}
	}
	s.SetDown(false)
	if got, then := s.code("pay", phone(1)), s.code("pay", phone(1)); got != 1 || then != 0 {
		t.Errorf("the outage used up the script: %d, then %d", got, then)
	}
	if q := s.Requests(1); len(q) != 5 || q[0].Fault != processing.ResetBefore || q[0].Status != 0 {
		t.Errorf("recorded as %+v", q)
	}
}

// A storm depends on its seed and on each payment's own attempts, not on the
// order in which payments come.
func TestStormRepeatsItself(t *testing.T) {
	storm := processing.Storm{Call: "pay", LostAnswer: 0.3, ResetBefore: 0.3, Delay: 0.2, DelayMs: 1, Seed: 42}
	fates := func(storm processing.Storm, ids []int64) string {
		s := start(t, processing.Options{})
		if err := s.Storm(storm); err != nil {
			t.Fatal(err)
		}
		for _, id := range ids {
			for range 6 {
				_, _, _, _ = s.try(t.Context(), "pay", phone(id)) // failures are the point
			}
		}
		var fates strings.Builder
		for id := int64(1); id <= 8; id++ {
			for _, q := range s.Requests(id) {
				fmt.Fprintf(&fates, "%-12s ", q.Fault) // as wide as the longest
			}
			if n := s.Effects(id); n > 1 {
				t.Errorf("money of %d moved %d times", id, n)
			}
		}
		return fates.String()
	}
	one := fates(storm, []int64{1, 2, 3, 4, 5, 6, 7, 8})
	if strings.Count(one, one[:len(one)/8]) == 8 {
		t.Errorf("every payment has the same fate: %s", one)
	}
	if other := fates(storm, []int64{8, 3, 1, 2, 7, 6, 5, 4}); other != one {
		t.Errorf("%s\n%s", one, other)
	}
	for _, fault := range []processing.Fault{processing.LostAnswer, processing.ResetBefore, processing.Delay} {
		if !strings.Contains(one, string(fault)) {
			t.Errorf("no %s in 48 requests", fault)
		}
	}
	storm.Seed = 43
	if other := fates(storm, []int64{1, 2, 3, 4, 5, 6, 7, 8}); other == one {
		t.Error("another seed, the same storm")
	}
}
