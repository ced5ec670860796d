package verification

import (
	"crypto/sha256"
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
	v := &verifier{report: newReport(), Options: Options{AllEnded: true}, topic: &topic{
		places: map[place][sha256.Size]byte{}, last: map[string]int64{}, known: map[numbered][sha256.Size]byte{}, retained: map[int]loxon.Retained{},
	}}
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

func TestStateFollowsFromCalls(t *testing.T) {
	now := storage.At(time.Unix(0, 0))
	refuses := func(a *storage.Attempt) { a.ResultCode = code(300) }
	succeeded := storage.Payment{ID: 1, State: domain.StateSucceeded, PaySentAt: &now, PayBody: []byte("pay")}
	refused := storage.Payment{ID: 1, State: domain.StateRefused, PaySentAt: &now, PayBody: []byte("pay")}
	for name, c := range map[string]struct {
		p     storage.Payment
		calls []storage.Attempt
		want  []Check
	}{
		"succeeded":                      {succeeded, []storage.Attempt{attempt("pay", 1, 0)}, nil},
		"succeeded without an answer":    {succeeded, []storage.Attempt{attempt("pay", 1, 0, refuses)}, []Check{StateFollows}},
		"refused":                        {refused, []storage.Attempt{attempt("pay", 1, 0, refuses)}, nil},
		"refused though it was paid":     {refused, []storage.Attempt{attempt("pay", 1, 0)}, []Check{StateFollows}},
		"cancelled after pay":            {storage.Payment{ID: 1, State: domain.StateCancelled, PaySentAt: &now}, []storage.Attempt{attempt("pay", 1, 0)}, []Check{StateFollows}},
		"paid without an intent":         {storage.Payment{ID: 1, State: domain.StatePaying}, []storage.Attempt{attempt("pay", 1, 0)}, []Check{StateFollows}},
		"paid with other than its bytes": {storage.Payment{ID: 1, State: domain.StateSucceeded, PaySentAt: &now, PayBody: []byte("x")}, []storage.Attempt{attempt("pay", 1, 0)}, []Check{SameBytes}},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, c.want, found(func(v *verifier) { v.paid(c.p, c.calls) }))
		})
	}
}

func TestPartnersBooks(t *testing.T) {
	for name, c := range map[string]struct {
		state domain.State
		b     booked
		want  []Check
	}{
		"succeeded":                {domain.StateSucceeded, booked{Effects: 1, State: "executed"}, nil},
		"succeeded and not moved":  {domain.StateSucceeded, booked{State: "checked"}, []Check{Partner}},
		"moved twice":              {domain.StateSucceeded, booked{Effects: 2, State: "executed"}, []Check{OneEffect, Partner}},
		"refused":                  {domain.StateRefused, booked{State: "refused"}, nil},
		"refused and it moved":     {domain.StateRefused, booked{Effects: 1, State: "executed"}, []Check{Partner}},
		"expired and under review": {domain.StateExpired, booked{State: "registered"}, []Check{Partner}},
	} {
		t.Run(name, func(t *testing.T) {
			sent := storage.At(time.Unix(0, 0))
			require.Equal(t, c.want, found(func(v *verifier) {
				v.centre = map[int64]*booked{1: &c.b}
				v.centreAgrees(storage.Payment{ID: 1, State: c.state, PaySentAt: &sent})
			}))
		})
	}
	t.Run("an order that the ledger does not know", func(t *testing.T) {
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
		"a gap":                {[]loxon.Record{event("KD", "1", 0, "a"), event("KD", "3", 1, "c")}, []Check{EventOrder}},
		"again, and not equal": {[]loxon.Record{event("KD", "1", 0, "a"), event("KD", "1", 1, "x")}, []Check{EventBytes}},
		"an old one again":     {[]loxon.Record{event("KD", "1", 0, "a"), event("KD", "2", 1, "b"), event("KD", "1", 2, "a")}, []Check{EventOrder}},
		"another's id":         {[]loxon.Record{event("KD", "1", 0, "a"), stranger}, []Check{EventOrder}},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, c.want, found(func(v *verifier) {
				for _, r := range c.records {
					v.take(v.topic, r)
				}
			}))
		})
	}
}

func TestEventsOfAContract(t *testing.T) {
	at, one, three := storage.At(time.Unix(0, 0)), int64(1), int64(3)
	told := storage.PaymentOrderEvent{Seq: &one, ToldAt: &at, Message: []byte("a"), TopicOffset: 0}
	for name, c := range map[string]struct {
		r    storage.CollectionRecord
		want []Check
	}{
		"told":             {storage.CollectionRecord{Contract: "KD", LastSeq: 1, Events: []storage.PaymentOrderEvent{told}}, nil},
		"a missing number": {storage.CollectionRecord{Contract: "KD", LastSeq: 3, Events: []storage.PaymentOrderEvent{told, {Seq: &three}}}, []Check{EventOrder, Ended}},
		"not where it says": {storage.CollectionRecord{Contract: "KD", LastSeq: 1, Events: []storage.PaymentOrderEvent{
			{Seq: &one, ToldAt: &at, Message: []byte("a"), TopicOffset: 7},
		}}, []Check{EventPlace}},
		"other bytes there": {storage.CollectionRecord{Contract: "KD", LastSeq: 1, Events: []storage.PaymentOrderEvent{
			{Seq: &one, ToldAt: &at, Message: []byte("b"), TopicOffset: 0},
		}}, []Check{EventBytes}},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, c.want, found(func(v *verifier) {
				v.take(v.topic, event("KD", "1", 0, "a"))
				v.events(c.r)
			}))
		})
	}
}

func TestReportIsPrinted(t *testing.T) {
	r := newReport()
	r.seen("payment", "paying", false)
	r.check(Ended, "payment/1", false, "is %s", "paying")
	var text strings.Builder
	require.NoError(t, r.Print(&text))
	require.Contains(t, text.String(), "FOUND ended: payment/1: is paying")
	require.Contains(t, text.String(), "1 processes are open. 1 findings.")
	require.False(t, r.OK())
}
