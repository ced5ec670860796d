package processing

import (
	"context"
	"errors"
	"unicode/utf8"

	"tolem/domain"
)

// Balance is the agent's account at the centre ("Запрос на проверку баланса
// Агента"). Its amounts have four decimals.
type Balance struct {
	AgentID      int64           `json:"agentId"`
	AgentName    string          `json:"agentName"`
	Balance      domain.Decimal  `json:"balance"`
	Overdraft    domain.Decimal  `json:"overdraft"`              // at this balance payments are switched off
	Notification *domain.Decimal `json:"notification,omitempty"` // at this balance the agent is told
	Currency     string          `json:"currency,omitempty"`
}

// Operator is the mobile operator of a phone number ("Запрос на определение
// оператора сотовой связи MNP").
type Operator struct {
	ServiceID string `json:"serviceId,omitempty"` // "" = the operator is not known
}

// ErrNoService says that the centre answered and does not offer the service.
var ErrNoService = errors.New("processing: the centre does not offer this service")

// Services is the list of services open to the agent. Read-only; a result other
// than 0 is a *Refusal, no result a *Failure.
func (c *Client) Services(ctx context.Context) (Catalogue, error) {
	answer, err := c.post(ctx, opServices, nil)
	if err != nil {
		return Catalogue{}, err
	}
	catalogue, err := decodeCatalogue(opServices, answer)
	return catalogue, c.unreadable(opServices, err)
}

// Service is one service. Errors as Services, ErrRequest, and ErrNoService.
func (c *Client) Service(ctx context.Context, serviceID string) (Service, error) {
	body, err := lookupBody("serviceId", serviceID)
	if err != nil {
		return Service{}, err
	}
	answer, err := c.post(ctx, opService, body)
	if err != nil {
		return Service{}, err
	}
	catalogue, err := decodeCatalogue(opService, answer)
	if err != nil {
		return Service{}, c.unreadable(opService, err)
	}
	service, ok := catalogue.Service(serviceID)
	switch {
	case ok:
		return service, nil
	case catalogue.Broken > 0: // it may have been this one
		return Service{}, c.unreadable(opService, unreadable{reason: ReasonBadDetails})
	}
	return Service{}, ErrNoService
}

// Balance is the agent's balance. Errors as Services.
func (c *Client) Balance(ctx context.Context) (Balance, error) {
	answer, err := c.post(ctx, opBalance, nil)
	if err != nil {
		return Balance{}, err
	}
	balance, dropped, err := decodeBalance(answer)
	c.calls.Dropped(ctx, opBalance, dropped)
	return balance, c.unreadable(opBalance, err)
}

// OperatorByPhone names the service that tops up the phone number. Errors as
// Services.
func (c *Client) OperatorByPhone(ctx context.Context, phone string) (Operator, error) {
	body, err := lookupBody("phoneNumber", phone)
	if err != nil {
		return Operator{}, err
	}
	answer, err := c.post(ctx, opOperator, body)
	if err != nil {
		return Operator{}, err
	}
	operator, err := decodeOperator(answer)
	return operator, c.unreadable(opOperator, err)
}

// lookupBody is the body of a call with one parameter.
func lookupBody(name, value string) ([]byte, error) {
	if value == "" || !utf8.ValidString(value) {
		return nil, wrong(name, "is empty or not valid UTF-8")
	}
	return encode(map[string]string{name: value})
}

// decodeLookup reads an envelope and turns a code other than 0 into a *Refusal.
func decodeLookup(operation string, body []byte) (envelope, error) {
	e, err := parseEnvelope(body)
	if err == nil && e.code != domain.CodeSuccess {
		err = &Refusal{Operation: operation, Code: e.code, Message: e.message}
	}
	return e, err
}

// decodeBalance needs agentId, balance and overdraft.
func decodeBalance(body []byte) (b Balance, dropped string, err error) {
	e, err := decodeLookup(opBalance, body)
	if err != nil {
		return Balance{}, "", err
	}
	o := e.Reading()
	agent := o.Inner("agent")
	b = Balance{
		AgentID: agent.Integer("agentId", 18), AgentName: agent.Shown("agentName"),
		Balance: agent.Decimal("balance"), Overdraft: agent.Decimal("overdraft"),
		Notification: agent.ShownDecimal("notification"), Currency: agent.Shown("currency"),
	}
	if !o.OK() {
		return Balance{}, "", badDetails(o)
	}
	return b, o.Dropped(), nil
}

// decodeOperator takes an answer without serviceId as "not known": it "возвращается
// только если оператор был определен".
func decodeOperator(body []byte) (Operator, error) {
	e, err := decodeLookup(opOperator, body)
	if err != nil {
		return Operator{}, err
	}
	o := e.Reading()
	operator := Operator{ServiceID: o.OptionalText("serviceId")}
	if !o.OK() {
		return Operator{}, badDetails(o)
	}
	return operator, nil
}
