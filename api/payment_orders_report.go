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
// event of this contract, for ever: sent again it counts once, also when another payment
// order has begun since.
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
	last, err := s.paymentOrderOfPath(c)
	if err != nil {
		return err
	}
	if at.IsZero() {
		at = now
	}
	within, cancel := context.WithTimeout(context.WithoutCancel(c.Request().Context()), acceptLimit)
	defer cancel()
	event, order, created, err := s.ledger.ReportStatus(eventsTrace(within), storage.ReportedStatus{
		Contract: last.Contract, Reference: report.Reference, Caller: callerOf(c).name, Key: key, RequestSHA256: digestOf("payment_order_event/1", report),
		Status: report.Status, EventAt: at, PaidIncrement: report.Paid, RefuseRef: report.Refuse, BIC: report.BIC, At: now, Encode: s.encode,
	})
	if err != nil {
		return unreported(err, order)
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

// unreported is why a status was not stored.
func unreported(err error, order storage.PaymentOrder) error {
	var notCarried *storage.UnencodableError
	switch {
	case errors.As(err, &notCarried):
		return unpublishable(notCarried)
	case errors.Is(err, storage.ErrStatusRefused):
		return &problem{code: statusNotPossible, detail: "the payment order is " + string(order.Reached) + ", and this status leads nowhere from there"}
	case errors.Is(err, storage.ErrOverpaid):
		return &problem{code: overpaid, detail: "paid_amount is what one execution paid; with those before it is more than the amount"}
	case errors.Is(err, storage.ErrKeyReused):
		return &problem{code: idempotencyKeyReused, status: http.StatusConflict,
			detail: "this contract has another event under the key, maybe of an earlier payment order: a key names one event, for ever"}
	case errors.Is(err, storage.ErrNoReference):
		return noSuchReference
	}
	return fromLedger(err)
}

var noSuchReference = &problem{code: notFound, detail: "reference is that of no payment order of this contract"}
