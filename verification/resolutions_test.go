package verification

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tolem/domain"
	"tolem/storage"
)

const (
	sale  domain.StoreOrderID  = "17/1"
	goods domain.StoreReturnID = "back-1"
)

// word is a person's action on an order or a return, which the ledger carries out.
func (b *books) word(process, who string, action domain.Action, outcome string) storage.Action {
	b.keys++
	key := fmt.Sprint("key-", b.keys)
	return storage.Action{
		Process: process, Action: action, Outcome: domain.State(outcome), Caller: who, IdempotencyKey: key, RequestSHA256: key,
		Reason: "why", Evidence: "letter 17-3/204", RequestedAt: storage.At(time.Now()),
	}
}

// keepResolvedSale keeps an order whose create nobody answered, and that two people ended;
// one more person had declined what was proposed before.
func keepResolvedSale(outcome domain.OrderState) func(*books) string {
	return func(b *books) string {
		b.Helper()
		process := sale.WorkflowID()
		_, _, err := b.AcceptOrder(b.Context(), storage.InstalmentOrder{
			ID: sale, Caller: "till", RequestSHA256: "x", Request: "{}", TotalSum: 1000, CallbackToken: "t", CreateBody: []byte("{}"),
			RetryInitial: time.Second, RetryFactorMilli: 2000, CreatedAt: storage.At(time.Now()),
		})
		b.do(err)
		_, err = b.BeginOrderCall(b.Context(), storage.OrderCall{
			ID: sale, To: domain.OrderCreating, From: []domain.OrderState{domain.OrderAccepted},
			Call: storage.Call{Process: process, Name: "create", Step: 1, Cause: domain.CauseScheduled, At: time.Now(), Body: []byte("{}")},
		})
		b.do(err)
		for _, w := range []storage.Action{
			b.word(process, "dina", domain.ActionResolve, string(outcome)), b.word(process, "ayan", domain.ActionDecline, ""),
			b.word(process, "ayan", domain.ActionResolve, string(outcome)), b.word(process, "dina", domain.ActionResolve, string(outcome)),
		} {
			_, _, _, err := b.ActOnOrder(b.Context(), sale, w)
			b.do(err)
		}
		return process
	}
}

// keepResolvedReturn keeps a return that two people ended before it was ever sent.
func keepResolvedReturn(b *books) string {
	b.Helper()
	keepResolvedSale(domain.OrderPaidOut)(b)
	_, created, err := b.AcceptReturn(b.Context(), storage.OrderReturn{
		OrderID: sale, ID: goods, Caller: "till", RequestSHA256: "x", Sum: 100, Body: []byte("{}"),
		RetryInitial: time.Second, RetryFactorMilli: 2000, CreatedAt: storage.At(time.Now()),
	})
	b.do(err)
	require.True(b, created)
	process := sale.ReturnWorkflowID(goods)
	for _, who := range []string{"ayan", "dina"} {
		_, _, _, err := b.ActOnReturn(b.Context(), sale, goods, b.word(process, who, domain.ActionResolve, string(domain.ReturnFailed)))
		b.do(err)
	}
	return process
}

// An order, or a return, that people ended was ended by two of them, on evidence.
func TestResolvedInstalments(t *testing.T) {
	t.Parallel()
	run(t, map[string]planted{
		"failed":   {keep: keepResolvedSale(domain.OrderFailed)},
		"paid out": {keep: keepResolvedSale(domain.OrderPaidOut)},
		"a return": {keep: keepResolvedReturn},

		"by one person": {keepResolvedSale(domain.OrderFailed), func(b *books, _ string) {
			b.plant(`UPDATE actions SET caller = 'ayan' WHERE caller = 'dina'`)
		}, TwoPeople},
		"without the second action": {keepResolvedSale(domain.OrderFailed), func(b *books, _ string) {
			b.plant(`DELETE FROM actions WHERE effect = 'resolved'`)
		}, TwoPeople},
		"without evidence": {keepResolvedSale(domain.OrderPaidOut), func(b *books, _ string) {
			b.plant(`UPDATE actions SET evidence = '' WHERE caller = 'dina'`)
		}, TwoPeople},
		"after the proposal was declined": {keepResolvedSale(domain.OrderPaidOut), func(b *books, _ string) {
			b.plant(`UPDATE journal SET id = 1000 WHERE call = 'declined'`)
			b.plant(`UPDATE journal SET id = 1001 WHERE call = 'resolved'`)
		}, TwoPeople},
		"otherwise than they said": {keepResolvedSale(domain.OrderPaidOut), func(b *books, _ string) {
			b.plant(`UPDATE instalment_orders SET state = 'failed', fail_reason = 'resolved'`)
		}, TwoPeople},
		"by nobody": {keepResolvedSale(domain.OrderFailed), func(b *books, _ string) {
			b.plant(`DELETE FROM journal WHERE call IN ('proposed', 'resolved')`)
		}, TwoPeople},
		"a return by one person": {keepResolvedReturn, func(b *books, process string) {
			b.plant(`UPDATE actions SET caller = 'ayan' WHERE process = ?`, process)
		}, TwoPeople},
	})
}
