package domain

import (
	"errors"
	"math"
	"math/big"
	"testing"
	"time"
)

// "постоянно увеличивая интервал": strictly, for ever, without an overflow.
func TestLadderGrows(t *testing.T) {
	for _, initial := range []time.Duration{time.Millisecond, 1500 * time.Microsecond, 1999999 * time.Nanosecond, time.Second, time.Hour} {
		for _, factor := range []string{"1.001", "1.5", "2", "100", "100.000"} {
			l, err := NewLadder(initial, factor)
			if err != nil {
				t.Fatal(err)
			}
			wait := l.Wait(1)
			if wait != initial || l.Wait(0) != initial {
				t.Errorf("the first wait of %v is %s", l, wait)
			}
			for n := 2; n <= 10_000; n++ {
				next := l.after(wait)
				if next <= wait || next != exactly(l, wait) {
					t.Fatalf("%s × %s, step %d: %s after %s, want %s", initial, factor, n, next, wait, exactly(l, wait))
				}
				wait = next
			}
			if got := l.Wait(10_000); got != wait {
				t.Errorf("Wait(10000) is %s, the 9999th successor of the first is %s", got, wait)
			}
		}
	}
}

// exactly is the rule without a thought for overflow: whole milliseconds times
// the factor, and where that passes half of what fits (146 years), a second more.
func exactly(l Ladder, wait time.Duration) time.Duration {
	ms := big.NewInt(wait.Milliseconds())
	product := ms.Mul(ms, big.NewInt(l.FactorMilli)).Quo(ms, big.NewInt(1000))
	if product.Mul(product, big.NewInt(int64(time.Millisecond))).Cmp(big.NewInt(math.MaxInt64/2)) > 0 {
		return wait + time.Second
	}
	return max(time.Duration(product.Int64()), wait+time.Millisecond)
}

// The numbers that the documents and operators rely on.
func TestLadderSteps(t *testing.T) {
	l, err := NewLadder(time.Second, "2")
	if err != nil {
		t.Fatal(err)
	}
	for n, want := range map[int]time.Duration{1: time.Second, 2: 2 * time.Second, 3: 4 * time.Second, 11: 1024 * time.Second, 33: 1 << 32 * time.Second} {
		if got := l.Wait(n); got != want {
			t.Errorf("wait %d is %s, want %s", n, got, want)
		}
	}
	if a, b := l.Wait(200), l.Wait(201); b-a != time.Second {
		t.Errorf("beyond 146 years it grows by %s a step", b-a)
	}
	if l, err = NewLadder(time.Second, "1.5"); err != nil || l.Wait(4) != 3375*time.Millisecond {
		t.Errorf("%s %v", l.Wait(4), err)
	}
}

// A factor that does not grow, or cannot be read, refuses to start; a huge
// exponent is refused before anybody writes it out.
func TestLadderRefuses(t *testing.T) {
	for _, factor := range []string{
		"1", "1.0", "1.000", "1.0009", "0.5", "0", "-2", "-0", "", " 2", "2 ", "two", "NaN", "Infinity", "100.001", "101", "1e2", "1e16", "1e999999999", "1e-999999999",
		"0x2", "2,5", ".5", "2.", "+2", "2.0000000000000000000",
	} {
		if l, err := NewLadder(time.Second, factor); !errors.Is(err, ErrLadder) || l != (Ladder{}) {
			t.Errorf("factor %q: %+v %v", factor, l, err)
		}
	}
	for _, initial := range []time.Duration{0, -time.Second, time.Microsecond, time.Millisecond - 1, time.Hour + 1} {
		if l, err := NewLadder(initial, "2"); !errors.Is(err, ErrLadder) || l != (Ladder{}) {
			t.Errorf("first interval %s: %+v %v", initial, l, err)
		}
	}
	if err := (Ladder{}).Check(); !errors.Is(err, ErrLadder) {
		t.Error(err)
	}
}
