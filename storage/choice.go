package storage

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gorm.io/gorm"

	"tolem/domain"
)

// Errors of Choose that callers tell apart with errors.Is.
var (
	ErrAlreadyChosen    = errors.New("another choice is recorded for this payment")
	ErrNotAwaitingPayer = errors.New("the payment does not wait for its payer")
)

// PayerChoice is what the payer decided between check and pay.
type PayerChoice struct {
	JSON   string // the completed choice
	SHA256 string // of the choice's canonical form; never empty
	By     string // the token's name
	At     time.Time
}

// Choose commits what the payer chose, once and for ever, while the payment waits
// for it and no pay was sent. It returns the payment as it then stands.
//
// A choice with the digest of the recorded one changes nothing and is no error,
// wherever the payment stands by now. Another one is ErrAlreadyChosen; a payment
// without a choice that does not wait for one is ErrNotAwaitingPayer. Both come
// with the payment, so that the caller can name its state. ErrNotFound comes
// without.
//
// It is no state write: it leaves state and step alone, so that an order of the
// workflow given before it still counts. Of writers at once the first wins: the
// others find choice_sha256 set.
func (l *Ledger) Choose(ctx context.Context, id domain.AgentTransactionID, c PayerChoice) (now Payment, err error) {
	if c.SHA256 == "" {
		return Payment{}, fmt.Errorf("choose for payment %s: the choice has no digest", id)
	}
	chosen := false
	err = l.inTransaction(ctx, func(tx *gorm.DB) error {
		at := At(c.At)
		kept := neverPaid(tx.Model(&Payment{})).
			Where("id = ? AND state = ? AND choice_sha256 = ''", id, domain.StateAwaitingPayer).
			Updates(map[string]any{
				"choice": c.JSON, "choice_sha256": c.SHA256, "chosen_by": c.By, "chosen_at": at, "updated_at": At(time.Now()),
			})
		if kept.Error != nil {
			return kept.Error
		}
		if chosen = kept.RowsAffected == 1; chosen {
			row := journalRow{Process: id.WorkflowID(), Phase: phaseEvent, Call: "chosen", At: at, BodySHA256: c.SHA256}
			if err := tx.Create(&row).Error; err != nil {
				return err
			}
		}
		now, err = readPayment(tx, id)
		return err
	})
	switch {
	case err != nil:
		return Payment{}, fmt.Errorf("choose for payment %s: %w", id, err)
	case chosen || now.ChoiceSHA256 == c.SHA256:
		return now, nil
	case now.ChoiceSHA256 != "":
		return now, ErrAlreadyChosen
	}
	return now, ErrNotAwaitingPayer
}
