package loxon

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"time"
	"unicode/utf8"

	"tolem/domain"
)

// Event is one status of a payment order, as Loxon is told of it.
type Event struct {
	At               time.Time // "Дата события", told to the second in the location that it carries: the bank's
	BIC              string    // "БИК Банка"
	OrderReference   string    // "Референс Платежного требования"; "" = none
	RefuseReference  string    // "Референс отзыва или возврата"; "" = none
	RequestReference string    // "Референс запроса"; "" = none
	Contract         string    // "Номер ДБЗ"
	Debt             domain.Money
	Amount           domain.Money // of the payment order
	Paid             domain.Money // of it, so far
	Status           domain.PaymentOrderStatus
}

// message has the document's fields in the document's order.
type message struct {
	EventDate      string      `json:"event_date"`
	BIK            string      `json:"bik"`
	PTReferer      string      `json:"pt_referer,omitempty"`
	RefuseReferer  string      `json:"refuse_referer,omitempty"`
	ReqReferer     string      `json:"req_referer,omitempty"`
	ContractNumber string      `json:"contract_number"`
	Debt           json.Number `json:"debt"`
	Amount         json.Number `json:"amount"`
	PaidAmount     json.Number `json:"paid_amount"`
	Status         string      `json:"status"`
}

// eventDate is "Дата события в формате YYYY-MM-DD HH24:MI:SS".
const eventDate = time.DateTime

// Encode writes the message: compact, numbers in their shortest form as in the document's
// example (2000, 8000.01), references that there are not left out. The same event gives the
// same bytes. Errors are a final *Failure of a *FieldError.
func Encode(e Event) ([]byte, error) {
	if err := e.check(); err != nil {
		return nil, &Failure{Final: true, Reason: ReasonInvalid, Err: err}
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)

	err := encoder.Encode(message{
		EventDate: e.At.Format(eventDate), BIK: e.BIC,
		PTReferer: e.OrderReference, RefuseReferer: e.RefuseReference, ReqReferer: e.RequestReference,
		ContractNumber: e.Contract, Debt: shortest(e.Debt), Amount: shortest(e.Amount), PaidAmount: shortest(e.Paid),
		Status: string(e.Status),
	})
	if err != nil {
		return nil, &Failure{Final: true, Reason: ReasonInvalid, Err: errors.New("event: cannot be written as JSON")}
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), nil
}

// FieldError is an event that no message carries: it names a field, as the document does, and
// what is wrong with it, never its value.
type FieldError struct{ Field, Wrong string }

// Error names field and fault.
func (e *FieldError) Error() string { return "event: " + e.Field + " " + e.Wrong }

// shortest is an amount without the zeros that its decimals end with: 2000, 0.5, 8000.01.
func shortest(m domain.Money) json.Number {
	return json.Number(strings.TrimSuffix(strings.TrimRight(m.String(), "0"), "."))
}

func (e Event) check() error {
	for _, text := range []struct{ field, value string }{
		{"bik", e.BIC}, {"pt_referer", e.OrderReference}, {"refuse_referer", e.RefuseReference},
		{"req_referer", e.RequestReference}, {"contract_number", e.Contract},
	} {
		if !utf8.ValidString(text.value) { // it would be sent as another text
			return &FieldError{text.field, "is not UTF-8"}
		}
	}
	switch year := e.At.Year(); {
	case e.At.IsZero():
		return &FieldError{"event_date", "is missing"}
	case year < 1 || year > 9999:
		return &FieldError{"event_date", "has no year of four digits"}
	case e.BIC == "":
		return &FieldError{"bik", "is missing"}
	case e.Contract == "":
		return &FieldError{"contract_number", "is missing"}
	case !e.Status.Known():
		return &FieldError{"status", "is not the document's"}
	case e.Debt < 0:
		return &FieldError{"debt", "is negative"}
	case !e.Amount.Positive():
		return &FieldError{"amount", "is not above zero"}
	case e.Paid < 0:
		return &FieldError{"paid_amount", "is negative"}
	}
	return nil
}
