// Package monitoring reads the dashboards and alert rules of this repository, for the
// tests that hold them to the metrics which really exist. Prometheus's own parser reads
// them; it is heavy, so it lives in this module and not in the product's.
package monitoring

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
)

// Alert is one alert rule.
type Alert struct {
	Name, Expr          string
	For                 time.Duration
	Labels, Annotations map[string]string
}

// Alerts reads the rules below a folder docker, and fails when Prometheus would.
func Alerts(docker string) ([]Alert, error) {
	groups, errs := rulefmt.ParseFile(filepath.Join(docker, "prometheus", "alerts.yml"), false)
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	var alerts []Alert
	for _, g := range groups.Groups {
		for _, r := range g.Rules {
			alerts = append(alerts, Alert{
				Name: r.Alert.Value, Expr: r.Expr.Value, For: time.Duration(r.For), Labels: r.Labels, Annotations: r.Annotations,
			})
		}
	}
	return alerts, nil
}

// Dashboard is what tests read of one.
type Dashboard struct {
	File   string `json:"-"`
	UID    string `json:"uid"`
	Title  string `json:"title"`
	Panels []Panel
}

// Panel is one of a dashboard.
type Panel struct {
	ID      int    `json:"id"`
	Type    string `json:"type"`
	Title   string `json:"title"`
	GridPos struct{ X, Y, W, H int }
	Targets []struct {
		Expr         string            `json:"expr"`
		LegendFormat string            `json:"legendFormat"`
		Datasource   map[string]string `json:"datasource"`
	}
}

// Dashboards reads those below a folder docker.
func Dashboards(docker string) ([]Dashboard, error) {
	files, err := filepath.Glob(filepath.Join(docker, "grafana", "dashboards", "*.json"))
	if err != nil {
		return nil, err
	}
	all := make([]Dashboard, len(files))
	for i, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		if err := json.Unmarshal(content, &all[i]); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		all[i].File = filepath.Base(file)
	}
	return all, nil
}

// Expression is one query, and where it stands.
type Expression struct {
	Where, Text string
	// Legend are the labels that name its series to people.
	Legend []string
}

var legendLabel = regexp.MustCompile(`{{\s*(?:\$labels\.)?(\w+)\s*}}`)

// Expressions are all queries of alerts and dashboards, with Grafana's variables filled in.
func Expressions(docker string) ([]Expression, error) {
	alerts, err := Alerts(docker)
	if err != nil {
		return nil, err
	}
	var all []Expression
	for _, a := range alerts {
		all = append(all, Expression{"alert " + a.Name, a.Expr, named(a.Annotations["summary"])})
	}
	dashboards, err := Dashboards(docker)
	if err != nil {
		return nil, err
	}
	for _, d := range dashboards {
		for _, p := range d.Panels {
			for _, t := range p.Targets {
				text := strings.ReplaceAll(t.Expr, "$__rate_interval", "5m")
				all = append(all, Expression{d.File + ": " + p.Title, text, named(t.LegendFormat)})
			}
		}
	}
	return all, nil
}

// named are the labels that a legend or an annotation speaks of.
func named(text string) (names []string) {
	for _, found := range legendLabel.FindAllStringSubmatch(text, -1) {
		names = append(names, found[1])
	}
	return names
}

// Series are the label sets of a scrape by metric's name.
type Series map[string][]labels.Labels

// Wrong says what an expression asks for and a scrape does not have: a metric, a series
// that it selects, a label that it groups by or names. It is empty for one that is right.
func (s Series) Wrong(e Expression) (wrong []string) {
	expr, err := parser.ParseExpr(e.Text)
	if err != nil {
		return []string{fmt.Sprintf("%s: %v", e.Where, err)}
	}
	complain := func(format string, args ...any) {
		wrong = append(wrong, e.Where+": "+fmt.Sprintf(format, args...))
	}
	parser.Inspect(expr, func(node parser.Node, _ []parser.Node) error {
		switch n := node.(type) {
		case *parser.VectorSelector:
			if len(s[n.Name]) == 0 {
				complain("there is no metric %s", n.Name)
			} else if !slices.ContainsFunc(s[n.Name], func(l labels.Labels) bool { return matches(l, n.LabelMatchers) }) {
				complain("%s selects nothing that exists", n)
			}
		case *parser.AggregateExpr:
			for _, label := range n.Grouping {
				if !s.below(n.Expr, label) {
					complain("nothing in %s has a label %s", n.Expr, label)
				}
			}
		}
		return nil
	})
	for _, label := range e.Legend {
		if !s.result(expr, label) {
			complain("its series have no label %s, which its text names", label)
		}
	}
	return wrong
}

func matches(l labels.Labels, all []*labels.Matcher) bool {
	for _, m := range all {
		if m.Name != labels.MetricName && !m.Matches(l.Get(m.Name)) {
			return false
		}
	}
	return true
}

// below says whether any series that an expression selects has the label.
func (s Series) below(expr parser.Expr, label string) (found bool) {
	parser.Inspect(expr, func(node parser.Node, _ []parser.Node) error {
		if n, ok := node.(*parser.VectorSelector); ok {
			found = found || slices.ContainsFunc(s[n.Name], func(l labels.Labels) bool { return l.Has(label) })
		}
		return nil
	})
	return found
}

// result says whether an expression's own series have the label: the outermost
// aggregation keeps only what it groups by.
func (s Series) result(expr parser.Expr, label string) bool {
	switch e := expr.(type) {
	case *parser.AggregateExpr:
		if e.Op == parser.TOPK || e.Op == parser.BOTTOMK {
			return s.result(e.Expr, label)
		}
		return slices.Contains(e.Grouping, label) != e.Without && s.below(e.Expr, label)
	case *parser.BinaryExpr:
		return s.result(e.LHS, label) || s.result(e.RHS, label)
	case *parser.ParenExpr:
		return s.result(e.Expr, label)
	case *parser.Call:
		return slices.ContainsFunc(e.Args, func(arg parser.Expr) bool { return s.result(arg, label) })
	}
	return s.below(expr, label)
}
