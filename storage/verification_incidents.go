package storage

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"gorm.io/gorm"

	"tolem/domain"
)

// IncidentSubject is what the ledger has of the process that an incident is about.
type IncidentSubject struct {
	WorkflowID string
	Known      bool // the ledger has a row of it
	Ended      bool
	Flagged    bool // the row says that it needs an operator
}

// EachIncident gives every incident to visit that is open, or that people alone close, with
// its process, in the order in which they were opened. It reads in pages, each as the ledger
// was at one instant.
func (l *Ledger) EachIncident(ctx context.Context, visit func(Incident, IncidentSubject) error) error {
	var last int64
	for {
		var page []Incident
		subjects := map[subject]IncidentSubject{}
		err := l.snapshot(ctx, func(tx *gorm.DB) (err error) {
			if page, err = lastingIncidents(tx, last); err != nil {
				return err
			}
			return subjectsOf(tx, page, subjects)
		})
		if err != nil {
			return fmt.Errorf("read a page of incidents to verify: %w", err)
		}
		for _, i := range page {
			s := subject{i.Process, i.Subject, i.Part}
			of := subjects[s]
			of.WorkflowID = s.workflowID()
			if err := visit(i, of); err != nil {
				return err
			}
			last = i.ID
		}
		if len(page) < verifyPage {
			return nil
		}
	}
}

// lastingIncidents reads a page of the incidents that are open, or that only people close.
func lastingIncidents(tx *gorm.DB, after int64) ([]Incident, error) {
	var ids []int64
	err := tx.Raw(`SELECT id FROM open_incidents WHERE id > ?
		UNION SELECT incident FROM incident_entries WHERE entry = ? AND incident > ? AND reason IN ? ORDER BY 1 LIMIT ?`,
		after, domain.IncidentOpened, after, domain.LastingReasons(), verifyPage).Scan(&ids).Error
	if err != nil || len(ids) == 0 {
		return nil, err
	}
	var entries []IncidentEntry
	var open []OpenIncident
	if err := tx.Where("incident IN ?", ids).Order("id").Find(&entries).Error; err != nil {
		return nil, err
	}
	if err := tx.Where("id IN ?", ids).Find(&open).Error; err != nil {
		return nil, err
	}
	page := assemble(entries, open)
	slices.SortFunc(page, func(a, b Incident) int { return cmp.Compare(a.ID, b.ID) })
	return page, nil
}

// subjectsOf reads where the processes of incidents stand.
func subjectsOf(tx *gorm.DB, incidents []Incident, into map[subject]IncidentSubject) error {
	ids := map[domain.Process][]string{}
	for _, i := range incidents {
		ids[i.Process] = append(ids[i.Process], i.Subject)
	}
	var payments []Payment
	var orders []InstalmentOrder
	var returns []OrderReturn
	var demands []PaymentOrder
	for _, read := range []struct {
		kind  domain.Process
		where string
		rows  any
	}{
		{domain.ProcessPayment, "id IN ?", &payments}, {domain.ProcessOrder, "id IN ?", &orders}, {domain.ProcessReturn, "order_id IN ?", &returns},
		{domain.ProcessPaymentOrder, "id IN (SELECT max(id) FROM payment_orders WHERE contract IN ? GROUP BY contract)", &demands},
	} {
		var among any = ids[read.kind]
		if read.kind == domain.ProcessPayment {
			among = paymentIDs(ids[read.kind])
		}
		if len(ids[read.kind]) == 0 {
			continue
		}
		if err := tx.Where(read.where, among).Find(read.rows).Error; err != nil {
			return fmt.Errorf("read the processes of incidents: %w", err)
		}
	}
	for _, p := range payments {
		into[paymentSubject(p.ID)] = IncidentSubject{Known: true, Ended: p.State.Terminal(), Flagged: p.NeedsOperator}
	}
	for _, o := range orders {
		into[orderSubject(o.ID)] = IncidentSubject{Known: true, Ended: o.State.Terminal(), Flagged: o.NeedsOperator}
	}
	for _, r := range returns {
		into[returnSubject(r.OrderID, r.ID)] = IncidentSubject{Known: true, Ended: r.State.Terminal(), Flagged: r.NeedsOperator}
	}
	for _, o := range demands {
		into[contractSubject(o.Contract)] = IncidentSubject{Known: true, Ended: o.State.Terminal(), Flagged: o.NeedsOperator}
	}
	return nil
}

// paymentIDs are the subjects that can be payments.
func paymentIDs(subjects []string) []domain.AgentTransactionID {
	ids := []domain.AgentTransactionID{}
	for _, s := range subjects {
		if id, err := domain.ParseAgentTransactionID(s); err == nil {
			ids = append(ids, id)
		}
	}
	return ids
}

// workflowID is the subject's name in Temporal, logs and spans.
func (s subject) workflowID() string {
	switch s.process {
	case domain.ProcessOrder:
		return domain.StoreOrderID(s.id).WorkflowID()
	case domain.ProcessReturn:
		return domain.StoreOrderID(s.id).ReturnWorkflowID(domain.StoreReturnID(s.part))
	case domain.ProcessPaymentOrder:
		return domain.ContractNumber(s.id).WorkflowID()
	}
	return string(s.process) + "/" + s.id
}
