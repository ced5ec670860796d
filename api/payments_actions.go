package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"
	"go.temporal.io/api/serviceerror"

	"tolem/domain"
	"tolem/storage"
	"tolem/workflows"
)

// actionMargin is what an action needs beside the one attempt that it may make: its
// turn in the queue that later attempts share, and two ledger writes.
const actionMargin = 20 * time.Second

// Limits of what a person writes to an action, in characters.
const (
	maxReason   = 500
	maxEvidence = 2000 // a letter's reference, or a register's row
)

const reasonRule = "is required: why, for whoever reads the journal"

// actionRequest is the body of an action for one payment.
type actionRequest struct {
	PaymentID domain.AgentTransactionID `json:"paymentId"`
	Action    domain.Action             `json:"action"`
	Reason    string                    `json:"reason"`
	Outcome   domain.State              `json:"outcome"`  // of resolve
	Evidence  string                    `json:"evidence"` // of resolve
	// What a resolve cites against the centre's last word. They are left out of the digest
	// where they are not given: requests of before have none.
	EvidenceKind   domain.EvidenceKind `json:"evidenceKind,omitempty"`
	RegisterSHA256 string              `json:"registerSha256,omitempty"`
}

// outcomes are what resolve may say.
var outcomes = map[string]domain.State{"succeeded": domain.StateResolvedSucceeded, "refused": domain.StateResolvedRefused}

// actOnPayment answers POST /v1/payments/{id}/{action}: a person's action for an
// open payment.
//
// The action is in the ledger, with who, why and when, before anybody acts on it.
// 200 and 202 say what it really did; a 409 that it did nothing, or only made an
// attempt, and why. After 503 the same request with the same Idempotency-Key is
// safe: it takes effect once.
func (s *Server) actOnPayment(action domain.Action) echo.HandlerFunc {
	return func(c echo.Context) error {
		key, body, err := keyAndBody(c)
		if err != nil {
			return err
		}
		request, wrong := decodeAction(body, action)
		if err := wrong.problem(); err != nil {
			return err
		}
		payment, err := s.visiblePayment(c)
		if err != nil {
			return err
		}
		request.PaymentID = payment.ID
		if err := s.checkCited(c.Request().Context(), request, payment); err != nil {
			return err
		}
		row := request.row(callerOf(c).name, key, time.Now())
		if action == domain.ActionRelease && payment.Restored {
			return s.releaseRestored(c, payment, row)
		}
		placed, err := s.placeAndCarryOut(c, row, s.carryOut)
		if err != nil {
			return err
		}
		return s.answerAction(c, placed)
	}
}

// decodeAction reads {reason} and, for resolve, {outcome, evidence}.
func decodeAction(body []byte, action domain.Action) (actionRequest, fieldErrors) {
	r := actionRequest{Action: action}
	fields := map[string]reader{
		"reason": func(raw json.RawMessage) *complaint { return text(raw, maxReason, &r.Reason) },
	}
	if action == domain.ActionResolve {
		fields["outcome"] = func(raw json.RawMessage) *complaint { return outcome(raw, &r.Outcome) }
		fields["evidence"] = func(raw json.RawMessage) *complaint { return text(raw, maxEvidence, &r.Evidence) }
	}
	if action == domain.ActionResolve || action == domain.ActionRelease {
		fields["evidenceKind"] = func(raw json.RawMessage) *complaint { return evidenceKind(raw, &r.EvidenceKind) }
		fields["registerSha256"] = func(raw json.RawMessage) *complaint { return sha256Hex(raw, &r.RegisterSHA256) }
	}
	wrong := decodeObject(body, fields)
	if wrong.unreadable() {
		return r, wrong
	}
	wrong.require("reason", r.Reason != "", reasonRule)
	if action == domain.ActionResolve {
		wrong.require("outcome", r.Outcome != "", "is required: succeeded or refused")
		wrong.require("evidence", r.Evidence != "", "is required: the partner's letter or register row")
	}
	cited := r.EvidenceKind == domain.EvidenceRegister
	wrong.require("registerSha256", !cited || r.RegisterSHA256 != "", "is required with evidenceKind register")
	if !cited && r.RegisterSHA256 != "" {
		wrong.add("registerSha256", ruleRange, "requires evidenceKind register")
	}
	return r, wrong
}

func evidenceKind(raw json.RawMessage, into *domain.EvidenceKind) *complaint {
	var word string
	if err := json.Unmarshal(raw, &word); err != nil {
		return &complaint{ruleType, "must be a string"}
	}
	kind := domain.EvidenceKind(word)
	if !kind.Known() {
		return &complaint{ruleFormat, "must be centre_cancelled or register"}
	}
	*into = kind
	return nil
}

var sha256Digits = regexp.MustCompile(`^[0-9a-f]{64}$`)

func sha256Hex(raw json.RawMessage, into *string) *complaint {
	var digits string
	if err := json.Unmarshal(raw, &digits); err != nil {
		return &complaint{ruleType, "must be a string"}
	}
	if !sha256Digits.MatchString(digits) {
		return &complaint{ruleFormat, "must have 64 hexadecimal digits in lower case"}
	}
	*into = digits
	return nil
}

