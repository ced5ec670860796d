package api

import (
	"context"
	"strconv"
	"time"

	"tolem/domain"
	"tolem/storage"
)

// besideView is what people have to know of a process beside its state: why a person has to
// look, and where its money really is.
type besideView struct {
	Incidents  []openIncidentView `json:"incidents,omitempty"` // open ones, the oldest first
	Correction *correctionView    `json:"correction,omitempty"`
}

// openIncidentView is an open incident as its process shows it.
type openIncidentView struct {
	ID           string                `json:"id"`
	Reason       domain.OperatorReason `json:"reason"`
	OpenedAt     time.Time             `json:"openedAt"`
	Acknowledged bool                  `json:"acknowledged"`
}

// correctionView is where the money of an ended process really is, as two people recorded
// it. The state stays what it was.
type correctionView struct {
	Money             domain.MoneyWhere `json:"money"`
	TransactionNumber string            `json:"transactionNumber,omitempty"` // the partner's, of money that moved
	Incident          string            `json:"incident"`
	At                time.Time         `json:"at"`
}

// flagged is what a process's row says of its incidents, so that those that never had one
// cost no further reading.
type flagged struct {
	process domain.Process
	id      string
	now     bool // an incident is open
	ever    bool // there was one, at least
	ended   bool
}

func (f flagged) needs() (incidents, correction bool) { return f.now, f.ever && f.ended }

func flagsOfPayment(p storage.Payment) flagged {
	return flagged{domain.ProcessPayment, p.ID.String(), p.NeedsOperator, p.OperatorReason != "", p.State.Terminal()}
}

func flagsOfOrder(o storage.InstalmentOrder) flagged {
	return flagged{domain.ProcessOrder, string(o.ID), o.NeedsOperator, o.OperatorReason != "", o.State.Terminal()}
}

func flagsOfPaymentOrder(o storage.PaymentOrder) flagged {
	return flagged{domain.ProcessPaymentOrder, string(o.Contract), o.NeedsOperator, o.OperatorReason != "", o.State.Terminal()}
}

// beside reads what is shown beside a process.
func (s *Server) beside(ctx context.Context, f flagged) (v besideView, err error) {
	incidents, correction := f.needs()
	if !incidents && !correction {
		return v, nil
	}
	all, err := s.besideAll(ctx, f, incidents, correction)
	return all.of(f.id, ""), err
}

// besides are what is shown beside processes of one kind and id: several returns, or one.
type besides struct {
	open      []storage.OpenIncident
	corrected map[string]storage.Correction
}

func (s *Server) besideAll(ctx context.Context, f flagged, incidents, correction bool) (all besides, err error) {
	ctx, cancel := context.WithTimeout(ctx, ledgerLimit)
	defer cancel()
	if incidents {
		if all.open, err = s.ledger.OpenIncidentsOf(ctx, f.process, f.id); err != nil {
			return all, fromLedger(err)
		}
	}
	if correction {
		if all.corrected, err = s.ledger.Corrections(ctx, f.process, []string{f.id}); err != nil {
			return all, fromLedger(err)
		}
	}
	return all, nil
}

// of is what is shown beside one of them; part is a return's number, "" for others.
func (b besides) of(id, part string) (v besideView) {
	for _, o := range b.open {
		if o.Part == part {
			v.Incidents = append(v.Incidents, openIncidentView{strconv.FormatInt(o.ID, 10), o.Reason, o.OpenedAt.Time, o.Acknowledged})
		}
	}
	key := id
	if part != "" {
		key = storage.ReturnKey(domain.StoreOrderID(id), domain.StoreReturnID(part))
	}
	if c, ok := b.corrected[key]; ok {
		v.Correction = &correctionView{c.Money, c.TransactionNumber, strconv.FormatInt(c.Incident, 10), c.At.Time}
	}
	return v
}

// besideReturns reads what is shown beside returns of one order.
func (s *Server) besideReturns(ctx context.Context, order domain.StoreOrderID, returns []storage.OrderReturn) (besides, error) {
	f, incidents, correction := flagged{process: domain.ProcessReturn, id: string(order)}, false, false
	for _, r := range returns {
		incidents = incidents || r.NeedsOperator
		correction = correction || r.OperatorReason != "" && r.State.Terminal()
	}
	if !incidents && !correction {
		return besides{}, nil
	}
	return s.besideAll(ctx, f, incidents, correction)
}
