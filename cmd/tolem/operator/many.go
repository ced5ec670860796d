package operator

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// manyActions are those that the API takes for many payments.
var manyActions = []string{"retry", "hold", "release", "cancel"}

// manyCommand orders one thing for all payments that a filter matches.
func manyCommand(o Options) *cobra.Command {
	cmd := &cobra.Command{
		Use: "many ACTION", Short: "One action for many open payments: retry, hold, release or cancel; without --yes only counted.",
		Long: `One action for all open payments, at most 10,000, that match every filter given.

Without --yes nothing is done: it says for how many it would be, and why others refuse it.
With --yes the actions are committed together before the first is carried out. If it breaks
off, the same command with the --idempotency-key that it printed finishes it, for the
payments that matched at first.`,
		Example: "  tolem payments many retry --code 220 --older-than 15m --reason 'the balance was topped up' --yes",
		RunE:    func(cmd *cobra.Command, args []string) error { return runMany(cmd, o, args) },
	}
	set := cmd.Flags()
	set.String("state", "", "only in these open states, separated by commas: accepted, checking, awaiting_payer, paying")
	set.Int32("code", 0, "only with this last code of the processing centre, such as 220")
	set.String("service", "", "only of one service, such as P1011")
	set.String("older-than", "", "only those accepted at least so long ago, such as 15m, 7d")
	set.Bool("needs-operator", false, "only those that need an operator, or with =false that do not")
	set.String(becauseOf.flag, "", becauseOf.usage)
	set.Bool("yes", false, "do it; without it, it is only counted")
	set.String("idempotency-key", "", "of an earlier command that broke off (default: a random one, which is printed)")
	return cmd
}

// manyBody is the API's request.
type manyBody struct {
	Filter map[string]any `json:"filter"`
	Action string         `json:"action"`
	Reason string         `json:"reason"`
	DryRun bool           `json:"dryRun"`
}

// manyFilter is what the flags narrow by.
func manyFilter(cmd *cobra.Command) map[string]any {
	set, filter := cmd.Flags(), map[string]any{}
	text := func(flag string) string { value, _ := set.GetString(flag); return value } // these are declared so
	if states := text("state"); states != "" {
		filter["state"] = strings.Split(states, ",")
	}
	if set.Changed("code") {
		filter["code"], _ = set.GetInt32("code") // it is declared as a number
	}
	if service := text("service"); service != "" {
		filter["service"] = service
	}
	if age := text("older-than"); age != "" {
		filter["age"] = age
	}
	if set.Changed("needs-operator") {
		filter["needs_operator"], _ = set.GetBool("needs-operator") // it is declared as a switch
	}
	return filter
}

func runMany(cmd *cobra.Command, o Options, args []string) error {
	if len(args) != 1 || !slices.Contains(manyActions, args[0]) {
		return wrongUsage(cmd, "%s takes one action: %s", cmd.CommandPath(), strings.Join(manyActions, ", "))
	}
	body := manyBody{Filter: manyFilter(cmd), Action: args[0]}
	body.Reason, _ = cmd.Flags().GetString(becauseOf.flag) // these are declared so
	yes, _ := cmd.Flags().GetBool("yes")
	key, _ := cmd.Flags().GetString("idempotency-key")
	body.DryRun = !yes
	switch {
	case len(body.Filter) == 0:
		return wrongUsage(cmd, "give at least one filter: without any, every open payment would be meant")
	case strings.TrimSpace(body.Reason) == "":
		return wrongUsage(cmd, "--%s is missing: %s", becauseOf.flag, becauseOf.usage)
	}
	c, err := connect(cmd, o)
	if err != nil {
		return err
	}
	if key == "" {
		key = "tolem-" + rand.Text()
	}
	raw, err := c.post(cmd.Context(), "/v1/payments/actions", key, body)
	if err != nil {
		if yes {
			fmt.Fprintf(cmd.ErrOrStderr(), "the same command with --idempotency-key %s finishes it, and does nothing twice\n", key)
		}
		return err
	}
	if asJSON(cmd) {
		return printJSON(cmd.OutOrStdout(), raw)
	}
	return printMany(cmd.OutOrStdout(), raw, key)
}

// printMany says what became of them.
func printMany(out io.Writer, raw json.RawMessage, key string) error {
	var answer struct {
		Action  string `json:"action"`
		DryRun  bool   `json:"dryRun"`
		Matched int    `json:"matched"`
		Done    int    `json:"done"`
		Refused int    `json:"refused"`
		Failed  int    `json:"failed"`
		Reasons []struct {
			Reason string `json:"reason"`
			Number int    `json:"number"`
		} `json:"reasons"`
	}
	if err := json.Unmarshal(raw, &answer); err != nil {
		return fmt.Errorf("the API's answer is not understood: %w", err)
	}
	if answer.DryRun {
		fmt.Fprintf(out, "%d payments match: %s would be done for %d and refused for %d; nothing was done, --yes does it\n",
			answer.Matched, answer.Action, answer.Done, answer.Refused)
	} else {
		fmt.Fprintf(out, "%d payments matched: %s was done for %d, refused for %d, unknown for %d\n",
			answer.Matched, answer.Action, answer.Done, answer.Refused, answer.Failed)
	}
	for _, r := range answer.Reasons {
		fmt.Fprintf(out, "  %-24s %d\n", r.Reason, r.Number)
	}
	if answer.Failed > 0 {
		fmt.Fprintf(out, "the same command with --idempotency-key %s finishes them\n", key)
	}
	return nil
}
