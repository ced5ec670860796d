package activities

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tolem/domain"
	"tolem/partners/abs"
	"tolem/partners/cfront"
	"tolem/partners/loxon"
	"tolem/partners/processing"
	"tolem/storage"
)

// Metrics counts what this process did at the partners, and what became of its
// housekeeping. A nil *Metrics counts nothing. Take the sum over workers, unless a line
// says otherwise:
//
//	tolem_attempts_total{partner,operation,outcome}       calls of processes to partners; answered, or a kind of failure
//	tolem_attempt_duration_seconds{partner,operation}     their duration, a histogram
//	tolem_processing_answers_total{operation,code}        answers of the processing centre by result code
//	tolem_calls_refused_total{partner,reason}             calls that were not made, by breaker or limit; they are no attempts
//	tolem_partner_breaker_open{partner}                   1 while this worker pauses attempts: the max says that one does
//	tolem_loxon_events_sent_total{status}                 statuses that Loxon's broker acknowledged
//	tolem_intake_starts_total{result}                     starts of batches' items, started or failed
//	tolem_sweep_restarts_total                            open processes that the sweep started again
//	tolem_agent_balance_failures_total                    questions for the balance that brought none
//	tolem_catalogue_fetched_timestamp_seconds             take the max: the copy's age
//	tolem_catalogue_services, tolem_catalogue_broken_entries, tolem_catalogue_broken_patterns
//	                                                      of the list that this worker fetched last
//	tolem_catalogue_empty_total                           lists without services, which replaced nothing
//
// Labels are our own words and the partner's table of codes.
type Metrics struct {
	attempts *prometheus.CounterVec
	duration *prometheus.HistogramVec
	answers  *prometheus.CounterVec
	events   *prometheus.CounterVec
	restarts prometheus.Counter
	breakers *prometheus.GaugeVec
	refusals *prometheus.CounterVec
	unread   prometheus.Counter
	intakes  *prometheus.CounterVec

	catalogueFetched, catalogueServices prometheus.Gauge
	catalogueEntries, cataloguePatterns prometheus.Gauge // broken ones
	catalogueEmpty                      prometheus.Counter
}

// NewMetrics registers the metrics; it panics when they are registered already.
func NewMetrics(registry prometheus.Registerer) *Metrics {
	m := &Metrics{
		attempts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tolem_attempts_total", Help: "Calls of processes to partners by operation and outcome: answered, or a kind of failure.",
		}, []string{"partner", "operation", "outcome"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "tolem_attempt_duration_seconds", Help: "Duration of calls of processes to partners.",
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
		}, []string{"partner", "operation"}),
		answers: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tolem_processing_answers_total", Help: "Answers of the processing centre to check and pay by result code.",
		}, []string{"operation", "code"}),
		events: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tolem_loxon_events_sent_total", Help: "Statuses of payment orders that Loxon's broker acknowledged.",
		}, []string{"status"}),
		restarts: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "tolem_sweep_restarts_total", Help: "Open processes that the sweep started again.",
		}),
		breakers: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "tolem_partner_breaker_open", Help: "1 while this process pauses attempts because the partner does not answer.",
		}, []string{"partner"}),
		refusals: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tolem_calls_refused_total", Help: "Calls that this process did not make, by breaker or limit; they are no attempts.",
		}, []string{"partner", "reason"}),
		unread: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "tolem_agent_balance_failures_total", Help: "Questions for the balance that brought none.",
		}),
		intakes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tolem_intake_starts_total", Help: "Starts of batches' items by result, started or failed; the sweep starts what failed.",
		}, []string{"result"}),
	}
	registry.MustRegister(m.attempts, m.duration, m.answers, m.events, m.restarts, m.breakers, m.refusals, m.unread, m.intakes)
	m.begin()
	m.registerCatalogue(registry)
	return m
}

// operations are what processes ask of each partner.
var operations = map[string][]string{
	processing.Partner: {callCheck, callPay},
	cfront.Partner: {
		callValidate, callCreate, string(domain.DecisionConfirm), string(domain.DecisionReject), callState, callPaid, callLetter, callReturn, callData,
	},
	abs.Partner:   {string(domain.PartClient), string(domain.PartAccounts), string(domain.PartStatement), string(domain.PartScan)},
	loxon.Partner: {storage.CallTell, callSeek},
}

// begin has every series that can be foreseen begin at 0: a rate sees the first failure
// only of a counter that was there before it.
func (m *Metrics) begin() {
	for partner, calls := range operations {
		for _, call := range calls {
			m.duration.WithLabelValues(partner, call)
			for _, outcome := range []string{storage.Answered, string(domain.Invalid), string(domain.Unavailable), string(domain.Unknown)} {
				m.attempts.WithLabelValues(partner, call, outcome)
			}
		}
	}
	for _, status := range domain.PaymentOrderStatuses() {
		m.events.WithLabelValues(string(status))
	}
	for _, reason := range []string{RefusedByBreaker, RefusedByLimit} {
		m.refusals.WithLabelValues(processing.Partner, reason)
	}
	for _, result := range []string{intakeStarted, intakeFailed} {
		m.intakes.WithLabelValues(result)
	}
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

// attempt counts one call of a process to a partner.
func (m *Metrics) attempt(partner, operation string, o storage.Outcome) {
	if m == nil {
		return
	}
	m.attempts.WithLabelValues(partner, operation, o.Kind).Inc()
	m.duration.WithLabelValues(partner, operation).Observe(o.Duration.Seconds())
	if partner == processing.Partner && o.Code != nil {
		m.answers.WithLabelValues(operation, codeLabel(o.Code)).Inc()
	}
}

// sent counts a status that the broker has acknowledged.
func (m *Metrics) sent(status domain.PaymentOrderStatus) {
	if m != nil {
		m.events.WithLabelValues(string(status)).Inc()
	}
}

func (m *Metrics) balanceUnread() {
	if m != nil {
		m.unread.Inc()
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

// The results of tolem_intake_starts_total.
const (
	intakeStarted = "started"
	intakeFailed  = "failed"
)

func (m *Metrics) intake(started bool) {
	if m == nil {
		return
	}
	result := intakeStarted
	if !started {
		result = intakeFailed
	}
	m.intakes.WithLabelValues(result).Inc()
}
