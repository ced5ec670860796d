// Package metrics shows Prometheus what Temporal's SDK measures.
package metrics

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.temporal.io/sdk/client"
)

// sdkBuckets are seconds: a call to a near Temporal takes milliseconds, a workflow may
// last for days, which is in the last.
var sdkBuckets = []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10, 60, 3600, 86400}

// sdkHelp goes with every metric of the SDK.
const sdkHelp = "Of Temporal's Go SDK: https://docs.temporal.io/references/sdk-metrics"

// Temporal registers what the SDK measures, by the names of its documentation, with
// _total for counters and _seconds for timers, so that dashboards that others made fit:
//
//	temporal_request_total, temporal_request_failure_total{operation}        calls to Temporal
//	temporal_worker_task_slots_available, _used{worker_type,task_queue}      what a worker can take, and has
//	temporal_num_pollers{poller_type,task_queue}                             who asks for tasks
//	temporal_workflow_task_schedule_to_start_latency_seconds{task_queue}     how long tasks waited for a worker
//	temporal_activity_schedule_to_start_latency_seconds{task_queue}          the same for activities
//	temporal_workflow_task_execution_failed_total{workflow_type}             tasks that our code could not do
//
// and some thirty others. Labels are names of workflows, activities, queues and calls.
//
// The SDK gives one metric different labels at different places, which a registered vector
// does not take; so each set of labels is a vector, and one collector tells them all.
func Temporal(registry prometheus.Registerer) client.MetricsHandler {
	all := &vectors{}
	registry.MustRegister(all)
	return handler{all: all}
}

// vectors are all vectors so far, by kind, name and labels.
type vectors struct{ known sync.Map }

// Describe tells nothing: what the SDK will measure is not known before it does.
func (*vectors) Describe(chan<- *prometheus.Desc) {}

// Collect tells what was measured so far.
func (v *vectors) Collect(metrics chan<- prometheus.Metric) {
	v.known.Range(func(_, vector any) bool {
		if c, ok := vector.(prometheus.Collector); ok { // nothing else is stored
			c.Collect(metrics)
		}
		return true
	})
}

// vector is the one of a kind, name and labels; the first who asks makes it.
func vector[Vector prometheus.Collector](h handler, kind, name string, create func(labels []string) Vector) (found Vector) {
	key := kind + " " + name + " " + strings.Join(h.labels, " ")
	known, ok := h.all.known.Load(key)
	if !ok {
		known, _ = h.all.known.LoadOrStore(key, create(h.labels))
	}
	found, _ = known.(Vector) // the kind is in the key
	return found
}

// handler is client.MetricsHandler with some tags.
type handler struct {
	all            *vectors
	labels, values []string // in the order of the labels
}

func (h handler) WithTags(tags map[string]string) client.MetricsHandler {
	merged := make(map[string]string, len(h.labels)+len(tags))
	for i, label := range h.labels {
		merged[label] = h.values[i]
	}
	maps.Copy(merged, tags)
	next := handler{all: h.all, labels: slices.Sorted(maps.Keys(merged)), values: make([]string, 0, len(merged))}
	for _, label := range next.labels {
		next.values = append(next.values, merged[label])
	}
	return next
}

func (h handler) Counter(name string) client.MetricsCounter {
	name = strings.TrimSuffix(name, "_total") + "_total" // of local activities it ends so already
	return counter{vector(h, "counter", name, func(labels []string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: sdkHelp}, labels)
	}).WithLabelValues(h.values...)}
}

func (h handler) Gauge(name string) client.MetricsGauge {
	return gauge{vector(h, "gauge", name, func(labels []string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: sdkHelp}, labels)
	}).WithLabelValues(h.values...)}
}

func (h handler) Timer(name string) client.MetricsTimer {
	name += "_seconds"
	return timer{vector(h, "timer", name, func(labels []string) *prometheus.HistogramVec {
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: sdkHelp, Buckets: sdkBuckets}, labels)
	}).WithLabelValues(h.values...)}
}

type counter struct{ prometheus.Counter }

func (c counter) Inc(n int64) { c.Add(float64(n)) }

type gauge struct{ prometheus.Gauge }

func (g gauge) Update(value float64) { g.Set(value) }

type timer struct{ prometheus.Observer }

func (t timer) Record(d time.Duration) { t.Observe(d.Seconds()) }
