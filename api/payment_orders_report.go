package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"tolem/domain"
	"tolem/partners/k2"
	"tolem/partners/loxon"
	"tolem/storage"
)

// statusReport is the body of POST /v1/payment-orders/{contract}/events.
type statusReport struct {
	Status    domain.PaymentOrderStatus `json:"status"`
	EventDate string                    `json:"event_date"` // "" is now
	Paid      domain.Money              `json:"paid_amount"`
	Refuse    domain.Reference          `json:"refuse_referer"`
	BIC       string                    `json:"bik"`
	Reference domain.Reference          `json:"reference"` // PTP…; "" is the contract's last payment order
}

// decodeStatusReport reads one, whose date is in now's time zone. Everything that is wrong is
// reported at once.
func decodeStatusReport(body []byte, now time.Time) (r statusReport, at time.Time, wrong fieldErrors) {
	wrong = decodeObject(body, map[string]reader{
		"status": func(raw json.RawMessage) *complaint {
			return oneOf(raw, (*string)(&r.Status), "must be one of the ten statuses", func(s string) bool { return domain.PaymentOrderStatus(s).Known() })
		},
		"event_date": func(raw json.RawMessage) *complaint {
			return eventDate(raw, now, &r.EventDate, &at)
		},
		"paid_amount":    func(raw json.RawMessage) *complaint { return money(k2.MaxAmount, raw, &r.Paid) },
		"refuse_referer": func(raw json.RawMessage) *complaint { return reference(raw, &r.Refuse) },
		"bik": func(raw json.RawMessage) *complaint {
			return oneOf(raw, &r.BIC, "must be a BIC of 8 or 11 characters", domain.IsBIC)
		},
		"reference": func(raw json.RawMessage) *complaint { return reference(raw, &r.Reference) },
	})
	if wrong.unreadable() {
		return r, at, wrong
	}
	wrong.require("status", r.Status != "", "is required")
	switch executed := r.Status == domain.StatusExecuted; {
	case executed:
		wrong.require("paid_amount", r.Paid > 0, "is required: what was paid by this execution alone")
	case r.Paid > 0:
		wrong.add("paid_amount", ruleFormat, "belongs to an execution alone")
	}
	return r, at, wrong
}

// eventDate reads a time in now's time zone.
func eventDate(raw json.RawMessage, now time.Time, into *string, at *time.Time) *complaint {
	c := oneOf(raw, into, "must be a time such as 2026-02-17 12:00:00", func(s string) bool {
		var err error
		*at, err = time.ParseInLocation(time.DateTime, s, now.Location())
		return err == nil && at.Format(time.DateTime) == s // fractions are parsed too, and Loxon's form has none
	})
	if c == nil && !domain.AcceptableTime(*at, now) {
		return &complaint{ruleRange, "must be " + domain.DateRule}
	}
	return c
}

func reference(raw json.RawMessage, into *domain.Reference) *complaint {
	return oneOf(raw, (*string)(into), "must be a reference such as PTP0000000000001", func(s string) bool {
		_, err := domain.ParseReference(s)
		return err == nil
	})
}

// oneOf reads a string that holds something.
func oneOf(raw json.RawMessage, into *string, rule string, holds func(string) bool) *complaint {
	var s string
	switch {
	case json.Unmarshal(raw, &s) != nil:
		return &complaint{ruleType, "must be a string"}
	case !holds(s):
		return &complaint{ruleFormat, rule}
	}
	*into = s
	return nil
}

// reportStatus answers POST /v1/payment-orders/{contract}/events: 201 means that the ledger
// holds the status and Loxon will be told of it, in order. The Idempotency-Key names the
// event of this payment order, for ever: sent again it counts once.
func (s *Server) reportStatus(c echo.Context) error {
	key, err := requiredKey(c.Request().Header, "a status")
	if err != nil {
		return err
	}
	c.Response().Header().Set(headerIdempotencyKey, key)
	body, err := readBody(c)
	if err != nil {
		return err
	}
	now := time.Now().In(s.location)
	report, at, wrong := decodeStatusReport(body, now)
	if err := wrong.problem(); err != nil {
		return err
	}
	order, err := s.reported(c, report)
	if err != nil {
		return err
	}
	if at.IsZero() {
		at = now
	}
	within, cancel := context.WithTimeout(context.WithoutCancel(c.Request().Context()), acceptLimit)
	defer cancel()
	event, order, created, err := s.ledger.ReportStatus(eventsTrace(within), storage.ReportedStatus{
		OrderID: order.ID, Contract: order.Contract, Caller: callerOf(c).name, Key: key, RequestSHA256: digestOf("payment_order_event/1", report),
		Status: report.Status, EventAt: at, PaidIncrement: report.Paid, RefuseRef: report.Refuse, BIC: report.BIC, At: now, Encode: s.encode,
	})
	var notCarried *storage.UnencodableError
	switch {
	case errors.As(err, &notCarried):
		return unpublishable(notCarried)
	case errors.Is(err, storage.ErrStatusRefused):
		return &problem{code: statusNotPossible, detail: "the payment order is " + string(order.Reached) + ", and this status leads nowhere from there"}
	case errors.Is(err, storage.ErrOverpaid):
		return &problem{code: overpaid, detail: "paid_amount is what one execution paid; with those before it is more than the amount"}
	case err != nil:
		return fromLedger(err)
	}
	s.wakeContract(c.Request().Context(), order.Contract, domain.CauseNews)
	status := http.StatusCreated
	if !created {
		status = http.StatusOK
		replayed(c)
	}
	return writeJSON(c, status, echo.MIMEApplicationJSON, struct {
		State domain.PaymentOrderState `json:"state"`
		Event eventView                `json:"event"`
	}{order.State, eventViewOf(event)})
}

