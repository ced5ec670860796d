package storage

import (
	"context"
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"
	"time"

	"gorm.io/gorm"

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

// WorkflowID is the name of the process in Temporal, logs and spans.
func (i Incident) WorkflowID() string {
	return OpenIncident{Process: i.Process, Subject: i.Subject, Part: i.Part}.WorkflowID()
}

// Proposal is the first person's word on where the money is, while it waits for a second
// person's; nil without one.
func (i Incident) Proposal(now time.Time) *IncidentEntry {
	if !i.Open {
		return nil
	}
	for _, e := range slices.Backward(i.Entries) {
		if slices.Contains(endsProposal, e.Entry) {
			return e.proposalAt(now)
		}
	}
	return nil
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
// from where cursor points ("" is the beginning). next is "" on the last page. It reads the
// open ones alone where the filter asks for no others: those that were closed are many.
func (l *Ledger) Incidents(ctx context.Context, f IncidentFilter, cursor string, limit int) (page []Incident, next string, err error) {
	below := int64(0)
	if cursor != "" {
		raw, err := base64.RawURLEncoding.DecodeString(cursor)
		if err != nil {
			return nil, "", ErrCursor
		}
		if below, err = strconv.ParseInt(string(raw), 10, 64); err != nil || below < 1 {
			return nil, "", ErrCursor
		}
	}
	ids, err := f.page(l.db.WithContext(ctx), below, limit+1)
	if err != nil {
		return nil, "", fmt.Errorf("list incidents: %w", err)
	}
	if len(ids) > limit {
		ids = ids[:limit]
		next = base64.RawURLEncoding.EncodeToString(strconv.AppendInt(nil, ids[limit-1], 10))
	}
	page, err = l.incidents(ctx, ids)
	return page, next, err
}

// page reads the ids of up to limit incidents that the filter matches, the newest first;
// below is the id that they follow, 0 at the beginning.
func (f IncidentFilter) page(db *gorm.DB, below int64, limit int) (ids []int64, err error) {
	id, at, q := "id", "opened_at", db.Model(&OpenIncident{})
	switch open := f.Open; {
	case open == nil && f.Acknowledged == nil:
		id, at, q = "incident", "at", db.Model(&IncidentEntry{}).Where("entry = 'opened'") // the index's own words
	case open != nil && !*open && f.Acknowledged != nil: // only open ones are acknowledged or not
		return nil, nil
	case open != nil && !*open:
		id, at = "incident", "at"
		q = db.Model(&IncidentEntry{}).Where("entry = 'opened' AND NOT EXISTS (SELECT 1 FROM open_incidents AS o WHERE o.id = incident_entries.incident)")
	}
	if f.Acknowledged != nil {
		q = q.Where("acknowledged = ?", *f.Acknowledged)
	}
	if f.Process != "" {
		q = q.Where("process = ?", f.Process)
	} else if f.Subject != "" { // which the index of subjects begins with
		q = q.Where("process IN ?", processNames())
	}
	for column, value := range map[string]string{"subject": f.Subject, "part": f.Part, "reason": string(f.Reason)} {
		if value != "" {
			q = q.Where(column+" = ?", value)
		}
	}
	if !f.OpenedBefore.IsZero() {
		q = q.Where(at+" < ?", At(f.OpenedBefore))
	}
	if below > 0 {
		q = q.Where(id+" < ?", below)
	}
	return ids, q.Order(id+" DESC").Limit(limit).Pluck(id, &ids).Error
}

func processNames() (names []domain.Process) {
	for _, p := range domain.Processes() {
		names = append(names, p.Process)
	}
	return names
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
	by := map[int64]Incident{}
	for _, i := range assemble(entries, open) {
		by[i.ID] = i
	}
	var found []Incident
	for _, id := range ids {
		if i, ok := by[id]; ok {
			found = append(found, i)
		}
	}
	return found, nil
}

// assemble makes incidents of their entries, which come in the order of their ids, and of
// the rows of those that are open. They come in the order in which they were opened.
func assemble(entries []IncidentEntry, open []OpenIncident) []Incident {
	var all []Incident
	at := map[int64]int{}
	for _, e := range entries {
		i, known := at[e.Incident]
		if !known {
			i = len(all)
			at[e.Incident] = i
			all = append(all, Incident{ID: e.Incident, Process: e.Process, Subject: e.Subject, Part: e.Part, Reason: e.Reason, OpenedAt: e.At})
		}
		all[i].Entries = append(all[i].Entries, e)
	}
	for _, o := range open {
		i, known := at[o.ID]
		if !known {
			i = len(all)
			all = append(all, Incident{ID: o.ID, Process: o.Process, Subject: o.Subject, Part: o.Part, Reason: o.Reason, OpenedAt: o.OpenedAt})
		}
		all[i].Open, all[i].Acknowledged = true, o.Acknowledged
	}
	return all
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
