package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"tolem/domain"
	"tolem/storage"
)

// paymentOrderAction is what a repeated action is known by.
type paymentOrderAction struct {
	Contract     domain.ContractNumber `json:"contract"`
	Action       domain.Action         `json:"action"`
	Reason       string                `json:"reason"`
	ContractDate string                `json:"contractDate"`        // with a retry
	Reference    domain.Reference      `json:"reference,omitempty"` // PTP…; "" is the contract's last payment order
	Event        int64                 `json:"event,omitempty"`     // of a set-aside, and maybe of a decline
}

// actOnPaymentOrder answers POST /v1/payment-orders/{contract}/{action} and
// POST /v1/payment-orders/{contract}/events/{event}/set-aside: a person's action on a contract
// in collection. It takes effect in the ledger at once; the process is notified.
func (s *Server) actOnPaymentOrder(action domain.Action) echo.HandlerFunc {
	return func(c echo.Context) error {
		key, body, err := keyAndBody(c)
		if err != nil {
			return err
		}
		a := paymentOrderAction{Action: action}
		wrong := a.decode(body, time.Now().In(s.location))
		if err := wrong.problem(); err != nil {
			return err
		}
		o, err := s.paymentOrderOfPath(c)
		if err != nil {
			return err
		}
		if action == domain.ActionSetAside {
			if a.Event, err = strconv.ParseInt(c.Param("event"), 10, 64); err != nil {
				return noSuchEvent
			}
		}
		a.Contract = o.Contract
		return s.carryOutOnPaymentOrder(c, key, a)
	}
}

func (a *paymentOrderAction) decode(body []byte, now time.Time) fieldErrors {
	fields := map[string]reader{
		"reason":    func(raw json.RawMessage) *complaint { return text(raw, maxReason, &a.Reason) },
		"reference": func(raw json.RawMessage) *complaint { return reference(raw, &a.Reference) },
	}
	switch a.Action {
	case domain.ActionRetry:
		fields["contract_date"] = func(raw json.RawMessage) *complaint { return date(raw, now, &a.ContractDate) }
	case domain.ActionDecline:
		fields["event"] = func(raw json.RawMessage) *complaint { return eventNumber(raw, &a.Event) }
	}
	wrong := decodeObject(body, fields)
	if !wrong.unreadable() {
		wrong.require("reason", a.Reason != "", reasonRule)
	}
	return wrong
}

// eventNumber reads the id of an event, a number or, as command lines send it, its digits.
func eventNumber(raw json.RawMessage, into *int64) *complaint {
	var n json.Number
	if json.Unmarshal(raw, &n) != nil {
		return &complaint{ruleType, "must be the id of an event"}
	}
	id, err := strconv.ParseInt(n.String(), 10, 64)
	if err != nil || id < 1 {
		return &complaint{ruleFormat, "must be the id of an event"}
	}
	*into = id
	return nil
}

var noSuchEvent = &problem{code: notFound, detail: "the contract has no event of this id"}

func (s *Server) carryOutOnPaymentOrder(c echo.Context, key string, a paymentOrderAction) error {
	within, cancel := context.WithTimeout(context.WithoutCancel(c.Request().Context()), acceptLimit)
	defer cancel()
	done, now, fresh, err := s.ledger.ActOnPaymentOrder(within, a.Contract, storage.Action{
		Process: a.Contract.WorkflowID(), Action: a.Action, Caller: callerOf(c).name, IdempotencyKey: key,
		RequestSHA256: digestOf("payment_order_action/1", a), Reason: a.Reason, RequestedAt: storage.At(time.Now()),
	}, storage.PaymentOrderAsk{Reference: a.Reference, ContractDate: a.ContractDate, Event: a.Event})
	if err != nil {
		return notActed(err, now)
	}
	s.wakeContract(c.Request().Context(), a.Contract, domain.CauseOperator)
	answer, err := s.actedOn(within, now, done)
	if err != nil {
		return err
	}
	status := http.StatusOK
	if answer.proposed() {
		status = http.StatusAccepted // 200 would be read as closed, or set aside
	}
	if !fresh {
		replayed(c)
	}
	return writeJSON(c, status, echo.MIMEApplicationJSON, answer)
}

// actedPaymentOrder answers an action: the payment order that it was about, and the event
// where it was about one.
type actedPaymentOrder struct {
	paymentOrderView
	Event  *eventView `json:"event,omitempty"`
	Action actionView `json:"action"`
}

func (s *Server) actedOn(ctx context.Context, o storage.PaymentOrder, done storage.Action) (answer actedPaymentOrder, err error) {
	if answer.paymentOrderView, err = s.withDossier(ctx, o); err != nil {
		return answer, err
	}
	answer.Action = actionViewOf(done)
	if done.EventID == nil {
		return answer, nil
	}
	event, err := s.ledger.PaymentOrderEvent(ctx, o.Contract, *done.EventID)
	if err != nil {
		return answer, fromLedger(err)
	}
	view := eventViewOf(event)
	answer.Event = &view
	return answer, nil
}

// proposed says whether the action still waits for a second operator.
func (a actedPaymentOrder) proposed() bool {
	if a.Action.Effect != domain.EffectProposed {
		return false
	}
	if a.Event == nil {
		return !a.State.Terminal()
	}
	return a.Event.Told == nil && (a.Event.SetAside == nil || a.Event.SetAside.At == nil)
}

// paymentOrderRefusals are what each refusal of an action says, after the state.
var paymentOrderRefusals = map[domain.Refusal]string{
	domain.RefusalOrderEnded:     "nothing leaves a final state",
	domain.RefusalHeld:           "it is held: release it first",
	domain.RefusalNotHeld:        "it is not held, so there is nothing to release",
	domain.RefusalSecondOperator: "another operator than the first has to confirm",
	domain.RefusalNotProposed:    "nothing is proposed that could be declined",
	domain.RefusalEventPublished: "Loxon's broker has this event, so it cannot be set aside",
	domain.RefusalEventSetAside:  "two operators set this event aside before",
	domain.RefusalEventNotDue:    "this event has no event_seq: it is never published, or waits for the request to be sent",
	domain.RefusalTopicNotRead: "an attempt to publish this event was made, so Loxon's topic is read to its end first; that begins a minute after " +
		"the last attempt, by itself: send the same request again in some minutes, and if it is refused then see whether the broker answers",
}

// notActed is why an action was not taken.
func notActed(err error, o storage.PaymentOrder) error {
	var refused storage.ErrActionRefused
	switch {
	case errors.As(err, &refused):
		return &problem{code: problemCode(refused.Refusal), detail: "the payment order is " + string(o.State) + ": " + paymentOrderRefusals[refused.Refusal]}
	case errors.Is(err, storage.ErrNoReference):
		return noSuchReference
	case errors.Is(err, storage.ErrNoEvent):
		return noSuchEvent
	}
	return fromLedger(err)
}
