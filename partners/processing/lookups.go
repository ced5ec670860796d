package processing

import (
	"context"
	"encoding/json"
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
		return Service{}, c.unreadable(opService, errDetails)
	}
	return Service{}, ErrNoService
}

// Balance is the agent's balance. Errors as Services.
func (c *Client) Balance(ctx context.Context) (Balance, error) {
	answer, err := c.post(ctx, opBalance, nil)
	if err != nil {
		return Balance{}, err
	}
	balance, err := decodeBalance(answer)
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

// rawAgent holds values that are read leniently.
type rawAgent struct {
	AgentID      json.RawMessage `json:"agentId"`
	AgentName    json.RawMessage `json:"agentName"`
	Balance      json.RawMessage `json:"balance"`
	Overdraft    json.RawMessage `json:"overdraft"`
	Notification json.RawMessage `json:"notification"`
	Currency     json.RawMessage `json:"currency"`
}

// decodeBalance needs agentId, balance and overdraft.
func decodeBalance(body []byte) (Balance, error) {
	e, err := decodeLookup(opBalance, body)
	if err != nil {
		return Balance{}, err
	}
	var agent rawAgent
	p := parts{whole: true}
	p.into(e.fields["agent"], &agent)
	balance, overdraft := p.decimal(agent.Balance), p.decimal(agent.Overdraft)
	agentID, ok := integer(json.RawMessage(p.required(agent.AgentID)), 18)
	b := Balance{
		AgentID: agentID, AgentName: p.text(agent.AgentName),
		Notification: p.decimal(agent.Notification), Currency: p.text(agent.Currency),
	}
	if !ok || !p.whole || balance == nil || overdraft == nil {
		return Balance{}, errDetails
	}
	b.Balance, b.Overdraft = *balance, *overdraft
	return b, nil
}

// decodeOperator takes an answer without serviceId as "not known": it "возвращается
// только если оператор был определен".
func decodeOperator(body []byte) (Operator, error) {
	e, err := decodeLookup(opOperator, body)
	if err != nil {
		return Operator{}, err
	}
	p := parts{whole: true}
	o := Operator{ServiceID: p.text(e.fields["serviceId"])}
	if !p.whole {
		return Operator{}, errDetails
	}
	return o, nil
}
