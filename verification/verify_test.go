package verification

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tolem/domain"
	"tolem/partners/loxon"
	"tolem/storage"
)

// found are the checks that a verification of something found wanting.
func found(look func(*verifier)) (checks []Check) {
	v := &verifier{report: newReport(), Options: Options{AllEnded: true}, topic: newTopic(), began: time.Now()}
	look(v)
	for _, f := range v.report.Findings {
		checks = append(checks, f.Check)
	}
	return checks
}

func code(c domain.Code) *domain.Code { return &c }

// attempt is an answered attempt n of a call, that began at second at and took one.
func attempt(name string, n, at int, change ...func(*storage.Attempt)) storage.Attempt {
	a := storage.Attempt{
		ID: int64(n), Call: name, Attempt: n, Cause: domain.CauseScheduled, At: storage.At(time.Unix(int64(at), 0)), Duration: time.Second, Reported: true,
		Outcome: storage.Answered, BodySHA256: storage.Digest([]byte(name)), ResultCode: code(domain.CodeSuccess),
	}
	for _, c := range change {
		c(&a)
	}
	return a
}

func waited(d time.Duration) func(*storage.Attempt) {
	return func(a *storage.Attempt) { a.Waited = d }
}

func TestRequestsOfAJournal(t *testing.T) {
	lost := func(a *storage.Attempt) { a.Reported, a.ResultCode, a.Outcome = false, nil, string(domain.Unknown) }
	other := func(a *storage.Attempt) { a.BodySHA256 = "other" }
	recovery := func(a *storage.Attempt) { a.Cause = domain.CauseRecovery }
	for name, c := range map[string]struct {
		calls   []storage.Attempt
		counted int
		want    []Check
	}{
		"kept":                         {[]storage.Attempt{attempt("check", 1, 0), attempt("pay", 2, 1), attempt("pay", 3, 4, waited(2*time.Second)), attempt("pay", 4, 9, waited(4*time.Second))}, 4, nil},
		"who died was followed":        {[]storage.Attempt{attempt("pay", 1, 0, lost), attempt("pay", 2, 20, recovery)}, 2, nil},
		"a call is not in the journal": {[]storage.Attempt{attempt("pay", 1, 0), attempt("pay", 3, 2)}, 3, []Check{Journalled}},
		"another question told":        {[]storage.Attempt{attempt("pay", 1, 0, lost), attempt("state", 0, 20, func(a *storage.Attempt) { a.ID = 9 })}, 1, nil},
		"nobody knows how it ended":    {[]storage.Attempt{attempt("pay", 1, 0, lost)}, 1, []Check{Journalled}},
		"other bytes":                  {[]storage.Attempt{attempt("pay", 1, 0), attempt("pay", 2, 2, other)}, 2, []Check{SameBytes}},
		"a wait that does not grow":    {[]storage.Attempt{attempt("pay", 1, 0), attempt("pay", 2, 3, waited(2*time.Second)), attempt("pay", 3, 6, waited(2*time.Second))}, 3, []Check{WaitsGrow}},
		"a wait that was not waited":   {[]storage.Attempt{attempt("pay", 1, 0), attempt("pay", 2, 3, waited(9*time.Second))}, 2, []Check{WaitsGrow}},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, c.want, found(func(v *verifier) { v.journal("payment/1", c.counted, true, c.calls, "check", "pay") }))
		})
	}
}

