// Package verification checks from outside whether Tolem kept its promises: it reads the
// ledger, Temporal, Loxon's topic and, where partners show their books, those, applies the
// domain's own rules to the whole journal, and reports every process that does not agree. It
// changes nothing and may run beside a working Tolem.
package verification

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"text/tabwriter"
	"time"

	"tolem/domain"
	"tolem/storage"
)

// Check is one promise that is verified. Its words are stable.
type Check string

// The checks.
const (
	Ended        Check = "ended"         // every process is in a terminal state
	Journalled   Check = "journalled"    // every call that was counted is in the journal, and every money call has an outcome or a successor
	SameBytes    Check = "same_bytes"    // a request's bytes are the same in all its attempts
	WaitsGrow    Check = "waits_grow"    // scheduled waits of a request only grow, and were waited
	StateFollows Check = "state_follows" // the state is what the domain's rules make of the journal
	TwoPeople    Check = "two_people"    // what takes two people was asked for by two different ones, with evidence
	OwnAction    Check = "own_action"    // who cancelled a payment did so by an action on this payment, or in Temporal
	Deadline     Check = "deadline"      // nothing expired before its stored deadline
	OneRun       Check = "one_run"       // an open row has a running workflow, a closed one has none, and none failed
	Partner      Check = "partner"       // the partner's books say the same
	OneEffect    Check = "one_effect"    // by the partner's books
	EventOrder   Check = "event_order"   // Loxon's events are numbered without gap, in order, with their ids
	EventBytes   Check = "event_bytes"   // an event is the same wherever it is repeated, and what the ledger has
	EventPlace   Check = "event_place"   // a published event is where the ledger has it
	EventMissing Check = "event_missing" // every event that the ledger has as published is in the topic
	EventKnown   Check = "event_known"   // every event in the topic is in the ledger
	EventsSent   Check = "events_sent"   // the events of a payment order that has ended are published
	Flagged      Check = "flagged"       // a row needs an operator exactly while it has an open incident
	Gate         Check = "gate"          // the ledger's gate is open: no restore waits for a person
	References   Check = "references"    // EAR and PTP numbers have no gap but those of recorded restores
	OpenIncident Check = "open_incident" // no contradiction waits for a person, and none is open about what has ended
)

// Finding is a promise that was not kept, or cannot be seen to have been.
type Finding struct {
	Check   Check  `json:"check"`
	Process string `json:"process"` // workflow id; it names nobody
	Problem string `json:"problem"`
}

// OpenIncidents counts the open incidents of one kind of process and reason.
type OpenIncidents struct {
	Process domain.Process        `json:"process"`
	Reason  domain.OperatorReason `json:"reason"`
	Number  int                   `json:"number"`
	Since   time.Time             `json:"since"` // when the oldest of them was opened
}

// Report is what a verification saw.
type Report struct {
	// Processes counts by kind and state: "payment succeeded" → 17.
	Processes map[string]int `json:"processes"`
	// Checked counts how often each promise was checked; one that is not there was not.
	Checked   map[Check]int    `json:"checked"`
	Findings  []Finding        `json:"findings"` // the first of them
	Found     int              `json:"found"`    // all of them
	Open      int              `json:"open"`     // processes that have not ended
	Calls     int              `json:"calls"`    // in the journal
	Events    int              `json:"events"`   // records of Loxon's topic
	Repeated  int              `json:"repeated"` // of those, duplicates
	Incidents []*OpenIncidents `json:"incidents"`
	Skipped   []string         `json:"skipped,omitempty"`

	foundBy map[Check]int
}

// maxFindings bounds the list of findings; all are counted.
const maxFindings = 1000

func newReport() *Report {
	return &Report{Processes: map[string]int{}, Checked: map[Check]int{}, Findings: []Finding{}, Incidents: []*OpenIncidents{}, foundBy: map[Check]int{}}
}

// check counts that a promise was checked, and notes a finding when it does not hold.
func (r *Report) check(c Check, process string, holds bool, problem string, args ...any) {
	if holds {
		r.Checked[c]++
		return
	}
	r.expect(c, process, fmt.Sprintf(problem, args...))
}

// expect counts that a promise was checked, and notes a finding when there is a problem.
func (r *Report) expect(c Check, process, problem string) {
	r.Checked[c]++
	if problem == "" {
		return
	}
	r.Found++
	r.foundBy[c]++
	if len(r.Findings) < maxFindings {
		r.Findings = append(r.Findings, Finding{Check: c, Process: process, Problem: problem})
	}
}

// seen counts a process.
func (r *Report) seen(kind, state string, terminal bool) {
	r.Processes[kind+" "+state]++
	if !terminal {
		r.Open++
	}
}

// incident counts an open incident. They come in the order in which they were opened.
func (r *Report) incident(i storage.Incident) {
	for _, o := range r.Incidents {
		if o.Process == i.Process && o.Reason == i.Reason {
			o.Number++
			return
		}
	}
	r.Incidents = append(r.Incidents, &OpenIncidents{Process: i.Process, Reason: i.Reason, Number: 1, Since: i.OpenedAt.Time})
}

// OK says that nothing was found.
func (r *Report) OK() bool { return r.Found == 0 }

// shown is how many findings a person is shown.
const shown = 20

// Print writes the report for people.
func (r *Report) Print(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "processes\t")
	for _, kind := range slices.Sorted(maps.Keys(r.Processes)) {
		fmt.Fprintf(t, "  %s\t%d\n", kind, r.Processes[kind])
	}
	fmt.Fprintf(t, "calls to partners\t%d\nLoxon events\t%d (%s)\n", r.Calls, r.Events, count(r.Repeated, "duplicate"))
	if len(r.Incidents) > 0 {
		fmt.Fprintln(t, "open incidents\t")
	}
	for _, i := range r.Incidents {
		fmt.Fprintf(t, "  %s %s\t%d, the oldest since %s\n", i.Process, i.Reason, i.Number, i.Since.UTC().Format("2006-01-02 15:04:05 UTC"))
	}
	fmt.Fprintln(t, "checks\t")
	for _, c := range slices.SortedFunc(maps.Keys(r.Checked), cmp.Compare) {
		fmt.Fprintf(t, "  %s\t%d checked, %s\n", c, r.Checked[c], count(r.foundBy[c], "finding"))
	}
	for _, s := range r.Skipped {
		fmt.Fprintf(t, "not checked\t%s\n", s)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for i, f := range r.Findings {
		if i == shown {
			fmt.Fprintf(w, "… and %d more; --json shows them\n", r.Found-shown)
			break
		}
		fmt.Fprintf(w, "FOUND %s: %s: %s\n", f.Check, f.Process, f.Problem)
	}
	verdict := "All checks passed"
	if !r.OK() {
		verdict = count(r.Found, "finding")
	}
	_, err := fmt.Fprintf(w, "%s. %s.\n", count(r.Open, "open process"), verdict)
	return err
}

// count is a number of things: "1 finding", "2 open processes".
func count(n int, thing string) string {
	switch {
	case n == 1:
	case thing[len(thing)-1] == 's':
		thing += "es"
	default:
		thing += "s"
	}
	return fmt.Sprintf("%d %s", n, thing)
}
