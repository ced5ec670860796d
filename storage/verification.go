package storage

import (
	"context"
	"database/sql"
	"fmt"

	"gorm.io/gorm"

	"tolem/domain"
)

// verifyPage is how many processes are read at once to be verified, with their journal.
const verifyPage = 500

// ProcessRecord is everything that the ledger has of a process beside its own rows.
type ProcessRecord struct {
	Calls     []Attempt      // to partners, in the order they were begun
	Events    []JournalEvent // what was done to it, in that order
	Actions   []Action       // the oldest first
	Incidents []Incident     // the oldest first
}

// JournalEvent is something that was done to a process, as the journal has it.
type JournalEvent struct {
	ID        int64 // journal id; grows with time
	Event     string
	Execution string // the workflow's run id; "" when no workflow did it
	ActionID  *int64 // the action that it followed; nil when nobody asked for it
	At        Timestamp
	Text      string // a reason, or a partner's words
}

// InstalmentRecord is everything that the ledger has of an instalment beside its row.
type InstalmentRecord struct {
	ProcessRecord
	Callbacks []Callback    // the oldest first
	Returns   []OrderReturn // the oldest first
}

// CollectionRecord is everything that the ledger has of a loan contract.
type CollectionRecord struct {
	ProcessRecord
	Contract domain.ContractNumber
	LastSeq  int64               // of its events
	Orders   []PaymentOrder      // the oldest first
	Statuses []PaymentOrderEvent // in the order of arrival
}

// EachPayment gives every payment to visit, in the order of ids. It reads in pages, each as
// the ledger was at one instant: payments accepted meanwhile may or may not be visited.
func (l *Ledger) EachPayment(ctx context.Context, visit func(Payment, ProcessRecord) error) error {
	return eachVerified(ctx, l, verified[Payment]{
		order: "id", after: func(q *gorm.DB, last Payment) *gorm.DB { return q.Where("id > ?", last.ID) },
		of: func(p Payment) (string, subject) { return p.ID.WorkflowID(), paymentSubject(p.ID) },
	}, visit)
}

// EachInstalment gives every instalment to visit, in the order of ids, as EachPayment does.
func (l *Ledger) EachInstalment(ctx context.Context, visit func(InstalmentOrder, InstalmentRecord) error) error {
	callbacks, returns := map[domain.StoreOrderID][]Callback{}, map[domain.StoreOrderID][]OrderReturn{}
	return eachVerified(ctx, l, verified[InstalmentOrder]{
		order: "id", after: func(q *gorm.DB, last InstalmentOrder) *gorm.DB { return q.Where("id > ?", last.ID) },
		of: func(o InstalmentOrder) (string, subject) { return o.ID.WorkflowID(), orderSubject(o.ID) },
		more: func(tx *gorm.DB, page []InstalmentOrder) (err error) {
			ids := keys(page, func(o InstalmentOrder) domain.StoreOrderID { return o.ID })
			callbacks, err = gather(tx.Where("order_id IN ?", ids).Order("at, state, sub_state"), func(c Callback) domain.StoreOrderID { return c.OrderID })
			if err == nil {
				returns, err = gather(tx.Where("order_id IN ?", ids).Order("created_at, id"), func(r OrderReturn) domain.StoreOrderID { return r.OrderID })
			}
			return err
		},
	}, func(o InstalmentOrder, r ProcessRecord) error {
		return visit(o, InstalmentRecord{ProcessRecord: r, Callbacks: callbacks[o.ID], Returns: returns[o.ID]})
	})
}

// EachReturn gives every return of goods to visit, as EachPayment does.
func (l *Ledger) EachReturn(ctx context.Context, visit func(OrderReturn, ProcessRecord) error) error {
	return eachVerified(ctx, l, verified[OrderReturn]{
		order: "order_id, id", after: func(q *gorm.DB, last OrderReturn) *gorm.DB {
			return q.Where("(order_id, id) > (?, ?)", last.OrderID, last.ID)
		},
		of: func(r OrderReturn) (string, subject) { return r.WorkflowID(), returnSubject(r.OrderID, r.ID) },
	}, visit)
}

// EachContract gives every loan contract to visit, in the order of numbers, as EachPayment
// does.
func (l *Ledger) EachContract(ctx context.Context, visit func(CollectionRecord) error) error {
	orders, statuses := map[domain.ContractNumber][]PaymentOrder{}, map[domain.ContractNumber][]PaymentOrderEvent{}
	return eachVerified(ctx, l, verified[collectionContract]{
		order: "contract", after: func(q *gorm.DB, last collectionContract) *gorm.DB { return q.Where("contract > ?", last.Contract) },
		of: func(c collectionContract) (string, subject) {
			return c.Contract.WorkflowID(), contractSubject(c.Contract)
		},
		more: func(tx *gorm.DB, page []collectionContract) (err error) {
			contracts := keys(page, func(c collectionContract) domain.ContractNumber { return c.Contract })
			orders, err = gather(tx.Where("contract IN ?", contracts).Order("id"), func(o PaymentOrder) domain.ContractNumber { return o.Contract })
			if err == nil {
				statuses, err = gather(tx.Where("contract IN ?", contracts).Order("id"), func(e PaymentOrderEvent) domain.ContractNumber { return e.Contract })
			}
			return err
		},
	}, func(c collectionContract, r ProcessRecord) error {
		return visit(CollectionRecord{ProcessRecord: r, Contract: c.Contract, LastSeq: c.LastSeq, Orders: orders[c.Contract], Statuses: statuses[c.Contract]})
	})
}

