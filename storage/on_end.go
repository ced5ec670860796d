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

// ends are the ends that one transaction has written, and that its commit makes true.
type ends []end

type end struct {
	process domain.Process
	state   string
}

// endsKey is where a transaction's context holds its *ends.
type endsKey struct{}

func (e *ends) within(ctx context.Context) context.Context {
	return context.WithValue(ctx, endsKey{}, e)
}

func (e *ends) tell(tell func(domain.Process, string)) {
	for _, end := range *e {
		tell(end.process, end.state)
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
	if noted, ok := tx.Statement.Context.Value(endsKey{}).(*ends); ok && state.Terminal() {
		*noted = append(*noted, end{process, string(state)})
	}
}
