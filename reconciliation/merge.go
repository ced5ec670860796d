package reconciliation

import (
	"context"
	"errors"
	"fmt"

	"tolem/domain"
)

// errSum is for a day whose sum does not fit; it takes a thousand such days that
// the API accepts.
var errSum = errors.New("compare a day: our sum does not fit 92 quadrillion")

// merge is a comparison under way. Both sides are in the order of ids.
type merge struct {
	Comparison
	day    int32
	next   int // the register's next row, in the order of ids
	result Result
	queue  []Difference // in order; those with an entry wait for a look-up
}

// below takes the register's rows with ids below id, or all for 0: our day does
// not have them.
func (m *merge) below(ctx context.Context, id domain.AgentTransactionID) error {
	for m.next < m.Register.Len() {
		e := m.Register.sorted(m.next)
		if id != 0 && e.id >= id {
			return nil
		}
		m.next++
		if err := m.absentHere(ctx, e); err != nil {
			return err
		}
	}
	return nil
}

// absentHere takes a row of the register that our day does not have.
func (m *merge) absentHere(ctx context.Context, e *entry) error {
	if e.duplicates != 0 {
		return m.duplicate(ctx, e)
	}
	return m.add(ctx, Difference{ID: e.id, entry: e})
}

// both takes a payment of ours and the register's rows of its id.
func (m *merge) both(ctx context.Context, ours Row) error {
	if err := m.count(ours); err != nil {
		return err
	}
	var theirs, repeated *entry
	from := m.next
	for ; m.next < m.Register.Len() && m.Register.sorted(m.next).id == ours.ID; m.next++ {
		if e := m.Register.sorted(m.next); e.duplicates == 0 {
			theirs = e // at most one: the others of an id repeat it
		} else {
			repeated = e
		}
	}
	var d Difference
	var report bool
	var err error
	if theirs != nil {
		d, report = m.compare(ours, theirs)
	} else if d, report, err = m.absentThere(ctx, ours, repeated); err != nil {
		return err
	}
	if report {
		if err := m.add(ctx, d); err != nil {
			return err
		}
	}
	for i := from; i < m.next; i++ {
		if e := m.Register.sorted(i); e.duplicates != 0 {
			if err := m.duplicate(ctx, e); err != nil {
				return err
			}
		}
	}
	return nil
}

// count takes a payment of our day into its size and sum.
func (m *merge) count(ours Row) error {
	m.result.Rows.Here++
	if ours.effect() == moved && ours.AmountTo != nil {
		sum, fits := m.result.Amounts.Here.Add(*ours.AmountTo)
		if !fits {
			return errSum
		}
		m.result.Amounts.Here = sum
	}
	return nil
}

// compare takes a payment of ours and its row of the register. report is false
// for a match.
func (m *merge) compare(ours Row, theirs *entry) (d Difference, report bool) {
	kind := m.differs(ours, theirs)
	if kind == "" {
		m.result.Counts.Match++
		if theirs.effect() == open {
			m.result.Open++
		}
		return Difference{}, false
	}
	m.result.Counts.Mismatch++
	here := ours // only what is reported lives on
	return Difference{
		Class: Mismatch, Kind: kind, Line: int(theirs.line), ID: ours.ID, Here: &here, There: m.Register.shown(theirs),
	}, true
}

// absentThere takes a payment of ours that the register does not have, or only as
// a duplicate, repeated. What did not move agrees with that; what moved is missing
// there; of an open one nobody knows where the money is.
func (m *merge) absentThere(ctx context.Context, ours Row, repeated *entry) (d Difference, report bool, err error) {
	here := ours
	d = Difference{ID: ours.ID, Here: &here}
	switch ours.effect() {
	case moved:
		m.result.Counts.MissingThere++
		d.Class, d.Kind = MissingThere, KindAbsent
		if repeated != nil {
			d.Kind, d.Line = KindRepeated, int(repeated.line)
		}
		return d, true, nil
	case notMoved:
		m.result.Counts.Match++
		m.result.Rows.OnlyHere++
		return Difference{}, false, nil
	default:
		m.result.Counts.Mismatch++
		m.result.Rows.OnlyHere++
		d.Class, d.Kind = Mismatch, KindOpenHere
		if repeated == nil {
			repeated, err = m.remains(ctx, ours.ID)
		}
		if repeated != nil {
			d.Line = int(repeated.line)
		}
		return d, true, err
	}
}

