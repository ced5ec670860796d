package processing

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"tolem/domain"
)

// ErrRequest is wrapped by every error of Body. Such errors name the field, never
// its value.
var ErrRequest = errors.New("processing: not a request of v20")

// DateLayout is agentTransactionDate's: "дата в формате YYYY-MM-DDThh:mm:ss".
const DateLayout = "2006-01-02T15:04:05"

// maxAccount is the longest account, in characters: "строка, содержащая буквы,
// цифры и спецсимволы, длиной до 200 символов".
const maxAccount = 200

// extraPrefix stands before the name of an extra field in the catalogue
// ("ev_account1"), and not in a request ("account1").
const extraPrefix = "ev_"

// CheckRequest is what check asks ("Запрос на проверку возможности проведения
// платежа"). Nil amounts and empty texts are not sent.
type CheckRequest struct {
	ServiceID            string
	Account              string
	AgentTransactionID   domain.AgentTransactionID
	AgentTransactionDate string // DateLayout, when the client's request arrived
	AmountTo             *domain.Money
	AmountFrom           *domain.Money
	IdentityCard         string
	FullName             string
	Extras               map[string]string // with or without the prefix ev_
}

// PayRequest is what pay orders ("Запрос на проведения платежа"). Both amounts
// are always sent. A chosen contract travels as the extra contractId.
type PayRequest struct {
	ServiceID            string
	Account              string
	AgentTransactionID   domain.AgentTransactionID
	AgentTransactionDate string // DateLayout, when the client's request arrived
	AmountTo             domain.Money
	AmountFrom           domain.Money
	IdentityCard         string
	FullName             string
	Extras               map[string]string // with or without the prefix ev_
	ExtraServices        []PaidService
}

// PaidService is one paid line of a receipt. LastCount goes along for metered
// services. Its JSON is that of a stored Choice; wireService is pay's.
type PaidService struct {
	SubServiceID string       `json:"subServiceId"`
	Amount       domain.Money `json:"amount"`
	LastCount    *string      `json:"lastCount,omitempty"`
}

// wireRequest holds both requests in the order of the document's examples.
type wireRequest struct {
	ServiceID            string            `json:"serviceId"`
	Account              string            `json:"account"`
	AgentTransactionID   int64             `json:"agentTransactionId"` // an integer on the wire, a string in our own API
	AgentTransactionDate string            `json:"agentTransactionDate"`
	AmountTo             *domain.Money     `json:"amountTo,omitempty"`
	AmountFrom           *domain.Money     `json:"amountFrom,omitempty"`
	IdentityCard         string            `json:"identityCard,omitempty"`
	FullName             string            `json:"fullName,omitempty"`
	Extras               map[string]string `json:"extras,omitempty"`
	ExtraServices        []wireService     `json:"extraServices,omitempty"`
}

type wireService struct {
	SubServiceID string       `json:"subServiceId"`
	LastCount    *string      `json:"lastCount,omitempty"`
	Amount       domain.Money `json:"amount"`
}

// Body is the request's exact bytes: the same request gives the same bytes, with
// the fields in the order of the document, extras sorted by name, amounts with
// two decimals, valid UTF-8.
func (r CheckRequest) Body() ([]byte, error) {
	if (r.AmountTo != nil && *r.AmountTo < 0) || (r.AmountFrom != nil && *r.AmountFrom < 0) {
		return nil, wrong("amountTo or amountFrom", "is negative")
	}
	return wireRequest{
		ServiceID: r.ServiceID, Account: r.Account,
		AgentTransactionID: int64(r.AgentTransactionID), AgentTransactionDate: r.AgentTransactionDate,
		AmountTo: r.AmountTo, AmountFrom: r.AmountFrom,
		IdentityCard: r.IdentityCard, FullName: r.FullName, Extras: r.Extras,
	}.body()
}

