package storage

import (
	"context"
	"encoding/base64"
	"fmt"
	"strconv"
	"time"

	"tolem/domain"
)

// Incident is an incident with everything that happened to it.
type Incident struct {
	ID       int64
	Process  domain.Process
	Subject  string // agentTransactionId, store_order_id or contract number
	Part     string // store_return_id; "" for others
	Reason   domain.OperatorReason
	OpenedAt Timestamp
	Open     bool
	// Acknowledged says that a person looks into it, and no fact came since.
	Acknowledged bool
	Entries      []IncidentEntry // the oldest first
}

// IncidentFilter narrows a list; zero values do not narrow.
type IncidentFilter struct {
	Process      domain.Process
	Subject      string
	Part         string
	Reason       domain.OperatorReason
	Open         *bool
	Acknowledged *bool // of open ones
	OpenedBefore time.Time
}

// Incidents lists incidents with their entries, the newest first, at most limit of them,
// from where cursor points ("" is the beginning). next is "" on the last page.
func (l *Ledger) Incidents(ctx context.Context, f IncidentFilter, cursor string, limit int) (page []Incident, next string, err error) {
	q := l.db.WithContext(ctx).Table("incident_entries AS e").
		Joins("LEFT JOIN open_incidents AS o ON o.id = e.incident").Where("e.entry = ?", domain.IncidentOpened)
	if cursor != "" {
		raw, err := base64.RawURLEncoding.DecodeString(cursor)
		if err != nil {
			return nil, "", ErrCursor
		}
		below, err := strconv.ParseInt(string(raw), 10, 64)
		if err != nil {
			return nil, "", ErrCursor
		}
		q = q.Where("e.incident < ?", below)
	}
	for column, value := range map[string]string{
		"e.process": string(f.Process), "e.subject": f.Subject, "e.part": f.Part, "e.reason": string(f.Reason),
	} {
		if value != "" {
			q = q.Where(column+" = ?", value)
		}
	}
	if f.Open != nil {
		q = q.Where("(o.id IS NOT NULL) = ?", *f.Open)
	}
	if f.Acknowledged != nil {
		q = q.Where("o.acknowledged = ?", *f.Acknowledged)
	}
	if !f.OpenedBefore.IsZero() {
		q = q.Where("e.at < ?", At(f.OpenedBefore))
	}
	var ids []int64
	if err := q.Order("e.incident DESC").Limit(limit+1).Pluck("e.incident", &ids).Error; err != nil {
		return nil, "", fmt.Errorf("list incidents: %w", err)
	}
	if len(ids) > limit {
		ids = ids[:limit]
		next = base64.RawURLEncoding.EncodeToString(strconv.AppendInt(nil, ids[limit-1], 10))
	}
	page, err = l.incidents(ctx, ids)
	return page, next, err
}

// Incident reads one incident; ErrNotFound when there never was one of this id.
func (l *Ledger) Incident(ctx context.Context, id int64) (Incident, error) {
	found, err := l.incidents(ctx, []int64{id})
	switch {
	case err != nil:
		return Incident{}, err
	case len(found) == 0:
		return Incident{}, fmt.Errorf("incident %d: %w", id, ErrNotFound)
	}
	return found[0], nil
}

// incidents reads incidents in the order of their ids given.
func (l *Ledger) incidents(ctx context.Context, ids []int64) ([]Incident, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	db := l.db.WithContext(ctx)
	var entries []IncidentEntry
	var open []OpenIncident
	err := db.Where("incident IN ?", ids).Order("id").Find(&entries).Error
	if err == nil {
		err = db.Where("id IN ?", ids).Find(&open).Error
	}
	if err != nil {
		return nil, fmt.Errorf("read incidents: %w", err)
	}
	by := map[int64]*Incident{}
	for _, e := range entries {
		i := by[e.Incident]
		if i == nil {
			i = &Incident{ID: e.Incident, Process: e.Process, Subject: e.Subject, Part: e.Part, Reason: e.Reason, OpenedAt: e.At}
			by[e.Incident] = i
		}
		i.Entries = append(i.Entries, e)
	}
	for _, o := range open {
		if i := by[o.ID]; i != nil {
			i.Open, i.Acknowledged = true, o.Acknowledged
		}
	}
	var found []Incident
	for _, id := range ids {
		if i := by[id]; i != nil {
			found = append(found, *i)
		}
	}
	return found, nil
}

// OpenIncidentCount is how many open incidents stand alike.
type OpenIncidentCount struct {
	Process      domain.Process
	Reason       domain.OperatorReason
	Acknowledged bool
	Number       int64
	Since        Timestamp // when the oldest of them was opened
}

// OpenIncidents counts the open incidents by kind of process, reason and acknowledgement.
func (l *Ledger) OpenIncidents(ctx context.Context) (counts []OpenIncidentCount, err error) {
	err = l.db.WithContext(ctx).Model(&OpenIncident{}).
		Select("process, reason, acknowledged, count(*) AS number, min(opened_at) AS since").
		Group("process, reason, acknowledged").Order("process, reason, acknowledged").Scan(&counts).Error
	if err != nil {
		return nil, fmt.Errorf("count open incidents: %w", err)
	}
	return counts, nil
}

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
// and have the key order + "\x00" + return.
func (l *Ledger) Corrections(ctx context.Context, process domain.Process, subjects []string) (map[string]Correction, error) {
	var entries []IncidentEntry
	err := l.db.WithContext(ctx).Where("process = ? AND subject IN ? AND entry = ? AND money <> ''", process, subjects, domain.IncidentClosed).
		Order("id").Find(&entries).Error
	if err != nil {
		return nil, fmt.Errorf("read recorded corrections: %w", err)
	}
	last := make(map[string]Correction, len(entries))
	for _, e := range entries {
		key := e.Subject
		if e.Part != "" {
			key += "\x00" + e.Part
		}
		last[key] = Correction{Incident: e.Incident, Money: e.Money, TransactionNumber: e.TransactionNumber, At: e.At}
	}
	return last, nil
}
