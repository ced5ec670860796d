package processing

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"tolem/simulators/parts"
)

// Options of a Centre. The zero value is a centre in memory, open to everybody.
type Options struct {
	Dir   string           // where the books and scripts survive; "" = memory only
	Token string           // required as "Authorization: Bearer <token>"; "" = no authorisation
	Now   func() time.Time // clock of the recorded times, transactionDate and statusDate; nil = time.Now; may be called concurrently
	Log   *slog.Logger     // nil = discard; never holds accounts or bodies
}

// Centre is one processing centre with its books. Its methods may be called
// concurrently.
type Centre struct {
	token   string
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

// New opens the books of Options.Dir, or empty ones with a balance of
// 1000000000.0000. It fails when the directory cannot be written or a line
// other than a torn last one is damaged. Close it when its server has stopped
// accepting.
func New(o Options) (*Centre, error) {
	c := &Centre{token: o.Token, now: o.Now, log: o.Log, closed: make(chan struct{}), books: newBooks()}
	c.gates = parts.NewGates(&c.mu, c.closed)
	if c.now == nil {
		c.now = time.Now
	}
	if c.log == nil {
		c.log = slog.New(slog.NewTextHandler(io.Discard, nil))
	}
	journal, err := parts.OpenJournal(o.Dir, "processing.jsonl", c.books.apply)
	if err != nil {
		return nil, err
	}
	c.journal = journal
	if n := len(c.books.targets) + len(c.books.storms) + len(c.books.catalogue.Patterns) + len(c.books.catalogue.Hidden); n > 0 {
		c.log.Warn("processing centre continues with scripts, faults and catalogue changes of an earlier run", "count", n)
	}
	c.handler = c.routes()
	return c, nil
}

// Handler serves the protocol under /api/v20/ and the control API under /control.
func (c *Centre) Handler() http.Handler { return c.handler }

// Close releases every request that waits (its connection is cut) and closes the
// books; later requests are reset. Call it before waiting for the server's
// connections to end, or delays and hangs keep them open.
func (c *Centre) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	select {
	case <-c.closed:
		return nil
	default:
		close(c.closed)
		return c.journal.Close()
	}
}

// commit writes a record and then applies it; the caller holds the lock.
func (c *Centre) commit(r record) error {
	if err := c.journal.Write(r); err != nil {
		if !errors.Is(err, parts.ErrClosed) {
			c.log.Error("books cannot be written", "error", err)
		}
		return err
	}
	c.books.apply(r)
	return nil
}

func (c *Centre) change(r record) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.commit(r)
}

// wait lets d pass; false when the centre was closed or ctx ended before.
func (c *Centre) wait(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
	case <-c.closed:
	}
	return false
}

// Script adds a script. It returns a *FieldError if the script is not valid, or
// the error of writing it down.
func (c *Centre) Script(s Script) error {
	_, err := c.addScript(s)
	return err
}

func (c *Centre) addScript(s Script) (number int, err error) {
	if err := s.validate(); err != nil {
		return 0, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	err = c.commit(record{Script: &s})
	return c.books.lastScript, err
}

// ClearScripts forgets all scripts.
func (c *Centre) ClearScripts() error { return c.change(record{ClearScripts: true}) }

// Storm replaces the random faults of one call. Errors as for Script.
func (c *Centre) Storm(s Storm) error {
	if !knownCall(s.Call) {
		return wrong("call", "%s", noSuchCall)
	}
	if err := s.Check(); err != nil {
		return err
	}
	return c.change(record{Storm: &s})
}

// ClearStorms ends all random faults.
func (c *Centre) ClearStorms() error { return c.change(record{ClearStorms: true}) }

// SetDown begins or ends an outage: every protocol request is recorded and then
// reset, unprocessed. An outage does not survive a restart.
func (c *Centre) SetDown(down bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.down = down
}

// SetBalance sets the agent's balance, in ten-thousandths of a tenge (10000 = 1 tenge).
func (c *Centre) SetBalance(balance int64) error {
	b := tenThousandths(balance)
	return c.change(record{Balance: &b})
}

// SetThresholds sets the balances, in ten-thousandths of a tenge, below which no
// pay may bring the agent's (overdraft: code 220; negative is a credit), and at
// which the agent's staff is notified («сумма баланса, при достижении которого
// будет отправлено уведомление»; the centre only shows it). Both are 0 at first.
// It returns the error of writing it down.
func (c *Centre) SetThresholds(overdraft, notification int64) error {
	o, n := tenThousandths(overdraft), tenThousandths(notification)
	return c.change(record{Overdraft: &o, Notification: &n})
}

// SetNotification sets at which balance the agent is told, in ten-thousandths of
// a tenge; nil leaves it out of the answer, as the document allows.
func (c *Centre) SetNotification(balance *int64) error {
	if balance == nil {
		return c.change(record{NoNotification: true})
	}
	n := tenThousandths(*balance)
	return c.change(record{Notification: &n})
}

// Balance is the agent's balance in ten-thousandths of a tenge.
func (c *Centre) Balance() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return int64(c.books.balance)
}

// Requests returns the requests of one payment in the order of arrival, those
// that were reset unprocessed included; 0 = of all payments and calls.
func (c *Centre) Requests(agentTransactionID int64) []Request {
	c.mu.Lock()
	defer c.mu.Unlock()
	if agentTransactionID == 0 {
		return append([]Request{}, c.books.requests...)
	}
	requests := []Request{}
	for _, i := range c.books.byID[agentTransactionID] {
		requests = append(requests, c.books.requests[i])
	}
	return requests
}

// Payment returns one line of the books.
func (c *Centre) Payment(agentTransactionID int64) (Payment, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.books.payment(agentTransactionID)
}

// Payments returns the books in the order of the payments' first requests.
func (c *Centre) Payments() []Payment {
	c.mu.Lock()
	defer c.mu.Unlock()
	payments := make([]Payment, 0, len(c.books.order))
	for _, id := range c.books.order {
		p, _ := c.books.payment(id)
		payments = append(payments, p)
	}
	return payments
}

// Effects is how many times money moved for a payment: 0 or 1, or the centre is
// broken. It is counted where the balance goes down.
func (c *Centre) Effects(agentTransactionID int64) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.books.effects[agentTransactionID]
}

// Totals of the books.
type Totals struct {
	Checked     int    `json:"checked"`
	Registered  int    `json:"registered"`
	Executed    int    `json:"executed"`
	Refused     int    `json:"refused"`
	Sum         Tiyn   `json:"sum"`         // that moved
	EffectsOver int    `json:"effectsOver"` // payments whose money moved more than once; must be 0
	Requests    int    `json:"requests"`
	Balance     string `json:"balance"` // tenge with four decimals
	Down        bool   `json:"down"`
}

// Totals counts the books.
func (c *Centre) Totals() Totals {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := Totals{Sum: c.books.moved, Requests: len(c.books.requests), Balance: c.books.balance.String(), Down: c.down}
	counts := map[State]*int{Checked: &t.Checked, Registered: &t.Registered, Executed: &t.Executed, Refused: &t.Refused}
	for _, p := range c.books.payments {
		*counts[p.State]++
	}
	for _, n := range c.books.effects {
		if n > 1 {
			t.EffectsOver++
		}
	}
	return t
}
