package temporalserver

import (
	wci "go.temporal.io/auto-scaled-workers/wci/client"
	"go.temporal.io/server/chasm/lib/activity"
	"go.temporal.io/server/chasm/lib/nexusoperation"
	"go.temporal.io/server/common/dynamicconfig"
)

// unused are the server's features that Tolem does not use and by which somebody who reaches
// the frontend could run our activities without our workflows, or change many of our processes
// with one call. All of them are off here; temporal-config/dynamic.yaml has the same list.
//
// Three are on by default in this server version: standalone activities, and both halves of
// batch operations (the frontend takes them, a worker of the server runs them). The others are
// off by default and listed so that the default of a later version does not turn them on.
//
// No setting turns off the rest of what the frontend offers without asking who calls: start,
// signal, update, reset, cancel, terminate and delete a workflow; schedules; polling a task
// queue in place of a worker; completing somebody else's activity, and pause, reset and update
// its options; Nexus endpoints (nothing of ours serves or calls one); the operator and admin
// services. Against those there are the network, TLS with client certificates, and the rule
// that the ledger requires evidence for what comes through Temporal.
var unused = []interface{ Key() dynamicconfig.Key }{
	// An activity without a workflow: it would run the code of a ledger write with input of
	// the caller's choice.
	activity.Enabled,
	activity.EnableStandaloneActivityOperatorCommands,
	dynamicconfig.FrontendEnableBatchOperationsForStandaloneActivities,

	// One call that terminates, cancels, resets, signals or deletes all workflows of a query.
	dynamicconfig.FrontendEnableBatcher,
	dynamicconfig.EnableBatcherNamespace,

	nexusoperation.Enabled,                          // a Nexus operation without a workflow
	dynamicconfig.EnableCrossNamespaceCommands,      // signals and child workflows from another namespace's workflows
	dynamicconfig.WorkflowRulesAPIsEnabled,          // rules that pause activities of every workflow they match
	dynamicconfig.WorkflowPauseEnabled,              // a paused workflow makes no attempt, and the ledger does not know why
	dynamicconfig.WorkflowTimeSkippingEnabled,       // waits and deadlines that end early
	dynamicconfig.WorkerCommandsEnabled,             // commands to worker processes
	dynamicconfig.EnableSignalWithStartFromWorkflow, // workflows started by workflows of other code
	wci.WorkerControllerEnabled,                     // workers that the server itself starts at a cloud provider
}

// SwitchedOff are the keys, in lower case, of the features that are off.
func SwitchedOff() []string {
	keys := make([]string, len(unused))
	for i, feature := range unused {
		keys[i] = feature.Key().String()
	}
	return keys
}
