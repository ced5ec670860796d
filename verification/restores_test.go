package verification

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tolem/domain"
	"tolem/storage"
)

// restores runs after-restore for everything up to now, with its gate opened at the end.
func (b *books) restores() {
	b.Helper()
	_, err := b.CloseGate(b.Context(), "test")
	b.do(err)
	_, err = b.HoldRestored(b.Context(), storage.Window{From: time.Now().Add(-2 * time.Hour), To: time.Now()}, 0, false)
	b.do(err)
	_, err = b.Reconcile(b.Context())
	b.do(err)
	b.do(b.Reconciled(b.Context(), "compared"))
}

// restored is a process that a restore holds.
func restored(keep func(*books) string) func(*books) string {
	return func(b *books) string {
		process := keep(b)
		b.restores()
		return process
	}
}

// releases has people release a payment that a restore holds.
func (p *paid) releases(people ...string) *paid {
	p.Helper()
	for _, who := range people {
		p.keys++
		key := fmt.Sprint("key-", p.keys)
		_, _, _, err := p.ReleasePayment(p.Context(), p.id, storage.Action{Process: p.id.WorkflowID(), Action: domain.ActionRelease, Caller: who,
			IdempotencyKey: key, RequestSHA256: key, Reason: "why", RequestedAt: storage.At(time.Now())})
		p.do(err)
	}
	return p
}

// keepReleased is a payment that a restore held, that two people released, and that ended.
// While it was held its first pay was answered 300, which ends nothing, and the first one
// after is answered 202.
func keepReleased(b *books) string {
	p := b.accepts().checks(0)
	b.restores()
	p.pays(outcome(300), domain.StateRefused)
	return p.releases("ayan", "dina").pays(outcome(202), domain.StatePaying).pays(outcome(0), domain.StateSucceeded).id.WorkflowID()
}

// keepLostEvent keeps a contract whose second event a restore lost. The topic has it; an
// incident says so; and the first is repeated, as the ledger may have lost that it was published.
func keepLostEvent(b *books) string {
	d := b.reports(time.Hour).sends().publishes(1)
	d.holds(2, "lost")
	b.restores()
	_, err := b.RaiseMissing(b.Context(), storage.OpenIncident{Process: domain.ProcessPaymentOrder, Subject: string(contract)}, storage.LostEvent(2)+" at partition 0, offset 1", false)
	b.do(err)
	d.closesMissing()
	d.acts("ayan", domain.ActionRelease, 0).acts("dina", domain.ActionRelease, 0)
	d.holds(1, "event 1")
	return d.is(domain.StatusActivated, 0).publishes(1).process()
}

// closesMissing closes the incident about what is missing, by two people.
func (b *books) closesMissing() {
	b.Helper()
	open := true
	page, _, err := b.Incidents(b.Context(), storage.IncidentFilter{Open: &open, Reason: domain.ReasonMissingInLedger}, "", 10)
	b.do(err)
	require.Len(b, page, 1)
	for _, who := range []string{"ayan", "dina"} {
		b.keys++
		key := fmt.Sprint("key-", b.keys)
		_, err := b.ActOnIncident(b.Context(), page[0].ID, storage.Action{
			Action: domain.ActionClose, Caller: who, IdempotencyKey: key, RequestSHA256: key, Reason: "why", RequestedAt: storage.At(time.Now()),
		}, storage.IncidentClosing{Money: domain.MoneyNotMoved})
		b.do(err)
	}
}

// keepLostContract is a contract of which the topic has an event and the ledger nothing.
func keepLostContract(b *books) string {
	b.topic = newTopic()
	b.restores()
	(&demand{books: b}).holds(1, "lost")
	_, err := b.RaiseMissing(b.Context(), storage.OpenIncident{Process: domain.ProcessPaymentOrder, Subject: string(contract)}, storage.LostEvent(1)+" at partition 0, offset 0", false)
	b.do(err)
	b.closesMissing()
	return contract.WorkflowID()
}

