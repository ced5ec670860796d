package operator

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// lastRows is how many rows of a list show prints; the newest say why something is stuck.
const lastRows = 10

// of is where the API has one process; its id may hold slashes, spaces and any letter.
func (k kind) of(id string) string { return k.path + "/" + url.PathEscape(id) }

func (k kind) showCommand(o Options) *cobra.Command {
	return &cobra.Command{
		Use: "show " + k.arguments(), Short: "Show one: where it stands, why, what can be done, its attempts and actions.",
		Long: "Show one " + k.one + `: where it stands, why, what can be done now, and the last of its
attempts and actions. --json prints the ` + k.one + ` alone.`,
		Args: k.exactlyOne,
		RunE: func(cmd *cobra.Command, args []string) error {
			k, id := k.named(args)
			return k.runShow(cmd, o, id)
		},
	}
}

func (k kind) runShow(cmd *cobra.Command, o Options, id string) error {
	c, err := connect(cmd, o)
	if err != nil {
		return err
	}
	say := k.sayer(cmd, id)
	raw, err := c.get(cmd.Context(), k.of(id), nil)
	if err != nil {
		return k.advised(err, say)
	}
	if asJSON(cmd) {
		return printJSON(cmd.OutOrStdout(), raw)
	}
	s, err := k.read(raw)
	if err != nil {
		return err
	}
	lists := map[string]page{}
	for _, l := range k.lists {
		if lists[l.use], err = c.forShow(cmd.Context(), k.of(id), l); err != nil {
			return k.advised(err, say)
		}
	}
	return k.print(cmd.OutOrStdout(), s, lists, say, o.clock())
}

// notAllowed is the cursor of a list that the token's role may not read.
const notAllowed = "forbidden"

// forShow reads a list to its end; one that this token may not read does not hide the rest.
func (c *client) forShow(ctx context.Context, of string, l sublist) (page, error) {
	found, err := c.rows(ctx, of, l, 0)
	var p *problem
	if errors.As(err, &p) && p.Code == "forbidden" {
		return page{Next: notAllowed}, nil
	}
	return found, err
}

// rows reads a list of one process, at most limit rows of it; 0 is all of them.
func (c *client) rows(ctx context.Context, of string, l sublist, limit int) (found page, err error) {
	if !l.whole {
		return c.walk(ctx, of+"/"+l.use, url.Values{}, limit)
	}
	answer, err := c.get(ctx, of+"/"+l.use, nil)
	if err == nil {
		err = json.Unmarshal(answer, &found)
	}
	return found, err
}

// print is what show shows.
func (k kind) print(w io.Writer, s subject, lists map[string]page, say commandLine, c clock) error {
	fmt.Fprintf(w, "%s %s is %s\n\n", k.one, clean(s.id()), s.standing())
	var lines [][]string
	for _, f := range s.facts(c) {
		if f.value != "" {
			lines = append(lines, []string{f.name, f.value})
		}
	}
	if err := align(w, lines, "  "); err != nil {
		return err
	}
	fmt.Fprintln(w, "\nWhy")
	for _, sentence := range s.why(c) {
		fmt.Fprintln(w, "  "+clean(sentence))
	}
	printSteps(w, s.steps(), say)
	if h, ok := s.(historical); ok {
		if title, lines := h.history(c); title != "" {
			fmt.Fprintln(w, "\n"+title)
			if err := align(w, lines, "  "); err != nil {
				return err
			}
		}
	}
	for _, l := range k.lists {
		if err := l.print(w, lists[l.use], say, c); err != nil {
			return err
		}
	}
	return nil
}

func printSteps(w io.Writer, steps []step, say commandLine) {
	fmt.Fprintln(w, "\nWhat can be done")
	if len(steps) == 0 {
		fmt.Fprintln(w, "  nothing: it has ended")
	}
	for _, st := range steps {
		fmt.Fprintf(w, "  %s:\n      %s\n", st.words, say.of(st.verb, say.id, st.flags))
	}
}

// all are the flags with which all of a list is shown.
func (l sublist) all() string {
	if l.whole {
		return ""
	}
	return "--limit 0"
}

func (l sublist) print(w io.Writer, found page, say commandLine, c clock) error {
	rows, title := found.Items, l.title
	if len(rows) > lastRows {
		title = fmt.Sprintf("%s, the last %d of %d; all: %s", title, lastRows, len(rows), say.of(l.use, say.id, l.all()))
		rows = rows[len(rows)-lastRows:]
	}
	fmt.Fprintln(w, "\n"+title)
	switch {
	case found.Next == notAllowed:
		fmt.Fprintln(w, "  not for this token's role")
		return nil
	case len(rows) == 0:
		fmt.Fprintln(w, "  none")
		return nil
	}
	return l.table.write(w, rows, c, "  ")
}

func (k kind) sublistCommand(o Options, l sublist) *cobra.Command {
	cmd := &cobra.Command{
		Use: l.use + " " + k.arguments(), Short: l.short, Args: k.exactlyOne,
		RunE: func(cmd *cobra.Command, args []string) error {
			k, id := k.named(args)
			limit, _ := cmd.Flags().GetInt("limit") // a number, or 0 where there is no such flag
			if limit < 0 {
				return wrongUsage(cmd, "--limit must not be below 0")
			}
			c, err := connect(cmd, o)
			if err != nil {
				return err
			}
			found, err := c.rows(cmd.Context(), k.of(id), l, limit)
			if err != nil {
				return k.advised(err, k.sayer(cmd, id))
			}
			return printList(cmd, o, found, shown{l.table, "none"})
		},
	}
	if !l.whole {
		cmd.Flags().Int("limit", defaultRows, "at most so many, the oldest first; 0 is all of them")
	}
	return cmd
}

// commandLine writes command lines for a person to copy, to the same API.
type commandLine struct {
	group      string // tolem payments
	connection string // the flags that say where the API is, as they were given
	owner      string // of a process that belongs to another; else ""
	id         string
}

func (k kind) sayer(cmd *cobra.Command, id string) commandLine {
	say := commandLine{group: cmd.Parent().CommandPath(), owner: k.owner, id: id}
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if f.Name == "api" || f.Name == "token-file" || f.Name == "ca-file" {
			say.connection += " --" + f.Name + " " + quoted(f.Value.String())
		}
	})
	return say
}

// of is the command for a verb; id may be "".
func (l commandLine) of(verb, id, flags string) string {
	line := l.group + " " + verb + l.connection
	words, asFlag := "", false
	for _, word := range []string{l.owner, id} {
		if word != "" && id != "" {
			words += " " + quoted(word)
			asFlag = asFlag || strings.HasPrefix(word, "-")
		}
	}
	if asFlag { // or it would be read as one
		words = " --" + words
	} else {
		line, words = line+words, ""
	}
	if flags != "" {
		line += " " + flags
	}
	return line + words
}

// quoted is a word as a shell takes it.
func quoted(s string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("._:@%+=,/-", r)
	}
	if s != "" && !strings.ContainsFunc(s, func(r rune) bool { return !plain(r) }) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// readAs reads the API's answer as one kind of process.
func readAs[V subject](raw []byte) (subject, error) {
	var v V
	if err := json.Unmarshal(raw, &v); err != nil {
		return nil, fmt.Errorf("the API's answer is not understood: %w", err)
	}
	return v, nil
}
