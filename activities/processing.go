// Package activities is what workflows do to the world: one struct for each
// counterparty, with concrete clients in exported fields. Inputs and results
// carry ids, states, codes and amounts; everything personal is read from the
// ledger by id and never enters Temporal.
package activities

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"tolem/domain"
	"tolem/partners/processing"
	"tolem/storage"
)

// recordLimit bounds the ledger write after a call. The write runs under
// context.WithoutCancel: a call that was made is journalled even when the
// activity was cancelled or timed out meanwhile.
const recordLimit = 5 * time.Second

// Processing calls the processing centre for payments of the ledger.
type Processing struct {
	Ledger  *storage.Ledger
	Centre  *processing.Client
	Metrics *Metrics
	// Protection limits first attempts and pauses all while the centre is plainly
	// down; nil admits everything.
	Protection *Protection

	firsts firstPays
}

// AttemptInput orders one attempt of check or pay.
type AttemptInput struct {
	PaymentID domain.AgentTransactionID `json:"paymentId"`
	Step      int                       `json:"step"`     // the workflow's; counted up with every order
	Cause     domain.Cause              `json:"cause"`    // why now
	Waited    time.Duration             `json:"waited"`   // the scheduled wait before; 0 for other causes
	Waits     int                       `json:"waits"`    // scheduled waits so far
	NextWait  time.Duration             `json:"nextWait"` // the wait that follows unless this is final
	// First is a step's first attempt, which runs in the worker that has the
	// workflow and keeps to that worker's own limit.
	First bool `json:"first,omitempty"`
	// AskOnly leaves the intent to pay to CommitIntent, so that the process which
	// commits it is the one that makes the first pay.
	AskOnly bool `json:"askOnly,omitempty"`
	// Pauses is how often this very attempt was held back so far.
	Pauses int `json:"pauses,omitempty"`
	// PayerDeadline is how long the payer may decide, if check asks.
	PayerDeadline time.Duration `json:"payerDeadline,omitempty"`
}

// AttemptResult is what an attempt found and decided.
type AttemptResult struct {
	// Behind is set when the ledger had seen this step, or the end, before:
	// nobody was called, and the workflow goes on from Step and Waits.
	Behind bool `json:"behind,omitempty"`
	// State, Step, Attempts and Waits are the ledger's after the attempt. State
	// is empty when the outcome could not be recorded.
	State    domain.State `json:"state,omitempty"`
	Step     int          `json:"step,omitempty"`
	Attempts int          `json:"attempts,omitempty"`
	Waits    int          `json:"waits,omitempty"`
	// PaySent says that the intent to pay is committed.
	PaySent bool            `json:"paySent,omitempty"`
	Asks    domain.Question `json:"asks,omitempty"`
	Verdict domain.Verdict  `json:"verdict"`
	Code    *domain.Code    `json:"code,omitempty"`
	Failure string          `json:"failure,omitempty"` // the client's stable word
	// What a successful pay is known by at the partner.
	TransactionID   int64  `json:"transactionId,omitempty"`
	TransactionDate string `json:"transactionDate,omitempty"`
	StatusDate      string `json:"statusDate,omitempty"`
	// NotSent is set when our own limiter or breaker held the call back: it was no
	// attempt, and nothing was written but that the payment is paused.
	NotSent string `json:"notSent,omitempty"`
	// RetryAfter is then how long to pause; after a call that was made, how long the centre
	// asks to wait, which lengthens the next wait and never shortens it.
	RetryAfter time.Duration `json:"retryAfter,omitempty"`
	Standing
}

