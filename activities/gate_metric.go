package activities

import (
	"github.com/prometheus/client_golang/prometheus"

	"tolem/domain"
	"tolem/storage"
)

// GateMetric is tolem_ledger_gate: 0 while the ledger's gate is open, 1 while people
// reconcile a restored ledger, 2 while it is closed, as this process last read it. Of
// several processes take the max.
func GateMetric(ledger *storage.Ledger) prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "tolem_ledger_gate", Help: "0: the ledger's gate is open; 1: a restored ledger is being reconciled; 2: closed, because the ledger lost commits. Take the max over processes.",
	}, func() float64 {
		switch ledger.Gate() {
		case domain.GateClosed:
			return 2
		case domain.GateReconciling:
			return 1
		}
		return 0
	})
}
