package operator

import (
	"errors"
	"fmt"
	"strings"
)

// problem is the API's refusal (RFC 9457), and what a person does about it.
type problem struct {
	Title      string `json:"title"`
	Status     int    `json:"status"`
	Detail     string `json:"detail"`
	Code       string `json:"code"`
	Instance   string `json:"instance"`
	ResultCode *int   `json:"resultCode"`
	Errors     []struct {
		Field   string `json:"field"`
		Message string `json:"message"`
	} `json:"errors"`
	RetryAfter string `json:"-"` // seconds

	next string // what to do where the code alone does not say it
}

func isProblem(err error) bool {
	var p *problem
	return errors.As(err, &p)
}

// Error is for a terminal: what happened, why, the stable code, each field with its rule,
// what to do next, and the request's id.
func (p *problem) Error() string {
	var b strings.Builder
	b.WriteString(p.Title + ".")
	line := func(name, value string) {
		if value != "" {
			fmt.Fprintf(&b, "\n  %-8s %s", name, clean(value))
		}
	}
	line("why", p.Detail)
	line("code", fmt.Sprintf("%s (HTTP %d)", p.Code, p.Status))
	for _, e := range p.Errors {
		line("field", e.Field+": "+e.Message)
	}
	line("next", p.advice())
	line("request", p.Instance)
	return b.String()
}

// advice is what to do next.
func (p *problem) advice() string {
	switch {
	case p.next != "":
		return p.next
	case p.Code == "unauthorized":
		return "give the token of somebody whom API_TOKENS names: TOLEM_TOKEN, or --token-file"
	case p.Code == "forbidden":
		return "give a token of the role that is named: TOLEM_TOKEN, or --token-file"
	case p.Code == "idempotency_key_reused":
		return "give another --idempotency-key, or none"
	case p.Code == "second_operator_needed":
		return "have a second operator give the same command, with a token of his own, within a day"
	case p.Code == "topic_not_read":
		return "give the same command again in some minutes: it is one action"
	case p.Code == "internal":
		return "look for the request in the API's log; the same command again is safe"
	case p.Status >= 500 && p.RetryAfter != "":
		return "give the same command again in " + p.RetryAfter + " seconds: it is one action"
	case p.Status >= 500:
		return "give the same command again: it is one action"
	case p.Code == "invalid_parameter" || p.Code == "invalid_request":
		return "mend the flag that stands for the field; nothing was done"
	}
	return ""
}

// advised adds to a refusal what to do with this process.
func (k kind) advised(err error, say commandLine) error {
	var p *problem
	if !errors.As(err, &p) {
		return err
	}
	switch p.Code {
	case "not_found":
		p.next = "look for it: " + say.of("list", "", "")
		if k.owner != "" {
			p.next = "look for it: " + commandLine{group: "tolem orders", connection: say.connection}.of("returns", k.owner, "")
		}
	case "payment_held", "order_held":
		p.next = "let it go first: " + say.of("release", say.id, "--reason '…'")
	case "payment_ended", "order_ended", "not_held", "operator_not_needed", "in_progress", "pay_sent", "never_paid", "awaiting_payer", "other_outcome",
		"not_proposed", "never_sent", "bank_says_otherwise", "reject_first", "incident_closed",
		"event_published", "event_set_aside", "event_not_due":
		p.next = "see what can be done: " + say.of("show", say.id, "")
	}
	return err
}
