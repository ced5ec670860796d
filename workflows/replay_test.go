package workflows_test

import (
	"log/slog"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"tolem/workflows"
)

// Payments that began under an older version of this code must go on under this
// one. The histories were recorded on a real server by stack/endtoend (see
// RECORD_HISTORIES_TO there); none is ever recorded again to make this pass.
func TestRecordedHistoriesReplay(t *testing.T) {
	recorded, err := filepath.Glob("testdata/histories/payment-*.json")
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(recorded), 10)
	for _, file := range recorded {
		t.Run(filepath.Base(file), func(t *testing.T) {
			replayer := worker.NewWorkflowReplayer()
			replayer.RegisterWorkflowWithOptions(workflows.Payment, workflow.RegisterOptions{Name: workflows.PaymentWorkflow})
			require.NoError(t, replayer.ReplayWorkflowHistoryFromJSONFile(log.NewStructuredLogger(slog.New(slog.DiscardHandler)), file))
		})
	}
}
