package workflows

import (
	"fmt"
	"strconv"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"tolem/activities"
)

// Typed search attributes, shared by all processes. SQL visibility has room for
// 3 Int, 3 Datetime, 3 Bool and 10 Keyword in all: new ones are Keyword.
var (
	TolemState    = temporal.NewSearchAttributeKeyKeyword(activities.AttributeState)
	ResultCode    = temporal.NewSearchAttributeKeyKeyword(activities.AttributeResultCode)
	ServiceID     = temporal.NewSearchAttributeKeyKeyword(activities.AttributeServiceID)
	Attempts      = temporal.NewSearchAttributeKeyInt64(activities.AttributeAttempts)
	NextAttemptAt = temporal.NewSearchAttributeKeyTime(activities.AttributeNextAttemptAt)
	NeedsOperator = temporal.NewSearchAttributeKeyBool(activities.AttributeNeedsOperator)
)

// SearchAttributes lists every key a cluster must know before it serves us.
func SearchAttributes() []temporal.SearchAttributeKey {
	return []temporal.SearchAttributeKey{TolemState, ResultCode, ServiceID, Attempts, NextAttemptAt, NeedsOperator}
}

// show is the one place that tells people where the payment stands: search
// attributes to find it by, current details to read. It carries codes and times,
// nothing personal.
func (p *payment) show(ctx workflow.Context) {
	updates := []temporal.SearchAttributeUpdate{
		TolemState.ValueSet(string(p.state)), Attempts.ValueSet(int64(p.attempts)), NeedsOperator.ValueSet(p.reason != ""),
	}
	if p.code != nil {
		updates = append(updates, ResultCode.ValueSet(strconv.Itoa(int(*p.code))))
	}
	next := ""
	if !p.nextAt.IsZero() {
		updates, p.shownNext = append(updates, NextAttemptAt.ValueSet(p.nextAt)), true
		next = " · next attempt at " + p.nextAt.UTC().Format(time.DateTime) + " UTC"
	} else if p.waits > 0 || p.shownNext {
		updates = append(updates, NextAttemptAt.ValueUnset())
	}
	if err := workflow.UpsertTypedSearchAttributes(ctx, updates...); err != nil {
		workflow.GetLogger(ctx).Error("search attributes not written", "error", err)
	}
	details := fmt.Sprintf("%s after %d attempts · %s%s", p.state, p.attempts, p.lastAnswer(), next)
	switch {
	case p.proposed != "":
		details += fmt.Sprintf(" · %s proposed, waits for a second operator until %s UTC", p.proposed, p.proposedUntil.UTC().Format(time.DateTime))
	case p.held:
		details += " · held by an operator"
	case p.heldID && !p.closed():
		details += " · the processing centre holds this id: nothing is sent but by an operator's retry"
	case p.last.NotSent != "":
		details += " · paused: the processing centre does not answer"
	}
	if p.reason != "" {
		details += " · needs an operator: " + string(p.reason)
	}
	workflow.SetCurrentDetails(ctx, details)
}

// lastAnswer is what the processing centre said last, in plain words.
func (p *payment) lastAnswer() string {
	switch {
	case p.last.Failure != "":
		return "no connection (" + p.last.Failure + ")"
	case p.code != nil:
		return strconv.Itoa(int(*p.code)) + " " + p.code.Text()
	}
	return "nothing asked yet"
}
