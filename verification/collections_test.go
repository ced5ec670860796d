package verification

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tolem/domain"
	"tolem/partners/loxon"
	"tolem/storage"
)

const contract domain.ContractNumber = "KD/7"

// demand is a payment order that a test moves, and the topic that it is published in.
type demand struct {
	*books
	keys   int
	at     time.Time // of what was reported
	offset int64     // of the next record of the topic
}

// reports takes a loan of 1000 in, some time ago.
func (b *books) reports(ago time.Duration) *demand {
	b.Helper()
	d := &demand{books: b, at: time.Now().Add(-ago)}
	b.topic = newTopic()
	taken, err := b.TakeLoans(b.Context(), storage.LoanBatch{Caller: "eko", Day: "2026-02-17", Digest: "d", At: d.at, Loans: []storage.Loan{{
		Contract: contract, LoanNumber: "KD1", IBAN: "KZ000000000000000000", Currency: "KZT", FullName: "Тестовый Тест", IINBIN: "000000000000", System: "way4", Debt: 1000, OverdueDays: 90,
	}}})
	b.do(err)
	require.Equal(b, 1, taken.Begun)
	return d
}

func (d *demand) row() storage.PaymentOrder {
	d.Helper()
	o, err := d.PaymentOrder(d.Context(), contract)
	d.do(err)
	return o
}

// sends completes the dossier and stores that the request was sent.
func (d *demand) sends() *demand {
	d.Helper()
	o := d.row()
	for _, part := range domain.DossierParts() {
		d.do(d.RecordPart(d.Context(), storage.GatheredPart{
			Contract: contract, Call: storage.Call{Process: contract.WorkflowID(), Name: string(part), At: d.at, Cause: domain.CauseScheduled},
			Outcome: storage.Outcome{Kind: storage.Answered}, Item: storage.DossierItem{OrderID: o.ID, Part: part, State: domain.PartGot, UpdatedAt: storage.At(d.at)},
		}))
	}
	sent, err := d.SendRequest(d.Context(), contract, o.ID, d.at)
	d.do(err)
	require.True(d, sent)
	return d
}

// is reports a status; paid belongs to an execution.
func (d *demand) is(s domain.PaymentOrderStatus, paid domain.Money) *demand {
	d.Helper()
	d.keys++
	_, _, created, err := d.ReportStatus(d.Context(), storage.ReportedStatus{
		OrderID: d.row().ID, Contract: contract, Caller: "bank", Key: fmt.Sprint("event-", d.keys), RequestSHA256: fmt.Sprint(s, paid), Status: s, PaidIncrement: paid, EventAt: d.at, At: d.at,
	})
	d.do(err)
	require.True(d, created)
	return d
}

// publishes publishes n events.
func (d *demand) publishes(n int) *demand {
	d.Helper()
	for range n {
		c := storage.Call{Process: contract.WorkflowID(), Name: "tell", Cause: domain.CauseScheduled, At: d.at}
		told, err := d.BeginTelling(d.Context(), contract, c, func(e storage.PaymentOrderEvent, _ storage.PaymentOrder) ([]byte, error) {
			return []byte(fmt.Sprint("event ", *e.Seq)), nil
		})
		d.do(err)
		require.True(d, told.OK)
		c.Attempt, c.Body = told.Attempt, told.Event.Message
		d.do(d.RecordTelling(d.Context(), storage.Telling{
			Contract: contract, Told: told, Call: c, Outcome: storage.Outcome{Kind: storage.Answered}, Place: &storage.Place{Topic: "loxon", Offset: d.offset},
		}))
		d.holds(*told.Event.Seq, string(told.Event.Message))
	}
	return d
}

// holds has the topic hold one more event of the contract.
func (d *demand) holds(seq int64, value string) {
	number := strconv.FormatInt(seq, 10)
	(&verifier{report: newReport()}).take(d.topic, loxon.Record{
		Key: string(contract), Value: []byte(value), EventID: string(contract) + "/" + number, Seq: number, ProcessID: contract.WorkflowID(), Receipt: loxon.Receipt{Offset: d.offset},
	})
	d.offset++
}

func (d *demand) process() string { return contract.WorkflowID() }

// Collections as Tolem keeps them.
var (
	keepSent     = func(b *books) string { return b.reports(time.Hour).sends().publishes(1).process() }
	keepExecuted = func(b *books) string {
		return b.reports(time.Hour).sends().is(domain.StatusActivated, 0).is(domain.StatusExecuted, 400).is(domain.StatusExecuted, 600).publishes(4).process()
	}
)

