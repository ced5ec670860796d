package workflows

import "go.temporal.io/sdk/workflow"

// Changes that histories of older programs must not see. Each predicate is asked only
// where its change matters, so that a history without such a moment holds no marker.

// raisesLateLedger says that a write to the ledger that is ten minutes late asks for a
// person. May go when no run is open that began before December 2026.
func raisesLateLedger(ctx workflow.Context) bool {
	return workflow.GetVersion(ctx, "late-ledger-is-raised", workflow.DefaultVersion, 1) >= 1
}

// asksAgain says that a final answer which the ledger could not take is no evidence: the
// same bytes are sent again when the ledger is back. Older runs recorded what they
// remembered. May go when no run is open that began before December 2026.
func asksAgain(ctx workflow.Context) bool {
	return workflow.GetVersion(ctx, "unrecorded-answer-is-asked-again", workflow.DefaultVersion, 1) >= 1
}

// looksUpActions says that an update's action is looked up in the ledger before anything is
// done for it. May go when no run is open that began before December 2026.
func looksUpActions(ctx workflow.Context) bool {
	return workflow.GetVersion(ctx, "actions-are-looked-up", workflow.DefaultVersion, 1) >= 1
}

// readsWhileHeld says that an instalment that a person holds reads the ledger when it is
// nudged. Older runs were deaf to nudges then. Asked only when nudged. May go when no run
// is open that began before December 2026.
func readsWhileHeld(ctx workflow.Context) bool {
	return workflow.GetVersion(ctx, "instalment-reads-while-held", workflow.DefaultVersion, 1) >= 1
}

// returnHearsNudges says that a return of goods acts on a nudge at once. Older runs did
// not listen: they read the ledger after their next wait. Asked only when nudged. May go
// when no run is open that began before December 2026.
func returnHearsNudges(ctx workflow.Context) bool {
	return workflow.GetVersion(ctx, "return-hears-nudges", workflow.DefaultVersion, 1) >= 1
}
