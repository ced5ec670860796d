package verification

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tolem/domain"
	"tolem/storage"
)

const (
	saleID   domain.StoreOrderID  = "o-1"
	returnID domain.StoreReturnID = "r-1"
)

// instalment is one that a test moves, step by step.
type instalment struct {
	*books
	step int
}

// sells accepts an instalment.
func (b *books) sells() *instalment {
	b.Helper()
	_, created, err := b.AcceptOrder(b.Context(), storage.InstalmentOrder{
		ID: saleID, Caller: "till", RequestSHA256: "sha", Request: `{"invoice":{}}`, ClientPhone: "+77010000017", PointID: "A-1", TotalSum: 100_000, CallbackToken: "token",
		CreateBody: []byte(`{"create":1}`), RetryInitial: time.Second, RetryFactorMilli: 2000, CreatedAt: storage.At(time.Now()),
	})
	b.do(err)
	require.True(b, created)
	return &instalment{books: b}
}

func (s *instalment) call(name string) storage.Call {
	s.step++
	return storage.Call{Process: saleID.WorkflowID(), Name: name, Step: s.step, Execution: "run", Cause: domain.CauseRecovery, At: time.Now(), Body: []byte(name)}
}

// begins commits the started row of a call, in whatever state the order is open.
func (s *instalment) begins(name string, to domain.OrderState) (storage.Call, int64) {
	s.Helper()
	c := s.call(name)
	begun, err := s.BeginOrderCall(s.Context(), storage.OrderCall{ID: saleID, Call: c, To: to, From: domain.OpenOrderStates()})
	s.do(err)
	require.True(s, begun.OK)
	c.Attempt = begun.Attempt
	return c, begun.Started
}

func (s *instalment) records(c storage.Call, started int64, o storage.Outcome, after storage.OrderAfter) *instalment {
	s.Helper()
	_, err := s.RecordOrderCall(s.Context(), storage.OrderRecord{ID: saleID, Call: c, Started: started, Outcome: o, After: after})
	s.do(err)
	return s
}

// bankSays is an answer with words of the bank.
func bankSays(words string) storage.Outcome {
	return storage.Outcome{Kind: storage.Answered, HTTPStatus: 200, Message: words}
}

var (
	refusal400 = storage.Outcome{Kind: string(domain.Invalid), Failure: domain.FailureRejected, HTTPStatus: 400, Message: "no"}
	lost       = storage.Outcome{Kind: string(domain.Unknown), Failure: "reset"}
)

// creates has a create end with an outcome; an answer names the bank's order.
func (s *instalment) creates(o storage.Outcome) *instalment {
	s.Helper()
	c, started := s.begins("create", domain.OrderCreating)
	after := storage.OrderAfter{}
	if o.Kind == storage.Answered {
		after.State, after.BankOrderID = domain.OrderWaitingForClient, "bank-1"
	}
	return s.records(c, started, o, after)
}

// is has the bank say where the order stands.
func (s *instalment) is(state, sub string, after domain.OrderState) *instalment {
	s.Helper()
	told := domain.BankState{State: state, SubState: sub}
	a := storage.OrderAfter{State: after, Bank: &storage.BankStanding{BankState: told, Meaning: domain.BankWords{}.Means(told)}}
	if after == domain.OrderFailed {
		a.FailReason = sub
	}
	return s.records(s.call("state"), 0, bankSays(told.String()), a)
}

// decides has the store decide, and the bank answer that.
func (s *instalment) decides(d domain.Decision, state, sub string, after domain.OrderState) *instalment {
	s.Helper()
	_, err := s.Decide(s.Context(), saleID, d, "till")
	s.do(err)
	c, started := s.begins(string(d), d.Deciding())
	told := domain.BankState{State: state, SubState: sub}
	a := storage.OrderAfter{State: after, Bank: &storage.BankStanding{BankState: told, Meaning: domain.BankWords{}.Means(told)}}
	if after == domain.OrderFailed {
		a.FailReason = sub
	}
	return s.records(c, started, bankSays(told.String()), a)
}

// active takes an instalment to where the bank confirmed it.
func (b *books) active() *instalment {
	b.Helper()
	return b.sells().creates(bankSays("")).is("IN_PROCESS", "WAITING_FOR_STORE_CONFIRM", domain.OrderWaitingForStore).
		decides(domain.DecisionConfirm, "SUCCESS", "ACTIVE", domain.OrderActive)
}

// pays has the bank say that it has paid the store.
func (s *instalment) pays() *instalment {
	s.Helper()
	s.records(s.call("check_paid"), 0, bankSays(domain.WordNotPaid), storage.OrderAfter{})
	return s.records(s.call("check_paid"), 0, bankSays(domain.WordPaid), storage.OrderAfter{State: domain.OrderPaidOut})
}

