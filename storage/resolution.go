package storage

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gorm.io/gorm"

	"tolem/domain"
)

// Resolution is what people said of how an instalment or a return ended. The second
// operator's action ends the process in one of its usual terminal states; the two actions
// are the evidence.
type Resolution struct {
	Proposed       string     // the terminal state that a first operator named; "" without a proposal
	ProposedAction *int64     // that action
	ProposedBy     string     // that operator
	ProposedUntil  *Timestamp // when the proposal lapses
	ResolvedAction *int64     // of the second operator; nil: people ended nothing
}

// Live is the outcome that waits for a second operator at an instant; "" when none does.
func (r Resolution) Live(at time.Time) string {
	if r.ProposedUntil == nil || r.ProposedUntil.Before(at) {
		return ""
	}
	return r.Proposed
}

// noProposal are the columns of a process without a proposal.
func noProposal() map[string]any {
	return map[string]any{"proposed": "", "proposed_action": nil, "proposed_by": "", "proposed_until": nil}
}

// said is what an operator's resolve does: the first one's waits for a second one's, for
// a day, and the second one's ends the process.
func (r Resolution) said(a Action) (columns map[string]any, effect domain.Effect, err error) {
	switch {
	case r.Live(a.RequestedAt.Time) == "":
		return map[string]any{
			"proposed": a.Outcome, "proposed_action": a.ID, "proposed_by": a.Caller, "proposed_until": At(a.RequestedAt.Add(proposalLasts)),
		}, domain.EffectProposed, nil
	case r.ProposedBy == a.Caller:
		return nil, "", ErrActionRefused{domain.RefusalSecondOperator}
	}
	columns = noProposal()
	columns["resolved_action"] = a.ID
	return columns, domain.EffectResolved, nil
}

// act commits a person's action and its effect in one transaction: it holds even while
// nobody runs the process. lock holds the process's row to the end of the transaction and
// carryOut does what the action asks for.
//
// The same caller, key and request again are the action that is there, with fresh false;
// another request under that key is ErrKeyReused. An action that may not be taken is
// ErrActionRefused, and then nothing was stored.
func (l *Ledger) act(ctx context.Context, a Action, lock func(tx *gorm.DB) error, carryOut func(tx *gorm.DB, a Action) (domain.Effect, error)) (done Action, fresh bool, err error) {
	err = l.inTransaction(ctx, func(tx *gorm.DB) error {
		if err := lock(tx); err != nil {
			return err
		}
		if done, fresh, err = placeAction(tx, a); err != nil || !fresh {
			return err
		}
		effect, err := carryOut(tx, done)
		if err != nil {
			return err
		}
		if _, err := followed(tx, done.ID, effect); err != nil {
			return err
		}
		row := eventRow(a.Process, string(effect), "", done.ID)
		row.ResultMessage = string(a.Outcome)
		if err := tx.Create(row).Error; err != nil {
			return err
		}
		done, err = one[Action](tx.Where("id = ?", done.ID), "action")
		return err
	})
	var refused ErrActionRefused
	switch {
	case errors.As(err, &refused), errors.Is(err, ErrKeyReused), errors.Is(err, ErrNotFound):
		return Action{}, false, err
	case err != nil:
		return Action{}, false, fmt.Errorf("%s %s: %w", a.Action, a.Process, err)
	}
	return done, fresh, nil
}
