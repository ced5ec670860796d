package activities

import (
	"context"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tolem/domain"
	"tolem/storage"
)

const (
	// LedgerReadEvery is how often a process reads the ledger for its metrics, however
	// often and by however many it is scraped.
	LedgerReadEvery = 15 * time.Second

	// ledgerReadLimit bounds one reading; /metrics as a whole has 5 s.
	ledgerReadLimit = 3 * time.Second
)

// age is a class of open processes: those that have reached the limit before it, and
// not its own.
type age struct {
	label string
	limit time.Duration
}

// ages are the classes in order; the last has no limit. A payment older than a minute
// met something, one older than an hour needs somebody.
var ages = []age{
	{"under_1m", time.Minute}, {"1m_to_15m", 15 * time.Minute}, {"15m_to_1h", time.Hour},
	{"1h_to_4h", 4 * time.Hour}, {"4h_to_1d", 24 * time.Hour}, {"over_1d", 0},
}

// LedgerMetrics show what the ledger has open:
//
//	tolem_open_processes{kind,state,age}          open processes; age counts from acceptance, or the payer's choice
//	tolem_open_payments{code}                     open payments by the last result code; none before the first
//	tolem_needs_operator{kind,reason}             open processes that a person has to look at
//	tolem_incidents_open{process,reason,acknowledged,about_money}
//	                                              open incidents, of ended processes too
//	tolem_incidents_oldest_age_seconds{process,reason,acknowledged,about_money}
//	                                              since the oldest of them was opened
//	tolem_loxon_unsent_events                     statuses that Loxon is to be told and has not acknowledged
//	tolem_loxon_oldest_unsent_event_age_seconds   since the oldest of them came; 0 without any
//	tolem_agent_balance                           the agent's balance at the processing centre, in tenge
//	tolem_agent_overdraft                         at this balance the centre switches payments off, in tenge
//	tolem_agent_notification                      at this balance the agent is told, in tenge; absent when the centre names none
//	tolem_agent_balance_low{level}                1 when the balance is at or under the level's amount
//	tolem_agent_balance_read_timestamp_seconds    when a worker last read the balance, in Unix seconds
//	tolem_ledger_up                               1 when the last reading of the ledger succeeded, else 0
//	tolem_ledger_read_duration_seconds            how long it took
//
// They are the same facts whichever process tells them, so only APIs export them, and of
// several replicas take the max, never the sum (of tolem_ledger_up the min). While the
// ledger cannot be read all but the last two are absent: no number is better than an old
// one. Labels are our own words and the partner's table of codes; a code outside it is
// "unknown".
type LedgerMetrics struct {
	ledger *storage.Ledger
	every  time.Duration

	mu     sync.Mutex // one reading at a time: whoever scrapes meanwhile waits for it
	readAt time.Time
	read   *storage.Overview // nil when the last reading failed
	taken  time.Duration

	open, payments, operator, unsent, oldest         *prometheus.Desc
	incidents, incidentAge                           *prometheus.Desc
	balance, overdraft, notification, low, balanceAt *prometheus.Desc
	up, duration                                     *prometheus.Desc
}

// NewLedgerMetrics reads the ledger when it is scraped, and at most once in every.
func NewLedgerMetrics(ledger *storage.Ledger, every time.Duration) *LedgerMetrics {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, labels, nil)
	}
	return &LedgerMetrics{
		ledger: ledger, every: every,
		open:         desc("tolem_open_processes", "Open processes in the ledger by kind, state and age since acceptance or the payer's choice. Take the max over replicas.", "kind", "state", "age"),
		payments:     desc("tolem_open_payments", "Open payments in the ledger by the last result code, none before the first. Take the max over replicas.", "code"),
		operator:     desc("tolem_needs_operator", "Open processes that a person has to look at, by kind and reason. Take the max over replicas.", "kind", "reason"),
		incidents:    desc("tolem_incidents_open", "Open incidents by kind of process, reason, whether a person looks into them, and whether they are about money. Take the max over replicas.", incidentLabels...),
		incidentAge:  desc("tolem_incidents_oldest_age_seconds", "Time since the oldest of these open incidents was opened. Take the max over replicas.", incidentLabels...),
		unsent:       desc("tolem_loxon_unsent_events", "Statuses that Loxon is to be told and has not acknowledged. Take the max over replicas."),
		oldest:       desc("tolem_loxon_oldest_unsent_event_age_seconds", "Time since the oldest status came that Loxon has not acknowledged; 0 without any. Take the max over replicas."),
		balance:      desc("tolem_agent_balance", "The agent's balance at the processing centre, in tenge, as last read. Take the max over replicas."),
		overdraft:    desc("tolem_agent_overdraft", "At this balance the processing centre switches payments off, in tenge."),
		notification: desc("tolem_agent_notification", "At this balance the agent is told, in tenge; absent when the processing centre names none."),
		low:          desc("tolem_agent_balance_low", "1 when the balance is at or under the level's amount, else 0.", "level"),
		balanceAt:    desc("tolem_agent_balance_read_timestamp_seconds", "When a worker last read the balance; Unix time."),
		up:           desc("tolem_ledger_up", "1 when this process's last reading of the ledger succeeded, else 0. Take the min over replicas."),
		duration:     desc("tolem_ledger_read_duration_seconds", "Duration of this process's last reading of the ledger."),
	}
}

