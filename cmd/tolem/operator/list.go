package operator

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"

	"github.com/spf13/cobra"
)

// filter is a flag of list that narrows by a parameter of the API.
type filter struct {
	flag, parameter, usage string
	boolean                bool
	standard, all          string // what is meant unless the flag is given, and the value that does not narrow
}

// Filters that every list has.
var (
	byState = filter{flag: "state", parameter: "state", usage: "only in these states, separated by commas"}
	common  = []filter{
		{flag: "needs-operator", parameter: "needs_operator", usage: "only those that need an operator, or with =false that do not", boolean: true},
		{flag: "held", parameter: "held", usage: "only those that a person holds, or with =false that nobody does", boolean: true},
		{flag: "created-after", parameter: "createdAfter", usage: "only those accepted at or after a time such as 2026-01-31T15:04:05Z"},
		{flag: "created-before", parameter: "createdBefore", usage: "only those accepted before a time"},
	}
)

const (
	defaultStuck = "15m" // AGE_WARN's default: then they are counted and logged, too
	defaultRows  = 50
)

func (k kind) listCommand(o Options) *cobra.Command {
	cmd := &cobra.Command{
		Use: "list", Short: "List " + k.use + ", the newest first; --stuck: those that a person may have to look at.",
		Long: "List " + k.use + `, the newest first.

Filters that are given must all hold. --stuck shows those that need an operator, ended ones
too, and those that have been for longer than --older-than (here ` + defaultStuck + ` unless it is given) in a
state that they leave by themselves. Durations are such as 90s, 15m, 1h30m, 7d.`,
		Args: none,
		RunE: func(cmd *cobra.Command, _ []string) error { return k.runList(cmd, o) },
	}
	set := cmd.Flags()
	if k.neverStuck {
		cmd.Short = "List " + k.use + ", the newest first; the open ones, unless --state says otherwise."
		cmd.Long = cmd.Short + "\n\nFilters that are given must all hold. Durations are such as 90s, 15m, 1h30m, 7d."
		set.String("older-than", "", "only those opened at least so long ago")
	} else {
		set.Bool("stuck", false, "only those that a person may have to look at")
		set.String("older-than", "", "only those accepted at least so long ago; with --stuck: stuck for so long")
	}
	set.Int("limit", defaultRows, "at most so many; 0 is all of them")
	for _, f := range k.filters {
		if f.boolean {
			set.Bool(f.flag, false, f.usage)
			continue
		}
		set.String(f.flag, f.standard, f.usage)
	}
	return cmd
}

func (k kind) runList(cmd *cobra.Command, o Options) error {
	limit, _ := cmd.Flags().GetInt("limit") // it is declared as a number
	if limit < 0 {
		return wrongUsage(cmd, "--limit must not be below 0")
	}
	c, err := connect(cmd, o)
	if err != nil {
		return err
	}
	found, err := c.walk(cmd.Context(), k.path, k.query(cmd), limit)
	if err != nil {
		return err
	}
	as := shown{listing: k.rows(), none: "nothing is found"}
	if stuck, _ := cmd.Flags().GetBool("stuck"); stuck && len(found.Items) == 0 && !asJSON(cmd) { // a switch, or false where there is none
		as.none = "nothing is stuck"
		open, err := c.openIncidents(cmd)
		if err != nil {
			return err
		}
		if open != "" { // of other processes, or of ones that this ledger does not have
			as.none = "no " + k.use + " are stuck; " + open
		}
	}
	return printList(cmd, o, found, as)
}

// openIncidents says how many incidents are open and how to list them; "" when none is, or
// when this token may not see them.
func (c *client) openIncidents(cmd *cobra.Command) (string, error) {
	of := incidents()
	found, err := c.walk(cmd.Context(), of.path, url.Values{"state": {"open"}}, pageMost)
	var refused *problem
	switch {
	case errors.As(err, &refused) && refused.Code == "forbidden":
		return "", nil
	case err != nil:
		return "", err
	case len(found.Items) == 0:
		return "", nil
	}
	say := of.sayer(cmd, "")
	say.group = cmd.Root().CommandPath() + " " + of.use
	count := fmt.Sprintf("%d incidents are open", len(found.Items))
	switch {
	case found.Next != "":
		count = fmt.Sprintf("%d incidents or more are open", len(found.Items))
	case len(found.Items) == 1:
		count = "1 incident is open"
	}
	return count + ": " + say.of("list", "", ""), nil
}

// query is what the flags ask the API for.
func (k kind) query(cmd *cobra.Command) url.Values {
	set, query := cmd.Flags(), url.Values{}
	for _, f := range k.filters {
		if value := set.Lookup(f.flag).Value.String(); value != f.all && (set.Changed(f.flag) || f.standard != "") {
			query.Set(f.parameter, value)
		}
	}
	age, _ := set.GetString("older-than") // these are declared so
	stuck, _ := set.GetBool("stuck")
	switch {
	case stuck && age == "":
		query.Set("stuck", defaultStuck)
	case stuck:
		query.Set("stuck", age)
	case set.Changed("older-than"):
		query.Set("olderThan", age)
	}
	return query
}

// rows is the kind's list as a table.
func (k kind) rows() listing {
	return listing{
		head: func(c clock) []string {
			return append(append([]string{}, k.head...), cmp.Or(k.last, "NEXT")+" ("+c.name()+")")
		},
		cells: func(raw json.RawMessage, c clock) ([]string, error) {
			s, err := k.read(raw)
			if err != nil {
				return nil, err
			}
			return s.cells(c), nil
		},
	}
}

// shown is how a list is shown.
type shown struct {
	listing
	none string // in place of an empty table
}

// printList prints rows as a table, or as the API's JSON, and says when there are more.
func printList(cmd *cobra.Command, o Options, found page, as shown) error {
	if asJSON(cmd) {
		whole := json.NewEncoder(cmd.OutOrStdout())
		whole.SetEscapeHTML(false) // the rows stay as they came
		return whole.Encode(found)
	}
	if len(found.Items) == 0 {
		fmt.Fprintln(cmd.OutOrStdout(), as.none)
		return nil
	}
	if err := as.write(cmd.OutOrStdout(), found.Items, o.clock(), ""); err != nil {
		return err
	}
	if found.Next != "" {
		fmt.Fprintf(cmd.ErrOrStderr(), "there are more than these %d: give a higher --limit, or --limit 0 for all\n", len(found.Items))
	}
	return nil
}

func asJSON(cmd *cobra.Command) bool {
	yes, _ := cmd.Flags().GetBool("json") // it is declared as a switch
	return yes
}

// printJSON prints a document as it came, ending its last line.
func printJSON(w io.Writer, document []byte) error {
	if len(document) == 0 || document[len(document)-1] != '\n' {
		document = append(document, '\n')
	}
	_, err := w.Write(document)
	return err
}