// verified is how the rows of one kind of process are read to be verified.
type verified[Row any] struct {
	order string // by which the table is walked
	after func(q *gorm.DB, last Row) *gorm.DB
	of    func(Row) (process string, s subject)
	more  func(tx *gorm.DB, page []Row) error // reads what else belongs to a page; nil reads nothing
}

// eachVerified walks a table in pages. A page and its records are read in one snapshot, so
// that a state is never compared with a journal that is older or newer.
func eachVerified[Row any](ctx context.Context, l *Ledger, how verified[Row], visit func(Row, ProcessRecord) error) error {
	var last *Row
	for {
		var page []Row
		var records []ProcessRecord
		err := l.snapshot(ctx, func(tx *gorm.DB) (err error) {
			page = nil
			q := tx.Order(how.order).Limit(verifyPage)
			if last != nil {
				q = how.after(q, *last)
			}
			if err := q.Find(&page).Error; err != nil || len(page) == 0 {
				return err
			}
			if how.more != nil {
				if err := how.more(tx, page); err != nil {
					return err
				}
			}
			records, err = recordsOf(tx, page, how.of)
			return err
		})
		if err != nil {
			return fmt.Errorf("read a page to verify: %w", err)
		}
		for i, row := range page {
			if err := visit(row, records[i]); err != nil {
				return err
			}
		}
		if len(page) < verifyPage {
			return nil
		}
		last = &page[len(page)-1]
	}
}

// snapshot runs queries that all see the ledger as it was at one instant. They change
// nothing and hold nobody up.
func (l *Ledger) snapshot(ctx context.Context, read func(tx *gorm.DB) error) error {
	options := &sql.TxOptions{ReadOnly: true} // on SQLite a reader of the WAL sees one instant, and takes no lock
	if l.onPostgres() {
		options.Isolation = sql.LevelRepeatableRead
	}
	return l.db.WithContext(ctx).Transaction(read, options)
}

// recordsOf reads the records of a page's processes, in the page's order.
func recordsOf[Row any](tx *gorm.DB, page []Row, of func(Row) (string, subject)) ([]ProcessRecord, error) {
	records, processes := make([]ProcessRecord, len(page)), make([]string, len(page))
	index, bySubject := map[string]*ProcessRecord{}, map[subject]*ProcessRecord{}
	for i, row := range page {
		process, s := of(row)
		processes[i], index[process], bySubject[s] = process, &records[i], &records[i]
	}
	if err := journalOf(tx, processes, index); err != nil {
		return nil, err
	}
	var actions []Action
	if err := tx.Where("process IN ?", processes).Order("id").Find(&actions).Error; err != nil {
		return nil, fmt.Errorf("read actions: %w", err)
	}
	for _, a := range actions {
		r := index[a.Process]
		r.Actions = append(r.Actions, a)
	}
	return records, incidentsOf(tx, bySubject)
}

// journalOf reads the journal of some processes into their records.
func journalOf(tx *gorm.DB, processes []string, into map[string]*ProcessRecord) error {
	var rows []journalRow
	if err := tx.Where("process IN ?", processes).Order("id").Find(&rows).Error; err != nil {
		return fmt.Errorf("read the journal: %w", err)
	}
	outcomes := outcomesOf(rows)
	for _, r := range rows {
		record := into[r.Process]
		switch r.Phase {
		case phaseEvent:
			record.Events = append(record.Events, JournalEvent{ID: r.ID, Event: r.Call, Execution: r.Execution, ActionID: r.ActionID, At: r.At, Text: r.ResultMessage})
		case phaseOutcome: // read with its started row
		default:
			record.Calls = append(record.Calls, r.attempt(outcomes))
		}
	}
	return nil
}

// incidentsOf reads all incidents of some processes of one kind into their records.
func incidentsOf(tx *gorm.DB, into map[subject]*ProcessRecord) error {
	var kind domain.Process
	ids := make([]string, 0, len(into))
	for s := range into {
		kind, ids = s.process, append(ids, s.id)
	}
	var entries []IncidentEntry
	var open []OpenIncident
	err := tx.Where("process = ? AND subject IN ?", kind, ids).Order("id").Find(&entries).Error
	if err == nil {
		err = tx.Where("process = ? AND subject IN ?", kind, ids).Find(&open).Error
	}
	if err != nil {
		return fmt.Errorf("read incidents: %w", err)
	}
	for _, i := range assemble(entries, open) {
		if record := into[subject{i.Process, i.Subject, i.Part}]; record != nil {
			record.Incidents = append(record.Incidents, i)
		}
	}
	return nil
}

// keys are the keys of rows.
func keys[Row any, Key comparable](rows []Row, key func(Row) Key) []Key {
	all := make([]Key, len(rows))
	for i, row := range rows {
		all[i] = key(row)
	}
	return all
}

// gather reads rows and groups them by a key, each group in the query's order.
func gather[Row any, Key comparable](q *gorm.DB, key func(Row) Key) (map[Key][]Row, error) {
	var rows []Row
	if err := q.Find(&rows).Error; err != nil {
		return nil, err
	}
	groups := map[Key][]Row{}
	for _, row := range rows {
		groups[key(row)] = append(groups[key(row)], row)
	}
	return groups, nil
}
