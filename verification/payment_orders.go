package verification

import (
	"context"
	"crypto/sha256"

	"tolem/domain"
	"tolem/storage"
)

func (v *verifier) contracts(ctx context.Context) error {
	return v.Ledger.EachContract(ctx, func(r storage.CollectionRecord) error {
		id := r.Contract.WorkflowID()
		counted, untold := 0, v.events(r)
		for i, o := range r.Orders {
			counted += o.Attempts
			if i < len(r.Orders)-1 {
				v.report.seen("payment order", string(o.State), o.State.Terminal())
				v.report.check(StateFollows, id, o.State.Terminal(), "an earlier payment order is %s", o.State)
			}
		}
		v.report.Calls += len(r.Calls)
		v.report.check(Journalled, id, len(r.Calls) >= counted, "%d calls are counted and %d are in the journal", counted, len(r.Calls))
		if len(r.Orders) == 0 {
			v.report.check(StateFollows, id, false, "a contract without a payment order")
			return nil
		}
		last := r.Orders[len(r.Orders)-1]
		v.executed(id, last, r.Events)
		changed := last.UpdatedAt.Time
		if n := len(r.Events); n > 0 && r.Events[n-1].ReceivedAt.After(changed) {
			changed = r.Events[n-1].ReceivedAt.Time
		}
		return v.process(ctx, "payment order", id, string(last.State), last.State.Terminal() && untold == 0, changed)
	})
}

// events checks that a contract's events are numbered without gap, told where the topic has
// them, and in the same bytes. untold are those that Loxon does not have yet.
func (v *verifier) events(r storage.CollectionRecord) (untold int) {
	id, numbered := r.Contract.WorkflowID(), map[int64]bool{}
	for _, e := range r.Events {
		if e.Seq == nil {
			continue
		}
		numbered[*e.Seq] = true
		if e.ToldAt == nil {
			untold++
			continue
		}
		if v.topic != nil {
			v.told(id, r.Contract, e)
		}
	}
	gaps := 0
	for seq := int64(1); seq <= r.LastSeq; seq++ {
		if !numbered[seq] {
			gaps++
		}
	}
	v.report.check(EventOrder, id, gaps == 0 && int64(len(numbered)) == r.LastSeq, "of %d event numbers %d are missing and %d are there", r.LastSeq, gaps, len(numbered))
	if v.AllEnded {
		v.report.check(Ended, id, untold == 0, "%d events are not told", untold)
	}
	return untold
}

// told checks one event that the ledger has as told against the topic.
func (v *verifier) told(id string, contract domain.ContractNumber, e storage.PaymentOrderEvent) {
	if e.TopicOffset < v.topic.retained[e.TopicPartition].First {
		return // the topic's retention took it
	}
	digest, there := v.topic.places[place{e.TopicPartition, e.TopicOffset}]
	v.report.check(EventPlace, id, there, "event %d is told at partition %d, offset %d, where nothing is", *e.Seq, e.TopicPartition, e.TopicOffset)
	v.report.check(EventBytes, id, !there || digest == sha256.Sum256(e.Message), "event %d is not in the topic as the ledger has it", *e.Seq)
	v.report.check(EventOrder, id, v.topic.last[string(contract)] >= *e.Seq, "event %d is not in the topic under its contract", *e.Seq)
}

// executed checks that a payment order's sum is the sum of its executions, and that an
// executed one is paid in full.
func (v *verifier) executed(id string, o storage.PaymentOrder, events []storage.PaymentOrderEvent) {
	sum := domain.Money(0)
	for _, e := range events {
		if e.OrderID == o.ID {
			sum += e.PaidIncrement
		}
	}
	v.report.check(StateFollows, id, sum == o.Paid, "its executions add up to another sum than its row says")
	if o.State == domain.PaymentOrderExecuted {
		v.report.check(StateFollows, id, o.Paid >= o.Amount, "executed, and not paid in full")
	}
	if o.SentAt == nil {
		v.report.check(StateFollows, id, o.State == domain.PaymentOrderGathering || o.State == domain.PaymentOrderClosed, "%s, and no request was sent", o.State)
	}
}
