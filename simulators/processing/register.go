package processing

import (
	"encoding/csv"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"
)

// registerColumns in their usual order. The document promises reconciliation by
// both ids and agentTransactionDate («Принципы взаимодействия») and is silent
// about the register's form: this one, and its words for states, are invented.
var registerColumns = []string{
	"agentTransactionId", "transactionId", "agentTransactionDate", "transactionDate", "statusDate", "serviceId", "amountTo", "amountFrom", "state",
}

// Disturbance is what is wrong on purpose with a register; the books stay right.
// Ids that are dropped, repeated or changed must be in the undisturbed register.
type Disturbance struct {
	Shuffle uint64         // seed for another order of the columns; 0 = the usual one
	Drop    []int64        // agentTransactionIds whose rows are missing
	Repeat  []int64        // agentTransactionIds whose rows come once more, for each time they are named
	Amounts map[int64]Tiyn // amountTo by agentTransactionId
	Unknown []int64        // agentTransactionIds not in the books, as executed payments of 100.00
}

// Register writes the centre's register of one day (YYYY-MM-DD) as CSV with a
// header: the payments with that agentTransactionDate whose pay has arrived, in
// the order of their first requests. A refused pay without a legible date is in
// no register. It returns a *FieldError if the date or a disturbance is not
// valid (nothing is written then), or w's error.
func (c *Centre) Register(date string, w io.Writer, disturbances ...Disturbance) error {
	if _, err := time.Parse(time.DateOnly, date); err != nil {
		return wrong("date", "must be a day as YYYY-MM-DD")
	}
	payments, columns := c.paidOn(date), slices.Clone(registerColumns)
	for _, d := range disturbances {
		if err := d.validate(c, payments); err != nil {
			return err
		}
		payments = d.apply(payments, date)
		if d.Shuffle != 0 {
			rand.New(rand.NewPCG(d.Shuffle, 0)).Shuffle(len(columns), func(i, j int) { columns[i], columns[j] = columns[j], columns[i] })
		}
	}
	table := csv.NewWriter(w)
	rows := [][]string{columns}
	for _, p := range payments {
		rows = append(rows, p.row(columns))
	}
	return table.WriteAll(rows)
}

// paidOn lists the payments of a day whose pay has arrived.
func (c *Centre) paidOn(date string) []Payment {
	return slices.DeleteFunc(c.Payments(), func(p Payment) bool {
		_, err := time.Parse(dateLayout, p.AgentTransactionDate)
		legible := err == nil && len(p.AgentTransactionDate) == len(dateLayout)
		return p.State == Checked || !legible || !strings.HasPrefix(p.AgentTransactionDate, date)
	})
}

func (d Disturbance) validate(c *Centre, payments []Payment) error {
	there := map[int64]bool{}
	for _, p := range payments {
		there[p.AgentTransactionID] = true
	}
	for _, named := range []struct {
		field string
		ids   []int64
	}{{"drop", d.Drop}, {"repeat", d.Repeat}, {"amount", slices.Sorted(maps.Keys(d.Amounts))}} {
		for _, id := range named.ids {
			if !there[id] {
				return wrong(named.field, "%d is not in the register of that day", id)
			}
		}
	}
	for _, id := range d.Unknown {
		if _, known := c.Payment(id); known {
			return wrong("unknown", "%d is in the books; name an id that is not", id)
		}
	}
	return nil
}

// apply returns the rows as they are to be; the books' own are copies.
func (d Disturbance) apply(payments []Payment, date string) []Payment {
	rows := []Payment{}
	for _, p := range payments {
		if slices.Contains(d.Drop, p.AgentTransactionID) {
			continue
		}
		if amount, changed := d.Amounts[p.AgentTransactionID]; changed {
			p.AmountTo = amount
		}
		rows = append(rows, p)
		for _, id := range d.Repeat {
			if id == p.AgentTransactionID {
				rows = append(rows, p)
			}
		}
	}
	for i, id := range d.Unknown {
		rows = append(rows, Payment{
			AgentTransactionID: id, TransactionID: firstTransaction - int64(i), // never given out: real ones are above it
			AgentTransactionDate: date + "T12:00:00", TransactionDate: date + "T12:00:00.000", StatusDate: date + "T12:00:00.000",
			ServiceID: "P1011", AmountTo: 100_00, AmountFrom: 100_00, State: Executed,
		})
	}
	return rows
}

// row is the payment's line under these columns.
func (p Payment) row(columns []string) []string {
	values := map[string]string{
		"agentTransactionId": strconv.FormatInt(p.AgentTransactionID, 10), "transactionId": strconv.FormatInt(p.TransactionID, 10),
		"agentTransactionDate": p.AgentTransactionDate, "transactionDate": p.TransactionDate, "statusDate": p.StatusDate,
		"serviceId": p.ServiceID, "amountTo": p.AmountTo.String(), "amountFrom": p.AmountFrom.String(), "state": string(p.State),
	}
	row := make([]string, len(columns))
	for i, column := range columns {
		row[i] = values[column]
	}
	return row
}

// disturbed reads the disturbance that the address of GET /control/register asks
// for; what it does not know is refused.
func disturbed(query map[string][]string) (d Disturbance, err error) {
	for _, name := range slices.Sorted(maps.Keys(query)) {
		for _, text := range query[name] {
			if err := d.read(name, text); err != nil {
				return d, err
			}
		}
	}
	return d, nil
}

func (d *Disturbance) read(name, text string) (err error) {
	lists := map[string]*[]int64{"drop": &d.Drop, "repeat": &d.Repeat, "unknown": &d.Unknown}
	switch name {
	case "date":
		return nil
	case "shuffle":
		if d.Shuffle, err = strconv.ParseUint(text, 10, 64); err != nil {
			return wrong(name, "must be a whole number, the seed of the order")
		}
		return nil
	case "amount":
		id, amount, _ := strings.Cut(text, ":")
		tiyn, ok := parseTiyn(amount)
		if !transactionID.MatchString(id) || !ok {
			return wrong(name, "must be an agentTransactionId and an amount, such as 123:199.00")
		}
		if d.Amounts == nil {
			d.Amounts = map[int64]Tiyn{}
		}
		n, err := strconv.ParseInt(id, 10, 64)
		d.Amounts[n] = tiyn
		return err
	}
	list, known := lists[name]
	switch {
	case !known:
		return wrong(name, "is not known; GET /control lists what there is")
	case !transactionID.MatchString(text):
		return wrong(name, "must be an agentTransactionId of 1 to 18 digits")
	}
	id, err := strconv.ParseInt(text, 10, 64)
	*list = append(*list, id)
	return err
}
