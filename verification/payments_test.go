package verification

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tolem/domain"
	"tolem/storage"
)

// paid is a payment that a test moves, step by step.
type paid struct {
	*books
	id   domain.AgentTransactionID
	step int
	open int64 // journal id of the pay that is under way
	paid bool  // a pay was answered, or given up
}

const payBody = `{"pay":1}`

// accepts accepts a payment.
func (b *books) accepts() *paid {
	b.Helper()
	amount := domain.Money(20_000)
	p, created, err := b.Accept(b.Context(), storage.Payment{
		Caller: "shop", IdempotencyKey: "key", RequestSHA256: "sha", ServiceID: "P1011", Account: "7770017711", AmountTo: &amount, AutoPay: true,
		AgentTransactionDate: "2026-02-17T17:00:00", RetryInitial: time.Second, RetryFactorMilli: 2000, CreatedAt: storage.At(time.Now()),
	})
	b.do(err)
	require.True(b, created)
	return &paid{books: b, id: p.ID}
}

func (p *paid) call(name, body string) storage.Call {
	p.step++
	return storage.Call{Process: p.id.WorkflowID(), Name: name, Step: p.step, Attempt: p.row().Attempts + 1, Execution: "run", Cause: domain.CauseRecovery, At: time.Now(), Body: []byte(body)}
}

func (p *paid) row() storage.Payment {
	p.Helper()
	row, err := p.Payment(p.Context(), p.id)
	p.do(err)
	return row
}

func outcome(code domain.Code) storage.Outcome {
	return storage.Outcome{Kind: storage.Answered, Code: &code, HTTPStatus: 200}
}

// checks asks check, which answers code; on 0 the first pay begins.
func (p *paid) checks(code domain.Code) *paid {
	p.Helper()
	r := storage.CheckRecord{Call: p.call("check", "{}"), Outcome: outcome(code), After: storage.After{State: domain.StateChecking}}
	switch domain.CheckMeans(domain.Answer{Code: &code}).Means {
	case domain.Refused:
		r.After.State = domain.StateRefused
	case domain.GoOn:
		p.step++
		r.After.State, r.Answer = domain.StatePaying, "{}"
		r.Pay = &storage.PayIntent{Body: []byte(payBody), AmountTo: 20_000, AmountFrom: 20_000, Step: p.step, At: time.Now()}
	}
	r.After.PaymentCode, r.After.HeldID = domain.Answer{Code: &code}.PaymentCode(), code == domain.CodeNumberExists
	var err error
	_, p.open, err = p.RecordCheck(p.Context(), r)
	p.do(err)
	return p
}

// pays has the pay that is under way answered, or begins one first.
func (p *paid) pays(o storage.Outcome, after domain.State) *paid {
	p.Helper()
	c := p.call("pay", payBody)
	if p.open == 0 {
		begun, err := p.BeginPay(p.Context(), c)
		p.do(err)
		require.True(p, begun.OK)
		c.Attempt, p.open = begun.Attempt, begun.Started
	}
	_, err := p.RecordPay(p.Context(), c, p.open, o, storage.After{
		State: after, PaymentCode: domain.Answer{Code: o.Code}.PaymentCode(), HeldID: !p.paid && o.Code != nil && *o.Code == domain.CodeNumberExists,
	})
	p.do(err)
	p.open, p.paid = 0, true
	return p
}

var noConnection = storage.Outcome{Kind: string(domain.Unknown), Failure: "reset"}

// resolves has two people end the payment, who cite the kind of evidence given.
func (p *paid) resolves(as domain.State, cite domain.EvidenceKind) *paid {
	p.Helper()
	b := p.books
	process := p.id.WorkflowID()
	resolve := storage.Action{Action: domain.ActionResolve, Outcome: as, Evidence: "letter 7", EvidenceKind: cite}
	if cite == domain.EvidenceRegister {
		resolve.RegisterSHA256 = "register"
		b.do(b.KeepRegister(b.Context(), storage.Register{Day: "2026-02-17", SHA256: "register", Closed: true, Caller: "ayan", ReceivedAt: storage.At(time.Now())}, []domain.AgentTransactionID{p.id}))
	}
	b.do(b.RaisePayment(b.Context(), p.id, domain.ReasonUnknownCode, "pay answered code 9"))
	first := b.asks(process, "ayan", resolve)
	b.do(b.Follow(b.Context(), storage.Following{PaymentID: p.id, OrderID: first.ID, Effect: domain.EffectProposed, Outcome: as, Until: time.Now().Add(time.Hour)}))
	second := b.asks(process, "dina", resolve)
	p.step++
	now, refusal, err := b.Confirm(b.Context(), storage.Confirmation{PaymentID: p.id, Step: p.step, OrderID: second.ID, Execution: "run"})
	b.do(err)
	require.Empty(b, refusal)
	require.Equal(b, as, now.State)
	return p
}

