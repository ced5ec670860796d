package monitoring

import (
	"fmt"
	"strings"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/prometheus/model/labels"
)

// Add adds what one target answered, with the labels that Prometheus gives it: its job and
// instance, as prometheus.yml says, and up.
func (s Series) Add(job, instance, answer string) error {
	families, err := (&expfmt.TextParser{}).TextToMetricFamilies(strings.NewReader(answer))
	if err != nil {
		return fmt.Errorf("metrics of %s: %w", job, err)
	}
	s.add("up", job, instance, nil)
	for name, family := range families {
		for _, m := range family.GetMetric() {
			own := map[string]string{}
			for _, l := range m.GetLabel() {
				own[l.GetName()] = l.GetValue()
			}
			if m.GetHistogram() == nil {
				s.add(name, job, instance, own)
				continue
			}
			s.add(name+"_count", job, instance, own)
			s.add(name+"_sum", job, instance, own)
			own[labels.BucketLabel] = "+Inf"
			s.add(name+"_bucket", job, instance, own)
		}
	}
	return nil
}

func (s Series) add(name, job, instance string, own map[string]string) {
	b := labels.NewBuilder(labels.FromMap(own))
	s[name] = append(s[name], b.Set("job", job).Set("instance", instance).Labels())
}
