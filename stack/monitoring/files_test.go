package monitoring_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/promql/parser"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"tolem/stack/monitoring"
)

const docker = "../../docker"

// Every alert tells an operator what it is, what it means and what to do first.
func TestAlertsSpeakToOperators(t *testing.T) {
	alerts, err := monitoring.Alerts(docker)
	require.NoError(t, err)
	require.Greater(t, len(alerts), 20)
	names := map[string]bool{}
	for _, a := range alerts {
		require.False(t, names[a.Name], "%s is there twice", a.Name)
		names[a.Name] = true
		require.Contains(t, []string{"critical", "warning"}, a.Labels["severity"], a.Name)
		for _, part := range []string{"summary", "description", "action"} {
			require.NotEmpty(t, a.Annotations[part], "%s: %s", a.Name, part)
		}
	}
}

// Dashboards load: every query parses, panels do not overlap, and the one data source is
// that of the provisioning.
func TestDashboardsLoad(t *testing.T) {
	dashboards, err := monitoring.Dashboards(docker)
	require.NoError(t, err)
	require.Len(t, dashboards, 4)
	expressions, err := monitoring.Expressions(docker)
	require.NoError(t, err)
	for _, e := range expressions {
		_, err := parser.ParseExpr(e.Text)
		require.NoError(t, err, e.Where)
	}
	var source struct {
		Datasources []struct{ UID, Type, URL string }
	}
	readYAML(t, "grafana/provisioning/datasources/prometheus.yml", &source)
	uids := map[string]bool{}
	for _, d := range dashboards {
		require.False(t, uids[d.UID], "%s: uid %s is another's", d.File, d.UID)
		uids[d.UID] = true
		ids, taken := map[int]bool{}, map[[2]int]string{}
		for _, p := range d.Panels {
			require.False(t, ids[p.ID], "%s: panel id %d", d.File, p.ID)
			ids[p.ID] = true
			require.Equal(t, p.Type == "row", len(p.Targets) == 0, "%s: %s", d.File, p.Title)
			require.LessOrEqual(t, p.GridPos.X+p.GridPos.W, 24, "%s: %s", d.File, p.Title)
			for x := range p.GridPos.W {
				for y := range p.GridPos.H {
					at := [2]int{p.GridPos.X + x, p.GridPos.Y + y}
					require.Empty(t, taken[at], "%s: %s overlaps", d.File, p.Title)
					taken[at] = p.Title
				}
			}
			for _, q := range p.Targets {
				require.Equal(t, source.Datasources[0].UID, q.Datasource["uid"], "%s: %s", d.File, p.Title)
			}
		}
	}
}

// Prometheus scrapes what the expressions call jobs, and reads the rules.
func TestPrometheusScrapesTheServices(t *testing.T) {
	var config struct {
		RuleFiles []string `yaml:"rule_files"`
		Scrapes   []struct {
			Job string `yaml:"job_name"`
			DNS []struct {
				Names []string
				Type  string
				Port  int
			} `yaml:"dns_sd_configs"`
		} `yaml:"scrape_configs"`
	}
	readYAML(t, "prometheus/prometheus.yml", &config)
	require.Equal(t, []string{"alerts.yml"}, config.RuleFiles)
	found := map[string]bool{}
	for _, s := range config.Scrapes {
		for _, d := range s.DNS {
			require.Equal(t, []string{s.Job}, d.Names)
			require.Equal(t, "A", d.Type)
			require.NotZero(t, d.Port)
			found[s.Job] = true
		}
	}
	require.Equal(t, map[string]bool{"api": true, "worker": true, "temporal": true}, found)
}

func readYAML(t *testing.T, name string, into any) {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(docker, name))
	require.NoError(t, err)
	require.NoError(t, yaml.Unmarshal(content, into))
}

// What is wrong with an expression is said, whatever it is.
func TestWrongExpressionsAreFound(t *testing.T) {
	scraped := monitoring.Series{}
	require.NoError(t, scraped.Add("api", "a:1", `# TYPE calls_total counter
calls_total{partner="abs",outcome="answered"} 1
# TYPE taken_seconds histogram
taken_seconds_bucket{partner="abs",le="+Inf"} 1
taken_seconds_sum{partner="abs"} 1
taken_seconds_count{partner="abs"} 1
`))
	for text, want := range map[string]string{
		"sum(calls_total": "unclosed", "sum(call_total)": "no metric call_total", `calls_total{outcome="answred"}`: "selects nothing",
		"sum by (patner) (calls_total)": "label patner", `rate(calls_total{job="worker"}[5m])`: "selects nothing",
		"max by (partner) (calls_total)": "no label outcome", "sum without (outcome) (calls_total)": "no label outcome",
		`calls_total{color=~".+"}`: "selects nothing",
	} {
		wrong := scraped.Wrong(monitoring.Expression{Where: "here", Text: text, Legend: []string{"outcome"}})
		require.NotEmpty(t, wrong, text)
		require.Contains(t, strings.Join(wrong, "\n"), want, text)
	}
	for _, text := range []string{
		"sum by (outcome) (rate(calls_total[5m]))", `calls_total{job="api"} > 1`, "(sum by (outcome, job) (calls_total)) / 2", "topk(3, calls_total)",
	} {
		require.Empty(t, scraped.Wrong(monitoring.Expression{Text: text, Legend: []string{"outcome"}}))
	}
	require.Empty(t, scraped.Wrong(monitoring.Expression{Text: "histogram_quantile(0.5, sum by (le, partner) (rate(taken_seconds_bucket[5m])))", Legend: []string{"partner"}}))
}
