package zreprom

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

// readDashboard returns the expressions of the dashboard, and the panels that have none but should.
func readDashboard(t *testing.T) (expressions []string) {
	t.Helper()
	text, err := os.ReadFile("dashboard.json")
	if err != nil {
		t.Fatal(err)
	}
	var d struct {
		Panels []struct {
			ID      int
			Type    string
			Title   string
			Targets []struct{ Expr string }
		}
		Templating struct {
			List []struct {
				Definition string
			}
		}
	}
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	ids := make(map[int]bool)
	for _, p := range d.Panels {
		if ids[p.ID] || p.Title == "" || p.Type != "row" && len(p.Targets) == 0 {
			t.Errorf("panel %d, %q, has the number of another, or shows nothing", p.ID, p.Title)
		}
		ids[p.ID] = true
		for _, target := range p.Targets {
			expressions = append(expressions, target.Expr)
		}
	}
	for _, v := range d.Templating.List {
		if v.Definition != "" {
			expressions = append(expressions, v.Definition)
		}
	}
	return expressions
}

var (
	metricName = regexp.MustCompile(`zre_\w+`)
	labelList  = regexp.MustCompile(`by \(([\w, ]+)\)`)
	matchers   = regexp.MustCompile(`(zre_\w+)\{([^}]*)\}`)
	inRate     = regexp.MustCompile(`(?:rate|increase)\((zre_\w+)\{[^}]*\}\[`)
	labelOf    = regexp.MustCompile(`variableLabels: \{([^}]*)\}`)
	helpOf     = regexp.MustCompile(`help: "([^"]*)"`)
)

// The dashboard shows every metric, and none that there is not; with labels that they have; and counters as rates alone. (The tools module has
// tests with the parsers of Prometheus and Grafana.)
func TestDashboard(t *testing.T) {
	labels := make(map[string][]string)
	isCounter := make(map[string]bool)
	for _, m := range metrics {
		of := labelOf.FindStringSubmatch(m.desc.String())
		if of == nil {
			t.Fatalf("no labels in %s", m.desc)
		}
		labels[m.name] = append(strings.Split(of[1], ","), "instance")
		isCounter[m.name] = m.kind == prometheus.CounterValue
	}
	shown := make(map[string]bool)
	for _, e := range readDashboard(t) {
		rates := make(map[string]bool)
		for _, m := range inRate.FindAllStringSubmatch(e, -1) {
			rates[m[1]] = true
		}
		var has []string
		for _, name := range metricName.FindAllString(e, -1) {
			if labels[name] == nil {
				t.Errorf("there is no metric %s: %s", name, e)
			}
			if isCounter[name] != rates[name] {
				t.Errorf("%s is to be shown as a rate if it is a counter: %s", name, e)
			}
			shown[name], has = true, append(has, labels[name]...)
		}
		for _, m := range matchers.FindAllStringSubmatch(e, -1) {
			for matcher := range strings.SplitSeq(m[2], ",") {
				if label := strings.TrimRight(strings.TrimSpace(strings.SplitN(matcher, "=", 2)[0]), "!"); !slices.Contains(labels[m[1]], label) {
					t.Errorf("%s has no label %q: %s", m[1], label, e)
				}
			}
		}
		for _, m := range labelList.FindAllStringSubmatch(e, -1) {
			for label := range strings.SplitSeq(m[1], ", ") {
				if !slices.Contains(has, label) {
					t.Errorf("no metric has the label %q: %s", label, e)
				}
			}
		}
	}
	for _, m := range metrics {
		if !shown[m.name] {
			t.Errorf("the dashboard does not show %s", m.name)
		}
	}
}

// The page lists each metric, with its labels and in the words of its help.
func TestDocs(t *testing.T) {
	docs, err := os.ReadFile("../../docs/operating.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range metrics {
		labels := ""
		if of := labelOf.FindStringSubmatch(m.desc.String())[1]; of != "" {
			labels = "`" + strings.ReplaceAll(of, ",", "`, `") + "`"
		}
		row := "| `" + m.name + "` | " + labels + " | " + helpOf.FindStringSubmatch(m.desc.String())[1] + " |\n"
		if !strings.Contains(string(docs), row) {
			t.Errorf("docs/operating.md does not have %s", row)
		}
	}
}
