package activities

import (
	"time"

	"tolem/domain"
	"tolem/storage"
)

// Standing is what people decided about a payment, as the ledger has it: a
// workflow that takes over learns it from here.
type Standing struct {
	Held          bool                  `json:"held,omitempty"`
	Proposed      domain.State          `json:"proposed,omitempty"`
	ProposedBy    int64                 `json:"proposedBy,omitempty"` // the order, not a person
	ProposedUntil *time.Time            `json:"proposedUntil,omitempty"`
	Reason        domain.OperatorReason `json:"reason,omitempty"`
	Chosen        bool                  `json:"chosen,omitempty"` // a choice of the payer is recorded
	PayerUntil    *time.Time            `json:"payerUntil,omitempty"`
	// PaymentCode is the centre's last word on the payment itself.
	PaymentCode *domain.Code `json:"paymentCode,omitempty"`
	// HeldID says that the centre holds this id since before a pay of ours.
	HeldID           bool                `json:"heldId,omitempty"`
	ProposedEvidence domain.EvidenceKind `json:"proposedEvidence,omitempty"`
	// Restored says that a restored ledger holds it: a pay that was sent may be forgotten.
	Restored bool `json:"restored,omitempty"`
}

func standingOf(p storage.Payment) Standing {
	s := Standing{
		Held: p.Held || p.Restored, Proposed: p.Proposed, Reason: p.OperatorReason, Chosen: p.ChoiceSHA256 != "",
		ProposedUntil: instant(p.ProposedUntil), PayerUntil: instant(p.PayerUntil),
		PaymentCode: p.PaymentCode, HeldID: p.HeldID, ProposedEvidence: p.ProposedEvidence, Restored: p.Restored,
	}
	if p.ProposedAction != nil {
		s.ProposedBy = *p.ProposedAction
	}
	if !p.NeedsOperator {
		s.Reason = ""
	}
	return s
}

func instant(t *storage.Timestamp) *time.Time {
	if t == nil {
		return nil
	}
	return &t.Time
}

// unlessZero is an instant that is set; nil for the zero one.
func unlessZero(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