func TestPartnersBooks(t *testing.T) {
	corrected := func(money domain.MoneyWhere, number string) storage.ProcessRecord {
		return storage.ProcessRecord{Incidents: []storage.Incident{{Entries: []storage.IncidentEntry{{Entry: domain.IncidentClosed, Money: money, TransactionNumber: number}}}}}
	}
	executed := booked{Effects: 1, State: "executed", Number: 77}
	for name, c := range map[string]struct {
		state domain.State
		b     booked
		r     storage.ProcessRecord
		want  []Check
	}{
		"succeeded":                      {domain.StateSucceeded, executed, storage.ProcessRecord{}, nil},
		"succeeded and not moved":        {domain.StateSucceeded, booked{State: "checked"}, storage.ProcessRecord{}, []Check{Partner}},
		"moved twice":                    {domain.StateSucceeded, booked{Effects: 2, State: "executed"}, storage.ProcessRecord{}, []Check{OneEffect, Partner}},
		"refused":                        {domain.StateRefused, booked{State: "refused"}, storage.ProcessRecord{}, nil},
		"refused and it moved":           {domain.StateRefused, executed, storage.ProcessRecord{}, []Check{Partner}},
		"expired and under review":       {domain.StateExpired, booked{State: "registered"}, storage.ProcessRecord{}, []Check{Partner}},
		"refused, and corrected":         {domain.StateRefused, executed, corrected(domain.MoneyMoved, "77"), nil},
		"corrected to another number":    {domain.StateRefused, executed, corrected(domain.MoneyMoved, "78"), []Check{Partner}},
		"corrected, and it did not move": {domain.StateRefused, booked{State: "refused"}, corrected(domain.MoneyMoved, ""), []Check{Partner}},
		"succeeded, and corrected":       {domain.StateSucceeded, booked{State: "refused"}, corrected(domain.MoneyNotMoved, ""), nil},
		"succeeded, wrongly corrected":   {domain.StateSucceeded, executed, corrected(domain.MoneyNotMoved, ""), []Check{Partner}},
	} {
		t.Run(name, func(t *testing.T) {
			sent := storage.At(time.Unix(0, 0))
			require.Equal(t, c.want, found(func(v *verifier) {
				v.centre = map[int64]*booked{1: &c.b}
				v.centreAgrees(storage.Payment{ID: 1, State: c.state, PaySentAt: &sent}, c.r)
			}))
		})
	}
	t.Run("effects that the ledger does not have", func(t *testing.T) {
		require.Equal(t, []Check{Partner, Partner}, found(func(v *verifier) {
			v.centre, v.bank = map[int64]*booked{2: {Effects: 1}}, map[string]*bankOrder{"x": {}}
			require.NoError(t, v.strangers(t.Context()))
		}))
	})
}

// event is a record of a contract at an offset.
func event(contract, seq string, offset int64, value string) loxon.Record {
	return loxon.Record{Key: contract, Value: []byte(value), EventID: contract + "/" + seq, Seq: seq,
		ProcessID: domain.ContractNumber(contract).WorkflowID(), Receipt: loxon.Receipt{Offset: offset}}
}

func TestTopic(t *testing.T) {
	stranger := event("KD", "2", 1, "b")
	stranger.EventID = "KD/3"
	for name, c := range map[string]struct {
		records []loxon.Record
		want    []Check
	}{
		"in order, one again":  {[]loxon.Record{event("KD", "1", 0, "a"), event("KD", "1", 1, "a"), event("KD", "2", 2, "b")}, nil},
		"out of order":         {[]loxon.Record{event("KD", "1", 0, "a"), event("KD", "3", 1, "c"), event("KD", "2", 2, "b")}, []Check{EventOrder}},
		"again, and not equal": {[]loxon.Record{event("KD", "1", 0, "a"), event("KD", "1", 1, "x")}, []Check{EventBytes}},
		"an old one again":     {[]loxon.Record{event("KD", "1", 0, "a"), event("KD", "2", 1, "b"), event("KD", "1", 2, "a")}, []Check{EventOrder}},
		"another's id":         {[]loxon.Record{event("KD", "1", 0, "a"), stranger}, []Check{EventOrder}},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, c.want, found(func(v *verifier) {
				for _, r := range c.records {
					v.take(v.topic, r)
				}
				for key, of := range v.topic.contracts {
					v.repeats(key, of, nil)
				}
			}))
		})
	}
}

func TestReportIsPrinted(t *testing.T) {
	r := newReport()
	r.seen("payment", "paying", false)
	r.check(Journalled, "payment/1", true, "")
	r.check(Ended, "payment/1", false, "is %s", "paying")
	opened := storage.At(time.Date(2026, 2, 17, 12, 0, 0, 0, time.UTC))
	for range 2 {
		r.incident(storage.Incident{Process: domain.ProcessPayment, Reason: domain.ReasonPaidAfterEnd, OpenedAt: opened})
		opened = storage.At(opened.Add(time.Hour))
	}
	var text strings.Builder
	require.NoError(t, r.Print(&text))
	for _, line := range []string{
		`Loxon events +0 \(0 duplicates\)`, `payment paid_after_end +2, the oldest since 2026-02-17 12:00:00 UTC`,
		`journalled +1 checked, 0 findings`, `ended +1 checked, 1 finding\n`,
		`FOUND ended: payment/1: is paying`, `1 open process\. 1 finding\.`,
	} {
		require.Regexp(t, line, text.String())
	}
	require.False(t, r.OK())

	text.Reset()
	r = newReport()
	r.check(Journalled, "payment/1", true, "")
	require.NoError(t, r.Print(&text))
	require.Contains(t, text.String(), "0 open processes. All checks passed.")
	require.True(t, r.OK())
}