// checkCited refuses a register that is no evidence: one that nobody compared, of another
// day, of a day that was not over, or one that contains the payment. The ledger looks again
// when the second person's word ends the payment.
func (s *Server) checkCited(ctx context.Context, r actionRequest, p storage.Payment) error {
	if r.EvidenceKind != domain.EvidenceRegister || p.State.Terminal() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, ledgerLimit)
	defer cancel()
	lacks, err := s.ledger.RegisterLacks(ctx, r.RegisterSHA256, p.ID)
	switch {
	case err != nil:
		return fromLedger(err)
	case !lacks:
		return refusal(domain.RefusalNoRegister, p.State, false)
	}
	return nil
}

func outcome(raw json.RawMessage, into *domain.State) *complaint {
	var word string
	if err := json.Unmarshal(raw, &word); err != nil {
		return &complaint{ruleType, "must be a string"}
	}
	state, known := outcomes[word]
	if !known {
		return &complaint{ruleFormat, "must be succeeded or refused"}
	}
	*into = state
	return nil
}

// row is what the ledger keeps.
func (r actionRequest) row(who, key string, at time.Time) storage.Action {
	return storage.Action{
		Process: r.PaymentID.WorkflowID(), Action: r.Action, Outcome: r.Outcome, Caller: who, IdempotencyKey: key,
		RequestSHA256: digestOf("order/1", r), Reason: r.Reason, Evidence: r.Evidence, RequestedAt: storage.At(at),
		EvidenceKind: r.EvidenceKind, RegisterSHA256: r.RegisterSHA256,
	}
}

// placeAndCarryOut commits an action and has it carried out, unless it had an effect before.
func (s *Server) placeAndCarryOut(c echo.Context, a storage.Action, carryOut func(context.Context, storage.Action) error) (storage.Action, error) {
	ctx := c.Request().Context()
	placed, err := s.place(ctx, a)
	switch {
	case err != nil:
		return placed, err
	case placed.Effect != "":
		replayed(c)
		return placed, nil
	}
	return placed, carryOut(ctx, placed)
}

// place commits the action; whoever hangs up meanwhile has placed it.
func (s *Server) place(ctx context.Context, a storage.Action) (storage.Action, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), acceptLimit)
	defer cancel()
	placed, err := s.ledger.PlaceAction(ctx, a)
	if err != nil {
		return storage.Action{}, fromLedger(err)
	}
	return placed, nil
}

// carryOut hands a placed action to the payment's workflow and waits for what it
// did, at most actionLimit. nil means that the action has an effect.
func (s *Server) carryOut(ctx context.Context, a storage.Action) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.actionLimit)
	defer cancel()
	result, err := s.send(ctx, a)
	var missing *serviceerror.NotFound
	if errors.As(err, &missing) {
		result, err = s.sendAgain(ctx, a)
	}
	if refused, ok := workflows.RefusedAction(err); ok {
		return refusal(refused.Refusal, refused.State, false)
	}
	var known *problem
	switch {
	case errors.As(err, &known): // the ledger's
		return err
	case err != nil:
		return s.unanswered(ctx, a, err)
	case result.Refusal != "":
		return refusal(result.Refusal, result.State, result.Effect == domain.EffectAttempted)
	}
	return nil
}

func (s *Server) send(ctx context.Context, a storage.Action) (workflows.ActionResult, error) {
	return workflows.Act[workflows.ActionResult](ctx, s.temporal, a.Process, a.Action, a.Caller+" "+a.IdempotencyKey, workflows.ActionInput{OrderID: a.ID, Outcome: a.Outcome, Evidence: a.EvidenceKind})
}

// sendAgain sends an action for which there was no workflow: the payment has ended,
// or Temporal lost its memory. The sweep would start it within a minute or two;
// somebody waits, so it is started now.
func (s *Server) sendAgain(ctx context.Context, a storage.Action) (workflows.ActionResult, error) {
	p, err := s.paymentOf(ctx, a)
	if err == nil && p.State.Terminal() {
		a, err = s.ledger.Action(ctx, a.Process, a.ID)
	}
	switch {
	case err != nil:
		return workflows.ActionResult{}, fromLedger(err)
	case p.State.Terminal() && a.Effect != "": // by this very action, whose answer was lost
		return workflows.ActionResult{Effect: a.Effect, State: p.State}, nil
	case p.State.Terminal():
		return workflows.ActionResult{Refusal: domain.RefusalEnded, State: p.State}, nil
	}
	if _, err = workflows.StartPayment(ctx, s.temporal, s.terms.Input(p.ID, p.ServiceID, p.Ladder(), p.Since())); err != nil {
		return workflows.ActionResult{}, err
	}
	return s.send(ctx, a)
}

// paymentOf reads the payment that an action is for.
func (s *Server) paymentOf(ctx context.Context, a storage.Action) (storage.Payment, error) {
	id, err := domain.PaymentOf(a.Process)
	if err != nil {
		return storage.Payment{}, err
	}
	return s.ledger.Payment(ctx, id)
}

