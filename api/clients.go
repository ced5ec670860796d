package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"tolem/partners/call"
	"tolem/partners/cfront"
)

// validationEvery is how often the bank may be asked for one phone: it sends an SMS to
// a client whom it does not know.
const validationEvery = time.Minute

// clientAnswer is the answer to POST /v1/clients/validate.
type clientAnswer struct {
	Found      bool   `json:"found"`
	FirstName  string `json:"first_name,omitempty"`
	LastName   string `json:"last_name,omitempty"`
	MiddleName string `json:"middle_name,omitempty"`
	INN        string `json:"inn,omitempty"`
	Message    string `json:"message"` // for the cashier
}

// validateClient answers POST /v1/clients/validate: whom the bank knows by a phone. A
// client whom it does not know gets an SMS with an invitation, so each phone is asked
// for once a minute, and never again by itself.
func (s *Server) validateClient(c echo.Context) error {
	body, err := readBody(c)
	if err != nil {
		return err
	}
	phone := ""
	wrong := decodeObject(body, map[string]reader{
		"phone": func(raw json.RawMessage) *complaint { return phoneText(raw, &phone) },
	})
	if !wrong.unreadable() {
		wrong.require("phone", phone != "", "is required")
	}
	if err := wrong.problem(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.Request().Context()), s.partnerTimeout+acceptLimit)
	defer cancel()
	may, wait, err := s.ledger.MayValidate(ctx, phone, time.Now(), validationEvery)
	if err != nil {
		return fromLedger(err)
	}
	if !may {
		seconds := int((wait + time.Second - 1) / time.Second)
		c.Response().Header().Set(echo.HeaderRetryAfter, strconv.Itoa(seconds))
		return &problem{code: askedTooSoon, detail: fmt.Sprintf("the bank was asked for this phone less than a minute ago, and may have sent an SMS; ask again in %d s", seconds)}
	}
	client, err := s.bank.Validate(ctx, phone)
	if err != nil {
		return fromBank(err)
	}
	key := "client.not_found"
	if client.Found {
		key = "client.found"
	}
	return writeJSON(c, http.StatusOK, echo.MIMEApplicationJSON, clientAnswer{
		Found: client.Found, FirstName: client.FirstName, LastName: client.LastName, MiddleName: client.MiddleName, INN: client.INN,
		Message: s.speak(c).text[key],
	})
}

// fromBank reads an error of a read-only question to the bank. Its text may name
// people, so it stays in no problem.
func fromBank(err error) error {
	var rejection *cfront.Rejection
	var failure *call.Failure
	switch {
	case errors.As(err, &rejection) && rejection.NotFound:
		return &problem{code: noLetter, detail: "the bank says that there is no such thing", cause: err}
	case errors.As(err, &rejection):
		return &problem{code: bankRefused, detail: fmt.Sprintf("the bank answered with HTTP %d; its support asks for the trace id %s", rejection.Status, rejection.TraceID), cause: err}
	case errors.As(err, &failure) && failure.Reason == call.ReasonTimeout:
		return &problem{code: bankTimeout, detail: "nothing was changed; ask again later", cause: err}
	}
	return &problem{code: bankUnavailable, detail: "nothing was changed; ask again later", cause: err}
}
