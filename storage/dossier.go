package storage

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"tolem/domain"
)

// GatheredPart is the outcome of asking ABS for one part of a dossier.
type GatheredPart struct {
	Contract domain.ContractNumber
	Asked    domain.LoanAccount // by which the payment order's part was asked for
	Call     Call
	Outcome  Outcome
	// Item is what there is of the part now; PartMissing when nobody knows more than before.
	Item   DossierItem
	Reason domain.OperatorReason // "" when it goes on by itself
}

// RecordPart commits the outcome of a question and what it brought. A part that is there
// stays as it is, whatever a late answer says. An answer about an account that the loan was
// corrected from meanwhile is journalled, and not kept.
func (l *Ledger) RecordPart(ctx context.Context, g GatheredPart) error {
	err := l.inTransaction(ctx, func(tx *gorm.DB) error {
		if _, err := lockContract(tx, g.Contract); err != nil {
			return err
		}
		attempt, asked, err := countAttempt(tx, g.Item.OrderID)
		if err != nil {
			return err
		}
		g.Call.Attempt = attempt
		if err := g.Outcome.journal(tx, g.Call, 0); err != nil {
			return err
		}
		if err := g.Outcome.readable(tx, contractSubject(g.Contract), g.Call, true); err != nil || asked != g.Asked {
			return err
		}
		if g.Item.State == domain.PartMissing {
			return g.flag(tx)
		}
		item := []DossierItem{g.Item}
		keep := clause.OnConflict{Columns: []clause.Column{{Name: "order_id"}, {Name: "part"}}, UpdateAll: true,
			Where: clause.Where{Exprs: []clause.Expression{clause.Neq{Column: clause.Column{Table: "dossier_parts", Name: "state"}, Value: domain.PartGot}}}}
		kept := tx.Clauses(keep).Create(&item)
		if kept.Error != nil || kept.RowsAffected == 0 {
			return kept.Error
		}
		return g.flag(tx)
	})
	if err != nil {
		return fmt.Errorf("record %s of %s: %w", g.Item.Part, g.Contract.WorkflowID(), err)
	}
	return nil
}

// flag has a person look at the payment order, if the answer asks for that.
func (g GatheredPart) flag(tx *gorm.DB) error {
	switch {
	case g.Reason == "":
		return nil
	case g.Outcome.Unreadable:
		return flagPaymentOrder(tx, g.Contract, g.Item.OrderID, g.Reason, ": "+g.Outcome.evidence(g.Call.Name))
	}
	return flagPaymentOrder(tx, g.Contract, g.Item.OrderID, g.Reason, "")
}

// settleDossier closes what no part of a dossier, none being refused any more, needs a person
// for.
func settleDossier(tx *gorm.DB, o PaymentOrder) error {
	if !o.NeedsOperator {
		return nil
	}
	var refused int64
	err := tx.Model(&DossierItem{}).Where("order_id = ? AND state = ?", o.ID, domain.PartRefused).Count(&refused).Error
	if err != nil || refused > 0 {
		return err
	}
	return settle(tx, contractSubject(o.Contract), reasons(domain.ReasonDossierRefused, domain.ReasonUnreadableAnswer))
}

// flagPaymentOrder has a person look at a payment order. One that has ended needs nobody for
// what ends with it. what adds to the fact's text.
func flagPaymentOrder(tx *gorm.DB, contract domain.ContractNumber, order int64, why domain.OperatorReason, what string) error {
	open, err := writePaymentOrder(tx, order, map[string]any{"next_attempt_at": nil})
	if err != nil || !open && why.EndsWithProcess() {
		return err
	}
	return raise(tx, contractSubject(contract), why, "payment order "+strconv.FormatInt(order, 10)+what)
}

// FlagPaymentOrder raises needs_operator on an open payment order and journals why. It may
// run twice: the flag stays, the journal says so twice.
func (l *Ledger) FlagPaymentOrder(ctx context.Context, contract domain.ContractNumber, order int64, why domain.OperatorReason, execution string) error {
	err := l.inTransaction(ctx, func(tx *gorm.DB) error {
		row := eventRow(contract.WorkflowID(), "needs_operator", execution, 0)
		row.ResultMessage = string(why)
		if err := tx.Create(row).Error; err != nil {
			return err
		}
		return flagPaymentOrder(tx, contract, order, why, "")
	})
	if err != nil {
		return fmt.Errorf("flag %s: %w", contract.WorkflowID(), err)
	}
	return nil
}

// NoteNextAttempt says when something follows by itself for an open payment order.
func (l *Ledger) NoteNextAttempt(ctx context.Context, order int64, at time.Time) error {
	if _, err := writePaymentOrder(l.db.WithContext(ctx), order, map[string]any{"next_attempt_at": At(at)}); err != nil {
		return fmt.Errorf("note the next attempt: %w", err)
	}
	return nil
}
