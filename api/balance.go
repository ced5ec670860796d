package api

import (
	"context"
	"time"

	"github.com/labstack/echo/v4"

	"tolem/domain"
	"tolem/storage"
)

// balanceView is one change of the agent's account as the API shows it. Its
// amounts are numbers exactly as the processing centre wrote them.
type balanceView struct {
	At           time.Time       `json:"at"`     // first read
	SeenAt       time.Time       `json:"seenAt"` // last read, before it changed
	AgentID      int64           `json:"agentId"`
	Balance      domain.Decimal  `json:"balance"`
	Overdraft    domain.Decimal  `json:"overdraft"`
	Notification *domain.Decimal `json:"notification,omitempty"`
	Currency     string          `json:"currency,omitempty"`
	Rose         bool            `json:"rose"`
	Woken        bool            `json:"woken"`
}

func balanceOf(b storage.Balance) balanceView {
	return balanceView{
		At: b.At.Time, SeenAt: b.SeenAt.Time, AgentID: b.AgentID, Balance: b.Balance, Overdraft: b.Overdraft,
		Notification: b.Notification, Currency: b.Currency, Rose: b.Rose, Woken: b.Woken,
	}
}

// listBalances answers GET /v1/balance/history, from the ledger, the newest change
// first. It is for those who run the agent, not for those who pay through it.
func (s *Server) listBalances(c echo.Context) error {
	given := parameters(c)
	limit, err := pageLength(given)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(c.Request().Context(), ledgerLimit)
	defer cancel()
	found, next, err := s.ledger.Balances(ctx, given.Get("cursor"), limit)
	if err != nil {
		return fromLedger(err)
	}
	return writePage(c, found, next, balanceOf)
}
