package storage

import (
	"context"
	"fmt"

	"gorm.io/gorm"

	"tolem/domain"
)

// RepeatsUnreadable says whether an answer that could not be read failed as the answer to the
// process's last call of this name did: then asking once more is not likely to change it.
// Digests of answers are not compared: two of them may differ in a time.
func (l *Ledger) RepeatsUnreadable(ctx context.Context, c Call, o Outcome) (bool, error) {
	if !o.Unreadable {
		return false, nil
	}
	last, err := lastReported(l.db.WithContext(ctx), c, 1)
	if err != nil {
		return false, fmt.Errorf("read the last %s of %s: %w", c.Name, c.Process, err)
	}
	return len(last) == 1 && last[0].unreadable() && last[0].Failure == o.FailureText(), nil
}

// lastReported are the last outcomes of a process's calls of one name, the latest first.
func lastReported(tx *gorm.DB, c Call, n int) (rows []journalRow, err error) {
	err = tx.Where("process = ? AND call = ? AND phase IN ?", c.Process, c.Name, []string{phaseCall, phaseOutcome}).
		Order("id DESC").Limit(n).Find(&rows).Error
	return rows, err
}

// unreadable says that a row may be one of an unreadable answer: a connection that broke
// within one looks alike.
func (r journalRow) unreadable() bool {
	return r.Outcome != Answered && r.HTTPStatus >= 200 && r.HTTPStatus <= 299
}

// readable closes the incident of an unreadable answer, if the process is flagged and the
// call, whose outcome is in the journal already, can be read once more.
func (o Outcome) readable(tx *gorm.DB, s subject, c Call, flagged bool) error {
	if !flagged || o.Kind != Answered {
		return nil
	}
	last, err := lastReported(tx, c, 2)
	if err != nil || len(last) < 2 || !last[1].unreadable() {
		return err
	}
	return settle(tx, s, reasons(domain.ReasonUnreadableAnswer))
}
