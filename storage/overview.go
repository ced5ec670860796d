package storage

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"

	"gorm.io/gorm"

	"tolem/domain"
)

// Overview is what the ledger has open: numbers, states, codes and reasons only.
type Overview struct {
	At   time.Time // when it was read
	Open []OpenCount
	// Incidents are those that are open, of processes in any state.
	Incidents []OpenIncidentCount
	// Unsent are the events that have a place in what Loxon is told and were not
	// acknowledged; UnsentSince is when the oldest of them came, nil without any.
	Unsent      int64
	UnsentSince *Timestamp
	Balance     *Balance // the newest; nil before the first
}

// OpenCount is how many open processes stand alike.
type OpenCount struct {
	Process domain.Process
	State   string
	Code    *domain.Code          // a payment's last result code; nil before the first, and of others
	Reason  domain.OperatorReason // why a person has to look; "" when nobody has to
	Age     int                   // how many of the limits it has reached; see Overview
	Number  int64
}

// openTables say where the open processes of a kind are. The states stand in the
// text, not in parameters: so written, both databases see that a partial index holds
// all that is asked for, and read none of the millions that have ended.
var openTables = map[domain.Process]struct{ table, open, code, since string }{
	domain.ProcessPayment: {
		"payments", "state IN (" + quoted(domain.OpenStates()) + ")", "result_code", "COALESCE(chosen_at, created_at)", // as Payment.Since
	},
	domain.ProcessOrder:        {"instalment_orders", "state NOT IN (" + quoted(domain.TerminalOrderStates()) + ")", "NULL", "created_at"},
	domain.ProcessReturn:       {"order_returns", "state IN (" + quoted(domain.OpenReturnStates()) + ")", "NULL", "created_at"},
	domain.ProcessPaymentOrder: {"payment_orders", "state NOT IN (" + quoted(domain.TerminalPaymentOrderStates()) + ")", "NULL", "created_at"},
}

// quoted writes states, which are words of ours without quotes, into SQL.
func quoted[State ~string](states []State) string {
	all := make([]string, len(states))
	for i, s := range states {
		all[i] = "'" + string(s) + "'"
	}
	return strings.Join(all, ", ")
}

// Overview counts what is open at an instant, by kind, state, code, reason and age.
// An age is the number of limits, which grow, that the process has reached: 0 is
// younger than the first. A payment's age counts from its payer's choice. It reads
// the open rows only, each once, and is as fast as they are few.
func (l *Ledger) Overview(ctx context.Context, at time.Time, limits []time.Duration) (Overview, error) {
	o := Overview{At: at}
	db := l.db.WithContext(ctx)
	for _, p := range domain.Processes() {
		query, values := openQuery(p.Process, at, limits)
		var counts []OpenCount
		if err := db.Raw(query, values...).Scan(&counts).Error; err != nil {
			return Overview{}, fmt.Errorf("count open processes of kind %s: %w", p.Process, err)
		}
		for _, c := range counts {
			c.Process = p.Process
			o.Open = append(o.Open, c)
		}
	}
	var err error
	if o.Incidents, err = l.OpenIncidents(ctx); err != nil {
		return Overview{}, err
	}
	if err := o.readUnsent(db); err != nil {
		return Overview{}, fmt.Errorf("count events that were not sent: %w", err)
	}
	var newest []Balance
	if err := db.Order("id DESC").Limit(1).Find(&newest).Error; err != nil {
		return Overview{}, fmt.Errorf("read the newest balance: %w", err)
	}
	if len(newest) > 0 {
		o.Balance = &newest[0]
	}
	return o, nil
}

func openQuery(process domain.Process, at time.Time, limits []time.Duration) (query string, values []any) {
	t := openTables[process]
	age := "0"
	if len(limits) > 0 {
		var ages strings.Builder
		for i, limit := range limits {
			fmt.Fprintf(&ages, " WHEN %s > ? THEN %d", t.since, i)
			values = append(values, At(at.Add(-limit)))
		}
		age = fmt.Sprintf("CASE%s ELSE %d END", ages.String(), len(limits))
	}
	// Nothing in the text comes from outside.
	query = fmt.Sprintf(`SELECT state, %s AS code, CASE WHEN needs_operator THEN operator_reason ELSE '' END AS reason, %s AS age, count(*) AS number
		FROM %s WHERE %s GROUP BY 1, 2, 3, 4`, t.code, age, t.table, t.open)
	return query, values
}

// unsentQuery finds what the index payment_order_events_untold holds.
const unsentQuery = "SELECT count(*) AS number, min(received_at) AS since FROM payment_order_events WHERE " + unsent

func (o *Overview) readUnsent(db *gorm.DB) error {
	var found struct {
		Number int64
		Since  sql.NullInt64
	}
	if err := db.Raw(unsentQuery).Scan(&found).Error; err != nil {
		return err
	}
	o.Unsent = found.Number
	if found.Since.Valid {
		o.UnsentSince = &Timestamp{time.UnixMicro(found.Since.Int64).UTC()}
	}
	return nil
}
