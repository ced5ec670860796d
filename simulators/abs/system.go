package abs

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"time"

	"tolem/simulators/parts"
)

// Options of a System. The zero value is a system in memory.
type Options struct {
	Dir string           // where the books survive; "" = memory only
	Now func() time.Time // nil = time.Now
	Log *slog.Logger     // nil = discard; never holds IINs, IBANs or contracts
	// Settings of a system without books; the zero value is DefaultSettings.
	Settings Settings
}

// System is one core banking system with its books. Its methods may be called concurrently.
type System struct {
	now     func() time.Time
	log     *slog.Logger
	handler http.Handler
	closed  chan struct{} // releases everybody who waits

	mu      sync.Mutex
	books   books
	journal *parts.Journal[record]
	down    bool
	gates   *parts.Gates
}

// New opens the books of Options.Dir, or empty ones. It fails when the directory cannot be
// written or a line other than a torn last one is damaged. Close it when its server has
// stopped accepting.
func New(o Options) (*System, error) {
	if o.Settings.DateLayout == "" {
		o.Settings.DateLayout = LayoutOfExamples
	}
	if err := o.Settings.validate(); err != nil {
		return nil, err
	}
	s := &System{now: o.Now, log: o.Log, closed: make(chan struct{}), books: newBooks(o.Settings)}
	s.gates = parts.NewGates(&s.mu, s.closed)
	if s.now == nil {
		s.now = time.Now
	}
	if s.log == nil {
		s.log = slog.New(slog.NewTextHandler(io.Discard, nil))
	}
	journal, err := parts.OpenJournal(o.Dir, "abs.jsonl", s.books.apply)
	if err != nil {
		return nil, err
	}
	s.journal = journal
	s.handler = s.routes()
	return s, nil
}

// Handler serves the four calls and, under /control, the control API.
func (s *System) Handler() http.Handler { return s.handler }

// Close releases every request that waits and closes the books.
func (s *System) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.closed:
		return nil
	default:
	}
	close(s.closed)
	return s.journal.Close()
}

// commit writes a record and then applies it; the caller holds the lock.
func (s *System) commit(r record) error {
	if err := s.journal.Write(r); err != nil {
		if !errors.Is(err, parts.ErrClosed) {
			s.log.Error("books cannot be written", "error", err)
		}
		return err
	}
	s.books.apply(r)
	return nil
}

func (s *System) change(r record) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.commit(r)
}

// Settings are how the system behaves now.
func (s *System) Settings() Settings {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.books.settings
}

// Set changes how the system behaves. It returns a *parts.FieldError, or the error of
// writing it down.
func (s *System) Set(settings Settings) error {
	_, err := s.alter(change{&settings.DateLayout, &settings.Spelling, &settings.Format})
	return err
}

// alter changes what c names, all of it or nothing, and returns the settings then.
func (s *System) alter(c change) (Settings, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	settings := c.of(s.books.settings)
	if err := settings.validate(); err != nil {
		return settings, err
	}
	return settings, s.commit(record{Settings: &settings})
}

// SetDown begins or ends an outage: every request is recorded and then reset, unprocessed.
func (s *System) SetDown(down bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = down
}

// Script adds a script. It returns a *parts.FieldError if the script is not valid, or the
// error of writing it down.
func (s *System) Script(script Script) error {
	if err := script.validate(); err != nil {
		return err
	}
	return s.change(record{Script: &script})
}

// ClearScripts forgets all scripts.
func (s *System) ClearScripts() error { return s.change(record{ClearScripts: true}) }

// Storm replaces the random faults of one call. Errors as for Script.
func (s *System) Storm(storm Storm) error {
	if !slices.Contains(calls, storm.Call) {
		return errNoSuchCall
	}
	if err := storm.Check(); err != nil {
		return err
	}
	return s.change(record{Storm: &storm})
}

// ClearStorms ends all random faults.
func (s *System) ClearStorms() error { return s.change(record{ClearStorms: true}) }

// Hold closes the gate between processing and answering. Release may be called more than
// once. It panics when there is no such call.
func (s *System) Hold(call string) (release func()) {
	if !slices.Contains(calls, call) {
		panic("abs: no such call: " + call)
	}
	return s.gates.Hold(parts.Passage{Call: call, Mode: parts.ModeAfter})
}

// Waiting is how many requests of the call wait now at its closed gate.
func (s *System) Waiting(call string) int { return s.gates.Waiting(call) }
