package verification

import (
	"context"
	"slices"
	"time"

	"tolem/domain"
	"tolem/storage"
)

// incidents checks every open incident, and every one that only people may have closed.
//
// An open incident is a finding when it is a contradiction, which only a person closes, or
// when its process has ended or is not in the ledger: then nothing but people will end it.
// Others wait for a process that goes on, and are counted alone.
func (v *verifier) incidents(ctx context.Context) error {
	return v.Ledger.EachIncident(ctx, func(i storage.Incident, of storage.IncidentSubject) error {
		if !i.Open {
			v.report.expect(TwoPeople, of.WorkflowID, closing(i))
			return nil
		}
		v.report.incident(i)
		v.report.check(OpenIncident, of.WorkflowID, of.Known && !of.Ended && !i.Reason.Lasting(), "%s: incident %d is open since %s", i.Reason, i.ID, i.OpenedAt.UTC().Format(time.DateTime))
		v.report.check(Flagged, of.WorkflowID, of.Flagged || !of.Known, "incident %d (%s) is open, and its row does not need an operator", i.ID, i.Reason)
		return nil
	})
}

// flagged checks that a row which needs an operator has an open incident.
func (v *verifier) flagged(id string, needsOperator bool, r storage.ProcessRecord) {
	open := slices.ContainsFunc(r.Incidents, func(i storage.Incident) bool { return i.Open })
	v.report.check(Flagged, id, !needsOperator || open, "its row needs an operator, and no incident is open")
}

// closing says what is wrong with how an incident was closed that only people may close; ""
// when nothing is.
func closing(i storage.Incident) string {
	var proposed *storage.IncidentEntry
	problem := "incident is neither open nor closed"
	for n := range i.Entries {
		switch e := &i.Entries[n]; e.Entry {
		case domain.IncidentProposed:
			proposed = e
		case domain.IncidentFact, domain.IncidentDeclined:
			proposed = nil
		case domain.IncidentClosed:
			problem = closedBy(i.Reason, proposed, e)
		}
	}
	return problem
}

func closedBy(reason domain.OperatorReason, first, second *storage.IncidentEntry) string {
	switch {
	case second.Caller == "":
		return "an incident (" + string(reason) + ") that only people may close was closed by nobody"
	case !reason.AboutMoney():
		return ""
	case first == nil, first.Caller == second.Caller:
		return "an incident about money (" + string(reason) + ") was closed by one person"
	case !second.Money.Known(), first.Money != second.Money, first.TransactionNumber != second.TransactionNumber:
		return "an incident about money (" + string(reason) + ") was closed without saying where the money is"
	}
	return ""
}

// correction is where the money of a process really is, as people recorded it last when they
// closed an incident; nil when nobody had to.
func correction(r storage.ProcessRecord) *storage.IncidentEntry {
	var last *storage.IncidentEntry
	for _, i := range r.Incidents {
		for n := range i.Entries {
			if e := &i.Entries[n]; e.Entry == domain.IncidentClosed && e.Money.Known() && (last == nil || e.ID > last.ID) {
				last = e
			}
		}
	}
	return last
}

// excused says that the ledger has recorded itself that a process's end is contradicted: two
// people corrected it, or an incident about it is open, which is a finding of its own.
func excused(r storage.ProcessRecord) bool {
	return correction(r) != nil || slices.ContainsFunc(r.Incidents, func(i storage.Incident) bool { return i.Open && i.Reason.Lasting() })
}

// noted says that an incident of a reason was opened for a process: it is open, which is a
// finding of its own, or people have closed it.
func noted(r storage.ProcessRecord, why domain.OperatorReason) bool {
	return slices.ContainsFunc(r.Incidents, func(i storage.Incident) bool { return i.Reason == why })
}
