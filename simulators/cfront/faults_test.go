package cfront_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"tolem/simulators/cfront"
)

func (s *stand) script(call, id string, answers ...cfront.Answer) {
	s.t.Helper()
	require.NoError(s.t, s.Script(cfront.Script{Call: call, StoreOrderID: id, Answers: answers}))
}

// What arrives of each fault, and whether the order was confirmed.
func TestFaults(t *testing.T) {
	for _, c := range []struct {
		answer    cfront.Answer
		processed bool
		arrives   func(a answer, err error) bool
	}{
		{cfront.Answer{}, true, func(a answer, err error) bool { return err == nil && a.status == 200 }},
		{cfront.Answer{Fault: cfront.LostAnswer}, true, func(_ answer, err error) bool { return err != nil }},
		{cfront.Answer{Fault: cfront.LostAnswerMidway}, true, func(a answer, err error) bool { return err != nil && a.status == 200 && a.body != "" }},
		{cfront.Answer{Fault: cfront.Delay, DelayMs: 1}, true, func(a answer, err error) bool { return err == nil && a.status == 200 }},
		{cfront.Answer{Fault: cfront.DelayBefore, DelayMs: 1}, true, func(a answer, err error) bool { return err == nil && a.status == 200 }},
		{cfront.Answer{Fault: cfront.StatusAfter, Status: 500, Body: "oh"}, true, func(a answer, err error) bool { return err == nil && a.status == 500 && a.body == "oh" }},
		{cfront.Answer{Fault: cfront.Truncated}, true, func(a answer, err error) bool {
			return err == nil && a.status == 200 && a.body != "" && !json.Valid([]byte(a.body))
		}},
		{cfront.Answer{Fault: cfront.Garbage}, true, func(a answer, err error) bool { return err == nil && a.status == 200 && !json.Valid([]byte(a.body)) }},
		{cfront.Answer{Fault: cfront.NotUTF8}, true, func(a answer, err error) bool { return err == nil && a.status == 200 && !utf8.ValidString(a.body) }},
		{cfront.Answer{Fault: cfront.Oversize}, true, func(a answer, err error) bool { return err == nil && a.status == 200 && len(a.body) > 1<<20 }},
		{cfront.Answer{Fault: cfront.Empty}, true, func(a answer, err error) bool { return err == nil && a.status == 200 && a.body == "" }},
		{cfront.Answer{Fault: cfront.WrongEcho}, true, func(a answer, err error) bool {
			return err == nil && a.status == 200 && a.field("order_id") == "000000001-0000-4000-8000-000000001eef"
		}},
		{cfront.Answer{Fault: cfront.ResetBefore}, false, func(_ answer, err error) bool { return err != nil }},
		{cfront.Answer{Fault: cfront.HTML502}, false, func(a answer, err error) bool {
			return err == nil && a.status == 502 && strings.HasPrefix(a.body, "<html>")
		}},
		{cfront.Answer{Fault: cfront.Status, Status: 429}, false, func(a answer, err error) bool { return err == nil && a.status == 429 && a.body == "" }},
	} {
		t.Run(string(c.answer.Fault), func(t *testing.T) {
			s := start(t, nil)
			about := s.agreed("a")
			s.script("order/confirm", "a", c.answer)
			a, err := s.try("order/confirm", about)
			require.True(t, c.arrives(a, err), "%+v %v", a, err)
			state := map[bool]string{true: "SUCCESS/ACTIVE", false: "IN_PROCESS/WAITING_FOR_STORE_CONFIRM"}[c.processed]
			s.is("a", about, state)
			q := s.Requests("a")
			require.Equal(t, c.processed, q[len(q)-2].Processed)
			require.Equal(t, c.answer.Fault, q[len(q)-2].Fault)
		})
	}
}

// Whoever follows a redirect has the request processed after all.
func TestRedirect(t *testing.T) {
	for _, follows := range []bool{false, true} {
		s := start(t, nil)
		about := s.agreed("a")
		s.script("order/confirm", "a", cfront.Answer{Fault: cfront.Redirect, Times: 20})
		if !follows {
			s.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		}
		a := s.call("order/confirm", about)
		if follows {
			require.Equal(t, 200, a.status)
			s.is("a", about, "SUCCESS/ACTIVE")
		} else {
			require.Equal(t, 307, a.status)
			s.is("a", about, "IN_PROCESS/WAITING_FOR_STORE_CONFIRM")
		}
	}
}

