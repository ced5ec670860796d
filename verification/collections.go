package verification

import (
	"context"
	"fmt"

	"tolem/domain"
	"tolem/storage"
)

func (v *verifier) contracts(ctx context.Context) error {
	return v.Ledger.EachContract(ctx, func(r storage.CollectionRecord) error { return v.contract(ctx, r) })
}

// contract checks one loan contract: its payment orders, and what Loxon was notified of.
func (v *verifier) contract(ctx context.Context, r storage.CollectionRecord) error {
	id := r.Contract.WorkflowID()
	counted, unsent := 0, v.events(r)
	for i, o := range r.Orders {
		counted += o.Attempts
		if !excused(r.ProcessRecord) {
			v.report.expect(StateFollows, id, paymentOrderProblem(o, r.Statuses, i == len(r.Orders)-1))
		}
		if i < len(r.Orders)-1 {
			v.report.seen("payment order", string(o.State), o.State.Terminal())
		}
	}
	v.closedByPeople(r)
	v.report.Calls += len(r.Calls)
	v.report.check(Journalled, id, len(r.Calls) >= counted, "%d calls are counted and %d are in the journal", counted, len(r.Calls))
	if len(r.Orders) == 0 {
		v.report.check(StateFollows, id, false, "a contract without a payment order")
		return nil
	}
	last := r.Orders[len(r.Orders)-1]
	v.flagged(id, last.NeedsOperator, r.ProcessRecord)
	err := v.restored(ctx, restoredRow{id, last.Restored, last.RestoredEpoch, last.CreatedAt, last.State.Terminal(), last.State == domain.PaymentOrderClosed}, r.ProcessRecord)
	if err != nil {
		return err
	}
	changed := latest(&last.UpdatedAt)
	if n := len(r.Statuses); n > 0 {
		changed = latest(&last.UpdatedAt, &r.Statuses[n-1].ReceivedAt)
	}
	return v.process(ctx, "payment order", id, string(last.State), last.State.Terminal() && unsent == 0, changed)
}

// paymentOrderProblem says why a payment order is not where the domain's moves take it, one
// status after the other in the order of their arrival; "" when it is.
func paymentOrderProblem(o storage.PaymentOrder, statuses []storage.PaymentOrderEvent, last bool) string {
	reached, sum := domain.PaymentOrderGathering, domain.Money(0)
	late := domain.Money(0) // executed although it is closed
	for _, e := range statuses {
		if e.OrderID != o.ID {
			continue
		}
		sum += e.PaidIncrement
		if e.StateAfter == domain.PaymentOrderClosed || o.SentAt == nil {
			late += e.PaidIncrement
		}
		after, verdict := moved(reached, o, e)
		if verdict != e.Verdict || verdict == domain.StatusTaken && e.Status != domain.StatusRequestSent && after != e.StateAfter {
			return fmt.Sprintf("%s: %q is %s and leads from %s to %s, and by its moves it is %s and leads to %s",
				o.OrderRef, e.Status, e.Verdict, reached, e.StateAfter, verdict, after)
		}
		reached = after
	}
	if o.State == domain.PaymentOrderClosed { // by two people, from wherever it was
		reached = o.State
	}
	switch {
	case o.Reached != reached, o.SentAt != nil && o.State != reached:
		return fmt.Sprintf("%s is %s, and its statuses lead to %s", o.OrderRef, o.State, reached)
	case o.SentAt == nil && o.State != domain.PaymentOrderClosed && o.State != domain.PaymentOrderGathering:
		return fmt.Sprintf("%s is %s, and its request was not sent", o.OrderRef, o.State)
	case o.State == domain.PaymentOrderClosed && late > 0:
		return fmt.Sprintf("%s is closed, and the client's bank executed it all the same", o.OrderRef)
	case sum != o.Paid:
		return fmt.Sprintf("%s: its executions add up to another sum than its row says", o.OrderRef)
	case o.State == domain.PaymentOrderExecuted && o.Paid < o.Amount:
		return fmt.Sprintf("%s is executed, and not paid in full", o.OrderRef)
	case !last && !o.State.Terminal():
		return fmt.Sprintf("%s is %s, and another payment order followed it", o.OrderRef, o.State)
	}
	return ""
}

// moved is where a status takes a payment order, and what becomes of the status, by the
// domain's moves. Whether an execution was in full its event says; the sums are checked
// apart. Executions of an order that two people closed are taken and leave it closed.
func moved(reached domain.PaymentOrderState, o storage.PaymentOrder, e storage.PaymentOrderEvent) (domain.PaymentOrderState, domain.StatusVerdict) {
	if e.Status == domain.StatusRequestSent {
		if reached == domain.PaymentOrderGathering {
			reached = domain.PaymentOrderSent
		}
		return reached, domain.StatusTaken
	}
	after, verdict := reached.After(e.Status, e.StateAfter == domain.PaymentOrderExecuted)
	if o.State == domain.PaymentOrderClosed && e.StateAfter == domain.PaymentOrderClosed {
		_, verdict = domain.PaymentOrderClosed.After(e.Status, false)
		return domain.PaymentOrderClosed, verdict
	}
	return after, verdict
}

// closedByPeople checks that two people closed what is closed.
func (v *verifier) closedByPeople(r storage.CollectionRecord) {
	for _, o := range r.Orders {
		if o.State == domain.PaymentOrderClosed {
			v.report.expect(TwoPeople, r.Contract.WorkflowID(), approval{
				event: string(domain.EffectClosed), action: domain.ActionClose, effect: domain.EffectClosed,
				undone: []string{string(domain.EffectDeclined)},
			}.wants(about(r.ProcessRecord, func(a storage.Action) bool {
				return a.EventID == nil && (a.PaymentOrder == nil || *a.PaymentOrder == o.ID) // older ones name none
			})))
		}
	}
}
