package bench

import (
	"bytes"
	"context"
	"fmt"
	"net/http"

	"github.com/prometheus/common/expfmt"

	"tolem/stack/deployment"
)

// metrics are what a program told of itself, by name.
type metrics map[string][]sample

// sample is one gauge, counter, or count of a summary.
type sample struct {
	labels map[string]string
	value  float64
}

// scrape reads a program's metrics.
func scrape(ctx context.Context, p *deployment.Program) (metrics, error) {
	raw, err := deployment.Call(ctx, http.MethodGet, p.URL+"/metrics", nil, nil)
	if err != nil {
		return nil, err
	}
	families, err := (&expfmt.TextParser{}).TextToMetricFamilies(bytes.NewReader(raw))
	if err != nil {
		return nil, fmt.Errorf("metrics of %s: %w", p.Name, err)
	}
	read := metrics{}
	for name, family := range families {
		for _, m := range family.GetMetric() {
			s := sample{labels: map[string]string{}, value: m.GetGauge().GetValue() + m.GetCounter().GetValue()}
			for _, l := range m.GetLabel() {
				s.labels[l.GetName()] = l.GetValue()
			}
			if summary := m.GetSummary(); summary != nil {
				read[name+"_count"] = append(read[name+"_count"], sample{s.labels, float64(summary.GetSampleCount())})
				continue
			}
			read[name] = append(read[name], s)
		}
	}
	return read, nil
}

// sum adds what has a name, and this value of a label where one is named; 0 where nothing has.
func (m metrics) sum(name, label, value string) (total float64) {
	for _, s := range m[name] {
		if label == "" || s.labels[label] == value {
			total += s.value
		}
	}
	return total
}

// most is the greatest of what has a name: a gauge of one thing that several places tell, some of
// which have not looked at it for a while.
func (m metrics) most(name string) (most float64) {
	for _, s := range m[name] {
		most = max(most, s.value)
	}
	return most
}