// A hanging answer ends with its caller, or with the bank.
func TestHang(t *testing.T) {
	s := start(t, nil)
	about := s.agreed("a")
	s.script("order/confirm", "", cfront.Answer{Fault: cfront.Hang})
	over := make(chan error)
	go func() {
		_, err := s.try("order/confirm", about)
		over <- err
	}()
	s.confirmed("a")
	require.NoError(t, s.Close())
	require.Error(t, <-over)
}

// confirmed waits until the books have a confirm of an order.
func (s *stand) confirmed(id string) {
	s.t.Helper()
	require.Eventually(s.t, func() bool { o, _ := s.Order(id); return o.Confirms == 1 }, 20*time.Second, time.Millisecond)
}

func TestGates(t *testing.T) {
	s := start(t, nil)
	about := s.agreed("a")
	over := make(chan answer, 1)
	ask := func() {
		a, err := s.try("order/confirm", about)
		if err == nil {
			over <- a
		}
	}
	release := s.HoldBefore("order/confirm")
	go ask()
	require.Eventually(t, func() bool { return s.Waiting("order/confirm") == 1 }, 20*time.Second, time.Millisecond)
	s.is("a", about, "IN_PROCESS/WAITING_FOR_STORE_CONFIRM")
	then := s.Hold("order/confirm")
	release()
	release()
	s.confirmed("a")
	require.Empty(t, over)
	then()
	require.Equal(t, 200, (<-over).status)
	require.Zero(t, s.Waiting("order/confirm"))
	require.Panics(t, func() { s.Hold("order/confirmed") })
}

func TestDown(t *testing.T) {
	s := start(t, nil)
	s.script("order/create", "", cfront.Answer{Fault: cfront.HTML502})
	s.SetDown(true)
	_, err := s.try("order/create", application("a", agrees, nil))
	require.Error(t, err)
	require.Equal(t, cfront.ResetBefore, s.Requests("a")[0].Fault)
	s.SetDown(false)
	require.Equal(t, 502, s.call("order/create", application("a", agrees, nil)).status, "the outage used the script up")
	require.Equal(t, 201, s.call("order/create", application("a", agrees, nil)).status)
}

// The narrower script wins, of equals the older; each answer so often as it says.
func TestScripts(t *testing.T) {
	s := start(t, nil)
	status := func(n int) cfront.Answer { return cfront.Answer{Fault: cfront.Status, Status: n} }
	s.script("order/create", "", status(501))
	s.script("order/create", "a", cfront.Answer{Fault: cfront.Status, Status: 504, Times: 2}, status(505))
	require.NoError(t, s.Script(cfront.Script{Call: "order/create", Phone: agrees, Answers: []cfront.Answer{status(503)}}))
	s.script("order/create", "", status(502))
	for _, want := range []int{504, 504, 505, 503, 501, 502, 201} {
		require.Equal(t, want, s.call("order/create", application("a", agrees, nil)).status)
	}
	s.script("order/state", "a", status(500))
	require.NoError(t, s.ClearScripts())
	o, _ := s.Order("a")
	require.Equal(t, 200, s.call("order/state", `{"order_id":"`+o.OrderID+`"}`).status)
	// A script for a phone also knows the order that the phone made.
	require.NoError(t, s.Script(cfront.Script{Call: "order/state", Phone: agrees, Answers: []cfront.Answer{status(500)}}))
	require.Equal(t, 500, s.call("order/state", `{"order_id":"`+o.OrderID+`"}`).status)
}

// A storm depends on its seed and each order's own requests, not on whose come first.
func TestStorm(t *testing.T) {
	fates := func(seed uint64, ids ...string) string {
		s := start(t, nil)
		require.NoError(t, s.Storm(cfront.Storm{Call: "order/create", LostAnswer: 0.3, ResetBefore: 0.3, Delay: 0.2, DelayMs: 1, Seed: seed}))
		for _, id := range ids {
			for range 6 {
				_, _ = s.try("order/create", application(id, agrees, nil)) // failures are the point
			}
		}
		var fates []string
		for _, id := range []string{"a", "b", "c", "d"} {
			for _, r := range s.Requests(id) {
				fates = append(fates, string(r.Fault))
			}
		}
		require.Zero(t, s.Totals().Broken)
		require.NoError(t, s.ClearStorms())
		for range 8 {
			s.call("order/create", application("e", agrees, nil))
		}
		return fmt.Sprint(fates)
	}
	one := fates(42, "a", "b", "c", "d")
	require.Equal(t, one, fates(42, "d", "b", "a", "c"))
	require.NotEqual(t, one, fates(43, "a", "b", "c", "d"))
	for _, fault := range []cfront.Fault{cfront.LostAnswer, cfront.ResetBefore, cfront.Delay} {
		require.Contains(t, one, string(fault))
	}
}