func TestRestoreFindings(t *testing.T) {
	t.Parallel()
	sql := func(statements ...string) func(*books, string) {
		return func(b *books, _ string) {
			for _, s := range statements {
				b.plant(s)
			}
		}
	}
	ofLedger := func(keep func(*books) string) func(*books) string {
		return func(b *books) string { _ = keep(b); return "the ledger" }
	}
	run(t, map[string]planted{
		"held":                  {keep: restored(keepPaying)},
		"held, an order":        {keep: restored(keepCreating)},
		"held, a return":        {keep: restored(keepReturning)},
		"held, a payment order": {keep: restored(keepSent)},
		"released, and paid":    {keep: keepReleased},
		"an event was lost":     {keep: keepLostEvent},
		"a contract was lost":   {keep: keepLostContract},

		"the gate is closed":      {ofLedger(restored(keepPaying)), sql(`UPDATE ledger_state SET gate = 'closed'`), Gate},
		"the gate is reconciling": {ofLedger(restored(keepPaying)), sql(`UPDATE ledger_state SET gate = 'reconciling'`), Gate},

		"a number was left out":                   {ofLedger(keepSent), sql(`UPDATE payment_order_numbers SET last = last + 1`), References},
		"numbers were left out without a restore": {ofLedger(keepSent), sql(`UPDATE payment_order_numbers SET last = last + 10000`), References},
		"more than the restore skipped":           {ofLedger(restored(keepSent)), sql(`UPDATE payment_order_numbers SET last = last + 10000`), References},
		"the restore skipped nothing":             {ofLedger(restored(keepSent)), sql(`UPDATE payment_order_numbers SET last = last - 10000`), References},
		"the first number of two":                 {ofLedger(restored(keepSent)), sql(`UPDATE payment_order_numbers SET last = last + 1`), References},

		"an event number was left out":      {restored(keepSent), sql(`UPDATE collection_contracts SET last_seq = last_seq + 1`), EventOrder},
		"event numbers without a restore":   {keepSent, sql(`UPDATE collection_contracts SET last_seq = last_seq + 1000`), EventOrder},
		"more of them than a restore skips": {restored(keepSent), sql(`UPDATE collection_contracts SET last_seq = last_seq + 1000`), EventOrder},
		"the restore skipped none of them":  {restored(keepSent), sql(`UPDATE collection_contracts SET last_seq = last_seq - 1000`), EventOrder},

		"a lost event without an incident":    {keepLostEvent, sql(`DELETE FROM incident_entries WHERE reason = 'missing_in_ledger'`), EventKnown},
		"the incident is of another event":    {keepLostEvent, func(b *books, _ string) { (&demand{books: b, offset: 9}).holds(1003, "x") }, EventKnown},
		"repeated after what came later":      {keepLostEvent, func(b *books, _ string) { (&demand{books: b, offset: 9}).holds(1, "event 1") }, EventOrder},
		"a lost contract without an incident": {keepLostContract, sql(`DELETE FROM incident_entries WHERE reason = 'missing_in_ledger'`), EventKnown},

		"held by a restore that is not recorded": {restored(keepPaying), sql(`UPDATE payments SET restored_epoch = 7`), StateFollows},
		"held, and no incident says so":          {restored(keepPaying), sql(`UPDATE open_incidents SET reason = 'unknown_code'`, `UPDATE incident_entries SET reason = 'unknown_code'`), Flagged},
		"ended, and held":                        {keepReleased, sql(`UPDATE payments SET restored = TRUE`), StateFollows},
		"released by nobody":                     {restored(keepPaying), sql(`UPDATE payments SET restored = FALSE, held = FALSE`), TwoPeople},
		"an order, released by nobody":           {restored(keepCreating), sql(`UPDATE instalment_orders SET restored = FALSE, held = FALSE`), TwoPeople},
		"a return, released by nobody":           {restored(keepReturning), sql(`UPDATE order_returns SET restored = FALSE, held = FALSE`), TwoPeople},
		"a payment order, released by nobody":    {restored(keepSent), sql(`UPDATE payment_orders SET restored = FALSE, held = FALSE`), TwoPeople},
		"released by one person":                 {keepReleased, sql(`UPDATE actions SET caller = 'ayan'`), TwoPeople},
		"the first pay after it was believed":    {keepReleased, sql(`UPDATE payments SET state = 'refused'`), StateFollows},
	})
}

