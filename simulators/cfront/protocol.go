package cfront

import (
	"encoding/json"
	"net/http"
	"regexp"
	"time"
	"unicode/utf8"
)

var phoneForm = regexp.MustCompile(`^\+[0-9]{9,15}$`)

// process answers one request and puts what it changes into r; the caller holds the lock.
func (b *Bank) process(t *turn, r *record) reply {
	var document any
	if err := json.Unmarshal(t.body, &document); err != nil || !lowerCase(document) {
		return notTaken()
	}
	switch t.request.Call {
	case CallValidate:
		return read(t.body, func(in struct {
			Phone string `json:"phone"`
		}) reply {
			return b.validateClient(in.Phone, t.version, r)
		})
	case CallCreate:
		return read(t.body, func(in application) reply { return b.create(in, r) })
	case CallReport:
		return read(t.body, func(in struct {
			Date string `json:"date"`
		}) reply {
			return b.report(in.Date)
		})
	case CallReturn:
		return read(t.body, func(in giveBack) reply {
			return b.about(t, in.OrderID, func(o Order) reply { return b.takeBack(o, in, r) })
		})
	}
	return read(t.body, func(q question) reply {
		return b.about(t, q.OrderID, func(o Order) reply { return b.answer(t, o, q, r) })
	})
}

// answer is that of the calls that take just an order.
func (b *Bank) answer(t *turn, o Order, q question, r *record) reply {
	switch t.request.Call {
	case CallConfirm:
		return b.confirm(o, r)
	case CallReject:
		return b.reject(o, r)
	case CallCheckPaid:
		return b.checkPaid(o)
	case CallLetterData, CallLetter:
		switch {
		case o.AgreedAt.IsZero():
			return refuses(http.StatusBadRequest, "there is no contract yet")
		case t.request.Call == CallLetter:
			return letter(o, q)
		}
		return letterData(o, q, t.version)
	case CallData, CallInfo:
		return data(o)
	}
	return says(http.StatusOK, o.shown())
}

// read decodes a body for somebody, who is not asked when it is of another shape.
func read[In any](body []byte, ask func(In) reply) reply {
	var in In
	if err := json.Unmarshal(body, &in); err != nil {
		return notTaken()
	}
	return ask(in)
}

func notTaken() reply {
	return refuses(http.StatusBadRequest, "the body is not what the service takes")
}

// about finds an order as it is now. An unknown one is 404 in the new generation, except of
// the letters, which document none; presumably 400 in the old one.
func (b *Bank) about(t *turn, orderID string, ask func(Order) reply) reply {
	id, ok := b.books.numbers[orderID]
	if ok {
		return ask(b.current(b.books.orders[id]))
	}
	letters := t.request.Call == CallLetter || t.request.Call == CallLetterData
	if b.books.settings.Profile == NewGeneration && !letters && utf8.RuneCountInString(orderID) <= 100 {
		return refuses(http.StatusNotFound, "order not found")
	}
	return refuses(http.StatusBadRequest, "order not found")
}

// shown is an order's state as order/state and callbacks tell it.
func (o Order) shown() map[string]any {
	return map[string]any{"order_id": o.OrderID, "state": o.State.Main, "order_sub_state": o.State.Sub, "message": nil}
}

// validateClient finds a client by phone (4.1, 4.2). One that is not known gets an SMS:
// "то клиенту придет смс с приглашением зарегистрироваться".
func (b *Bank) validateClient(phone string, version int, r *record) reply {
	switch {
	case b.books.settings.MayNotCreate:
		return b.mayNot()
	case !phoneForm.MatchString(phone):
		return refuses(http.StatusBadRequest, "phone is not a number")
	case b.tooMany():
		return refuses(http.StatusTooManyRequests, "too many requests")
	}
	if !known(phone) {
		r.Invited = phone
		if status := b.books.settings.ClientNotFound; status != 0 {
			return refuses(status, "client not found")
		}
		return says(http.StatusOK, map[string]bool{"found": false})
	}
	if version == 2 {
		return says(http.StatusOK, map[string]bool{"found": true})
	}
	return says(http.StatusOK, map[string]any{"found": true, "client": map[string]string{
		"first_name": "Айгуль", "last_name": "Примерова", "middle_name": "Тестовна", "inn": "900101400011",
	}})
}

// tooMany says whether the validates of the last minute are more than the bank takes, this
// one among them.
func (b *Bank) tooMany() bool {
	most := b.books.settings.ValidatesPerMinute
	if most == 0 {
		return false
	}
	since, n := b.time().Add(-time.Minute), 0
	for i := len(b.books.requests) - 1; i >= 0 && b.books.requests[i].Time.After(since); i-- {
		if b.books.requests[i].Call == CallValidate {
			n++
		}
	}
	return n > most
}

// confirm is taken once, when the client has agreed (4.5).
func (b *Bank) confirm(o Order, r *record) reply {
	if o.State != (State{stateInProcess, subWaitingForStore}) {
		return refuses(http.StatusBadRequest, "the order is %s/%s", o.State.Main, o.State.Sub)
	}
	o.State, o.ActiveAt, o.Forced = State{stateSuccess, subActive}, b.time(), false
	o.Confirms++
	b.enter(r, o)
	return says(http.StatusOK, o.shown())
}

// reject is taken once, until the store has confirmed (4.6).
func (b *Bank) reject(o Order, r *record) reply {
	if !o.open() || o.State.Sub != subWaitingForClient && o.State.Sub != subWaitingForStore {
		return refuses(http.StatusBadRequest, "the order is %s/%s", o.State.Main, o.State.Sub)
	}
	o.State, o.Forced = State{stateFail, "REJECTED_BY_STORE"}, false
	o.Rejects++
	b.enter(r, o)
	return says(http.StatusOK, o.shown())
}

// checkPaid tells of the pay-out, or of the client's repayment (4.7).
func (b *Bank) checkPaid(o Order) reply {
	if o.State.Main != stateSuccess {
		return refuses(http.StatusBadRequest, "the order is %s/%s", o.State.Main, o.State.Sub)
	}
	paid := o.PaidOut || b.time().Sub(o.ActiveAt) >= b.books.settings.PayoutDelay.duration()
	if b.books.settings.ClientRepaid {
		paid = o.State.Sub == subDone
	}
	return says(http.StatusOK, map[string]bool{"fully_paid": paid, "bank_can_return_money_to_card": o.State.Sub != subReturned})
}
