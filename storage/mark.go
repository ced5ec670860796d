package storage

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"

	"tolem/domain"
)

// ErrRestored says that the ledger lost commits that it once had: a backup was restored, or
// a standby took over that had not received all of them.
var ErrRestored = errors.New("the ledger was restored from an older state: run `tolem after-restore`")

// gate is what a process knows of the ledger's mark.
//
// The mark rises about once a second. Whoever has seen one that was committed, and then
// meets a ledger with a lower one, knows that commits were lost, and closes the gate in the
// ledger. A switch-over that loses nothing has a mark at least as high, and stops nothing.
//
// It is compared on every new connection, because a process reaches another database only by
// one, and once a second. It cannot see a loss of commits that are newer than the last mark:
// one second's, or three seconds' where every process was started again since, for then
// Temporal's copy is all that is left.
type gate struct {
	guarded atomic.Bool
	known   atomic.Int64 // the highest mark that was seen committed
	now     atomic.Value // domain.Gate, as last read
}

// ungated marks a context whose statements pass a closed gate.
type ungated struct{}

// Guard stops this process's statements while the gate is closed; from then on each new
// connection is checked. known is the highest mark that was kept outside the ledger; 0
// without one. Without Guard a ledger answers whatever its gate: that is for tools.
func (l *Ledger) Guard(ctx context.Context, known int64) error {
	l.Know(known)
	l.gate.guarded.Store(true)
	return l.look(ctx)
}

// Know notes a mark that was kept outside the ledger.
func (l *Ledger) Know(mark int64) {
	for known := l.gate.known.Load(); mark > known; known = l.gate.known.Load() {
		if l.gate.known.CompareAndSwap(known, mark) {
			return
		}
	}
}

// Mark is the highest mark that this process knows to be committed.
func (l *Ledger) Mark() int64 { return l.gate.known.Load() }

// Gate is the gate as this process last read it, at most about a second ago.
func (l *Ledger) Gate() domain.Gate {
	now, ok := l.gate.now.Load().(domain.Gate)
	if !ok || !l.gate.guarded.Load() {
		return domain.GateOpen
	}
	return now
}

// CheckGate fails while the gate is closed.
func (l *Ledger) CheckGate() error {
	if l.Gate() == domain.GateClosed {
		return ErrRestored
	}
	return nil
}

// markEvery is how old a mark is when the next process raises it, in microseconds: each
// process tries once a second, and one of them does.
const markEvery = 900_000

// Beat raises the mark when it is due, and reads mark and gate.
func (l *Ledger) Beat(ctx context.Context) error {
	known := l.gate.known.Load()
	return l.meet(ctx, known, `UPDATE ledger_state SET mark = mark + 1, marked_at = `+l.nowMicros()+`
		WHERE id = 1 AND gate <> 'closed' AND mark >= ? AND marked_at <= `+l.nowMicros()+` - ? RETURNING mark, gate`, known, markEvery)
}

// Look reads mark and gate, and raises nothing: for as long as the copy of the mark outside
// the ledger was not read, which a raised one could overtake.
func (l *Ledger) Look(ctx context.Context) error { return l.look(ctx) }

func (l *Ledger) look(ctx context.Context) error {
	return l.meet(ctx, l.gate.known.Load(), selectMark)
}

const selectMark = "SELECT mark, gate FROM ledger_state WHERE id = 1"

type markAndGate struct {
	Mark int64
	Gate domain.Gate
}

// meet runs a statement that returns the mark; one that changes nothing is followed by
// a reading.
func (l *Ledger) meet(ctx context.Context, known int64, statement string, values ...any) error {
	db := l.db.WithContext(context.WithValue(ctx, ungated{}, true))
	var read markAndGate
	found := db.Raw(statement, values...).Scan(&read)
	if found.Error == nil && found.RowsAffected == 0 {
		found = db.Raw(selectMark).Scan(&read)
	}
	if found.Error != nil {
		return fmt.Errorf("read the ledger's mark: %w", found.Error)
	}
	return l.observe(read, known, func(statement string, values ...any) error { return db.Exec(statement, values...).Error })
}

// observe compares a mark with one that was known before it was read: another reading of
// this process may be ahead. Where it is lower it closes the gate, committed.
func (l *Ledger) observe(read markAndGate, known int64, exec func(statement string, values ...any) error) error {
	if read.Mark < known && read.Gate != domain.GateClosed {
		l.gate.now.Store(domain.GateClosed) // also where the ledger does not take it: a standby is read-only
		why := fmt.Sprintf("the mark is %d and was %d", read.Mark, known)
		if err := exec(fmt.Sprintf("UPDATE ledger_state SET gate = 'closed', closed_at = %s, why = '%s' WHERE id = 1 AND gate <> 'closed' AND mark < %d",
			l.nowMicros(), why, known)); err != nil {
			return fmt.Errorf("close the gate of a restored ledger: %w", err)
		}
		return ErrRestored
	}
	l.gate.now.Store(read.Gate)
	if read.Gate == domain.GateClosed {
		return ErrRestored
	}
	l.Know(read.Mark)
	return nil
}

// checkConnection refuses a new connection to a ledger that lost commits.
func (l *Ledger) checkConnection(ctx context.Context, conn *pgx.Conn) error {
	if !l.gate.guarded.Load() {
		return nil
	}
	known := l.gate.known.Load()
	var read markAndGate
	if err := conn.QueryRow(ctx, selectMark).Scan(&read.Mark, &read.Gate); err != nil {
		return fmt.Errorf("read the ledger's mark: %w", err)
	}
	err := l.observe(read, known, func(statement string, values ...any) error {
		_, err := conn.Exec(ctx, statement, values...)
		return err
	})
	if errors.Is(err, ErrRestored) && ctx.Value(ungated{}) != nil {
		return nil
	}
	return err
}

// stopAtGate has every statement of gorm fail while the gate is closed; it costs one load of
// memory.
func (l *Ledger) stopAtGate(db *gorm.DB) error {
	stop := func(tx *gorm.DB) {
		if l.Gate() == domain.GateClosed && tx.Statement.Context.Value(ungated{}) == nil {
			_ = tx.AddError(ErrRestored) // it is in tx
		}
	}
	const name = "tolem:gate"
	c := db.Callback()
	return errors.Join(
		c.Create().Before("*").Register(name, stop), c.Query().Before("*").Register(name, stop), c.Update().Before("*").Register(name, stop),
		c.Delete().Before("*").Register(name, stop), c.Row().Before("*").Register(name, stop), c.Raw().Before("*").Register(name, stop))
}