// A process that a restore holds has not ended, and two restores one after the other skip twice.
func TestHeldByTwoRestores(t *testing.T) {
	t.Parallel()
	b := newBooks(t)
	process := keepSent(b)
	b.restores()
	b.restores()
	require.Empty(t, b.verify())
	v := &verifier{Options: Options{Ledger: b.Ledger, Grace: time.Minute, AllEnded: true}, report: newReport(), began: time.Now()}
	require.NoError(t, v.contracts(t.Context()))
	require.Equal(t, 1, v.report.Open)
	require.Equal(t, Finding{Ended, process, "is sent"}, v.report.Findings[len(v.report.Findings)-1])
}

// What a restore lost and a partner has is allowed with an incident alone, and with people's
// word on its money, which has to be the partner's.
func TestLostAtPartners(t *testing.T) {
	t.Parallel()
	said := func(money domain.MoneyWhere) *storage.Incident {
		return &storage.Incident{Reason: domain.ReasonMissingInLedger, Entries: []storage.IncidentEntry{{Entry: domain.IncidentClosed, Money: money}}}
	}
	var sold bankOrder
	sold.State.Main = "SUCCESS"
	for name, c := range map[string]struct {
		incident *storage.Incident
		payment  booked
		order    bankOrder
		want     []Check
	}{
		"no incident":            {nil, booked{Effects: 1}, sold, []Check{Partner, Partner}},
		"open":                   {&storage.Incident{}, booked{Effects: 1}, sold, nil},
		"moved":                  {said(domain.MoneyMoved), booked{Effects: 1}, sold, nil},
		"not moved":              {said(domain.MoneyNotMoved), booked{}, bankOrder{}, nil},
		"not moved, and it did":  {said(domain.MoneyNotMoved), booked{Effects: 1}, sold, []Check{Partner, Partner}},
		"moved, and it did not":  {said(domain.MoneyMoved), booked{}, bankOrder{}, []Check{Partner, Partner}},
		"moved, and moved twice": {said(domain.MoneyMoved), booked{Effects: 2}, sold, []Check{OneEffect}},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, c.want, found(func(v *verifier) {
				v.centre, v.bank = map[int64]*booked{2: &c.payment}, map[string]*bankOrder{"x": &c.order}
				if c.incident != nil {
					v.restores.missing = map[string]storage.Incident{"payment/2": *c.incident, "order/x": *c.incident}
				}
				require.NoError(t, v.strangers(t.Context()))
			}))
		})
	}
}

// A run that failed is allowed where a restore lost its row, and it had begun before the end of
// the window.
func TestRunsOfLostRows(t *testing.T) {
	t.Parallel()
	to := time.Unix(1000, 0)
	r := restores{storage.RestoreRecord{Runs: []storage.RestoreRun{{Window: storage.Window{To: to}}}}, map[string]storage.Incident{"payment/1": {}}}
	require.True(t, r.lostRow("payment/1", to))
	require.False(t, r.lostRow("payment/1", to.Add(time.Second)))
	require.False(t, r.lostRow("payment/2", to))
	require.False(t, restores{}.lostRow("payment/1", to))
}

// A payment that a restore held may have been paid by a pay that the ledger lost, so that no pay
// is in it; where it ended, the end has to agree.
func TestPaidByALostPay(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		state domain.State
		epoch int64
		want  []Check
	}{
		"resolved as paid":     {domain.StateResolvedSucceeded, 1, nil},
		"held":                 {domain.StateAwaitingPayer, 1, nil},
		"not restored":         {domain.StateAwaitingPayer, 0, []Check{Partner}},
		"resolved as not paid": {domain.StateResolvedRefused, 1, []Check{Partner}},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, c.want, found(func(v *verifier) {
				v.centre = map[int64]*booked{1: {Effects: 1, State: "executed"}}
				v.centreAgrees(storage.Payment{ID: 1, State: c.state, RestoredEpoch: c.epoch}, storage.ProcessRecord{})
			}))
		})
	}
}
