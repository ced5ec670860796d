package workflows_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tolem/activities"
	"tolem/domain"
	simulated "tolem/simulators/cfront"
	"tolem/storage"
)

// From phone number to pay-out, in both generations and with one phase and two.
func TestOrderIsPaidOut(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*simulated.Settings)
		calls  []string // of those that change something
	}{
		"old, two phases": {func(*simulated.Settings) {}, []string{"create", "confirm"}},
		"new, two phases": {func(s *simulated.Settings) { s.Profile = simulated.NewGeneration }, []string{"create", "confirm"}},
		"old, one phase":  {func(s *simulated.Settings) { s.OnePhase = true }, []string{"create"}},
		"new, one phase":  {func(s *simulated.Settings) { s.OnePhase, s.Profile = true, simulated.NewGeneration }, []string{"create"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newTill(t)
			w.set(c.change)
			s := w.sale(w.accepted(agrees, nil))
			s.input.ValidateClient = true
			told := &ordered{}
			if len(c.calls) == 2 {
				told = s.decides(10*time.Second, domain.DecisionConfirm)
			}
			o := s.finish()
			require.Equal(t, domain.OrderPaidOut, o.State)
			require.Equal(t, "SUCCESS/ACTIVE", o.Bank.String())
			require.True(t, *o.ToCard)
			var changing []string
			calls, err := w.ledger.Attempts(t.Context(), s.id.WorkflowID(), 0, 999)
			require.NoError(t, err)
			var arrived []string
			for _, r := range w.bank.Requests("") {
				arrived = append(arrived, r.BodySHA256)
			}
			for _, call := range calls {
				require.NotEmpty(t, call.TraceID, "the bank's name of the call")
				require.Contains(t, arrived, call.BodySHA256, "the digest of the bytes that the bank got: "+call.Call)
				if call.Call == "create" || call.Call == "confirm" || call.Call == "reject" {
					changing = append(changing, call.Call)
				}
			}
			require.Equal(t, c.calls, changing)
			require.Equal(t, map[string]bool{"cfront": true}, s.queues, "what changes something is a regular activity")
			if len(c.calls) == 2 {
				require.True(t, told.done && told.err == nil, "the till was told")
				require.Equal(t, "КД-00000001", o.ContractNumber)
				booked, _ := w.bank.Order(string(s.id))
				require.Equal(t, 1, booked.Confirms)
			}
		})
	}
}

// Every sub-state of the table ends the order, in the bank's own word.
func TestOrderFails(t *testing.T) {
	for phone, reason := range map[string]string{
		"+77010000010": "CLIENT_NOT_FOUND", thinks: "CLIENT_PUSH_TIMEOUT", "+77010000013": "EXCEEDED_SUM_LIMIT",
		"+77010000015": "PAY_PARTS_ARE_NOT_ACCEPTABLE", "+77010000016": "NOT_ENOUGH_MONEY_FOR_INIT_DEBIT", "+77010000017": "REJECTED_BY_CLIENT",
		"+77010000018": "FRAUD_REJECTED", "+77010000019": "FAIL",
	} {
		t.Run(reason, func(t *testing.T) {
			w := newTill(t)
			o := w.sale(w.accepted(phone, nil)).finish()
			require.Equal(t, domain.OrderFailed, o.State)
			require.Equal(t, reason, o.FailReason)
		})
	}
	for _, reason := range []string{"RESTRICTED_BY_RISKS", "WRONG_CLIENT_APP_VERSION", "ACCOUNT_CLOSED", "SOMETHING_NEW"} {
		t.Run(reason, func(t *testing.T) {
			w := newTill(t)
			s := w.sale(w.accepted(thinks, nil))
			s.after(time.Minute, func() { require.NoError(t, w.bank.Fail(string(s.id), reason)) })
			require.Equal(t, reason, s.finish().FailReason)
		})
	}
	t.Run("EXISTS_OTHER_OPEN_ORDER", func(t *testing.T) {
		w := newTill(t)
		first := w.accepted(thinks, nil)
		_, err := w.client().Create(t.Context(), w.order(first).CreateBody)
		require.NoError(t, err)
		require.Equal(t, "EXISTS_OTHER_OPEN_ORDER", w.sale(w.accepted(thinks, nil)).finish().FailReason)
	})
}

