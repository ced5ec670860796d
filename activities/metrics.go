package activities

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tolem/storage"
)

// Metrics counts what this process did at the partners. A nil *Metrics counts
// nothing.
type Metrics struct {
	attempts *prometheus.CounterVec
	duration *prometheus.HistogramVec
	restarts prometheus.Counter
	breakers *prometheus.GaugeVec
	refusals *prometheus.CounterVec
	aged     *prometheus.GaugeVec
	balances balanceMetrics

	catalogueFetched, catalogueServices prometheus.Gauge
	catalogueEntries, cataloguePatterns prometheus.Gauge // broken ones
	catalogueEmpty                      prometheus.Counter
	intakes                             *prometheus.CounterVec
	bankCalls                           *prometheus.CounterVec
	collectionCalls                     *prometheus.CounterVec
}

// NewMetrics registers the metrics; it panics when they are registered already.
func NewMetrics(registry prometheus.Registerer) *Metrics {
	m := &Metrics{
		attempts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tolem_attempts_total", Help: "Calls of check and pay by outcome and result code.",
		}, []string{"call", "outcome", "code"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "tolem_attempt_seconds", Help: "Duration of calls of check and pay.",
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
		}, []string{"call"}),
		restarts: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "tolem_sweep_restarts_total", Help: "Open processes that the sweep started again.",
		}),
		breakers: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "tolem_partner_breaker_open", Help: "1 while this process pauses attempts because the partner does not answer.",
		}, []string{"partner"}),
		refusals: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tolem_calls_refused_total", Help: "Calls that this process did not make, by breaker or limit; they are no attempts.",
		}, []string{"partner", "reason"}),
		aged: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "tolem_open_payments_old", Help: "Open payments older than the limit, those that wait for their payer left out.",
		}, []string{"limit"}),
		balances: newBalanceMetrics(registry),
		intakes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tolem_intake_starts_total", Help: "Starts of batches' payments by result, started or failed; the sweep starts what failed.",
		}, []string{"result"}),
		bankCalls: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tolem_bank_calls_total", Help: "Calls to the bank of trade instalments by call and outcome.",
		}, []string{"call", "outcome"}),
	}
	m.collectionCalls = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "tolem_collection_calls_total", Help: "Calls for payment orders of the card file, to the core banking system and to Kafka, by call and outcome.",
	}, []string{"call", "outcome"})
	registry.MustRegister(m.attempts, m.duration, m.restarts, m.breakers, m.refusals, m.aged, m.intakes, m.bankCalls, m.collectionCalls)
	m.registerCatalogue(registry)
	return m
}

// registerCatalogue registers what is known of the catalogue. Any worker may be
// the one that fetches it: the newest of all workers counts.
func (m *Metrics) registerCatalogue(registry prometheus.Registerer) {
	gauge := func(name, help string) prometheus.Gauge {
		g := prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: help})
		registry.MustRegister(g)
		return g
	}
	m.catalogueFetched = gauge("tolem_catalogue_fetched_timestamp_seconds",
		"When this worker last fetched a catalogue that counts, in Unix seconds; 0 before. The maximum over workers is the copy's age.")
	m.catalogueServices = gauge("tolem_catalogue_services", "Services of the catalogue that this worker fetched last.")
	m.catalogueEntries = gauge("tolem_catalogue_broken_entries", "Entries of that catalogue that were left out because they cannot be read.")
	m.cataloguePatterns = gauge("tolem_catalogue_broken_patterns", "Inputs of that catalogue whose pattern does not compile; payments that give them are refused.")
	m.catalogueEmpty = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "tolem_catalogue_empty_total", Help: "Lists without services that the centre told and that replaced nothing.",
	})
	registry.MustRegister(m.catalogueEmpty)
}

func (m *Metrics) attempt(call string, o storage.Outcome) {
	if m == nil {
		return
	}
	code := "none"
	if o.Code != nil {
		code = strconv.Itoa(int(*o.Code))
		if !o.Code.Known() {
			code = "unknown" // a partner's garbage must not make labels without end
		}
	}
	m.attempts.WithLabelValues(call, o.Kind, code).Inc()
	m.duration.WithLabelValues(call).Observe(o.Duration.Seconds())
}

func (m *Metrics) bankCall(call string, o storage.Outcome) {
	if m != nil {
		m.bankCalls.WithLabelValues(call, o.Kind).Inc()
	}
}

func (m *Metrics) collectionCall(call string, o storage.Outcome) {
	if m != nil {
		m.collectionCalls.WithLabelValues(call, o.Kind).Inc()
	}
}

func (m *Metrics) old(limit string, number int64) {
	if m != nil {
		m.aged.WithLabelValues(limit).Set(float64(number))
	}
}

func (m *Metrics) restarted() {
	if m != nil {
		m.restarts.Inc()
	}
}

func (m *Metrics) breaker(partner string, open bool) {
	if m != nil {
		m.breakers.WithLabelValues(partner).Set(truth(open))
	}
}

func (m *Metrics) refusedCall(partner, reason string) {
	if m != nil {
		m.refusals.WithLabelValues(partner, reason).Inc()
	}
}

func (m *Metrics) catalogue(r CatalogueResult, at time.Time) {
	if m == nil {
		return
	}
	m.catalogueFetched.Set(float64(at.UnixMicro()) / 1e6)
	m.catalogueServices.Set(float64(r.Services))
	m.catalogueEntries.Set(float64(r.BrokenEntries))
	m.cataloguePatterns.Set(float64(r.BrokenPatterns))
}

func (m *Metrics) emptyCatalogue() {
	if m != nil {
		m.catalogueEmpty.Inc()
	}
}

func (m *Metrics) intake(started bool) {
	if m == nil {
		return
	}
	result := "started"
	if !started {
		result = "failed"
	}
	m.intakes.WithLabelValues(result).Inc()
}
