package storage

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"gorm.io/gorm"

	"tolem/domain"
)

// asideLasts is how long a first person's proposal to set an event aside waits for a second
// one; nothing is sent meanwhile.
const asideLasts = 24 * time.Hour

// sendSettles is after how long what an attempt wrote has reached the broker or never will:
// longer than the time-outs of a write and of its activity together. The topic is read after
// it.
const sendSettles = time.Minute

// CallTell is the journal's name of publishing an event.
const CallTell = "tell"

// asideOpen says whether a proposal to set the event aside waits for a second person.
func (e PaymentOrderEvent) asideOpen(now time.Time) bool {
	return e.AsideAction != nil && e.SetAsideAt == nil && e.ToldAt == nil && e.AsideUntil.After(now)
}

// setAside is what a person's action on an unsent event does: the first one's waits for a
// second one's, whose takes the event out of what is published. An event that may have been
// published is set aside only after the topic was read and did not hold it.
func setAside(tx *gorm.DB, a acting) (domain.Effect, error) {
	e, err := contractEvent(tx, a.order.Contract, a.ask.Event)
	if err != nil {
		return "", err
	}
	switch {
	case e.ToldAt != nil:
		return "", ErrActionRefused{domain.RefusalEventPublished}
	case e.SetAsideAt != nil:
		return "", ErrActionRefused{domain.RefusalEventSetAside}
	case e.Seq == nil:
		return "", ErrActionRefused{domain.RefusalEventNotDue}
	case !e.asideOpen(a.action.RequestedAt.Time):
		return domain.EffectProposed, tx.Model(&e).Updates(map[string]any{
			"aside_action": a.action.ID, "aside_caller": a.action.Caller, "aside_until": At(a.action.RequestedAt.Add(asideLasts)),
		}).Error
	case e.AsideCaller == a.action.Caller:
		return "", ErrActionRefused{domain.RefusalSecondOperator}
	}
	last, err := lastAttempt(tx, e)
	if err != nil {
		return "", err
	}
	if last.made && e.AbsentAt == nil {
		return "", ErrActionRefused{domain.RefusalTopicNotRead}
	}
	aside := tx.Model(&e).Where(unsent).Updates(map[string]any{"set_aside_at": At(time.Now()), "aside_until": nil})
	switch {
	case aside.Error != nil:
		return "", aside.Error
	case aside.RowsAffected == 0: // published at this moment, by an attempt from before
		return "", ErrActionRefused{domain.RefusalEventPublished}
	}
	return domain.EffectSetAside, settleTold(tx, e.Contract)
}

// contractEvent reads an event of a contract; ErrNoEvent when it has no such event.
func contractEvent(tx *gorm.DB, contract domain.ContractNumber, id int64) (PaymentOrderEvent, error) {
	e, err := one[PaymentOrderEvent](tx.Where("id = ? AND contract = ?", id, contract), "event")
	if errors.Is(err, ErrNotFound) {
		err = ErrNoEvent
	}
	return e, err
}

// decline takes back what waits for a second person: the proposal to set the named event
// aside, or, where none is named, all that is proposed for the contract. Nothing else changes.
func decline(tx *gorm.DB, a acting) (domain.Effect, error) {
	o, now := a.order, a.action.RequestedAt.Time
	proposed := tx.Where("contract = ? AND aside_action IS NOT NULL AND aside_until >= ? AND "+unsent, o.Contract, At(now))
	if a.ask.Event != 0 {
		if _, err := contractEvent(tx, o.Contract, a.ask.Event); err != nil {
			return "", err
		}
		proposed = proposed.Where("id = ?", a.ask.Event)
	}
	declined := proposed.Model(&PaymentOrderEvent{}).Updates(map[string]any{"aside_action": nil, "aside_caller": "", "aside_until": nil})
	if declined.Error != nil {
		return "", declined.Error
	}
	closes := a.ask.Event == 0 && o.CloseAction != nil && !o.CloseUntil.Before(now)
	switch {
	case closes:
		_, err := writePaymentOrder(tx, o.ID, map[string]any{"close_action": nil, "close_until": nil, "close_caller": ""})
		return domain.EffectDeclined, err
	case declined.RowsAffected == 0:
		return "", ErrActionRefused{domain.RefusalNotProposed}
	}
	return domain.EffectDeclined, nil
}

// madeAttempt is the last attempt to publish an event.
type madeAttempt struct {
	made    bool
	id      int64      // journal id of its started row; 0 where an older ledger did not link it
	settles *Timestamp // when what it wrote is in the topic or never will be; nil when the broker certainly refused each
}

// lastAttempt reads what was tried to publish an event. Its bytes are fixed with its first
// started row, in one transaction, so that it is attempted from then on.
func lastAttempt(tx *gorm.DB, e PaymentOrderEvent) (last madeAttempt, err error) {
	var started []journalRow
	err = tx.Where("process = ? AND call = ? AND phase = ? AND (event_id = ? OR event_id IS NULL)", e.Contract.WorkflowID(), CallTell, phaseStarted, e.ID).
		Order("id").Find(&started).Error
	if err != nil {
		return last, err
	}
	linked := slices.ContainsFunc(started, func(r journalRow) bool { return r.EventID != nil })
	if last.made = linked || e.Message != nil; !last.made {
		return last, nil
	}
	var refused []int64 // certainly not stored
	err = tx.Model(&journalRow{}).Where("process = ? AND call = ? AND phase = ? AND outcome = ?", e.Contract.WorkflowID(), CallTell, phaseOutcome, domain.Invalid).
		Pluck("started_id", &refused).Error
	for _, s := range started {
		if s.EventID != nil {
			last.id = s.ID
		}
		if !slices.Contains(refused, s.ID) {
			settles := At(s.At.Add(sendSettles))
			last.settles = &settles
		}
	}
	return last, err
}