// Legacy words of a bank are waited out; a state that nobody knows asks for a person and
// concludes nothing.
func TestStatesOutsideTheTable(t *testing.T) {
	w := newTill(t)
	s := w.sale(w.accepted(thinks, nil))
	flagged := false
	s.after(10*time.Second, func() {
		require.NoError(t, w.bank.SetState(string(s.id), simulated.State{Main: "IN_PROCESS", Sub: "CLIENT_APPROVED_PUSH"}))
	})
	s.after(5*time.Minute, func() {
		o := w.order(s.id)
		require.Equal(t, domain.OrderWaitingForClient, o.State)
		require.False(t, o.NeedsOperator)
		require.NoError(t, w.bank.SetState(string(s.id), simulated.State{Main: "PAUSED", Sub: "BY_AUDIT"}))
	})
	s.after(10*time.Minute, func() {
		o := w.order(s.id)
		flagged = o.NeedsOperator
		require.Equal(t, domain.ReasonUnknownBankState, o.OperatorReason)
		require.Equal(t, "PAUSED/BY_AUDIT", o.Bank.String())
		require.NoError(t, w.bank.SetState(string(s.id), simulated.State{Main: "SUCCESS", Sub: "SUCCESS"}))
	})
	require.Equal(t, domain.OrderPaidOut, s.finish().State)
	require.True(t, flagged)
}

// Whatever becomes of the answer to create: one order at the bank, and it is ours.
func TestLostAnswersToCreate(t *testing.T) {
	for _, profile := range []simulated.Profile{simulated.OldGeneration, simulated.NewGeneration} {
		for _, fault := range []simulated.Answer{
			{Fault: simulated.LostAnswer}, {Fault: simulated.LostAnswerMidway}, {Fault: simulated.Truncated}, {Fault: simulated.Garbage}, {Fault: simulated.Empty},
			{Fault: simulated.ResetBefore}, {Fault: simulated.HTML502}, {Fault: simulated.StatusAfter, Status: 500, Body: "{}"},
			{Fault: simulated.Status, Status: 429, Body: `{"message":"slow down"}`}, {Fault: simulated.StatusAfter, Status: 409, Body: `{"message":"?"}`},
			{Fault: simulated.Status, Status: 401, Body: `{"message":"who?"}`}, {Fault: simulated.Status, Status: 404, Body: `{"message":"what?"}`},
		} {
			t.Run(string(profile)+" "+string(fault.Fault), func(t *testing.T) {
				w := newTill(t)
				w.set(func(s *simulated.Settings) { s.Profile = profile })
				fault.Times = 3
				w.scripted(simulated.CallCreate, fault)
				s := w.sale(w.accepted(agrees, func(o *storage.InstalmentOrder) { o.AutoConfirm = true }))
				require.Equal(t, domain.OrderPaidOut, s.finish().State)
				require.Len(t, w.bank.Orders(), 1)
				made, _ := w.calls(s.id, simulated.CallCreate)
				require.Equal(t, 4, made)
			})
		}
	}
}

// After a lost answer the state is asked before the decision is sent again: it takes
// effect once, and is never followed by the other one.
func TestLostAnswersToDecisions(t *testing.T) {
	for _, d := range []domain.Decision{domain.DecisionConfirm, domain.DecisionReject} {
		call := map[domain.Decision]string{domain.DecisionConfirm: simulated.CallConfirm, domain.DecisionReject: simulated.CallReject}[d]
		for _, c := range []struct {
			fault simulated.Answer
			sent  int // decisions that the bank received
		}{
			{simulated.Answer{Fault: simulated.LostAnswer}, 1}, {simulated.Answer{Fault: simulated.Truncated}, 1}, {simulated.Answer{Fault: simulated.WrongEcho}, 1},
			{simulated.Answer{Fault: simulated.StatusAfter, Status: 503, Body: ""}, 1}, {simulated.Answer{Fault: simulated.StatusAfter, Status: 400, Body: "{}"}, 1},
			{simulated.Answer{Fault: simulated.ResetBefore, Times: 3}, 4}, {simulated.Answer{Fault: simulated.HTML502, Times: 2}, 3},
			{simulated.Answer{Fault: simulated.Status, Status: 400, Body: "{}", Times: 2}, 3},
		} {
			t.Run(string(d)+" "+string(c.fault.Fault), func(t *testing.T) {
				w := newTill(t)
				w.scripted(call, c.fault)
				s := w.sale(w.accepted(agrees, nil))
				s.decides(10*time.Second, d)
				o := s.finish()
				booked, _ := w.bank.Order(string(s.id))
				if d == domain.DecisionConfirm {
					require.Equal(t, domain.OrderPaidOut, o.State)
					require.Equal(t, 1, booked.Confirms)
				} else {
					require.Equal(t, "REJECTED_BY_STORE", o.FailReason)
					require.Equal(t, 1, booked.Rejects)
				}
				made, _ := w.calls(s.id, call)
				require.Equal(t, c.sent, made)
			})
		}
	}
}