// Describe names every metric.
func (m *LedgerMetrics) Describe(descs chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		m.open, m.payments, m.operator, m.incidents, m.incidentAge, m.unsent, m.oldest, m.balance, m.overdraft, m.notification, m.low, m.balanceAt, m.up, m.duration,
	} {
		descs <- d
	}
}

// Collect tells the last reading, or makes one when that is too old. It takes 3 s at
// most.
func (m *LedgerMetrics) Collect(metrics chan<- prometheus.Metric) {
	now, taken := m.current()
	gauge := func(d *prometheus.Desc, value float64, labels ...string) {
		metrics <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	gauge(m.up, truth(now != nil))
	gauge(m.duration, taken.Seconds())
	if now == nil {
		return
	}
	m.collectOpen(*now, gauge)
	m.collectIncidents(now.Incidents, gauge)
	gauge(m.unsent, float64(now.Unsent))
	oldest := time.Duration(0)
	if now.UnsentSince != nil {
		oldest = max(0, time.Since(now.UnsentSince.Time))
	}
	gauge(m.oldest, oldest.Seconds())
	if now.Balance != nil {
		m.collectBalance(*now.Balance, gauge)
	}
}

// current is the reading to be told, nil after one that failed, and how long it took.
func (m *LedgerMetrics) current() (*storage.Overview, time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	began := time.Now()
	if !m.readAt.IsZero() && began.Sub(m.readAt) < m.every {
		return m.read, m.taken
	}
	ctx, cancel := context.WithTimeout(context.Background(), ledgerReadLimit)
	defer cancel()
	var limits []time.Duration
	for _, a := range ages[:len(ages)-1] {
		limits = append(limits, a.limit)
	}
	o, err := m.ledger.Overview(ctx, began, limits)
	m.read, m.readAt, m.taken = &o, began, time.Since(began)
	if err != nil {
		m.read = nil
		slog.ErrorContext(ctx, "the ledger was not read for metrics", "error", err)
	}
	return m.read, m.taken
}

// openKey is one series of tolem_open_processes.
type openKey struct {
	process domain.Process
	state   string
	age     int
}

// operatorKey is one series of tolem_needs_operator.
type operatorKey struct {
	process domain.Process
	reason  domain.OperatorReason
}

func (m *LedgerMetrics) collectOpen(o storage.Overview, gauge func(*prometheus.Desc, float64, ...string)) {
	open, codes, flagged := map[openKey]int64{}, map[string]int64{"none": 0}, map[operatorKey]int64{}
	for _, p := range domain.Processes() { // zeros, so that a series does not begin with its first process
		for _, state := range p.Open {
			for i := range ages {
				open[openKey{p.Process, state, i}] = 0
			}
		}
	}
	for _, c := range o.Open {
		open[openKey{c.Process, c.State, c.Age}] += c.Number
		if c.Process == domain.ProcessPayment {
			codes[codeLabel(c.Code)] += c.Number
		}
		if c.Reason != "" {
			flagged[operatorKey{c.Process, c.Reason}] += c.Number
		}
	}
	for k, n := range open {
		gauge(m.open, float64(n), string(k.process), k.state, ages[k.age].label)
	}
	for code, n := range codes {
		gauge(m.payments, float64(n), code)
	}
	for k, n := range flagged {
		gauge(m.operator, float64(n), string(k.process), string(k.reason))
	}
}

// incidentLabels are those of the metrics of open incidents.
var incidentLabels = []string{"process", "reason", "acknowledged", "about_money"}

func (m *LedgerMetrics) collectIncidents(open []storage.OpenIncidentCount, gauge func(*prometheus.Desc, float64, ...string)) {
	for _, c := range open {
		labels := []string{string(c.Process), string(c.Reason), strconv.FormatBool(c.Acknowledged), strconv.FormatBool(c.Reason.AboutMoney())}
		gauge(m.incidents, float64(c.Number), labels...)
		gauge(m.incidentAge, max(0, time.Since(c.Since.Time)).Seconds(), labels...)
	}
}

func (m *LedgerMetrics) collectBalance(b storage.Balance, gauge func(*prometheus.Desc, float64, ...string)) {
	gauge(m.balance, tenge(b.Balance))
	gauge(m.overdraft, tenge(b.Overdraft))
	if b.Notification != nil {
		gauge(m.notification, tenge(*b.Notification))
	}
	gauge(m.low, truth(reaches(b.BalanceReading, &b.Overdraft)), "overdraft")
	gauge(m.low, truth(reaches(b.BalanceReading, b.Notification)), "notification")
	gauge(m.balanceAt, float64(b.SeenAt.UnixMicro())/1e6)
}

// codeLabel keeps a partner's garbage from making labels without end.
func codeLabel(c *domain.Code) string {
	switch {
	case c == nil:
		return "none"
	case !c.Known():
		return "unknown"
	}
	return strconv.Itoa(int(*c))
}

// CountEnds registers tolem_processes_ended_total{kind,state}, the processes that this
// one brought to a terminal state, and returns what counts them, for storage's OnEnd. APIs
// and workers both end processes: take the sum.
func CountEnds(registry prometheus.Registerer) func(domain.Process, string) {
	ended := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "tolem_processes_ended_total", Help: "Processes whose terminal state this process committed, by kind and state. Take the sum over replicas.",
	}, []string{"kind", "state"})
	registry.MustRegister(ended)
	for _, p := range domain.Processes() {
		for _, state := range p.Terminal {
			ended.WithLabelValues(string(p.Process), state)
		}
	}
	return func(process domain.Process, state string) { ended.WithLabelValues(string(process), state).Inc() }
}
