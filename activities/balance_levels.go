package activities

import (
	"context"
	"log/slog"
	"strconv"

	"tolem/domain"
	"tolem/storage"
)

// balanceLevel is what a balance means for payments; the worst is the highest.
type balanceLevel int

const (
	levelFine         balanceLevel = iota
	levelNotification              // "при достижении которого будет отправлено уведомление сотруднику Агента"
	levelOverdraft                 // "при достижении которого прием платежей будет отключен автоматически"
)

// levelOf applies the document's words: to reach is to be at it or under it.
func levelOf(r storage.BalanceReading) balanceLevel {
	switch {
	case reaches(r, &r.Overdraft):
		return levelOverdraft
	case reaches(r, r.Notification):
		return levelNotification
	}
	return levelFine
}

// reaches says whether the balance is at a line or under it; no line is never
// reached.
func reaches(r storage.BalanceReading, line *domain.Decimal) bool {
	return line != nil && r.Balance.Cmp(*line) <= 0
}

// reportCrossing logs one line when the level changed, and none while it lasts:
// the reading that made the history's row speaks. A worker that dies between the
// two leaves the line out; the gauges say it all the same.
func reportCrossing(ctx context.Context, record storage.BalanceRecord) {
	if !record.Changed {
		return
	}
	before, now := levelFine, levelOf(record.Now.BalanceReading)
	if record.Before != nil {
		before = levelOf(record.Before.BalanceReading)
	}
	if now == before {
		return
	}
	level, message := slog.LevelInfo, "the agent's balance has recovered"
	switch now {
	case levelOverdraft:
		level, message = slog.LevelError, "the agent's balance is at or under overdraft: the processing centre switches payments off until it is topped up"
	case levelNotification:
		level, message = slog.LevelWarn, "the agent's balance is at or under notification: top it up before payments are switched off"
	}
	notification := "none"
	if n := record.Now.Notification; n != nil {
		notification = n.String()
	}
	slog.Log(ctx, level, message, "agent_id", record.Now.AgentID, "balance", record.Now.Balance.String(),
		"overdraft", record.Now.Overdraft.String(), "notification", notification, "currency", record.Now.Currency)
}

// tenge is for Prometheus, which knows nothing but floats; nothing is decided by
// it.
func tenge(d domain.Decimal) float64 {
	f, _ := strconv.ParseFloat(d.String(), 64) // a Decimal's text is a number of at most 40 characters
	return f
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