// News that arrives between two attempts to confirm brings the next one forward. That one is
// journalled as brought by news, and waited for nothing; the ladder goes on behind it.
func TestNewsBetweenDecisions(t *testing.T) {
	w := newTill(t)
	w.scripted(simulated.CallConfirm, simulated.Answer{Fault: simulated.ResetBefore, Times: 4})
	s := w.sale(w.accepted(agrees, nil))
	s.decides(10*time.Second, domain.DecisionConfirm)
	s.calledBack(12*time.Second, domain.BankState{State: "IN_PROCESS", SubState: "WAITING_FOR_STORE_CONFIRM"})
	require.Equal(t, domain.OrderPaidOut, s.finish().State) // and its scheduled waits only grow
	calls, err := w.ledger.Attempts(t.Context(), s.id.WorkflowID(), 0, 1000)
	require.NoError(t, err)
	causes := map[domain.Cause]int{}
	for _, c := range calls {
		if c.Call == "confirm" {
			causes[c.Cause]++
			require.True(t, c.Cause == domain.CauseScheduled || c.Waited == 0, "%s waited %s", c.Cause, c.Waited)
		}
	}
	require.Positive(t, causes[domain.CauseNews])
	require.Greater(t, causes[domain.CauseScheduled], 1)
}

// The store may reject whenever the bank has not confirmed: before anything was sent,
// while nobody knows whether the bank has the order, and while the client thinks.
func TestEarlyReject(t *testing.T) {
	t.Run("before anything was sent", func(t *testing.T) {
		w := newTill(t)
		id := w.accepted(thinks, nil)
		_, err := w.ledger.Decide(t.Context(), id, domain.DecisionReject, "till-1")
		require.NoError(t, err)
		require.Equal(t, domain.FailRejectedByStore, w.sale(id).finish().FailReason)
		require.Empty(t, w.bank.Requests(""))
	})
	t.Run("while create is unknown", func(t *testing.T) {
		w := newTill(t)
		w.scripted(simulated.CallCreate, simulated.Answer{Fault: simulated.LostAnswer, Times: 3})
		s := w.sale(w.accepted(thinks, nil))
		s.decides(1500*time.Millisecond, domain.DecisionReject)
		require.Equal(t, "REJECTED_BY_STORE", s.finish().FailReason)
	})
	t.Run("while the client thinks", func(t *testing.T) {
		w := newTill(t)
		s := w.sale(w.accepted(thinks, nil))
		told := s.decides(time.Minute, domain.DecisionReject)
		require.Equal(t, "REJECTED_BY_STORE", s.finish().FailReason)
		require.True(t, told.done)
	})
}

// The till confirms just when the bank's time is over: the bank's word stands, and a person
// has to see that goods were handed over without a sale.
func TestConfirmAgainstTheBanksTimeOut(t *testing.T) {
	w := newTill(t)
	w.set(func(s *simulated.Settings) { s.ConfirmTimeout = 60_000 })
	s := w.sale(w.accepted(agrees, nil))
	s.during("DecideAtBank", func() { require.NoError(t, w.bank.Advance(time.Hour)) })
	s.decides(30*time.Second, domain.DecisionConfirm)
	s.contradicts = domain.ReasonConfirmedFailed
	o := s.finish()
	require.Equal(t, "CONFIRM_TIME_EXPIRED", o.FailReason)
	require.Equal(t, domain.DecisionConfirm, o.Decision, "who confirmed is not forgotten")
}

