package api

import (
	"context"

	"tolem/domain"
	"tolem/storage"
)

// settled says whether a waiting caller has something to do: the payment ended,
// or asks the payer, who has not chosen yet.
func settled(p storage.Payment) bool { return p.State.Terminal() || asksNow(p) }

// asksNow says whether the payer has something to choose.
func asksNow(p storage.Payment) bool {
	return p.State == domain.StateAwaitingPayer && p.ChoiceSHA256 == ""
}

// look reads the payment again; what was known stands if the ledger does not
// answer.
func (s *Server) look(ctx context.Context, p storage.Payment) storage.Payment {
	ctx, cancel := context.WithTimeout(ctx, ledgerLimit)
	defer cancel()
	now, err := s.ledger.Payment(ctx, p.ID)
	if err != nil {
		return p
	}
	return now
}