// Check asks whether the payment can be made. When it can and nothing asks the
// payer, the intent to pay is committed in the same transaction as the answer,
// unless in.AskOnly leaves that to CommitIntent.
//
// Idempotent on the payment: once a pay may have been sent it calls nobody and
// returns where the ledger stands; asked twice before that, the partner gives
// the same answer. Where people stopped the payment while the call was under way the
// answer is kept and the intent is left to CommitIntent. It fails only when the ledger
// does, and then no pay was sent.
func (p *Processing) Check(ctx context.Context, in AttemptInput) (AttemptResult, error) {
	if err := checkStep(in.Step); err != nil {
		return AttemptResult{}, err
	}
	p.firsts.forget(in.PaymentID) // an earlier run of this activity may have left its own
	payment, err := p.Ledger.Payment(ctx, in.PaymentID)
	if err != nil {
		return AttemptResult{}, final(err)
	}
	if payment.PaySentAt != nil || payment.Step >= in.Step || payment.State.Terminal() || in.stopped(payment) {
		return behind(payment), nil
	}
	body, err := checkBody(payment)
	if err != nil {
		return AttemptResult{}, fmt.Errorf("build check of payment %s: %w", payment.ID, err)
	}
	answered, refused := p.Protection.Admit(ctx, in.First, in.Cause)
	if refused != nil {
		return p.heldBack(ctx, in, *refused), nil
	}
	call := in.call(ctx, callCheck, payment.Attempts+1, body)
	reply, callErr := p.Centre.Check(numbered(ctx, call), body)
	answered(callErr)
	record := storage.CheckRecord{Call: call, Outcome: outcomeOf(call, reply, callErr)}

	within, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordLimit)
	defer cancel()
	answer, err := p.answer(within, payment, reply, callErr)
	if err != nil {
		return AttemptResult{}, err
	}
	verdict := ofPayment(payment, domain.CheckMeans(answer))
	verdict = p.noted(within, call, &record.Outcome, verdict)
	if err := fillCheck(&record, in, payment, reply, verdict); err != nil {
		return AttemptResult{}, err
	}
	verdict.OperatorReason = record.After.OperatorReason
	record.After.PaymentCode = answer.PaymentCode()
	changed, started, err := p.Ledger.RecordCheck(within, record)
	if err != nil {
		return AttemptResult{}, err
	}
	p.report(ctx, call, record.Outcome, verdict)
	if !changed {
		return p.standing(within, payment.ID)
	}
	result := AttemptResult{
		State: record.After.State, Step: in.Step, Attempts: call.Attempt, Waits: record.After.Waits,
		PaySent: started != 0, Asks: record.Asks, Verdict: verdict, Code: record.Outcome.Code, Failure: record.Outcome.FailureText(),
		RetryAfter: record.Outcome.RetryAfter,
	}
	switch {
	case started != 0:
		p.firsts.remember(payment.ID, firstPay{started: started, step: in.Step + 1, attempt: call.Attempt + 1})
	case record.Pay != nil: // people stopped it
		result.State = domain.StateChecking
	}
	result.PaymentCode, result.HeldID = record.After.PaymentCode, payment.HeldID || record.After.HeldID
	result.PayerUntil = unlessZero(record.PayerUntil)
	return result, nil
}

// fillCheck decides what an answer to check leads to.
func fillCheck(r *storage.CheckRecord, in AttemptInput, payment storage.Payment, reply processing.Reply, verdict domain.Verdict) error {
	r.After = in.after(domain.StateChecking, verdict, r.Outcome)
	switch verdict.Means {
	case domain.Refused:
		r.After.State = domain.StateRefused
	case domain.GoOn:
		answer, err := json.Marshal(reply)
		if err != nil {
			return fmt.Errorf("keep the answer to check of payment %s: %w", payment.ID, err)
		}
		r.Answer, r.After.TransactionID = string(answer), reply.TransactionID
		if r.Asks = asks(payment, reply); r.Asks != domain.AsksNothing {
			r.After.State = domain.StateAwaitingPayer
			if offersNothing(payment, reply) {
				r.After.OperatorReason = domain.ReasonNothingOffered
			}
			if in.PayerDeadline > 0 {
				r.PayerUntil = time.Now().Add(in.PayerDeadline)
			}
			return nil
		}
		if in.AskOnly {
			return nil
		}
		if r.Pay, err = intentToPay(payment, in.Step+1); err != nil {
			return fmt.Errorf("build pay of payment %s: %w", payment.ID, err)
		}
		r.After.State = domain.StatePaying
	}
	return nil
}