// remains is the row that has what a spreadsheet may have left of an id, if that is no
// payment of ours; nil for none. A register with such a row does not say that the payment
// is absent.
func (m *merge) remains(ctx context.Context, id domain.AgentTransactionID) (*entry, error) {
	e := m.Register.remains(id)
	if e == nil {
		return nil, nil
	}
	found, err := m.Elsewhere(ctx, []domain.AgentTransactionID{e.id})
	if err != nil || len(found) > 0 {
		return nil, err
	}
	return e, nil
}

// differs is the gravest difference between a payment and its row; "" is none.
//
// Where nothing moved on either side there is nothing to settle, whatever else
// the row says. An id or service that one side does not give is no difference; an
// amount is.
func (m *merge) differs(ours Row, theirs *entry) Kind {
	here, there := ours.effect(), theirs.effect()
	day, _ := dayOf(ours.AgentTransactionDate) // an unreadable one is 0, another day
	service := m.Register.services[theirs.service]
	settles := here != notMoved
	switch {
	case here != there:
		return KindState
	case settles && !sameAmount(ours.AmountTo, theirs):
		return KindAmount
	case settles && ours.TransactionID != 0 && theirs.transactionID != 0 && theirs.transactionID != ours.TransactionID:
		return KindTransactionID
	case settles && service != "" && service != ours.ServiceID:
		return KindServiceID
	case settles && theirs.day != 0 && theirs.day != day, day != m.day:
		return KindDate
	}
	return ""
}

func sameAmount(here *domain.Money, there *entry) bool {
	if here == nil || !there.hasAmount() {
		return here == nil && !there.hasAmount()
	}
	return *here == there.amountTo
}

// duplicate reports a row that repeats another one.
func (m *merge) duplicate(ctx context.Context, e *entry) error {
	m.result.Counts.Duplicate++
	d := Difference{
		Class: Duplicate, Kind: KindID, Line: int(e.line), FirstLine: int(e.duplicates), ID: e.id, There: m.Register.shown(e),
	}
	if e.ofTransaction {
		d.Kind = KindTransactionID
	}
	return m.add(ctx, d)
}

// add reports a difference, after those before it.
func (m *merge) add(ctx context.Context, d Difference) error {
	m.queue = append(m.queue, d)
	if len(m.queue) < lookUp {
		return nil
	}
	return m.flush(ctx)
}

// flush looks up the rows that our day does not have, and reports everything that
// waits.
func (m *merge) flush(ctx context.Context) error {
	found, err := m.elsewhere(ctx)
	if err != nil {
		return err
	}
	for _, d := range m.queue {
		if d.entry != nil {
			ours, ok := found[d.ID]
			resolved, report, err := m.resolve(d.entry, ours, ok)
			if err != nil {
				return err
			}
			if !report {
				continue
			}
			d = resolved
		}
		if err := m.Report(d); err != nil {
			return err
		}
	}
	m.queue = m.queue[:0]
	return nil
}

// elsewhere finds the payments of the rows that our day does not have.
func (m *merge) elsewhere(ctx context.Context) (map[domain.AgentTransactionID]Row, error) {
	var ids []domain.AgentTransactionID
	for _, d := range m.queue {
		if d.entry != nil {
			ids = append(ids, d.ID)
		}
	}
	if len(ids) == 0 {
		return nil, nil
	}
	rows, err := m.Elsewhere(ctx, ids)
	if err != nil {
		return nil, err
	}
	found := make(map[domain.AgentTransactionID]Row, len(rows))
	for _, row := range rows {
		found[row.ID] = row
	}
	return found, nil
}

// resolve takes a row of the register that our day did not have, and the payment
// that the ledger has for it.
func (m *merge) resolve(theirs *entry, ours Row, found bool) (d Difference, report bool, err error) {
	if !found {
		m.result.Counts.MissingHere++
		return Difference{
			Class: MissingHere, Kind: KindAbsent, Line: int(theirs.line), ID: theirs.id, There: m.Register.shown(theirs),
		}, true, nil
	}
	if day, _ := dayOf(ours.AgentTransactionDate); day == m.day { // accepted after its page was read
		err = m.count(ours)
	} else {
		m.result.Rows.OtherDay++
	}
	d, report = m.compare(ours, theirs)
	return d, report, err
}

// shown is a row of the register as a difference shows it.
func (r *Register) shown(e *entry) *Entry {
	shown := &Entry{TransactionID: e.transactionID, ServiceID: r.services[e.service], State: words[e.word].text}
	if e.day != 0 {
		shown.AgentTransactionDate = fmt.Sprintf("%04d-%02d-%02d", e.day/10000, e.day/100%100, e.day%100)
	}
	if e.hasAmount() {
		amount := e.amountTo
		shown.AmountTo = &amount
	}
	return shown
}
