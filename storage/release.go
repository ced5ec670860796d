package storage

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gorm.io/gorm"

	"tolem/domain"
)

// release lets a process go on that a restore holds, by the word of two people: the first
// one's waits for a second one's, for a day. proven says that the action cites evidence that
// takes the second one's place. The process's row is locked.
func release(tx *gorm.DB, s subject, a Action, proven bool) (domain.Effect, error) {
	var row struct {
		Restored      bool
		ReleaseAction *int64
	}
	if err := s.rows(tx).Select("restored", "release_action").Scan(&row).Error; err != nil {
		return "", err
	}
	if !row.Restored {
		return "", ErrActionRefused{domain.RefusalNotHeld}
	}
	if !proven {
		seconds, err := a.seconds(tx, row.ReleaseAction)
		if err != nil {
			return "", err
		}
		if !seconds {
			return domain.EffectProposed, s.rows(tx).UpdateColumns(map[string]any{"release_action": a.ID, "updated_at": At(time.Now())}).Error
		}
	}
	now := At(time.Now())
	columns := map[string]any{"restored": false, "held": false, "restored_released_at": now, "release_action": nil, "updated_at": now}
	if s.process == domain.ProcessOrder || s.process == domain.ProcessReturn {
		columns["wake"] = true
	}
	if err := s.rows(tx).UpdateColumns(columns).Error; err != nil {
		return "", err
	}
	return domain.EffectReleased, settle(tx, s, reasons(domain.ReasonRestored))
}

// seconds says whether the action is a second person's, of a proposal that has not lapsed.
func (a Action) seconds(tx *gorm.DB, first *int64) (bool, error) {
	if first == nil {
		return false, nil
	}
	before, err := one[Action](tx.Where("id = ? AND process = ?", *first, a.Process), "the first person's action")
	switch {
	case errors.Is(err, ErrNotFound), err == nil && before.RequestedAt.Add(proposalLasts).Before(a.RequestedAt.Time):
		return false, nil
	case err != nil:
		return false, err
	case before.Caller == a.Caller:
		return false, ErrActionRefused{domain.RefusalSecondOperator}
	}
	return true, nil
}

// ReleasePayment commits a person's release of a payment that a restore holds, as act says,
// and returns the payment as it then stands. One person is enough who cites a stored register
// of the payment's closed day that does not contain it.
func (l *Ledger) ReleasePayment(ctx context.Context, id domain.AgentTransactionID, a Action) (done Action, now Payment, fresh bool, err error) {
	done, fresh, err = l.act(ctx, a, func(tx *gorm.DB) error { return paymentSubject(id).lock(tx) },
		func(tx *gorm.DB, placed Action) (domain.Effect, error) {
			proven := false
			if a.EvidenceKind == domain.EvidenceRegister {
				if proven, err = registerLacks(tx, a.RegisterSHA256, id); err != nil {
					return "", err
				}
				if !proven {
					return "", ErrActionRefused{domain.RefusalNoRegister}
				}
			}
			return release(tx, paymentSubject(id), placed, proven)
		})
	now, readErr := l.Payment(ctx, id)
	if err == nil && readErr != nil {
		err = fmt.Errorf("read a released payment: %w", readErr)
	}
	return done, now, fresh, err
}