// ends writes an end that no answer decides.
func (p *paid) ends(state domain.State, action int64) *paid {
	p.Helper()
	p.step++
	now, barred, err := p.End(p.Context(), storage.Ending{PaymentID: p.id, Step: p.step, State: state, OrderID: action, Execution: "run"})
	p.do(err)
	require.Empty(p, barred)
	require.Equal(p, state, now.State)
	return p
}

// waits has check ask the payer, who may choose until an instant.
func (p *paid) waits(until time.Time) *paid {
	p.Helper()
	_, _, err := p.RecordCheck(p.Context(), storage.CheckRecord{
		Call: p.call("check", "{}"), Outcome: outcome(0), Answer: "{}", Asks: domain.AsksGoAhead, PayerUntil: until, After: storage.After{State: domain.StateAwaitingPayer},
	})
	p.do(err)
	return p
}

// Payments as Tolem keeps them.
var (
	keepAccepted  = func(b *books) string { return b.accepts().id.WorkflowID() }
	keepSucceeded = func(b *books) string {
		return b.accepts().checks(0).pays(outcome(0), domain.StateSucceeded).id.WorkflowID()
	}
	keepRefused = func(b *books) string {
		return b.accepts().checks(0).pays(outcome(300), domain.StateRefused).id.WorkflowID()
	}
	keepUnchecked = func(b *books) string { return b.accepts().checks(5).id.WorkflowID() }
	keepPaying    = func(b *books) string {
		return b.accepts().checks(0).pays(noConnection, domain.StatePaying).id.WorkflowID()
	}
	// Two pays are under way, and the first is answered 202.
	keepPaying202 = func(b *books) string {
		p := b.accepts().checks(0)
		first := p.open
		_, err := b.BeginPay(b.Context(), p.call("pay", payBody)) // by another execution
		b.do(err)
		_, err = b.RecordPay(b.Context(), storage.Call{Process: p.id.WorkflowID(), Name: "pay", Step: p.step, Attempt: 2, Execution: "run", Cause: domain.CauseScheduled, At: time.Now(), Body: []byte(payBody)},
			first, outcome(202), storage.After{State: domain.StatePaying})
		b.do(err)
		return p.id.WorkflowID()
	}
	keepResolved = func(b *books) string {
		return b.accepts().checks(0).pays(noConnection, domain.StatePaying).resolves(domain.StateResolvedRefused, "").id.WorkflowID()
	}
	keepResolvedSucceeded = func(b *books) string {
		return b.accepts().checks(0).pays(noConnection, domain.StatePaying).resolves(domain.StateResolvedSucceeded, "").id.WorkflowID()
	}
	// The centre held the id before a pay of ours.
	keepHeldAtCheck = func(b *books) string { return b.accepts().checks(215).id.WorkflowID() }
	keepHeldAtPay   = func(b *books) string {
		return b.accepts().checks(0).pays(outcome(215), domain.StatePaying).pays(outcome(300), domain.StatePaying).id.WorkflowID()
	}
	// The centre's last word is that it works on it.
	keepOutweighed = func(cite domain.EvidenceKind) func(*books) string {
		return func(b *books) string {
			return b.accepts().checks(0).pays(outcome(153), domain.StatePaying).pays(outcome(215), domain.StatePaying).resolves(domain.StateResolvedRefused, cite).id.WorkflowID()
		}
	}
	keepCancelled = func(b *books) string {
		p := b.accepts()
		return p.ends(domain.StateCancelled, b.asks(p.id.WorkflowID(), "ayan", storage.Action{Action: domain.ActionCancel}).ID).id.WorkflowID()
	}
	keepCancelledInTemporal = func(b *books) string { return b.accepts().ends(domain.StateCancelled, 0).id.WorkflowID() }
	keepExpired             = func(b *books) string {
		return b.accepts().waits(time.Now().Add(-time.Hour)).ends(domain.StateExpired, 0).id.WorkflowID()
	}
)