// Pay sends the committed bytes once more and says what the answer means.
//
// Idempotent at the partner on agentTransactionId: "процессинг возвращает
// результат обработки предыдущего запроса". After the first byte it returns a
// result, whatever happened; an error means that nothing was sent. A time-out of
// the activity itself is an unknown outcome.
func (p *Processing) Pay(ctx context.Context, in AttemptInput) (AttemptResult, error) {
	if err := checkStep(in.Step); err != nil {
		return AttemptResult{}, err
	}
	payment, err := p.Ledger.Payment(ctx, in.PaymentID)
	if err != nil {
		return AttemptResult{}, final(err)
	}
	if payment.Restored {
		return behind(payment), nil
	}
	if payment.PaySentAt == nil {
		return AttemptResult{}, fmt.Errorf("payment %s: no intent to pay is committed, so nothing is sent", payment.ID)
	}
	if payment.Step >= in.Step || payment.State.Terminal() {
		p.firsts.forget(in.PaymentID)
		return behind(payment), nil
	}
	if in.stopped(payment) {
		return behind(payment), nil
	}
	answered, refused := p.Protection.Admit(ctx, in.First, in.Cause)
	if refused != nil {
		return p.heldBack(ctx, in, *refused), nil // the first pay stays the first
	}
	first, isFirst := p.firsts.take(in.PaymentID, in.Step)
	call := in.call(ctx, callPay, first.attempt, payment.PayBody)
	if !isFirst {
		begun, err := p.Ledger.BeginPay(ctx, call)
		if err != nil || !begun.OK {
			answered(errNotMade)
		}
		if err != nil {
			return AttemptResult{}, err
		}
		if !begun.OK {
			return p.standing(ctx, payment.ID)
		}
		call.Attempt, call.Cause, call.Waited, first.started = begun.Attempt, begun.Cause, begun.Waited, begun.Started
	}
	call.At = time.Now()
	reply, callErr := p.Centre.Pay(numbered(ctx, call), payment.PayBody)
	answered(callErr)
	return p.settle(ctx, in, payment, paid{call: call, started: first.started, isFirst: isFirst && payment.RestoredEpoch == 0, // a lost one may have been first
		reply: reply, err: callErr})
}

// paid is one pay that was sent, and what came back.
type paid struct {
	call    storage.Call
	started int64 // journal id of its started row
	isFirst bool
	reply   processing.Reply
	err     error
}

// settle reads the answer to a pay and commits what it means.
func (p *Processing) settle(ctx context.Context, in AttemptInput, payment storage.Payment, sent paid) (AttemptResult, error) {
	call, reply := sent.call, sent.reply
	within, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordLimit)
	defer cancel()
	outcome := outcomeOf(call, reply, sent.err)
	verdict, word := p.payVerdict(within, payment, sent)
	verdict = p.noted(within, call, &outcome, verdict)
	after := in.after(domain.StatePaying, verdict, outcome)
	after.PaymentCode = word
	result := AttemptResult{
		PaySent: true, Step: in.Step, Attempts: call.Attempt, Waits: after.Waits,
		Verdict: verdict, Code: outcome.Code, Failure: outcome.FailureText(),
	}
	result.PaymentCode, result.RetryAfter = word, outcome.RetryAfter
	switch verdict.Means {
	case domain.Refused:
		after.State = domain.StateRefused
	case domain.Succeeded:
		after.State = domain.StateSucceeded
		after.TransactionID, after.TransactionDate, after.StatusDate = reply.TransactionID, reply.TransactionDate, reply.StatusDate
		result.TransactionID, result.TransactionDate, result.StatusDate = reply.TransactionID, reply.TransactionDate, reply.StatusDate
	}
	p.report(ctx, call, outcome, verdict)
	changed, err := p.Ledger.RecordPay(within, call, sent.started, outcome, after)
	switch {
	case err != nil:
		// The answer is in hand and must not be lost: the workflow records a
		// final one itself, for as long as it takes.
		slog.ErrorContext(ctx, "outcome of pay not recorded", "process", call.Process, "error", err)
	case changed:
		result.State, result.HeldID = after.State, payment.HeldID || after.HeldID
	default:
		return p.standing(within, payment.ID)
	}
	return result, nil
}

// noted journals that an answer was none to our question, so that its code is evidence of
// nothing, and has a person look at one that fails as the one before it did.
func (p *Processing) noted(ctx context.Context, call storage.Call, o *storage.Outcome, v domain.Verdict) domain.Verdict {
	if v.OperatorReason == domain.ReasonStrangeEcho {
		o.Failure = string(v.OperatorReason)
	}
	if v.OperatorReason == "" {
		v.OperatorReason = repeatsUnreadable(ctx, p.Ledger, call, *o)
	}
	return v
}

