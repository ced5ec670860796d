package storage

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gorm.io/gorm"

	"tolem/domain"
)

// Destination is what the ledger knows of where a contract's next event goes.
type Destination struct {
	// Partition is that of the contract's earlier events in the topic; nil when it has none.
	Partition *int
	// Stored are places that the topic has to hold: of the contract's first event in it, and of
	// the last one of all contracts.
	Stored []Place
}

// Destination reads where the contract's next event goes in a topic. What people accepted that
// the topic lacks counts no more: see domain.ReasonTopicChanged.
func (l *Ledger) Destination(ctx context.Context, contract domain.ContractNumber, topic string) (Destination, error) {
	d, err := destination(l.db.WithContext(ctx), contract, topic)
	if err != nil {
		return d, fmt.Errorf("read the partition of %s: %w", contract.WorkflowID(), err)
	}
	return d, nil
}

func destination(tx *gorm.DB, contract domain.ContractNumber, topic string) (d Destination, err error) {
	var accepted int64
	err = tx.Raw(`SELECT COALESCE(max(at), 0) FROM incident_entries WHERE reason = 'topic_changed' AND entry = 'closed' AND caller <> ''`).Scan(&accepted).Error
	if err != nil {
		return d, err
	}
	first, err := one[PaymentOrderEvent](tx.Where("contract = ? AND topic = ? AND told_at > ?", contract, topic, accepted).Order("seq"), "first published event")
	switch {
	case err == nil:
		d.Partition, d.Stored = &first.TopicPartition, append(d.Stored, first.place())
	case !errors.Is(err, ErrNotFound):
		return d, err
	}
	last, err := one[PaymentOrderEvent](tx.Where("topic = ? AND told_at > ?", topic, accepted).Order("told_at DESC"), "last published event")
	switch {
	case err == nil:
		d.Stored = append(d.Stored, last.place())
	case !errors.Is(err, ErrNotFound):
		return d, err
	}
	if d.Partition != nil {
		return d, nil
	}
	placed, err := one[PaymentOrderEvent](tx.Where("contract = ? AND topic = ? AND placed_at > ? AND "+unsent, contract, topic, accepted).Order("seq"), "placed event")
	switch {
	case err == nil:
		d.Partition = &placed.TopicPartition
	case !errors.Is(err, ErrNotFound):
		return d, err
	}
	return d, nil
}

// place is where the broker keeps a published event.
func (e PaymentOrderEvent) place() Place {
	return Place{Topic: e.Topic, Partition: e.TopicPartition, Offset: e.TopicOffset}
}

// PlaceFirst commits, before its first attempt, which partition the contract's first event in a
// topic goes to. It returns the one that it has: another process may have chosen before.
func (l *Ledger) PlaceFirst(ctx context.Context, contract domain.ContractNumber, topic string, partition int) (int, error) {
	err := l.inTransaction(ctx, func(tx *gorm.DB) error {
		if _, err := lockContract(tx, contract); err != nil {
			return err
		}
		d, err := destination(tx, contract, topic)
		if err != nil {
			return err
		}
		if d.Partition != nil {
			partition = *d.Partition
			return nil
		}
		e, err := one[PaymentOrderEvent](tx.Where("contract = ? AND "+unsent, contract).Order("seq"), "unsent event")
		if errors.Is(err, ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		return tx.Model(&e).Updates(map[string]any{"topic": topic, "topic_partition": partition, "placed_at": At(time.Now())}).Error
	})
	if err != nil {
		return 0, fmt.Errorf("place the first event of %s: %w", contract.WorkflowID(), err)
	}
	return partition, nil
}

// TopicChanged has a person look at a contract of which nothing is sent, because the topic lacks
// what it held: an incident that closes itself once an event is published, and whose closing by
// a person says that the topic is right as it is.
func (l *Ledger) TopicChanged(ctx context.Context, contract domain.ContractNumber, evidence string) error {
	return l.raiseAlone(ctx, contractSubject(contract), domain.ReasonTopicChanged, evidence)
}
