package delivery

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	batchpb "go.temporal.io/api/batch/v1"
	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"gopkg.in/yaml.v3"

	"tolem/activities"
	"tolem/cmd/tolem/app"
	"tolem/domain"
	"tolem/stack/temporalserver"
	"tolem/storage"
)

// inventedEnd is the end of a payment as somebody may write it who reaches Temporal.
func inventedEnd(id domain.AgentTransactionID) activities.EndInput {
	success := domain.Code(0)
	return activities.EndInput{PaymentID: id, Step: 1000, State: domain.StateSucceeded, Code: &success, TransactionID: 17, TransactionDate: "2026-02-17T16:48:37"}
}

// unusedAreRefused asks a server for what only an attacker asks for: an activity of ours
// without a workflow, and one operation on all workflows.
func unusedAreRefused(t *testing.T, c client.Client, namespace string, in activities.EndInput) {
	t.Helper()
	handle, err := c.ExecuteActivity(t.Context(), client.StartActivityOptions{
		ID: "invented", TaskQueue: activities.QueueMain, ScheduleToCloseTimeout: patience,
	}, activities.EndPayment.Name, in)
	if err == nil {
		t.Errorf("the activity ran: error %v", handle.Get(t.Context(), nil))
	} else {
		require.ErrorContains(t, err, "Standalone activity is disabled")
	}
	_, err = c.WorkflowService().StartBatchOperation(t.Context(), &workflowservice.StartBatchOperationRequest{
		Namespace: namespace, JobId: "all", Reason: "x", VisibilityQuery: "ExecutionStatus = 'Running'",
		Operation: &workflowservice.StartBatchOperationRequest_TerminationOperation{TerminationOperation: &batchpb.BatchOperationTermination{}},
	})
	var denied *serviceerror.PermissionDenied
	require.ErrorAs(t, err, &denied)
	_, err = c.WorkflowService().StartNexusOperationExecution(t.Context(), &workflowservice.StartNexusOperationExecutionRequest{
		Namespace: namespace, OperationId: "x", Endpoint: "x", Service: "x", Operation: "x", Input: &commonpb.Payload{},
	})
	var unimplemented *serviceerror.Unimplemented
	require.ErrorAs(t, err, &unimplemented)
}

// Whoever reaches Temporal cannot have an activity of ours run by itself.
func TestNobodyEndsAPaymentThroughTemporalAlone(t *testing.T) {
	g := newGround(t, "tolem")
	g.setup()
	g.start(app.Parts{Worker: true})
	ledger, err := storage.Open(t.Context(), g.env["DATABASE_URL"])
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, ledger.Close()) })
	amount := domain.Money(20_000)
	before, _, err := ledger.Accept(t.Context(), storage.Payment{
		Caller: "shop", IdempotencyKey: "k", RequestSHA256: "-", ServiceID: "P1011", Account: "7770017711", AmountTo: &amount, AutoPay: true,
		AgentTransactionDate: "2026-02-17T16:48:37", RetryInitial: time.Second, RetryFactorMilli: 2000, CreatedAt: storage.At(time.Now()),
	})
	require.NoError(t, err)

	unusedAreRefused(t, g.temporal, "tolem", inventedEnd(before.ID))
	after, err := ledger.Payment(t.Context(), before.ID)
	require.NoError(t, err)
	require.Equal(t, domain.StateAccepted, after.State)
	require.Zero(t, after.TransactionID)
}

// What the embedded server turns off is off in the file for clusters too.
func TestBothServersTurnTheSameOff(t *testing.T) {
	text, err := os.ReadFile(dynamicFile)
	require.NoError(t, err)
	var file map[string][]struct{ Value any }
	require.NoError(t, yaml.Unmarshal(text, &file))
	var off []string
	for key, values := range file {
		if len(values) == 1 && values[0].Value == false && key != "frontend.enableServerVersionCheck" { // which calls outside
			off = append(off, strings.ToLower(key)) // keys differ in no other way
		}
	}
	require.ElementsMatch(t, temporalserver.SwitchedOff(), off)
	require.Contains(t, off, "activity.enablestandalone")
}
