package verification

import (
	"fmt"
	"slices"
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
			Contract: contract, Asked: o.Account(), Call: storage.Call{Process: contract.WorkflowID(), Name: string(part), At: d.at, Cause: domain.CauseScheduled},
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
		Contract: contract, Caller: "bank", Key: fmt.Sprint("event-", d.keys), RequestSHA256: fmt.Sprint(s, paid), Status: s, PaidIncrement: paid, EventAt: d.at, At: d.at,
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
		d.skips(*told.Event.Seq, string(told.Event.Message), told.Event.SkippedSeqs)
	}
	return d
}

// holds has the topic hold one more event of the contract.
func (d *demand) holds(seq int64, value string) { d.skips(seq, value, "") }

// skips has the topic hold one whose header names numbers as set aside.
func (d *demand) skips(seq int64, value, skipped string) {
	number := strconv.FormatInt(seq, 10)
	(&verifier{report: newReport()}).take(d.topic, loxon.Record{
		Key: string(contract), Value: []byte(value), EventID: string(contract) + "/" + number, Seq: number, ProcessID: contract.WorkflowID(), Skipped: skipped, Receipt: loxon.Receipt{Offset: d.offset},
	})
	d.offset++
}

func (d *demand) process() string { return contract.WorkflowID() }

// asides has people ask one after the other to set the event with a number aside.
func (d *demand) asides(seq int64, people ...string) *demand {
	d.Helper()
	events, err := d.PaymentOrderEvents(d.Context(), contract, 0, 100)
	d.do(err)
	i := slices.IndexFunc(events, func(e storage.PaymentOrderEvent) bool { return e.Seq != nil && *e.Seq == seq })
	for _, who := range people {
		d.acts(who, domain.ActionSetAside, events[i].ID)
	}
	return d
}

// acts takes a person's action on the contract.
func (d *demand) acts(who string, a domain.Action, event int64) *demand {
	d.Helper()
	d.keys++
	_, _, _, err := d.ActOnPaymentOrder(d.Context(), contract, storage.Action{Process: contract.WorkflowID(), Action: a, Caller: who,
		IdempotencyKey: fmt.Sprint("action-", d.keys), RequestSHA256: "x", Reason: "r", RequestedAt: storage.At(time.Now())}, storage.PaymentOrderAsk{Event: event})
	d.do(err)
	return d
}

// Collections as Tolem keeps them.
var (
	keepAside = func(b *books) string {
		return b.reports(time.Hour).sends().is(domain.StatusActivated, 0).is(domain.StatusExecuted, 400).is(domain.StatusExecuted, 600).publishes(1).
			asides(2, "aigul", "berik").asides(3, "berik", "aigul").publishes(1).process()
	}
	keepSent     = func(b *books) string { return b.reports(time.Hour).sends().publishes(1).process() }
	keepExecuted = func(b *books) string {
		return b.reports(time.Hour).sends().is(domain.StatusActivated, 0).is(domain.StatusExecuted, 400).is(domain.StatusExecuted, 600).publishes(4).process()
	}
)

// keepClosed keeps a payment order that two people closed.
func keepClosed(b *books) string {
	return b.reports(time.Hour).sends().is(domain.StatusActivated, 0).publishes(2).acts("aigul", domain.ActionClose, 0).acts("berik", domain.ActionClose, 0).process()
}

// keepExecutedAfterClose keeps one that the client's bank executed all the same, as two people
// recorded.
func keepExecutedAfterClose(b *books) string {
	keepClosed(b)
	d := &demand{books: b, at: time.Now(), offset: 2, keys: 9}
	d.is(domain.StatusExecuted, 300).publishes(1)
	b.closes(domain.MoneyMoved, "ayan", "dina")
	return d.process()
}

// publishedAside has the topic hold an event that two people had set aside, as an incident says
// that a person closed.
func publishedAside(b *books, process string) {
	b.topic.contracts[string(contract)].events[2] = &publishedEvent{}
	for _, entry := range []string{"opened", "closed"} {
		b.plant(`INSERT INTO incident_entries (incident, process, subject, part, reason, entry, evidence, caller, why, money, transaction_number, at)
			VALUES (1, 'payment_order', ?, '', 'published_set_aside', ?, '', 'dina', '', '', '', 1)`, string(contract), entry)
	}
}

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

		"two events set aside": {keep: keepAside},
		"the last one set aside": {keep: func(b *books) string {
			return b.reports(time.Hour).sends().is(domain.StatusNotAccepted, 0).publishes(1).asides(2, "aigul", "berik").process()
		}},
		"a set-aside declined, and a close not": {keep: func(b *books) string {
			d := b.reports(time.Hour).sends().is(domain.StatusActivated, 0).publishes(1).acts("aigul", domain.ActionClose, 0).asides(2, "aigul")
			events, err := d.PaymentOrderEvents(d.Context(), contract, 0, 100)
			d.do(err)
			return d.acts("berik", domain.ActionDecline, events[1].ID).acts("berik", domain.ActionClose, 0).publishes(1).process()
		}},
		"executed after it was closed": {keep: func(b *books) string {
			id := b.reports(time.Hour).sends().acts("aigul", domain.ActionClose, 0).acts("berik", domain.ActionClose, 0).is(domain.StatusExecuted, 400).publishes(2).process()
			b.closes(domain.MoneyMoved, "aigul", "berik")
			return id
		}},

		"set aside by nobody":                   {keepAside, sql(`DELETE FROM journal WHERE call = 'set_aside' AND event_id = 2`), TwoPeople},
		"set aside by one":                      {keepAside, sql(`UPDATE actions SET caller = 'one' WHERE action = 'set-aside' AND event_id = 2`), TwoPeople},
		"set aside, and in the topic":           {keepAside, func(b *books, _ string) { b.topic.contracts[string(contract)].events[2] = &publishedEvent{} }, EventKnown},
		"set aside without a look at the topic": {keepAside, sql(`UPDATE payment_order_events SET message = 'x' WHERE seq = 2`), StateFollows},
		"set aside by people, and published":    {keep: keepAside, plant: publishedAside},
		"not named by the next": {keepAside, func(b *books, _ string) {
			b.plant(`UPDATE payment_order_events SET skipped_seqs = '3' WHERE seq = 4`)
			b.topic.contracts[string(contract)].events[4].skipped = "3"
		}, EventOrder},
		"not named in the topic": {keepAside, func(b *books, _ string) {
			b.topic.contracts[string(contract)].events[4].skipped = "3"
		}, EventOrder},

		"closed":                                  {keep: keepClosed},
		"closed by one person":                    {keepClosed, sql(`UPDATE actions SET caller = 'one'`), TwoPeople},
		"closed by nobody":                        {keepSent, sql(`UPDATE payment_orders SET state = 'closed', reached = 'closed'`), TwoPeople},
		"closed by actions on another order":      {keepClosed, sql(`UPDATE actions SET payment_order = 99 WHERE caller = 'berik'`), TwoPeople},
		"executed after it was closed, unnoticed": {keepExecutedAfterClose, sql(`DELETE FROM incident_entries`), StateFollows},

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