// unpublishable is a status that Loxon could never be told of.
func unpublishable(err *storage.UnencodableError) error {
	p := &problem{code: invalidRequest, detail: "Loxon could not be told of this; nothing was stored", cause: err}
	var field *loxon.FieldError
	if errors.As(err, &field) {
		p.fields = []fieldError{{field.Field, ruleFormat, field.Wrong}}
	}
	return p
}

// reported is the payment order that a report speaks of.
func (s *Server) reported(c echo.Context, r statusReport) (storage.PaymentOrder, error) {
	order, err := s.paymentOrderOfPath(c)
	if err != nil || r.Reference == "" || r.Reference == order.OrderRef {
		return order, err
	}
	ctx, cancel := context.WithTimeout(c.Request().Context(), ledgerLimit)
	defer cancel()
	named, err := s.ledger.PaymentOrderByReference(ctx, r.Reference)
	switch {
	case errors.Is(err, storage.ErrNotFound) || err == nil && named.Contract != order.Contract:
		return named, &problem{code: notFound, detail: "reference is that of no payment order of this contract"}
	case err != nil:
		return named, fromLedger(err)
	}
	return named, nil
}

// paymentOrderAction is what a repeated action is known by.
type paymentOrderAction struct {
	Contract     domain.ContractNumber `json:"contract"`
	Action       domain.Action         `json:"action"`
	Reason       string                `json:"reason"`
	ContractDate string                `json:"contractDate"` // with a retry
}

// actOnPaymentOrder answers POST /v1/payment-orders/{contract}/{action}: a person's action
// on an open payment order. It takes effect in the ledger at once; the process is told.
func (s *Server) actOnPaymentOrder(action domain.Action) echo.HandlerFunc {
	return func(c echo.Context) error {
		key, body, err := keyAndBody(c)
		if err != nil {
			return err
		}
		a := paymentOrderAction{Action: action}
		fields := map[string]reader{"reason": func(raw json.RawMessage) *complaint { return text(raw, maxReason, &a.Reason) }}
		if action == domain.ActionRetry {
			fields["contract_date"] = func(raw json.RawMessage) *complaint { return date(raw, time.Now().In(s.location), &a.ContractDate) }
		}
		wrong := decodeObject(body, fields)
		if !wrong.unreadable() {
			wrong.require("reason", a.Reason != "", reasonRule)
		}
		if err := wrong.problem(); err != nil {
			return err
		}
		o, err := s.paymentOrderOfPath(c)
		if err != nil {
			return err
		}
		a.Contract = o.Contract
		return s.carryOutOnPaymentOrder(c, key, a)
	}
}

func (s *Server) carryOutOnPaymentOrder(c echo.Context, key string, a paymentOrderAction) error {
	within, cancel := context.WithTimeout(context.WithoutCancel(c.Request().Context()), acceptLimit)
	defer cancel()
	done, now, fresh, err := s.ledger.ActOnPaymentOrder(within, a.Contract, storage.Action{
		Process: a.Contract.WorkflowID(), Action: a.Action, Caller: callerOf(c).name, IdempotencyKey: key,
		RequestSHA256: digestOf("payment_order_action/1", a), Reason: a.Reason, RequestedAt: storage.At(time.Now()),
	}, a.ContractDate)
	var refused storage.ErrActionRefused
	switch {
	case errors.As(err, &refused):
		return paymentOrderRefusal(refused.Refusal, now.State)
	case err != nil:
		return fromLedger(err)
	}
	s.wakeContract(c.Request().Context(), a.Contract, domain.CauseOperator)
	view, err := s.withDossier(within, now)
	if err != nil {
		return err
	}
	status := http.StatusOK
	if done.Effect == domain.EffectProposed && !now.State.Terminal() {
		status = http.StatusAccepted // 200 would be read as closed
	}
	if !fresh {
		replayed(c)
	}
	return writeJSON(c, status, echo.MIMEApplicationJSON, struct {
		paymentOrderView
		Action actionView `json:"action"`
	}{view, actionViewOf(done)})
}

// paymentOrderRefusals are what each refusal of an action says, after the state.
var paymentOrderRefusals = map[domain.Refusal]string{
	domain.RefusalOrderEnded:     "nothing leaves a final state",
	domain.RefusalHeld:           "it is held: release it first",
	domain.RefusalNotHeld:        "it is not held, so there is nothing to release",
	domain.RefusalSecondOperator: "another operator than the first has to confirm",
}

func paymentOrderRefusal(why domain.Refusal, state domain.PaymentOrderState) error {
	return &problem{code: problemCode(why), detail: "the payment order is " + string(state) + ": " + paymentOrderRefusals[why]}
}
