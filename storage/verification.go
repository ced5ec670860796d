package storage

import (
	"context"
	"fmt"
	"slices"

	"tolem/domain"
)

// verifyPage is how many processes are read at once to be verified, with their journal.
const verifyPage = 500

// EachPayment gives every payment with all its calls to visit, in the order of ids. It reads
// in pages: payments accepted meanwhile may or may not be visited.
func (l *Ledger) EachPayment(ctx context.Context, visit func(Payment, []Attempt) error) error {
	return eachVerified(ctx, l, "id", func(p Payment) (any, string) { return p.ID, p.ID.WorkflowID() }, visit)
}

// EachInstalmentOrder gives every order with all its calls to visit, in the order of ids.
func (l *Ledger) EachInstalmentOrder(ctx context.Context, visit func(InstalmentOrder, []Attempt) error) error {
	return eachVerified(ctx, l, "id", func(o InstalmentOrder) (any, string) { return o.ID, o.ID.WorkflowID() }, visit)
}

// CollectionRecord is everything that the ledger has of a loan contract.
type CollectionRecord struct {
	Contract domain.ContractNumber
	LastSeq  int64               // of its events
	Orders   []PaymentOrder      // the oldest first
	Events   []PaymentOrderEvent // in the order of arrival
	Calls    []Attempt
}

// EachContract gives every loan contract with its payment orders, events and calls to visit,
// in the order of numbers.
func (l *Ledger) EachContract(ctx context.Context, visit func(CollectionRecord) error) error {
	return eachVerified(ctx, l, "contract", func(c collectionContract) (any, string) { return c.Contract, c.Contract.WorkflowID() },
		func(c collectionContract, calls []Attempt) error {
			r := CollectionRecord{Contract: c.Contract, LastSeq: c.LastSeq, Calls: calls}
			db := l.db.WithContext(ctx)
			err := db.Where("contract = ?", c.Contract).Order("id").Find(&r.Orders).Error
			if err == nil {
				err = db.Where("contract = ?", c.Contract).Order("id").Find(&r.Events).Error
			}
			if err != nil {
				return fmt.Errorf("read %s: %w", c.Contract.WorkflowID(), err)
			}
			return visit(r)
		})
}

// EachReturn gives every return of goods with all its calls to visit.
func (l *Ledger) EachReturn(ctx context.Context, visit func(OrderReturn, []Attempt) error) error {
	var all []OrderReturn // returns are few beside orders
	if err := l.db.WithContext(ctx).Order("order_id, id").Find(&all).Error; err != nil {
		return fmt.Errorf("read returns: %w", err)
	}
	for page := range slices.Chunk(all, verifyPage) {
		processes := make([]string, len(page))
		for i, r := range page {
			processes[i] = r.WorkflowID()
		}
		calls, err := l.callsOf(ctx, processes)
		if err != nil {
			return err
		}
		for i, r := range page {
			if err := visit(r, calls[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

// eachVerified walks a table by its key in pages and reads each page's calls in one query.
func eachVerified[Row any](ctx context.Context, l *Ledger, key string, of func(Row) (key any, process string), visit func(Row, []Attempt) error) error {
	var after any
	for {
		var page []Row
		q := l.db.WithContext(ctx).Order(key).Limit(verifyPage)
		if after != nil {
			q = q.Where(key+" > ?", after)
		}
		if err := q.Find(&page).Error; err != nil {
			return fmt.Errorf("read a page to verify: %w", err)
		}
		processes := make([]string, len(page))
		for i, row := range page {
			_, processes[i] = of(row)
		}
		calls, err := l.callsOf(ctx, processes)
		if err != nil {
			return err
		}
		for i, row := range page {
			after, _ = of(row)
			if err := visit(row, calls[i]); err != nil {
				return err
			}
		}
		if len(page) < verifyPage {
			return nil
		}
	}
}

// callsOf reads all calls of some processes, each process's in the order they were begun.
func (l *Ledger) callsOf(ctx context.Context, processes []string) ([][]Attempt, error) {
	var rows []journalRow
	if err := l.db.WithContext(ctx).Where("process IN ? AND phase <> ?", processes, phaseEvent).Order("id").Find(&rows).Error; err != nil {
		return nil, fmt.Errorf("read the journal: %w", err)
	}
	outcomes := map[int64]journalRow{}
	for _, r := range rows {
		if r.Phase == phaseOutcome {
			outcomes[*r.StartedID] = r
		}
	}
	calls, index := make([][]Attempt, len(processes)), map[string]int{}
	for i, p := range processes {
		index[p] = i
	}
	for _, r := range rows {
		if r.Phase != phaseOutcome {
			i := index[r.Process]
			calls[i] = append(calls[i], r.attempt(outcomes))
		}
	}
	return calls, nil
}
