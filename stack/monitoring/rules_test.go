package monitoring_test

import (
	"context"
	"maps"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/template"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/tsdb/chunks"
	"github.com/stretchr/testify/require"

	"tolem/stack/monitoring"
)

// every is between two samples of a test's series, and between two evaluations.
const every = time.Minute

// moment is a test of one alert with fixed series, as promtool writes them: metric{label}
// first value, then +step x times, or _ for none.
type moment struct {
	series []string
	at     time.Duration // after the first sample
	fires  []string      // the summaries of those that fire; none is silence
}

// moments has for every alert one in which it fires and one in which it keeps silent.
var moments = map[string][]moment{
	"IncidentAboutMoney": {
		{[]string{`tolem_incidents_open{process="payment",reason="paid_after_end",about_money="true",acknowledged="false",instance="a"} 0x2 1x9`,
			`tolem_incidents_open{process="payment",reason="paid_after_end",about_money="true",acknowledged="false",instance="b"} 0x2 1x9`},
			3 * time.Minute, []string{"1 × payment: paid_after_end. Money is not where the ledger says"}}, // at once, and two replicas tell the same
		{[]string{`tolem_incidents_open{process="payment",reason="paid_after_end",about_money="true",acknowledged="true"} 1x60`,
			`tolem_incidents_open{process="payment",reason="too_old",about_money="false",acknowledged="false"} 1x60`}, time.Hour, nil},
	},
	"IncidentUnacknowledged": {
		{[]string{`tolem_incidents_open{process="payment",reason="too_old",about_money="false",acknowledged="false",instance="a"} 2x60`,
			`tolem_incidents_open{process="payment",reason="too_old",about_money="false",acknowledged="false",instance="b"} 2x60`,
			`tolem_incidents_open{process="order",reason="no_payout",about_money="false",acknowledged="true",instance="a"} 7x60`},
			30 * time.Minute, []string{"2 × payment waits for a person: too_old"}},
		{[]string{`tolem_incidents_open{process="payment",reason="too_old",about_money="false",acknowledged="false"} 2x60`}, 29 * time.Minute, nil},
		{[]string{`tolem_incidents_open{process="order",reason="no_payout",about_money="false",acknowledged="false"} 1x20 _x7 1x30`}, 45 * time.Minute, nil}, // acknowledged, then a new fact
		{[]string{`tolem_incidents_open{process="payment",reason="paid_after_end",about_money="true",acknowledged="false"} 1x60`}, 45 * time.Minute, nil},    // the other alert's
	},
	"IncidentForgotten": {
		{[]string{`tolem_incidents_oldest_age_seconds{process="order",reason="no_payout",about_money="false",acknowledged="true"} 86400+60x30`},
			6 * time.Minute, []string{"order: the incident no_payout is open for 1d 0h 6m 0s"}},
		{[]string{`tolem_incidents_oldest_age_seconds{process="order",reason="no_payout",about_money="false",acknowledged="true"} 86000x30`,
			`tolem_incidents_oldest_age_seconds{process="order",reason="too_old",about_money="false",acknowledged="false"} 99999x30`}, 20 * time.Minute, nil},
	},
	"PaymentOpenTooLong": {
		{[]string{`tolem_open_processes{kind="payment",state="paying",age="1h_to_4h",instance="a"} 3x10`, `tolem_open_processes{kind="payment",state="checking",age="over_1d",instance="b"} 1x10`},
			5 * time.Minute, []string{"4 payments are open for more than an hour"}},
		{[]string{`tolem_open_processes{kind="payment",state="awaiting_payer",age="1h_to_4h"} 3x10`, `tolem_open_processes{kind="payment",state="paying",age="15m_to_1h"} 3x10`,
			`tolem_open_processes{kind="order",state="active",age="over_1d"} 3x10`}, 10 * time.Minute, nil},
	},
	"PaymentsNotStarted": {
		{[]string{`tolem_open_processes{kind="payment",state="accepted",age="1m_to_15m"} 7x10`}, 5 * time.Minute, []string{"7 accepted payments have not begun"}},
		{[]string{`tolem_open_processes{kind="payment",state="accepted",age="under_1m"} 7x10`}, 10 * time.Minute, nil},
	},
	"PaymentsWaitForFunds": {
		{[]string{`tolem_open_payments{code="220"} 5x20`}, 10 * time.Minute, []string{"5 payments wait for our balance at the processing centre"}},
		{[]string{`tolem_open_payments{code="1"} 5x20`}, 20 * time.Minute, nil},
	},
	"SweepRestartsMany": {
		{[]string{`tolem_sweep_restarts_total 0+4x20`}, 20 * time.Minute, []string{"The sweep started 60 processes again within 15 minutes"}},
		{[]string{`tolem_sweep_restarts_total 0+1x20`}, 20 * time.Minute, nil},
	},
	"PartnerNotAnswering": {
		{[]string{`tolem_attempts_total{partner="abs",outcome="unknown"} 0+10x30`, `tolem_attempts_total{partner="abs",outcome="answered"} 5x30`,
			`tolem_attempts_total{partner="cfront",outcome="unknown"} 0+10x30`, `tolem_attempts_total{partner="cfront",outcome="answered"} 0+1x30`},
			12 * time.Minute, []string{"abs does not answer"}},
		{[]string{`tolem_attempts_total{partner="abs",outcome="unknown"} 5x30`, `tolem_attempts_total{partner="abs",outcome="answered"} 5x30`}, 20 * time.Minute, nil}, // nobody called
	},
	"PartnerAnswersBadly": {
		{[]string{`tolem_attempts_total{partner="abs",outcome="unknown"} 0+1x40`, `tolem_attempts_total{partner="abs",outcome="answered"} 0+3x40`},
			30 * time.Minute, []string{"25% of the calls to abs bring no answer"}},
		{[]string{`tolem_attempts_total{partner="abs",outcome="unknown"} 0+1x40`, `tolem_attempts_total{partner="abs",outcome="answered"} 0+9x40`}, 30 * time.Minute, nil},
	},
	"PartnerRejectsUs": {
		{[]string{`tolem_attempts_total{partner="abs",operation="scan",outcome="invalid"} 0+1x40`}, 30 * time.Minute, []string{"abs rejects scan: 15 times in 15 minutes"}},
		{[]string{`tolem_attempts_total{partner="abs",operation="scan",outcome="unknown"} 0+1x40`}, 30 * time.Minute, nil},
	},
	"BreakerOpen": {
		{[]string{`tolem_partner_breaker_open{partner="processing",instance="a"} 0x9`, `tolem_partner_breaker_open{partner="processing",instance="b"} 1x9`},
			2 * time.Minute, []string{"A worker pauses its calls to processing"}},
		{[]string{`tolem_partner_breaker_open{partner="processing"} 0x9`}, 9 * time.Minute, nil},
	},
	"BalanceLow": {
		{[]string{`tolem_agent_balance_low{level="notification"} 0x3 1x3`}, 5 * time.Minute, []string{"The agent's balance at the processing centre is at or under the level of its notice"}},
		{[]string{`tolem_agent_balance_low{level="overdraft"} 1x6`}, 5 * time.Minute, nil},
	},
	"BalanceExhausted": {
		{[]string{`tolem_agent_balance_low{level="overdraft"} 1x6`}, 5 * time.Minute, []string{"The agent's balance at the processing centre is at or under the overdraft"}},
		{[]string{`tolem_agent_balance_low{level="notification"} 1x6`}, 5 * time.Minute, nil},
	},
	"BalanceNotRead": { // seconds since the first sample are the time of day here
		{[]string{`tolem_agent_balance_read_timestamp_seconds{instance="a"} 0x30`}, 20 * time.Minute, []string{"The agent's balance was not read for 20m 0s"}},
		{[]string{`tolem_agent_balance_read_timestamp_seconds 0+60x30`}, 25 * time.Minute, nil},
	},
	"CatalogueOld": {
		{[]string{`tolem_catalogue_fetched_timestamp_seconds{instance="a"} 60x90`, `tolem_catalogue_fetched_timestamp_seconds{instance="b"} 0x90`},
			71 * time.Minute, []string{"The catalogue of services is 1h 10m 0s old"}},
		{[]string{`tolem_catalogue_fetched_timestamp_seconds{instance="a"} 60x90`, `tolem_catalogue_fetched_timestamp_seconds{instance="b"} 0+60x90`}, 80 * time.Minute, nil},
	},
	"LoxonEventTooOld": {
		{[]string{`tolem_loxon_oldest_unsent_event_age_seconds 0+60x30`}, 21 * time.Minute, []string{"Loxon was not told of a status for 21m 0s"}},
		{[]string{`tolem_loxon_oldest_unsent_event_age_seconds 899x30`}, 20 * time.Minute, nil},
	},
	"LoxonEventsPileUp": {
		{[]string{`tolem_loxon_unsent_events 1001x30`}, 15 * time.Minute, []string{"1001 statuses wait to be told to Loxon"}},
		{[]string{`tolem_loxon_unsent_events 1000x30`}, 30 * time.Minute, nil},
	},
	"LedgerNotReachable": {
		{[]string{`tolem_ledger_up{instance="a"} 1x9`, `tolem_ledger_up{instance="b"} 0x9`}, 2 * time.Minute, []string{"An API cannot read the ledger"}},
		{[]string{`tolem_ledger_up{instance="a"} 1x9`, `tolem_ledger_up{instance="b"} 0x1 1x9`}, 3 * time.Minute, nil},
	},
	"LedgerRestored": {
		{[]string{`tolem_ledger_gate{instance="a"} 2x9`, `tolem_ledger_gate{instance="b"} 0x9`}, time.Minute, []string{"The ledger lost commits, and nothing is sent or accepted"}},
		{[]string{`tolem_ledger_gate{instance="a"} 1x9`}, time.Minute, nil},
	},
	"LedgerReconciling": {
		{[]string{`tolem_ledger_gate{instance="a"} 1x30`}, 16 * time.Minute, []string{"A restored ledger is being reconciled, and callers get 503"}},
		{[]string{`tolem_ledger_gate{instance="a"} 1x5 0x30`}, 16 * time.Minute, nil},
	},
	"SettingsDiffer": {
		{[]string{`tolem_settings_differ{instance="a",setting="PROCESSING_URL"} 1x30`}, 16 * time.Minute, []string{"Running processes of this ledger have different values of PROCESSING_URL"}},
		{[]string{`tolem_settings_differ{instance="a",setting="PROCESSING_URL"} 1x5 0x30`}, 16 * time.Minute, nil},
	},
	"ApiTokensUnusable": {
		{[]string{`tolem_api_tokens_unusable{instance="a"} 1x9`, `tolem_api_tokens_unusable{instance="b"} 0x9`}, 3 * time.Minute, []string{"The file of API tokens of a cannot be used"}},
		{[]string{`tolem_api_tokens_unusable{instance="a"} 0x9`}, 3 * time.Minute, nil},
	},
	"NoApi": {
		{[]string{`up{job="worker"} 1x9`}, time.Minute, []string{"No API answers"}}, // gone from DNS
		{[]string{`up{job="api",instance="a"} 0x9`, `up{job="api",instance="b"} 1x9`}, 5 * time.Minute, nil},
	},
	"NoWorker": {
		{[]string{`up{job="worker",instance="a"} 0x9`}, time.Minute, []string{"No worker answers"}},
		{[]string{`up{job="worker",instance="a"} 1x9`}, 5 * time.Minute, nil},
	},
	"TemporalDown": {
		{[]string{`up{job="temporal",instance="a"} 0x9`}, 2 * time.Minute, []string{"Temporal does not answer"}},
		{[]string{`up{job="temporal",instance="a"} 1x9`}, 5 * time.Minute, nil},
	},
	"InstanceDown": {
		{[]string{`up{job="worker",instance="b:9090"} 0x9`}, 5 * time.Minute, []string{"worker b:9090 does not answer Prometheus"}},
		{[]string{`up{job="worker",instance="b:9090"} 0x2 1x9`}, 9 * time.Minute, nil},
	},
	"TaskSlotsExhausted": {
		{[]string{`temporal_worker_task_slots_available{task_queue="abs",worker_type="ActivityWorker"} 0x9`}, 5 * time.Minute, []string{"No worker has a free ActivityWorker slot on queue abs"}},
		{[]string{`temporal_worker_task_slots_available{task_queue="abs",worker_type="ActivityWorker",instance="a"} 0x9`,
			`temporal_worker_task_slots_available{task_queue="abs",worker_type="ActivityWorker",instance="b"} 1x9`}, 9 * time.Minute, nil},
	},
	"WorkflowTasksWait": {
		{buckets("temporal_workflow_task_schedule_to_start_latency_seconds_bucket", `task_queue="tolem"`, "1", "0+1x40", "2.5", "0+10x40"), 20 * time.Minute,
			[]string{"Workflow tasks on tolem wait 2.417s for a worker"}},
		{buckets("temporal_workflow_task_schedule_to_start_latency_seconds_bucket", `task_queue="tolem"`, "1", "0+10x40", "2.5", "0+10x40"), 20 * time.Minute, nil},
	},
	"ActivitiesWait": {
		{buckets("temporal_activity_schedule_to_start_latency_seconds_bucket", `task_queue="abs"`, "60", "0+1x40", "3600", "0+10x40"), 20 * time.Minute,
			[]string{"Calls on queue abs wait 56m 43s for a worker"}},
		{buckets("temporal_activity_schedule_to_start_latency_seconds_bucket", `task_queue="processing"`, "60", "0+1x40", "3600", "0+10x40"), 20 * time.Minute, nil}, // its limit
	},
	"LedgerWriteLate": {
		{[]string{`tolem_ledger_writes_late_total{instance="a"} 0+0x9 1x20`}, 12 * time.Minute,
			[]string{"A process has waited ten minutes or more for the ledger to take a write"}},
		{[]string{`tolem_ledger_writes_late_total{instance="a"} 3x30`}, 20 * time.Minute, nil},
	},
	"WorkflowTasksFail": {
		{[]string{`temporal_workflow_task_execution_failed_total{workflow_type="Payment",instance="a"} 0+1x30`}, 20 * time.Minute,
			[]string{"Workers cannot go on with workflows of type Payment"}},
		{[]string{`temporal_workflow_task_execution_failed_total{workflow_type="Payment",instance="a"} 5x30`}, 20 * time.Minute, nil},
	},
	"ApiErrors": {
		{[]string{`tolem_http_requests_total{status="500",route="/v1/payments"} 0+1x30`, `tolem_http_requests_total{status="200",route="/v1/payments"} 0+9x30`},
			15 * time.Minute, []string{"The API answers 10% of its requests with an error of its own"}},
		{[]string{`tolem_http_requests_total{status="503",route="/readyz"} 0+9x30`, `tolem_http_requests_total{status="422",route="/v1/payments"} 0+9x30`}, 15 * time.Minute, nil},
	},
	"ApiSlow": {
		{buckets("tolem_http_request_seconds_bucket", `method="GET",route="/v1/payments"`, "2.5", "0+1x40", "5", "0+10x40"), 20 * time.Minute,
			[]string{"One in twenty of GET /v1/payments takes longer than 4.861s"}},
		{buckets("tolem_http_request_seconds_bucket", `method="POST",route="/v1/payments"`, "2.5", "0+1x40", "5", "0+10x40"), 20 * time.Minute, nil}, // Prefer: wait
	},
}

