package activities_test

import (
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"tolem/activities"
	"tolem/domain"
	"tolem/storage"
)

func ledgerOf(t *testing.T) *storage.Ledger {
	t.Helper()
	l, err := storage.Open(t.Context(), "sqlite://"+filepath.Join(t.TempDir(), "ledger.db"))
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() }) // one of the tests has closed it
	_, err = l.Migrate(t.Context())
	require.NoError(t, err)
	return l
}

func acceptedAt(t *testing.T, l *storage.Ledger, key string, at time.Time) storage.Payment {
	t.Helper()
	p, _, err := l.Accept(t.Context(), storage.Payment{Caller: "shop", IdempotencyKey: key, RequestSHA256: key, ServiceID: "P1", CreatedAt: storage.At(at)})
	require.NoError(t, err)
	return p
}

// What is open is told by kind, state and age, what ended is not, and a reading is
// used for as long as it was ordered.
func TestLedgerMetricsShowWhatIsOpen(t *testing.T) {
	l := ledgerOf(t)
	fresh, cached := prometheus.NewPedanticRegistry(), prometheus.NewPedanticRegistry()
	fresh.MustRegister(activities.NewLedgerMetrics(l, 0))
	cached.MustRegister(activities.NewLedgerMetrics(l, time.Hour))
	_, err := cached.Gather()
	require.NoError(t, err)

	now := time.Now()
	acceptedAt(t, l, "new", now)
	acceptedAt(t, l, "old", now.Add(-2*time.Hour))
	p := acceptedAt(t, l, "ended", now)
	_, _, err = l.End(t.Context(), storage.Ending{PaymentID: p.ID, Step: 1, State: domain.StateCancelled})
	require.NoError(t, err)
	garbage := domain.Code(777)
	q := acceptedAt(t, l, "flagged", now)
	_, _, err = l.RecordCheck(t.Context(), storage.CheckRecord{
		Call:    storage.Call{Process: q.ID.WorkflowID(), Name: "check", Step: 1, At: now},
		Outcome: storage.Outcome{Kind: storage.Answered, Code: &garbage}, After: storage.After{State: domain.StateChecking, OperatorReason: domain.ReasonTooOld},
	})
	require.NoError(t, err)

	open := series(t, fresh, "tolem_open_processes")
	require.Len(t, open, 19*6, "every open state and age, the empty ones too")
	require.Equal(t, 1.0, open["1h_to_4h payment accepted"])
	require.Equal(t, 1.0, open["under_1m payment accepted"])
	require.Equal(t, 1.0, open["under_1m payment checking"])
	require.Equal(t, 0.0, open["over_1d payment_order sent"])
	require.Equal(t, map[string]float64{"none": 2, "unknown": 1}, series(t, fresh, "tolem_open_payments"))
	require.Equal(t, map[string]float64{"payment too_old": 1}, series(t, fresh, "tolem_needs_operator"))
	require.Equal(t, map[string]float64{"false false payment too_old": 1}, series(t, fresh, "tolem_incidents_open"))
	require.Equal(t, map[string]float64{"": 1}, series(t, fresh, "tolem_ledger_up"))
	require.Empty(t, series(t, fresh, "tolem_agent_balance"), "it was never read")
	require.Equal(t, map[string]float64{"none": 0}, series(t, cached, "tolem_open_payments"), "the reading of before")
}

// Open incidents are told of processes in any state, by what a person has to know of them;
// a closed one is not told.
func TestLedgerMetricsShowIncidents(t *testing.T) {
	l := ledgerOf(t)
	fresh := prometheus.NewPedanticRegistry()
	fresh.MustRegister(activities.NewLedgerMetrics(l, 0))
	require.Empty(t, series(t, fresh, "tolem_incidents_open"))
	raise := func(subject string, why domain.OperatorReason) int64 {
		t.Helper()
		require.NoError(t, l.Raise(t.Context(), storage.OpenIncident{Process: domain.ProcessOrder, Subject: subject, Reason: why}, "x"))
		open, err := l.OpenIncidentsOf(t.Context(), domain.ProcessOrder, subject)
		require.NoError(t, err)
		return open[0].ID
	}
	act := func(id int64, action domain.Action) {
		t.Helper()
		_, err := l.ActOnIncident(t.Context(), id, storage.Action{Action: action, Caller: "aigul", IdempotencyKey: strconv.FormatInt(id, 10), RequestSHA256: "x", Reason: "r",
			RequestedAt: storage.At(time.Now())}, storage.IncidentClosing{})
		require.NoError(t, err)
	}
	raise("1", domain.ReasonNoPayout)
	act(raise("2", domain.ReasonNoPayout), domain.ActionAcknowledge)
	act(raise("3", domain.ReasonNoPayout), domain.ActionClose)
	raise("4", domain.ReasonPaidAfterEnd)
	raise("5", domain.ReasonPaidAfterEnd)
	require.Equal(t, map[string]float64{"false false order no_payout": 1, "false true order no_payout": 1, "true false order paid_after_end": 2},
		series(t, fresh, "tolem_incidents_open"))
	ages := series(t, fresh, "tolem_incidents_oldest_age_seconds")
	require.Len(t, ages, 3)
	for labels, age := range ages {
		require.Positive(t, age, labels)
	}
}

// Without a ledger there are no numbers, rather than old ones, and the metrics are
// told all the same.
func TestLedgerMetricsWithoutALedger(t *testing.T) {
	l := ledgerOf(t)
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(activities.NewLedgerMetrics(l, 0))
	require.NotEmpty(t, series(t, registry, "tolem_open_processes"))
	require.NoError(t, l.Close())
	require.Empty(t, series(t, registry, "tolem_open_processes"))
	require.Equal(t, map[string]float64{"": 0}, series(t, registry, "tolem_ledger_up"))
}

// Names and help keep to Prometheus' conventions, and every end is there from the
// beginning.
func TestMetricsKeepConventions(t *testing.T) {
	registry := prometheus.NewPedanticRegistry()
	activities.NewMetrics(registry)
	count := activities.CountEnds(registry)
	registry.MustRegister(activities.NewLedgerMetrics(ledgerOf(t), 0))
	problems, err := testutil.GatherAndLint(registry)
	require.NoError(t, err)
	require.Empty(t, problems)
	count(domain.ProcessPayment, string(domain.StateSucceeded))
	ends := series(t, registry, "tolem_processes_ended_total")
	require.Len(t, ends, 6+2+2+4)
	require.Equal(t, 1.0, ends["payment succeeded"])
}

// series are a metric's values by the values of its labels, in the order of their names.
func series(t *testing.T, registry prometheus.Gatherer, name string) map[string]float64 {
	t.Helper()
	families, err := registry.Gather()
	require.NoError(t, err)
	values := map[string]float64{}
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			var labels []string
			for _, l := range m.GetLabel() {
				labels = append(labels, l.GetValue())
			}
			values[strings.Join(labels, " ")] = m.GetGauge().GetValue() + m.GetCounter().GetValue()
		}
	}
	return values
}