// Rejected at the till while the bank confirms at once (one phase): a person has to know,
// also after the pay-out.
func TestRejectTooLate(t *testing.T) {
	w := newTill(t)
	w.set(func(s *simulated.Settings) { s.OnePhase, s.PayoutDelay = true, 3_600_000 })
	s := w.sale(w.accepted(thinks, nil))
	s.during("DecideAtBank", func() { _ = w.bank.Approve(string(s.id)) }) // the second time it is active
	asked := domain.OperatorReason("")
	s.after(20*time.Minute, func() {
		require.Equal(t, domain.OrderActive, w.order(s.id).State)
		asked = w.order(s.id).OperatorReason
	})
	s.decides(time.Minute, domain.DecisionReject)
	s.contradicts = domain.ReasonDecisionTooLate
	require.Equal(t, domain.OrderPaidOut, s.finish().State)
	require.Equal(t, domain.ReasonDecisionTooLate, asked)
}

// Polling alone brings the news, ever less often; a callback brings it at once and only
// wakes: what it says decides nothing.
func TestCallbacksAndPolling(t *testing.T) {
	asked := func(w *till, s *sale) int { made, _ := w.calls(s.id, simulated.CallState); return made }
	w := newTill(t)
	s := w.sale(w.accepted(thinks, nil))
	before := 0
	s.after(12*time.Minute, func() { before = asked(w, s); require.NoError(t, w.bank.Approve(string(s.id))) })
	s.after(12*time.Minute+61*time.Second, func() { require.Equal(t, domain.OrderWaitingForStore, w.order(s.id).State, "within a poll") })
	s.decides(13*time.Minute+30*time.Second, domain.DecisionConfirm)
	require.Equal(t, domain.OrderPaidOut, s.finish().State)
	require.Less(t, before, 20, "growing intervals, at most a minute")
	require.Greater(t, before, 10)

	called := w.sale(w.accepted(thinks, nil))
	called.after(5*time.Minute+2*time.Second, func() { require.NoError(t, w.bank.Approve(string(called.id))) })
	called.calledBack(5*time.Minute+3*time.Second, domain.BankState{State: "IN_PROCESS", SubState: "WAITING_FOR_STORE_CONFIRM"})
	called.after(5*time.Minute+4*time.Second, func() { require.Equal(t, domain.OrderWaitingForStore, w.order(called.id).State, "at once") })
	called.calledBack(6*time.Minute, domain.BankState{State: "FAIL", SubState: "FRAUD_REJECTED"}) // a lie, or old
	called.after(6*time.Minute+time.Second, func() { require.Equal(t, domain.OrderWaitingForStore, w.order(called.id).State) })
	called.decides(7*time.Minute, domain.DecisionConfirm)
	require.Equal(t, domain.OrderPaidOut, called.finish().State)
}

// The pay-out comes late: nobody is bothered for three days, then somebody is, and the
// order goes on asking.
func TestLatePayout(t *testing.T) {
	w := newTill(t)
	w.set(func(s *simulated.Settings) { s.PayoutDelay = simulated.Milliseconds((80 * time.Hour).Milliseconds()) })
	s := w.sale(w.accepted(agrees, func(o *storage.InstalmentOrder) { o.AutoConfirm = true }))
	s.after(71*time.Hour, func() { require.False(t, w.order(s.id).NeedsOperator) })
	s.after(73*time.Hour, func() { require.Equal(t, domain.ReasonNoPayout, w.order(s.id).OperatorReason) })
	require.Equal(t, domain.OrderPaidOut, s.finish().State)
}

// The sibling's check/paid tells of the client's repayment: ACTIVE is then the pay-out.
func TestCheckPaidOfTheSibling(t *testing.T) {
	w := newTill(t)
	w.set(func(s *simulated.Settings) { s.ClientRepaid = true })
	w.change = func(a *activities.CFRONT) { a.PaidByState = true }
	s := w.sale(w.accepted(agrees, func(o *storage.InstalmentOrder) { o.AutoConfirm = true }))
	require.Equal(t, domain.OrderPaidOut, s.finish().State)
	made, _ := w.calls(s.id, simulated.CallCheckPaid)
	require.Zero(t, made)
}

