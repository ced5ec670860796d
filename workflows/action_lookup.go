package workflows

import (
	"go.temporal.io/sdk/workflow"

	"tolem/activities"
	"tolem/domain"
)

// lookUp reads an operator action from the ledger before anything is done for it: an
// update may come from anybody who reaches Temporal, and only the ledger says who asked
// for what. It is false when the ledger has no such action of this process; else it fills
// in what the action asks for.
func lookUp(ctx workflow.Context, of insistent, process string, action domain.Action, in *ActionInput) bool {
	if !looksUpActions(ctx) {
		return true
	}
	got := insist(ctx, of, "look the action up: "+string(action), activities.LookUpAction,
		activities.LookUpInput{Process: process, ActionID: in.OrderID, Action: action})
	in.Outcome, in.Evidence = got.Outcome, got.Evidence
	return got.Known
}