// buckets are a histogram of two, and all above them.
func buckets(name, more, low, lowValues, high, highValues string) []string {
	return []string{
		name + "{" + more + `,le="` + low + `"} ` + lowValues, name + "{" + more + `,le="` + high + `"} ` + highValues, name + "{" + more + `,le="+Inf"} ` + highValues,
	}
}

// Each alert fires when it should, after its time, with words that can be read, and
// keeps silent otherwise.
func TestAlertsFire(t *testing.T) {
	alerts, err := monitoring.Alerts(docker)
	require.NoError(t, err)
	engine := promql.NewEngine(promql.EngineOpts{MaxSamples: 1_000_000, Timeout: time.Minute})
	t.Cleanup(func() { _ = engine.Close() }) // nothing is kept
	var tested []string
	for _, a := range alerts {
		tested = append(tested, a.Name)
		t.Run(a.Name, func(t *testing.T) {
			fired, silent := false, false
			for _, m := range moments[a.Name] {
				require.Equal(t, m.fires, firing(t, engine, a, m), "%v", m.series)
				fired, silent = fired || len(m.fires) > 0, silent || len(m.fires) == 0
			}
			require.True(t, fired && silent, "both are to be shown")
		})
	}
	slices.Sort(tested)
	require.Equal(t, slices.Sorted(maps.Keys(moments)), tested)
}

