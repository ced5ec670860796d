package domain

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/shopspring/decimal"
)

// Ladder is the growing interval between scheduled attempts: "постоянно
// увеличивая интервал". It has no cap. The factor is kept in thousandths,
// because float arithmetic in a workflow may differ between machines.
type Ladder struct {
	Initial     time.Duration `json:"initial"`
	FactorMilli int64         `json:"factorMilli"`
}

// ErrLadder is wrapped by every error of NewLadder.
var ErrLadder = errors.New("retry intervals must grow")

// NewLadder checks the first interval (1 ms to 1 h) and the factor, a decimal
// such as "2" or "1.5" above 1 and at most 100; thousandths count, the rest is
// cut off.
func NewLadder(initial time.Duration, factor string) (Ladder, error) {
	d, err := ParseDecimal(factor) // no exponent: 1e999999999 would cost hours to write out
	if err != nil || len(factor) > 16 {
		return Ladder{}, fmt.Errorf("%w: factor %q is not a number", ErrLadder, factor)
	}
	f := d.number()
	if f.GreaterThan(decimal.NewFromInt(100)) {
		return Ladder{}, fmt.Errorf("%w: factor %s is over 100", ErrLadder, factor)
	}
	l := Ladder{Initial: initial, FactorMilli: f.Shift(3).IntPart()}
	if err := l.Check(); err != nil {
		return Ladder{}, err
	}
	return l, nil
}

// Check says whether the intervals grow.
func (l Ladder) Check() error {
	switch {
	case l.FactorMilli <= 1000:
		return fmt.Errorf("%w: the factor must be above 1 by at least 0.001", ErrLadder)
	case l.Initial < time.Millisecond || l.Initial > time.Hour:
		return fmt.Errorf("%w: the first interval %s is not between 1ms and 1h", ErrLadder, l.Initial)
	}
	return nil
}

// Wait is the n-th scheduled wait, n counted from 1. Each is longer than the
// one before, for every n: where the product would overflow (after 146 years)
// the interval grows by one second a step.
func (l Ladder) Wait(n int) time.Duration {
	wait := l.Initial
	for i := 1; i < n; i++ {
		wait = l.after(wait)
	}
	return wait
}

// after is the wait that follows wait.
func (l Ladder) after(wait time.Duration) time.Duration {
	ms := int64(wait / time.Millisecond)
	next := time.Duration(math.MaxInt64)
	if ms < math.MaxInt64/1000/l.FactorMilli {
		next = time.Duration(ms * l.FactorMilli / 1000 * int64(time.Millisecond))
	}
	if next == math.MaxInt64 || next > math.MaxInt64/2 {
		return wait + time.Second
	}
	return max(next, wait+time.Millisecond)
}
