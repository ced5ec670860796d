package storage

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gorm.io/gorm"

	"tolem/domain"
)

// proposalLasts is how long a first person's word on where the money is waits for a
// second person's: a working day, whatever the shift.
const proposalLasts = 24 * time.Hour

// IncidentClosing is what a person says when closing an incident.
type IncidentClosing struct {
	// Money is where the money really is; "" for an incident that is not about money.
	Money domain.MoneyWhere
	// TransactionNumber is the partner's, of money that moved; else "".
	TransactionNumber string
}

// IncidentProcess is the name under which actions on an incident are kept.
func IncidentProcess(id int64) string { return fmt.Sprintf("incident/%d", id) }

// ActOnIncident commits what a person does to an open incident, and its effect, in one
// transaction: acknowledge, close, or decline a colleague's proposal. closing goes with
// domain.ActionClose.
//
// Closing an incident about money takes two people who say the same; the first one's word
// is a proposal for 24 hours, until a new fact clears it, or until it is declined. The
// second one's closes it, and is then the recorded correction of where the money is: see
// Corrections. Others close at once.
//
// The same caller, key and request again are the action that is there; another request
// under that key is ErrKeyReused. ErrNotFound comes for an incident that never was;
// an action that may not be taken is ErrActionRefused, and nothing was stored then.
func (l *Ledger) ActOnIncident(ctx context.Context, id int64, a Action, closing IncidentClosing) (done Action, err error) {
	a.Process = IncidentProcess(id)
	err = l.inTransaction(ctx, func(tx *gorm.DB) error {
		var fresh bool
		if done, fresh, err = placeAction(tx, a); err != nil || !fresh {
			return err
		}
		if err := lockProcess(tx, id); err != nil {
			return err
		}
		o, err := lockIncident(tx.Where("id = ?", id))
		if errors.Is(err, ErrNotFound) {
			if _, err := one[IncidentEntry](tx.Where("incident = ?", id), "incident"); err != nil {
				return err
			}
			return ErrActionRefused{domain.RefusalIncidentClosed}
		}
		if err != nil {
			return err
		}
		effect, err := o.act(tx, done, closing)
		if err != nil {
			return err
		}
		if _, err := followed(tx, done.ID, effect); err != nil {
			return err
		}
		done, err = one[Action](tx.Where("id = ?", done.ID), "action")
		return err
	})
	var refused ErrActionRefused
	switch {
	case errors.As(err, &refused), errors.Is(err, ErrKeyReused), errors.Is(err, ErrNotFound):
		return Action{}, err
	case err != nil:
		return Action{}, fmt.Errorf("%s incident %d: %w", a.Action, id, err)
	}
	return done, nil
}

// lockProcess locks the process that an open incident is about.
func lockProcess(tx *gorm.DB, incident int64) error {
	o, err := one[OpenIncident](tx.Where("id = ?", incident), "open incident")
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	return subject{o.Process, o.Subject, o.Part}.lock(tx)
}

// act does one action to a locked incident.
func (o OpenIncident) act(tx *gorm.DB, a Action, closing IncidentClosing) (domain.Effect, error) {
	e := o.entry(domain.IncidentAcknowledged)
	e.Caller, e.Why, e.ActionID = a.Caller, a.Reason, &a.ID
	proposed, err := o.proposal(tx, a.RequestedAt.Time)
	if err != nil {
		return "", err
	}
	switch a.Action {
	case domain.ActionAcknowledge:
		noted := tx.Model(&OpenIncident{}).Where("id = ?", o.ID).Updates(map[string]any{"acknowledged": true, "changed_at": e.At})
		if noted.Error != nil {
			return "", noted.Error
		}
		return domain.EffectAcknowledged, tx.Create(&e).Error
	case domain.ActionDecline:
		if proposed == nil {
			return "", ErrActionRefused{domain.RefusalNotProposed}
		}
		e.Entry = domain.IncidentDeclined
		return domain.EffectDeclined, tx.Create(&e).Error
	case domain.ActionClose:
		return o.close(tx, e, closing, proposed)
	}
	return "", fmt.Errorf("an incident takes no action %q", a.Action)
}

// close closes a locked incident, or proposes to.
func (o OpenIncident) close(tx *gorm.DB, e IncidentEntry, closing IncidentClosing, proposed *IncidentEntry) (domain.Effect, error) {
	e.Entry, e.Money, e.TransactionNumber = domain.IncidentClosed, closing.Money, closing.TransactionNumber
	switch {
	case o.Reason.AboutMoney() != closing.Money.Known():
		return "", fmt.Errorf("closing an incident %q with where the money is %q", o.Reason, closing.Money)
	case !o.Reason.AboutMoney():
	case proposed == nil:
		e.Entry = domain.IncidentProposed
		return domain.EffectProposed, tx.Create(&e).Error
	case proposed.Money != e.Money, proposed.TransactionNumber != e.TransactionNumber:
		return "", ErrActionRefused{domain.RefusalOtherOutcome}
	case proposed.Caller == e.Caller:
		return "", ErrActionRefused{domain.RefusalSecondOperator}
	}
	if err := closeIncident(tx, o, e); err != nil {
		return "", err
	}
	s := subject{o.Process, o.Subject, o.Part}
	var left []OpenIncident
	if err := s.of(tx).Order("id DESC").Limit(1).Find(&left).Error; err != nil {
		return "", err
	}
	if len(left) == 0 {
		return domain.EffectClosed, reflag(tx, s, "")
	}
	return domain.EffectClosed, reflag(tx, s, left[0].Reason)
}

// endsProposal are the entries after which an earlier proposal no longer waits.
var endsProposal = []domain.IncidentEntry{domain.IncidentFact, domain.IncidentProposed, domain.IncidentDeclined}

// proposal is the open proposal to close an incident; nil without one. A fact, a decline
// and time end it.
func (o OpenIncident) proposal(tx *gorm.DB, now time.Time) (*IncidentEntry, error) {
	var last []IncidentEntry
	err := tx.Where("incident = ? AND entry IN ?", o.ID, endsProposal).Order("id DESC").Limit(1).Find(&last).Error
	if err != nil || len(last) == 0 {
		return nil, err
	}
	return last[0].proposalAt(now), nil
}

// proposalAt is the entry if it is a proposal that waits at an instant, else nil.
func (e IncidentEntry) proposalAt(now time.Time) *IncidentEntry {
	if e.Entry != domain.IncidentProposed || e.ProposedUntil().Before(now) {
		return nil
	}
	return &e
}

// ProposedUntil is until when a proposal waits for a second person.
func (e IncidentEntry) ProposedUntil() time.Time { return e.At.Add(proposalLasts) }
