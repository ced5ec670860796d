package workflows_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/testsuite"
	"golang.org/x/time/rate"

	"tolem/activities"
	"tolem/domain"
	"tolem/storage"
	"tolem/workflows"
)

// tenge is the unit of the simulated centre's SetBalance.
const tenge = 10_000

// watched is a bank whose balance a worker looks at, one run of the workflow at
// a time, with what monitoring and the log would see.
type watched struct {
	*bank
	temporal *frontend
	activity *activities.Balance
	registry *prometheus.Registry
	log      *bytes.Buffer
}

func newWatched(t *testing.T) *watched {
	t.Helper()
	w := &watched{bank: newBank(t), temporal: newFrontend(t), registry: prometheus.NewRegistry(), log: &bytes.Buffer{}}
	w.activity = &activities.Balance{
		Ledger: w.ledger, Centre: w.process().Centre, Temporal: w.temporal.client,
		Metrics: activities.NewMetrics(w.registry), Nudges: rate.NewLimiter(rate.Inf, 0),
	}
	w.registry.MustRegister(activities.NewLedgerMetrics(w.ledger, 0))
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewJSONHandler(w.log, nil)))
	t.Cleanup(func() { slog.SetDefault(before) })
	return w
}

// look runs the workflow once.
func (w *watched) look() (result activities.BalanceResult, err error) {
	w.t.Helper()
	suite := &testsuite.WorkflowTestSuite{}
	suite.SetLogger(log.NewStructuredLogger(slog.New(slog.DiscardHandler)))
	env := suite.NewTestWorkflowEnvironment()
	env.SetTestTimeout(time.Minute)
	env.RegisterWorkflow(workflows.Balance)
	activities.Register(env, w.activity)
	env.ExecuteWorkflow(workflows.Balance, activities.BalanceInput{})
	require.True(w.t, env.IsWorkflowCompleted())
	if err := env.GetWorkflowError(); err != nil {
		return result, err
	}
	return result, env.GetWorkflowResult(&result)
}

// sees sets the balance, in ten-thousandths of a tenge, and looks.
func (w *watched) sees(balance int64) activities.BalanceResult {
	w.t.Helper()
	require.NoError(w.t, w.centre.SetBalance(balance))
	result, err := w.look()
	require.NoError(w.t, err)
	return result
}

// waiting makes payments that pay answered 220, and returns their ids.
func (w *watched) waiting(n int) (ids []domain.AgentTransactionID) {
	w.t.Helper()
	require.NoError(w.t, w.centre.SetBalance(0))
	for i := range n {
		id := w.accepted(func(p *storage.Payment) { p.IdempotencyKey = fmt.Sprint("waiting ", i) })
		w.attemptsOfALostRun(id, 2)
		require.Equal(w.t, domain.CodeAgentLacksFunds, *w.payment(id).ResultCode)
		ids = append(ids, id)
	}
	w.log.Reset()
	return ids
}

// told asserts who was signalled since it was asked last, in which order.
func (w *watched) told(ids ...domain.AgentTransactionID) {
	w.t.Helper()
	taken, refused := w.temporal.news()
	require.Equal(w.t, nudges(ids...), taken)
	require.Empty(w.t, refused)
}

func (w *watched) newest() storage.Balance {
	w.t.Helper()
	rows, _, err := w.ledger.Balances(w.t.Context(), "", 1)
	require.NoError(w.t, err)
	require.Len(w.t, rows, 1)
	return rows[0]
}

// gauges are the values of the metrics of the account, by name and level.
func (w *watched) gauges() map[string]float64 {
	w.t.Helper()
	families, err := w.registry.Gather()
	require.NoError(w.t, err)
	values := map[string]float64{}
	for _, f := range families {
		if !strings.HasPrefix(f.GetName(), "tolem_agent_") {
			continue
		}
		for _, m := range f.GetMetric() {
			name := strings.TrimPrefix(f.GetName(), "tolem_agent_")
			for _, l := range m.GetLabel() {
				name += " " + l.GetValue()
			}
			values[name] = m.GetGauge().GetValue() + m.GetCounter().GetValue()
		}
	}
	return values
}

// lines are the log lines since it was asked last, level and message.
func (w *watched) lines() (lines []string) {
	w.t.Helper()
	d := json.NewDecoder(w.log)
	for d.More() {
		var line struct{ Level, Msg string }
		require.NoError(w.t, d.Decode(&line))
		lines = append(lines, line.Level+" "+line.Msg)
	}
	w.log.Reset()
	return lines
}