// answers has the last pay in the journal of a payment be answered with a code.
func answersLastPay(code domain.Code) func(*books, string) {
	return func(b *books, process string) {
		b.plant(`UPDATE journal SET result_code = ?, outcome = 'answered', failure = '' WHERE id = (SELECT max(id) FROM journal WHERE process = ? AND call = 'pay' AND phase = 'outcome')`, code, process)
	}
}

// stands has the row of the only payment say something else.
func stands(columns string) func(*books, string) {
	return func(b *books, _ string) { b.plant("UPDATE payments SET " + columns) }
}

func TestPaymentFindings(t *testing.T) {
	t.Parallel()
	// A pay is under way while two people resolve the payment, and is answered then.
	inFlight := func(code domain.Code, correct ...string) func(*books) string {
		return func(b *books) string {
			p := b.accepts().checks(0).pays(noConnection, domain.StatePaying)
			late := p.call("pay", payBody)
			begun, err := b.BeginPay(b.Context(), late)
			b.do(err)
			p.step++
			p.resolves(domain.StateResolvedRefused, "")
			late.Attempt = begun.Attempt
			_, err = b.RecordPay(b.Context(), late, begun.Started, outcome(code), storage.After{State: domain.StatePaying, PaymentCode: &code})
			b.do(err)
			if len(correct) > 0 {
				b.closes(domain.MoneyMoved, correct...)
			}
			return p.id.WorkflowID()
		}
	}
	run(t, map[string]planted{
		"accepted":  {keep: keepAccepted},
		"paying":    {keep: keepPaying},
		"succeeded": {keep: keepSucceeded},
		"refused":   {keep: keepRefused},
		"expired":   {keep: keepExpired},
		"cancelled": {keep: keepCancelled},
		"refused after 202 and 1 and 300": {keep: func(b *books) string {
			return b.accepts().checks(0).pays(outcome(1), domain.StatePaying).pays(outcome(202), domain.StatePaying).pays(outcome(300), domain.StateRefused).id.WorkflowID()
		}},
		"refused by a first 202": {keep: func(b *books) string {
			return b.accepts().checks(0).pays(outcome(202), domain.StateRefused).id.WorkflowID()
		}},

		"resolved, and a pay under way is answered 1": {keep: inFlight(domain.CodeInProgress)},
		"held at check": {keep: keepHeldAtCheck},
		"held at pay":   {keep: keepHeldAtPay},
		"refused, and a check met our own pay at the centre": {keep: func(b *books) string {
			p := b.accepts().checks(0)
			_, _, err := b.RecordCheck(b.Context(), storage.CheckRecord{Call: p.call("check", "{}"), Outcome: outcome(215), After: storage.After{State: domain.StateChecking}})
			b.do(err)
			return p.pays(outcome(300), domain.StateRefused).id.WorkflowID()
		}},
		"held, and paid": {keep: func(b *books) string {
			return b.accepts().checks(0).pays(outcome(215), domain.StatePaying).pays(outcome(0), domain.StateSucceeded).id.WorkflowID()
		}},
		"held at check, and resolved": {keep: func(b *books) string {
			return b.accepts().checks(215).resolves(domain.StateResolvedRefused, "").id.WorkflowID()
		}},
		"resolved against a temporary word, by a letter":   {keep: keepOutweighed(domain.EvidenceCentreCancelled)},
		"resolved against a temporary word, by a register": {keep: keepOutweighed(domain.EvidenceRegister)},

		"refused by check's 215":        {keepHeldAtCheck, stands("state = 'refused'"), StateFollows},
		"refused by a first 215":        {keepHeldAtPay, stands("state = 'refused'"), StateFollows},
		"cancelled, and its id is held": {keepHeldAtCheck, cancelledBehind, StateFollows},
		"resolved against a temporary word, and one person cites nothing": {keepOutweighed(domain.EvidenceCentreCancelled),
			sqls(`UPDATE actions SET evidence_kind = '' WHERE caller = 'ayan'`), TwoPeople},
		"resolved against a temporary word, by another day's register": {keepOutweighed(domain.EvidenceRegister), sqls(`UPDATE registers SET day = '2026-02-18'`), TwoPeople},
		"resolved against a temporary word, by a register that has it": {keepOutweighed(domain.EvidenceRegister), sqls(`DELETE FROM register_absences`), TwoPeople},

		"succeeded, and no pay was answered 0": {keepSucceeded, answersLastPay(1), StateFollows},
		"succeeded, and the pay names another": {keepSucceeded, func(b *books, _ string) {
			b.plant(`UPDATE journal SET failure = 'strange_echo' WHERE call = 'pay' AND phase = 'outcome'`)
		}, StateFollows},
		"succeeded by another payment's pay": {keepSucceeded, func(b *books, _ string) {
			b.plant(`UPDATE journal SET outcome = 'unknown', failure = 'reset', result_code = NULL WHERE call = 'pay' AND phase = 'outcome'`)
		}, StateFollows},
		"refused, and a pay was answered 0": {keepRefused, answersLastPay(0), StateFollows},
		"refused by a later 202":            {keepPaying, refusedByLater(202), StateFollows},
		"refused by a later 215":            {keepPaying, refusedByLater(215), StateFollows},
		"refused by a first 202 that another pay may have caused": {keepPaying202, func(b *books, process string) {
			stands("state = 'refused'")(b, process)
			b.plant(`INSERT INTO journal (process, phase, started_id, call, step, attempt, execution, cause, waited, at, duration, body_sha256, outcome, failure, http_status, result_code, result_message, trace_id)
				SELECT process, 'outcome', id, call, step, attempt, execution, cause, waited, at, 0, body_sha256, 'answered', '', 200, 1, '', '' FROM journal WHERE id = (SELECT max(id) FROM journal WHERE phase = 'started')`)
		}, StateFollows},
		"refused, and nobody was asked":            {keepAccepted, stands("state = 'refused'"), StateFollows},
		"refused after check 0 and no refused pay": {keepPaying, stands("state = 'refused'"), StateFollows},
		"refused, and check was answered 0":        {keepUnchecked, func(b *books, _ string) { b.plant(`UPDATE journal SET result_code = 0`) }, StateFollows},
		"refused, and check was answered 1":        {keepUnchecked, func(b *books, _ string) { b.plant(`UPDATE journal SET result_code = 1`) }, StateFollows},
		"resolved as refused, and paid":            {keepResolved, answersLastPay(0), StateFollows},
		"resolved as succeeded, and refused":       {keepResolvedSucceeded, answersLastPay(300), StateFollows},
		"cancelled after a pay was begun":          {keepPaying, cancelledBehind, StateFollows},
		"cancelled, and paid":                      {keepSucceeded, cancelledBehind, StateFollows},
		"ended unsent, and a pay was begun":        {keepCancelledInTemporal, beganPay, StateFollows},
		"expired, and a pay was begun":             {keepExpired, beganPay, StateFollows},
		"paying, and no pay was begun":             {keepAccepted, stands("state = 'paying'"), StateFollows},
		"checking, and a pay was begun":            {keepPaying, stands("state = 'checking'"), StateFollows},
		"a pay with other bytes":                   {keepSucceeded, stands("pay_body = '{}'"), SameBytes},

		"resolved by one person": {keepResolved, func(b *books, _ string) {
			b.plant(`UPDATE actions SET caller = 'ayan', idempotency_key = 'x' WHERE caller = 'dina'`)
		}, TwoPeople},
		"resolved without evidence":            {keepResolved, func(b *books, _ string) { b.plant(`UPDATE actions SET evidence = '' WHERE caller = 'ayan'`) }, TwoPeople},
		"resolved without the second action":   {keepResolved, func(b *books, _ string) { b.plant(`DELETE FROM actions WHERE caller = 'dina'`) }, TwoPeople},
		"resolved without the first action":    {keepResolved, func(b *books, _ string) { b.plant(`DELETE FROM actions WHERE caller = 'ayan'`) }, TwoPeople},
		"resolved by another payment's action": {keepResolved, func(b *books, _ string) { b.plant(`UPDATE actions SET process = 'payment/1' WHERE caller = 'dina'`) }, TwoPeople},
		"resolved otherwise than proposed": {keepResolved, func(b *books, _ string) {
			b.plant(`UPDATE actions SET outcome = 'resolved_succeeded' WHERE caller = 'ayan'`)
		}, TwoPeople},
		"resolved after the proposal lapsed": {keepResolved, func(b *books, _ string) {
			b.plant(`UPDATE journal SET id = id + 100 WHERE call = 'resolved_refused'`)
			b.plant(`INSERT INTO journal (process, phase, call, step, attempt, execution, cause, waited, at, duration, body_sha256, outcome, failure, http_status, result_message, trace_id)
				SELECT process, 'event', 'proposal_lapsed', 0, 0, 'run', '', 0, at, 0, '', '', '', 0, '', '' FROM journal WHERE call = 'proposed'`)
			b.plant(`UPDATE journal SET id = id + 200 WHERE call = 'resolved_refused'`)
		}, TwoPeople},
		"resolved by nobody": {keepPaying, stands("state = 'resolved_refused'"), TwoPeople},

		"cancelled by nobody":                   {keepAccepted, stands("state = 'cancelled'"), OwnAction},
		"cancelled by another payment's action": {keepCancelled, func(b *books, _ string) { b.plant(`UPDATE actions SET process = 'payment/1'`) }, OwnAction},
		"cancelled by a retry":                  {keepCancelled, func(b *books, _ string) { b.plant(`UPDATE actions SET action = 'retry'`) }, OwnAction},
		"cancelled by no execution":             {keepCancelledInTemporal, func(b *books, _ string) { b.plant(`UPDATE journal SET execution = ''`) }, OwnAction},

		"expired before its deadline":       {keepExpired, stands(fmt.Sprintf("payer_until = %d", time.Now().Add(time.Hour).UnixMicro())), Deadline},
		"expired, and nobody says when":     {keepExpired, func(b *books, _ string) { b.plant(`DELETE FROM journal WHERE call = 'expired'`) }, Deadline},
		"expired, and the payer had chosen": {keepExpired, stands("choice_sha256 = 'x'"), Deadline},
	})
	for name, c := range map[string]struct {
		keep func(*books) string
		want []string
	}{
		"corrected by two people": {inFlight(domain.CodeSuccess, "ayan", "dina"), nil},
		"with an open incident":   {inFlight(domain.CodeSuccess), []string{"open_incident"}},
	} {
		t.Run("resolved as refused, and paid, "+name, func(t *testing.T) {
			t.Parallel()
			b := newBooks(t)
			process := c.keep(b)
			var want []string
			for _, check := range c.want {
				want = append(want, check+" "+process)
			}
			require.Equal(t, want, b.verify())
		})
	}
}

