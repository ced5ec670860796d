package storage

import (
	"context"
	"fmt"

	"tolem/domain"
)

// Correction is where the money of an ended process really is, as two people recorded it
// when they closed an incident. The process's state stays what it was.
type Correction struct {
	Incident          int64
	Money             domain.MoneyWhere
	TransactionNumber string
	At                Timestamp
}

// Corrections reads the last recorded correction of each of these processes of one kind,
// by subject; a process without one is not in it. Returns are looked up by their order
// and have the key ReturnKey.
func (l *Ledger) Corrections(ctx context.Context, process domain.Process, subjects []string) (map[string]Correction, error) {
	var entries []IncidentEntry
	if len(subjects) == 0 {
		return nil, nil
	}
	err := l.db.WithContext(ctx).Where("process = ? AND subject IN ? AND entry = ? AND money <> ''", process, subjects, domain.IncidentClosed).
		Order("id").Find(&entries).Error
	if err != nil {
		return nil, fmt.Errorf("read recorded corrections: %w", err)
	}
	last := make(map[string]Correction, len(entries))
	for _, e := range entries {
		key := e.Subject
		if e.Part != "" {
			key = ReturnKey(domain.StoreOrderID(e.Subject), domain.StoreReturnID(e.Part))
		}
		last[key] = Correction{Incident: e.Incident, Money: e.Money, TransactionNumber: e.TransactionNumber, At: e.At}
	}
	return last, nil
}

// ReturnKey is the key of a return among the corrections of returns.
func ReturnKey(order domain.StoreOrderID, id domain.StoreReturnID) string {
	return string(order) + "\x00" + string(id)
}

// OpenIncidentsOf reads the open incidents of a process of one kind, the oldest first; of
// an order's returns those of all of them.
func (l *Ledger) OpenIncidentsOf(ctx context.Context, process domain.Process, id string) (open []OpenIncident, err error) {
	err = l.db.WithContext(ctx).Where("process = ? AND subject = ?", process, id).Order("id").Find(&open).Error
	if err != nil {
		return nil, fmt.Errorf("read the open incidents of a process: %w", err)
	}
	return open, nil
}