// skippedBefore are the numbers that were set aside directly before an event, as its header
// names them: "3,4", or "".
func skippedBefore(tx *gorm.DB, e PaymentOrderEvent) (string, error) {
	var seqs []int64
	err := tx.Raw(`SELECT seq FROM payment_order_events WHERE contract = ? AND seq < ? AND set_aside_at IS NOT NULL
		AND seq > (SELECT COALESCE(max(seq), 0) FROM payment_order_events WHERE contract = ? AND seq < ? AND set_aside_at IS NULL) ORDER BY seq`,
		e.Contract, *e.Seq, e.Contract, *e.Seq).Scan(&seqs).Error
	texts := make([]string, len(seqs))
	for i, seq := range seqs {
		texts[i] = strconv.FormatInt(seq, 10)
	}
	return strings.Join(texts, ","), err
}

// SoughtEvent is an event that people want to set aside and that may have been published: the
// topic is to be read for it.
type SoughtEvent struct {
	Event  int64
	Seq    int64
	At     time.Time // not before then: what the last attempt wrote may still be under way
	latest int64     // journal id of that attempt
}

// SoughtEvents reads a contract's, in the order of their numbers.
func (l *Ledger) SoughtEvents(ctx context.Context, contract domain.ContractNumber) ([]SoughtEvent, error) {
	sought, err := soughtEvents(l.db.WithContext(ctx), contract)
	if err != nil {
		return nil, fmt.Errorf("read what to look for of %s: %w", contract.WorkflowID(), err)
	}
	return sought, nil
}

func soughtEvents(tx *gorm.DB, contract domain.ContractNumber) (sought []SoughtEvent, err error) {
	var proposed []PaymentOrderEvent
	now := time.Now()
	err = tx.Where("contract = ? AND absent_at IS NULL AND aside_until > ? AND "+unsent, contract, At(now)).Order("seq").Find(&proposed).Error
	if err != nil {
		return nil, err
	}
	for _, e := range proposed {
		last, err := lastAttempt(tx, e)
		if err != nil {
			return nil, err
		}
		if !last.made {
			continue
		}
		s := SoughtEvent{Event: e.ID, Seq: *e.Seq, At: e.ReceivedAt.Time, latest: last.id}
		if last.settles != nil {
			s.At = last.settles.Time
		}
		sought = append(sought, s)
	}
	return sought, nil
}

// readProposed reads until when a contract's oldest unsent event waits for a second person, and
// from when on the topic is to be read for one.
func readProposed(tx *gorm.DB, contract domain.ContractNumber) (until *Timestamp, seekAt *time.Time, err error) {
	oldest, err := one[PaymentOrderEvent](tx.Where("contract = ? AND "+unsent, contract).Order("seq"), "unsent event")
	if errors.Is(err, ErrNotFound) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	if oldest.asideOpen(time.Now()) {
		until = oldest.AsideUntil
	}
	sought, err := soughtEvents(tx, contract)
	for _, s := range sought {
		if seekAt == nil || s.At.Before(*seekAt) {
			seekAt = &s.At
		}
	}
	return until, seekAt, err
}

// TopicSearch is what reading the topic for some events brought.
type TopicSearch struct {
	Contract domain.ContractNumber
	Call     Call
	Outcome  Outcome
	Sought   []SoughtEvent
	Found    map[int64]Place // by event; nil when the topic was not read to its end
	Read     bool
}

// RecordTopicSearch commits what the topic holds: an event that is there is published, one
// that is not may be set aside. It counts for nothing where another attempt was begun
// meanwhile.
func (l *Ledger) RecordTopicSearch(ctx context.Context, s TopicSearch) error {
	err := l.inTransaction(ctx, func(tx *gorm.DB) error {
		if _, err := lockContract(tx, s.Contract); err != nil {
			return err
		}
		if err := s.Outcome.journal(tx, s.Call, 0); err != nil || !s.Read {
			return err
		}
		for _, sought := range s.Sought {
			e, err := contractEvent(tx, s.Contract, sought.Event)
			if err != nil {
				return err
			}
			if place, there := s.Found[e.ID]; there {
				if err := published(tx, e, place, At(s.Call.At)); err != nil {
					return err
				}
				continue
			}
			last, err := lastAttempt(tx, e)
			if err != nil || last.id != sought.latest {
				return err
			}
			if err := tx.Model(&e).Where(unsent).Update("absent_at", At(time.Now())).Error; err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("record what the topic holds of %s: %w", s.Contract.WorkflowID(), err)
	}
	return nil
}

// published notes where the broker has an event, once: what comes later changes nothing. One
// that two people had set aside all the same is an incident: the topic holds what a later
// event says was skipped.
func published(tx *gorm.DB, e PaymentOrderEvent, place Place, at Timestamp) error {
	noted := tx.Model(&PaymentOrderEvent{}).Where("id = ? AND told_at IS NULL", e.ID).Updates(map[string]any{
		"topic": place.Topic, "topic_partition": place.Partition, "topic_offset": place.Offset, "told_at": at, "aside_until": nil,
	})
	if noted.Error != nil || noted.RowsAffected == 0 {
		return noted.Error
	}
	var aside int64
	if err := tx.Model(&PaymentOrderEvent{}).Where("id = ? AND set_aside_at IS NOT NULL", e.ID).Count(&aside).Error; err != nil {
		return err
	}
	if aside > 0 {
		return raise(tx, contractSubject(e.Contract), domain.ReasonPublishedAside, fmt.Sprintf("event %d at %s/%d/%d", e.ID, place.Topic, place.Partition, place.Offset))
	}
	return settleTold(tx, e.Contract)
}
