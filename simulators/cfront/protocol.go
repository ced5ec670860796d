package cfront

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"
)

var (
	phoneForm = regexp.MustCompile(`^\+[0-9]{9,15}$`)
	dateForm  = regexp.MustCompile(`^[0-9]{4}-[0-9]{2}-[0-9]{2}$`)
)

// process answers one request and changes the books; the caller holds the lock.
func (b *Bank) process(t *turn) reply {
	var in input
	if err := json.Unmarshal(t.body, &in); err != nil {
		return refuses(http.StatusBadRequest, "the body is not what the service takes")
	}
	switch t.request.Call {
	case CallValidate:
		return b.validateClient(in, t.version)
	case CallCreate:
		return b.create(in)
	case CallReport:
		return b.report(in)
	}
	id, ok := b.books.numbers[in.OrderID]
	if !ok {
		return b.unknownOrder()
	}
	o := b.current(b.books.orders[id])
	switch t.request.Call {
	case CallConfirm:
		return b.confirm(o)
	case CallReject:
		return b.reject(o)
	case CallCheckPaid:
		return b.checkPaid(o)
	case CallLetterData:
		return b.letterData(o, in, t.version)
	case CallLetter:
		return reply{status: http.StatusOK, kind: "application/pdf", body: []byte("%PDF-1.4\n% guarantee letter of " + o.OrderID + "\n%%EOF\n")}
	case CallReturn:
		return b.takeBack(o, in)
	case CallData, CallInfo:
		return b.data(o)
	}
	return says(http.StatusOK, o.shown())
}

// input holds the fields of all calls.
type input struct {
	Phone        string          `json:"phone"`
	StoreOrderID string          `json:"store_order_id"`
	ClientPhone  string          `json:"client_phone"`
	TotalSum     json.RawMessage `json:"total_sum"`
	Invoice      struct {
		Number  string          `json:"number"`
		Date    string          `json:"date"`
		Source  string          `json:"source"`
		PointID json.RawMessage `json:"point_id"` // official samples send a bare number
	} `json:"invoice"`
	Programs []struct {
		Type  string `json:"type"`
		Parts []int  `json:"available_parts_count"`
	} `json:"available_programs"`
	Products []struct {
		Name  string          `json:"name"`
		Count int             `json:"count"`
		Sum   json.RawMessage `json:"sum"`
	} `json:"products"`
	ResultCallback string          `json:"result_callback"`
	OrderID        string          `json:"order_id"`
	Sum            json.RawMessage `json:"sum"`
	StoreReturnID  string          `json:"store_return_id"`
	ToCard         bool            `json:"return_money_to_card"`
	Date           string          `json:"date"`
}

// shown is an order's state as order/state and callbacks tell it.
func (o Order) shown() map[string]any {
	return map[string]any{"order_id": o.OrderID, "state": o.State.Main, "order_sub_state": o.State.Sub, "message": nil}
}

// unknownOrder is 404 in the new generation, and presumably 400 in the old one.
func (b *Bank) unknownOrder() reply {
	if b.books.settings.Profile == NewGeneration {
		return refuses(http.StatusNotFound, "order not found")
	}
	return refuses(http.StatusBadRequest, "order not found")
}

