// Package operator is what people type to look after Tolem's processes: `tolem
// payments list --stuck` and the like.
//
// It speaks to the HTTP API as any caller does, never to the ledger or Temporal, so that
// whatever a person does here is checked, journalled and answered as it is for everybody
// else. What may be done to a process is shown from the vocabulary's own rules, and decided
// by the API.
package operator

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// Options are what the verbs need of the process around them.
type Options struct {
	Getenv func(string) string // TOLEM_API and TOLEM_TOKEN
	Now    func() time.Time
	Zone   *time.Location // in which times are shown
}

// Exit codes, besides 0: what was asked for is done, now or earlier.
const (
	exitRefused     = 1 // the API refused, or said that it cannot now
	exitUsage       = 2 // the command line is wrong; nothing was sent
	exitUnreachable = 3 // no answer of the API; an action may have taken effect all the same
)

// ExitCode is the process's exit code for an error of a command; 1 for those of other
// packages.
func ExitCode(err error) int {
	var usage *usageError
	var unreachable *unreachableError
	switch {
	case errors.As(err, &usage):
		return exitUsage
	case errors.As(err, &unreachable):
		return exitUnreachable
	}
	return exitRefused
}

// usageError is a command line that cannot be understood.
type usageError struct {
	message string
	help    string // the command whose help says more
}

func (e *usageError) Error() string {
	return fmt.Sprintf("%s\n  next     %s --help says what it takes", e.message, e.help)
}

func wrongUsage(cmd *cobra.Command, format string, args ...any) error {
	return &usageError{fmt.Sprintf(format, args...), cmd.CommandPath()}
}

// connectionHelp stands under every group's help.
const connectionHelp = `
They speak to Tolem's HTTP API. Where it is, and whose token is sent:
  TOLEM_API     or --api URL           default ` + defaultAPI + `; https with --ca-file for a private CA
  TOLEM_TOKEN   or --token-file FILE   a secret of API_TOKENS; actions need the role operator.
                                       It is no flag, because every user of a machine sees
                                       the arguments of its processes.

Tables name no customers; show and --json do. Times are local.
Exit codes: 0 done, 1 the API refused, 2 wrong usage, 3 the API did not answer.`

// Commands are the groups of verbs, one for each kind of process, and one for incidents.
func Commands(o Options) []*cobra.Command {
	var groups []*cobra.Command
	for _, k := range []kind{payments(), orders(), returns(""), paymentOrders(), incidents()} {
		groups = append(groups, k.command(o))
	}
	return groups
}

// kind is one kind of process as the API serves it.
type kind struct {
	use, one string // payments, payment
	path     string // of the API
	argument string // what its verbs take, in a usage line
	// owner is what its verbs take before that: the process that these belong to. ""
	// for processes of their own.
	owner   string
	under   func(owner string) kind // the kind of one owner's
	did     map[string]string       // what an action did, where effects say it otherwise
	short   string
	filters []filter
	head    []string // of the list
	last    string   // head of the list's last column, a time; "" is NEXT
	read    func([]byte) (subject, error)
	lists   []sublist
	actions []action
	more    []func(Options) *cobra.Command // verbs that no other kind has
	// neverStuck has list without --stuck.
	neverStuck bool
}

// subject is one process, as the API answered.
type subject interface {
	id() string
	cells(c clock) []string // of the list, in the order of head
	facts(c clock) []fact
	standing() string     // its state, and what a person has to know at once
	why(c clock) []string // sentences: what it waits for
	steps() []step        // what can be done now
}

// historical is a subject with a table of its own.
type historical interface {
	history(c clock) (title string, lines [][]string) // "" for none
}

// fact is one line of show.
type fact struct{ name, value string }

// step is one thing that a person can do now.
type step struct {
	words string // what it does, and when it is right
	verb  string
	flags string
	// confirms: it is for the second operator of something proposed
	confirms bool
}

// sublist is a list that belongs to one process.
type sublist struct {
	use, short, title string
	table             listing
	whole             bool // the API answers with all of it, without pages
}

// whole is the name of one process, its owner's included.
func (k kind) whole(id string) string {
	if k.owner == "" {
		return id
	}
	return k.owner + "\n" + id // in neither of them
}

// command is the group with its verbs.
func (k kind) command(o Options) *cobra.Command {
	group := &cobra.Command{
		Use: k.use, Short: k.short, Long: k.short + "\n" + connectionHelp,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return wrongUsage(cmd, "%s has no verb %q", cmd.CommandPath(), args[0])
			}
			return cmd.Help()
		},
	}
	group.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return wrongUsage(cmd, "%s", err) })
	set := group.PersistentFlags()
	set.String("api", "", "address of the API, such as https://tolem.bank.example (default TOLEM_API, or "+defaultAPI+")")
	set.String("token-file", "", "file whose first line is the token (default: the token in TOLEM_TOKEN)")
	set.String("ca-file", "", "PEM file of the CA that signed the API's certificate, beside the system's")
	set.Bool("json", false, "print the API's JSON as it came, one document")
	if k.owner == "" {
		group.AddCommand(k.listCommand(o))
	}
	group.AddCommand(k.showCommand(o))
	for _, l := range k.lists {
		group.AddCommand(k.sublistCommand(o, l))
	}
	for _, a := range k.actions {
		group.AddCommand(k.actionCommand(o, a))
	}
	for _, verb := range k.more {
		group.AddCommand(verb(o))
	}
	return group
}

// arguments are what a verb takes, in a usage line.
func (k kind) arguments() string { return strings.TrimSpace(k.owner + " " + k.argument) }

// exactlyOne takes exactly one process.
func (k kind) exactlyOne(cmd *cobra.Command, args []string) error {
	want := len(strings.Fields(k.arguments()))
	if len(args) != want || slices.Contains(args, "") {
		return wrongUsage(cmd, "%s takes one %s; %d arguments were given (quote one that has spaces)", cmd.CommandPath(), k.arguments(), len(args))
	}
	return nil
}

// named is the process that a verb's arguments name, and its kind.
func (k kind) named(args []string) (of kind, id string) {
	if k.owner != "" {
		return k.under(args[0]), args[1]
	}
	return k, args[0]
}

func none(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return wrongUsage(cmd, "%s takes no argument, and %q is one", cmd.CommandPath(), args[0])
	}
	return nil
}