// calls has the bank call back.
func (s *instalment) callsBack(state, sub string) *instalment {
	s.Helper()
	told := domain.BankState{State: state, SubState: sub}
	_, err := s.RecordCallback(s.Context(), storage.Callback{OrderID: saleID, State: state, SubState: sub, BankOrderID: "bank-1", Meaning: domain.BankWords{}.Means(told), At: storage.At(time.Now())})
	s.do(err)
	return s
}

// resolved has two people end the instalment.
func (s *instalment) resolved(as domain.OrderState) *instalment {
	s.Helper()
	for _, who := range []string{"ayan", "dina"} {
		_, _, _, err := s.ActOnOrder(s.Context(), saleID, s.word(s.process(), who, domain.ActionResolve, string(as)))
		s.do(err)
	}
	return s
}

func (s *instalment) process() string { return saleID.WorkflowID() }

// Instalments as Tolem keeps them.
var (
	keepCreating = func(b *books) string { return b.sells().creates(lost).process() }
	keepPaidOut  = func(b *books) string { return b.active().pays().process() }
	keepFailed   = func(b *books) string {
		return b.sells().creates(bankSays("")).is("FAIL", "REJECTED_BY_CLIENT", domain.OrderFailed).process()
	}
	keepRefusedByBank = func(b *books) string { return b.sells().creates(refusal400).process() }
	keepRejected      = func(b *books) string {
		s := b.sells()
		_, err := b.Decide(b.Context(), saleID, domain.DecisionReject, "till")
		b.do(err)
		return s.process()
	}
)

// sqls plants statements.
func sqls(statements ...string) func(*books, string) {
	return func(b *books, _ string) {
		for _, s := range statements {
			b.plant(s)
		}
	}
}

// later moves the end of the only instalment into the past, so that what the test adds comes
// after it.
func endedAgo(b *books) {
	b.plant(`UPDATE instalment_orders SET ended_at = ?`, time.Now().Add(-time.Minute).UnixMicro())
}

