package cfront

import (
	"context"
	"errors"
	"slices"

	"tolem/partners/call"
)

// Created is the bank's number of an order.
type Created struct {
	OrderID   string
	Duplicate bool // the bank said that it had the order before
	Meta
}

// Standing is where an order stands at the bank. State and SubState are open words
// (cfront.md 5).
type Standing struct {
	OrderID  string
	State    string
	SubState string
	Message  string // the bank's text, usually none
	Meta
}

// ErrStanding says that bytes are not an order's state.
var ErrStanding = errors.New("cfront: not the state of an order")

// Create sends an application (/api/order/create). body is CreateRequest.Body, the same
// bytes each time: a repetition brings the order that is there.
//
// Acceptance is not approval: the bank's decision comes later, as a state. A *Rejection
// is the bank's refusal of this request; a *call.Failure says nothing.
func (c *Client) Create(ctx context.Context, body []byte) (Created, error) {
	answer, err := c.post(ctx, opCreate, body, c.dialect.DuplicateStatus...)
	if err != nil {
		return Created{}, err
	}
	duplicate := slices.Contains(c.dialect.DuplicateStatus, answer.Status)
	id, o := decodeCreated(answer.Body)
	ok := o.OK()
	switch {
	case !ok && duplicate && answer.Status >= 400: // "409 … body is {"order_id"}": without it, a refusal like any other
		refused := c.rejection(opCreate, answer)
		refused.Duplicate = true
		return Created{}, refused
	case !ok || !duplicate && !slices.Contains(c.dialect.CreatedStatus, answer.Status):
		return Created{}, c.bad(opCreate, answer, ReasonBadAnswer, o.Field())
	}
	return Created{OrderID: id, Duplicate: duplicate, Meta: metaOf(answer, o)}, nil
}

// decodeCreated reads {"order_id"}.
func decodeCreated(body []byte) (orderID string, o *call.Reading) {
	o = call.Read(body)
	orderID = o.Text("order_id")
	o.Must(between(orderID, 1, maxOrderID), "order_id")
	return orderID, o
}

// State asks where an order stands (/api/order/state): "он всегда отдает текущий статус
// заявки". Errors as Create.
func (c *Client) State(ctx context.Context, orderID string) (Standing, error) {
	body, err := OrderBody(orderID)
	if err != nil {
		return Standing{}, err
	}
	return c.standing(ctx, opState, body)
}

// Confirm says that the goods were handed over, after which the bank pays the store
// (/api/order/confirm). body is OrderBody. Errors as Create; after one of them only the
// order's state tells whether the bank took it.
func (c *Client) Confirm(ctx context.Context, body []byte) (Standing, error) {
	return c.standing(ctx, opConfirm, body)
}

// Reject says that there is no sale (/api/order/reject). As Confirm.
func (c *Client) Reject(ctx context.Context, body []byte) (Standing, error) {
	return c.standing(ctx, opReject, body)
}

func (c *Client) standing(ctx context.Context, operation string, body []byte) (Standing, error) {
	answer, err := c.post(ctx, operation, body)
	if err != nil {
		return Standing{}, err
	}
	s, o := readStanding(answer.Body)
	o.Must(s.OrderID != "", "order_id")
	switch {
	case !o.OK():
		return Standing{}, c.bad(operation, answer, ReasonBadAnswer, o.Field())
	case s.OrderID != call.Read(body).OptionalWord("order_id"):
		return Standing{}, c.bad(operation, answer, ReasonStrangeEcho, "order_id")
	}
	s.Meta = metaOf(answer, o)
	return s, nil
}

// DecodeStanding reads the state of an order, from an answer or from a callback: "Формат
// колбека такой же точно, как у ответа сервиса /api/order/state". It must name a state;
// the sub-state may be missing, and so may the order of a callback, whose address tells
// it. Errors wrap ErrStanding.
func DecodeStanding(body []byte) (Standing, error) {
	s, o := readStanding(body)
	if !o.OK() {
		return Standing{}, ErrStanding
	}
	return s, nil
}

func readStanding(body []byte) (Standing, *call.Reading) {
	o := call.Read(body)
	s := Standing{OrderID: o.OptionalWord("order_id"), State: o.Word("state"), SubState: o.OptionalWord("order_sub_state"), Message: o.Shown("message")}
	const longest = 64 // the words go into ledgers and search attributes
	o.Must(between(s.State, 1, longest), "state")
	o.Must(between(s.SubState, 0, longest), "order_sub_state")
	o.Must(between(s.OrderID, 0, maxOrderID), "order_id")
	return s, o
}

// Paid is the answer to check/paid.
type Paid struct {
	// FullyPaid is the pay-out to the store by the document, the client's repayment by the
	// sibling protocol (cfront.md 10).
	FullyPaid       bool
	CanReturnToCard bool
	Meta
}

// CheckPaid asks for the pay-out and whether money can be returned to the card
// (/api/order/check/paid). Errors as Create.
func (c *Client) CheckPaid(ctx context.Context, orderID string) (Paid, error) {
	body, err := OrderBody(orderID)
	if err != nil {
		return Paid{}, err
	}
	answer, err := c.post(ctx, opCheckPaid, body)
	if err != nil {
		return Paid{}, err
	}
	paid, o := decodePaid(answer.Body)
	if !o.OK() {
		return Paid{}, c.bad(opCheckPaid, answer, ReasonBadAnswer, o.Field())
	}
	paid.Meta = metaOf(answer, o)
	return paid, nil
}

func decodePaid(body []byte) (Paid, *call.Reading) {
	o := call.Read(body)
	p := Paid{FullyPaid: o.Boolean("fully_paid")}
	if o.Present("bank_can_return_money_to_card") {
		p.CanReturnToCard = o.Boolean("bank_can_return_money_to_card")
	}
	return p, o
}

// Returned is a return that the bank took.
type Returned struct{ Meta }

// Return takes goods back (/api/order/return). body is ReturnRequest.Body, the same bytes
// each time: "a repeated id is treated as a duplicate of the earlier return". Anything but
// the status OK is a *call.Failure. Errors as Create.
func (c *Client) Return(ctx context.Context, body []byte) (Returned, error) {
	answer, err := c.post(ctx, opReturn, body)
	if err != nil {
		return Returned{}, err
	}
	o := call.Read(answer.Body)
	o.Must(o.OptionalWord("status") == "OK", "status")
	if !o.OK() {
		return Returned{}, c.bad(opReturn, answer, ReasonNotOK, o.Field())
	}
	return Returned{metaOf(answer, o)}, nil
}