// refusals are what each refusal says, after the payment's state.
var refusals = map[domain.Refusal]string{
	domain.RefusalEnded:        "nothing leaves a final state",
	domain.RefusalAwaitsPayer:  "nothing is sent while the payer decides; cancel ends it",
	domain.RefusalHeld:         "it is held: release it first",
	domain.RefusalNotHeld:      "it is not held, so there is nothing to release",
	domain.RefusalPaySent:      "a pay was sent and the money may have moved, so it cannot be cancelled; a final code ends it, or resolve",
	domain.RefusalNumberExists: "the processing centre holds this id and may have the money, so it cannot be cancelled; retry asks again, or two operators resolve it",
	domain.RefusalNeverPaid:    "no pay was ever sent, so there is nothing to resolve; cancel ends it",
	domain.RefusalNoOperator:   "it does not need an operator and goes on by itself; retry makes an attempt now",
	domain.RefusalInProgress: "the processing centre's last word on the payment is a temporary code (1, 153, 220 or 255), so it cannot be resolved as refused, " +
		"unless both operators cite the centre's cancellation or a register of the closed day (evidenceKind); retry asks again",
	domain.RefusalNoRegister:     "registerSha256 is that of no compared register of its day, taken when the day was over, that does not contain it; POST /v1/reconciliation compares one",
	domain.RefusalNotProposed:    "nobody proposed an outcome, so there is nothing to decline",
	domain.RefusalOtherOutcome:   "another operator proposed another outcome; release drops the proposal",
	domain.RefusalSecondOperator: "you proposed this outcome; a second operator has to confirm it",
}

// refusal is the problem of an action that was not taken.
func refusal(why domain.Refusal, state domain.State, attempted bool) error {
	rule, known := refusals[why]
	if !known { // a worker newer than this API
		return &problem{code: internalError, cause: fmt.Errorf("no problem is named after the refusal %q", why)}
	}
	detail := fmt.Sprintf("the payment is %s: %s", state, rule)
	if attempted {
		detail = "one more attempt was made and " + detail
	}
	return &problem{code: problemCode(why), detail: detail}
}

// actionView is a person's action as the API shows it.
type actionView struct {
	ID       string        `json:"id"`
	Action   domain.Action `json:"action"`
	Outcome  domain.State  `json:"outcome,omitempty"`
	By       string        `json:"by"` // the token's name
	Reason   string        `json:"reason"`
	Evidence string        `json:"evidence,omitempty"`

	EvidenceKind   domain.EvidenceKind `json:"evidenceKind,omitempty"`
	RegisterSHA256 string              `json:"registerSha256,omitempty"`

	RequestedAt time.Time     `json:"requestedAt"`
	Effect      domain.Effect `json:"effect,omitempty"` // none: it did nothing
	DoneAt      *time.Time    `json:"doneAt,omitempty"`
}

func actionViewOf(a storage.Action) actionView {
	v := actionView{
		ID: strconv.FormatInt(a.ID, 10), Action: a.Action, Outcome: a.Outcome, By: a.Caller, Reason: a.Reason,
		Evidence: a.Evidence, EvidenceKind: a.EvidenceKind, RegisterSHA256: a.RegisterSHA256,
		RequestedAt: a.RequestedAt.Time, Effect: a.Effect,
	}
	if a.DoneAt != nil {
		v.DoneAt = &a.DoneAt.Time
	}
	return v
}

// answerAction answers with the payment as the ledger has it, and the action.
func (s *Server) answerAction(c echo.Context, placed storage.Action) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.Request().Context()), ledgerLimit)
	defer cancel()
	payment, err := s.paymentOf(ctx, placed)
	if err == nil {
		placed, err = s.ledger.Action(ctx, placed.Process, placed.ID)
	}
	if err != nil {
		return fromLedger(err)
	}
	status := statusOf(placed.Action == domain.ActionRelease && placed.Effect == domain.EffectProposed, http.StatusOK) // 200 would be read as released
	if placed.Action == domain.ActionResolve && !payment.State.Terminal() {
		status = http.StatusAccepted // 200 would be read as resolved
		why := payment.Standing().RefusesResolve(placed.Outcome, placed.EvidenceKind)
		if placed.Effect == domain.EffectAttempted && why != "" { // a repetition of what was refused after its attempt
			return refusal(why, payment.State, true)
		}
	}
	view, err := s.wholePayment(ctx, payment)
	if err != nil {
		return err
	}
	return writeJSON(c, status, echo.MIMEApplicationJSON, struct {
		paymentView
		Order actionView `json:"order"`
	}{view, actionViewOf(placed)})
}

// actions lists what people ordered for a process.
func (s *Server) actions(of func(echo.Context) (string, error)) rows[string, storage.Action, actionView] {
	return rows[string, storage.Action, actionView]{of: of, read: s.ledger.Actions, id: func(a storage.Action) int64 { return a.ID }, view: actionViewOf}
}