func TestOrderFindings(t *testing.T) {
	t.Parallel()
	run(t, map[string]planted{
		"creating":            {keep: keepCreating},
		"active":              {keep: func(b *books) string { return b.active().process() }},
		"refused by the bank": {keep: keepRefusedByBank},
		"rejected":            {keep: keepRejected},
		"rejected at the bank": {keep: func(b *books) string {
			return b.sells().creates(bankSays("")).decides(domain.DecisionReject, "FAIL", "REJECTED_BY_STORE", domain.OrderFailed).process()
		}},
		"paid out": {keep: func(b *books) string {
			s := b.active().pays()
			endedAgo(b)
			return s.callsBack("SUCCESS", "DONE").process()
		}},
		"returned in full before the pay-out": {keep: func(b *books) string {
			return b.active().is("SUCCESS", "RETURNED", domain.OrderFailed).process()
		}},
		"failed, and called back so": {keep: func(b *books) string {
			s := b.sells().creates(bankSays("")).is("FAIL", "REJECTED_BY_CLIENT", domain.OrderFailed)
			endedAgo(b)
			return s.callsBack("FAIL", "REJECTED_BY_CLIENT").process()
		}},

		"confirmed, never paid, and resolved as failed": {keep: func(b *books) string {
			s := b.active()
			b.do(b.FlagOrder(b.Context(), saleID, domain.ReasonNoPayout, "run"))
			return s.resolved(domain.OrderFailed).process()
		}},

		"paid out, and the store rejected":                         {keepPaidOut, sqls(`UPDATE instalment_orders SET decision = 'reject'`), StateFollows},
		"failed, and the store confirmed":                          {keepFailed, sqls(`UPDATE instalment_orders SET decision = 'confirm'`), StateFollows},
		"paid out, and never paid":                                 {keepPaidOut, sqls(`UPDATE journal SET result_message = 'not_paid' WHERE call = 'check_paid'`), StateFollows},
		"paid out, and nobody asked":                               {func(b *books) string { return b.active().process() }, sqls(`UPDATE instalment_orders SET state = 'paid_out', ended_at = 1`), StateFollows},
		"paid out without a number":                                {keepPaidOut, sqls(`UPDATE instalment_orders SET bank_order_id = ''`), StateFollows},
		"failed, and the bank never said so":                       {keepFailed, sqls(`UPDATE journal SET result_message = 'IN_PROCESS/WAITING_FOR_CLIENT' WHERE call = 'state'`), StateFollows},
		"refused, and a create was lost":                           {keepRefusedByBank, sqls(`UPDATE journal SET outcome = 'unknown', failure = 'reset', http_status = 0 WHERE phase = 'outcome'`), StateFollows},
		"refused, and a create has no outcome":                     {keepRefusedByBank, sqls(`DELETE FROM journal WHERE phase = 'outcome'`), StateFollows},
		"refused by a proxy":                                       {keepRefusedByBank, sqls(`UPDATE journal SET result_message = '' WHERE phase = 'outcome'`), StateFollows},
		"refused, and nobody was asked":                            {keepRejected, sqls(`UPDATE instalment_orders SET fail_reason = 'refused_by_bank', decision = ''`), StateFollows},
		"rejected before anything was sent, and a create was lost": {keepCreating, sqls(`UPDATE instalment_orders SET state = 'failed', fail_reason = 'rejected_by_store', decision = 'reject'`), StateFollows},
		"rejected, and the store did not":                          {keepRejected, sqls(`UPDATE instalment_orders SET decision = ''`), StateFollows},
		"an unknown client, and nobody asked":                      {keepRejected, sqls(`UPDATE instalment_orders SET fail_reason = 'client_not_found'`), StateFollows},
		"ended unsent, and a create was begun": {keepRejected, sqls(`INSERT INTO journal (process, phase, call, step, attempt, execution, cause, waited, at, duration, body_sha256, outcome, failure, http_status, result_message, trace_id)
			SELECT process, 'started', 'create', 9, 0, 'run', 'scheduled', 0, at, 0, '', '', '', 0, '', '' FROM journal LIMIT 1`), StateFollows},
		"confirmed and rejected": {keepPaidOut, sqls(`INSERT INTO journal (process, phase, call, step, attempt, execution, cause, waited, at, duration, body_sha256, outcome, failure, http_status, result_message, trace_id)
			SELECT process, 'call', 'reject', 9, 0, 'run', 'scheduled', 0, at, 0, '', 'answered', '', 200, '', '' FROM journal LIMIT 1`), StateFollows},
		"refused, and called back as a sale": {keepRefusedByBank, func(b *books, _ string) {
			endedAgo(b)
			b.plant(`INSERT INTO order_callbacks (order_id, state, sub_state, bank_order_id, meaning, at) VALUES (?, 'SUCCESS', 'ACTIVE', 'bank-1', 'active', ?)`, saleID, time.Now().UnixMicro())
		}, StateFollows},
		"failed, and the bank says it is a sale": {keepFailed, func(b *books, _ string) {
			endedAgo(b)
			b.plant(`UPDATE journal SET result_message = 'FAIL/FAIL', at = 1 WHERE call = 'state'`)
			b.plant(`INSERT INTO journal (process, phase, call, step, attempt, execution, cause, waited, at, duration, body_sha256, outcome, failure, http_status, result_message, trace_id)
				SELECT process, 'call', 'state', 9, 0, 'run', 'scheduled', 0, ?, 0, '', 'answered', '', 200, 'SUCCESS/ACTIVE', '' FROM journal LIMIT 1`, time.Now().UnixMicro())
		}, StateFollows},
		"paid out, and the bank says it failed": {keepPaidOut, func(b *books, _ string) {
			endedAgo(b)
			b.plant(`INSERT INTO order_callbacks (order_id, state, sub_state, bank_order_id, meaning, at) VALUES (?, 'FAIL', 'FAIL', 'bank-1', '', ?)`, saleID, time.Now().UnixMicro())
		}, StateFollows},
		"a sum returned that no return has": {keepPaidOut, sqls(`UPDATE instalment_orders SET returned_sum = 1`), StateFollows},
	})
}

// A contradiction that the ledger has recorded is an open incident, and none when two people
// have corrected it.
func TestContradictedOrders(t *testing.T) {
	t.Parallel()
	contradicted := func(b *books) *instalment {
		s := b.sells().creates(refusal400)
		endedAgo(b)
		return s.callsBack("SUCCESS", "ACTIVE")
	}
	late := func(b *books) *instalment { // confirmed, and the bank let it expire
		return b.sells().creates(bankSays("")).is("IN_PROCESS", "WAITING_FOR_STORE_CONFIRM", domain.OrderWaitingForStore).
			decides(domain.DecisionConfirm, "FAIL", "CONFIRM_TIME_EXPIRED", domain.OrderFailed)
	}
	for name, keep := range map[string]func(*books) *instalment{"called back as a sale": contradicted, "confirmed too late": late} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBooks(t)
			s := keep(b)
			require.Equal(t, []string{"open_incident " + s.process()}, b.verify())
			b.closes(domain.MoneyMoved, "ayan", "dina")
			require.Empty(t, b.verify())
		})
	}
}