// repeatsUnreadable is ReasonUnreadableAnswer where an answer cannot be read for the same
// reason as the one before it, else "". A ledger that cannot say so now can at the next.
func repeatsUnreadable(ctx context.Context, ledger *storage.Ledger, call storage.Call, o storage.Outcome) domain.OperatorReason {
	repeats, err := ledger.RepeatsUnreadable(ctx, call, o)
	if err != nil {
		slog.WarnContext(ctx, "unreadable answer not compared", "process", call.Process, "error", err)
	}
	if !repeats {
		return ""
	}
	return domain.ReasonUnreadableAnswer
}

// errNotMade tells the breaker that an admitted call was not made after all.
var errNotMade = errors.New("the call was not made")

// standing reports where the ledger stands, for an attempt that changed nothing.
func (p *Processing) standing(ctx context.Context, id domain.AgentTransactionID) (AttemptResult, error) {
	payment, err := p.Ledger.Payment(ctx, id)
	if err != nil {
		return AttemptResult{}, err
	}
	return behind(payment), nil
}

// report counts and logs one attempt: ids, codes and reasons only.
func (p *Processing) report(ctx context.Context, call storage.Call, o storage.Outcome, v domain.Verdict) {
	p.Metrics.attempt(processing.Partner, call.Name, o)
	note(ctx, call, o)
	level := slog.LevelInfo
	if v.OperatorReason != "" {
		level = slog.LevelError
	}
	code := -1
	if o.Code != nil {
		code = int(*o.Code)
	}
	slog.Log(ctx, level, "attempt", "process", call.Process, "call", call.Name, "attempt", call.Attempt,
		"cause", call.Cause, "outcome", o.Kind, "code", code, "failure", o.FailureText(), "means", v.Means,
		"operator_reason", v.OperatorReason, "duration", o.Duration)
}

func (in AttemptInput) call(ctx context.Context, name string, attempt int, body []byte) storage.Call {
	return storage.Call{
		Process: in.PaymentID.WorkflowID(), Name: name, Step: in.Step, Attempt: attempt, Cause: in.Cause, Waited: in.Waited,
		Execution: execution(ctx), At: time.Now(), Body: body,
	}
}

// after is what follows an attempt that ended nothing: the given state, and the
// next rung of the ladder.
func (in AttemptInput) after(state domain.State, v domain.Verdict, o storage.Outcome) storage.After {
	a := storage.After{State: state, OperatorReason: v.OperatorReason, Waits: in.Waits, HeldID: v.Stop}
	if v.Means == domain.Repeat && !v.Stop {
		a.Waits, a.NextWait = in.Waits+1, lengthened(in.NextWait, o.RetryAfter)
	}
	return a
}

// lengthened is a wait that a partner asked to make longer; none stays none.
func lengthened(wait, retryAfter time.Duration) time.Duration {
	if wait == 0 {
		return 0
	}
	return max(wait, retryAfter)
}

func behind(p storage.Payment) AttemptResult {
	return AttemptResult{
		Behind: true, State: p.State, Step: p.Step, Attempts: p.Attempts, Waits: p.Waits,
		PaySent: p.PaySentAt != nil, Asks: p.AsksPayer, Code: p.ResultCode, Standing: standingOf(p),
	}
}

func outcomeOf(call storage.Call, reply processing.Reply, err error) storage.Outcome {
	o := storage.Outcome{Duration: time.Since(call.At), Kind: storage.Answered}
	if err == nil {
		o.Code, o.Message, o.Dropped = &reply.Code, reply.Message, reply.Dropped
		return o
	}
	o.Kind, o.Failure = string(domain.Unknown), "unclassified"
	var failure *processing.Failure
	if errors.As(err, &failure) {
		o.Kind, o.Failure, o.HTTPStatus = string(failure.Kind), failure.Reason, failure.Status
		o.Field, o.Unreadable, o.RetryAfter = failure.Field, failure.Unreadable(), failure.RetryAfter
	}
	return o
}