// Unknown for a quarter of an hour: a person is asked, and nothing is given up.
func TestUnknownForTooLong(t *testing.T) {
	for name, c := range map[string]struct {
		call string
		why  domain.OperatorReason
	}{
		"create":  {simulated.CallCreate, domain.ReasonCreateUnknown},
		"confirm": {simulated.CallConfirm, domain.ReasonDecisionOpen},
	} {
		t.Run(name, func(t *testing.T) {
			w := newTill(t)
			w.scripted(c.call, simulated.Answer{Fault: simulated.HTML502, Times: 12})
			s := w.sale(w.accepted(agrees, func(o *storage.InstalmentOrder) { o.AutoConfirm = true }))
			asked := domain.OperatorReason("")
			s.after(14*time.Minute, func() { require.False(t, w.order(s.id).NeedsOperator) })
			s.after(17*time.Minute, func() { asked = w.order(s.id).OperatorReason })
			require.Equal(t, domain.OrderPaidOut, s.finish().State)
			require.Equal(t, c.why, asked)
		})
	}
}

// The client is asked for first, where the store wants that: an unknown one ends the
// order before anything is created, and gets one SMS.
func TestValidatedOrders(t *testing.T) {
	validated := func(o *storage.InstalmentOrder) { o.ValidateClient, o.AutoConfirm = true, true }
	for name, status := range map[string]int{"found false": 0, "an error": 404} {
		t.Run(name, func(t *testing.T) {
			w := newTill(t)
			w.set(func(s *simulated.Settings) { s.ClientNotFound = status })
			o := w.sale(w.accepted("+77010000010", validated)).finish()
			require.Equal(t, domain.FailClientNotFound, o.FailReason)
			require.Empty(t, w.bank.Orders())
			require.Equal(t, 1, w.bank.Invitations("+77010000010"))
		})
	}
	t.Run("known", func(t *testing.T) {
		w := newTill(t)
		o := w.sale(w.accepted(agrees, validated)).finish()
		require.Equal(t, domain.OrderPaidOut, o.State)
		require.True(t, *o.ClientFound)
	})
	t.Run("no answer", func(t *testing.T) {
		w := newTill(t)
		w.scripted(simulated.CallValidate, simulated.Answer{Fault: simulated.LostAnswer})
		s := w.sale(w.accepted(agrees, validated))
		require.Equal(t, domain.OrderPaidOut, s.finish().State)
		made := 0
		for _, r := range w.bank.Requests("") {
			if r.Call == simulated.CallValidate {
				made++
			}
		}
		require.Equal(t, 1, made, "never asked again by itself")
	})
}

// Hold stops everything, release goes on at once, retry asks now; a Cancel from
// Temporal's UI changes nothing and asks for a person.
func TestOperatorsActOnOrders(t *testing.T) {
	w := newTill(t)
	w.scripted(simulated.CallCreate, simulated.Answer{Fault: simulated.HTML502, Times: 9})
	s := w.sale(w.accepted(agrees, func(o *storage.InstalmentOrder) { o.AutoConfirm = true }))
	made := func() int { n, _ := w.calls(s.id, simulated.CallCreate); return n }
	tooSoon := s.acts(time.Second, domain.ActionRelease)
	hold := s.acts(10*time.Second, domain.ActionHold)
	held := 0
	s.after(11*time.Second, func() { held = made(); require.True(t, w.order(s.id).Held) })
	whileHeld := s.acts(time.Minute, domain.ActionRetry)
	s.after(time.Hour, func() { require.Equal(t, held, made(), "nothing is sent while it is held") })
	release := s.acts(time.Hour+time.Second, domain.ActionRelease)
	s.after(time.Hour+2*time.Second, func() { require.Equal(t, held+1, made()) })
	retry := s.acts(time.Hour+3*time.Second, domain.ActionRetry)
	s.after(time.Hour+4*time.Second, func() {
		require.Equal(t, held+2, made())
		s.CancelWorkflow()
	})
	s.after(time.Hour+5*time.Second, func() { require.Equal(t, domain.ReasonCancelledRun, w.order(s.id).OperatorReason) })
	require.Equal(t, domain.OrderPaidOut, s.finish().State)
	require.Error(t, tooSoon.refused)
	require.Equal(t, domain.EffectHeld, hold.Effect)
	require.Error(t, whileHeld.refused)
	require.Equal(t, domain.EffectReleased, release.Effect)
	require.Equal(t, domain.EffectAttempted, retry.Effect)
	_, err := w.ledger.Decide(context.Background(), s.id, domain.DecisionReject, "till-2")
	require.ErrorIs(t, err, storage.ErrDecided)
}
