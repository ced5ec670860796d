package api_test

import (
	"context"
	"testing"
	"time"

	"tolem/domain"
	"tolem/storage"
)

// ends ends a payment as its process would, with the evidence that this end takes.
func (b *bank) ends(id domain.AgentTransactionID, state domain.State) error {
	ctx := context.Background()
	switch state {
	case domain.StateSucceeded:
		if b.row(id).PaySentAt == nil {
			b.paysNow(id, 20_000, 20_000)
		}
		c := storage.Call{Process: id.WorkflowID(), Name: "pay", Step: 50, At: time.Now(), Body: b.row(id).PayBody}
		begun, err := b.ledger.BeginPay(ctx, c)
		if err != nil {
			return err
		}
		code := domain.CodeSuccess
		_, err = b.ledger.RecordPay(ctx, c, begun.Started, storage.Outcome{Kind: storage.Answered, Code: &code}, storage.After{State: state})
		return err
	case domain.StateExpired:
		expirePayer(b.t, b.ledger, id)
	}
	_, _, err := b.ledger.End(ctx, storage.Ending{PaymentID: id, Step: 99, State: state})
	return err
}

// expirePayer asks the payer once more, with a deadline that has passed.
func expirePayer(t *testing.T, l *storage.Ledger, id domain.AgentTransactionID) {
	t.Helper()
	p, err := l.Payment(context.Background(), id)
	must(t, err)
	code := domain.CodeSuccess
	_, _, err = l.RecordCheck(context.Background(), storage.CheckRecord{
		Call:    storage.Call{Process: id.WorkflowID(), Name: "check", Step: p.Step + 1, At: time.Now(), Body: p.CheckBody},
		Outcome: storage.Outcome{Kind: storage.Answered, Code: &code}, Answer: p.CheckAnswer, Asks: domain.AsksGoAhead,
		After: storage.After{State: domain.StateAwaitingPayer}, PayerUntil: time.Now().Add(-time.Minute),
	})
	must(t, err)
}
