package api

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"
)

// getBalance answers GET /v1/balance: the agent's account at the centre, asked
// now.
func (s *Server) getBalance(c echo.Context) error {
	ctx, cancel := context.WithTimeout(c.Request().Context(), s.partnerTimeout)
	defer cancel()
	balance, err := s.centre.Balance(ctx)
	if err != nil {
		return err
	}
	return writeJSON(c, http.StatusOK, echo.MIMEApplicationJSON, balance)
}

// operatorAnswer is the answer to POST /v1/operators/lookup.
type operatorAnswer struct {
	Known     bool   `json:"known"`
	ServiceID string `json:"serviceId,omitempty"` // when known
}

// lookupOperator answers POST /v1/operators/lookup: which service tops up a
// phone. The phone travels in the body, because paths and queries end up in the
// logs of proxies.
func (s *Server) lookupOperator(c echo.Context) error {
	body, err := readBody(c)
	if err != nil {
		return err
	}
	phone, wrong := decodePhone(body)
	if err := wrong.problem(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(c.Request().Context(), s.partnerTimeout)
	defer cancel()
	operator, err := s.centre.OperatorByPhone(ctx, phone)
	if err != nil {
		return err
	}
	return writeJSON(c, http.StatusOK, echo.MIMEApplicationJSON,
		operatorAnswer{Known: operator.ServiceID != "", ServiceID: operator.ServiceID})
}

// decodePhone reads {phone}: 10 digits, as in the document's example.
func decodePhone(body []byte) (phone string, wrong fieldErrors) {
	wrong = decodeObject(body, map[string]reader{
		"phone": func(raw json.RawMessage) *complaint {
			if raw[0] != '"' {
				return &complaint{ruleType, "must be a string"}
			}
			if c := text(raw, maxAccount, &phone); c != nil || len(phone) != 10 || strings.Trim(phone, "0123456789") != "" {
				return &complaint{ruleFormat, "must have 10 digits, without +7 or 8 before them"}
			}
			return nil
		},
	})
	if len(wrong) == 0 && phone == "" {
		wrong.add("phone", ruleRequired, "is required")
	}
	return phone, wrong
}
