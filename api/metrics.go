package api

import (
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// metrics counts requests and what they committed. Take the sum over replicas:
//
//	tolem_http_requests_total{route,method,status}         requests; routes are templates, never paths
//	tolem_http_request_seconds{route,method}               their duration, a histogram; Prefer: wait counts
//	tolem_payments_accepted_total                          payments committed; replays do not count
//	tolem_intake_batches_total{kind}                       batches taken in, of payments or loans; replays count
//	tolem_intake_items_total{kind,result}                  their rows: accepted, updated (loans), replayed, refused
type metrics struct {
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	accepted prometheus.Counter
	batches  *prometheus.CounterVec
	items    *prometheus.CounterVec
	handler  http.Handler
}

// newMetrics registers the metrics; it fails when the registry holds others of
// the same names.
func newMetrics(registry *prometheus.Registry) (metrics, error) {
	m := metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tolem_http_requests_total", Help: "Requests to the API by route template, method and status.",
		}, []string{"route", "method", "status"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "tolem_http_request_seconds", Help: "Duration of requests to the API; Prefer: wait counts.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60},
		}, []string{"route", "method"}),
		accepted: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "tolem_payments_accepted_total", Help: "Payments committed to the ledger by this process; replays do not count.",
		}),
		batches: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tolem_intake_batches_total", Help: "Batches that this process took in by kind, payments or loans; replays count.",
		}, []string{"kind"}),
		items: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tolem_intake_items_total", Help: "Rows of batches by kind and result: accepted, updated, replayed or refused.",
		}, []string{"kind", "result"}),
		handler: promhttp.HandlerFor(registry, promhttp.HandlerOpts{Timeout: ledgerLimit}),
	}
	for _, kind := range []string{batchOfPayments, batchOfLoans} { // begin at 0: a rate does not see a counter's first value
		m.batches.WithLabelValues(kind)
	}
	for _, c := range []prometheus.Collector{m.requests, m.seconds, m.accepted, m.batches, m.items} {
		if err := registry.Register(c); err != nil {
			return metrics{}, fmt.Errorf("api: register metrics: %w", err)
		}
	}
	return m, nil
}

func (m metrics) request(route, method string, status int, taken time.Duration) {
	m.requests.WithLabelValues(route, method, strconv.Itoa(status)).Inc()
	m.seconds.WithLabelValues(route, method).Observe(taken.Seconds())
}

// The kinds of batches, and the result of a row of loans that no row of payments has.
const (
	batchOfPayments = "payments"
	batchOfLoans    = "loans"
	rowUpdated      = "updated" // a running payment order has the newer debt
)

// batch counts a batch that was answered, and its rows by result.
func (m metrics) batch(kind string, rows map[string]int) {
	m.batches.WithLabelValues(kind).Inc()
	for result, number := range rows {
		m.items.WithLabelValues(kind, result).Add(float64(number))
	}
}

func (m metrics) serve(c echo.Context) error {
	m.handler.ServeHTTP(c.Response(), c.Request())
	return nil
}
