package cfront

import (
	"encoding/json"
	"net/http"
	"time"
)

// giveBack is the body of return.
type giveBack struct {
	OrderID       string          `json:"order_id"`
	Sum           json.RawMessage `json:"sum"`
	StoreReturnID string          `json:"store_return_id"`
	ToCard        bool            `json:"return_money_to_card"`
}

// takeBack takes goods back (4.9): several in part, together at most the price; a known
// store_return_id is the earlier return.
func (b *Bank) takeBack(o Order, in giveBack, into *record) reply {
	sum, ok := parseMoney(in.Sum, b.books.settings.StrictNumbers)
	least := Hundredths(1)
	if b.books.settings.Profile == NewGeneration {
		least = 100
	}
	for _, r := range o.Returns {
		if r.StoreReturnID != "" && r.StoreReturnID == in.StoreReturnID {
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
	b.enter(into, o.lessened(Return{in.StoreReturnID, sum, in.ToCard, b.time()}))
	return says(http.StatusOK, map[string]string{"status": "OK"})
}

// data is the card of an order (4.9).
func data(o Order) reply {
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
func (b *Bank) report(date string) reply {
	if _, err := time.Parse(time.DateOnly, date); err != nil {
		return refuses(http.StatusBadRequest, "date must be YYYY-MM-DD")
	}
	orders := []map[string]any{}
	for _, id := range b.books.sequence {
		o := b.current(b.books.orders[id])
		if o.State.Main != stateSuccess || o.ActiveAt.Format(time.DateOnly) != date {
			continue
		}
		commission := o.Total / 50
		orders = append(orders, map[string]any{
			"order_id": o.OrderID, "invoice_number": o.InvoiceNumber, "order_date": o.InvoiceDate, "pay_parts": o.Parts, "commission_percent": 2,
			"total_sum": o.Total, "transferred_sum": o.Total - commission, "commission": commission,
			"operation_timestamp": o.ActiveAt.Format("2006-01-02T15:04:05"), "odb_contract_number": o.agreement(),
		})
	}
	return says(http.StatusOK, map[string]any{"orders": orders})
}
