package activities

import (
	"context"
	"errors"
	"log/slog"

	"tolem/domain"
	"tolem/partners/loxon"
	"tolem/storage"
)

// destination is where a contract's events go.
type destination struct {
	partition int
	unknown   error // why the broker did not say: the attempt fails with it, and nothing is sent
	changed   bool  // the topic lacks what it held: a person was asked to look
}

// destination finds the partition of the contract's events and keeps it, before anything is
// sent. The ledger is read before the broker: what it holds then, the topic has to hold. It
// fails only when the ledger does.
func (c *Collection) destination(ctx context.Context, contract domain.ContractNumber) (to destination, err error) {
	if unsent, err := c.Ledger.UnsentEvents(ctx, contract); err != nil || unsent == 0 {
		return to, err
	}
	has, err := c.Ledger.Destination(ctx, contract, c.Topic)
	if err != nil {
		return to, err
	}
	stored := make([]loxon.Receipt, len(has.Stored))
	for i, place := range has.Stored {
		stored[i] = loxon.Receipt{Partition: place.Partition, Offset: place.Offset}
	}
	var changed *loxon.TopicChanged
	to.partition, to.unknown = c.Loxon.Destination(ctx, string(contract), has.Partition, stored)
	switch {
	case errors.As(to.unknown, &changed):
		slog.ErrorContext(ctx, "nothing is sent: Loxon's topic lacks what it held", "process", contract.WorkflowID(), "topic", c.Topic, "evidence", changed.Evidence)
		c.Metrics.attempt(loxon.Partner, storage.CallTell, storage.Outcome{Kind: string(domain.Unavailable), Failure: loxon.ReasonTopicChanged})
		to.changed = true
		return to, c.Ledger.TopicChanged(ctx, contract, changed.Evidence)
	case to.unknown == nil && has.Partition == nil:
		to.partition, err = c.Ledger.PlaceFirst(ctx, contract, c.Topic, to.partition)
	}
	return to, err
}
