package storage

import (
	"context"
	"fmt"
	"time"

	"tolem/domain"
)

// The phases of journal rows. A money call has a started row, committed before
// its first byte, and an outcome row; a call that moves nothing has one row.
const (
	phaseCall    = "call"
	phaseStarted = "started"
	phaseOutcome = "outcome"
	phaseEvent   = "event"
)

// journalRow is one row of the append-only journal.
type journalRow struct {
	ID            int64 `gorm:"primaryKey"`
	Process       string
	Phase         string
	StartedID     *int64
	Call          string
	Step          int
	Attempt       int
	Execution     string
	Cause         domain.Cause
	Waited        time.Duration
	At            Timestamp
	Duration      int64  // microseconds
	BodySHA256    string `gorm:"column:body_sha256"`
	Outcome       string
	Failure       string
	HTTPStatus    int `gorm:"column:http_status"`
	ResultCode    *domain.Code
	ResultMessage string
	ActionID      *int64 // the order that an event followed
	TraceID       string `gorm:"column:trace_id"` // the partner's own name of the call
	EventID       *int64 // the contract's event that a call, or an action, was about
	Dropped       string // fields of the answer that could not be read and decide nothing
}

// TableName is journal.
func (journalRow) TableName() string { return "journal" }

func (c Call) row(phase string) journalRow {
	row := journalRow{
		Process: c.Process, Phase: phase, Call: c.Name, Step: c.Step, Attempt: c.Attempt,
		Execution: c.Execution, Cause: c.Cause, Waited: c.Waited, At: At(c.At), BodySHA256: Digest(c.Body),
	}
	if c.EventID != 0 {
		row.EventID = &c.EventID
	}
	return row
}

func (o Outcome) fill(row *journalRow) {
	row.Duration = o.Duration.Microseconds()
	row.Outcome, row.Failure, row.HTTPStatus, row.Dropped = o.Kind, o.FailureText(), o.HTTPStatus, o.Dropped
	row.ResultCode, row.ResultMessage, row.TraceID = o.Code, o.Message, o.TraceID
}

// Attempt is one call to a partner, its two journal rows read as one.
type Attempt struct {
	ID            int64 // journal id of the row that began it; grows with time
	Call          string
	Attempt       int
	Cause         domain.Cause
	Waited        time.Duration
	At            Timestamp
	Reported      bool      // false: no execution lived to report the outcome, so it is unknown
	ReportedID    int64     // journal id of the row that has its outcome; 0 while it is not reported
	ReportedAt    Timestamp // when the outcome was known
	Duration      time.Duration
	BodySHA256    string
	Outcome       string // answered, or a domain.Kind; unknown while not reported
	Failure       string // a stable word, and of an unreadable answer the field that failed
	HTTPStatus    int
	ResultCode    *domain.Code
	ResultMessage string
	TraceID       string // the partner's own name of the call; "" when it gives none
	Dropped       string // fields of the answer that could not be read and decide nothing
}

// Attempts reads a process's calls in the order they were begun, at most limit
// of them with an ID above after. It is empty for a process without calls and for
// one that does not exist.
func (l *Ledger) Attempts(ctx context.Context, process string, after int64, limit int) ([]Attempt, error) {
	db := l.db.WithContext(ctx)
	var begun, outcomes []journalRow
	err := db.Where("process = ? AND phase IN ? AND id > ?", process, []string{phaseCall, phaseStarted}, after).
		Order("id").Limit(limit).Find(&begun).Error
	if err == nil {
		err = db.Where("process = ? AND phase = ?", process, phaseOutcome).Order("id").Find(&outcomes).Error
	}
	if err != nil {
		return nil, fmt.Errorf("read attempts of %s: %w", process, err)
	}
	reported := outcomesOf(outcomes)
	attempts := make([]Attempt, 0, len(begun))
	for _, b := range begun {
		attempts = append(attempts, b.attempt(reported))
	}
	return attempts, nil
}

// outcomesOf are the outcomes among some rows, by the started rows that they belong to.
func outcomesOf(rows []journalRow) map[int64]journalRow {
	outcomes := map[int64]journalRow{}
	for _, r := range rows {
		if r.Phase == phaseOutcome && r.StartedID != nil {
			outcomes[*r.StartedID] = r
		}
	}
	return outcomes
}

func (r journalRow) attempt(reported map[int64]journalRow) Attempt {
	a := Attempt{ID: r.ID, Call: r.Call, Attempt: r.Attempt, Cause: r.Cause, Waited: r.Waited, At: r.At, BodySHA256: r.BodySHA256}
	if r.Phase == phaseStarted {
		outcome, ok := reported[r.ID]
		if !ok {
			a.Outcome = string(domain.Unknown)
			return a
		}
		r = outcome
	}
	a.Reported, a.ReportedID = true, r.ID
	a.Duration = time.Duration(r.Duration) * time.Microsecond
	a.ReportedAt = At(r.At.Add(a.Duration))
	a.Outcome, a.Failure, a.HTTPStatus, a.Dropped = r.Outcome, r.Failure, r.HTTPStatus, r.Dropped
	a.ResultCode, a.ResultMessage, a.TraceID = r.ResultCode, r.ResultMessage, r.TraceID
	return a
}
