package workflows_test

import (
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"tolem/activities"
	"tolem/workflows"
)

// recorded are the workflows whose histories are kept, by what the names of their
// files begin with.
var recorded = map[string]struct {
	name     string
	workflow any
	least    int // histories
}{
	"payment":   {activities.WorkflowPayment, workflows.Payment, 28},
	"sweep":     {activities.WorkflowSweep, workflows.Sweep, 1},
	"balance":   {activities.WorkflowBalance, workflows.Balance, 1},
	"catalogue": {activities.WorkflowCatalogue, workflows.Catalogue, 1},
	"intake":    {activities.WorkflowIntake, workflows.Intake, 2},
	"order":     {activities.WorkflowOrder, workflows.Order, 9},
	"return":    {activities.WorkflowReturn, workflows.Return, 3},
	"move":      {activities.WorkflowMove, workflows.OrderMove, 1},

	"paymentorder": {activities.WorkflowPaymentOrder, workflows.PaymentOrder, 3},
	"loans":        {activities.WorkflowLoanIntake, workflows.LoanIntake, 1},
}

// histories are the recorded files.
func histories(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/histories/*.json")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	return files
}

// What began under an older version of this code must go on under this one. The
// histories were recorded on a real server by stack/endtoend (see
// RECORD_HISTORIES_TO there); none is ever recorded again to make this pass.
func TestRecordedHistoriesReplay(t *testing.T) {
	found := map[string]int{}
	for _, file := range histories(t) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			kind, _, _ := strings.Cut(filepath.Base(file), "-")
			of, known := recorded[kind]
			require.True(t, known, "the name begins with no workflow's")
			found[kind]++
			replayer := worker.NewWorkflowReplayer() // knows this workflow alone, so that the name does not lie
			replayer.RegisterWorkflowWithOptions(of.workflow, workflow.RegisterOptions{Name: of.name})
			require.NoError(t, replayer.ReplayWorkflowHistoryFromJSONFile(log.NewStructuredLogger(slog.New(slog.DiscardHandler)), file))
		})
	}
	require.Len(t, recorded, len(workflows.All()), "every workflow's")
	for kind, of := range recorded {
		require.GreaterOrEqual(t, found[kind], of.least, kind)
	}
}

// Nothing personal is in a history, and no secret: what the payers, operators and
// tokens of the recording tests were called and said. The worker that recorded is
// not named either.
func TestRecordedHistoriesNameNobody(t *testing.T) {
	private := []string{
		"77700177", "990101300017", "1234567897", // accounts
		"Тестов", "Петров", "Иванов", // who pays, and whom contracts and receipts name
		"000000587", "000000588", "000000589", "490187.125", // what was chosen, and a meter's reading
		"77010000", "Телефон", "Айгуль", "Примерова", "900101400011", "КД-0", // who buys what, and the contract
		"client calls", "letter 12/3", // reasons and evidence
		"second-operators-token", "simulator", // secrets
	}
	for _, file := range histories(t) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			raw, err := os.ReadFile(file)
			require.NoError(t, err)
			var history any
			require.NoError(t, json.Unmarshal(raw, &history))
			var text strings.Builder
			legible(history, func(name, value string) {
				text.WriteString(value + "\n")
				if name == "identity" {
					require.Equal(t, "worker", value)
				}
			})
			require.True(t, strings.Contains(text.String(), `{"`), "payloads were decoded")
			for _, value := range private {
				require.False(t, strings.Contains(text.String(), value), value)
			}
		})
	}
}

// legible calls f with every text of a JSON value, by the name of its field, and
// with what it means if it may be base64, as payloads are.
func legible(value any, f func(name, value string)) {
	switch value := value.(type) {
	case map[string]any:
		for name, field := range value {
			text, isText := field.(string)
			if !isText {
				legible(field, f)
				continue
			}
			f(name, text)
			if decoded, err := base64.StdEncoding.DecodeString(text); err == nil {
				f("", string(decoded))
			}
		}
	case []any:
		for _, element := range value {
			legible(element, f)
		}
	}
}
