package verification

import (
	"slices"

	"tolem/domain"
	"tolem/storage"
)

// approval is something that two people do: the first one's action proposes it, the second
// one's does it.
type approval struct {
	event   string // the journal's, of the second person's action
	action  domain.Action
	outcome domain.State // of both actions
	effect  domain.Effect
	// undone are the journal's events that end a proposal.
	undone []string
}

// wants says what is wrong with an approval; "" when nothing is. Both people gave a reason
// and, for a resolve, evidence; no action of another process counts, because the record has
// none.
func (a approval) wants(r storage.ProcessRecord) string {
	var first *storage.Action
	problem := "nobody asked for it"
	for _, e := range r.Events {
		by := actionOf(r, e)
		switch {
		case slices.Contains(a.undone, e.Event):
			first = nil
		case e.Event == string(domain.EffectProposed) && by != nil && by.Action == a.action && by.Outcome == a.outcome:
			first = by
		case e.Event == a.event:
			problem = a.approved(first, by)
		}
	}
	return problem
}

// approved says what is wrong with a second person's action.
func (a approval) approved(first, second *storage.Action) string {
	switch {
	case second == nil || second.Action != a.action || second.Outcome != a.outcome || second.Effect != a.effect:
		return "it followed no such action on this process"
	case first == nil:
		return "no first person proposed it"
	case first.Caller == second.Caller:
		return "one person proposed and approved it"
	case a.action == domain.ActionResolve && (first.Evidence == "" || second.Evidence == ""):
		return "it was resolved without evidence"
	}
	return ""
}

// actionOf is the action of this process that an event followed; nil without one.
func actionOf(r storage.ProcessRecord, e storage.JournalEvent) *storage.Action {
	if e.ActionID == nil {
		return nil
	}
	i := slices.IndexFunc(r.Actions, func(a storage.Action) bool { return a.ID == *e.ActionID })
	if i < 0 {
		return nil
	}
	return &r.Actions[i]
}

// lastEvent is the last of a process's events with a name; nil without one.
func lastEvent(r storage.ProcessRecord, name string) *storage.JournalEvent {
	for i := range r.Events {
		if e := &r.Events[len(r.Events)-1-i]; e.Event == name {
			return e
		}
	}
	return nil
}
