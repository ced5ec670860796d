package processing_test

import (
	"bytes"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"tolem/simulators/processing"
)

func TestRestartKeepsBooksAndScripts(t *testing.T) {
	dir := t.TempDir()
	s := start(t, processing.Options{Dir: dir, Now: noon()})
	s.script("pay", 2, processing.Answer{Code: 1, Times: 2}, processing.Answer{Code: 153}, processing.Answer{Fault: processing.LostAnswer})
	s.script("check", 0, processing.Answer{Code: 1}) // finished before the restart
	if err := s.SetBalance(1000_0000); err != nil {
		t.Fatal(err)
	}
	if err := s.SetNotification(nil); err != nil {
		t.Fatal(err)
	}
	if err := s.Storm(processing.Storm{Call: "check", ResetBefore: 1, Seed: 1}); err != nil {
		t.Fatal(err)
	}
	paid := decode(t, s.call("pay", phone(1)))
	s.call("pay", phone(2))
	s.call("check", phone(3))
	payments, requests, totals := s.Payments(), s.Requests(0), s.Totals()
	// No Close: the first centre is still there, as after kill -9 the file is as it was.

	s = start(t, processing.Options{Dir: dir})
	if got := s.Payments(); !reflect.DeepEqual(got, payments) {
		t.Errorf("payments\n%+v, were\n%+v", got, payments)
	}
	if got := s.Requests(0); !reflect.DeepEqual(got, requests) {
		t.Errorf("requests\n%+v, were\n%+v", got, requests)
	}
	if got := s.Totals(); got != totals {
		t.Errorf("totals %+v, were %+v", got, totals)
	}
	if again := decode(t, s.call("pay", phone(1))); again != paid {
		t.Errorf("%+v, was %+v", again, paid)
	}
	if got := []int{s.code("pay", phone(2)), s.code("pay", phone(2))}; !reflect.DeepEqual(got, []int{1, 153}) {
		t.Errorf("the script went on with %v", got)
	}
	if _, _, _, err := s.try(t.Context(), "pay", phone(2)); err == nil {
		t.Error("the script forgot its last answer")
	}
	if _, _, _, err := s.try(t.Context(), "check", phone(4)); err == nil {
		t.Error("the storm is over")
	}
	if fresh := decode(t, s.call("pay", phone(5))); fresh.TransactionID <= paid.TransactionID {
		t.Errorf("transactionId %d was given out again", fresh.TransactionID)
	}
	for _, id := range []int64{1, 2, 5} {
		s.effects(id, 1)
	}
	if s.Balance() != 400_0000 {
		t.Errorf("balance %d", s.Balance())
	}
	if text := s.call("balance", ""); strings.Contains(text, "notification") {
		t.Errorf("the notification came back: %s", text)
	}
	notify := int64(500_5000)
	if err := s.SetNotification(&notify); err != nil {
		t.Fatal(err)
	}
	if text := s.call("balance", ""); !strings.Contains(text, `"notification":500.5000,`) {
		t.Errorf("no notification: %s", text)
	}
}

// Wherever kill -9 tears the journal, the books agree with themselves, and a
// repeat brings every payment to exactly one effect.
func TestJournalTornAnywhere(t *testing.T) {
	dir := t.TempDir()
	s := start(t, processing.Options{Dir: dir})
	s.script("pay", 1, processing.Answer{Code: 1}, processing.Answer{Fault: processing.LostAnswer})
	for _, call := range []string{"check", "pay", "pay"} {
		_, _, _, _ = s.try(t.Context(), call, phone(1)) // the last answer is lost on purpose
	}
	journal, err := os.ReadFile(filepath.Join(dir, "processing.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	opening := start(t, processing.Options{}).Balance()
	for length := range len(journal) + 1 {
		whole := length == 0 || journal[length-1] == '\n' || length == len(journal)-1 || journal[length] == '\n'
		if !whole && length%23 != 0 {
			continue // every edge of a line, and samples between them
		}
		torn := t.TempDir()
		if err := os.WriteFile(filepath.Join(torn, "processing.jsonl"), journal[:length], 0o600); err != nil {
			t.Fatal(err)
		}
		for range 2 { // the second life reads what the first wrote after the tear
			c, err := processing.New(processing.Options{Dir: torn})
			if err != nil {
				t.Fatalf("torn at %d: %v", length, err)
			}
			agrees(t, c, opening)
			for range 3 { // whatever of the script is left
				r := httptest.NewRequest(http.MethodPost, "/api/v20/pay", strings.NewReader(phone(1)))
				r.Header.Set("Content-Type", "application/json")
				r.Header.Set("Accept", "application/json")
				serveAborting(c, r)
			}
			if n := c.Effects(1); n != 1 {
				t.Fatalf("torn at %d: money moved %d times", length, n)
			}
			agrees(t, c, opening)
			if err := c.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// serveAborting stands in for a server: a recorder has no connection to cut, so
// the centre asks net/http to drop it, by a panic.
func serveAborting(c *processing.Centre, r *http.Request) {
	defer func() {
		p := recover()
		if err, ok := p.(error); p != nil && (!ok || !errors.Is(err, http.ErrAbortHandler)) {
			panic(p)
		}
	}()
	c.Handler().ServeHTTP(httptest.NewRecorder(), r)
}

func agrees(t *testing.T, c *processing.Centre, opening int64) {
	t.Helper()
	spent := int64(0)
	for _, p := range c.Payments() {
		if (p.State == processing.Executed) != (p.Effects == 1) || p.Effects > 1 {
			t.Fatalf("%s with %d effects", p.State, p.Effects)
		}
		spent += int64(p.Effects) * int64(p.AmountTo) * 100
	}
	if c.Balance() != opening-spent {
		t.Fatalf("balance %d, spent %d of %d", c.Balance(), spent, opening)
	}
}

// What was torn is cut off, not overwritten: a shorter record must not leave the
// end of a longer one behind it.
func TestTornEndIsCutOff(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "processing.jsonl")
	if err := os.WriteFile(path, []byte(`{"arrived":{"number":1,"body":"`+strings.Repeat("x", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	s := start(t, processing.Options{Dir: dir})
	if err := s.SetBalance(7); err != nil {
		t.Fatal(err)
	}
	if got := start(t, processing.Options{Dir: dir}); got.Balance() != 7 || len(got.Requests(0)) != 0 {
		t.Errorf("balance %d, requests %v", got.Balance(), got.Requests(0))
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != "{\"balance\":7}\n" {
		t.Errorf("%q, %v", text, err)
	}
}

func TestDamagedJournalIsNotOverwritten(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "processing.jsonl")
	damaged := []byte("{\"balance\":1}\nnot a record\n{\"balance\":2}\n")
	if err := os.WriteFile(path, damaged, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := processing.New(processing.Options{Dir: dir}); err == nil || !strings.Contains(err.Error(), "line 2") {
		t.Errorf("error %v", err)
	}
	if now, err := os.ReadFile(path); err != nil || !bytes.Equal(now, damaged) {
		t.Errorf("%q, %v", now, err)
	}
}

func TestClosedCentreMovesNothing(t *testing.T) {
	for _, dir := range []string{"", t.TempDir()} {
		s := start(t, processing.Options{Dir: dir})
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if _, _, _, err := s.try(t.Context(), "pay", phone(1)); err == nil {
			t.Error("an answer came")
		}
		s.effects(1, 0)
	}
}
