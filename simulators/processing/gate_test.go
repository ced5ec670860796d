package processing_test

import (
	"context"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"tolem/simulators/processing"
)

// sent is a request under way; its result, or -1 for no answer, comes later.
func (s *stand) sent(ctx context.Context, call, body string) <-chan int {
	result := make(chan int, 1)
	go func() {
		_, _, text, err := s.try(ctx, call, body)
		if err != nil {
			result <- -1
			return
		}
		result <- decode(s.t, text).Result
	}()
	return result
}

func (s *stand) waits(call string, n int) {
	s.t.Helper()
	until(s.t, strconv.Itoa(n)+" wait at the gate", func() bool { return s.Waiting(call) == n })
}

// Processed, and the answer is late: what a retry during an attempt meets.
func TestAnswersWaitAtTheGate(t *testing.T) {
	s := start(t, processing.Options{})
	release := s.Hold("pay")
	first := s.sent(t.Context(), "pay", phone(7))
	s.waits("pay", 1)
	s.effects(7, 1)
	second := s.sent(t.Context(), "pay", phone(7))
	s.waits("pay", 2)
	if got := s.code("check", phone(8)); got != 0 || s.Waiting("check") != 0 {
		t.Errorf("the gate of pay stopped a check: %d", got)
	}
	select {
	case got := <-first:
		t.Fatalf("%d came through the closed gate", got)
	default:
	}
	release()
	if a, b := <-first, <-second; a != 0 || b != 0 {
		t.Errorf("%d and %d", a, b)
	}
	s.waits("pay", 0)
	s.effects(7, 1)
	if got := s.code("pay", phone(7)); got != 0 {
		t.Errorf("at the open gate: %d", got)
	}
}

// Unprocessed: what a cancel that overtakes a pay meets.
func TestRequestsWaitBeforeTheGate(t *testing.T) {
	s := start(t, processing.Options{})
	release := s.HoldBefore("pay")
	pay := s.sent(t.Context(), "pay", phone(7))
	s.waits("pay", 1)
	s.effects(7, 0)
	if q := s.Requests(7); len(q) != 1 || q[0].Code != processing.NoCode || q[0].Status != 0 {
		t.Errorf("recorded as %+v", q)
	}
	if _, known := s.Payment(7); known {
		t.Error("the books know of a pay that waits unprocessed")
	}
	release()
	if got := <-pay; got != 0 {
		t.Errorf("%d", got)
	}
	s.effects(7, 1)
	if q := s.Requests(7); len(q) != 1 || q[0].Status != 200 || !q[0].Moved {
		t.Errorf("recorded as %+v", q)
	}
}

// Before the gate a request is processed even if its agent has gone; after it,
// nobody waits for an answer any more.
func TestAgentLeavesTheGate(t *testing.T) {
	s := start(t, processing.Options{})
	release := s.Hold("pay")
	ctx, leave := context.WithCancel(t.Context())
	gone := s.sent(ctx, "pay", phone(7))
	s.waits("pay", 1)
	leave()
	if got := <-gone; got != -1 {
		t.Errorf("%d came through the closed gate", got)
	}
	s.waits("pay", 0)
	s.effects(7, 1)
	release()

	release = s.HoldBefore("pay")
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.request(t.Context(), http.MethodPost, "/api/v20/pay", phone(8)).Write(conn); err != nil {
		t.Fatal(err)
	}
	s.waits("pay", 1)
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	s.effects(8, 0)
	release()
	until(t, "money moved", func() bool { return s.Effects(8) == 1 })
}

// What is going to be processed waits; scripts are used up by arriving.
func TestFaultsAtTheGate(t *testing.T) {
	s := start(t, processing.Options{Token: "secret"})
	if status, _, _, err := s.try(t.Context(), "pay", phone(7)); err != nil || status != http.StatusUnauthorized {
		t.Fatalf("%d %v", status, err)
	}
	defer s.Hold("pay")()
	if status, _, _, err := s.try(t.Context(), "pay", phone(7)); err != nil || status != http.StatusUnauthorized {
		t.Errorf("a transport mistake: %d %v", status, err)
	}

	s = start(t, processing.Options{})
	release, releaseBefore := s.Hold("pay"), s.HoldBefore("pay")
	s.script("pay", 7, processing.Answer{Fault: processing.HTML502}, processing.Answer{Code: 153}, processing.Answer{Fault: processing.LostAnswer})
	if status, _, _, err := s.try(t.Context(), "pay", phone(7)); err != nil || status != http.StatusBadGateway {
		t.Errorf("a fault before processing: %d %v", status, err)
	}
	s.SetDown(true)
	if got := <-s.sent(t.Context(), "pay", phone(7)); got != -1 {
		t.Errorf("an outage: %d", got)
	}
	s.SetDown(false)
	review := s.sent(t.Context(), "pay", phone(7))
	s.waits("pay", 1)
	lost := s.sent(t.Context(), "pay", phone(7))
	s.waits("pay", 2)
	s.effects(7, 0)
	releaseBefore() // to the next gate
	until(t, "money moved", func() bool { return s.Effects(7) == 1 })
	s.waits("pay", 2)
	release()
	if a, b := <-review, <-lost; a != 153 || b != -1 {
		t.Errorf("%d and %d", a, b)
	}
}

