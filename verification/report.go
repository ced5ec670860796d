// Package verification looks, from outside, whether Tolem kept its promises: it reads the
// ledger, Temporal, Loxon's topic and, where partners show their books, those, and says of
// every process whether they agree. It changes nothing and may run beside a working Tolem.
package verification

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"text/tabwriter"
)

// Check is one promise that is verified.
type Check string

// The checks.
const (
	Ended        Check = "ended"         // every process is in a terminal state
	Journalled   Check = "journalled"    // every call that was counted is in the journal, and every money call has an outcome or a successor
	SameBytes    Check = "same_bytes"    // a request's bytes are the same in all its attempts
	WaitsGrow    Check = "waits_grow"    // scheduled waits of a request only grow, and were waited
	StateFollows Check = "state_follows" // the state is what the calls, or a person, say
	OneRun       Check = "one_run"       // an open row has a running workflow, a closed one has none, and none failed
	Partner      Check = "partner"       // the partner's books say the same
	OneEffect    Check = "one_effect"    // by the partner's books
	EventOrder   Check = "event_order"   // Loxon's events are numbered without gap, in order, with their ids
	EventBytes   Check = "event_bytes"   // an event is the same wherever it is there again, and what the ledger has
	EventPlace   Check = "event_place"   // what was recorded as told is where it was recorded
)

// Finding is a promise that was not kept, or cannot be seen to have been.
type Finding struct {
	Check   Check  `json:"check"`
	Process string `json:"process"` // workflow id; it names nobody
	Problem string `json:"problem"`
}

// Report is what a verification saw.
type Report struct {
	// Processes counts by kind and state: "payment succeeded" → 17.
	Processes map[string]int `json:"processes"`
	// Checked counts how often each promise was looked at; a check that is not there
	// was not made.
	Checked  map[Check]int `json:"checked"`
	Findings []Finding     `json:"findings"` // the first of them
	Found    int           `json:"found"`    // all of them
	Open     int           `json:"open"`     // processes that have not ended
	Calls    int           `json:"calls"`    // in the journal
	Events   int           `json:"events"`   // records of Loxon's topic
	Repeated int           `json:"repeated"` // of those, the ones that were there before
	Skipped  []string      `json:"skipped,omitempty"`
}

// maxFindings bounds the list of findings; all are counted.
const maxFindings = 1000

func newReport() *Report {
	return &Report{Processes: map[string]int{}, Checked: map[Check]int{}, Findings: []Finding{}}
}

// check counts that a promise was looked at, and notes a finding when it does not hold.
func (r *Report) check(c Check, process string, holds bool, problem string, args ...any) {
	r.Checked[c]++
	if holds {
		return
	}
	r.Found++
	if len(r.Findings) < maxFindings {
		r.Findings = append(r.Findings, Finding{Check: c, Process: process, Problem: fmt.Sprintf(problem, args...)})
	}
}

// seen counts a process.
func (r *Report) seen(kind, state string, terminal bool) {
	r.Processes[kind+" "+state]++
	if !terminal {
		r.Open++
	}
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
	fmt.Fprintf(t, "calls to partners\t%d\nevents of Loxon's topic\t%d, of which %d again\n", r.Calls, r.Events, r.Repeated)
	fmt.Fprintln(t, "checks\t")
	found := map[Check]int{}
	for _, f := range r.Findings {
		found[f.Check]++
	}
	checks := slices.SortedFunc(maps.Keys(r.Checked), func(a, b Check) int { return cmp.Compare(a, b) })
	for _, c := range checks {
		fmt.Fprintf(t, "  %s\t%d looked at, %d findings\n", c, r.Checked[c], found[c])
	}
	for _, s := range r.Skipped {
		fmt.Fprintf(t, "not looked at\t%s\n", s)
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
	verdict := "every promise that was looked at is kept"
	if !r.OK() {
		verdict = fmt.Sprintf("%d findings", r.Found)
	}
	_, err := fmt.Fprintf(w, "%d processes are open. %s.\n", r.Open, verdict)
	return err
}
