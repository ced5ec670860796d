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

// metrics counts requests. Labels are route templates, never paths.
type metrics struct {
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	accepted prometheus.Counter
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
		handler: promhttp.HandlerFor(registry, promhttp.HandlerOpts{Timeout: ledgerLimit}),
	}
	for _, c := range []prometheus.Collector{m.requests, m.seconds, m.accepted} {
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

func (m metrics) serve(c echo.Context) error {
	m.handler.ServeHTTP(c.Response(), c.Request())
	return nil
}
