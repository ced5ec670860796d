package operator

import (
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"strings"

	"github.com/spf13/cobra"
)

// action is a verb that changes something.
type action struct {
	use, short string
	more       string // what else its help says
	fields     []field
	// within is the list of the process whose member the action is about, and the key of the
	// field that names the member: it goes into the path. Both are "" for the process itself.
	within, member string
}

// field is a flag that goes into the action's body.
type field struct {
	flag, key, usage string
	required         bool
}

var becauseOf = field{flag: "reason", key: "reason", usage: "why, for whoever reads the journal; kept for ever, so name no customer (required)", required: true}

const keyHelp = `
The action is sent with an Idempotency-Key, so that it takes effect once. Unless you give
one, it is made of this command's words and of what people did to the process before. So
the same command again within 24 hours, by mistake or because no answer came, is the same
action and changes nothing; after 24 hours, or once another action took effect in between,
it is a new one. To do the same again at once, give another --reason, or an
--idempotency-key of your own.`

func (k kind) actionCommand(o Options, a action) *cobra.Command {
	cmd := &cobra.Command{
		Use: a.use + " " + k.arguments(), Short: a.short, Args: k.exactlyOne,
		Long: joinLines(a.short, a.more, keyHelp),
		RunE: func(cmd *cobra.Command, args []string) error {
			k, id := k.named(args)
			return k.runAction(cmd, o, a, id)
		},
	}
	for _, f := range a.fields {
		cmd.Flags().String(f.flag, "", f.usage)
	}
	cmd.Flags().String("idempotency-key", "", "1 to 128 visible ASCII characters (default: made as the help says)")
	return cmd
}

func joinLines(paragraphs ...string) string {
	var there []string
	for _, p := range paragraphs {
		if p != "" {
			there = append(there, p)
		}
	}
	return strings.Join(there, "\n")
}

// body is what the flags say.
func (a action) body(cmd *cobra.Command) (map[string]string, error) {
	body := map[string]string{}
	for _, f := range a.fields {
		value, _ := cmd.Flags().GetString(f.flag) // it is declared as a string
		if strings.TrimSpace(value) == "" && f.required {
			return nil, wrongUsage(cmd, "--%s is missing: %s", f.flag, f.usage)
		}
		if value != "" {
			body[f.key] = value
		}
	}
	return body, nil
}

func (k kind) runAction(cmd *cobra.Command, o Options, a action, id string) error {
	body, err := a.body(cmd)
	if err != nil {
		return err
	}
	c, err := connect(cmd, o)
	if err != nil {
		return err
	}
	say := k.sayer(cmd, id)
	journal, err := k.journal(cmd, c, id)
	if err != nil {
		return k.advised(err, say)
	}
	key, _ := cmd.Flags().GetString("idempotency-key") // it is declared as a string
	if key == "" {
		if key, err = (wanted{k.use, k.whole(id), a.use, body}).key(journal, o.Now()); err != nil {
			return err
		}
	}
	path := k.of(id)
	if a.within != "" {
		path += "/" + a.within + "/" + url.PathEscape(body[a.member])
		delete(body, a.member)
	}
	raw, err := c.post(cmd.Context(), path+"/"+a.use, key, body)
	if err != nil {
		return k.advised(err, say)
	}
	if asJSON(cmd) {
		return printJSON(cmd.OutOrStdout(), raw)
	}
	return k.printDone(cmd.OutOrStdout(), raw, acted{journal: journal, key: key, say: say, clock: o.clock()})
}

// journal is what was ordered so far, the oldest first.
func (k kind) journal(cmd *cobra.Command, c *client, id string) ([]placed, error) {
	found, err := c.walk(cmd.Context(), k.of(id)+"/actions", url.Values{}, 0)
	if err != nil {
		return nil, err
	}
	journal := make([]placed, len(found.Items))
	for i, raw := range found.Items {
		if err := json.Unmarshal(raw, &journal[i]); err != nil {
			return nil, fmt.Errorf("the API's journal of actions is not understood: %w", err)
		}
	}
	return journal, nil
}

// acted is what printDone needs beside the answer.
type acted struct {
	journal []placed // before the action
	key     string
	say     commandLine
	clock   clock
}

// before is the action of the journal that the answer repeats; false for a new one.
func (a acted) before(done placed) (placed, bool) {
	for _, p := range a.journal {
		if p.ID == done.ID && p.Effect != "" {
			return p, true
		}
	}
	return placed{}, false
}

// effects are what an action did, in words.
var effects = map[string]string{
	"attempted": "one attempt was made at once",
	"held":      "it is held: nothing is sent until it is released",
	"released":  "it is released: the next attempt follows at once",
	"cancelled": "it is cancelled: no pay was ever sent",
	"proposed":  "it is proposed: nothing is sent until a second operator says the same within a day",
	"resolved":  "it is resolved: two operators have said the same",
	"retried":   "what is missing is asked for, and what is not told is told, at once",
	"closed":    "it is closed: two operators have said the same",
	"set_aside": "the event is set aside: two operators have said the same, and it is never published",
	"declined":  "the proposal is dropped",
}

// effect is what an action did to one of this kind, in words.
func (k kind) effect(name string) string {
	if words, ok := k.did[name]; ok {
		return words
	}
	return effects[name]
}

// printDone says what an action did, where the process stands now, and what follows.
func (k kind) printDone(w io.Writer, raw json.RawMessage, a acted) error {
	var answer struct {
		Order  *placed `json:"order"` // of a payment
		Action *placed `json:"action"`
	}
	if err := json.Unmarshal(raw, &answer); err != nil {
		return fmt.Errorf("the API's answer is not understood: %w", err)
	}
	if answer.Action == nil {
		answer.Action = answer.Order
	}
	s, err := k.read(raw)
	if err != nil {
		return err
	}
	if answer.Action != nil {
		done := *answer.Action
		if earlier, repeated := a.before(done); repeated {
			fmt.Fprintf(w, "already done %s, and not again: %s\n", a.clock.past(earlier.RequestedAt), k.effect(done.Effect))
			fmt.Fprintln(w, "the same command within a day is the same action; another --reason makes it another one")
		} else {
			fmt.Fprintln(w, "done: "+k.effect(done.Effect))
		}
	}
	fmt.Fprintf(w, "%s %s is %s\n", k.one, clean(s.id()), s.standing())
	for _, st := range s.steps() {
		if st.confirms {
			fmt.Fprintf(w, "%s:\n    %s\n", st.words, a.say.of(st.verb, a.say.id, st.flags))
		}
	}
	fmt.Fprintf(w, "see it:\n    %s\nIdempotency-Key: %s\n", a.say.of("show", a.say.id, ""), a.key)
	return nil
}