// validateClient finds a client by phone (4.1, 4.2). One that is not known gets an SMS:
// "то клиенту придет смс с приглашением зарегистрироваться".
func (b *Bank) validateClient(in input, version int) reply {
	if !phoneForm.MatchString(in.Phone) {
		return refuses(http.StatusBadRequest, "phone is not a number")
	}
	if !known(in.Phone) {
		if b.commit(record{Invited: in.Phone}) != nil {
			return refuses(http.StatusInternalServerError, "no luck today")
		}
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

// create takes an application (4.3).
func (b *Bank) create(in input) reply {
	if in.StoreOrderID == "" || utf8.RuneCountInString(in.StoreOrderID) > 64 {
		return refuses(http.StatusBadRequest, "store_order_id must have 1 to 64 characters")
	}
	if before, there := b.books.orders[in.StoreOrderID]; there {
		if b.books.settings.Profile == OldGeneration {
			return says(http.StatusConflict, map[string]string{"order_id": before.OrderID})
		}
		return says(http.StatusCreated, map[string]string{"order_id": before.OrderID})
	}
	o, problem := b.application(in)
	if problem != "" {
		return refuses(http.StatusBadRequest, "%s", problem)
	}
	for _, id := range b.books.sequence {
		if other := b.current(b.books.orders[id]); other.Phone == o.Phone && other.open() {
			o.State = State{stateFail, "EXISTS_OTHER_OPEN_ORDER"}
		}
	}
	b.put(o)
	return says(http.StatusCreated, map[string]string{"order_id": o.OrderID})
}

// application reads an application; problem says which rule it breaks.
func (b *Bank) application(in input) (o Order, problem string) {
	s := b.books.settings
	total, ok := parseMoney(in.TotalSum, s.StrictNumbers)
	point := strings.Trim(string(in.Invoice.PointID), `"`)
	switch {
	case !phoneForm.MatchString(in.ClientPhone):
		return o, "client_phone is not a number"
	case !ok || total < 100:
		return o, "total_sum must be at least 1"
	case in.Invoice.Number == "" || !dateForm.MatchString(in.Invoice.Date):
		return o, "invoice must have number and date"
	case in.Invoice.Source != "INTERNET" && in.Invoice.Source != "STORE":
		return o, "invoice.source must be INTERNET or STORE"
	case point == "null":
		return o, "invoice.point_id must not be null"
	case !s.takesPoint(point):
		return o, "point of sale is not registered"
	case len(in.Programs) == 0 || s.Profile == NewGeneration && len(in.Programs) != 1:
		return o, "available_programs must name one program"
	}
	goods := Hundredths(0)
	for _, p := range in.Programs {
		if len(p.Parts) == 0 || s.Profile == OldGeneration && p.Type == "" || !s.offers(Product{p.Type, p.Parts[0]}) {
			return o, "no such credit product"
		}
	}
	for _, p := range in.Products {
		sum, ok := parseMoney(p.Sum, s.StrictNumbers)
		if !ok || sum < 1 || p.Count < 1 || p.Name == "" || utf8.RuneCountInString(p.Name) > 500 {
			return o, "products must have name, count and sum"
		}
		goods += sum * Hundredths(p.Count)
	}
	if len(in.Products) == 0 || s.CheckTotal && goods != total {
		return o, "products must add up to total_sum"
	}
	n := len(b.books.sequence) + 1
	return Order{
		OrderID: fmt.Sprintf("%08x-0000-4000-8000-%012x", n, n*7919), StoreOrderID: in.StoreOrderID, Phone: in.ClientPhone, Total: total,
		InvoiceNumber: in.Invoice.Number, InvoiceDate: in.Invoice.Date, Source: in.Invoice.Source, Point: point, Parts: in.Programs[0].Parts[0],
		Callback: in.ResultCallback, State: State{stateInProcess, subWaitingForClient}, CreatedAt: b.time(),
	}, ""
}

// confirm is taken once, when the client has agreed (4.5).
func (b *Bank) confirm(o Order) reply {
	if o.State != (State{stateInProcess, subWaitingForStore}) {
		return refuses(http.StatusBadRequest, "the order is %s/%s", o.State.Main, o.State.Sub)
	}
	o.State, o.ActiveAt, o.Forced = State{stateSuccess, subActive}, b.time(), false
	o.Confirms++
	return says(http.StatusOK, b.put(o).shown())
}

// reject is taken once, until the store has confirmed (4.6).
func (b *Bank) reject(o Order) reply {
	if !o.open() || o.State.Sub != subWaitingForClient && o.State.Sub != subWaitingForStore {
		return refuses(http.StatusBadRequest, "the order is %s/%s", o.State.Main, o.State.Sub)
	}
	o.State, o.Forced = State{stateFail, "REJECTED_BY_STORE"}, false
	o.Rejects++
	return says(http.StatusOK, b.put(o).shown())
}

// checkPaid tells of the pay-out, or of the client's repayment (4.7).
func (b *Bank) checkPaid(o Order) reply {
	if o.State.Main != stateSuccess {
		return refuses(http.StatusBadRequest, "the order is %s/%s", o.State.Main, o.State.Sub)
	}
	paid := b.time().Sub(o.ActiveAt) >= b.books.settings.PayoutDelay.duration()
	if b.books.settings.ClientRepaid {
		paid = o.State.Sub == subDone
	}
	return says(http.StatusOK, map[string]bool{"fully_paid": paid, "bank_can_return_money_to_card": o.State.Sub != subReturned})
}

// letterData tells of the contract (4.8), once the client has agreed.
func (b *Bank) letterData(o Order, in input, version int) reply {
	if o.AgreedAt.IsZero() {
		return refuses(http.StatusBadRequest, "there is no contract yet")
	}
	header := map[string]any{"request_id": o.OrderID, "answer_datetime": nil, "from_organization": "Банк", "organization_id": "1"}
	if version == 2 {
		header["contract_number"], header["contract_date"] = "Б-1", "2020-01-15"
	}
	return says(http.StatusOK, map[string]any{"header": header, "expansion": map[string]any{
		"customer": map[string]any{"first_name": "Айгуль", "last_name": "Примерова", "middle_name": "Тестовна", "inn": "900101400011",
			"document": map[string]any{"id_card": map[string]string{"number": "000000001", "issued": "МВД", "date_of_issue": "2019-01-01", "valid_until": "2029-01-01"}}},
		"invoice":             map[string]any{"invoice_number": o.InvoiceNumber, "invoice_date": o.InvoiceDate, "invoice_amount": o.Total},
		"payment_destination": map[string]string{"dest_id": "1", "dest_name": "Магазин", "dest_mfo": "000001", "dest_acc_number": "KZ000000000000000001"},
		"bank": map[string]any{"agreement": "КД-" + o.OrderID[:8], "agreement_date": o.AgreedAt.UTC().Format(time.DateOnly), "credit_amount": o.Total,
			"available_parts_count": o.Parts, "credit_product": "Рассрочка"},
		"sign": "c2lnbg==", "stamp": "c3RhbXA=",
	}})
}

// takeBack takes goods back (4.9): several in part, together at most the price; a known
// store_return_id is the earlier return.
func (b *Bank) takeBack(o Order, in input) reply {
	sum, ok := parseMoney(in.Sum, b.books.settings.StrictNumbers)
	least := Hundredths(1)
	if b.books.settings.Profile == NewGeneration {
		least = 100
	}
	for _, r := range o.Returns {
		if r.StoreReturnID == in.StoreReturnID {
			return says(http.StatusOK, map[string]string{"status": "OK"})
		}
	}
	switch {
	case o.State.Main != stateSuccess || o.State.Sub == subReturned:
		return refuses(http.StatusBadRequest, "the order is %s/%s", o.State.Main, o.State.Sub)
	case in.StoreReturnID == "" || !ok || sum < least:
		return refuses(http.StatusBadRequest, "sum or store_return_id is missing or wrong")
	case o.Returned()+sum > o.Total:
		return refuses(http.StatusBadRequest, "sum is more than what is left")
	}
	o.Returns = append(append([]Return{}, o.Returns...), Return{in.StoreReturnID, sum, in.ToCard, b.time()})
	if o.Returned() == o.Total {
		o.State.Sub = subReturned
	}
	b.put(o)
	return says(http.StatusOK, map[string]string{"status": "OK"})
}

// data is the card of an order (4.9).
func (b *Bank) data(o Order) reply {
	reverses := []map[string]any{}
	for _, r := range o.Returns {
		reverses = append(reverses, map[string]any{"sum": r.Sum, "timestamp": r.At.Format("2006-01-02T15:04:05")})
	}
	point := any(o.Point)
	if o.Point == "" {
		point = nil
	}
	return says(http.StatusOK, map[string]any{
		"total_sum": o.Total, "source": o.Source, "invoice_number": o.InvoiceNumber, "invoice_date": o.InvoiceDate, "point_id": point,
		"store_order_id": o.StoreOrderID, "create_timestamp": o.CreatedAt.Format("2006-01-02T15:04:05"), "reverse_list": reverses,
		"maskedCard": "4441********0001", "iban": nil,
	})
}

// report lists what the bank paid on a day (4.9).
func (b *Bank) report(in input) reply {
	if !dateForm.MatchString(in.Date) {
		return refuses(http.StatusBadRequest, "date must be YYYY-MM-DD")
	}
	orders := []map[string]any{}
	for _, id := range b.books.sequence {
		o := b.current(b.books.orders[id])
		if o.State.Main != stateSuccess || o.ActiveAt.Format(time.DateOnly) != in.Date {
			continue
		}
		commission := o.Total / 50
		orders = append(orders, map[string]any{
			"order_id": o.OrderID, "invoice_number": o.InvoiceNumber, "order_date": o.InvoiceDate, "pay_parts": o.Parts, "commission_percent": 2,
			"total_sum": o.Total, "transferred_sum": o.Total - commission, "commission": commission,
			"operation_timestamp": o.ActiveAt.Format("2006-01-02T15:04:05"), "odb_contract_number": "КД-" + o.OrderID[:8],
		})
	}
	return says(http.StatusOK, map[string]any{"orders": orders})
}