// refusedByLater has a later pay answered with a code, and the payment refused by it.
func refusedByLater(code domain.Code) func(*books, string) {
	return func(b *books, process string) {
		id, err := domain.PaymentOf(process)
		b.do(err)
		p := &paid{books: b, id: id}
		p.step = p.row().Step
		p.pays(outcome(code), domain.StateRefused)
	}
}

// cancelledBehind has a payment say that it was cancelled in Temporal.
func cancelledBehind(b *books, process string) {
	b.plant(`UPDATE payments SET state = 'cancelled'`)
	b.plant(`INSERT INTO journal (process, phase, call, step, attempt, execution, cause, waited, at, duration, body_sha256, outcome, failure, http_status, result_message, trace_id)
		SELECT process, 'event', 'cancelled', 9, 0, 'run', '', 0, at, 0, '', '', '', 0, '', '' FROM journal WHERE process = ? LIMIT 1`, process)
}

// beganPay has a pay begun for a payment of which nothing was sent, behind its row.
func beganPay(b *books, process string) {
	b.plant(`INSERT INTO journal (process, phase, call, step, attempt, execution, cause, waited, at, duration, body_sha256, outcome, failure, http_status, result_message, trace_id)
		SELECT process, 'started', 'pay', 9, 9, 'run', 'scheduled', 0, at, 0, '', '', '', 0, '', '' FROM journal WHERE process = ? LIMIT 1`, process)
}