// Body is the order's exact bytes, as CheckRequest.Body. The lines of a receipt
// must add up: "общая сумма платежа по всем оплачиваемым услугам из квитанции
// должна быть равна сумме платежа т.е. amountTo".
func (r PayRequest) Body() ([]byte, error) {
	if !r.AmountTo.Positive() || !r.AmountFrom.Positive() {
		return nil, wrong("amountTo and amountFrom", "must be above zero")
	}
	w := wireRequest{
		ServiceID: r.ServiceID, Account: r.Account,
		AgentTransactionID: int64(r.AgentTransactionID), AgentTransactionDate: r.AgentTransactionDate,
		AmountTo: &r.AmountTo, AmountFrom: &r.AmountFrom,
		IdentityCard: r.IdentityCard, FullName: r.FullName, Extras: r.Extras,
	}
	var sum domain.Money
	for _, s := range r.ExtraServices {
		next, ok := sum.Add(s.Amount)
		if !ok || s.Amount < 0 {
			return nil, wrong("extraServices.amount", "is negative or too large")
		}
		sum = next
		w.ExtraServices = append(w.ExtraServices, wireService{s.SubServiceID, s.LastCount, s.Amount})
	}
	if len(r.ExtraServices) > 0 && sum != r.AmountTo {
		return nil, wrong("extraServices", "do not add up to amountTo")
	}
	return w.body()
}

// body checks what both requests share and encodes.
func (w wireRequest) body() ([]byte, error) {
	switch {
	case w.ServiceID == "":
		return nil, wrong("serviceId", "is empty")
	case w.Account == "":
		return nil, wrong("account", "is empty")
	case utf8.RuneCountInString(w.Account) > maxAccount:
		return nil, wrong("account", "is longer than 200 characters")
	}
	if _, err := domain.ParseAgentTransactionID(domain.AgentTransactionID(w.AgentTransactionID).String()); err != nil {
		return nil, wrong("agentTransactionId", "is not an integer of 1 to 18 digits")
	}
	if date, err := time.Parse(DateLayout, w.AgentTransactionDate); err != nil || date.Format(DateLayout) != w.AgentTransactionDate {
		return nil, wrong("agentTransactionDate", "is not YYYY-MM-DDThh:mm:ss")
	}
	extras, err := wireExtras(w.Extras)
	if err != nil {
		return nil, err
	}
	w.Extras = extras
	if err := w.checkText(); err != nil {
		return nil, err
	}
	return encode(w)
}

// checkText refuses text that JSON would silently change.
func (w wireRequest) checkText() error {
	texts := [][2]string{
		{"serviceId", w.ServiceID}, {"account", w.Account}, {"identityCard", w.IdentityCard}, {"fullName", w.FullName},
	}
	for name, value := range w.Extras {
		texts = append(texts, [2]string{"extras", name}, [2]string{"extras", value})
	}
	for _, s := range w.ExtraServices {
		if s.SubServiceID == "" {
			return wrong("extraServices.subServiceId", "is empty")
		}
		texts = append(texts, [2]string{"extraServices", s.SubServiceID})
		if s.LastCount != nil {
			texts = append(texts, [2]string{"extraServices", *s.LastCount})
		}
	}
	for _, field := range texts {
		if !utf8.ValidString(field[1]) {
			return wrong(field[0], "is not valid UTF-8")
		}
	}
	return nil
}

// wireExtras names extras as a request does, without ev_.
func wireExtras(extras map[string]string) (map[string]string, error) {
	named := make(map[string]string, len(extras))
	for name, value := range extras {
		short := strings.TrimPrefix(name, extraPrefix)
		if short == "" {
			return nil, wrong("extras", "has a field without a name")
		}
		if _, twice := named[short]; twice {
			return nil, wrong("extras", "has one field twice, with and without ev_")
		}
		named[short] = value
	}
	return named, nil
}

// encode writes compact JSON with &, < and > as they are.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRequest, err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

func wrong(field, what string) error { return fmt.Errorf("%w: %s %s", ErrRequest, field, what) }