// delay_before begins when the gate opens.
func TestDelayBeforeAtTheGate(t *testing.T) {
	s := start(t, processing.Options{})
	s.script("pay", 7, processing.Answer{Fault: processing.DelayBefore, DelayMs: 1})
	release := s.HoldBefore("pay")
	pay := s.sent(t.Context(), "pay", phone(7))
	s.waits("pay", 1)
	s.effects(7, 0)
	release()
	if got := <-pay; got != 0 {
		t.Errorf("%d", got)
	}
	s.effects(7, 1)
}

func TestCloseReleasesTheGates(t *testing.T) {
	for mode, effects := range map[string]int{"after": 1, "before": 0} {
		dir := t.TempDir()
		s := start(t, processing.Options{Dir: dir})
		hold := map[string]func(string) func(){"after": s.Hold, "before": s.HoldBefore}[mode]
		hold("pay")
		pay := s.sent(t.Context(), "pay", phone(7))
		s.waits("pay", 1)
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if got := <-pay; got != -1 {
			t.Errorf("%s: %d from a closed centre", mode, got)
		}
		s = start(t, processing.Options{Dir: dir})
		s.effects(7, effects)
		if got := s.code("pay", phone(7)); got != 0 {
			t.Errorf("%s: the gate survived the restart: %d", mode, got)
		}
		s.effects(7, 1)
	}
}

// Whoever releases first opens the gate for all who wait; a late release must
// not open the gate that somebody else closed since.
func TestReleaseTwice(t *testing.T) {
	s := start(t, processing.Options{})
	release := s.Hold("pay")
	held := s.sent(t.Context(), "pay", phone(7))
	s.waits("pay", 1)
	same := s.Hold("pay")
	s.waits("pay", 1)
	same()
	if got := <-held; got != 0 {
		t.Errorf("%d", got)
	}
	again := s.Hold("pay")
	release()
	same()
	pay := s.sent(t.Context(), "pay", phone(8))
	s.waits("pay", 1)
	again()
	if got := <-pay; got != 0 {
		t.Errorf("%d", got)
	}
}

func TestHoldOfNoCall(t *testing.T) {
	s := start(t, processing.Options{})
	defer func() {
		if recover() == nil {
			t.Error("a gate for a call that there is not")
		}
	}()
	s.Hold("pai")
}

func TestControlGate(t *testing.T) {
	s := start(t, processing.Options{})
	for _, body := range []string{`{"call":"pay","closed":true}`, `{"call":"pay","closed":true,"mode":"after"}`, `{"call":"balance","closed":true,"mode":"before"}`} {
		if status, text := s.control("PUT", "/gate", body); status != 200 {
			t.Errorf("%s: %d %s", body, status, text)
		}
	}
	pay := s.sent(t.Context(), "pay", phone(7))
	s.waits("pay", 1)
	_, text := s.control("GET", "/gate", "")
	equalJSON(t, text, `{"gates":[{"call":"balance","mode":"before","closed":true,"waiting":0},{"call":"pay","mode":"after","closed":true,"waiting":1}]}`)
	_, text = s.control("PUT", "/gate", `{"call":"balance","closed":false,"mode":"after"}`)
	if !strings.Contains(text, "balance") {
		t.Errorf("the other gate of balance opened: %s", text)
	}
	s.control("PUT", "/gate", `{"call":"balance","closed":false}`)
	_, text = s.control("PUT", "/gate", `{"call":"pay","closed":false}`)
	equalJSON(t, text, `{"gates":[]}`)
	if got := <-pay; got != 0 {
		t.Errorf("%d", got)
	}
	s.effects(7, 1)
	for body, field := range map[string]string{
		`{"closed":true}`: "call", `{"call":"pai","closed":true}`: "call", `{"call":"pay"}`: "closed",
		`{"call":"pay","closed":true,"mode":"during"}`: "mode", `{"call":"pay","closed":true,"open":1}`: "open",
	} {
		if status, text := s.control("PUT", "/gate", body); status != 400 || !strings.Contains(text, `{"field":"`+field+`"`) {
			t.Errorf("%s: %d %s", body, status, text)
		}
	}
}

// A request that waited unprocessed when the centre was killed was never
// processed; its repeat is.
func TestKilledAtTheGate(t *testing.T) {
	dir, later := t.TempDir(), t.TempDir()
	s := start(t, processing.Options{Dir: dir})
	s.HoldBefore("pay")
	pay := s.sent(t.Context(), "pay", phone(7))
	s.waits("pay", 1)
	journal, err := os.ReadFile(filepath.Join(dir, "processing.jsonl")) // as kill -9 leaves it
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(later, "processing.jsonl"), journal, 0o600); err != nil {
		t.Fatal(err)
	}
	killed := start(t, processing.Options{Dir: later})
	if q := killed.Requests(7); len(q) != 1 || q[0].Code != processing.NoCode || killed.Effects(7) != 0 {
		t.Errorf("recorded as %+v", q)
	}
	if got := killed.code("pay", phone(7)); got != 0 {
		t.Errorf("%d", got)
	}
	killed.effects(7, 1)
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	<-pay
}