// firing are the summaries of those that have been true for the alert's time.
func firing(t *testing.T, engine *promql.Engine, a monitoring.Alert, m moment) (summaries []string) {
	t.Helper()
	end := time.Unix(0, 0).Add(m.at)
	held := seriesOf(t, m.series)
	query, err := engine.NewRangeQuery(t.Context(), held, nil, a.Expr, end.Add(-a.For), end, every)
	require.NoError(t, err)
	defer query.Close()
	result := query.Exec(t.Context())
	matrix, err := result.Matrix()
	require.NoError(t, err)
	for _, s := range matrix {
		if len(s.Floats) == int(a.For/every)+1 { // true at every evaluation
			last := s.Floats[len(s.Floats)-1]
			summaries = append(summaries, expand(t, a.Annotations["summary"], promql.Sample{T: last.T, F: last.F, Metric: s.Metric}))
			for _, text := range a.Annotations {
				expand(t, text, promql.Sample{T: last.T, F: last.F, Metric: s.Metric})
			}
		}
	}
	return summaries
}

// expand is what Prometheus makes of an annotation.
func expand(t *testing.T, text string, s promql.Sample) string {
	t.Helper()
	data := template.AlertTemplateData(s.Metric.Map(), nil, "", s)
	none := func(context.Context, string, time.Time) (promql.Vector, error) { return nil, nil }
	const names = "{{$labels := .Labels}}{{$value := .Value}}"
	expanded, err := template.NewTemplateExpander(t.Context(), names+text, "alert", data, model.Time(s.T), none, &url.URL{}, nil).Expand()
	require.NoError(t, err)
	require.NotContains(t, expanded, "<no value>")
	return expanded
}