// forgets takes events from the topic.
func forgets(seqs ...int64) func(*books, string) {
	return func(b *books, _ string) {
		for _, seq := range seqs {
			delete(b.topic.contracts[string(contract)].events, seq)
		}
	}
}

func TestCollectionFindings(t *testing.T) {
	t.Parallel()
	sql := func(statements ...string) func(*books, string) {
		return func(b *books, _ string) {
			for _, s := range statements {
				b.plant(s)
			}
		}
	}
	run(t, map[string]planted{
		"gathering": {keep: func(b *books) string { return b.reports(time.Hour).process() }},
		"executed":  {keep: keepExecuted},
		"not accepted, its last event is sent at this moment": {keep: func(b *books) string {
			return b.reports(0).sends().is(domain.StatusNotAccepted, 0).publishes(1).process()
		}},
		"executed in part while gathering": {keep: func(b *books) string {
			return b.reports(time.Hour).is(domain.StatusAccepted, 0).is(domain.StatusExecuted, 300).sends().publishes(3).process()
		}},
		"a repeated and a refused reversal": {keep: func(b *books) string {
			return b.reports(time.Hour).sends().is(domain.StatusAccepted, 0).is(domain.StatusAccepted, 0).is(domain.StatusReversalNotAccepted, 0).is(domain.StatusReversed, 0).is(domain.StatusReversedBefore, 0).publishes(5).process()
		}},
		"the topic's retention took the first": {keep: keepExecuted, plant: func(b *books, _ string) {
			forgets(1, 2)(b, "")
			b.topic.retained[0] = loxon.Retained{First: 2, End: 4}
		}},

		"reversed, by no status":          {keepExecuted, sql(`UPDATE payment_orders SET state = 'reversed', reached = 'reversed'`), StateFollows},
		"executed, and reached another":   {keepExecuted, sql(`UPDATE payment_orders SET reached = 'part_paid'`), StateFollows},
		"executed, and not paid in full":  {keepExecuted, sql(`UPDATE payment_orders SET amount = 2000`), StateFollows},
		"paid more than its executions":   {keepExecuted, sql(`UPDATE payment_orders SET paid = 2000`), StateFollows},
		"a status that may not follow":    {keepExecuted, sql(`UPDATE payment_order_events SET status = 'payment order reversed', state_after = 'reversed' WHERE seq = 2`), StateFollows},
		"a status that led elsewhere":     {keepExecuted, sql(`UPDATE payment_order_events SET state_after = 'accepted' WHERE seq = 2`), StateFollows},
		"a repeated status that is taken": {keepExecuted, sql(`UPDATE payment_order_events SET status = 'request confirmed', state_after = 'confirmed' WHERE seq = 4`, `UPDATE payment_orders SET paid = 1000`), StateFollows},
		"sent, and no request was sent":   {keepSent, sql(`UPDATE payment_orders SET sent_at = NULL`), StateFollows},

		"a number is missing":            {keepExecuted, sql(`UPDATE collection_contracts SET last_seq = 5`), EventOrder},
		"the first events are missing":   {keepExecuted, forgets(1, 2), EventMissing},
		"an event in between is missing": {keepExecuted, forgets(3), EventMissing},
		"the whole contract is missing": {keepExecuted, func(b *books, _ string) {
			delete(b.topic.contracts, string(contract))
		}, EventMissing},
		"at another place":        {keepExecuted, sql(`UPDATE payment_order_events SET topic_offset = 77 WHERE seq = 3`), EventPlace},
		"in other bytes":          {keepExecuted, sql(`UPDATE payment_order_events SET message = 'x' WHERE seq = 3`), EventBytes},
		"not in the ledger":       {keepSent, func(b *books, _ string) { (&demand{books: b, offset: 1}).holds(2, "x") }, EventKnown},
		"published before others": {keepExecuted, sql(`UPDATE payment_order_events SET told_at = NULL WHERE seq = 2`), EventOrder},
		"the last was never sent": {keepExecuted, func(b *books, _ string) {
			b.plant(`UPDATE payment_order_events SET told_at = NULL WHERE seq = 4`)
			b.plant(`UPDATE payment_orders SET ended_at = ?`, time.Now().Add(-time.Hour).UnixMicro())
			forgets(4)(b, "")
		}, EventsSent},
	})
}
