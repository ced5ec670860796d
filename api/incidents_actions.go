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

// maxTransactionNumber bounds a partner's number of a transaction, in characters.
const maxTransactionNumber = 64

// incidentAction is what a repeated action on an incident is known by.
type incidentAction struct {
	Incident          int64             `json:"incident"`
	Action            domain.Action     `json:"action"`
	Reason            string            `json:"reason"`
	Money             domain.MoneyWhere `json:"money"`             // of close, for an incident about money
	TransactionNumber string            `json:"transactionNumber"` // with moved
}

// actOnIncident answers POST /v1/incidents/{id}/{action}: a person's action on an open
// incident. It takes effect in the ledger at once, and moves no money: closing an incident
// about money records where two people say that it is.
func (s *Server) actOnIncident(action domain.Action) echo.HandlerFunc {
	return func(c echo.Context) error {
		key, body, err := keyAndBody(c)
		if err != nil {
			return err
		}
		a, wrong := decodeIncidentAction(body, action)
		if err := wrong.problem(); err != nil {
			return err
		}
		i, err := s.incidentOfPath(c)
		if err != nil {
			return err
		}
		wrong = a.misfits(i.Process, i.Reason)
		if err := wrong.problem(); err != nil {
			return err
		}
		a.Incident = i.ID
		return s.carryOutOnIncident(c, key, a)
	}
}

// decodeIncidentAction reads {reason} and, for close, {money, transactionNumber}.
func decodeIncidentAction(body []byte, action domain.Action) (incidentAction, fieldErrors) {
	a := incidentAction{Action: action}
	fields := map[string]reader{"reason": func(raw json.RawMessage) *complaint { return text(raw, maxReason, &a.Reason) }}
	if action == domain.ActionClose {
		fields["money"] = func(raw json.RawMessage) *complaint {
			return oneOf(raw, (*string)(&a.Money), "must be moved or not_moved", func(s string) bool { return domain.MoneyWhere(s).Known() })
		}
		fields["transactionNumber"] = func(raw json.RawMessage) *complaint { return text(raw, maxTransactionNumber, &a.TransactionNumber) }
	}
	wrong := decodeObject(body, fields)
	if wrong.unreadable() {
		return a, wrong
	}
	wrong.require("reason", a.Reason != "", reasonRule)
	wrong.require("transactionNumber", a.TransactionNumber != "" || a.Money != domain.MoneyMoved, "is required with moved: the partner's number of the transaction")
	if a.Money != domain.MoneyMoved && a.TransactionNumber != "" && !wrong.has("money") {
		wrong.add("transactionNumber", ruleMismatch, "goes with moved alone")
	}
	return a, wrong
}

// misfits is what is wrong with closing an incident of this kind of process and reason.
func (a incidentAction) misfits(process domain.Process, why domain.OperatorReason) (wrong fieldErrors) {
	switch {
	case a.Action != domain.ActionClose:
	case !why.AboutMoney() && a.Money != "":
		wrong.add("money", ruleMismatch, "goes with incidents about money alone, and this is none")
	case why.AboutMoney() && a.Money == "":
		wrong.add("money", ruleRequired, "is required: the incident is about money; moved or not_moved")
	case process == domain.ProcessPayment && a.TransactionNumber != "":
		// the processing centre's, by which a day's register is compared
		if n, err := strconv.ParseInt(a.TransactionNumber, 10, 64); err != nil || n < 1 || strconv.FormatInt(n, 10) != a.TransactionNumber {
			wrong.add("transactionNumber", ruleFormat, "must be the processing centre's transactionId: digits, in quotes")
		}
	}
	return wrong
}

func (s *Server) carryOutOnIncident(c echo.Context, key string, a incidentAction) error {
	within, cancel := context.WithTimeout(context.WithoutCancel(c.Request().Context()), acceptLimit)
	defer cancel()
	asked := time.Now()
	done, err := s.ledger.ActOnIncident(within, a.Incident, storage.Action{
		Action: a.Action, Caller: callerOf(c).name, IdempotencyKey: key,
		RequestSHA256: digestOf("incident_action/1", a), Reason: a.Reason, RequestedAt: storage.At(asked),
	}, storage.IncidentClosing{Money: a.Money, TransactionNumber: a.TransactionNumber})
	var refused storage.ErrActionRefused
	if errors.As(err, &refused) {
		return incidentRefusal(refused.Refusal)
	}
	var now storage.Incident
	if err == nil {
		now, err = s.ledger.Incident(within, a.Incident)
	}
	if err != nil {
		return fromLedger(err)
	}
	status := http.StatusOK
	if done.Effect == domain.EffectProposed && now.Open {
		status = http.StatusAccepted // 200 would be read as closed
	}
	if !done.RequestedAt.Equal(storage.At(asked).Time) { // it was stored by an earlier request
		replayed(c)
	}
	return writeJSON(c, status, echo.MIMEApplicationJSON, struct {
		incidentView
		Action actionView `json:"action"`
	}{wholeIncident(now), actionViewOf(done)})
}

// incidentRefusals are what each refusal of an action on an incident says.
var incidentRefusals = map[domain.Refusal]string{
	domain.RefusalIncidentClosed: "the incident is closed; nothing is added to it any more",
	domain.RefusalNotProposed:    "nobody has proposed where the money is, or the proposal has lapsed, so there is nothing to decline",
	domain.RefusalOtherOutcome:   "a first operator said something else about the money; agree on it, and decline the proposal if it is wrong",
	domain.RefusalSecondOperator: "you proposed this; a second operator has to say the same",
}

func incidentRefusal(why domain.Refusal) error {
	return &problem{code: problemCode(why), detail: incidentRefusals[why]}
}