// sample is one value of a test's series.
type sample struct {
	t int64
	f float64
}

func (s sample) T() int64                      { return s.t }
func (s sample) F() float64                    { return s.f }
func (s sample) H() *histogram.Histogram       { return nil }
func (s sample) FH() *histogram.FloatHistogram { return nil }
func (s sample) Type() chunkenc.ValueType      { return chunkenc.ValFloat }
func (s sample) Copy() chunks.Sample           { return s }

// seriesOf has an engine read series written down; the first sample is at 0.
func seriesOf(t *testing.T, written []string) storage.Queryable {
	t.Helper()
	var all []storage.Series
	for _, text := range written {
		name, values, err := parser.ParseSeriesDesc(text)
		require.NoError(t, err, text)
		var samples []chunks.Sample
		for i, v := range values {
			if !v.Omitted {
				samples = append(samples, sample{int64(i) * every.Milliseconds(), v.Value})
			}
		}
		all = append(all, storage.NewListSeries(name, samples))
	}
	return &storage.MockQueryable{MockQuerier: &storage.MockQuerier{
		SelectMockFunction: func(_ bool, _ *storage.SelectHints, matchers ...*labels.Matcher) storage.SeriesSet {
			return &seriesSet{left: slices.DeleteFunc(slices.Clone(all), func(s storage.Series) bool {
				return slices.ContainsFunc(matchers, func(m *labels.Matcher) bool { return !m.Matches(s.Labels().Get(m.Name)) })
			})}
		},
	}}
}
