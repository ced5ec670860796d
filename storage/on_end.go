package storage

import (
	"context"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"tolem/domain"
)

// OnEnd has tell called with kind and terminal state of every process that this
// Ledger ended, after the commit and once: nothing leaves a terminal state, so
// over all programs a process ends in one commit. One that was committed in a
// program that died before it could tell is not told. Call it before the Ledger is
// used.
func (l *Ledger) OnEnd(tell func(process domain.Process, state string)) { l.onEnd = tell }

// OnIncident has notify called with every incident that this Ledger opened, after the
// commit and once. A fact that is added to an open incident is not reported. An incident
// that was committed in a program that stopped before it could report is not reported:
// the list of incidents has it. Call it before the Ledger is used.
func (l *Ledger) OnIncident(notify func(OpenIncident)) { l.onIncident = notify }

// news is what one transaction has written, what its commit makes true, and what is
// reported then.
type news struct {
	ends      []end
	incidents []OpenIncident // opened
}

type end struct {
	process domain.Process
	state   string
}

// newsKey is where a transaction's context holds its *news.
type newsKey struct{}

func (n *news) within(ctx context.Context) context.Context {
	return context.WithValue(ctx, newsKey{}, n)
}

// newsOf is the news of a transaction; one that nobody reads outside of inTransaction.
func newsOf(tx *gorm.DB) *news {
	if noted, ok := tx.Statement.Context.Value(newsKey{}).(*news); ok {
		return noted
	}
	return &news{}
}

// report reports what a transaction committed.
func (l *Ledger) report(n news) {
	if l.onEnd != nil {
		for _, e := range n.ends {
			l.onEnd(e.process, e.state)
		}
	}
	if l.onIncident != nil {
		for _, o := range n.incidents {
			l.onIncident(o)
		}
	}
}

// wrote is what a state write of a process did, whose end it notes.
func wrote(written *gorm.DB, process domain.Process, columns map[string]any) (changed bool, err error) {
	if written.Error != nil || written.RowsAffected != 1 {
		return false, written.Error
	}
	switch state := columns["state"].(type) {
	case domain.State:
		noteEnd(written, process, state)
	case domain.OrderState:
		noteEnd(written, process, state)
	case domain.PaymentOrderState:
		noteEnd(written, process, state)
	}
	return true, nil
}

// returningFlag has a state write return whether its row is flagged, so that only one that
// is costs a look at its incidents.
var returningFlag = clause.Returning{Columns: []clause.Column{{Name: "needs_operator"}}}

// settleEnd closes what the end of a process settles, if the state write was one and its
// row is flagged.
func settleEnd(tx *gorm.DB, s subject, flagged bool, columns map[string]any) error {
	ended, ok := columns["state"].(interface{ Terminal() bool })
	if !flagged || !ok || !ended.Terminal() {
		return nil
	}
	return settle(tx.Session(&gorm.Session{NewDB: true}), s, domain.OperatorReason.EndsWithProcess)
}

// noteEnd notes that a transaction wrote a terminal state; others are not noted.
func noteEnd[State interface {
	~string
	Terminal() bool
}](tx *gorm.DB, process domain.Process, state State) {
	if state.Terminal() {
		noted := newsOf(tx)
		noted.ends = append(noted.ends, end{process, string(state)})
	}
}
